//! What a device makes of draft steps, by what they are for: a padded one stretches the drafts of rounds
//! on committed text alone, a slowed one all of them.

use std::collections::BTreeMap;

use pipesd_core::device::{Device, DraftKind};
use pipesd_core::event::{Event, Stamped};
use pipesd_core::ids::{RoundId, SessionId};
use pipesd_core::time::{Duration, Instant};

use crate::support::{self, PRESETS, VANILLA};

type Round = (SessionId, RoundId);

/// A draft step of a log: what it was for, where, and how long it took.
struct Step {
    round: Round,
    kind: DraftKind,
    took: Duration,
}

fn steps(events: &[Stamped]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut begun = None;
    for &Stamped { at, event, .. } in events {
        match event {
            Event::DraftStarted { session, round, kind, .. } => {
                begun = Some((at, (session, round), kind));
            }
            Event::Drafted { .. } | Event::Guessed { .. } | Event::DraftStale { .. } => {
                let (since, round, kind) = begun.take().expect("a step has begun");
                steps.push(Step { round, kind, took: at - since });
            }
            _ => {}
        }
    }
    steps
}

/// How long each round of a serial method took: from the verdict before it to its own.
fn rounds(events: &[Stamped]) -> BTreeMap<Round, Duration> {
    let mut since = Instant::ZERO;
    let mut rounds = BTreeMap::new();
    for &Stamped { at, event, .. } in events {
        match event {
            Event::DecodingStarted { .. } => since = at,
            Event::RoundResolved { session, round, .. } => {
                rounds.insert((session, round), at - since);
                since = at;
            }
            _ => {}
        }
    }
    rounds
}

#[test]
fn a_serial_methods_rounds_lengthen_by_what_the_device_adds_to_their_steps() {
    let setup = support::paper(support::method(VANILLA), 520);
    let reference = support::record(&setup, 3).events;
    let own = steps(&reference);
    let pad = Duration::from_millis(50);
    for device in [Device::Padded(pad), Device::Slowed(pad), Device::Added(pad)] {
        let mut expected = rounds(&reference);
        for step in &own {
            // A serial method drafts nothing ahead.
            let longer = match device {
                Device::Padded(pad) | Device::Slowed(pad) => pad.saturating_sub(step.took),
                Device::Added(more) => more,
            };
            *expected.get_mut(&step.round).expect("each round is resolved") += longer;
        }
        let events = support::record(&support::on(device, setup.clone()), 3).events;
        assert_eq!(rounds(&events), expected, "{device:?}");
        assert!(expected.len() > 50, "many rounds");
    }
}

#[test]
fn steps_are_as_long_as_their_kind_says_under_every_method() {
    let pad = Duration::from_millis(120);
    for (name, entry) in PRESETS {
        let setup = support::paper(support::method(entry), 520);
        let of = |device| steps(&support::record(&support::on(device, setup.clone()), 5).events);
        let mut seen = [0; 4];
        for Step { kind, took, .. } in of(Device::Padded(pad)) {
            seen[kind as usize] += 1;
            // No step of the profile takes as long as that by itself.
            let stretched = matches!(kind, DraftKind::Main | DraftKind::AfterVerdict);
            assert_eq!(took == pad, stretched, "{name}: a {kind:?} step of {took:?}");
        }
        let ahead = seen[DraftKind::Guess as usize] > 0 && seen[DraftKind::Ahead as usize] > 0;
        assert_eq!(ahead, ["edgellm", "pipesd"].contains(&name), "{name}: {seen:?}");
        assert!(seen[DraftKind::Main as usize] > 0, "{name}: {seen:?}");
        assert!(seen[DraftKind::AfterVerdict as usize] > 0, "{name}: {seen:?}");
        assert!(of(Device::Slowed(pad)).iter().all(|step| step.took == pad), "{name}");
    }
}
