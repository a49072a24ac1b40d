//! The rate of a link: constant, a bandwidth trace in equal steps that repeats, or one rate for each
//! request.

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
    /// One constant rate for each request: an edge's request numbered k is decoded at
    /// `rates[(first + k) % rates.len()]`, for as long as it takes.
    PerRequest {
        /// The rates, each at least 1 bit/s; at least one.
        rates: Vec<u64>,
        /// Where in the sequence the first request lies.
        first: u32,
        /// Whether each run begins at a place of its own instead, drawn from its seed. Over seeds every
        /// rate is then met equally often, however few requests a run has.
        random_first: bool,
    },
}

impl Rate {
    /// The rate while an edge decodes its request numbered `request`, if each request has its own.
    #[must_use]
    pub fn for_request(&self, request: u32) -> Option<Self> {
        match self {
            Self::PerRequest { rates, first, .. } => {
                let place = (u64::from(*first) + u64::from(request)) % rates.len() as u64;
                Some(Self::Constant(rates[place as usize]))
            }
            Self::Constant(_) | Self::Trace { .. } => None,
        }
    }

    /// The mean of its rates \[bit/s\]: over time, or over requests.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let rates = self.rates();
        rates.iter().map(|&rate| rate as f64).sum::<f64>() / rates.len() as f64
    }

    /// Its rates, one after another.
    #[must_use]
    pub fn rates(&self) -> &[u64] {
        match self {
            Self::Constant(rate) => core::slice::from_ref(rate),
            Self::Trace { rates, .. } | Self::PerRequest { rates, .. } => rates,
        }
    }

    /// The same with each of its rates changed.
    #[must_use]
    pub fn map(&self, change: impl Fn(u64) -> u64) -> Self {
        let mut changed = self.clone();
        match &mut changed {
            Self::Constant(rate) => *rate = change(*rate),
            Self::Trace { rates, .. } | Self::PerRequest { rates, .. } => {
                rates.iter_mut().for_each(|rate| *rate = change(*rate));
            }
        }
        changed
    }

    /// When a transmission of `bytes` ends that starts at `start` and has the link to itself; where each
    /// request has a rate of its own, during the first one.
    #[must_use]
    pub fn transmission_end(&self, start: Instant, bytes: u64) -> Instant {
        match self {
            Self::Constant(_) | Self::PerRequest { .. } => {
                start + time_for(u128::from(bytes) * 8 * NANOS, self.at(start))
            }
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
        let fastest = self.rates().iter().copied().max().unwrap_or(1);
        // Rounded down: a bound from below.
        Duration::from_nanos((u128::from(bytes) * 8 * NANOS / u128::from(fastest)) as u64)
    }

    /// The same rate, a sequence that asks for it begun at a share `phase` of its period, 0 to 1.
    #[must_use]
    pub fn at_phase(&self, phase: f64) -> Self {
        match self {
            Self::Trace { step, rates, random_offset: true, .. } => {
                let period = nanos(*step) * rates.len() as u64;
                let offset = Duration::from_nanos((phase * period as f64) as u64);
                let (step, rates) = (*step, rates.clone());
                Self::Trace { step, rates, offset, random_offset: false }
            }
            Self::PerRequest { rates, random_first: true, .. } => {
                let first = ((phase * rates.len() as f64) as usize).min(rates.len() - 1) as u32;
                Self::PerRequest { rates: rates.clone(), first, random_first: false }
            }
            fixed => fixed.clone(),
        }
    }

    /// The rate at `at` \[bit/s\]; where each request has a rate of its own, that of the first one.
    #[must_use]
    pub fn at(&self, at: Instant) -> u64 {
        match self {
            Self::Constant(rate) => *rate,
            Self::PerRequest { rates, first, .. } => rates[*first as usize % rates.len()],
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
    fn each_request_has_the_rate_of_its_place_and_seeds_meet_all_alike() {
        let rates = vec![12_000_000, 16_000_000, 48_000_000];
        let rule = Rate::PerRequest { rates: rates.clone(), first: 0, random_first: true };
        let mut met = [0; 3];
        for phase in 0..300 {
            let begun = rule.at_phase(f64::from(phase) / 300.0);
            let Rate::PerRequest { first, random_first: false, .. } = begun else {
                panic!("{begun:?} is fixed")
            };
            met[first as usize] += 1;
            assert_eq!(begun.at_phase(0.99), begun, "a run has one beginning");
            for request in 0..7 {
                let rate = rates[(first as usize + request as usize) % 3];
                assert_eq!(begun.for_request(request), Some(Rate::Constant(rate)));
            }
            assert_eq!(begun.for_request(u32::MAX).map(|rate| rate.rates().len()), Some(1));
        }
        assert_eq!(met, [100; 3]);
        assert_eq!(rule.least_time(6_000_000), Duration::from_secs(1));
        assert!((rule.mean() - 76e6 / 3.0).abs() < 1.0);
        assert_eq!(Rate::Constant(5).for_request(3), None);
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
