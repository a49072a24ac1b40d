//! The rate of a link over time: constant, or a bandwidth trace in equal steps that repeats.

use serde::{Deserialize, Serialize};

use crate::time::{Duration, Instant, nanos};

/// A rate \[bit/s\] over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rate {
    /// The same at all times, at least 1 bit/s.
    Constant(u64),
    /// One rate after another, each for `step`, then from the start again.
    Trace {
        /// How long each rate holds.
        step: Duration,
        /// The rates, each at least 1 bit/s; at least one.
        rates: Vec<u64>,
        /// Where in the sequence time zero lies.
        offset: Duration,
        /// Whether each run begins at a point of its own instead, drawn from its seed.
        random_offset: bool,
    },
}

impl Rate {
    /// When a transmission of `bytes` ends that starts at `start` and has the link to itself.
    #[must_use]
    pub fn transmission_end(&self, start: Instant, bytes: u64) -> Instant {
        match self {
            Self::Constant(rate) => start + time_for(u128::from(bytes) * 8 * NANOS, *rate),
            Self::Trace { step, rates, offset, .. } => {
                let step = nanos(*step);
                // Work in bit-nanoseconds-per-second, so that nothing is rounded between steps.
                let mut left = u128::from(bytes) * 8 * NANOS;
                let mut now = start.as_nanos();
                loop {
                    let at = now + nanos(*offset);
                    let rate = rates[(at / step) as usize % rates.len()];
                    let span = step - at % step;
                    let carried = u128::from(rate) * u128::from(span);
                    if left <= carried {
                        return Instant::from_nanos(now) + time_for(left, rate);
                    }
                    left -= carried;
                    now += span;
                }
            }
        }
    }

    /// The least time that `bytes` can take.
    #[must_use]
    pub fn least_time(&self, bytes: u64) -> Duration {
        let fastest = match self {
            Self::Constant(rate) => *rate,
            Self::Trace { rates, .. } => rates.iter().copied().max().unwrap_or(1),
        };
        // Rounded down: a bound from below.
        Duration::from_nanos((u128::from(bytes) * 8 * NANOS / u128::from(fastest)) as u64)
    }

    /// The same rate, a trace that asks for it begun at a share `phase` of its period, 0 to 1.
    #[must_use]
    pub fn at_phase(&self, phase: f64) -> Self {
        match self {
            Self::Trace { step, rates, random_offset: true, .. } => {
                let period = nanos(*step) * rates.len() as u64;
                let offset = Duration::from_nanos((phase * period as f64) as u64);
                let (step, rates) = (*step, rates.clone());
                Self::Trace { step, rates, offset, random_offset: false }
            }
            fixed => fixed.clone(),
        }
    }

    /// The rate at `at` \[bit/s\].
    #[must_use]
    pub fn at(&self, at: Instant) -> u64 {
        match self {
            Self::Constant(rate) => *rate,
            Self::Trace { step, rates, offset, .. } => {
                rates[((at.as_nanos() + nanos(*offset)) / nanos(*step)) as usize % rates.len()]
            }
        }
    }
}

const NANOS: u128 = 1_000_000_000;

/// Time for so many bit-nanoseconds-per-second at `rate`, rounded up to a nanosecond.
fn time_for(work: u128, rate: u64) -> Duration {
    // Nearly all work fits 64 bits, where a division takes a tenth of the time.
    if let Ok(work) = u64::try_from(work) {
        return Duration::from_nanos(work.div_ceil(rate));
    }
    let ns = work.div_ceil(u128::from(rate));
    Duration::from_nanos(u64::try_from(ns).expect("a transmission of less than 584 years"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_rate_takes_size_over_rate() {
        let rate = Rate::Constant(20_000_000);
        let end = rate.transmission_end(Instant::ZERO, 290_309);
        assert_eq!(end.as_nanos(), 116_123_600);
    }

    #[test]
    fn a_trace_is_integrated_across_its_steps_and_repeats() {
        // 1 s at 8 kbit/s (1000 B), 1 s at 16 kbit/s (2000 B), again.
        let step = Duration::from_secs(1);
        let rate = Rate::Trace {
            step,
            rates: vec![8_000, 16_000],
            offset: Duration::ZERO,
            random_offset: false,
        };
        let end = |bytes| rate.transmission_end(Instant::ZERO, bytes).as_nanos();
        assert_eq!(end(500), 500_000_000);
        assert_eq!(end(2_000), 1_500_000_000);
        assert_eq!(end(3_500), 2_500_000_000);
        assert_eq!(rate.at(Instant::from_nanos(1_500_000_000)), 16_000);
        assert_eq!(rate.at(Instant::from_nanos(2_000_000_000)), 8_000);
        let shifted =
            Rate::Trace { step, rates: vec![8_000, 16_000], offset: step, random_offset: false };
        assert_eq!(shifted.at(Instant::ZERO), 16_000);
    }
}
