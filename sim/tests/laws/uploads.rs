//! When tokens go up, read from the event logs: the plan and its cut, what goes up behind a NAV request,
//! and EdgeLLM's windows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pipesd_core::event::{Event, GuessFate, Stamped};
use pipesd_core::ids::{RoundId, SessionId};
use pipesd_core::upload::dp::{self, UploadCosts};

use pipesd_core::time::Duration;
use pipesd_sim::link::{LinkConfig, Rate};
use pipesd_sim::world::Setup;

use crate::support::{self, EDGELLM, PIPESD, PRESETS, affine};

type Key = (SessionId, RoundId);

/// Rule 1 (paper §3): the NAV request takes all that is unsent in one batch, and there is nothing
/// more to come. A round whose guess awaits its parent's verdict sends tokens one by one and no request
/// (paper.md §12). Returns (tokens, NAV) of each round's uploads in order.
fn batches(events: &[Stamped]) -> BTreeMap<Key, Vec<(u32, bool)>> {
    let mut batches: BTreeMap<Key, Vec<(u32, bool)>> = BTreeMap::new();
    let mut fired: BTreeMap<Key, u32> = BTreeMap::new();
    let mut held: BTreeSet<Key> = BTreeSet::new();
    for stamped in events {
        match stamped.event {
            Event::Guessed { session, round, .. } => {
                held.insert((session, round));
            }
            Event::GuessResolved { session, round, .. } => {
                held.remove(&(session, round));
            }
            Event::UploadStarted { session, round, tokens, nav, .. }
                if held.contains(&(session, round)) =>
            {
                assert_eq!((tokens, nav), (1, false), "{stamped}: ahead of the parent's verdict");
                batches.entry((session, round)).or_default().push((tokens, nav));
            }
            Event::NavFired { session, round, drafted, .. } => {
                assert!(fired.insert((session, round), drafted).is_none(), "{stamped}");
            }
            Event::UploadStarted { session, round, offset, tokens, nav, .. } => {
                let sent = batches.entry((session, round)).or_default();
                assert_eq!(sent.iter().map(|(tokens, _)| tokens).sum::<u32>(), offset, "{stamped}");
                assert!(sent.iter().all(|(_, nav)| !nav), "{stamped}: after the request");
                let cut = fired.get(&(session, round)).copied();
                assert_eq!(nav, cut.is_some(), "{stamped}: once fired, the request goes along");
                assert!(cut.is_none_or(|drafted| drafted == offset + tokens), "{stamped}");
                sent.push((tokens, nav));
            }
            _ => {}
        }
    }
    batches
}

#[test]
fn a_nav_request_takes_all_unsent_tokens_in_one_batch() {
    // At 20 Mbit/s drafting is faster than uploading: there is something to merge.
    for (name, entry) in PRESETS {
        let setup = support::paper(support::method(entry), 650);
        let batches = batches(&support::record(&setup, 1).events);
        let merged = batches.values().flatten().filter(|(tokens, nav)| *nav && *tokens > 1);
        assert!(merged.count() > 20, "{name}: the flush that the name speaks of occurs");
    }
}

#[test]
fn pipesd_uses_its_plan_cyclically() {
    // The plan is recomputed here from what each `Planned` says. Long sure rounds, short window. A round
    // that was begun behind a guess goes up token by token, also once the guess is confirmed.
    let entry = PIPESD.replace("0.95", "0.05").replace("0.9\n", "0.3\n");
    let fast = affine(Rate::Constant(100_000_000), Duration::from_millis(5), Duration::ZERO);
    let setup = support::paper(support::method(&entry), 650);
    let setup = Setup { uplink: LinkConfig::Affine(fast), ..setup };
    let mut plan = Vec::new();
    let mut batches: BTreeMap<Key, usize> = BTreeMap::new();
    let mut ahead: BTreeSet<Key> = BTreeSet::new();
    let mut confirmed: BTreeSet<Key> = BTreeSet::new();
    let (mut second_turns, mut drafted_on) = (0, 0);
    for stamped in support::record(&setup, 1).events {
        match stamped.event {
            Event::Planned { window, startup, per_token, draft } => {
                let costs = UploadCosts { startup, per_token, draft };
                plan = dp::plan(&costs, window).expect("in range").batches;
            }
            Event::Guessed { session, round, .. } => {
                ahead.insert((session, round));
            }
            Event::GuessResolved { session, round, fate: GuessFate::Confirmed, .. } => {
                confirmed.insert((session, round));
            }
            Event::UploadStarted { session, round, tokens, nav: false, .. }
                if ahead.contains(&(session, round)) =>
            {
                assert_eq!(tokens, 1, "{stamped}");
                drafted_on += usize::from(confirmed.contains(&(session, round)));
            }
            Event::UploadStarted { session, round, tokens, nav: false, .. } => {
                let sent = batches.entry((session, round)).or_default();
                assert_eq!(tokens, plan[*sent % plan.len()], "{stamped}: plan {plan:?}");
                *sent += 1;
                second_turns += usize::from(*sent > plan.len());
            }
            _ => {}
        }
    }
    assert!(second_turns > 5, "the plan was used more than once in a round: {second_turns}");
    assert!(drafted_on > 5, "confirmed rounds were drafted and uploaded on: {drafted_on}");
}

#[test]
fn windows_go_up_while_a_nav_is_pending_and_only_then() {
    // EdgeLLM as the paper's text has it (§6). N̂ is followed here by its definition: 20, then the mean
    // of the last 100 draft lengths, halves up. Sure drafts make rounds longer than a window.
    let entry = EDGELLM.replace("0.92", "0.3\n window = 2").replace("decay = 0.95", "decay = 0.5");
    let entry =
        support::rule2(&entry).replace("waiting_upload = 'dp'", "waiting_upload = 'window'");
    let setup = support::paper(support::method(&entry), 1300);
    let mut pending: BTreeSet<Key> = BTreeSet::new();
    let mut lengths: VecDeque<u32> = VecDeque::new();
    let mut windows = 0;
    for stamped in support::record(&setup, 1).events {
        match stamped.event {
            Event::UploadStarted { session, round, nav: true, .. } => {
                pending.insert((session, round));
            }
            Event::UploadStarted { tokens, nav: false, .. } => {
                assert!(!pending.is_empty(), "{stamped}: no NAV is pending");
                let sum: u32 = lengths.iter().sum();
                let count = lengths.len() as u32;
                let window = (2 * sum + count).checked_div(2 * count).unwrap_or(2);
                assert_eq!(tokens, window, "{stamped}: a window");
                windows += 1;
            }
            Event::RoundResolved { session, round, drafted, .. } => {
                pending.remove(&(session, round));
                lengths.push_back(drafted);
                lengths.drain(..lengths.len().saturating_sub(100));
            }
            Event::RoundDiscarded { session, round, .. } => {
                pending.remove(&(session, round));
            }
            _ => {}
        }
    }
    assert!(windows > 3, "windows were uploaded: {windows}");
}
