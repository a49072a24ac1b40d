//! Links: seeded state machines that carry messages one way, each sent in the order of offers.
//!
//! | model | an upload | use |
//! |---|---|---|
//! | [`affine`] | occupies the link for start-up + bytes/rate | the paper's model (paper §2) |
//! | [`packet`] | is cut into packets; each may be late, lost and sent again | beyond the paper |
//!
//! Like the endpoints, a link knows no clock: it is offered messages, says when it next wants to be
//! polled, and tells what has happened. `Sent` comes at the end of serialisation, `Delivered` when
//! the last byte has arrived.

pub mod affine;
pub mod packet;
mod recovery;

use pipesd_core::ids::MessageId;
pub use pipesd_core::rate::Rate;
use pipesd_core::seed::Stream;
use pipesd_core::time::{Duration, Instant};
use serde::{Deserialize, Serialize};

pub use self::affine::{Affine, AffineConfig};
pub use self::packet::{PacketConfig, PacketLink};

/// How a link is set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LinkConfig {
    /// The paper's model.
    Affine(AffineConfig),
    /// Packets that may be late and may be lost.
    Packet(PacketConfig),
}

impl LinkConfig {
    /// The least time from offer to delivery of so many bytes: physics, for the causality check.
    #[must_use]
    pub fn least_time(&self, bytes: u64) -> Duration {
        match self {
            Self::Affine(config) => {
                config.startup + config.rate.least_time(bytes) + config.propagation
            }
            Self::Packet(config) => {
                config.startup + config.rate.least_time(bytes) + config.propagation
            }
        }
    }

    /// Its rate over time.
    #[must_use]
    pub const fn rate(&self) -> &Rate {
        match self {
            Self::Affine(config) => &config.rate,
            Self::Packet(config) => &config.rate,
        }
    }

    /// The same link with its bandwidth trace begun at a share `phase` of its period, 0 to 1, unless
    /// the trace starts at a fixed point.
    #[must_use]
    pub fn at_phase(&self, phase: f64) -> Self {
        match self {
            Self::Affine(config) => {
                Self::Affine(AffineConfig { rate: config.rate.at_phase(phase), ..config.clone() })
            }
            Self::Packet(config) => {
                Self::Packet(PacketConfig { rate: config.rate.at_phase(phase), ..config.clone() })
            }
        }
    }
}

/// What a link tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The message has left: the next may start. Exactly one for each offered message.
    Sent(MessageId),
    /// The message has arrived whole. At most one for each offered message; never before its `Sent`
    /// would allow.
    Delivered {
        /// Which.
        id: MessageId,
        /// From first to last byte at the receiver, start-up included: what it can measure.
        transfer: Duration,
    },
}

/// Where the bytes are that were offered to a link. Conservation:
/// `offered = delivered + cancelled + in flight`, with retransmissions apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkAccount {
    /// Bytes of all messages offered.
    pub offered: u64,
    /// Bytes of all messages delivered.
    pub delivered: u64,
    /// Bytes of messages that were called off and will never arrive, whatever part had left.
    pub cancelled: u64,
    /// Bytes sent once more after a loss.
    pub retransmitted: u64,
    /// Packets lost on the way.
    pub packets_lost: u64,
    /// Messages offered, delivered and cancelled.
    pub messages: [u64; 3],
}

impl core::ops::Add for LinkAccount {
    type Output = Self;

    /// Of two links together.
    fn add(self, other: Self) -> Self {
        let [[a, b, c], [d, e, f]] = [self.messages, other.messages];
        Self {
            offered: self.offered + other.offered,
            delivered: self.delivered + other.delivered,
            cancelled: self.cancelled + other.cancelled,
            retransmitted: self.retransmitted + other.retransmitted,
            packets_lost: self.packets_lost + other.packets_lost,
            messages: [a + d, b + e, c + f],
        }
    }
}

/// A link at work.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a run has few links, and they stay where they are")]
pub enum Link {
    /// The paper's model.
    Affine(Affine),
    /// Packets that may be late and may be lost.
    Packet(PacketLink),
}

impl Link {
    /// An idle link. `stream` is its only source of chance.
    #[must_use]
    pub fn new(config: &LinkConfig, stream: Stream) -> Self {
        match config {
            LinkConfig::Affine(config) => {
                // The affine model has no chance in it.
                drop(stream);
                Self::Affine(Affine::new(config.clone()))
            }
            LinkConfig::Packet(config) => Self::Packet(PacketLink::new(config.clone(), stream)),
        }
    }

    /// Takes a message into its queue.
    pub fn offer(&mut self, now: Instant, id: MessageId, bytes: u64) {
        match self {
            Self::Affine(link) => link.offer(now, id, bytes),
            Self::Packet(link) => link.offer(now, id, bytes),
        }
    }

    /// Drops what can still be dropped of a message that is of no use any more.
    pub fn cancel(&mut self, now: Instant, id: MessageId) {
        match self {
            Self::Affine(link) => link.cancel(now, id),
            Self::Packet(link) => link.cancel(now, id),
        }
    }

    /// When something will next happen, if nothing more is offered.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        match self {
            Self::Affine(link) => link.next_wake(),
            Self::Packet(link) => link.next_wake(),
        }
    }

    /// The next thing that has happened by `now`, in order of time.
    pub fn poll(&mut self, now: Instant) -> Option<LinkEvent> {
        match self {
            Self::Affine(link) => link.poll(now),
            Self::Packet(link) => link.poll(now),
        }
    }

    /// Where the offered bytes are.
    #[must_use]
    pub const fn account(&self) -> &LinkAccount {
        match self {
            Self::Affine(link) => link.account(),
            Self::Packet(link) => link.account(),
        }
    }

    /// Bytes of messages still on their way.
    #[must_use]
    pub fn bytes_in_flight(&self) -> u64 {
        match self {
            Self::Affine(link) => link.bytes_in_flight(),
            Self::Packet(link) => link.bytes_in_flight(),
        }
    }
}
