//! What our own code costs for each drafted token, both ends in one process and on one runtime thread:
//! models answer at once, ids alone go up, nothing is emulated. It fails if a drafted token takes more
//! than it may over QUIC.
//!
//! `cargo bench -p pipesd-hw --bench overhead`

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures real time")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pipesd_core::account::Counts;
use pipesd_core::blob::Blob;
use pipesd_core::cloud::CloudConfig;
use pipesd_core::contract::{DraftStep, Proposal, VerifyBlock};
use pipesd_core::edge::{EdgeConfig, Outage};
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::method::MethodSpec;
use pipesd_core::seed::Seed;
use pipesd_core::verification::{Claim, Decision, Sampling, Temperature};
use pipesd_hw::backend::{DraftModel, ModelError, TargetModel};
use pipesd_hw::driver::{
    Arrivals, CloudSetup, EdgeReport, EdgeSetup, Events, Newcomer, Transport, drive_cloud,
    drive_edge, loopback, one_after_another,
};
use pipesd_hw::transport::ClientName;
use pipesd_hw::transport::{Identity, Server, Settings, connect};
use tokio::runtime::{Builder, Runtime};

/// What a drafted token may take over QUIC \[µs\], both ends, wall-clock.
const BOUND_US: f64 = 50.0;

const SERIAL: &str = "trigger = 'fixed_length'\n draft_length = 6\n upload = 'at_nav'\n \
     waiting = 'idle'\n verification = 'match'\n payload = 'ids'";
/// A message for each token, which none of the paper's methods sends: it is told, and not held to the bound.
const IMMEDIATE: &str = "trigger = 'fixed_length'\n draft_length = 6\n upload = 'immediate'\n \
     waiting = 'draft_and_upload'\n waiting_resume = false\n verification = 'match'\n payload = 'ids'";

/// PipeSD as it ships: batches at the boundaries that dynamic programming finds.
const PIPESD: &str = "trigger = 'dual'\n sequence_threshold = 0.5\n token_threshold = 0.5\n upload = 'dp'\n \
     waiting = 'draft_and_upload'\n waiting_resume = false\n verification = 'match'\n payload = 'ids'";

/// A model that always says the same, but for one position in five, where draft and target differ.
struct Instantly;

const fn token(position: u32) -> TokenId {
    TokenId(1 + position % 7)
}

impl DraftModel for Instantly {
    fn prefill(&mut self, _: SessionId, _: &[TokenId], _: &Sampling) -> Result<(), ModelError> {
        Ok(())
    }

    fn step(&mut self, step: &DraftStep) -> Result<(Proposal, Option<Claim>), ModelError> {
        let position = step.position();
        let token = if position % 5 == 4 { TokenId(99) } else { token(position) };
        Ok((Proposal { token, confidence: 0.9 }, None))
    }

    fn close(&mut self, _: SessionId) {}
}

impl TargetModel for Instantly {
    fn prefill(&mut self, _: SessionId, _: &[TokenId], _: &Sampling) -> Result<(), ModelError> {
        Ok(())
    }

    fn verify(&mut self, blocks: &[VerifyBlock]) -> Vec<Result<Decision, ModelError>> {
        let decide = |block: &VerifyBlock| {
            let start = block.keep + block.feed.len() as u32;
            let end = start + block.drafts.len() as u32;
            Ok(Decision::of((start..=end).map(token).collect()))
        };
        blocks.iter().map(decide).collect()
    }

    fn replace(
        &mut self,
        _: SessionId,
        _: RoundId,
        _: u32,
        _: &Blob,
    ) -> Result<TokenId, ModelError> {
        Err(ModelError::Refused("nothing is withheld".into()))
    }

    fn close(&mut self, _: SessionId) {}
}

fn config(entry: &str) -> EdgeConfig {
    let spec: MethodSpec = toml::from_str(entry).expect("an entry of this file");
    let method = spec.resolve().expect("an entry of this file");
    EdgeConfig { method, tuning: None, patience: Duration::from_secs(10), outage: Outage::DEFAULT }
}

fn requests() -> Vec<Request> {
    let request = |id| Request {
        session: SessionId(id),
        prompt: vec![TokenId(1); 100],
        budget: 1000,
        stop_ids: vec![TokenId(0)],
        temperature: Temperature::default(),
        seed: 1,
        text: Vec::new(),
    };
    (0..20).map(request).collect()
}

async fn run<A: Arrivals>(
    entry: &str,
    record: bool,
    end: (impl Transport + 'static, impl Events),
    mut arrivals: A,
) -> EdgeReport {
    let mut edge = EdgeSetup::new(0, config(entry), 32_000, Seed(1));
    let mut cloud = CloudSetup::new(CloudConfig::batching(1), Seed(1));
    if record {
        edge.record = Some(Box::new(std::io::sink()));
        cloud.record = Some(Box::new(std::io::sink()));
    }
    let (over, ended) = tokio::sync::oneshot::channel::<()>();
    let requests = one_after_another(requests());
    let edge = async move {
        let never = core::future::pending();
        let report = drive_edge(edge, || Ok(Box::new(Instantly)), end, requests, never).await;
        drop(over);
        report
    };
    let ended = async { drop(ended.await) };
    let cloud = drive_cloud(cloud, || Ok(Box::new(Instantly)), &mut arrivals, ended);
    let (report, cloud) = tokio::join!(edge, cloud);
    cloud.expect("the cloud serves");
    report.expect("all is decoded")
}

async fn over_loopback(entry: &str, record: bool) -> EdgeReport {
    let (one, (transport, events)) = loopback::pair();
    let (door, arrivals) = tokio::sync::mpsc::channel(1);
    door.try_send(Newcomer {
        edge: 0,
        client: ClientName::numbered(0_u8.into()),
        transport,
        events,
    })
    .expect("room for one");
    run(entry, record, one, arrivals).await
}

async fn over_quic(entry: &str, record: bool) -> EdgeReport {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let identity = Identity::create().expect("a key");
    let settings = Settings::default();
    let server = Server::bind(anywhere, &identity, &settings).expect("a free port");
    let ticket = server.ticket(server.address());
    let link = connect(&ticket, &settings, None).await.expect("the server answers");
    run(entry, record, link.split(), server).await
}

/// CPU time of this process: of its loops and of all threads that it has had. None where the system
/// does not tell.
fn cpu() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};
        Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).ok()
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// What a run took, in µs for each drafted token, and what it did.
struct Cost {
    wall: f64,
    cpu: Option<f64>,
    counts: Counts,
}

fn cost(runtime: &Runtime, entry: &str, quic: bool, record: bool) -> Cost {
    let (start, cpu_start) = (Instant::now(), cpu());
    let report = runtime.block_on(async {
        if quic { over_quic(entry, record).await } else { over_loopback(entry, record).await }
    });
    let (wall, cpu_end) = (start.elapsed(), cpu());
    // Guesses are not among them: they cost us time and are no drafts.
    let each = |time: Duration| time.as_secs_f64() * 1e6 / report.counts.drafted as f64;
    let cpu = cpu_start.zip(cpu_end).map(|(start, end)| each(end.saturating_sub(start)));
    Cost { wall: each(wall), cpu, counts: report.counts }
}

fn main() -> ExitCode {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("µs for each drafted token, median of 5 runs of 20 x 1000 output tokens");
    println!("method     link      log   wall    CPU, all threads   drafted   guesses   navs");
    let mut most = 0.0_f64;
    for (name, entry) in [("serial", SERIAL), ("pipesd", PIPESD), ("immediate", IMMEDIATE)] {
        for (link, quic) in [("loopback", false), ("quic", true)] {
            for record in [false, true] {
                let mut runs: Vec<_> =
                    (0..5).map(|_| cost(&runtime, entry, quic, record)).collect();
                runs.sort_by(|a, b| a.wall.total_cmp(&b.wall));
                let Cost { wall, cpu, counts } = &runs[2];
                let cpu = cpu.map_or("not measured".into(), |cpu| format!("{cpu:.1}"));
                let log = if record { "yes" } else { "no" };
                println!(
                    "{name:<10} {link:<9} {log:<4} {wall:6.1} {cpu:>18} {:9} {:9} {:6}",
                    counts.drafted, counts.guesses, counts.navs
                );
                if quic && entry != IMMEDIATE {
                    most = most.max(*wall);
                }
            }
        }
    }
    if most > BOUND_US {
        eprintln!("over QUIC a drafted token takes {most:.1} µs, more than {BOUND_US} µs");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
