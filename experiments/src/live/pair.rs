//! Both ends on this machine, each in a process of its own: the edge here, the cloud as a child.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use pipesd_core::summary::Summary;
use pipesd_hw::driver::Observer;
use pipesd_hw::transport::Ticket;

use super::cloud::Served;
use super::edge::{self, Decoded};
use super::ensure_not_interrupted;
use super::report::summary;
use super::scene::Scene;

/// A run of both ends.
#[derive(Clone, Debug)]
pub(crate) struct Paired {
    pub(crate) decoded: Decoded,
    pub(crate) served: Served,
}

impl Paired {
    /// The run's figures.
    pub(crate) fn summary(&self) -> Result<Summary> {
        summary(&self.decoded.report, Some(&self.served))
    }
}

/// Names of the two logs in a recording's folder.
pub(crate) const EDGE_LOG: &str = "edge.jsonl";
pub(crate) const CLOUD_LOG: &str = "cloud.jsonl";

/// How long the cloud may take to end after its edge has gone.
const FAREWELL: Duration = Duration::from_secs(20);
/// How long it may take to say why it has failed.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long it may take to start.
const TICKET_WITHIN: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(20);

/// Runs both ends of `scene`; their logs go to `folder`, if there is one.
pub(crate) fn run(
    scene: &Scene,
    folder: Option<&Path>,
    emulate: bool,
    observer: Option<Observer>,
) -> Result<Paired> {
    let mut cloud = start_cloud(scene, folder, true)?;
    let (mut stdout, ticket) = cloud.ticket().map_err(|error| cloud.explain(error))?;
    let log = folder.map(|folder| folder.join(EDGE_LOG));
    let options = edge::Options { emulate, log: log.as_deref(), journal: None, observer };
    let decoded = edge::decode(scene, &ticket, options).map_err(|error| cloud.explain(error))?;
    let served = cloud.finish(&mut stdout)?;
    Ok(Paired { decoded, served })
}

/// A cloud for any number of edges, until it is dropped.
pub(crate) fn serve(scene: &Scene) -> Result<(Cloud, Ticket)> {
    let mut cloud = start_cloud(scene, None, false)?;
    let (_, ticket) = cloud.ticket().map_err(|error| cloud.explain(error))?;
    Ok((cloud, ticket))
}

/// A child that does not outlive its owner.
pub(crate) struct Cloud(Child);

impl Drop for Cloud {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Cloud {
    /// Its ticket, the first that it says, and where it says the rest.
    fn ticket(&mut self) -> Result<(BufReader<ChildStdout>, Ticket)> {
        let mut stdout = BufReader::new(self.0.stdout.take().expect("piped, and taken once"));
        let (tell, told) = mpsc::channel();
        // Reading has no limit of time: it is left to a thread, which ends with the child.
        thread::Builder::new().name("ticket".to_owned()).spawn(move || {
            let mut line = String::new();
            let read = stdout.read_line(&mut line).map(|_| (stdout, line));
            // An error: nobody waits any more.
            let _ = tell.send(read);
        })?;
        let (stdout, line) =
            told.recv_timeout(TICKET_WITHIN).context("the cloud has said no ticket")??;
        let ticket = line.trim().parse().context("the cloud has said no ticket")?;
        Ok((stdout, ticket))
    }

    /// How it ended, if it has within `patience`.
    #[expect(clippy::disallowed_methods, reason = "another process ends in its own time")]
    fn ended(&mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        let mut waited = Duration::ZERO;
        loop {
            let status = self.0.try_wait()?;
            if status.is_some() || waited >= patience {
                return Ok(status);
            }
            thread::sleep(GLANCE);
            waited += GLANCE;
        }
    }

    /// The edge's error. If the cloud has failed as well, it says why itself, and is given the time to.
    fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        // From a terminal Ctrl-C goes to both, and the link may be over before we know why.
        if let Err(interrupted) = ensure_not_interrupted() {
            return error.context(interrupted);
        }
        match self.ended(LAST_WORDS) {
            Ok(Some(status)) if !status.success() => {
                error.context(format!("the cloud's process has failed too ({status})"))
            }
            _ => error,
        }
    }

    /// Waits for its end and reads what it has done.
    fn finish(&mut self, stdout: &mut BufReader<ChildStdout>) -> Result<Served> {
        let status = self.ended(FAREWELL)?.context("the cloud does not end")?;
        anyhow::ensure!(status.success(), "the cloud has failed ({status})");
        let mut rest = String::new();
        stdout.read_to_string(&mut rest)?;
        serde_json::from_str(&rest).with_context(|| format!("the cloud says `{}`", rest.trim()))
    }
}

fn start_cloud(scene: &Scene, folder: Option<&Path>, once: bool) -> Result<Cloud> {
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let mut command = Command::new(program);
    command.args(["cloud", "--listen", "127.0.0.1:0", "--json"]);
    if once {
        command.arg("--once");
    }
    command.args(["--seed", &scene.seed.to_string(), "--tokens", &scene.tokens.to_string()]);
    let choice = &scene.choice;
    command.args(["--profile", &choice.profile, "--scenario", &choice.scenario]);
    command.args(["--method", &choice.method]);
    for set in &choice.sets {
        command.args(["--set", set]);
    }
    if let Some(pair) = scene.pair() {
        command.args(pair.choice.words());
    }
    if let Some(folder) = folder {
        command.arg("--record").arg(folder);
    }
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("the cloud's process does not start")?;
    Ok(Cloud(child))
}
