//! The same over QUIC: each end on a thread and a runtime of its own.

use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use pipesd_core::edge::EdgeConfig;
use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::payload::WireFormat;
use pipesd_core::verification::{Sampling, Temperature};
use pipesd_hw::backend::table::{Table, TableDraft, TableTarget};
use pipesd_hw::backend::{DraftModel, TargetModel};
use pipesd_hw::driver::{
    CloudReport, CloudSetup, DriverError, EdgeReport, EdgeSetup, drive_cloud, drive_edge,
    one_after_another,
};
use pipesd_hw::record::{align, replay};
use pipesd_hw::transport::{Identity, Server, Settings, Ticket, connect};

use crate::relay::{Conditions, Relay};
use crate::support::{
    Built, CLOUD, DUAL, FIXED, Log, SEED, TOKEN, VOCABULARY, block_on, draft, edge_with, never,
    playback, requests, target,
};

/// A cloud on its own thread: its ticket, and what ends it and tells what it did.
pub(crate) struct Served {
    pub(crate) ticket: Ticket,
    pub(crate) over: tokio::sync::oneshot::Sender<()>,
    pub(crate) thread: std::thread::JoinHandle<(Result<CloudReport, DriverError>, Duration)>,
}

/// Serves links until `over`.
pub(crate) fn serve(
    settings: Settings,
    setup: CloudSetup,
    target: impl FnOnce() -> Built<dyn TargetModel> + Send + 'static,
) -> Served {
    let (tell, ticket) = std_mpsc::channel();
    let (over, ended) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || {
        block_on(async move {
            let address = "127.0.0.1:0".parse().expect("an address");
            let identity = Identity::create().expect("a key");
            let mut server = Server::bind(address, &identity, &settings).expect("a socket");
            tell.send(server.ticket(server.address())).expect("the test listens");
            let report = drive_cloud(setup, target, &mut server, async { drop(ended.await) }).await;
            let start = Instant::now();
            server.close().await;
            (report, start.elapsed())
        })
    });
    Served { ticket: ticket.recv().expect("it listens"), over, thread }
}

/// What the edge reports, and the packets dropped by the link outside, if there is one. Both logs
/// replay and go together.
pub(crate) fn decode(
    config: EdgeConfig,
    vocabulary: u32,
    models: (
        impl FnOnce() -> Built<dyn DraftModel> + Send + 'static,
        impl FnOnce() -> Built<dyn TargetModel> + Send + 'static,
    ),
    requests: Vec<Request>,
    outside: Option<Conditions>,
) -> (EdgeReport, u64) {
    let (edge_log, cloud_log) = (Log::default(), Log::default());
    let format = WireFormat { payload: config.method.payload, vocabulary };
    let settings = Settings { format, ..Settings::default() };
    let setup = CloudSetup { record: cloud_log.writer(), ..CloudSetup::new(CLOUD, SEED) };
    let served = serve(settings.clone(), setup, models.1);
    let relay = outside.map(|conditions| Relay::start(served.ticket.address, conditions));
    let address = relay.as_ref().map_or(served.ticket.address, |relay| relay.address);
    let ticket = Ticket { address, ..served.ticket };
    let mut setup = EdgeSetup::new(0, config, vocabulary, SEED);
    setup.record = edge_log.writer();
    let requests = one_after_another(requests);
    let report = block_on(async {
        let link = connect(&ticket, &settings, None).await.expect("the cloud answers");
        drive_edge(setup, models.0, link.split(), requests, never()).await
    });
    // The edge's runtime has ended; its link's end has reached the cloud all the same, which therefore
    // has no connection to wait for.
    served.over.send(()).expect("the cloud goes on");
    let (cloud, closing) = served.thread.join().expect("no panic");
    assert!(closing < Duration::from_secs(5), "a link was left open: {closing:?}");
    assert_eq!(cloud.expect("served").links, 1);
    let (edge_log, cloud_log) = (edge_log.read("edge.log"), cloud_log.read("cloud.log"));
    replay(&edge_log).expect("the edge's outputs");
    replay(&cloud_log).expect("the cloud's outputs");
    align(&[edge_log], &cloud_log).expect("they go together");
    let dropped = relay.map_or(0, |relay| relay.dropped());
    (report.expect("all is decoded"), dropped)
}

#[test]
fn recorded_texts_cross_quic_under_every_payload() {
    let playback = playback(&[60, 40]);
    for (entry, payload) in [(FIXED, "ids"), (TOKEN, "lazy"), (DUAL, "full"), (DUAL, "ids")] {
        let config = edge_with(entry, payload);
        let models = (draft(&playback), target(&playback));
        let (report, _) = decode(config, VOCABULARY, models, requests(&playback), None);
        for (number, text) in report.texts.iter().enumerate() {
            assert_eq!(text.tokens, playback.truth(number), "{entry} {payload}: text {number}");
        }
    }
}

#[test]
fn models_with_distributions_write_the_targets_own_text_over_quic() {
    let target = Table::target(24, 4.0, SEED);
    let draft = target.draft(2.0, SEED);
    for (entry, payload) in [(TOKEN, "full"), (DUAL, "lazy")] {
        let config = edge_with(entry, payload);
        let temperature = Temperature::new(0.0).expect("in range");
        let request = |id: u64| Request {
            session: SessionId(id),
            prompt: vec![TokenId(id as u32 % 24), TokenId(3)],
            budget: 80,
            stop_ids: vec![TokenId(23)],
            temperature,
            seed: id,
            text: Vec::new(),
        };
        let requests: Vec<Request> = (0..3).map(request).collect();
        let (own, other) = (target.clone(), draft.clone());
        let models = (
            move || Ok(Box::new(TableDraft::new(other)) as Box<dyn DraftModel>),
            move || Ok(Box::new(TableTarget::new(own)) as Box<dyn TargetModel>),
        );
        let (report, _) = decode(config, 24, models, requests.clone(), None);
        for (request, text) in requests.iter().zip(&report.texts) {
            let sampling = Sampling { terms: config.terms(), temperature, seed: request.seed };
            assert_eq!(text.tokens, target.alone(request, &sampling), "{entry} {payload}");
        }
    }
}

#[test]
fn a_cloud_that_goes_away_is_heard_of_over_quic() {
    let playback = playback(&[200]);
    let latencies = pipesd_hw::backend::emulated::Latencies {
        step: Duration::from_millis(20),
        ..Default::default()
    };
    let slow = pipesd_hw::backend::emulated::Playback::new(
        playback.trace().clone(),
        VOCABULARY,
        latencies,
    );
    let slow = Arc::new(slow.expect("sound"));
    let settings = Settings::default();
    let served = serve(settings.clone(), CloudSetup::new(CLOUD, SEED), target(&slow));
    let setup = EdgeSetup::new(0, edge_with(TOKEN, "ids"), VOCABULARY, SEED);
    let queue = one_after_another(requests(&slow));
    let report = block_on(async {
        let link = connect(&served.ticket, &settings, None).await.expect("the cloud answers");
        let edge = drive_edge(setup, draft(&slow), link.split(), queue, never());
        let stop = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            served.over.send(()).expect("the cloud goes on");
        };
        tokio::join!(edge, stop).0
    });
    assert!(matches!(report, Err(DriverError::LinkClosed(_))), "{report:?}");
    served.thread.join().expect("no panic").0.expect("closed as asked");
}
