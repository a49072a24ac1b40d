//! The packet link as a plain machine that only ever takes the next step, with a sender after RFC 9002.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pipesd_core::ids::MessageId;
use pipesd_core::recovery::LossDetection;
use pipesd_core::seed::{Seed, Stream};
use pipesd_core::time::{Duration, Instant, nanos};
use pipesd_sim::link::{LinkEvent, PacketConfig};

use crate::{Event, ms};

/// A packet of the reference; its number and attempt decide its fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packet {
    number: u64,
    attempt: u64,
    message: u64,
    payload: u64,
}

/// The uniform numbers that decide whether a packet is lost, and how late it is.
pub(crate) fn chance(stream: &mut Stream, number: u64, attempt: u64) -> (f64, f64) {
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
pub(crate) struct Reference {
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
    pub(crate) events: Vec<Event>,
}

impl Reference {
    pub(crate) fn new(config: &PacketConfig, seed: u64) -> Self {
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

    pub(crate) fn offer(&mut self, now: Instant, message: u64, bytes: u64) {
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

    pub(crate) fn cancel(&mut self, now: Instant, message: u64) {
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

    pub(crate) fn advance(&mut self, now: Instant) {
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
