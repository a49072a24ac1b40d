//! What loss and jitter cost a message, live and simulated: QUIC over the emulated link, and the
//! simulator's packet link.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what is measured happens in real time"
)]

use std::sync::Arc;
use std::time::Instant as Moment;

use pipesd_core::blob::Blob;
use pipesd_core::ids::{MessageId, PrefixHash, RoundId, SessionId, TokenId};
use pipesd_core::message::{Message, Upload};
use pipesd_core::payload::{Payload, WireFormat};
use pipesd_core::rate::Rate;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant, as_millis};
use pipesd_core::verification::Evidence;
use pipesd_hw::net::{Beginning, Emulation, Overflow, QUIC_OVERHEAD, ShaperConfig};
use pipesd_hw::transport::{Arrival, Identity, Link, LinkEvent, Server, Settings, connect};
use pipesd_sim::link::{Link as Simulated, LinkConfig, LinkEvent as Event, PacketConfig};

use crate::processes::given;

/// Between a message's arrival and the next one.
const IDLE: Duration = Duration::from_millis(60);
/// Bytes of a full distribution over the paper's vocabulary.
const DISTRIBUTION_BYTES: usize = 290_309;
/// Bytes of an upload of ids besides its distributions: about.
const IDS_BYTES: u64 = 45;

/// S1's uplink, without a start-up.
fn conditions(loss: f64, jitter: Duration) -> PacketConfig {
    PacketConfig {
        rate: Rate::Constant(20_000_000),
        startup: Duration::ZERO,
        propagation: Duration::from_micros(2500),
        jitter,
        loss,
        queue_bytes: 64_000,
        abortable: false,
        mtu: PacketConfig::MTU,
        header: PacketConfig::HEADER,
    }
}

fn emulation(config: &PacketConfig, seed: u64) -> Emulation {
    let uplink = ShaperConfig {
        jitter: config.jitter,
        loss: config.loss,
        queue_bytes: config.queue_bytes,
        header: config.header as i64 - QUIC_OVERHEAD,
        ..ShaperConfig::plain(config.rate.clone(), config.propagation)
    };
    let rate = Rate::Constant(200_000_000);
    let downlink = ShaperConfig { rate, overflow: Overflow::Drop, ..uplink.clone() };
    Emulation {
        uplink,
        downlink,
        startup: Duration::ZERO,
        abortable: false,
        seed: Seed(seed),
        edge: 0,
        faults: Arc::default(),
        since: Beginning::now(),
    }
}

fn upload(tokens: usize) -> Message {
    let evidence = vec![Evidence::Distribution(Blob::new(vec![0; DISTRIBUTION_BYTES])); tokens];
    let tokens: Vec<TokenId> = (0..tokens.max(1) as u32).map(TokenId).collect();
    Message::Upload(Upload {
        session: SessionId(1),
        round: RoundId(0),
        parent: None,
        start: 0,
        prefix: PrefixHash::EMPTY,
        guess: None,
        offset: 0,
        nav: Some(tokens.len() as u32),
        tokens,
        evidence,
    })
}

async fn pair(settings: &Settings, emulation: &Emulation) -> (Server, Link, Link) {
    let address = "127.0.0.1:0".parse().expect("an address");
    let identity = Identity::create().expect("a key");
    let mut server = Server::bind(address, &identity, settings).expect("a socket");
    let ticket = server.ticket(server.address());
    let accepted = async {
        match server.accept().await {
            Some(Arrival::Accepted(link)) => link,
            other => panic!("an edge is accepted, not {other:?}"),
        }
    };
    let (edge, cloud) = tokio::join!(connect(&ticket, settings, Some(emulation)), accepted);
    (server, edge.expect("a link"), cloud)
}

/// Times from first to last of each message, and how many packets QUIC took for lost, and how many
/// were.
async fn live(config: &PacketConfig, tokens: usize, count: u64) -> (Vec<f64>, [u64; 2]) {
    let settings = Settings {
        format: WireFormat {
            payload: if tokens == 0 { Payload::Ids } else { Payload::Full },
            vocabulary: 32_256,
        },
        ..Settings::default()
    };
    let (_server, edge, mut cloud) = pair(&settings, &emulation(config, 1)).await;
    let mut times = Vec::new();
    for id in 0..count {
        tokio::time::sleep(IDLE).await;
        let begun = Moment::now();
        edge.send(MessageId(id), &upload(tokens));
        match cloud.next_event().await {
            LinkEvent::Received { .. } => {}
            other => panic!("a message comes, not {other:?}"),
        }
        times.push(as_millis(begun.elapsed()));
    }
    let stats = edge.sender().stats();
    let lost = stats.emulated.expect("an emulated link").up.lost[0];
    (times, [stats.quic.path.lost_packets, lost])
}

fn simulated(config: &PacketConfig, tokens: usize, count: u64, seed: u64) -> Vec<f64> {
    let bytes = IDS_BYTES + (tokens * DISTRIBUTION_BYTES) as u64;
    let mut link =
        Simulated::new(&LinkConfig::Packet(config.clone()), Seed(seed).stream("link", 0));
    let (mut now, mut times) = (Instant::ZERO, Vec::new());
    for id in 0..count {
        now += IDLE;
        let begun = now;
        link.offer(now, MessageId(id), bytes);
        'arrives: loop {
            now = link.next_wake().expect("it arrives");
            while let Some(event) = link.poll(now) {
                if matches!(event, Event::Delivered { .. }) {
                    break 'arrives;
                }
            }
        }
        times.push(as_millis(now - begun));
    }
    times
}

fn mean_and_error(times: &[f64]) -> (f64, f64) {
    let n = times.len() as f64;
    let mean = times.iter().sum::<f64>() / n;
    let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// PIPESD_MESSAGES: of each kind, live.
#[test]
#[ignore = "timing: run alone"]
fn losses_cost_a_live_message_what_they_cost_a_simulated_one() {
    let count = given("PIPESD_MESSAGES", 120);
    let jitter = Duration::from_millis(2);
    let mut cases = Vec::new();
    for tokens in [0, 1, 3] {
        for (loss, jitter) in
            [(0.0, Duration::ZERO), (0.0, jitter), (0.01, Duration::ZERO), (0.01, jitter)]
        {
            cases.push((tokens, conditions(loss, jitter)));
        }
    }
    // They mostly wait: several at a time.
    let rows: Vec<_> = std::thread::scope(|scope| {
        let run = |(tokens, config): &(usize, PacketConfig)| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(live(config, *tokens, count))
        };
        let shares: Vec<_> = cases
            .chunks(4)
            .map(|share| scope.spawn(move || share.iter().map(run).collect::<Vec<_>>()))
            .collect();
        shares.into_iter().flat_map(|share| share.join().expect("no panic")).collect()
    });
    println!("bytes, loss, jitter: live and simulated mean (ms), lost by QUIC and by the link");
    for ((tokens, config), (times, lost)) in cases.iter().zip(&rows) {
        let (live, error) = mean_and_error(times);
        let all: Vec<f64> =
            (0..50).flat_map(|seed| simulated(config, *tokens, count, seed)).collect();
        let (expected, _) = mean_and_error(&all);
        println!(
            "{:7} {:4} {:3.0}: {live:7.2} ± {error:.2}, {expected:7.2}, {lost:?}",
            tokens * DISTRIBUTION_BYTES,
            config.loss,
            as_millis(config.jitter),
        );
        // A live message's length goes out in a packet of its own: with jitter the later of two counts.
        let allowed = 4.0 * error + 0.01 * expected + 1.5;
        assert!((live - expected).abs() <= allowed, "{live} {expected} {config:?}");
        let [by_quic, by_link] = lost;
        assert!(by_quic.abs_diff(*by_link) <= 20, "QUIC sends again what is late: {lost:?}");
    }
}
