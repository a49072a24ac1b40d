//! The shared cloud as a queue: against closed forms where there are some, and by laws that hold on
//! every sample path.

mod closed;
mod open;
mod shared;

use pipesd_core::cloud::{CloudConfig, QueueOrder};

/// A cloud that serves in the order of arrival, as the closed forms want it.
pub(crate) const fn in_order(verify_batch_max: u32) -> CloudConfig {
    CloudConfig { queue: QueueOrder::FirstCome, ..CloudConfig::batching(verify_batch_max) }
}

/// A mean over a regenerative process: cycles are independent and alike, each brings an amount and a
/// weight, and the mean is the ratio of their expectations (Crane and Iglehart 1975). Unlike a mean
/// over successive waits, which depend on one another, it has a standard error that can be computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) mean: f64,
    pub(crate) standard_error: f64,
}

impl Estimate {
    /// From (amount, weight) of each cycle.
    pub(crate) fn of(cycles: &[(f64, f64)]) -> Self {
        let (amount, weight) = cycles.iter().fold((0.0, 0.0), |(a, w), (y, x)| (a + y, w + x));
        let mean = amount / weight;
        let squares: f64 = cycles.iter().map(|(y, x)| (y - mean * x) * (y - mean * x)).sum();
        Self { mean, standard_error: libm::sqrt(squares) / weight }
    }

    /// Whether `exact` is within four standard errors: with the right value, one comparison in 16 000
    /// fails, and the seeds are fixed. The caller makes sure that the error is small.
    pub(crate) fn agrees_with(&self, exact: f64) -> bool {
        (self.mean - exact).abs() < 4.0 * self.standard_error
    }

    /// Standard error over the mean.
    pub(crate) fn relative_error(&self) -> f64 {
        self.standard_error / self.mean
    }
}
