//! Any method on any link commits the same text, and every account adds up on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipesd_core::event::{Event, Outcome};
use pipesd_core::ids::SessionId;
use pipesd_core::seed::Seed;
use pipesd_core::trace::TraceText;
use pipesd_sim::profile::{Profile, TextModel};
use pipesd_sim::world::{RunError, RunResult, Setup, run};
use proptest::prelude::*;

use crate::support;

pub(crate) mod any;
mod in_force;

/// What must be committed: the target's text up to the first stop id, or to its end.
fn truth(text: &TraceText) -> Vec<u32> {
    let mut tokens = Vec::new();
    for &(_, target, _) in &text.positions {
        tokens.push(target);
        if text.stop_ids.contains(&target) {
            break;
        }
    }
    tokens
}

/// Checks a run against the trace that it ran on. The numbered invariants are checked inside.
pub(crate) fn check(setup: &Setup, seed: u64) -> Result<RunResult, TestCaseError> {
    check_run(setup, run(setup, Seed(seed)))
}

/// The same for a run that was made elsewhere.
pub(crate) fn check_run(
    setup: &Setup,
    run: Result<RunResult, RunError>,
) -> Result<RunResult, TestCaseError> {
    let result = match run {
        Ok(result) => result,
        Err(error) => return Err(TestCaseError::fail(format!("{error}"))),
    };
    let TextModel::Trace(trace) = &setup.profile.text else {
        return Ok(result);
    };
    let events = &result.recording.as_ref().expect("asked for").events;
    let mut ended = BTreeMap::new();
    for stamped in events {
        if let Event::SessionEnded { session, outcome, output_tokens } = stamped.event {
            prop_assert_eq!(support::edge_of(session), stamped.endpoint);
            prop_assert!(ended.insert(session, (outcome, output_tokens)).is_none());
        }
    }
    for edge in 0..u64::from(setup.edges) {
        prop_assert!(ended.contains_key(&SessionId(edge << 32)), "edge {} has run", edge);
    }
    for (session, (outcome, output_tokens)) in ended {
        let number = (session.0 as u32 as usize) + (session.0 >> 32) as usize;
        let text = &trace.texts[number % trace.texts.len()];
        let expected = truth(text);
        let stops = expected.last().is_some_and(|last| text.stop_ids.contains(last));
        let expected_outcome = if stops { Outcome::EndOfText } else { Outcome::Budget };
        prop_assert_eq!(output_tokens as usize, expected.len());
        prop_assert_eq!(support::committed(events, session), expected, "{}", session);
        prop_assert_eq!(outcome, expected_outcome);
    }
    // Nothing is left over when all edges have gone home: "in flight" is empty.
    for counts in &result.counts {
        let tokens = counts.accepted + counts.rejected + counts.untested + counts.discarded;
        prop_assert!(counts.drafted - tokens <= 1, "a step may still run: {:?}", counts);
        prop_assert_eq!(counts.navs, counts.navs_answered + counts.navs_cancelled);
    }
    Ok(result)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn committed_text_does_not_depend_on_method_link_or_thresholds(
        (setup, seed) in any::setup()
    ) {
        check(&setup, seed)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whole prompts of the HumanEval process, over payloads small enough for any link.
    #[test]
    fn long_texts_keep_the_invariants_under_any_method((setup, seed) in any::setup()) {
        let profile = Profile { vocabulary: support::VOCABULARY, ..support::humaneval() };
        let long = Setup { profile: Arc::new(profile), tokens: 260, ..setup };
        let result = check(&long, seed)?;
        prop_assert_eq!(result.summary.output_tokens, 260 * u64::from(long.edges));
    }
}
