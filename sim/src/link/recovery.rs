//! How the sender of a packet link learns of a loss: as QUIC does (RFC 9002).
//!
//! Each packet that arrives is acknowledged, and tells a round trip, in which it waited in the
//! bottleneck's queue. A lost packet is noticed once one that was sent later is acknowledged, and it
//! was sent some packets or some round trips ago; if nothing was sent later that arrived, by a probe
//! timeout. The probes that the sender then sends, up to two, carry what was lost.
//!
//! Left out is what a sender does in vain: a packet that is merely late is never taken for lost, and
//! a probe timeout that runs out while acknowledgements are on their way has no consequence. Nor are
//! acknowledgements lost: the next one says the same.

use std::collections::VecDeque;

use pipesd_core::recovery::{ACKNOWLEDGED_WITHIN, LossDetection};
use pipesd_core::time::{Duration, Instant, nanos};

use super::packet::Packet;

/// Granularity of a sender's timers (RFC 9002 §6.1.2).
const TIMER_GRANULARITY: Nanos = 1_000_000;
const HELD_BACK: Nanos = ACKNOWLEDGED_WITHIN.as_nanos() as Nanos;
/// The probe timeout is doubled so often at most, as in quinn.
const BACKOFF_MAX: u32 = 16;
/// Packets that a probe timeout sends (RFC 9002 §6.2.4).
const PROBES: u32 = 2;

/// A span \[ns\]: there are several to each packet, and a [`Duration`] divides each time it is made.
type Nanos = u64;

/// What a sender knows of a link.
#[derive(Clone, Debug)]
pub(super) struct Recovery {
    rules: LossDetection,
    /// Acknowledgements on their way back. Later ones tell of later packets: one that is overtaken by
    /// such an acknowledgement tells nothing new.
    acknowledgements: VecDeque<Acknowledgement>,
    /// Lost packets that have not been sent again, in the order in which they were sent.
    lost: VecDeque<Lost>,
    /// Packets sent so far. The last of them has this number.
    sent: u64,
    /// When the last of them was sent.
    last_sent: Instant,
    /// When the receiver got a packet that it has not acknowledged at once.
    unacknowledged: Option<Instant>,
    known: Known,
}

/// What acknowledgements have told by now.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// When the last one came.
    at: Instant,
    /// The last packet that is acknowledged.
    largest: u64,
    round_trip: RoundTrip,
    /// Probe timeouts since then.
    timeouts: u32,
    /// Probes that are to be sent.
    probes: u32,
}

#[derive(Clone, Copy, Debug)]
struct Acknowledgement {
    at: Instant,
    packet: u64,
    sent: Instant,
    /// For how long the receiver held it back.
    delay: Nanos,
}

/// A lost packet, and its place and time among all that were sent.
#[derive(Clone, Copy, Debug)]
struct Lost {
    packet: Packet,
    place: u64,
    sent: Instant,
}

/// Estimates of the round trip (RFC 9002 §5.3).
#[derive(Clone, Copy, Debug)]
struct RoundTrip {
    latest: Nanos,
    smoothed: Nanos,
    variation: Nanos,
}

impl RoundTrip {
    /// After a first sample.
    const fn new(sample: Nanos) -> Self {
        Self { latest: sample, smoothed: sample, variation: sample / 2 }
    }

    fn update(&mut self, sample: Nanos, delay: Nanos) {
        let adjusted = sample - delay;
        self.latest = sample;
        self.variation = (3 * self.variation + self.smoothed.abs_diff(adjusted)) / 4;
        self.smoothed = (7 * self.smoothed + adjusted) / 8;
    }

    /// After this time a packet is lost if a later one has arrived (RFC 9002 §6.1.2).
    fn loss_delay(&self, rules: LossDetection) -> Nanos {
        let round_trip = self.smoothed.max(self.latest);
        (round_trip * u64::from(rules.time_threshold_eighths) / 8).max(TIMER_GRANULARITY)
    }

    /// After this time without an acknowledgement the sender probes (RFC 9002 §6.2.1).
    fn probe_timeout(&self) -> Nanos {
        self.smoothed + (4 * self.variation).max(TIMER_GRANULARITY) + HELD_BACK
    }
}

const fn after(at: Instant, span: Nanos) -> Instant {
    Instant::from_nanos(at.as_nanos() + span)
}

impl Known {
    fn learn(&mut self, acknowledgement: &Acknowledgement) {
        let Acknowledgement { at, packet, sent, delay } = *acknowledgement;
        self.at = at;
        self.largest = packet;
        self.round_trip.update(at.as_nanos() - sent.as_nanos(), delay);
        self.timeouts = 0;
    }

    /// When the first of the lost packets is noticed. None: not before `next` comes.
    fn notices(
        &self,
        first: &Lost,
        next: Option<&Acknowledgement>,
        last_sent: Instant,
        rules: LossDetection,
    ) -> Option<Instant> {
        let is_last = self.largest < first.place;
        let due = if self.probes > 0 {
            self.at
        } else if is_last {
            after(last_sent, self.round_trip.probe_timeout() << self.timeouts.min(BACKOFF_MAX))
        } else if self.largest - first.place >= u64::from(rules.packet_threshold) {
            self.at
        } else {
            after(first.sent, self.round_trip.loss_delay(rules))
        };
        let waits = |next: &Acknowledgement| next.at <= due || is_last && self.probes == 0;
        if next.is_some_and(waits) { None } else { Some(due.max(self.at)) }
    }
}

impl Recovery {
    /// Of a link that was idle but for the round trip in which it was set up.
    pub(super) fn new(rules: LossDetection, idle_round_trip: Duration) -> Self {
        Self {
            rules,
            acknowledgements: VecDeque::new(),
            lost: VecDeque::new(),
            sent: 0,
            last_sent: Instant::ZERO,
            unacknowledged: None,
            known: Known {
                at: Instant::ZERO,
                largest: 0,
                round_trip: RoundTrip::new(nanos(idle_round_trip)),
                timeouts: 0,
                probes: 0,
            },
        }
    }

    /// A packet that was sent at `sent` arrives at `arrival`; an acknowledgement takes `back` \[ns\].
    pub(super) fn arrives(&mut self, sent: Instant, arrival: Instant, back: Nanos) {
        self.sends(sent);
        // The second packet within the time for which an acknowledgement may wait sets it free.
        let waiting = self.unacknowledged.take().filter(|&at| arrival < after(at, HELD_BACK));
        let delay = if waiting.is_some() {
            0
        } else {
            self.unacknowledged = Some(arrival);
            HELD_BACK
        };
        let at = after(arrival, delay + back);
        while self.acknowledgements.back().is_some_and(|overtaken| overtaken.at > at) {
            self.acknowledgements.pop_back();
        }
        self.acknowledgements.push_back(Acknowledgement { at, packet: self.sent, sent, delay });
    }

    /// A packet that was sent at `sent` will not arrive.
    pub(super) const fn sends(&mut self, sent: Instant) {
        self.sent += 1;
        self.last_sent = sent;
    }

    /// The packet sent last is lost, and has to be sent again.
    pub(super) fn loses(&mut self, packet: Packet) {
        self.lost.push_back(Lost { packet, place: self.sent, sent: self.last_sent });
    }

    /// When the first of the lost packets is noticed if nothing is sent before, and the packet.
    pub(super) fn next(&self) -> Option<(Instant, &Packet)> {
        let first = self.lost.front()?;
        let mut known = self.known;
        let mut left = self.acknowledgements.iter();
        loop {
            let next = left.next();
            if let Some(at) = known.notices(first, next, self.last_sent, self.rules) {
                return Some((at, &first.packet));
            }
            known.learn(next?);
        }
    }

    /// When the first of the lost packets is noticed, if that is by `by`, and the packet. Nothing will
    /// be sent before `by`, or before that time.
    pub(super) fn noticed(&mut self, by: Instant) -> Option<(Instant, &Packet)> {
        loop {
            let next = self.acknowledgements.front();
            let at = self
                .lost
                .front()
                .and_then(|first| self.known.notices(first, next, self.last_sent, self.rules));
            if let Some(at) = at {
                let first = self.lost.front().filter(|_| at <= by)?;
                let known = &mut self.known;
                if known.probes == 0 && known.largest < first.place {
                    known.timeouts += 1;
                    known.probes = PROBES;
                    known.at = at;
                }
                return Some((at, &first.packet));
            }
            self.known.learn(next.filter(|next| next.at <= by)?);
            self.acknowledgements.pop_front();
        }
    }

    /// Takes the first of the lost packets, which was noticed, and how often it is sent again.
    pub(super) fn take(&mut self) -> Option<(Packet, u32)> {
        let Lost { packet, .. } = self.lost.pop_front()?;
        let left = &mut self.known.probes;
        let probes = if self.lost.is_empty() { *left } else { 1.min(*left) };
        *left -= probes;
        Some((packet, probes.max(1)))
    }

    /// A message was called off: its packets are not sent again.
    pub(super) fn forget(&mut self, index: u64) {
        self.lost.retain(|lost| lost.packet.index != index);
        if self.lost.is_empty() {
            self.known.probes = 0;
        }
    }
}
