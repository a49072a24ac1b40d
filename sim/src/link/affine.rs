//! The paper's link: an upload occupies the uplink for α + bytes/rate (paper §2), then propagates.
//!
//! The authors' own sender holds a message until its HTTP exchange is over, and an exchange has a floor
//! that no link's rate takes away: see [`ExchangeFloor`].

use std::collections::VecDeque;

use pipesd_core::ids::MessageId;
use pipesd_core::time::{Duration, Instant, nanos};
use serde::{Deserialize, Serialize};

use super::{LinkAccount, LinkEvent, Rate};

/// Parameters of an affine link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AffineConfig {
    /// Rate.
    pub rate: Rate,
    /// α: start-up of each message, during which the link is occupied.
    pub startup: Duration,
    /// Time from sender to receiver.
    pub propagation: Duration,
    /// Whether a message under way can be cut short. If not, it runs to its end, occupies the link
    /// until then and arrives.
    pub abortable: bool,
    /// What a message occupies its sender for at the least.
    #[serde(default)]
    pub floor: ExchangeFloor,
}

/// The least time for which a message occupies its sender, however fast the link: f0 + f1·bytes, the
/// exchange of a message and its reply in one network stack. It is a property of that stack, read off
/// published figures of a testbed; a link without one has [`ExchangeFloor::NONE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeFloor {
    /// f0: of a message without bytes.
    pub base: Duration,
    /// f1: added by each 10⁶ bytes.
    pub per_megabyte: Duration,
}

impl ExchangeFloor {
    /// No floor.
    pub const NONE: Self = Self { base: Duration::ZERO, per_megabyte: Duration::ZERO };

    /// The floor of a message of `bytes`, rounded up to a nanosecond.
    #[must_use]
    pub fn of(self, bytes: u64) -> Duration {
        let work = u128::from(nanos(self.per_megabyte)) * u128::from(bytes);
        let ns = u64::try_from(work.div_ceil(1_000_000));
        self.base + Duration::from_nanos(ns.expect("an exchange of less than 584 years"))
    }

    /// Whether it holds nothing back.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

impl AffineConfig {
    /// When a message of `bytes` has left that finds the link free at `start`: after its start-up and its
    /// bytes, and not before its exchange is over.
    #[must_use]
    pub fn occupied_until(&self, start: Instant, bytes: u64) -> Instant {
        let carried = self.rate.transmission_end(start + self.startup, bytes);
        carried.max(start + self.floor.of(bytes))
    }

    /// The least time for which a message of `bytes` occupies the link.
    #[must_use]
    pub fn least_occupied(&self, bytes: u64) -> Duration {
        (self.startup + self.rate.least_time(bytes)).max(self.floor.of(bytes))
    }
}

/// An affine link at work.
#[derive(Clone, Debug)]
pub struct Affine {
    config: AffineConfig,
    /// Waiting, with their sizes.
    queue: VecDeque<(MessageId, u64)>,
    serialising: Option<Serialising>,
    /// Sent and not yet arrived, in order of arrival.
    flying: VecDeque<Flying>,
    /// `Sent` that is owed for messages cancelled before or during serialisation.
    released: VecDeque<(Instant, MessageId)>,
    account: LinkAccount,
}

#[derive(Clone, Copy, Debug)]
struct Serialising {
    id: MessageId,
    bytes: u64,
    start: Instant,
    end: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Flying {
    id: MessageId,
    bytes: u64,
    transfer: Duration,
    arrival: Instant,
}

impl Affine {
    /// An idle link.
    #[must_use]
    pub fn new(config: AffineConfig) -> Self {
        Self {
            config,
            queue: VecDeque::new(),
            serialising: None,
            flying: VecDeque::new(),
            released: VecDeque::new(),
            account: LinkAccount::default(),
        }
    }

    pub(super) fn offer(&mut self, now: Instant, id: MessageId, bytes: u64) {
        self.account.offered += bytes;
        self.account.messages[0] += 1;
        self.queue.push_back((id, bytes));
        if self.serialising.is_none() {
            self.begin_next(now);
        }
    }

    pub(super) fn cancel(&mut self, now: Instant, id: MessageId) {
        if let Some(index) = self.queue.iter().position(|&(queued, _)| queued == id) {
            let (_, bytes) = self.queue.remove(index).expect("found there");
            self.account.cancelled += bytes;
            self.account.messages[2] += 1;
            self.released.push_back((now, id));
        } else if let Some(current) = self.serialising.filter(|s| s.id == id)
            && self.config.abortable
            && now < current.end
        {
            self.account.cancelled += current.bytes;
            self.account.messages[2] += 1;
            self.released.push_back((now, id));
            self.serialising = None;
            self.begin_next(now);
        }
    }

    pub(super) fn set_rate(&mut self, rate: Rate) {
        self.config.rate = rate;
    }

    fn begin_next(&mut self, now: Instant) {
        if let Some((id, bytes)) = self.queue.pop_front() {
            let end = self.config.occupied_until(now, bytes);
            self.serialising = Some(Serialising { id, bytes, start: now, end });
        }
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        let released = self.released.front().map(|&(at, _)| at);
        let sent = self.serialising.map(|current| current.end);
        let arrival = self.flying.front().map(|message| message.arrival);
        [released, sent, arrival].into_iter().flatten().min()
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<LinkEvent> {
        if let Some((_, id)) = self.released.pop_front() {
            return Some(LinkEvent::Sent(id));
        }
        let sent = self.serialising.filter(|current| current.end <= now);
        let arrived = self.flying.front().filter(|message| message.arrival <= now);
        // In order of time; at equal times the older message, i.e. the arrival, comes first.
        if let Some(message) = arrived.copied()
            && sent.is_none_or(|current| message.arrival <= current.end)
        {
            self.flying.pop_front();
            self.account.delivered += message.bytes;
            self.account.messages[1] += 1;
            return Some(LinkEvent::Delivered { id: message.id, transfer: message.transfer });
        }
        let Serialising { id, bytes, start, end } = sent?;
        let transfer = end - start;
        let arrival = end + self.config.propagation;
        self.flying.push_back(Flying { id, bytes, transfer, arrival });
        self.serialising = None;
        self.begin_next(end);
        Some(LinkEvent::Sent(id))
    }

    pub(super) const fn account(&self) -> &LinkAccount {
        &self.account
    }

    pub(super) fn bytes_in_flight(&self) -> u64 {
        let queued: u64 = self.queue.iter().map(|&(_, bytes)| bytes).sum();
        let flying: u64 = self.flying.iter().map(|message| message.bytes).sum();
        queued + flying + self.serialising.map_or(0, |current| current.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(abortable: bool) -> AffineConfig {
        // 8 kbit/s: a byte takes a millisecond.
        AffineConfig {
            rate: Rate::Constant(8_000),
            startup: Duration::from_millis(25),
            propagation: Duration::from_millis(5),
            abortable,
            floor: ExchangeFloor::NONE,
        }
    }

    fn link(abortable: bool) -> Affine {
        Affine::new(config(abortable))
    }

    /// 50 ms and half a millisecond for each byte: above α + bytes/rate for less than 50 bytes.
    fn floored(abortable: bool) -> AffineConfig {
        let floor = ExchangeFloor {
            base: Duration::from_millis(50),
            per_megabyte: Duration::from_secs(500),
        };
        AffineConfig { floor, ..config(abortable) }
    }

    /// Everything that happens, with its time in ms.
    fn run(link: &mut Affine) -> Vec<(u64, LinkEvent)> {
        let mut events = Vec::new();
        while let Some(at) = link.next_wake() {
            while let Some(event) = link.poll(at) {
                events.push((at.as_nanos() / 1_000_000, event));
            }
        }
        events
    }

    fn delivered(id: u64, transfer_ms: u64) -> LinkEvent {
        LinkEvent::Delivered { id: MessageId(id), transfer: Duration::from_millis(transfer_ms) }
    }

    fn sent(id: u64) -> LinkEvent {
        LinkEvent::Sent(MessageId(id))
    }

    #[test]
    fn messages_go_one_after_another_each_with_its_startup() {
        let mut link = link(false);
        link.offer(Instant::ZERO, MessageId(0), 100);
        link.offer(Instant::ZERO, MessageId(1), 50);
        let events = run(&mut link);
        let expected =
            [(125, sent(0)), (130, delivered(0, 125)), (200, sent(1)), (205, delivered(1, 75))];
        assert_eq!(events, expected);
        assert_eq!(link.account().delivered, 150);
        assert_eq!(link.bytes_in_flight(), 0);
    }

    #[test]
    fn a_cancelled_message_frees_the_link_only_if_it_can_be_aborted() {
        let at = Instant::from_nanos(60_000_000);
        let mut stubborn = link(false);
        stubborn.offer(Instant::ZERO, MessageId(0), 100);
        stubborn.cancel(at, MessageId(0));
        assert_eq!(run(&mut stubborn), [(125, sent(0)), (130, delivered(0, 125))]);
        let mut abortable = link(true);
        abortable.offer(Instant::ZERO, MessageId(0), 100);
        abortable.cancel(at, MessageId(0));
        assert_eq!(abortable.poll(at), Some(sent(0)));
        assert_eq!(run(&mut abortable), []);
        assert_eq!(abortable.account().cancelled, 100);
    }

    #[test]
    fn a_message_occupies_its_sender_for_the_longer_of_link_and_exchange() {
        let mut link = Affine::new(floored(false));
        let sizes = [0, 30, 50, 100];
        for (id, bytes) in (0..).zip(sizes) {
            link.offer(Instant::ZERO, MessageId(id), bytes);
        }
        let expected: Vec<(u64, LinkEvent)> = (0..)
            .zip([(50, 50), (115, 65), (190, 75), (315, 125)])
            .flat_map(|(id, (end, took))| [(end, sent(id)), (end + 5, delivered(id, took))])
            .collect();
        assert_eq!(run(&mut link), expected);
        let LinkAccount { offered, delivered, .. } = *link.account();
        assert_eq!((offered, delivered, link.bytes_in_flight()), (180, 180, 0));
    }

    #[test]
    fn an_exchange_cut_short_ends_with_its_message() {
        let at = Instant::from_nanos(40_000_000);
        let mut link = Affine::new(floored(true));
        link.offer(Instant::ZERO, MessageId(0), 1);
        link.offer(Instant::ZERO, MessageId(1), 0);
        link.cancel(at, MessageId(0));
        assert_eq!(link.poll(at), Some(sent(0)));
        assert_eq!(run(&mut link), [(90, sent(1)), (95, delivered(1, 50))]);
    }

    #[test]
    fn the_least_time_is_reached_and_never_undercut() {
        for bytes in [0, 1, 30, 49, 50, 51, 100, 1_000_000] {
            for config in [config(false), floored(false)] {
                let took = config.occupied_until(Instant::ZERO, bytes) - Instant::ZERO;
                assert_eq!(took, config.least_occupied(bytes), "{bytes} bytes");
                let carried = Duration::from_millis(25 + bytes);
                assert_eq!(took, carried.max(config.floor.of(bytes)), "{bytes} bytes");
            }
        }
    }

    #[test]
    fn a_queued_message_can_always_be_cancelled() {
        let mut link = link(false);
        link.offer(Instant::ZERO, MessageId(0), 100);
        link.offer(Instant::ZERO, MessageId(1), 100);
        link.cancel(Instant::ZERO, MessageId(1));
        assert_eq!(link.poll(Instant::ZERO), Some(sent(1)));
        assert_eq!(run(&mut link), [(125, sent(0)), (130, delivered(0, 125))]);
    }
}
