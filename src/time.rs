//! Time as an argument: an integer instant of our own, and durations that survive a round trip.
//!
//! Nothing in core, sim or plots reads a clock. Each endpoint has its own clock; an [`Instant`] is
//! only ever compared with instants of the same endpoint (in the simulator all clocks agree).

use core::fmt;
use core::ops::{Add, AddAssign, Sub};
pub use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: nanoseconds since the start of the run on the endpoint's own clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Instant(u64);

impl Instant {
    /// The start of the run.
    pub const ZERO: Self = Self(0);

    /// The instant `ns` nanoseconds after the start of the run.
    #[must_use]
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the start of the run.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Milliseconds since the start of the run, for people.
    #[must_use]
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The span from `earlier` to `self`; zero if `earlier` is in fact later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0 + nanos(span))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// # Panics
    /// If `earlier` is later than `self`: a broken invariant (time does not run backwards).
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.checked_sub(earlier.0).expect("time runs forwards"))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ms", self.as_millis_f64())
    }
}

/// Nanoseconds of `span`.
///
/// # Panics
/// If `span` exceeds 584 years; every duration that enters the program is bounded far below.
#[must_use]
pub fn nanos(span: Duration) -> u64 {
    // `Duration::as_nanos` is 128-bit arithmetic; this form is not.
    span.as_secs()
        .checked_mul(1_000_000_000)
        .and_then(|ns| ns.checked_add(u64::from(span.subsec_nanos())))
        .expect("a span of less than 584 years")
}

/// The duration of `ms` milliseconds, rounded to a nanosecond; negative or NaN gives zero.
#[must_use]
pub fn from_millis(ms: f64) -> Duration {
    // A cast from float saturates, and takes NaN to zero.
    Duration::from_nanos((ms * 1e6 + 0.5) as u64)
}

/// Milliseconds in `span`, for people and for statistics.
#[must_use]
pub fn as_millis(span: Duration) -> f64 {
    nanos(span) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_round_to_a_nanosecond_and_back() {
        assert_eq!(from_millis(44.5), Duration::from_micros(44_500));
        assert_eq!(from_millis(-1.0), Duration::ZERO);
        assert_eq!(from_millis(f64::NAN), Duration::ZERO);
        assert_eq!(as_millis(Duration::from_micros(1500)), 1.5);
    }

    #[test]
    fn an_instant_moves_by_durations() {
        let later = Instant::ZERO + Duration::from_millis(3);
        assert_eq!(later - Instant::ZERO, Duration::from_millis(3));
        assert_eq!(Instant::ZERO.saturating_since(later), Duration::ZERO);
        assert_eq!(later.to_string(), "3.000 ms");
    }
}
