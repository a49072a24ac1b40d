//! Distributions of latencies: fitted families, or measured samples.

use pipesd_core::time::{self, Duration};
use serde::{Deserialize, Serialize};

use crate::normal;

/// A distribution of a duration, in milliseconds. A draw maps one uniform number through the
/// quantile function, so that common random numbers stay common when parameters change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case", deny_unknown_fields)]
pub enum Latency {
    /// Always the same.
    Constant {
        /// The value \[ms\].
        mean: f64,
    },
    /// Normal, never below `min`.
    Normal {
        /// Mean before clipping \[ms\].
        mean: f64,
        /// Standard deviation before clipping \[ms\].
        sd: f64,
        /// Least value \[ms\].
        min: f64,
    },
    /// Log-normal, moved by `shift`, never below zero.
    LogNormal {
        /// Mean before the shift \[ms\].
        mean: f64,
        /// Standard deviation \[ms\].
        sd: f64,
        /// Added to each draw \[ms\].
        shift: f64,
    },
    /// Exponential: without memory, the service and think times of textbook queues. No measured
    /// latency is known to be so; closed forms need it.
    Exponential {
        /// Mean \[ms\].
        mean: f64,
    },
    /// Measured values, each as likely as the others.
    Samples {
        /// The values \[ms\]; at least one.
        values: Vec<f64>,
    },
}

/// The longest latency \[ms\]: a quarter of an hour, far beyond any model that one waits for.
pub const LATENCY_MAX_MS: f64 = 1e6;

impl Latency {
    /// The value at quantile `u`, 0 < u < 1.
    #[must_use]
    pub fn at(&self, u: f64) -> Duration {
        time::from_millis(self.millis_at(u))
    }

    /// The same \[ms\], to be added to.
    #[must_use]
    pub fn millis_at(&self, u: f64) -> f64 {
        let ms = match self {
            Self::Constant { mean } => *mean,
            Self::Normal { mean, sd, min } => (mean + sd * normal::quantile(u)).max(*min),
            Self::LogNormal { mean, sd, shift } => {
                let ratio = sd / mean;
                let variance = libm::log1p(ratio * ratio);
                let location = libm::log(*mean) - 0.5 * variance;
                libm::exp(location + libm::sqrt(variance) * normal::quantile(u)) + shift
            }
            // log1p keeps the digits of draws near zero.
            Self::Exponential { mean } => -mean * libm::log1p(-u),
            Self::Samples { values } => values[(u * values.len() as f64) as usize],
        };
        // A far tail is cut: no draw may outlast a session's patience.
        ms.min(LATENCY_MAX_MS)
    }

    /// The mean, clipping at `min` and at zero apart \[ms\].
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Self::Constant { mean } | Self::Normal { mean, .. } | Self::Exponential { mean } => {
                *mean
            }
            Self::LogNormal { mean, shift, .. } => mean + shift,
            Self::Samples { values } => values.iter().sum::<f64>() / values.len() as f64,
        }
    }

    /// The same distribution, every value multiplied by `factor`.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        match self {
            Self::Constant { mean } => Self::Constant { mean: mean * factor },
            Self::Normal { mean, sd, min } => {
                Self::Normal { mean: mean * factor, sd: sd * factor, min: min * factor }
            }
            Self::LogNormal { mean, sd, shift } => {
                Self::LogNormal { mean: mean * factor, sd: sd * factor, shift: shift * factor }
            }
            Self::Exponential { mean } => Self::Exponential { mean: mean * factor },
            Self::Samples { values } => {
                Self::Samples { values: values.iter().map(|value| value * factor).collect() }
            }
        }
    }

    /// What is wrong with the parameters, if anything.
    ///
    /// # Errors
    /// If a parameter is negative or beyond [`LATENCY_MAX_MS`], or a list is empty.
    pub fn validate(&self) -> Result<(), String> {
        let fine = |x: &f64| (0.0..=LATENCY_MAX_MS).contains(x);
        let valid = match self {
            Self::Constant { mean } | Self::Exponential { mean } => fine(mean),
            Self::Normal { mean, sd, min } => fine(mean) && fine(sd) && fine(min),
            Self::LogNormal { mean, sd, shift } => {
                fine(mean) && *mean > 0.0 && fine(sd) && fine(&shift.abs())
            }
            Self::Samples { values } => !values.is_empty() && values.iter().all(fine),
        };
        if valid {
            Ok(())
        } else {
            Err(format!("{self:?}: latencies are 0 to {LATENCY_MAX_MS} ms, and samples not empty"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipesd_core::seed::Seed;

    fn moments(latency: &Latency) -> (f64, f64) {
        let mut stream = Seed(1).stream("test", 0);
        let n = 40_000;
        let draws: Vec<f64> =
            (0..n).map(|key| time::as_millis(latency.at(stream.at(key).uniform()))).collect();
        let mean = draws.iter().sum::<f64>() / n as f64;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn draws_have_the_stated_moments() {
        // Four standard errors of the mean of 40 000 draws at sd 10: 0.2 ms.
        let lognormal = Latency::LogNormal { mean: 55.0, sd: 10.0, shift: -21.0 };
        let (mean, sd) = moments(&lognormal);
        assert!((mean - 34.0).abs() < 0.2 && (sd - 10.0).abs() < 0.3, "{mean} ± {sd}");
        let (mean, sd) = moments(&Latency::Normal { mean: 44.0, sd: 6.0, min: 0.0 });
        assert!((mean - 44.0).abs() < 0.2 && (sd - 6.0).abs() < 0.2, "{mean} ± {sd}");
        let (mean, _) = moments(&Latency::Samples { values: vec![10.0, 20.0] });
        assert!((mean - 15.0).abs() < 0.1, "{mean}");
        // The sample sd of an exponential at mean 10 has a standard error of 0.07 ms.
        let (mean, sd) = moments(&Latency::Exponential { mean: 10.0 });
        assert!((mean - 10.0).abs() < 0.2 && (sd - 10.0).abs() < 0.3, "{mean} ± {sd}");
    }

    #[test]
    fn an_exponential_has_its_quantiles_and_no_memory() {
        let latency = Latency::Exponential { mean: 20.0 };
        let median = 20.0 * core::f64::consts::LN_2;
        assert!((latency.millis_at(0.5) - median).abs() < 1e-12);
        // P(X > s + t) = P(X > s) P(X > t): what survives two medians is a quarter.
        assert!((latency.millis_at(0.75) - 2.0 * median).abs() < 1e-12);
        // The extremes: a draw near zero keeps its digits, and no draw is infinite.
        let least = 0.5 / (1_u64 << 53) as f64;
        assert!((latency.millis_at(least) / (20.0 * least) - 1.0).abs() < 1e-12);
        assert!(latency.millis_at(1.0 - 0.5 * f64::EPSILON) < 40.0 * 20.0);
        assert!(latency.millis_at(1.0) <= LATENCY_MAX_MS);
    }

    #[test]
    fn a_scaled_distribution_has_scaled_quantiles_and_mean() {
        for latency in [
            Latency::Constant { mean: 3.0 },
            Latency::Normal { mean: 44.0, sd: 6.0, min: 40.0 },
            Latency::LogNormal { mean: 55.0, sd: 10.0, shift: -21.0 },
            Latency::Exponential { mean: 44.0 },
            Latency::Samples { values: vec![10.0, 20.0, 60.0] },
        ] {
            let half = latency.scaled(0.5);
            assert!((half.mean() - 0.5 * latency.mean()).abs() < 1e-9);
            for u in [0.01, 0.4, 0.5, 0.99] {
                assert!((half.millis_at(u) - 0.5 * latency.millis_at(u)).abs() < 1e-9, "{half:?}");
            }
        }
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        assert!(Latency::Constant { mean: f64::NAN }.validate().is_err());
        assert!(Latency::Constant { mean: 1e17 }.validate().is_err());
        assert!(Latency::Exponential { mean: -1.0 }.validate().is_err());
        assert!(Latency::Exponential { mean: f64::INFINITY }.validate().is_err());
        assert!(Latency::Samples { values: vec![] }.validate().is_err());
        assert!(Latency::Normal { mean: 1.0, sd: -1.0, min: 0.0 }.validate().is_err());
        assert!(Latency::LogNormal { mean: 0.0, sd: 1.0, shift: 0.0 }.validate().is_err());
    }
}
