//! How a sender of ours learns that a packet was lost (RFC 9002): the rules that live links set and
//! that the simulator's packet link follows.

use crate::time::Duration;

/// When a packet that is not acknowledged counts as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossDetection {
    /// It was sent so many packets before one that is acknowledged (RFC 9002 §6.1.1).
    pub packet_threshold: u32,
    /// One sent later is acknowledged, and it was sent so many eighths of a round trip ago (§6.1.2).
    pub time_threshold_eighths: u32,
}

impl LossDetection {
    /// The values that RFC 9002 recommends.
    pub const STANDARD: Self = Self { packet_threshold: 3, time_threshold_eighths: 9 };

    /// For a link on which packets overtake each other. There the standard values take for lost what
    /// is merely late, and send it again. So the number of packets decides nothing, and a round trip
    /// more is waited for.
    pub const REORDERED: Self = Self { packet_threshold: 1000, time_threshold_eighths: 16 };

    /// The rules on a link with so much jitter.
    #[must_use]
    pub const fn on_link(jitter: Duration) -> Self {
        if jitter.is_zero() { Self::STANDARD } else { Self::REORDERED }
    }
}

/// The most that a receiver is asked to wait with an acknowledgement; it sends one for every second
/// packet anyway (RFC 9000 §13.2.2). The default of 25 ms would delay each probe for a lost last
/// packet by as much.
pub const ACKNOWLEDGED_WITHIN: Duration = Duration::from_millis(2);
