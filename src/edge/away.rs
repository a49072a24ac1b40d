//! How an edge gets along without the cloud: when it looks for it again, how long it goes on, and what it
//! does meanwhile.

use serde::{Deserialize, Serialize};

use crate::time::{Duration, Instant};

/// What an edge does while it has no link, or while the cloud does not serve its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// A session that is not served for this long is given up.
    pub patience: Duration,
    /// What is done with the draft model meanwhile.
    pub offline: Offline,
}

impl Outage {
    /// Waits for ten minutes, and drafts no further than a pending NAV would allow.
    pub const DEFAULT: Self = Self { patience: Duration::from_secs(600), offline: Offline::Wait };
}

/// What an edge does with its draft model while there is no link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offline {
    /// It drafts as far as it would while a NAV is pending.
    #[default]
    Wait,
    /// It goes on alone to the end of the text. All of it is verified when the cloud is back.
    Draft,
}

/// Between two tries at least, and at most.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Of the time that the cloud has been away, the part that is waited before the next try: what an outage
/// costs beyond itself is in proportion to it.
const PAUSE_SHARE: u32 = 64;

/// Whether there is a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkState {
    Up,
    /// It was lost at `since`; so many tries have failed.
    Down {
        since: Instant,
        attempts: u32,
    },
}

impl LinkState {
    pub(super) const fn is_up(self) -> bool {
        matches!(self, Self::Up)
    }

    /// How long to wait before the next try at `now`.
    pub(super) fn pause(since: Instant, now: Instant) -> Duration {
        (now.saturating_since(since) / PAUSE_SHARE).clamp(PAUSE_MIN, PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_with_the_outage_within_bounds() {
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        let pause = |away: u64| LinkState::pause(at(1000), at(1000 + away)).as_millis();
        assert_eq!([0, 3_200, 6_400, 64_000, 1 << 40].map(pause), [50, 50, 100, 1000, 5000]);
    }
}
