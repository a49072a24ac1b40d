//! Common random numbers: all methods meet the same texts and latencies.

use std::collections::BTreeMap;

use pipesd_core::event::{Event, GuessFate, Stamped};
use pipesd_core::ids::{RoundId, SessionId};
use pipesd_core::time::Instant;

use crate::support::{self, PRESETS};

/// (token, bits of the confidence, ns of the step): what the draft did at a position.
type Step = (u32, u64, u128);

/// Steps whose context was the target's own text: drafts that were accepted or the first rejected
/// ones of their round, and guesses behind a wholly accepted round.
fn on_path(events: &[Stamped]) -> BTreeMap<(SessionId, u32), Step> {
    let mut steps: BTreeMap<(SessionId, RoundId), Vec<(u32, Step)>> = BTreeMap::new();
    let mut guesses = BTreeMap::new();
    let mut found = BTreeMap::new();
    let mut begun = Instant::ZERO;
    for &Stamped { at, event, .. } in events {
        match event {
            Event::DraftStarted { .. } => begun = at,
            Event::Drafted { session, round, position, token, confidence } => {
                let step = (token.0, confidence.to_bits(), (at - begun).as_nanos());
                steps.entry((session, round)).or_default().push((position, step));
            }
            Event::Guessed { session, round, position, token, confidence } => {
                let step = (token.0, confidence.to_bits(), (at - begun).as_nanos());
                guesses.insert((session, round), (position, step));
            }
            Event::RoundResolved { session, round, accepted, .. } => {
                let drafted = steps.remove(&(session, round)).expect("a round has tokens");
                let told = drafted.into_iter().take(accepted as usize + 1);
                found.extend(told.map(|(position, step)| ((session, position), step)));
            }
            Event::GuessResolved { session, round, fate, .. } if fate != GuessFate::Discarded => {
                let (position, step) = guesses[&(session, round)];
                found.insert((session, position), step);
            }
            _ => {}
        }
    }
    found
}

#[test]
fn two_methods_see_the_same_draft_at_the_same_position() {
    let all: Vec<_> = PRESETS
        .iter()
        .map(|(name, entry)| {
            let setup = support::paper(support::method(entry), 520);
            (name, on_path(&support::record(&setup, 9).events))
        })
        .collect();
    for (index, (name, steps)) in all.iter().enumerate() {
        for (other_name, other) in &all[..index] {
            let mut shared = 0;
            for (at, step) in steps {
                if let Some(same) = other.get(at) {
                    assert_eq!(step, same, "{name} and {other_name} at {at:?}");
                    shared += 1;
                }
            }
            assert!(shared > 250, "{name} and {other_name} share {shared} positions");
        }
    }
}

#[test]
fn the_text_is_the_same_under_all_methods() {
    // Four prompts of the HumanEval process; the methods differ in all but the text.
    let texts = |entry| {
        let setup = support::paper(support::method(entry), 520);
        let events = support::record(&setup, 9).events;
        [0, 1, 2, 3].map(|session| support::committed(&events, SessionId(session)))
    };
    let [(_, vanilla), others @ ..] = PRESETS;
    let expected = texts(vanilla);
    assert!(expected.iter().all(|text| text.len() == 130));
    for (name, entry) in others {
        assert_eq!(texts(entry), expected, "{name}");
    }
}
