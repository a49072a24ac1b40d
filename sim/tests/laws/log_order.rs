//! Order and causality, read from the event log alone: none of the simulator's own books is asked.

use std::collections::BTreeMap;

use pipesd_core::contract::{Input, Output};
use pipesd_core::event::{Endpoint, Event, Stamped};
use pipesd_core::ids::{MessageId, RoundId, SessionId};
use pipesd_core::time::{Duration, Instant};
use pipesd_sim::world::Setup;
use proptest::prelude::*;

use crate::conservation::any;
use crate::support::{self, PRESETS, VANILLA};

type Key = (SessionId, RoundId);

/// Walks the log: an upload is received after it was started, once; a round is verified when all
/// its tokens and its request were received, answered when verified, resolved when answered. Each
/// way takes the link's propagation at least.
fn check_causality(setup: &Setup, events: &[Stamped]) {
    let [up, down] = [&setup.uplink, &setup.downlink].map(|link| link.least_time(0));
    let mut started: BTreeMap<(Key, u32), (Instant, u32, bool)> = BTreeMap::new();
    let mut received: BTreeMap<Key, (u32, bool)> = BTreeMap::new();
    let mut verifying: BTreeMap<Key, Instant> = BTreeMap::new();
    let mut verified: BTreeMap<Key, Instant> = BTreeMap::new();
    let mut answered: BTreeMap<Key, (Instant, u32)> = BTreeMap::new();
    let mut now = Instant::ZERO;
    for Stamped { at, event, .. } in events {
        assert!(now <= *at, "time runs forwards");
        now = *at;
        match *event {
            Event::UploadStarted { session, round, offset, tokens, nav, .. } => {
                let before = started.insert(((session, round), offset), (now, tokens, nav));
                assert!(before.is_none() && (tokens > 0 || nav), "a token goes up once");
            }
            Event::UploadReceived { session, round, offset, tokens, nav } => {
                let key = (session, round);
                let (left, sent, sent_nav) = started.remove(&(key, offset)).expect("sent before");
                assert!(left + up <= now, "{event} at {now}, sent at {left}");
                assert_eq!((tokens, nav), (sent, sent_nav), "{event}");
                let so_far = received.entry(key).or_default();
                *so_far = (so_far.0 + tokens, so_far.1 | nav);
            }
            Event::VerifyStarted { session, round, tokens } => {
                let arrived = received.get(&(session, round));
                assert_eq!(arrived, Some(&(tokens, true)), "{event}: all of it is there");
                assert!(verifying.insert((session, round), now).is_none(), "{event}: once");
            }
            Event::VerifyFinished { session, round, .. } => {
                assert!(verifying[&(session, round)] <= now);
                verified.insert((session, round), now);
            }
            Event::VerdictSent { session, round, accepted } => {
                assert!(verified[&(session, round)] <= now);
                let before = answered.insert((session, round), (now, accepted));
                assert!(before.is_none(), "{event}: one answer to a request");
            }
            Event::RoundResolved { session, round, accepted, .. } => {
                let (sent, answer) = answered.remove(&(session, round)).expect("answered before");
                assert!(sent + down <= now, "{event} at {now}, answered at {sent}");
                assert_eq!(answer, accepted, "{event}");
            }
            _ => {}
        }
    }
}

/// From inputs and outputs: each message of an edge is sent before the next is handed over.
fn check_one_unsent(
    inputs: &[(Endpoint, Instant, Input)],
    outputs: &[(Endpoint, Instant, Output)],
) {
    let mut sends: BTreeMap<(Endpoint, MessageId), [Option<Instant>; 2]> = BTreeMap::new();
    for (endpoint, at, output) in outputs {
        if let (Endpoint::Edge(_), Output::Transmit { id, .. }) = (endpoint, output) {
            let before = sends.insert((*endpoint, *id), [Some(*at), None]);
            assert!(before.is_none(), "{endpoint} uses {id} twice");
        }
    }
    for (endpoint, at, input) in inputs {
        if let (Endpoint::Edge(_), Input::Sent(id)) = (endpoint, input) {
            let [_, sent] = sends.get_mut(&(*endpoint, *id)).expect("handed over");
            assert!(sent.replace(*at).is_none(), "{endpoint}: {id} is sent once");
        }
    }
    let mut last: BTreeMap<Endpoint, Option<Instant>> = BTreeMap::new();
    for ((endpoint, id), [handed, sent]) in sends {
        // By id, which is the order in which they were handed over.
        if let Some(before) = last.insert(endpoint, sent) {
            let before = before.expect("only the last may be unsent");
            assert!(before <= handed.expect("handed over"), "{endpoint}: {id} overtakes");
        }
        assert!(sent.is_none_or(|sent| handed.is_some_and(|handed| handed <= sent)));
    }
}

#[test]
fn the_presets_keep_order_and_causality() {
    for (_, entry) in PRESETS {
        let setup = Setup { edges: 3, ..support::paper(support::method(entry), 260) };
        let recording = support::record(&setup, 4);
        check_causality(&setup, &recording.events);
        check_one_unsent(&recording.inputs, &recording.outputs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_run_keeps_order_and_causality((setup, seed) in any::setup()) {
        let recording = support::record(&setup, seed);
        check_causality(&setup, &recording.events);
        check_one_unsent(&recording.inputs, &recording.outputs);
    }
}

#[test]
fn edges_that_do_the_same_at_the_same_time_are_served_in_order() {
    // Four edges with one text move in step until the cloud takes them one after another: at equal
    // times edge 0 comes first, from the first event on; and the cloud serves first come, first.
    let text = support::text(&[(5, 5, 0.9); 30]);
    let vanilla = support::setup(support::method(VANILLA), support::profile(text), 30);
    let setup = Setup { edges: 4, ..vanilla };
    let events = support::record(&setup, 0).events;
    let edges = |wanted: fn(&Event) -> Option<SessionId>| -> Vec<u64> {
        events.iter().filter_map(|s| wanted(&s.event)).map(|SessionId(id)| id >> 32).collect()
    };
    let arrived = edges(|event| match event {
        Event::UploadReceived { session, nav: true, .. } => Some(*session),
        _ => None,
    });
    let served = edges(|event| match event {
        Event::VerifyStarted { session, .. } => Some(*session),
        _ => None,
    });
    assert_eq!(arrived[..4], [0, 1, 2, 3]);
    assert_eq!(arrived, served);
    let ties: Vec<&[Stamped]> = events.windows(2).filter(|w| w[0].at == w[1].at).collect();
    let crossing = ties.iter().filter(|w| w[0].endpoint != w[1].endpoint).count();
    assert!(crossing > 10, "the ties that the name speaks of occur: {crossing}");
    // A pass takes 30 ms: answers leave in that order, so much apart.
    let times: Vec<Instant> = events
        .iter()
        .filter(|s| matches!(s.event, Event::VerdictSent { .. }))
        .map(|s| s.at)
        .collect();
    assert_eq!(times[1] - times[0], Duration::from_millis(30));
}
