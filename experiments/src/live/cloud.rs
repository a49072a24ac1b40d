//! One cloud in this process: listens, prints its ticket, and verifies until it is told to stop.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use metrics_exporter_prometheus::PrometheusBuilder;
use pipesd_core::seed::Seed;
use pipesd_core::sharing::CloudCounts;
use pipesd_core::time::Duration;
use pipesd_hw::driver::{Arrivals, CloudSetup, Newcomer, drive_cloud};
use pipesd_hw::energy::Reading;
use pipesd_hw::transport::{Identity, LinkEvents, LinkSender, Server};
use serde::{Deserialize, Serialize};

use super::edge::log_file;
use super::scene::Scene;
use super::{interrupted, metered};
use crate::cli::LogForm;
use crate::input::bad_input;

/// How a cloud is run.
pub(crate) struct Options<'a> {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// What edges are told to connect to, if not the same.
    pub(crate) advertise: Option<SocketAddr>,
    /// Where its key is kept; None: a new one each time.
    pub(crate) identity: Option<&'a Path>,
    /// Ends when its first edge has gone for good, or if none comes within this time.
    pub(crate) once: Option<Duration>,
    /// Where the log goes.
    pub(crate) log: Option<&'a Path>,
    /// Where metrics are shown.
    pub(crate) metrics: Option<SocketAddr>,
    /// Is given the ticket, on a line of its own.
    pub(crate) announce: &'a dyn Fn(&str) -> Result<()>,
}

/// What a cloud has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Served {
    pub(crate) counts: CloudCounts,
    pub(crate) elapsed: Duration,
    pub(crate) links: u64,
    /// Edges whose links were ended from here, and why.
    pub(crate) ended: Vec<(u32, String)>,
    /// What this machine's counters say.
    pub(crate) energy: Vec<Reading>,
}

/// Has the cloud's log written to stderr from now on.
pub(crate) fn log_to_stderr(form: LogForm) {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false);
    // An error: there is one already.
    let _ = match form {
        LogForm::Text => log.with_ansi(false).try_init(),
        LogForm::Json => log.json().try_init(),
    };
}

/// Serves the page that Prometheus reads, on the runtime that this is called on.
fn show_metrics(address: SocketAddr) -> Result<()> {
    let bad = |error: &dyn std::fmt::Display| bad_input!("--metrics {address}: {error}");
    let page = PrometheusBuilder::new().with_http_listener(address).build();
    let (recorder, page) = page.map_err(|error| bad(&error))?;
    metrics::set_global_recorder(recorder).map_err(|error| bad(&error))?;
    tokio::spawn(async move {
        if page.await.is_err() {
            eprintln!("--metrics {address}: the page is shown no longer");
        }
    });
    Ok(())
}

/// Serves until Ctrl-C, or once.
pub(crate) fn serve(scene: &Scene, options: &Options<'_>) -> Result<Served> {
    super::runtime()?.block_on(serve_async(scene, options))
}

async fn serve_async(scene: &Scene, options: &Options<'_>) -> Result<Served> {
    let identity = match options.identity {
        Some(path) => Identity::load_or_create(path)?,
        None => Identity::create()?,
    };
    let server = Server::bind(options.listen, &identity, &scene.settings())?;
    let address = options.advertise.unwrap_or_else(|| server.address());
    (options.announce)(&server.ticket(address).to_string())?;
    if let Some(address) = options.metrics {
        show_metrics(address)?;
    }
    let mut setup = CloudSetup::new(scene.setup.cloud, Seed(scene.seed));
    if options.once.is_some() {
        // It waits for an edge that has lost its link no longer than the edge does for it.
        let limits = &mut setup.config.limits;
        limits.idle = limits.idle.min(scene.setup.edge.outage.patience);
    }
    setup.record = options.log.map(log_file).transpose()?;
    setup.patience = scene.patience();
    let mut arrivals = Door { server, once: options.once, served: false };
    let run = drive_cloud(setup, scene.target(), &mut arrivals, interrupted());
    let (report, energy) = metered(run).await;
    arrivals.server.close().await;
    let pipesd_hw::driver::CloudReport { counts, elapsed, links, ended, .. } = report?;
    // A cloud that serves for good has one other reason to end: nobody can come any more.
    anyhow::ensure!(
        options.once.is_some() || super::ensure_not_interrupted().is_err(),
        "{}: the socket is lost, and with it all links",
        options.listen
    );
    Ok(Served { counts, elapsed, links, ended, energy })
}

/// Lets edges in, for good or until the first has gone.
struct Door {
    server: Server,
    once: Option<Duration>,
    served: bool,
}

impl Arrivals for Door {
    type Transport = LinkSender;
    type Events = LinkEvents;

    async fn next(&mut self) -> Option<Newcomer<LinkSender, LinkEvents>> {
        let Some(patience) = self.once else { return Arrivals::next(&mut self.server).await };
        if self.served {
            // The one that it serves may come back over another link.
            return Arrivals::next(&mut self.server).await;
        }
        let first = tokio::time::timeout(patience, Arrivals::next(&mut self.server)).await;
        self.served = true;
        first.ok().flatten()
    }

    fn ends_when_idle(&self) -> bool {
        self.once.is_some() && self.served
    }

    fn refused(&self) -> u64 {
        self.server.refused()
    }
}
