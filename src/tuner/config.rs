//! How a search goes: modes are data, and the named ones are ours, the paper's and two rivals.

use serde::{Deserialize, Serialize};

use super::compression::Response;
use super::error::TunerError;

/// Evaluations of one search, at most: a fit takes time in the cube of their number.
pub const EVALUATIONS_MAX: u32 = 256;

/// A whole search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunerConfig {
    /// Where to evaluate next.
    pub strategy: Strategy,
    /// The budget, 1 to [`EVALUATIONS_MAX`].
    pub evaluations: u32,
    /// What is recommended in the end.
    pub recommendation: Recommendation,
}

/// Where to evaluate next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Strategy {
    /// Where a Gaussian process expects to gain most.
    Bayes {
        /// How the first points are laid out.
        start: Start,
        /// How many there are, at least 1.
        starts: u32,
        /// What the process is fitted to.
        response: Response,
        /// What is gained.
        acquisition: Acquisition,
    },
    /// A grid of `per_dimension` points a side, in shuffled order; the budget is at most their number.
    Grid {
        /// Points a side.
        per_dimension: u32,
        /// Whether the outermost points lie on the box's faces; otherwise points are the centres of
        /// equal cells.
        ends: bool,
    },
    /// Independent uniform points.
    Random,
}

/// How the first points are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// A randomly shifted R_d sequence.
    SpaceFilling,
    /// Independent uniform points.
    Random,
}

/// What an evaluation is expected to gain.
///
/// ξ is in standard deviations of the values that the model sees, so that it means the same for
/// milliseconds and seconds. (scikit-optimize 0.10 fits standardised targets too, but undoes the
/// scaling before it applies ξ: there ξ = 0.1 is 0.1 of the target's unit.)
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Acquisition {
    /// Expected improvement on the best value observed (Jones, Schonlau and Welch 1998). Under noise
    /// that value is a lucky draw, and little is expected anywhere.
    ExpectedImprovement {
        /// Improvement that does not count, at least 0.
        xi: f64,
    },
    /// The noise-aware variant: see [`super`].
    NoisyExpectedImprovement {
        /// Improvement that does not count, at least 0.
        xi: f64,
    },
}

/// What is recommended in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recommendation {
    /// The minimiser of the posterior mean over the box.
    PosteriorMean,
    /// The evaluated point with the least posterior mean: noise is averaged as above, and nothing is
    /// recommended that was not tried. For a search that cannot afford a wrong model.
    BestObservedMean,
    /// The evaluated point with the least value.
    BestObserved,
}

impl TunerConfig {
    /// Ours: five space-filling starts, compressed values, noise-aware expected improvement,
    /// recommendation by the posterior mean.
    ///
    /// Five are the fewest that let two length scales, a level and the noise begin to differ from
    /// their priors; more would be evaluations that learn from nothing.
    #[must_use]
    pub const fn bayes(evaluations: u32) -> Self {
        let acquisition = Acquisition::NoisyExpectedImprovement { xi: 0.0 };
        Self {
            strategy: Strategy::Bayes {
                start: Start::SpaceFilling,
                starts: 5,
                response: Response::Compressed,
                acquisition,
            },
            evaluations,
            recommendation: Recommendation::PosteriorMean,
        }
    }

    /// The paper's: ξ = 0.1, one random start, 16 evaluations, the best observed.
    #[must_use]
    pub const fn paper() -> Self {
        let acquisition = Acquisition::ExpectedImprovement { xi: 0.1 };
        Self {
            strategy: Strategy::Bayes {
                start: Start::Random,
                starts: 1,
                response: Response::Plain,
                acquisition,
            },
            evaluations: 16,
            recommendation: Recommendation::BestObserved,
        }
    }

    /// Rival: a grid of `per_dimension` cells a side in `dimensions` dimensions, all of it.
    ///
    /// More cells than a `u32` counts end as a budget that [`Self::check`] refuses.
    #[must_use]
    pub const fn grid(per_dimension: u32, dimensions: u32) -> Self {
        Self {
            strategy: Strategy::Grid { per_dimension, ends: false },
            evaluations: per_dimension.saturating_pow(dimensions),
            recommendation: Recommendation::BestObserved,
        }
    }

    /// Rival: as [`Self::grid`], with the outermost points on the faces of the box.
    #[must_use]
    pub const fn grid_with_ends(per_dimension: u32, dimensions: u32) -> Self {
        let strategy = Strategy::Grid { per_dimension, ends: true };
        Self { strategy, ..Self::grid(per_dimension, dimensions) }
    }

    /// Rival: uniform points.
    #[must_use]
    pub const fn random(evaluations: u32) -> Self {
        Self {
            strategy: Strategy::Random,
            evaluations,
            recommendation: Recommendation::BestObserved,
        }
    }

    /// Whether this is a search in `dimensions` dimensions.
    ///
    /// # Errors
    /// If a setting is outside its range.
    pub fn check(&self, dimensions: usize) -> Result<(), TunerError> {
        let refuse = |name, expected, found| Err(TunerError::Setting { name, expected, found });
        if self.evaluations == 0 || self.evaluations > EVALUATIONS_MAX {
            return refuse("evaluations", "1 to 256", f64::from(self.evaluations));
        }
        match self.strategy {
            Strategy::Bayes { starts: 0, .. } => refuse("starts", "at least 1", 0.0),
            Strategy::Bayes { acquisition, .. } => {
                let (Acquisition::ExpectedImprovement { xi }
                | Acquisition::NoisyExpectedImprovement { xi }) = acquisition;
                let fine = xi.is_finite() && xi >= 0.0;
                if fine { Ok(()) } else { refuse("xi", "finite and at least 0", xi) }
            }
            Strategy::Grid { per_dimension, .. } => {
                let cells = per_dimension.checked_pow(dimensions as u32);
                let fits = cells.is_some_and(|cells| cells <= EVALUATIONS_MAX);
                if !fits || per_dimension == 0 {
                    let expected = "such that the grid has 1 to 256 cells";
                    return refuse("per_dimension", expected, f64::from(per_dimension));
                }
                if cells.is_some_and(|cells| self.evaluations > cells) {
                    let expected = "at most the cells of the grid";
                    return refuse("evaluations", expected, f64::from(self.evaluations));
                }
                Ok(())
            }
            Strategy::Random => Ok(()),
        }
    }
}
