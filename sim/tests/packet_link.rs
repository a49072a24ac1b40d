//! The packet link: each of its conditions in force, its expectations in closed form, and its
//! planning ahead against a reference that only ever takes the next step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pipesd_core::ids::MessageId;
use pipesd_core::recovery::LossDetection;
use pipesd_core::seed::{Seed, Stream};
use pipesd_core::time::{Duration, Instant, as_millis, nanos};
use pipesd_sim::link::{
    AffineConfig, ExchangeFloor, Link, LinkConfig, LinkEvent, PacketConfig, Rate,
};
use proptest::prelude::*;

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

/// A packet of the reference; its number and attempt decide its fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packet {
    number: u64,
    attempt: u64,
    message: u64,
    payload: u64,
}

/// The uniform numbers that decide whether a packet is lost, and how late it is.
fn chance(stream: &mut Stream, number: u64, attempt: u64) -> (f64, f64) {
    let mut draws = stream.at((attempt << 48) | (number / 4));
    for _ in 0..2 * (number % 4) {
        draws.bits();
    }
    (draws.uniform(), draws.uniform())
}

/// The message that the reference is sending.
#[derive(Clone, Debug)]
struct Current {
    message: u64,
    ready: Instant,
    left: VecDeque<Packet>,
    /// Packets of first attempts in the queue.
    queued: u64,
}

/// An acknowledgement on its way.
#[derive(Clone, Copy, Debug)]
struct Ack {
    at: Instant,
    place: u64,
    sent: Instant,
    delay: Duration,
}

/// A sender after RFC 9002, which is told of each acknowledgement when it comes.
struct Sender {
    rules: LossDetection,
    sent: u64,
    last_sent: Instant,
    /// When the receiver got what it has not acknowledged at once.
    held: Option<Instant>,
    acks: Vec<Ack>,
    lost: VecDeque<(u64, Instant, Packet)>,
    largest: u64,
    latest: Duration,
    smoothed: Duration,
    variation: Duration,
    timeouts: u32,
    /// Probes to be sent, of the first that are lost; so many behind them were noticed otherwise.
    probes: usize,
    noticed: usize,
    /// A probe that is sent once more, and whether the first one arrives.
    copy: Option<(Packet, bool)>,
}

impl Sender {
    fn new(config: &PacketConfig) -> Self {
        let round_trip = (config.propagation + config.jitter) * 2;
        let rules = if config.jitter.is_zero() {
            LossDetection::STANDARD
        } else {
            LossDetection::REORDERED
        };
        Self {
            rules,
            sent: 0,
            last_sent: Instant::ZERO,
            held: None,
            acks: Vec::new(),
            lost: VecDeque::new(),
            largest: 0,
            latest: round_trip,
            smoothed: round_trip,
            variation: round_trip / 2,
            timeouts: 0,
            noticed: 0,
            probes: 0,
            copy: None,
        }
    }

    /// What was sent now arrives at `arrival`, or never.
    fn send(&mut self, now: Instant, arrival: Option<(Instant, Duration)>) {
        self.sent += 1;
        self.last_sent = now;
        let Some((arrival, back)) = arrival else { return };
        let delay = match self.held {
            Some(held) if arrival < held + ms(2) => {
                self.held = None;
                ms(0)
            }
            _ => {
                self.held = Some(arrival);
                ms(2)
            }
        };
        self.acks.push(Ack { at: arrival + delay + back, place: self.sent, sent: now, delay });
    }

    /// When a timer runs out: for the first lost packet that was not noticed.
    fn timer(&self) -> Option<Instant> {
        let &(place, sent, _) = self.lost.get(self.probes + self.noticed)?;
        if place < self.largest {
            let round_trip = self.smoothed.max(self.latest);
            let eighths = u64::from(self.rules.time_threshold_eighths);
            return Some(sent + ms(1).max(Duration::from_nanos(nanos(round_trip) * eighths / 8)));
        }
        let is_sending = self.probes + self.noticed > 0 || self.copy.is_some();
        let pending = self.acks.iter().any(|ack| ack.place > self.largest);
        let timeout = self.smoothed + ms(1).max(4 * self.variation) + ms(2);
        let due = self.last_sent + timeout * 2_u32.pow(self.timeouts.min(16));
        (!pending && !is_sending).then_some(due)
    }

    fn next(&self) -> impl Iterator<Item = Instant> {
        self.acks.iter().map(|ack| ack.at).chain(self.timer())
    }

    /// What is known at this instant.
    fn step(&mut self, now: Instant) {
        let mut come: Vec<Ack> = self.acks.extract_if(.., |ack| ack.at <= now).collect();
        come.sort_by_key(|ack| (ack.at, ack.place));
        for ack in come.into_iter().filter(|ack| ack.place > self.largest).collect::<Vec<_>>() {
            self.largest = ack.place;
            self.latest = ack.at - ack.sent;
            let sample = nanos(self.latest - ack.delay);
            let (smoothed, variation) = (nanos(self.smoothed), nanos(self.variation));
            self.variation = Duration::from_nanos((3 * variation + smoothed.abs_diff(sample)) / 4);
            self.smoothed = Duration::from_nanos((7 * smoothed + sample) / 8);
            self.timeouts = 0;
        }
        while let Some(&(place, ..)) = self.lost.get(self.probes + self.noticed) {
            let by_number = place + u64::from(self.rules.packet_threshold) <= self.largest;
            if !by_number && self.timer().is_none_or(|timer| timer > now) {
                return;
            }
            if place < self.largest {
                self.noticed += 1;
            } else {
                self.probes = 2;
                self.timeouts += 1;
            }
        }
    }

    /// What is to be sent again now.
    fn resend(&self) -> Option<Packet> {
        let first = self.lost.front().filter(|_| self.noticed + self.probes > 0);
        let packet = self.copy.map(|(packet, _)| packet).or(first.map(|&(.., packet)| packet))?;
        Some(Packet { attempt: packet.attempt + 1, ..packet })
    }

    /// It was sent again, and arrives or not. True: it is lost again.
    fn resent(&mut self, packet: Packet, arrives: bool) -> bool {
        if let Some((_, first_arrives)) = self.copy.take() {
            return !first_arrives && !arrives;
        }
        self.lost.pop_front();
        let is_copied = self.probes == 2 && self.lost.is_empty();
        if self.probes == 0 {
            self.noticed -= 1;
        } else if self.lost.is_empty() {
            self.probes = 0;
        } else {
            self.probes -= 1;
        }
        self.copy = is_copied.then_some((packet, arrives));
        !is_copied && !arrives
    }

    fn forget(&mut self, message: u64) {
        let noticed = self.lost.iter().skip(self.probes).take(self.noticed);
        self.noticed = noticed.filter(|(.., packet)| packet.message != message).count();
        self.lost.retain(|(.., packet)| packet.message != message);
        if self.lost.is_empty() {
            self.probes = 0;
        }
    }
}

/// The link as a plain machine: it goes from one instant at which something changes to the next,
/// and plans nothing. A byte takes a microsecond.
struct Reference {
    config: PacketConfig,
    stream: Stream,
    now: Instant,
    waiting: VecDeque<(u64, VecDeque<Packet>)>,
    current: Option<Current>,
    queue: VecDeque<(Instant, Packet)>,
    sender: Sender,
    air: Vec<(Instant, Packet)>,
    /// Of each message that may yet arrive: packets missing, and when its service began.
    missing: BTreeMap<u64, (BTreeSet<u64>, Instant)>,
    numbered: u64,
    events: Vec<Event>,
}

impl Reference {
    fn new(config: &PacketConfig, seed: u64) -> Self {
        Self {
            config: config.clone(),
            stream: Seed(seed).stream("link", 0),
            now: Instant::ZERO,
            waiting: VecDeque::new(),
            current: None,
            queue: VecDeque::new(),
            sender: Sender::new(config),
            air: Vec::new(),
            missing: BTreeMap::new(),
            numbered: 0,
            events: Vec::new(),
        }
    }

    fn offer(&mut self, now: Instant, message: u64, bytes: u64) {
        self.advance(now);
        let mut packets = VecDeque::new();
        let mut left = bytes;
        while left > 0 || packets.is_empty() {
            let payload = left.min(self.config.mtu);
            packets.push_back(Packet { number: self.numbered, attempt: 0, message, payload });
            self.numbered += 1;
            left -= payload;
        }
        let missing = packets.iter().map(|packet| packet.number).collect();
        self.missing.insert(message, (missing, now));
        self.waiting.push_back((message, packets));
        self.step();
    }

    fn cancel(&mut self, now: Instant, message: u64) {
        self.advance(now);
        if let Some(place) = self.waiting.iter().position(|&(waiting, _)| waiting == message) {
            self.waiting.remove(place);
            self.missing.remove(&message);
            self.events.push((now, LinkEvent::Sent(MessageId(message))));
        } else if let Some(current) = self.current.as_mut().filter(|c| c.message == message)
            && !current.left.is_empty()
            && self.config.abortable
        {
            current.left.clear();
            self.missing.remove(&message);
            self.sender.forget(message);
            self.step();
        }
    }

    fn advance(&mut self, now: Instant) {
        while let Some(next) = self.next().filter(|&next| next <= now) {
            self.now = next;
            self.step();
        }
        self.now = now;
    }

    fn next(&self) -> Option<Instant> {
        let ready = self.current.iter().map(|current| current.ready);
        let waits = self.air.iter().chain(self.queue.front()).map(|&(at, _)| at);
        ready.chain(waits).chain(self.sender.next()).filter(|&at| at > self.now).min()
    }

    /// All that happens at this instant.
    fn step(&mut self) {
        self.sender.step(self.now);
        while self.leave() || self.finish() || self.hand_over() {
            self.sender.step(self.now);
        }
        let now = self.now;
        let arrived: Vec<_> = self.air.extract_if(.., |&mut (at, _)| at <= now).collect();
        for (_, packet) in arrived {
            let Some((missing, start)) = self.missing.get_mut(&packet.message) else { continue };
            if missing.remove(&packet.number) && missing.is_empty() {
                let transfer = now - (*start + self.config.propagation);
                let id = MessageId(packet.message);
                self.events.push((now, LinkEvent::Delivered { id, transfer }));
            }
        }
    }

    /// The first packet leaves the queue.
    fn leave(&mut self) -> bool {
        let Some(&(_, packet)) = self.queue.front().filter(|&&(end, _)| end <= self.now) else {
            return false;
        };
        self.queue.pop_front();
        if packet.attempt == 0 {
            self.current.as_mut().expect("the queue holds new data of one message").queued -= 1;
        }
        true
    }

    /// The current message is sent, and the next one begins.
    fn finish(&mut self) -> bool {
        if let Some(current) = &self.current {
            if !current.left.is_empty() || current.queued > 0 {
                return false;
            }
            self.events.push((self.now, LinkEvent::Sent(MessageId(current.message))));
            self.current = None;
        }
        let Some((message, left)) = self.waiting.pop_front() else { return false };
        self.missing.get_mut(&message).expect("still wanted").1 = self.now;
        let ready = self.now + self.config.startup;
        self.current = Some(Current { message, ready, left, queued: 0 });
        true
    }

    /// The sender puts one packet into the queue, if it has one and there is room.
    fn hand_over(&mut self) -> bool {
        let resend = self.sender.resend();
        let new = self.current.as_ref().filter(|current| current.ready <= self.now);
        let fresh = new.and_then(|current| current.left.front().copied());
        let Some(packet) = resend.or(fresh) else { return false };
        let size = |packet: &Packet| packet.payload + self.config.header;
        let held: u64 = self.queue.iter().map(|(_, packet)| size(packet)).sum();
        if !self.queue.is_empty() && held + size(&packet) > self.config.queue_bytes {
            return false;
        }
        let free = self.queue.back().map_or(self.now, |&(end, _)| end);
        let end = free + Duration::from_micros(size(&packet));
        self.queue.push_back((end, packet));
        let arrives = self.fate(end, packet);
        let is_lost = if resend.is_some() {
            self.sender.resent(packet, arrives)
        } else {
            let current = self.current.as_mut().expect("it has new data");
            current.left.pop_front();
            current.queued += 1;
            !arrives
        };
        if is_lost {
            self.sender.lost.push_back((self.sender.sent, self.now, packet));
        }
        true
    }

    /// Decides what becomes of a packet that leaves the queue at `end`: whether it arrives.
    fn fate(&mut self, end: Instant, packet: Packet) -> bool {
        let (loss, delay) = chance(&mut self.stream, packet.number, packet.attempt);
        let way = |uniform: f64| {
            let jitter = (-libm::log(uniform) * nanos(self.config.jitter) as f64) as u64;
            self.config.propagation + Duration::from_nanos(jitter)
        };
        if loss < self.config.loss {
            self.sender.send(self.now, None);
            return false;
        }
        let arrival = end + way(delay);
        // The same number, spread over the unit interval again.
        let back = (loss - self.config.loss) / (1.0 - self.config.loss);
        let back = way(back.max(f64::MIN_POSITIVE));
        self.sender.send(self.now, Some((arrival, back)));
        self.air.push((arrival, packet));
        true
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
