//! An edge that follows a script keeps all promises, whatever the script says.

use pipesd_core::event::Event;
use pipesd_core::ids::SessionId;
use pipesd_core::script::{Script, ScriptedRound};
use pipesd_core::seed::Seed;
use pipesd_sim::world::{Setup, run, run_scripted};
use proptest::prelude::*;

use crate::conservation::{any, check_run};
use crate::support;

/// Rounds anywhere, of any length down to none, in any batches; guesses upon guesses.
fn rounds() -> impl Strategy<Value = Vec<ScriptedRound>> {
    let round = (0_u32..30, prop::collection::vec(1_u32..4, 0..4), any::<bool>());
    let round = round.prop_map(|(start, batches, guess)| ScriptedRound { start, batches, guess });
    prop::collection::vec(round, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_script_commits_the_text_and_every_account_adds_up(
        ((setup, seed), rounds) in (any::setup(), rounds())
    ) {
        // The first request of each edge is scripted, those after it are not.
        let mut script = Script::default();
        for edge in 0..u64::from(setup.edges) {
            script.insert(SessionId(edge << 32), rounds.clone());
        }
        check_run(&setup, run_scripted(&setup, Seed(seed), &script))?;
    }
}

/// All drafts right, 12 tokens.
fn setup(method: &str) -> Setup {
    let positions: Vec<(u32, u32, f64)> = (1..=12).map(|id| (id, id, 0.9)).collect();
    support::setup(support::method(method), support::profile(support::text(&positions)), 12)
}

#[test]
fn a_script_is_followed_round_by_round() {
    let round =
        |start, batches: &[u32], guess| ScriptedRound { start, batches: batches.to_vec(), guess };
    let wanted = [
        round(0, &[1, 2], true),
        round(4, &[], true),
        round(5, &[2], false),
        round(8, &[1, 2], false),
    ];
    let mut script = Script::default();
    script.insert(SessionId(0), wanted);
    let result = run_scripted(&setup(support::PIPESD), Seed(1), &script).expect("a sound run");
    let events = result.recording.expect("asked for").events;
    let uploads: Vec<(u32, u32, bool)> = events
        .iter()
        .filter_map(|stamped| match stamped.event {
            Event::UploadStarted { round, tokens, nav, .. } => Some((round.0, tokens, nav)),
            _ => None,
        })
        .collect();
    let expected =
        [(0, 1, false), (0, 2, true), (1, 0, true), (2, 2, true), (3, 1, false), (3, 2, true)];
    assert_eq!(uploads, expected);
    assert_eq!(result.counts[0].guesses_confirmed, 2);
    assert_eq!(result.counts[0].output, 12);
}

#[test]
fn rounds_without_a_script_follow_the_method() {
    let setup = setup(support::VANILLA);
    let plain = run(&setup, Seed(1)).expect("a sound run");
    let empty = run_scripted(&setup, Seed(1), &Script::default()).expect("a sound run");
    assert_eq!(plain, empty);
}
