//! Texts whose acceptance has the shares of a law exactly, as far as whole tokens allow, in the place of
//! texts that have them in the mean of many draws: what is computed on them has no sampling noise, and
//! can be held against a closed form digit by digit.
//!
//! An ordinary text of [`super::Process`] with a flat acceptance curve (`acceptance_slope=0`) obeys the
//! same law and has the noise.

use std::collections::BTreeMap;

use pipesd_core::seed::Seed;
use pipesd_core::time::{from_millis, nanos};
use pipesd_core::trace::{TextTiming, Trace, TraceText, TraceTiming};

/// The token that ends a text, the target's token everywhere else, and the draft's where it is wrong.
const END: u32 = 0;
const RIGHT: u32 = 1;
const WRONG: u32 = 2;
/// What the draft believes of each token: rounds of a fixed length do not look at it.
const CONFIDENCE: f64 = 0.5;

/// A text of about `tokens` tokens whose drafts are right with probability `acceptance`, independently.
///
/// Such a text is a row of runs of right drafts, each ended by a wrong one, whose lengths are geometric:
/// P(R ≥ j) = α^j. Here the n runs have the n quantiles (i + ½) / n of that law, in an order that the
/// seed shuffles: each run by itself is a fair draw, and all together have the shares of the law to
/// within ½ / n. A serial round of K drafts depends on the runs alone (a run of R takes
/// ⌊R / (K + 1)⌋ + 1 rounds and gives R + 1 tokens), so that one text serves all K.
///
/// No round may be longer than `length_max`. The text ends behind its last wrong draft; the budget does
/// not cut the last round short.
///
/// # Panics
/// Unless 0 ≤ `acceptance` < 1.
#[must_use]
pub fn independent(acceptance: f64, tokens: u32, length_max: u32, seed: Seed) -> TraceText {
    assert!((0.0..1.0).contains(&acceptance), "a run of right drafts ends: {acceptance} < 1");
    let count = (f64::from(tokens) * (1.0 - acceptance)).round().max(1.0) as u64;
    let mut runs: Vec<u32> = (0..count)
        .map(|index| {
            let u = (index as f64 + 0.5) / count as f64;
            // At α = 0 the logarithm is -∞, and the quotient 0.
            (libm::log(u) / libm::log(acceptance)) as u32
        })
        .collect();
    shuffle(&mut runs, seed);
    let mut text = TraceText { prompt_tokens: 1, stop_ids: vec![END], ..<_>::default() };
    for run in runs {
        text.positions.extend((0..run).map(|_| (RIGHT, RIGHT, CONFIDENCE)));
        let position = text.positions.len() as u32;
        text.rollouts.insert(position, vec![(WRONG, CONFIDENCE); length_max as usize]);
        text.positions.push((WRONG, RIGHT, CONFIDENCE));
    }
    if let Some((_, target, _)) = text.positions.last_mut() {
        *target = END;
    }
    text.budget = Some(text.positions.len() as u32 + length_max + 1);
    text
}

/// How far the runs of a text are from the law that it was made by: its own mean number of tokens of a
/// serial round of `length` drafts.
#[must_use]
pub fn tokens_per_round(text: &TraceText, length: u32) -> f64 {
    let (mut rounds, mut run) = (0_u64, 0_u32);
    for (draft, target, _) in &text.positions {
        if draft == target {
            run += 1;
        } else {
            rounds += u64::from(run / (length + 1)) + 1;
            run = 0;
        }
    }
    text.positions.len() as f64 / rounds as f64
}

/// Times of a pair of models on first rounds \[ms\].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundTimes {
    /// The draft model, once a round: with its first step.
    pub draft_base_ms: f64,
    /// The draft model, each draft.
    pub draft_ms: f64,
    /// The target's pass, once a round.
    pub verify_base_ms: f64,
    /// The target's pass, each draft.
    pub verify_ms: f64,
}

/// `rounds` requests of a single round of `length` drafts: the first L are right, with P(L ≥ k) =
/// `prefixes[k - 1]`, in exact shares to within ½ / `rounds`, in an order that the seed shuffles.
///
/// Each request is over after its first round: its budget is what a round of `length` drafts can give,
/// and the target ends the text in the place of the first wrong draft. That is how one measures who
/// starts every round at the prompt, without a cache.
///
/// # Panics
/// Unless 1 ≤ `length` ≤ the number of prefixes, and there is a round.
#[must_use]
pub fn first_rounds(
    prefixes: &[f64],
    length: u32,
    rounds: u32,
    times: RoundTimes,
    seed: Seed,
) -> Trace {
    let prefixes = &prefixes[..length as usize];
    assert!(length > 0 && rounds > 0, "a round of a draft at least");
    let right = |index: u32| {
        let u = (f64::from(index) + 0.5) / f64::from(rounds);
        prefixes.iter().take_while(|prefix| u < **prefix).count() as u32
    };
    let mut right: Vec<u32> = (0..rounds).map(right).collect();
    shuffle(&mut right, seed);
    let timing = TraceTiming { verify_per_token_ms: times.verify_ms };
    Trace {
        format: Trace::FORMAT.into(),
        source: "first rounds with the shares of a curve of accepted prefixes".into(),
        timing: Some(timing),
        texts: right.into_iter().map(|right| first_round(right, length, times)).collect(),
    }
}

/// A request of one round of `length` drafts, the first `right` of which are the target's own.
fn first_round(right: u32, length: u32, times: RoundTimes) -> TraceText {
    let mut positions = vec![(RIGHT, RIGHT, CONFIDENCE); length as usize + 1];
    let ns = |ms: f64| nanos(from_millis(ms));
    let mut timing = TextTiming {
        steps_ns: vec![ns(times.draft_ms); positions.len()],
        overheads_ns: vec![0; positions.len()],
        bases_ms: vec![times.verify_base_ms; positions.len()],
        ..<_>::default()
    };
    timing.steps_ns[0] = ns(times.draft_base_ms + times.draft_ms);
    let mut rollouts = BTreeMap::new();
    if right < length {
        positions[right as usize] = (WRONG, END, CONFIDENCE);
        rollouts.insert(right, vec![(WRONG, CONFIDENCE); length as usize]);
        timing.rollout_steps_ns.insert(right, vec![ns(times.draft_ms); length as usize]);
    }
    TraceText {
        prompt_tokens: 1,
        stop_ids: vec![END],
        positions,
        rollouts,
        timing: Some(timing),
        ..<_>::default()
    }
}

/// Fisher and Yates.
fn shuffle(values: &mut [u32], seed: Seed) {
    let mut draws = seed.stream("strata", 0);
    for index in (1..values.len()).rev() {
        let other = draws.at(index as u64).bits() % (index as u64 + 1);
        values.swap(index, other as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closed_form;

    #[test]
    fn runs_have_the_shares_of_their_law() {
        for acceptance in [0.0, 0.3, 0.7, 0.95] {
            let text = independent(acceptance, 20_000, 16, Seed(3));
            let wrong = text.positions.iter().filter(|(draft, target, _)| draft != target).count();
            let share = 1.0 - wrong as f64 / text.positions.len() as f64;
            assert!((share - acceptance).abs() < 1e-3, "{acceptance}: {share}");
            for length in [1, 2, 5, 16] {
                let [own, law] = [
                    tokens_per_round(&text, length),
                    closed_form::tokens_per_round(acceptance, length),
                ];
                assert!((own / law - 1.0).abs() < 1e-3, "{acceptance}, {length}: {own}, {law}");
            }
        }
    }

    #[test]
    fn neighbours_are_independent() {
        // A sorted text would have the same shares: the order is what the shuffle is for.
        let text = independent(0.7, 20_000, 4, Seed(3));
        let right: Vec<f64> = text
            .positions
            .iter()
            .map(|(draft, target, _)| f64::from(u8::from(draft == target)))
            .collect();
        for apart in [1, 2, 5, 40] {
            let pairs = right.windows(apart + 1).map(|w| (w[0] - 0.7) * (w[apart] - 0.7));
            let correlation = pairs.sum::<f64>() / right.len() as f64 / 0.21;
            // Four standard errors of 20 000 pairs.
            assert!(correlation.abs() < 4.0 / 141.0, "{apart} apart: {correlation}");
        }
        assert_ne!(text, independent(0.7, 20_000, 4, Seed(4)));
    }

    #[test]
    fn first_rounds_have_the_shares_of_their_curve() {
        let prefixes = [0.462, 0.328, 0.256];
        let times =
            RoundTimes { draft_base_ms: 4.0, draft_ms: 7.0, verify_base_ms: 3.0, verify_ms: 0.0 };
        let trace = first_rounds(&prefixes, 3, 1000, times, Seed(1));
        trace.validate().expect("a valid trace");
        for (index, prefix) in prefixes.into_iter().enumerate() {
            let right = |text: &&TraceText| {
                text.positions[..=index].iter().all(|(draft, target, _)| draft == target)
            };
            let count = trace.texts.iter().filter(right).count();
            assert_eq!(count, (1000.0 * prefix).round() as usize);
        }
    }
}
