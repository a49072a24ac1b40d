//! The random setups do reach the situations that the property is about.

use std::collections::{BTreeMap, BTreeSet};

use pipesd_core::contract::{Input, Output, Work};
use pipesd_core::event::{Event, GuessFate, NavCause, Stamped, TuningEvent};
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::message::Message;
use pipesd_sim::world::Recording;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::any;
use crate::support;

const STOP: TokenId = TokenId(0);

/// What the edges' and the cloud's logs show.
fn seen_in_events(events: &[Stamped], seen: &mut BTreeSet<&'static str>) {
    let mut ahead: BTreeSet<(SessionId, RoundId)> = BTreeSet::new();
    let mut ends_drafted: BTreeSet<(SessionId, RoundId)> = BTreeSet::new();
    let mut last_received: BTreeMap<SessionId, (RoundId, u32)> = BTreeMap::new();
    for stamped in events {
        match stamped.event {
            Event::Guessed { session, round, token, .. } => {
                ahead.insert((session, round));
                if ahead.iter().filter(|(of, _)| *of == session).count() > 1 {
                    seen.insert("two guesses deep");
                }
                if token == STOP {
                    seen.insert("an end of text guessed");
                }
            }
            Event::GuessResolved { session, round, fate, drafted } => {
                ahead.remove(&(session, round));
                seen.insert(match fate {
                    GuessFate::Confirmed if drafted == 0 => "a guess confirmed, nothing upon it",
                    GuessFate::Confirmed => "a guess confirmed with tokens",
                    GuessFate::Missed => "a guess missed",
                    GuessFate::Discarded => "a guess discarded",
                });
            }
            Event::DraftStale { guess, .. } => {
                seen.insert(if guess { "a guess too late" } else { "a draft too late" });
            }
            Event::NavFired { session, round, cause: NavCause::EndOfText, .. } => {
                ends_drafted.insert((session, round));
            }
            Event::RoundResolved { session, round, drafted, accepted, .. }
                if ends_drafted.contains(&(session, round)) =>
            {
                let right = drafted == accepted;
                seen.insert(if right { "an end drafted" } else { "an end drafted wrongly" });
            }
            Event::UploadCancelled { .. } => {
                seen.insert("an upload called off");
            }
            Event::StaleDropped { .. } => {
                seen.insert("a stale upload at the cloud");
            }
            Event::Tuning(TuningEvent::CandidateJudged { .. }) => {
                seen.insert("a candidate judged");
            }
            Event::Tuning(TuningEvent::SearchBegun { moved: Some(_), .. }) => {
                seen.insert("a search begun again");
            }
            Event::UploadReceived { session, round, offset, .. } => {
                let last = last_received.insert(session, (round, offset));
                if last.is_some_and(|last| (round, offset) < last) {
                    seen.insert("an upload overtaken");
                }
            }
            _ => {}
        }
    }
}

fn seen_in_messages(recording: &Recording, seen: &mut BTreeSet<&'static str>) {
    let mut last: BTreeMap<SessionId, RoundId> = BTreeMap::new();
    for (_, _, input) in &recording.inputs {
        match input {
            Input::Submit(request) if request.budget == 1 => {
                seen.insert("a budget of one token");
            }
            Input::Received { message: Message::Verdict(verdict), .. } => {
                let before = last.insert(verdict.session, verdict.round);
                if before.is_some_and(|before| before > verdict.round) {
                    seen.insert("a verdict overtaken");
                }
                if verdict.round == RoundId(0) && verdict.extra == Some(STOP) {
                    seen.insert("an end in the first round");
                }
            }
            Input::Received { message: Message::Distribution { .. }, .. } => {
                seen.insert("a distribution fetched");
            }
            _ => {}
        }
    }
    for (_, _, output) in &recording.outputs {
        if let Output::Start { work: Work::Verify(blocks), .. } = output
            && blocks.len() > 1
        {
            seen.insert("a pass shared by sessions");
        }
    }
}

#[test]
fn every_situation_that_the_property_speaks_of_occurs() {
    // The first 2000 setups of a fixed sequence; each situation in at least ten runs.
    let mut runner = TestRunner::deterministic();
    let mut runs: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..2000 {
        let (setup, seed) = any::setup().new_tree(&mut runner).expect("no filters").current();
        let recording = support::record(&setup, seed);
        let mut seen = BTreeSet::new();
        seen_in_events(&recording.events, &mut seen);
        seen_in_messages(&recording, &mut seen);
        seen.into_iter().for_each(|situation| *runs.entry(situation).or_default() += 1);
    }
    assert_eq!(runs.len(), 20, "{runs:#?}");
    assert!(runs.values().all(|&count| count >= 10), "{runs:#?}");
}
