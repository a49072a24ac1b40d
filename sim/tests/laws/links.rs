//! How long a message occupies its sender in the simulated world: the floor under an exchange, and rates
//! that go by requests.

use std::collections::BTreeMap;

use pipesd_core::contract::{Input, Output};
use pipesd_core::event::Endpoint;
use pipesd_core::ids::MessageId;
use pipesd_core::message::Message;
use pipesd_core::payload::WireFormat;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant};
use pipesd_sim::bound::{EmptyNavs, achieve, clairvoyant};
use pipesd_sim::link::{AffineConfig, ExchangeFloor, LinkConfig, PacketConfig, Rate};
use pipesd_sim::reference;
use pipesd_sim::world::{Recording, Setup, link_in_run, requests, run};

use crate::support::{self, VANILLA, affine};

const FLOOR: ExchangeFloor =
    ExchangeFloor { base: Duration::from_millis(53), per_megabyte: Duration::from_millis(96) };

/// Vanilla on the paper's link at so many Mbit/s.
fn setup(mbps: u64, floor: ExchangeFloor) -> Setup {
    let half_trip = Duration::from_micros(2_500);
    let rate = Rate::Constant(mbps * 1_000_000);
    let up = affine(rate, Duration::from_millis(25), half_trip);
    let uplink = LinkConfig::Affine(AffineConfig { floor, ..up });
    Setup { uplink, ..support::paper(support::method(VANILLA), 260) }
}

/// An upload of the edge that found the link free.
#[derive(Clone, Copy, Debug)]
struct Sent {
    request: u32,
    bytes: u64,
    /// When it was handed over, and when it had left.
    start: Instant,
    end: Instant,
}

fn uploads(setup: &Setup, recording: &Recording) -> Vec<Sent> {
    let format =
        WireFormat { payload: setup.edge.method.payload, vocabulary: setup.profile.vocabulary };
    let left: BTreeMap<MessageId, Instant> = recording
        .inputs
        .iter()
        .filter_map(|(endpoint, at, input)| match (endpoint, input) {
            (Endpoint::Edge(0), Input::Sent(id)) => Some((*id, *at)),
            _ => None,
        })
        .collect();
    let mut free = Instant::ZERO;
    let mut uploads = Vec::new();
    for (endpoint, at, output) in &recording.outputs {
        if let (Endpoint::Edge(0), Output::Transmit { id, message }) = (endpoint, output) {
            let Some(&end) = left.get(id) else { continue };
            if *at >= free && matches!(message, Message::Upload(_)) {
                let (request, bytes) = (message.session().request(), format.message_bytes(message));
                uploads.push(Sent { request, bytes, start: *at, end });
            }
            // One that was called off while it waited has left before those ahead of it.
            free = free.max(end);
        }
    }
    uploads
}

#[test]
fn an_upload_takes_the_longer_of_link_and_exchange() {
    for (mbps, floored) in [(20, false), (80, true), (1_000, true)] {
        let setup = setup(mbps, FLOOR);
        let LinkConfig::Affine(link) = &setup.uplink else { panic!("an affine link") };
        let mut by_floor = 0;
        let uploads = uploads(&setup, &support::record(&setup, 1));
        for &Sent { bytes, start, end, .. } in &uploads {
            let carried =
                Duration::from_millis(25) + Duration::from_nanos((8_000 * bytes).div_ceil(mbps));
            let exchange = FLOOR.of(bytes);
            assert_eq!(end - start, carried.max(exchange), "{mbps} Mbit/s, {bytes} bytes");
            assert_eq!(end, link.occupied_until(start, bytes));
            by_floor += usize::from(exchange > carried);
        }
        assert!(uploads.len() > 30, "{mbps} Mbit/s: {}", uploads.len());
        assert_eq!(by_floor, if floored { uploads.len() } else { 0 }, "{mbps} Mbit/s");
    }
}

/// The verdict comes later by as much as the message: the link's time is hidden by nothing in Vanilla.
#[test]
fn a_floor_lengthens_a_serial_round_by_what_it_exceeds_the_link() {
    let [plain, floored] = [ExchangeFloor::NONE, FLOOR].map(|floor| {
        let setup = setup(80, floor);
        (uploads(&setup, &support::record(&setup, 1)), run(&setup, Seed(1)).expect("a sound run"))
    });
    let excess = |(with, without): (&Sent, &Sent)| {
        assert_eq!(with.bytes, without.bytes, "the same messages");
        (with.end - with.start) - (without.end - without.start)
    };
    let excess: Duration = floored.0.iter().zip(&plain.0).map(excess).sum();
    assert_eq!(floored.0.len(), plain.0.len());
    assert!(excess > Duration::from_millis(500), "{excess:?}");
    assert_eq!(floored.1.counts[0].decoding, plain.1.counts[0].decoding + excess);
}

/// One rate for each request, 12 to 48 Mbit/s, begun where the seed says.
fn by_request() -> Rate {
    let rates = (3..=12).map(|quarter| quarter * 4_000_000).collect();
    Rate::PerRequest { rates, first: 0, random_first: true }
}

fn by_requests(setup: Setup) -> Setup {
    let half_trip = Duration::from_micros(2_500);
    let up = affine(by_request(), Duration::from_millis(25), half_trip);
    Setup { uplink: LinkConfig::Affine(up), ..setup }
}

/// The rate of a request in a run \[bit/s\].
fn rate_in_run(setup: &Setup, seed: u64, request: u32) -> u64 {
    let link = link_in_run(&setup.uplink, Seed(seed));
    let rate = link.rate().for_request(request).expect("a rate of its own");
    rate.at(Instant::ZERO)
}

#[test]
fn the_uploads_of_a_request_go_at_its_rate() {
    for (_, entry) in support::PRESETS {
        let setup = by_requests(support::paper(support::method(entry), 650));
        let mut seen = BTreeMap::new();
        for Sent { request, bytes, start, end } in uploads(&setup, &support::record(&setup, 4)) {
            let rate = rate_in_run(&setup, 4, request);
            let carried = Duration::from_nanos((8_000_000_000 * bytes).div_ceil(rate));
            assert_eq!(end - start, Duration::from_millis(25) + carried, "request {request}");
            seen.insert(request, rate);
        }
        let rates: Vec<u64> = seen.values().copied().collect();
        assert_eq!(seen.len(), 5, "{entry}");
        assert!(rates.windows(2).all(|pair| pair[0] != pair[1]), "{rates:?}");
    }
}

#[test]
fn packets_of_a_request_go_at_its_rate_too() {
    let base = support::paper(support::method(VANILLA), 650);
    let uplink = LinkConfig::Packet(PacketConfig {
        rate: by_request(),
        startup: Duration::from_millis(25),
        propagation: Duration::from_micros(2_500),
        jitter: Duration::ZERO,
        loss: 0.0,
        queue_bytes: 64_000,
        abortable: false,
        mtu: PacketConfig::MTU,
        header: 0,
    });
    let [packets, whole] = [Setup { uplink, ..base.clone() }, by_requests(base)].map(|setup| {
        let uploads = uploads(&setup, &support::record(&setup, 4));
        uploads.iter().map(|sent| (sent.request, sent.end - sent.start)).collect::<Vec<_>>()
    });
    assert_eq!(packets, whole, "without headers and chance a packet link is the affine one");
}

/// A run has fewer requests than there are rates: over seeds none is met more often for that.
#[test]
fn over_seeds_every_rate_is_met_equally_often() {
    let setup = by_requests(support::paper(support::method(VANILLA), 390));
    let (runs, count) = (1000_u64, requests(&setup) as u32);
    assert_eq!(count, 3);
    let mut met: BTreeMap<u64, f64> = BTreeMap::new();
    for seed in 0..runs {
        for request in 0..count {
            *met.entry(rate_in_run(&setup, seed, request)).or_default() += 1.0;
        }
    }
    assert_eq!(met.len(), 10);
    // A rate is met by three of ten runs: four standard deviations.
    let (mean, sd) = (0.3 * runs as f64, (runs as f64 * 0.3 * 0.7).sqrt());
    assert!(met.values().all(|times| (times - mean).abs() < 4.0 * sd), "{met:?}");
}

#[test]
fn the_bound_of_a_request_has_its_rate() {
    let setup = by_requests(support::paper(support::method(VANILLA), 390));
    let bound = clairvoyant(&setup, Seed(2), EmptyNavs::Forbidden).expect("affine");
    let achieved = achieve(&setup, Seed(2), &bound).expect("a sound run");
    assert_eq!(achieved.counts[0].decoding, bound.decoding);
    for (index, request) in bound.requests.iter().enumerate() {
        // The same request on a link that has this rate throughout: when it begins is all the same.
        let rate = rate_in_run(&setup, 2, index as u32);
        let up =
            affine(Rate::Constant(rate), Duration::from_millis(25), Duration::from_micros(2_500));
        let alone = Setup { uplink: LinkConfig::Affine(up), ..setup.clone() };
        let alone = clairvoyant(&alone, Seed(2), EmptyNavs::Forbidden).expect("affine");
        assert_eq!(request.decoding, alone.requests[index].decoding, "request {index}");
    }
    assert!(reference::cloud_only(&setup, Seed(2)).tpt_ms < bound.tpt_ms, "ids come down at once");
}
