//! A cloud and an edge in one process, on a one-thread runtime.

use std::future::Future;
use std::time::{Duration, Instant};

use pipesd_core::blob::Blob;
use pipesd_core::ids::{MessageId, PrefixHash, RoundId, SessionId, TokenId};
use pipesd_core::message::{Message, Upload, UploadReport};
use pipesd_core::payload::{Payload, WireFormat};
use pipesd_core::rate::Rate;
use pipesd_core::seed::Seed;
use pipesd_core::verification::Evidence;
use pipesd_hw::net::{Beginning, Emulation, Overflow, QUIC_OVERHEAD, ShaperConfig};
use pipesd_hw::transport::{Arrival, Identity, Link, LinkEvent, Server, Settings, connect};

/// Fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        tokio::time::timeout(PATIENCE, test).await.expect("a test that ends in time")
    })
}

/// Full distributions of the paper's vocabulary: 290 309 bytes for each token.
pub(crate) fn settings() -> Settings {
    Settings {
        format: WireFormat { payload: Payload::Full, vocabulary: 32_256 },
        ..Settings::default()
    }
}

pub(crate) fn serve(settings: &Settings) -> Server {
    let identity = Identity::create().expect("a key");
    Server::bind("127.0.0.1:0".parse().expect("an address"), &identity, settings).expect("a socket")
}

pub(crate) async fn accept(server: &mut Server) -> Link {
    match server.accept().await {
        Some(Arrival::Accepted(link)) => link,
        other => panic!("an edge is accepted, not {other:?}"),
    }
}

pub(crate) async fn refusal(server: &mut Server) -> String {
    match server.accept().await {
        Some(Arrival::Refused { why, .. }) => why,
        other => panic!("somebody is refused, not {other:?}"),
    }
}

/// An edge and its cloud, introduced.
pub(crate) async fn pair(
    settings: &Settings,
    emulation: Option<&Emulation>,
) -> (Server, Link, Link) {
    let mut server = serve(settings);
    let ticket = server.ticket(server.address());
    let edge = connect(&ticket, settings, emulation);
    let (edge, cloud) = tokio::join!(edge, accept(&mut server));
    (server, edge.expect("a link"), cloud)
}

/// A link of the paper's kind: messages take size over rate.
pub(crate) fn affine(mbps: u64, round_trip_ms: u64) -> Emulation {
    let propagation = Duration::from_micros(500 * round_trip_ms);
    let up = ShaperConfig::plain(Rate::Constant(mbps * 1_000_000), propagation);
    let up = ShaperConfig { header: -QUIC_OVERHEAD, ..up };
    let down = ShaperConfig::plain(Rate::Constant(200_000_000), propagation);
    Emulation {
        uplink: up,
        downlink: ShaperConfig { overflow: Overflow::Drop, queue_bytes: 1 << 20, ..down },
        startup: Duration::ZERO,
        abortable: false,
        seed: Seed(5),
        edge: 0,
        faults: std::sync::Arc::default(),
        since: Beginning::now(),
    }
}

pub(crate) fn lossy(emulation: Emulation, loss: f64) -> Emulation {
    let uplink = ShaperConfig { loss, ..emulation.uplink };
    let downlink = ShaperConfig { loss, ..emulation.downlink };
    Emulation { uplink, downlink, ..emulation }
}

/// Bytes of a full distribution over the paper's vocabulary.
const DISTRIBUTION_BYTES: usize = 290_309;

/// A batch of so many tokens, each with its whole distribution.
pub(crate) fn upload(round: u32, tokens: u32) -> Message {
    let distribution = Blob::new(vec![0; DISTRIBUTION_BYTES]);
    Message::Upload(Upload {
        session: SessionId(1),
        round: RoundId(round),
        parent: None,
        start: 0,
        prefix: PrefixHash::EMPTY,
        guess: None,
        offset: 0,
        tokens: (0..tokens).map(TokenId).collect(),
        evidence: vec![Evidence::Distribution(distribution); tokens as usize],
        nav: Some(tokens),
    })
}

/// A batch of ids alone: some 40 bytes.
pub(crate) fn ids() -> Message {
    match upload(0, 4) {
        Message::Upload(upload) => Message::Upload(Upload { evidence: Vec::new(), ..upload }),
        other => other,
    }
}

pub(crate) fn close(session: u64) -> Message {
    Message::Close { session: SessionId(session) }
}

pub(crate) fn probed(session: u64) -> Message {
    let report = UploadReport { tokens: 1, transfer: Duration::from_millis(3) };
    Message::Probed { session: SessionId(session), report }
}

/// Sends, and waits for `Sent`, which must be the next event.
pub(crate) async fn send(link: &mut Link, id: u64, message: &Message) -> Duration {
    let start = Instant::now();
    link.send(MessageId(id), message);
    assert_eq!(link.next_event().await, LinkEvent::Sent(MessageId(id)));
    start.elapsed()
}

pub(crate) async fn receive(link: &mut Link) -> (Message, Duration) {
    match link.next_event().await {
        LinkEvent::Received { message, transfer } => (message, transfer),
        other => panic!("a message comes, not {other:?}"),
    }
}

pub(crate) async fn closed(link: &mut Link) -> String {
    loop {
        if let LinkEvent::Closed(why) | LinkEvent::Lost(why) = link.next_event().await {
            return why;
        }
    }
}
