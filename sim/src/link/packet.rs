//! A link that carries packets: each may be late, may be lost, and is then sent again.
//!
//! One message is served at a time, first in, first out: after its start-up it is cut into packets,
//! which the sender hands to the bottleneck's bounded queue as room comes free. The bottleneck
//! serialises them one after another. What the queue holds is beyond recall: a deep queue makes a
//! cancelled message costlier and a retransmission later. The next message's start-up begins at
//! `Sent`; retransmissions need no start-up and go out meanwhile, ahead of new data.
//!
//! Each message has a stream of its own, as in QUIC: a message that waits for a retransmission does
//! not hold up a later one, which may be delivered before it. How the sender learns of a loss stands
//! in `recovery`.
//!
//! What a message will do is computed as a whole when its service begins. This uses no knowledge of
//! the future: later offers cannot overtake it, and a loss is acted upon only once it is noticed.
//! Only `cancel` can change it; the computation is then done anew up to that time.

use std::collections::VecDeque;

use pipesd_core::ids::MessageId;
use pipesd_core::recovery::LossDetection;
use pipesd_core::seed::Stream;
use pipesd_core::time::{Duration, Instant, nanos};
use serde::{Deserialize, Serialize};

use super::recovery::Recovery;
use super::{LinkAccount, LinkEvent, Rate};

/// Parameters of a packet link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PacketConfig {
    /// Rate of the bottleneck, headers included.
    pub rate: Rate,
    /// Start-up of each message, during which no new data is sent.
    pub startup: Duration,
    /// Least time from the bottleneck to the receiver.
    pub propagation: Duration,
    /// Mean of what each packet takes beyond that: exponential, independent between packets, which
    /// may thus overtake each other.
    pub jitter: Duration,
    /// Probability that a packet is lost after it has left the bottleneck, independent between
    /// packets and attempts; at most 0.5.
    pub loss: f64,
    /// Bytes, headers included, that the bottleneck's queue holds with the packet being serialised.
    /// An empty queue takes any one packet.
    pub queue_bytes: u64,
    /// Whether a message under way can be cut short: its packets not yet in the queue dropped. If
    /// not, it runs to its end.
    pub abortable: bool,
    /// Payload of a packet, at most.
    #[serde(default = "default_mtu")]
    pub mtu: u64,
    /// Bytes of each packet beyond its payload.
    #[serde(default = "default_header")]
    pub header: u64,
}

impl PacketConfig {
    /// Default payload of a packet.
    pub const MTU: u64 = default_mtu();
    /// Default header of a packet.
    pub const HEADER: u64 = default_header();
}

/// The datagram size that every QUIC path must carry (RFC 9000 §14), here taken for the payload.
const fn default_mtu() -> u64 {
    1200
}

/// IPv4 (20), UDP (8), and a QUIC short header with its frame and authentication tag (about 20).
const fn default_header() -> u64 {
    48
}

/// A packet link at work.
#[derive(Clone, Debug)]
pub struct PacketLink {
    config: PacketConfig,
    chance: Chance,
    waiting: VecDeque<Outgoing>,
    serving: Option<Serving>,
    /// With the plan of `serving` carried out, however far ahead.
    wire: Wire,
    /// As `wire` was when the service of `serving` began; not kept on a link without chance.
    before: Wire,
    /// What has happened and has not been polled yet, in order of time.
    happened: VecDeque<(Instant, LinkEvent)>,
    /// Messages and packets offered so far.
    offered: (u64, u64),
    account: LinkAccount,
}

#[derive(Clone, Copy, Debug)]
struct Outgoing {
    id: MessageId,
    /// Rank in order of offers.
    index: u64,
    bytes: u64,
    packets: u64,
    /// Number of its first packet among all of the link.
    number: u64,
}

#[derive(Clone, Copy, Debug)]
struct Serving {
    message: Outgoing,
    start: Instant,
    sent: Instant,
    cancelled: bool,
}

impl PacketLink {
    /// An idle link. `stream` is its only source of chance.
    #[must_use]
    pub fn new(config: PacketConfig, stream: Stream) -> Self {
        debug_assert!((0.0..=0.5).contains(&config.loss), "validated on entry");
        debug_assert!(config.mtu > 0, "validated on entry");
        let wire = Wire::new(&config);
        Self {
            config,
            // No packet has that key.
            chance: Chance { stream, block: (u64::MAX, [0.0; 8]) },
            waiting: VecDeque::new(),
            serving: None,
            before: wire.clone(),
            wire,
            happened: VecDeque::new(),
            offered: (0, 0),
            account: LinkAccount::default(),
        }
    }

    pub(super) fn offer(&mut self, now: Instant, id: MessageId, bytes: u64) {
        self.advance(now);
        self.account.offered += bytes;
        self.account.messages[0] += 1;
        let (index, number) = self.offered;
        // An empty message still takes a packet.
        let packets = bytes.div_ceil(self.config.mtu).max(1);
        self.offered = (index + 1, number + packets);
        self.waiting.push_back(Outgoing { id, index, bytes, packets, number });
        if self.serving.is_none() {
            self.begin_next(now);
        }
    }

    pub(super) fn cancel(&mut self, now: Instant, id: MessageId) {
        self.advance(now);
        if let Some(place) = self.waiting.iter().position(|message| message.id == id) {
            let message = self.waiting.remove(place).expect("found there");
            self.account.cancelled += message.bytes;
            self.account.messages[2] += 1;
            self.happened.push_back((now, LinkEvent::Sent(id)));
        } else if let Some(Serving { message, start, cancelled: false, .. }) = self.serving
            && message.id == id
            && self.config.abortable
        {
            // Without chance the plan needs no wire, so that the wire is still as it was.
            let mut wire = if self.is_certain() { &self.wire } else { &self.before }.clone();
            wire.flying.retain(|flying| flying.message.index != message.index);
            let ready = start + self.config.startup;
            let carried =
                wire.carry(&self.config, &mut self.chance, message, start, (ready, Some(now)));
            if carried.packets == message.packets {
                return;
            }
            // What has arrived by now has been told.
            wire.flying.retain(|flying| flying.missing > 0 || flying.arrival > now);
            wire.forget(message.index);
            self.wire = wire;
            let sent = carried.end.max(now);
            self.serving = Some(Serving { message, start, sent, cancelled: true });
            self.account.cancelled += message.bytes;
            self.account.messages[2] += 1;
            self.advance(now);
        }
    }

    fn is_certain(&self) -> bool {
        self.config.loss == 0.0 && self.config.jitter.is_zero()
    }

    fn begin_next(&mut self, start: Instant) {
        let Some(message) = self.waiting.pop_front() else { return };
        let ready = start + self.config.startup;
        let sent = if self.is_certain() {
            // All packets leave back to back and arrive in order: no need to look at each of them.
            let bytes = message.bytes + message.packets * self.config.header;
            let end = self.config.rate.transmission_end(ready, bytes);
            let arrival = end + self.config.propagation;
            self.wire.flying.push(Flying { message, start, missing: 0, arrival });
            end
        } else {
            self.wire.drain(start);
            self.before = self.wire.clone();
            self.wire.carry(&self.config, &mut self.chance, message, start, (ready, None)).end
        };
        self.serving = Some(Serving { message, start, sent, cancelled: false });
    }

    /// The next delivery, as far as it is settled: when, and where in the list of those flying.
    fn next_delivery(&self) -> Option<(Instant, u64, usize)> {
        let settled = self.wire.flying.iter().enumerate().filter(|(_, flying)| flying.missing == 0);
        settled.map(|(place, flying)| (flying.arrival, flying.message.index, place)).min()
    }

    /// When something will next happen. A retransmission that goes out is something, too: nothing
    /// may come of a poll then.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let happened = self.happened.front().map(|&(at, _)| at);
        happened.or_else(|| {
            let sent = self.serving.map(|serving| serving.sent);
            let delivery = self.next_delivery().map(|(at, ..)| at);
            let resend = self.wire.next_resend(&self.config).map(|(at, _)| at);
            [sent, delivery, resend].into_iter().flatten().min()
        })
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<LinkEvent> {
        self.advance(now);
        self.happened.pop_front().map(|(_, event)| event)
    }

    /// Lets happen what happens by `now`, in order of time. At equal times the older message comes
    /// first, and a message is sent before it is delivered.
    fn advance(&mut self, now: Instant) {
        loop {
            let sent = self.serving.map(|serving| (serving.sent, serving.message.index));
            let delivery = self.next_delivery();
            let times = [sent.map(|(at, _)| at), delivery.map(|(at, ..)| at)];
            let event = times.into_iter().flatten().min();
            // Retransmissions go out in time: one of them may be the next to arrive.
            if let Some((at, noticed)) = self.wire.next_resend(&self.config)
                && at <= now
                && event.is_none_or(|event| at <= event)
            {
                self.wire.recovery.noticed(noticed);
                self.wire.resend(&self.config, &mut self.chance, at);
                self.count_losses();
            } else if event.is_none_or(|event| event > now) {
                return;
            } else if let Some((arrival, index, place)) = delivery
                && sent.is_none_or(|sent| (arrival, index) < sent)
            {
                self.deliver(arrival, place);
            } else if let Some(Serving { message, sent, .. }) = self.serving.take() {
                self.happened.push_back((sent, LinkEvent::Sent(message.id)));
                self.count_losses();
                self.begin_next(sent);
            }
        }
    }

    fn deliver(&mut self, arrival: Instant, place: usize) {
        let Flying { message, start, .. } = self.wire.flying.swap_remove(place);
        self.account.delivered += message.bytes;
        self.account.messages[1] += 1;
        // The receiver knows the start and allows for the propagation; the start-up, waiting for
        // retransmissions and jitter are part of what it measures.
        let transfer = arrival - (start + self.config.propagation);
        let event = LinkEvent::Delivered { id: message.id, transfer };
        self.happened.push_back((arrival, event));
    }

    /// The account follows the wire only at times when the wire is not ahead.
    fn count_losses(&mut self) {
        self.account.packets_lost = self.wire.packets_lost;
        self.account.retransmitted = self.wire.retransmitted;
    }

    pub(super) const fn account(&self) -> &LinkAccount {
        &self.account
    }

    pub(super) fn bytes_in_flight(&self) -> u64 {
        // A message is flying from the start of its service.
        let waiting: u64 = self.waiting.iter().map(|message| message.bytes).sum();
        waiting + self.wire.flying.iter().map(|flying| flying.message.bytes).sum::<u64>()
    }
}

/// The bottleneck, and what lies behind it.
#[derive(Clone, Debug)]
struct Wire {
    /// When the packets in the queue will have left, and their sizes; their sum.
    queue: VecDeque<(Instant, u64)>,
    queued: u64,
    /// When the last packet was put into the queue.
    last: Instant,
    /// When the last packet in the queue will have left.
    free: Instant,
    /// Start and bytes of what is sent back to back: rounding must not add up over packets.
    run: (Instant, u64),
    /// Not kept on a link that loses nothing.
    recovery: Recovery,
    flying: Vec<Flying>,
    packets_lost: u64,
    retransmitted: u64,
}

/// A message of which not all is known to have arrived.
#[derive(Clone, Copy, Debug)]
struct Flying {
    message: Outgoing,
    start: Instant,
    /// Packets whose arrival is not settled.
    missing: u64,
    /// The latest settled arrival.
    arrival: Instant,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    number: u64,
    /// Of its message.
    pub(super) index: u64,
    attempt: u64,
    payload: u64,
}

/// How much of a message went into the queue, and when the last of it will have left.
struct Carried {
    packets: u64,
    end: Instant,
}

impl Wire {
    fn new(config: &PacketConfig) -> Self {
        // Acknowledgements come back over a way like this one, past its queue.
        let round_trip = (config.propagation + config.jitter) * 2;
        Self {
            queue: VecDeque::new(),
            queued: 0,
            last: Instant::ZERO,
            free: Instant::ZERO,
            run: (Instant::ZERO, 0),
            recovery: Recovery::new(LossDetection::on_link(config.jitter), round_trip),
            flying: Vec::new(),
            packets_lost: 0,
            retransmitted: 0,
        }
    }

    /// Sends `message`, and before each of its packets what is to be sent again by then. New data
    /// goes out from `ready` on; nothing goes into the queue after `limit`.
    fn carry(
        &mut self,
        config: &PacketConfig,
        chance: &mut Chance,
        message: Outgoing,
        start: Instant,
        (ready, limit): (Instant, Option<Instant>),
    ) -> Carried {
        // The integral over a rate trace is taken from the start of a run: keep runs short.
        self.run = (self.free, 0);
        self.flying.push(Flying { message, start, missing: message.packets, arrival: start });
        let (mut arrived, mut latest, mut end) = (0, start, start);
        let mut packets = 0;
        while packets < message.packets {
            let payload = (message.bytes - packets * config.mtu).min(config.mtu);
            let room = self.room(config, payload).max(ready);
            let by = limit.map_or(room, |limit| room.min(limit));
            let resend = self.noticed(config, by);
            let at = resend.unwrap_or(room);
            if limit.is_some_and(|limit| at > limit) {
                break;
            }
            if resend.is_some() {
                self.resend(config, chance, at);
                continue;
            }
            end = self.enter(config, at, payload);
            let number = message.number + packets;
            let packet = Packet { number, index: message.index, attempt: 0, payload };
            if let Some(arrival) = self.fate(config, chance, packet) {
                arrived += 1;
                latest = latest.max(arrival);
            } else {
                self.recovery.loses(packet);
            }
            packets += 1;
        }
        self.settle(message.index, arrived, latest);
        Carried { packets, end }
    }

    /// When the next lost packet goes into the queue again, if no new data comes before it, and when
    /// it is noticed.
    fn next_resend(&self, config: &PacketConfig) -> Option<(Instant, Instant)> {
        let (noticed, packet) = self.recovery.next()?;
        Some((self.room(config, packet.payload).max(noticed), noticed))
    }

    /// When it goes into the queue, if it is noticed by `by`. Nothing else is sent before.
    fn noticed(&mut self, config: &PacketConfig, by: Instant) -> Option<Instant> {
        let (noticed, &Packet { payload, .. }) = self.recovery.noticed(by)?;
        Some(self.room(config, payload).max(noticed))
    }

    /// Sends again what was noticed, at `at`.
    fn resend(&mut self, config: &PacketConfig, chance: &mut Chance, mut at: Instant) {
        let Some((mut packet, copies)) = self.recovery.take() else { return };
        let mut first: Option<Instant> = None;
        for _ in 0..copies {
            at = at.max(self.room(config, packet.payload));
            packet.attempt += 1;
            self.retransmitted += packet.payload;
            self.enter(config, at, packet.payload);
            let arrival = self.fate(config, chance, packet);
            first = [first, arrival].into_iter().flatten().min();
        }
        match first {
            Some(arrival) => self.settle(packet.index, 1, arrival),
            None => self.recovery.loses(packet),
        }
    }

    /// From when on the queue has room for one more packet.
    fn room(&self, config: &PacketConfig, payload: u64) -> Instant {
        let mut queued = self.queued + payload + config.header;
        let mut room = self.last;
        for &(end, size) in &self.queue {
            if queued <= config.queue_bytes {
                break;
            }
            queued -= size;
            room = room.max(end);
        }
        room
    }

    /// Puts a packet into the queue at `at`, and tells when it will have left.
    fn enter(&mut self, config: &PacketConfig, at: Instant, payload: u64) -> Instant {
        self.drain(at);
        if at > self.free {
            self.run = (at, 0);
        }
        let size = payload + config.header;
        self.run.1 += size;
        self.free = config.rate.transmission_end(self.run.0, self.run.1);
        self.queue.push_back((self.free, size));
        self.queued += size;
        self.last = at;
        self.free
    }

    /// Takes out of the queue what has left by `at`.
    fn drain(&mut self, at: Instant) {
        while let Some(&(end, size)) = self.queue.front()
            && end <= at
        {
            self.queue.pop_front();
            self.queued -= size;
        }
    }

    /// When the packet arrives that was put into the queue last. None: it is lost.
    fn fate(
        &mut self,
        config: &PacketConfig,
        chance: &mut Chance,
        packet: Packet,
    ) -> Option<Instant> {
        let (loss, delay) = chance.at(packet.number, packet.attempt);
        let way = |uniform| nanos(config.propagation) + jitter(config, uniform);
        let arrival = Instant::from_nanos(self.free.as_nanos() + way(delay));
        if config.loss == 0.0 {
            return Some(arrival);
        }
        if loss < config.loss {
            self.packets_lost += 1;
            self.recovery.sends(self.last);
            return None;
        }
        // Of a packet that arrives this is uniform again, and independent of all else.
        let back = (loss - config.loss) / (1.0 - config.loss);
        self.recovery.arrives(self.last, arrival, way(back.max(f64::MIN_POSITIVE)));
        Some(arrival)
    }

    fn settle(&mut self, index: u64, arrived: u64, arrival: Instant) {
        // A packet of a message called off finds nobody here.
        if let Some(flying) = self.flying.iter_mut().find(|flying| flying.message.index == index) {
            flying.missing -= arrived;
            flying.arrival = flying.arrival.max(arrival);
        }
    }

    /// A message was called off: its packets are not sent again.
    fn forget(&mut self, index: u64) {
        self.recovery.forget(index);
        self.flying.retain(|flying| flying.message.index != index);
    }
}

/// What a packet takes beyond the propagation \[ns\], from a uniform number.
fn jitter(config: &PacketConfig, uniform: f64) -> u64 {
    if config.jitter.is_zero() {
        return 0;
    }
    (-libm::log(uniform) * nanos(config.jitter) as f64) as u64
}

/// The chances of packets, by number and attempt alone.
#[derive(Clone, Debug)]
struct Chance {
    stream: Stream,
    /// The key asked for last and its numbers. A key serves four packets: neighbours come together.
    block: (u64, [f64; 8]),
}

impl Chance {
    /// Two uniform numbers: for loss and for delay.
    fn at(&mut self, number: u64, attempt: u64) -> (f64, f64) {
        // A link carries fewer than 2^50 packets, and sends none 2^16 times.
        let key = (attempt << 48) | (number / 4);
        let place = 2 * (number % 4) as usize;
        if self.block.0 != key {
            let mut draws = self.stream.at(key);
            self.block = (key, std::array::from_fn(|_| draws.uniform()));
        }
        (self.block.1[place], self.block.1[place + 1])
    }
}
