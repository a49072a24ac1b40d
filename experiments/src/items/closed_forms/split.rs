//! The serial split of the theories, made of the public keys of `--set`, on texts that have the law of
//! the theory.

use std::sync::Arc;

use anyhow::{Result, bail};
use pipesd_core::seed::Seed;
use pipesd_core::trace::{Trace, TraceText};
use pipesd_sim::closed_form::Round;
use pipesd_sim::profile::{Profile, TextModel};
use pipesd_sim::world::{RunResult, Setup, run};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::input::{Choice, Configuration, command};

/// A serial split in the common setting of the closed forms: no noise, no start-up but what is asked
/// for, and a rate at which bytes do not count. Times \[ms\].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) length: u32,
    pub(super) draft_ms: f64,
    pub(super) verify_base_ms: f64,
    /// What each draft adds to the target's pass.
    pub(super) verify_ms: f64,
    /// One way.
    pub(super) delay_ms: f64,
    /// What an upload takes besides.
    pub(super) startup_ms: f64,
    pub(super) edges: u32,
}

impl Split {
    /// Its round, for the formulas.
    pub(super) const fn round(&self) -> Round {
        Round {
            length: self.length,
            draft_base_ms: 0.0,
            draft_ms: self.draft_ms,
            verify_base_ms: self.verify_base_ms,
            verify_ms: self.verify_ms,
            round_trip_ms: 2.0 * self.delay_ms + self.startup_ms,
        }
    }

    /// The public keys that make it.
    pub(super) fn sets(&self) -> Vec<String> {
        let Self { length, draft_ms, verify_base_ms, verify_ms, delay_ms, startup_ms, edges } =
            self;
        let mut sets = vec![
            "payload=ids".to_owned(),
            format!("draft_length={length}"),
            format!("draft_ms={draft_ms}"),
            "draft_sd_ms=0".to_owned(),
            format!("verify_base_ms={verify_base_ms}"),
            format!("verify_per_token_ms={verify_ms}"),
            "overhead_ms=0".to_owned(),
            "uplink_mbps=1000000".to_owned(),
            "downlink_mbps=1000000".to_owned(),
            format!("startup_ms={startup_ms}"),
            "downlink_startup_ms=0".to_owned(),
            format!("propagation_ms={delay_ms}"),
            "prompt_tokens=1".to_owned(),
        ];
        sets.extend((*edges > 1).then(|| format!("edges={edges}")));
        sets
    }
}

/// The public keys of a text of `tokens` tokens whose drafts are drawn to be right with probability
/// `acceptance`, independently.
fn drawn(acceptance: f64, tokens: u64) -> Vec<String> {
    let standard = Normal::new(0.0, 1.0).expect("a standard deviation of 1");
    vec![
        // Six digits are the same on every machine, and move α by less than 10⁻⁶.
        format!("acceptance_intercept={:.6}", standard.inverse_cdf(acceptance)),
        "acceptance_slope=0".to_owned(),
        "prompt_share=0".to_owned(),
        "slow_share=0".to_owned(),
        format!("output_tokens={tokens}"),
    ]
}

/// What splits are simulated on.
pub(super) struct Bench {
    choice: Choice,
    base: Configuration,
    seed: u64,
}

impl Bench {
    pub(super) fn new(choice: Choice, seed: u64) -> Result<Self> {
        let base = Configuration::load(&choice)?;
        Ok(Self { choice, base, seed })
    }

    pub(super) const fn seed(&self) -> Seed {
        Seed(self.seed)
    }

    /// The split on the texts of a trace, each of them once.
    pub(super) fn setup(&self, split: &Split, trace: &Arc<Trace>) -> Result<Setup> {
        let tokens = trace.texts.iter().map(|text| text.positions.len() as u64).sum();
        let setup = self.base.with(&split.sets())?.setup(tokens, false)?;
        let text = TextModel::Trace(Arc::clone(trace));
        let profile = Arc::new(Profile { text, ..(*setup.profile).clone() });
        Ok(Setup { profile, ..setup })
    }

    pub(super) fn run(&self, split: &Split, trace: &Arc<Trace>) -> Result<RunResult> {
        Ok(run(&self.setup(split, trace)?, self.seed())?)
    }

    /// Time per token \[ms\].
    pub(super) fn tpt_ms(&self, split: &Split, trace: &Arc<Trace>) -> Result<f64> {
        Ok(self.run(split, trace)?.summary.tpt_ms)
    }

    /// The split on a drawn text, by public keys alone: time per token and rounds of a run, and the
    /// command that makes the runs of all seeds.
    pub(super) fn drawn(
        &self,
        split: &Split,
        acceptance: f64,
        tokens: u64,
        seeds: u32,
    ) -> Result<(Setup, String)> {
        let sets = [split.sets(), drawn(acceptance, tokens)].concat();
        let setup = self.base.with(&sets)?.setup(tokens, false)?;
        let command = command(&Choice { sets, ..self.choice.clone() }, self.seed, seeds, tokens);
        Ok((setup, command))
    }
}

/// A trace of one text, its times those of the profile.
pub(super) fn trace_of(text: TraceText) -> Arc<Trace> {
    let source = "drafts that are right independently, in the shares of the law".to_owned();
    Arc::new(Trace { format: Trace::FORMAT.into(), source, timing: None, texts: vec![text] })
}

/// How near a difference of times per token has to come to zero \[ms\]: clocks tick in ns.
const ZERO_MS: f64 = 1e-5;
const STEPS_MAX: u32 = 60;

/// Where `difference` goes through zero from below, 0 ≤ x ≤ `high`; None: it is not below zero at 0.
/// False position with Illinois's step: one evaluation where the difference is a straight line.
pub(super) fn crossing(high: f64, difference: impl Fn(f64) -> Result<f64>) -> Result<Option<f64>> {
    let (mut low, mut high) = ((0.0, difference(0.0)?), (high, difference(high)?));
    if low.1 >= 0.0 {
        return Ok(None);
    }
    if high.1 < 0.0 {
        bail!("no crossing below {}: the difference is {} ms there", high.0, high.1);
    }
    let mut moved_high_last: Option<bool> = None;
    for _ in 0..STEPS_MAX {
        let at = low.0 - low.1 * (high.0 - low.0) / (high.1 - low.1);
        let found = difference(at)?;
        if found.abs() <= ZERO_MS {
            return Ok(Some(at));
        }
        let moves_high = found > 0.0;
        let twice = moved_high_last == Some(moves_high);
        if moves_high {
            high = (at, found);
            low.1 *= if twice { 0.5 } else { 1.0 };
        } else {
            low = (at, found);
            high.1 *= if twice { 0.5 } else { 1.0 };
        }
        moved_high_last = Some(moves_high);
    }
    bail!("no crossing found between {} and {}", low.0, high.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crossing_is_found_on_lines_and_curves_and_only_where_there_is_one() {
        let found = |of: fn(f64) -> f64| crossing(100.0, |x| Ok(of(x)));
        assert!(found(|x| 0.5 * x + 1.0).expect("a search").is_none());
        let line = found(|x| 0.5 * x - 11.0).expect("a search").expect("a crossing");
        assert!((line - 22.0).abs() < 1e-4);
        let curve = found(|x| x * x * x - 8.0).expect("a search").expect("a crossing");
        assert!((curve - 2.0).abs() < 1e-4, "{curve}");
        assert!(found(|x| x - 200.0).is_err());
    }
}
