//! Texts, methods and runs for the tests.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipesd_core::cloud::CloudConfig;
use pipesd_core::edge::{EdgeConfig, Outage};
use pipesd_core::ids::SessionId;
use pipesd_core::message::Request;
use pipesd_core::method::MethodSpec;
use pipesd_core::seed::Seed;
use pipesd_core::trace::{Trace, TraceText};
use pipesd_hw::backend::emulated::{EmulatedDraft, EmulatedTarget, Latencies, Playback};
use pipesd_hw::backend::{DraftModel, ModelError, TargetModel};
use pipesd_hw::driver::loopback::{self, Loopback, LoopbackEvents};
use pipesd_hw::driver::{
    CloudReport, CloudSetup, DriverError, EdgeReport, EdgeSetup, Newcomer, drive_cloud, drive_edge,
    one_after_another,
};
use pipesd_hw::record::RunLog;
use pipesd_hw::transport::ClientName;
use tokio::sync::mpsc;

pub(crate) const SEED: Seed = Seed(11);
pub(crate) const VOCABULARY: u32 = 1000;

pub(crate) const FIXED: &str = "trigger = 'fixed_length'\n draft_length = 6\n upload = 'at_nav'\n \
     waiting = 'idle'\n verification = 'match'\n";
pub(crate) const TOKEN: &str = "trigger = 'token_threshold'\n token_threshold = 0.6\n \
     upload = 'immediate'\n waiting = 'draft_and_upload'\n waiting_resume = false\n \
     verification = 'match'\n";
pub(crate) const DUAL: &str = "trigger = 'dual'\n sequence_threshold = 0.4\n token_threshold = 0.3\n \
     upload = 'dp'\n waiting = 'draft_and_upload'\n waiting_resume = false\n \
     verification = 'match'\n";

/// The method that `entry` describes, with ids alone on the wire.
pub(crate) fn edge(entry: &str) -> EdgeConfig {
    edge_with(entry, "ids")
}

pub(crate) fn edge_with(entry: &str, payload: &str) -> EdgeConfig {
    let spec: MethodSpec =
        toml::from_str(&format!("{entry}payload = '{payload}'")).expect("a test's entry");
    let method = spec.resolve().expect("a test's method is valid");
    EdgeConfig { method, tuning: None, patience: Duration::from_secs(20), outage: Outage::DEFAULT }
}

pub(crate) const CLOUD: CloudConfig = CloudConfig::batching(4);

/// Recorded texts of `lengths`: three of four drafts are right, and rollouts are long.
pub(crate) fn trace(lengths: &[u32]) -> Trace {
    let mut stream = SEED.stream("test texts", 0);
    let mut key = 0;
    let mut draw = || {
        key += 1;
        stream.at(key).uniform()
    };
    let mut id = move || (1.0 + 900.0 * draw()) as u32;
    let text = |&length: &u32| {
        let mut text = TraceText { prompt_tokens: 5, stop_ids: vec![0], ..TraceText::default() };
        for position in 0..length {
            let (draft, other) = (id(), id());
            let right = id() < 675;
            let target = if right { draft } else { other };
            if draft != target {
                let rollout = (0..80).map(|_| (id(), f64::from(id()) / 1000.0)).collect();
                text.rollouts.insert(position, rollout);
            }
            text.positions.push((draft, target, f64::from(id()) / 1000.0));
        }
        text
    };
    let texts = lengths.iter().map(text).collect();
    Trace { format: Trace::FORMAT.into(), source: "a test".into(), timing: None, texts }
}

/// Texts that are played at once.
pub(crate) fn playback(lengths: &[u32]) -> Arc<Playback> {
    let playback = Playback::new(trace(lengths), VOCABULARY, Latencies::default());
    Arc::new(playback.expect("a sound trace"))
}

/// A log in memory.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn read(&self, name: &str) -> RunLog {
        RunLog::read(name, self.text().as_bytes()).expect("a log as it was written")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("sound").clone()).expect("text")
    }

    pub(crate) fn writer(&self) -> Option<Box<dyn Write + Send>> {
        Some(Box::new(self.clone()))
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("sound").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs something on a runtime of one thread. A test that hangs fails.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let bounded = async { tokio::time::timeout(Duration::from_secs(60), future).await };
    runtime.expect("a runtime").block_on(bounded).expect("it ends within a minute")
}

pub(crate) type Built<M> = Result<Box<M>, ModelError>;
pub(crate) type Arrived = Newcomer<Loopback, LoopbackEvents>;

/// One edge and one cloud over a link within the process.
pub(crate) struct Pair<D, T> {
    pub(crate) edge: EdgeSetup,
    pub(crate) cloud: CloudSetup,
    pub(crate) draft: D,
    pub(crate) target: T,
    pub(crate) requests: Vec<Request>,
}

impl<D, T> Pair<D, T>
where
    D: FnOnce() -> Built<dyn DraftModel> + Send + 'static,
    T: FnOnce() -> Built<dyn TargetModel> + Send + 'static,
{
    pub(crate) async fn run(
        self,
    ) -> (Result<EdgeReport, DriverError>, Result<CloudReport, DriverError>) {
        let (one, (transport, events)) = loopback::pair();
        let (door, mut arrivals) = mpsc::channel(1);
        let newcomer = Newcomer {
            edge: self.edge.number,
            client: ClientName::numbered(self.edge.number.into()),
            transport,
            events,
        };
        door.try_send(newcomer).expect("room for one");
        drop(door);
        let requests = one_after_another(self.requests);
        let edge = drive_edge(self.edge, self.draft, one, requests, never());
        let cloud = drive_cloud(self.cloud, self.target, &mut arrivals, never());
        tokio::join!(edge, cloud)
    }
}

pub(crate) fn never() -> impl Future<Output = ()> {
    core::future::pending()
}

pub(crate) fn draft(playback: &Arc<Playback>) -> impl FnOnce() -> Built<dyn DraftModel> + use<> {
    let playback = Arc::clone(playback);
    move || Ok(Box::new(EmulatedDraft::new(playback)))
}

pub(crate) fn target(playback: &Arc<Playback>) -> impl FnOnce() -> Built<dyn TargetModel> + use<> {
    let playback = Arc::clone(playback);
    move || Ok(Box::new(EmulatedTarget::new(playback)))
}

/// A request for each text.
pub(crate) fn requests(playback: &Playback) -> Vec<Request> {
    let texts = playback.trace().texts.len();
    (0..texts).map(|number| playback.request(SessionId(number as u64), number, SEED.0)).collect()
}

/// A recorded run of all texts of a playback: the edge's report and both logs.
pub(crate) fn recorded(
    config: EdgeConfig,
    playback: &Arc<Playback>,
) -> (EdgeReport, RunLog, RunLog) {
    let (edge_log, cloud_log) = (Log::default(), Log::default());
    let mut edge = EdgeSetup::new(0, config, VOCABULARY, SEED);
    edge.record = edge_log.writer();
    let mut cloud = CloudSetup::new(CLOUD, SEED);
    cloud.record = cloud_log.writer();
    let pair = Pair {
        edge,
        cloud,
        draft: draft(playback),
        target: target(playback),
        requests: requests(playback),
    };
    let (report, cloud) = block_on(pair.run());
    cloud.expect("the cloud ends when its edge is gone");
    (report.expect("all is decoded"), edge_log.read("edge.log"), cloud_log.read("cloud.log"))
}
