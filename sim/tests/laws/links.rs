//! How long a message occupies its sender in the simulated world: the floor under an exchange.

use std::collections::BTreeMap;

use pipesd_core::contract::{Input, Output};
use pipesd_core::event::Endpoint;
use pipesd_core::ids::MessageId;
use pipesd_core::message::Message;
use pipesd_core::payload::WireFormat;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant};
use pipesd_sim::link::{AffineConfig, ExchangeFloor, LinkConfig};
use pipesd_sim::world::{Recording, Setup, run};

use crate::support::{self, VANILLA, affine};

const FLOOR: ExchangeFloor =
    ExchangeFloor { base: Duration::from_millis(53), per_megabyte: Duration::from_millis(96) };

/// Vanilla on the paper's link at so many Mbit/s.
fn setup(mbps: u64, floor: ExchangeFloor) -> Setup {
    let half_trip = Duration::from_micros(2_500);
    let rate = pipesd_sim::link::Rate::Constant(mbps * 1_000_000);
    let up = affine(rate, Duration::from_millis(25), half_trip);
    let uplink = LinkConfig::Affine(AffineConfig { floor, ..up });
    Setup { uplink, ..support::paper(support::method(VANILLA), 260) }
}

/// The edge's uploads that found the link free: bytes, when they were handed over, and when they left.
pub(crate) fn uploads(setup: &Setup, recording: &Recording) -> Vec<(u64, Instant, Instant)> {
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
                uploads.push((format.message_bytes(message), *at, end));
            }
            free = end;
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
        for &(bytes, start, end) in &uploads {
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
    let excess = |(with, without): (&(u64, Instant, Instant), &(u64, Instant, Instant))| {
        assert_eq!(with.0, without.0, "the same messages");
        (with.2 - with.1) - (without.2 - without.1)
    };
    let excess: Duration = floored.0.iter().zip(&plain.0).map(excess).sum();
    assert_eq!(floored.0.len(), plain.0.len());
    assert!(excess > Duration::from_millis(500), "{excess:?}");
    assert_eq!(floored.1.counts[0].decoding, plain.1.counts[0].decoding + excess);
}
