//! The keys of `--set` that are the online tuner's.

use pipesd_core::edge::{DUEL_TURNS_MAX, TUNING_TOKENS_MAX, TuningConfig};
use pipesd_core::seed::Seed;
use pipesd_core::trigger::TriggerConfig;
use pipesd_core::tuner::EVALUATIONS_MAX;

use super::settings::{count, within};

/// Ways to tune online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Paper,
    Bayes,
}

/// What `--set` says of online tuning; what it does not say is as the mode has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct TuningSpec {
    mode: Option<Mode>,
    tokens: Option<u32>,
    evaluations: Option<u32>,
    drift: Option<f64>,
    window: Option<u32>,
    share: Option<f64>,
    floor: Option<f64>,
    hopeless: Option<f64>,
    turns: Option<u32>,
}

impl TuningSpec {
    /// Takes in one of the keys.
    pub(super) fn set(&mut self, key: &str, value: &toml::Value) -> Result<(), String> {
        let tokens_max = i64::from(TUNING_TOKENS_MAX);
        match key {
            "tuning" => {
                self.mode = match value.as_str() {
                    Some("off") => None,
                    Some("paper") => Some(Mode::Paper),
                    Some("bayes") => Some(Mode::Bayes),
                    _ => return Err("expected off, paper or bayes".into()),
                }
            }
            "tuning_tokens" => self.tokens = Some(count(value, 1, tokens_max)?),
            "tuning_evaluations" => {
                self.evaluations = Some(count(value, 1, i64::from(EVALUATIONS_MAX))?);
            }
            "tuning_drift" => self.drift = Some(within(value, 0.0, 1000.0)?),
            "tuning_window" => self.window = Some(count(value, 1, tokens_max)?),
            "tuning_share" => self.share = Some(within(value, 0.0, 1.0)?),
            "tuning_floor" => self.floor = Some(within(value, 1e-6, 0.99)?),
            "tuning_hopeless" => self.hopeless = Some(within(value, 1.0, 1e6)?),
            "tuning_turns" => self.turns = Some(count(value, 0, i64::from(DUEL_TURNS_MAX))?),
            other => unreachable!("`{other}` is the tuner's"),
        }
        Ok(())
    }

    /// The tuning of an edge with this trigger; None: off.
    ///
    /// # Errors
    /// The key to change and what is wrong: a key that nothing uses, or a trigger that cannot be
    /// tuned.
    pub(super) fn resolve(
        &self,
        trigger: TriggerConfig,
    ) -> Result<Option<TuningConfig>, (&'static str, String)> {
        let Some(mode) = self.mode else {
            let given = [
                ("tuning_tokens", self.tokens.is_some()),
                ("tuning_evaluations", self.evaluations.is_some()),
                ("tuning_drift", self.drift.is_some()),
                ("tuning_window", self.window.is_some()),
                ("tuning_share", self.share.is_some()),
                ("tuning_floor", self.floor.is_some()),
                ("tuning_hopeless", self.hopeless.is_some()),
                ("tuning_turns", self.turns.is_some()),
            ];
            let problem = "contradicts the other keys: it needs tuning = paper or bayes";
            return match given.into_iter().find(|(_, given)| *given) {
                Some((key, _)) => Err((key, problem.into())),
                None => Ok(None),
            };
        };
        // The run's seed and the edge's number take its place.
        let unseeded = Seed(0);
        let mut config = match mode {
            Mode::Paper => TuningConfig::paper(unseeded),
            Mode::Bayes => TuningConfig::bayes(unseeded),
        };
        config.tokens_per_candidate = self.tokens.unwrap_or(config.tokens_per_candidate);
        config.tuner.evaluations = self.evaluations.unwrap_or(config.tuner.evaluations);
        config.drift_share = self.drift.unwrap_or(config.drift_share);
        config.drift_window = self.window.unwrap_or(config.drift_window);
        config.explore_share = self.share.unwrap_or(config.explore_share);
        config.threshold_min = self.floor.unwrap_or(config.threshold_min);
        config.hopeless = self.hopeless.or(config.hopeless);
        config.duel_turns = self.turns.unwrap_or(config.duel_turns);
        config.check(trigger).map_err(|error| ("tuning", error.to_string()))?;
        Ok(Some(config))
    }
}
