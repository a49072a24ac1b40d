//! Minimisation of an expensive, noisy function over a box: the tuner of thresholds.
//!
//! ```text
//!            ┌──────────────── Tuner ────────────────┐
//!   ask ◄────┤ starts ─► Gaussian process ─► expected│◄── tell(candidate, value)
//!            │           improvement ─► candidate    │
//!            └──────────────────┬────────────────────┘
//!                         recommend ─► the point believed best
//! ```
//!
//! A search is a function of (configuration, box, seed, values told): it has no clock, and each of its
//! random numbers is addressed. Every model is fitted anew from all values, so that a stored and
//! restored search goes on bit for bit, and [`Tuner::propose`] can run on a clone elsewhere, as a
//! [`Fit`]: its result comes back through [`Tuner::accept`].
//!
//! ```
//! use pipesd_core::seed::Seed;
//! use pipesd_core::tuner::{Bounds, Tuner, TunerConfig};
//!
//! let bounds = Bounds::new(vec![[0.0, 1.0], [0.0, 1.0]])?;
//! let mut tuner = Tuner::new(TunerConfig::bayes(16), bounds, Seed(1))?;
//! while !tuner.is_done() {
//!     let candidate = tuner.ask()?;
//!     let [x, y] = candidate.point.coordinates() else { unreachable!("two dimensions") };
//!     let value = 100.0 + (x - 0.7) * (x - 0.7) + (y - 0.3) * (y - 0.3);
//!     tuner.tell(&candidate, value)?;
//! }
//! let best = tuner.recommend()?;
//! let [x, y] = best.coordinates() else { unreachable!("two dimensions") };
//! assert!((x - 0.7).abs() < 1e-3 && (y - 0.3).abs() < 1e-3);
//! # Ok::<(), pipesd_core::tuner::TunerError>(())
//! ```
//!
//! # The choices
//! - **Model**: [`GaussianProcess`], with its noise learned. Matérn 5/2 because it is smooth enough
//!   for second-order steps about the minimum and rough enough for a threshold's bends.
//! - **Noise-aware gain**: augmented expected improvement (Huang, Allen, Notz and Zeng, *Global
//!   optimization of stochastic black-box systems via sequential kriging meta-models*, 2006), with m
//!   and s the posterior mean and deviation of the function and τ² the learned noise variance:
//!   expected improvement of N(m, s²) on the least m at an evaluated point, times 1 - τ/√(s² + τ²). A
//!   lucky draw is thus no bar that nothing passes, and where noise would drown what a value tells,
//!   it is not worth its price: points spread around the minimum, which places it better than
//!   repetitions at it. Without noise it is expected improvement. (The incumbent is the plain least
//!   m; Huang et al. take the m of least m + s.) Leaving the factor out cost about a quarter on the
//!   noisy bowl.
//! - **ξ = 0**: with few evaluations none is left for improvements smaller than ξ to be found later.
//! - **Recommendation**: the least posterior mean anywhere in the box. It averages the noise over all
//!   values; the best observed value is the luckiest one. Without noise it is a last step for free.
//!   It trusts the model: where that is wrong, the best observed point can be the better one.
//! - **Compressed values**: cliffs do not set the scale, see [`Response`].
//! - **Logarithms**: the gain is maximised as a logarithm, and never fails by underflow.
//!
//! # The paper's tuner
//! [`TunerConfig::paper`]: Gaussian process with a Matérn kernel, expected improvement with ξ = 0.1,
//! 16 evaluations, one random start; the best observed is kept. The priors and the optimisers behind
//! it are ours.
//!
//! # Deliberately absent
//! Batches (one candidate is outstanding at a time), constraints, drift: a search that begins again is
//! a new [`Tuner`]. statrs is only the tests' second opinion: its `exp` and `ln` are the platform's, the
//! normal distribution here is libm's `erfc`. The benchmark is `cargo run --release --example tuner_regret`.

mod acquisition;
mod bounds;
mod compression;
mod config;
mod design;
mod error;
mod fit;
mod gaussian_process;
mod minimise;
mod work;

use serde::{Deserialize, Serialize};

pub use bounds::{Bounds, DIMENSIONS_MAX, Point};
pub use compression::Response;
pub use config::{Acquisition, EVALUATIONS_MAX, Recommendation, Start, Strategy, TunerConfig};
pub use error::{ModelError, TunerError};
pub use gaussian_process::{GaussianProcess, Hyperparameters, Prediction};
pub use work::{Fit, FitFailure, Fitted, Question};

use crate::seed::Seed;
use acquisition::Layout;
use design::SpaceFilling;

/// A point to evaluate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its number, from 0: how many evaluations went before.
    pub number: u32,
    /// Where to evaluate.
    pub point: Point,
}

/// An evaluated candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Where.
    pub point: Point,
    /// What came of it, possibly noisy; less is better.
    pub value: f64,
}

/// A search for the least value of a noisy function over a box: see the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct Tuner {
    config: TunerConfig,
    bounds: Bounds,
    seed: Seed,
    observations: Vec<Observation>,
    outstanding: Option<Candidate>,
}

/// What a stored tuner says, before it is checked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    config: TunerConfig,
    bounds: Bounds,
    seed: Seed,
    observations: Vec<Observation>,
    outstanding: Option<Candidate>,
}

impl Tuner {
    /// A search that has evaluated nothing.
    ///
    /// # Errors
    /// If a setting of `config` is outside its range, see [`TunerConfig::check`].
    pub fn new(config: TunerConfig, bounds: Bounds, seed: Seed) -> Result<Self, TunerError> {
        config.check(bounds.dimensions())?;
        Ok(Self { config, bounds, seed, observations: Vec::new(), outstanding: None })
    }

    /// The next candidate; the same one until its value is told.
    ///
    /// # Errors
    /// As [`Self::propose`].
    pub fn ask(&mut self) -> Result<Candidate, TunerError> {
        let candidate = self.propose()?;
        self.outstanding = Some(candidate.clone());
        Ok(candidate)
    }

    /// What [`Self::ask`] would return, without asking: for a clone that computes apart, whose result
    /// [`Self::accept`] takes.
    ///
    /// # Errors
    /// If the budget is spent, or the model fails.
    pub fn propose(&self) -> Result<Candidate, TunerError> {
        if let Some(candidate) = &self.outstanding {
            return Ok(candidate.clone());
        }
        if self.is_done() {
            return Err(TunerError::BudgetSpent { evaluations: self.config.evaluations });
        }
        let n = self.observations.len();
        let dimensions = self.bounds.dimensions();
        let mut uniform = self.seed.stream("tuner.uniform", 0);
        let unit = match self.config.strategy {
            Strategy::Random => design::uniform(dimensions, &mut uniform, n),
            Strategy::Grid { per_dimension, ends } => {
                let mut stream = self.seed.stream("tuner.grid", 0);
                design::grid(dimensions, per_dimension, ends, &mut stream, n)
            }
            Strategy::Bayes { start, starts, .. } if n < starts as usize => match start {
                Start::Random => design::uniform(dimensions, &mut uniform, n),
                Start::SpaceFilling => {
                    SpaceFilling::new(dimensions, self.seed.stream("tuner.start", 0)).point(n)
                }
            },
            Strategy::Bayes { acquisition, .. } => {
                let layout = Layout::new(dimensions, self.seed, n as u64);
                acquisition::most_promising(&self.model()?, &self.responses(), acquisition, layout)?
            }
        };
        Ok(Candidate { number: n as u32, point: self.bounds.scale(&unit) })
    }

    /// Takes a candidate proposed elsewhere as the outstanding one.
    ///
    /// # Errors
    /// If the budget is spent, its number is not the next one, or its point not in the box.
    pub fn accept(&mut self, candidate: Candidate) -> Result<(), TunerError> {
        if self.is_done() {
            return Err(TunerError::BudgetSpent { evaluations: self.config.evaluations });
        }
        if candidate.number as usize != self.observations.len() {
            let expected = Some(self.observations.len() as u32);
            return Err(TunerError::NotOutstanding { expected, found: candidate.number });
        }
        if !self.bounds.contains(&candidate.point) {
            return Err(TunerError::OutsideBox { number: candidate.number });
        }
        self.outstanding = Some(candidate);
        Ok(())
    }

    /// The value of the outstanding candidate.
    ///
    /// # Errors
    /// If `candidate` is not the outstanding one or `value` is not finite.
    pub fn tell(&mut self, candidate: &Candidate, value: f64) -> Result<(), TunerError> {
        let number = candidate.number;
        if self.outstanding.as_ref() != Some(candidate) {
            let expected = self.outstanding.as_ref().map(|outstanding| outstanding.number);
            return Err(TunerError::NotOutstanding { expected, found: number });
        }
        if !value.is_finite() {
            return Err(TunerError::NotFinite { number, value });
        }
        self.outstanding = None;
        self.observations.push(Observation { point: candidate.point.clone(), value });
        Ok(())
    }

    /// What was told, in order.
    #[must_use]
    pub fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &TunerConfig {
        &self.config
    }

    /// The box.
    #[must_use]
    pub const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// What is known about the function (its box scaled to the unit box, its values as
    /// [`Response`] says), from the values told so far.
    ///
    /// # Errors
    /// If there are none, or the linear algebra fails.
    pub fn model(&self) -> Result<GaussianProcess, TunerError> {
        if self.observations.is_empty() {
            return Err(TunerError::NoObservations);
        }
        let unscale = |observation: &Observation| self.bounds.unscale(&observation.point);
        let points: Vec<Vec<f64>> = self.observations.iter().map(unscale).collect();
        Ok(fit::fit(&points, &self.responses())?)
    }

    /// Where the function is believed least, see [`Recommendation`].
    ///
    /// # Errors
    /// If nothing is evaluated yet, or the model fails.
    pub fn recommend(&self) -> Result<Point, TunerError> {
        match self.config.recommendation {
            Recommendation::BestObserved => {
                // The first of equals.
                let least = self.observations.iter().min_by(|a, b| a.value.total_cmp(&b.value));
                least.map(|least| least.point.clone()).ok_or(TunerError::NoObservations)
            }
            Recommendation::BestObservedMean => {
                let model = self.model()?;
                let mut best: Option<(f64, &Point)> = None;
                for Observation { point, .. } in &self.observations {
                    let mean = model.predict(&self.bounds.unscale(point)).mean;
                    if !mean.is_finite() {
                        return Err(ModelError::NotFinite { what: "a posterior mean" }.into());
                    }
                    // The first of equals.
                    if best.is_none_or(|(least, _)| mean < least) {
                        best = Some((mean, point));
                    }
                }
                best.map(|(_, point)| point.clone()).ok_or(TunerError::NoObservations)
            }
            Recommendation::PosteriorMean => {
                let model = self.model()?;
                let layout = Layout::new(self.bounds.dimensions(), self.seed, u64::MAX);
                Ok(self.bounds.scale(&acquisition::least_mean(&model, layout)?))
            }
        }
    }

    /// The values as the model sees them.
    fn responses(&self) -> Vec<f64> {
        let values = self.observations.iter().map(|observation| observation.value).collect();
        match self.config.strategy {
            Strategy::Bayes { response, .. } => response.apply(values),
            Strategy::Grid { .. } | Strategy::Random => values,
        }
    }

    /// Whether the budget is spent.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.observations.len() >= self.config.evaluations as usize
    }
}

impl From<Tuner> for State {
    fn from(tuner: Tuner) -> Self {
        let Tuner { config, bounds, seed, observations, outstanding } = tuner;
        Self { config, bounds, seed, observations, outstanding }
    }
}

impl TryFrom<State> for Tuner {
    type Error = TunerError;

    fn try_from(state: State) -> Result<Self, TunerError> {
        let mut tuner = Self::new(state.config, state.bounds, state.seed)?;
        // As if told one after the other: whatever is stored went through the same checks.
        for (number, Observation { point, value }) in (0..).zip(state.observations) {
            let candidate = Candidate { number, point };
            tuner.accept(candidate.clone())?;
            tuner.tell(&candidate, value)?;
        }
        if let Some(candidate) = state.outstanding {
            tuner.accept(candidate)?;
        }
        Ok(tuner)
    }
}

#[cfg(test)]
mod tests;
