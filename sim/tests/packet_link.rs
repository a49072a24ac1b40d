//! The packet link: each of its conditions in force, its expectations in closed form, and its
//! planning ahead against a reference that only ever takes the next step.

mod packet_reference;

use pipesd_core::ids::MessageId;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant, as_millis, nanos};
use pipesd_sim::link::{
    AffineConfig, ExchangeFloor, Link, LinkConfig, LinkEvent, PacketConfig, Rate,
};
use proptest::prelude::*;

use crate::packet_reference::{Reference, chance};

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn at(micros: u64) -> Instant {
    Instant::from_nanos(micros * 1000)
}

/// A byte takes a microsecond, and nothing else matters.
fn plain() -> PacketConfig {
    PacketConfig {
        rate: Rate::Constant(8_000_000),
        startup: Duration::ZERO,
        propagation: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
        queue_bytes: 10_000,
        abortable: true,
        mtu: 1000,
        header: 0,
    }
}

fn link(config: &PacketConfig, seed: u64) -> Link {
    Link::new(&LinkConfig::Packet(config.clone()), Seed(seed).stream("link", 0))
}

type Event = (Instant, LinkEvent);

/// Polls at every wake up to `now`.
fn poll_each(link: &mut Link, now: Instant, events: &mut Vec<Event>) {
    while let Some(at) = link.next_wake().filter(|&at| at <= now) {
        while let Some(event) = link.poll(at) {
            events.push((at, event));
        }
    }
}

/// Lets all happen up to `now` at once. An unknown message is cancelled so that the link does this
/// before it is asked when each event was.
fn poll_late(link: &mut Link, now: Instant, events: &mut Vec<Event>) {
    link.cancel(now, MessageId(u64::MAX));
    while let Some(at) = link.next_wake().filter(|&at| at <= now) {
        events.push((at, link.poll(now).expect("what has happened has been noted")));
    }
}

const NEVER: Instant = Instant::from_nanos(u64::MAX / 4);

/// Messages offered at time zero, and all that comes of them.
fn run(config: &PacketConfig, seed: u64, sizes: &[u64]) -> (Link, Vec<Event>) {
    let mut link = link(config, seed);
    for (id, &bytes) in (0..).zip(sizes) {
        link.offer(Instant::ZERO, MessageId(id), bytes);
    }
    let mut events = Vec::new();
    poll_each(&mut link, NEVER, &mut events);
    (link, events)
}

fn sent_at(events: &[Event], id: u64) -> Instant {
    let sent = LinkEvent::Sent(MessageId(id));
    events.iter().find(|&&(_, event)| event == sent).expect("every message is sent").0
}

/// When the message was delivered, and its transfer time.
fn delivery(events: &[Event], id: u64) -> Option<(Instant, Duration)> {
    events.iter().find_map(|&(at, event)| match event {
        LinkEvent::Delivered { id: MessageId(delivered), transfer } if delivered == id => {
            Some((at, transfer))
        }
        _ => None,
    })
}

/// Each condition moves just the times that it should, measured against a link without it.
#[test]
fn rate_startup_propagation_header_and_trace_are_in_force() {
    let measure = |config: &PacketConfig| {
        let (_, events) = run(config, 0, &[12_000]);
        let (arrival, transfer) = delivery(&events, 0).expect("nothing is lost");
        [sent_at(&events, 0) - Instant::ZERO, arrival - Instant::ZERO, transfer]
    };
    assert_eq!(measure(&plain()), [ms(12), ms(12), ms(12)]);
    let slow = PacketConfig { rate: Rate::Constant(4_000_000), ..plain() };
    assert_eq!(measure(&slow), [ms(24), ms(24), ms(24)]);
    let startup = PacketConfig { startup: ms(25), ..plain() };
    assert_eq!(measure(&startup), [ms(37), ms(37), ms(37)]);
    let far = PacketConfig { propagation: ms(5), ..plain() };
    assert_eq!(measure(&far), [ms(12), ms(17), ms(12)]);
    let headers = PacketConfig { header: 500, ..plain() };
    assert_eq!(measure(&headers), [ms(18), ms(18), ms(18)]);
    let rates = vec![8_000_000, 4_000_000];
    let rate = Rate::Trace { step: ms(4), rates, offset: Duration::ZERO, random_offset: false };
    let trace = PacketConfig { rate, ..plain() };
    assert_eq!(measure(&trace), [ms(16), ms(16), ms(16)]);
}

/// Jitter delays deliveries and nothing else, by its mean on average (four standard errors; an
/// exponential delay deviates by as much as its mean), and lets messages overtake each other.
#[test]
fn jitter_is_in_force() {
    let config = PacketConfig { jitter: ms(3), propagation: ms(5), ..plain() };
    let count = 4000_u32;
    let (_, events) = run(&config, 1, &vec![1000; count as usize]);
    let mut sum = 0.0;
    for id in 0..u64::from(count) {
        assert_eq!(sent_at(&events, id), at(1000 * (id + 1)));
        let (arrival, transfer) = delivery(&events, id).expect("nothing is lost");
        assert_eq!(arrival - sent_at(&events, id), transfer + ms(4));
        sum += as_millis(transfer) - 1.0;
    }
    let mean = sum / f64::from(count);
    assert!((mean - 3.0).abs() < 4.0 * 3.0 / f64::from(count).sqrt(), "{mean}");
    let order: Vec<u64> = (events.iter())
        .filter_map(|&(_, event)| match event {
            LinkEvent::Delivered { id, .. } => Some(id.0),
            LinkEvent::Sent(_) => None,
        })
        .collect();
    assert!(!order.is_sorted());
}

/// A message of one packet that is lost waits for a probe timeout: the round trip of 5 + 1 + 5 ms,
/// 1 ms (the variation is nothing on an idle link) and 2 ms for which the acknowledgement may wait.
/// Two probes go out; if both are lost, the next two go out twice as long after the second of them,
/// which was sent when the first was: the queue has room for both. So k timeouts take (2^k - 1) times
/// 14 ms, and k is at least 1 with probability p, one more each time with p². Four standard errors.
#[test]
fn the_loss_of_a_last_packet_takes_probe_timeouts() {
    for loss in [0.05, 0.3] {
        let config = PacketConfig { loss, propagation: ms(5), startup: ms(2), ..plain() };
        let mut link = link(&config, 2);
        let mut events = Vec::new();
        let count = 4000_u32;
        for id in 0..u64::from(count) {
            // So far apart that no message meets another.
            link.offer(at(id * 100_000_000), MessageId(id), 1000);
            poll_each(&mut link, at((id + 1) * 100_000_000 - 1), &mut events);
        }
        // The first messages teach the sender the round trip.
        let counted = 50..u64::from(count);
        let waits: Vec<f64> = counted
            .map(|id| as_millis(delivery(&events, id).expect("sent until it arrives").1) - 3.0)
            .collect();
        let n = waits.len() as f64;
        let mean = waits.iter().sum::<f64>() / n;
        let again = loss * loss;
        // Sums over k of P(k) times (2^k - 1) and its square; where the first of two probes is lost,
        // the second arrives 1 ms later.
        let chance = |k: i32| loss * libm::pow(again, f64::from(k - 1)) * (1.0 - again);
        let wait = |k: i32| 14.0 * (f64::from(1 << k) - 1.0) + loss * (1.0 - loss) / (1.0 - again);
        let moment =
            |power: f64| (1..20).map(|k| chance(k) * libm::pow(wait(k), power)).sum::<f64>();
        let (first, second) = (moment(1.0), moment(2.0));
        let error = ((second - first * first) / n).sqrt();
        assert!((mean - first).abs() < 4.0 * error, "{mean} {first} {error}");
        // What is not lost does not wait.
        let prompt = waits.iter().filter(|wait| wait.abs() < 1e-9).count() as f64 / n;
        assert!((prompt - (1.0 - loss)).abs() < 4.0 * (loss * (1.0 - loss) / n).sqrt(), "{prompt}");
    }
}

/// A loss near the end of a message of 200 packets is noticed by what was sent behind it: without
/// jitter with an acknowledgement of the next packets, when 9/8 round trips have passed; with jitter,
/// however small, two round trips after it was sent, and a round trip includes the wait in the queue.
/// Packet n leaves at n + 1 ms, acknowledgements come 10 ms after that, and one of a single packet may
/// wait for 2 ms more.
#[test]
fn a_loss_is_noticed_by_what_was_sent_later() {
    let shallow = PacketConfig { queue_bytes: 1000, loss: 0.005, propagation: ms(5), ..plain() };
    let deep = PacketConfig { queue_bytes: 20_000, ..shallow.clone() };
    let late =
        |config: &PacketConfig| PacketConfig { jitter: Duration::from_nanos(1), ..config.clone() };
    let cases = [
        (shallow.clone(), 13.0, 15.0),
        (deep.clone(), 13.0, 15.0),
        // Sent at n, and two round trips of 11 ms.
        (late(&shallow), 22.0, 26.0),
        // Sent at n - 19, and two round trips of 30 ms.
        (late(&deep), 41.0, 45.0),
    ];
    for (config, low, high) in cases {
        let mut seen = 0;
        for seed in 0..3000 {
            let mut stream = Seed(seed).stream("link", 0);
            let lost: Vec<u64> =
                (0..200).filter(|&number| chance(&mut stream, number, 0).0 < config.loss).collect();
            let [number @ 188..=195] = lost[..] else { continue };
            let (link, events) = run(&config, seed, &[200_000]);
            if link.account().packets_lost != 1 {
                // What was sent again was lost, too.
                continue;
            }
            let (arrival, _) = delivery(&events, 0).expect("sent until it arrives");
            let noticed = as_millis(arrival - at(0)) - 5.0 - 1.0;
            let after = noticed - number as f64;
            assert!((low - 0.001..=high + 0.001).contains(&after), "{config:?} {after}");
            seen += 1;
        }
        assert!(seen > 10, "{seen}");
    }
}

/// n·p/(1-p) packets are sent again, with variance n·p/(1-p)². Four standard deviations.
#[test]
fn as_many_packets_are_lost_as_should_be() {
    let config = PacketConfig { loss: 0.1, jitter: ms(1), propagation: ms(5), ..plain() };
    for seed in 0..5 {
        let (link, _) = run(&config, seed, &[200_000; 100]);
        let (expected, deviation) = (20_000.0 / 9.0, (20_000.0 * 0.1 / 0.81_f64).sqrt());
        let lost = link.account().packets_lost as f64;
        assert!((lost - expected).abs() < 4.0 * deviation, "{lost}");
    }
}

/// What is in the queue is beyond recall: with a shallow queue a cancelled message frees the link
/// after what the queue held, with a deep one it arrives all the same.
#[test]
fn the_bounded_queue_is_in_force() {
    for loss in [0.0, f64::MIN_POSITIVE] {
        let cancelled = |queue_bytes| {
            let config = PacketConfig { queue_bytes, loss, startup: ms(1), ..plain() };
            let mut link = link(&config, 3);
            let mut events = Vec::new();
            link.offer(at(0), MessageId(0), 10_000);
            link.offer(at(0), MessageId(1), 1000);
            poll_each(&mut link, at(2500), &mut events);
            link.cancel(at(2500), MessageId(0));
            poll_each(&mut link, NEVER, &mut events);
            assert_eq!(link.account().offered, 11_000);
            let times = [0, 1].map(|id| nanos(sent_at(&events, id) - Instant::ZERO) / 1000);
            (times, delivery(&events, 0).is_some(), link.account().cancelled)
        };
        // At 2.5 ms one packet has left, the next is leaving.
        assert_eq!(cancelled(1000), ([3000, 5000], false, 10_000));
        assert_eq!(cancelled(4000), ([6000, 8000], false, 10_000));
        assert_eq!(cancelled(9000), ([11_000, 13_000], true, 0));
    }
}

/// A link that cannot abort carries a message under way to its end, whatever its queue.
#[test]
fn without_abort_a_message_under_way_arrives() {
    let mut link = link(&PacketConfig { abortable: false, queue_bytes: 0, ..plain() }, 3);
    let mut events = Vec::new();
    link.offer(at(0), MessageId(0), 10_000);
    link.cancel(at(2500), MessageId(0));
    poll_each(&mut link, NEVER, &mut events);
    assert!(delivery(&events, 0).is_some());
    assert_eq!(link.account().cancelled, 0);
}

/// A message cancelled during its start-up frees the link at once.
#[test]
fn nothing_of_a_message_in_startup_is_sent() {
    let mut link = link(&PacketConfig { startup: ms(10), ..plain() }, 0);
    link.offer(at(0), MessageId(0), 5000);
    link.offer(at(0), MessageId(1), 5000);
    link.cancel(at(4000), MessageId(0));
    let mut events = Vec::new();
    poll_each(&mut link, NEVER, &mut events);
    assert_eq!((sent_at(&events, 0), sent_at(&events, 1)), (at(4000), at(19_000)));
}

/// Without headers and chance the link is the affine one to the nanosecond: the end of a message is
/// rounded once, not per packet. A loss so rare that it never comes forces the packets to be gone
/// through one by one.
#[test]
fn without_chance_and_headers_the_link_is_affine() {
    let rates = vec![3_333_333, 7_777_777];
    let trace = Rate::Trace { step: ms(7), rates, offset: ms(3), random_offset: false };
    for rate in [Rate::Constant(7_654_321), trace] {
        for loss in [0.0, f64::MIN_POSITIVE] {
            let (startup, propagation) = (ms(25), ms(5));
            let config = PacketConfig { rate: rate.clone(), startup, propagation, loss, ..plain() };
            let sizes = [290_309, 1, 0, 12_000, 999_999];
            let (_, events) = run(&config, 0, &sizes);
            let affine = AffineConfig {
                rate: rate.clone(),
                startup,
                propagation,
                abortable: false,
                floor: ExchangeFloor::NONE,
            };
            let mut affine = Link::new(&LinkConfig::Affine(affine), Seed(0).stream("link", 0));
            for (id, bytes) in (0..).zip(sizes) {
                affine.offer(Instant::ZERO, MessageId(id), bytes);
            }
            let mut expected = Vec::new();
            poll_each(&mut affine, NEVER, &mut expected);
            assert_eq!(events, expected);
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    Offer(u64),
    /// Calls off the message offered so many offers ago.
    Cancel(u64),
    Poll,
}

fn plans() -> impl Strategy<Value = (PacketConfig, u64, Vec<(u64, Act)>)> {
    let times = (0_u64..4, 0_u64..5, 0_u64..3);
    let chance = prop_oneof![Just(0.0), Just(0.02), Just(0.3), Just(0.5)];
    let queue = prop_oneof![Just(0_u64), 500_u64..8000, Just(1 << 40)];
    let sizes = (100_u64..1500, 0_u64..60);
    let config = (times, chance, queue, any::<bool>(), sizes).prop_map(
        |((startup, propagation, jitter), loss, queue_bytes, abortable, (mtu, header))| {
            PacketConfig {
                rate: Rate::Constant(8_000_000),
                startup: ms(startup),
                propagation: ms(propagation),
                jitter: ms(jitter),
                loss,
                queue_bytes,
                abortable,
                mtu,
                header,
            }
        },
    );
    let act = prop_oneof![
        (0_u64..15_000).prop_map(Act::Offer),
        (0_u64..3).prop_map(Act::Cancel),
        Just(Act::Poll)
    ];
    // Gaps of whole milliseconds at times, so that instants coincide.
    let gap = prop_oneof![0_u64..12_000, (0_u64..12).prop_map(|gap| gap * 1000), Just(0)];
    (config, any::<u64>(), prop::collection::vec((gap, act), 1..40))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is offered and called off, and however seldom the link is polled, the same happens
    /// at the same times as in the reference; bytes are conserved throughout; each message is sent
    /// once, in order unless it was called off, and then delivered unless it was called off.
    #[test]
    fn planning_ahead_changes_nothing((config, seed, acts) in plans()) {
        let mut reference = Reference::new(&config, seed);
        let (mut often, mut seldom) = (link(&config, seed), link(&config, seed));
        let (mut events, mut late) = (Vec::new(), Vec::new());
        let (mut time, mut offers) = (0, 0);
        for (gap, act) in acts {
            time += gap;
            let now = at(time);
            poll_each(&mut often, now, &mut events);
            match act {
                Act::Offer(bytes) => {
                    reference.offer(now, offers, bytes);
                    often.offer(now, MessageId(offers), bytes);
                    seldom.offer(now, MessageId(offers), bytes);
                    offers += 1;
                }
                Act::Cancel(back) => {
                    let id = offers.saturating_sub(back + 1);
                    reference.cancel(now, id);
                    often.cancel(now, MessageId(id));
                    seldom.cancel(now, MessageId(id));
                }
                Act::Poll => poll_late(&mut seldom, now, &mut late),
            }
            for link in [&often, &seldom] {
                let account = link.account();
                let known = account.delivered + account.cancelled + link.bytes_in_flight();
                prop_assert_eq!(account.offered, known);
            }
        }
        reference.advance(NEVER);
        poll_each(&mut often, NEVER, &mut events);
        poll_late(&mut seldom, NEVER, &mut late);
        prop_assert_eq!(&events, &late);
        prop_assert_eq!(often.account(), seldom.account());
        prop_assert_eq!(often.bytes_in_flight(), 0);
        prop_assert!(events.is_sorted_by_key(|&(at, _)| at));
        // The reference says nothing about order within an instant.
        let sorted = |events: &[Event]| {
            let mut sorted = events.to_vec();
            sorted.sort_by_key(|&(at, event)| (at, format!("{event:?}")));
            sorted
        };
        prop_assert_eq!(sorted(&events), sorted(&reference.events));
        let sent = |wanted: &dyn Fn(u64) -> bool| -> Vec<u64> {
            events.iter().filter_map(|&(_, event)| match event {
                LinkEvent::Sent(MessageId(id)) => Some(id).filter(|&id| wanted(id)),
                LinkEvent::Delivered { .. } => None,
            }).collect()
        };
        let mut all = sent(&|_| true);
        all.sort_unstable();
        prop_assert_eq!(all, (0..offers).collect::<Vec<_>>());
        let arrived = sent(&|id| delivery(&events, id).is_some());
        prop_assert!(arrived.is_sorted());
        let [offered, delivered, cancelled] = often.account().messages;
        prop_assert_eq!((offered, delivered), (offers, arrived.len() as u64));
        prop_assert_eq!(offered, delivered + cancelled);
    }
}
