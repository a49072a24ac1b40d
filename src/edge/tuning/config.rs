//! How an edge searches its thresholds while it decodes: modes are data.

use serde::{Deserialize, Serialize};

use crate::seed::Seed;
use crate::trigger::{Thresholds, TriggerConfig};
use crate::tuner::{Bounds, Recommendation, TunerConfig, TunerError};

/// Thresholds lie strictly between 0 and 1 (paper §5: the open box); a search leaves this much at
/// each end.
pub const THRESHOLD_MARGIN: f64 = 1e-3;

/// Tokens of a candidate or of the window for drift, at most: they bound what an edge remembers.
pub const TUNING_TOKENS_MAX: u32 = 100_000;

/// Turns of a duel, at most: they bound what a search may cost.
pub const DUEL_TURNS_MAX: u32 = 1000;

/// Online tuning: how to search, how to judge a candidate, when to search again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningConfig {
    /// The search.
    pub tuner: TunerConfig,
    /// The least threshold that is tried: the lower end of each side of the box.
    pub threshold_min: f64,
    /// Output tokens by which a candidate is judged \[tokens\].
    pub tokens_per_candidate: u32,
    /// Whether the first candidate of a search is the thresholds that are best known by then. It costs
    /// nothing to try, and tells the search what is to be beaten.
    pub starts_from_best: bool,
    /// A candidate is given up once it has taken this many times the time that the best one of its
    /// search would need for all its tokens; None: never. At least 1.
    pub hopeless: Option<f64>,
    /// Turns, of a candidate's tokens each, in which the recommendation has to be faster than what was
    /// best before it, turn by turn with it; 0: it is taken as it comes.
    pub duel_turns: u32,
    /// TPT that has moved by more than this share calls for a new search (paper: 0.2).
    pub drift_share: f64,
    /// Output tokens over which TPT is compared, when thresholds have settled and later \[tokens\].
    pub drift_window: u32,
    /// TPT has moved only if the difference is more than so many of its standard errors.
    pub drift_errors: f64,
    /// A search begins again only while no more than this share of all output tokens came from
    /// candidates: in the long run that share is spent on exploring, and one search more.
    pub explore_share: f64,
    /// Of the searches' random numbers.
    pub seed: Seed,
}

/// What is wrong with a [`TuningConfig`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TuningError {
    /// The trigger has nothing to tune.
    #[error(
        "the trigger has no constant threshold to tune: it needs trigger = \"dual\", \
         \"token_threshold\" or \"sequence_threshold\""
    )]
    Trigger,
    /// A number outside its range.
    #[error("{name} is {expected}, not {found}")]
    Setting {
        /// Which.
        name: &'static str,
        /// What would be valid.
        expected: &'static str,
        /// What was given.
        found: f64,
    },
    /// The search itself.
    #[error(transparent)]
    Search(#[from] TunerError),
}

impl TuningConfig {
    /// The paper's: 20 tokens for each of 16 candidates, no candidate given up, a new search whenever
    /// TPT moves by 20 %. Over how many tokens it compares TPT is not published: 100, as its
    /// monitor's history.
    #[must_use]
    pub const fn paper(seed: Seed) -> Self {
        Self {
            tuner: TunerConfig::paper(),
            threshold_min: THRESHOLD_MARGIN,
            tokens_per_candidate: 20,
            starts_from_best: false,
            hopeless: None,
            duel_turns: 0,
            drift_share: 0.2,
            drift_window: 100,
            drift_errors: 0.0,
            explore_share: 1.0,
            seed,
        }
    }

    /// Ours: the noise-aware search, more tokens for each candidate, and bounds on what it may cost.
    ///
    /// Measured choices, over 4000 tokens of HumanEval and GSM8K in `s1-laptop` and `s4-every-20s` (30
    /// seeds): 20 to 80 tokens a candidate differ by less than their noise in the mean of the four, fewer
    /// being better in S1. In S4 some searches settle on thresholds that only met a fast link; four turns
    /// a side brought HumanEval there from 119.5 to 116.2 ms and its spread from 18.7 to 7.3 ms, and cost
    /// 1.4 ms in S1. A floor of 0.3 saves rounds as long as a prompt.
    #[must_use]
    pub const fn bayes(seed: Seed) -> Self {
        Self {
            tuner: TunerConfig {
                recommendation: Recommendation::BestObservedMean,
                ..TunerConfig::bayes(16)
            },
            threshold_min: 0.3,
            tokens_per_candidate: 40,
            starts_from_best: true,
            hopeless: Some(1.5),
            duel_turns: 4,
            drift_share: 0.2,
            drift_window: 200,
            drift_errors: 3.0,
            explore_share: 0.2,
            seed,
        }
    }

    /// The same tuning with random numbers of its own: those of the edge numbered `edge` in a run.
    #[must_use]
    pub fn for_edge(self, run: Seed, edge: u32) -> Self {
        Self { seed: Seed(run.stream("tuning", u64::from(edge)).at(0).bits()), ..self }
    }

    /// The box of a search: one side for each threshold.
    pub(super) fn bounds(&self, thresholds: Thresholds) -> Result<Bounds, TunerError> {
        let sides = thresholds.coordinates().len();
        Bounds::new(vec![[self.threshold_min, 1.0 - THRESHOLD_MARGIN]; sides])
    }

    /// Whether an edge with this trigger can be tuned so; its thresholds.
    ///
    /// # Errors
    /// If the trigger has no constant thresholds, or a setting is outside its range.
    pub fn check(&self, trigger: TriggerConfig) -> Result<Thresholds, TuningError> {
        let thresholds = trigger.thresholds().ok_or(TuningError::Trigger)?;
        let tokens = "1 to 100000";
        let settings = [
            ("tokens_per_candidate", f64::from(self.tokens_per_candidate), tokens),
            ("drift_window", f64::from(self.drift_window), tokens),
        ];
        for (name, found, expected) in settings {
            if !(1.0..=f64::from(TUNING_TOKENS_MAX)).contains(&found) {
                return Err(TuningError::Setting { name, expected, found });
            }
        }
        if self.duel_turns > DUEL_TURNS_MAX {
            let (name, expected) = ("duel_turns", "0 to 1000");
            let found = f64::from(self.duel_turns);
            return Err(TuningError::Setting { name, expected, found });
        }
        let shares = [
            ("threshold_min", self.threshold_min, 1e-6..=0.99, "0.000001 to 0.99"),
            ("hopeless", self.hopeless.unwrap_or(1.0), 1.0..=1e6, "1 to 1000000"),
            ("drift_share", self.drift_share, 0.0..=1e6, "0 to 1000000"),
            ("drift_errors", self.drift_errors, 0.0..=1e6, "0 to 1000000"),
            ("explore_share", self.explore_share, 0.0..=1.0, "0 to 1"),
        ];
        for (name, found, range, expected) in shares {
            if !range.contains(&found) {
                return Err(TuningError::Setting { name, expected, found });
            }
        }
        self.tuner.check(self.bounds(thresholds)?.dimensions())?;
        Ok(thresholds)
    }
}
