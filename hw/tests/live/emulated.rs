//! The emulated models and devices: recorded times in real time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipesd_core::contract::{DraftStep, VerifyBlock};
use pipesd_core::device::{Device, DraftKind};
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::trace::{TextTiming, Trace, TraceTiming};
use pipesd_core::verification::{Sampling, Temperature};
use pipesd_hw::backend::emulated::{EmulatedDraft, EmulatedTarget, Latencies, Playback, prompt};
use pipesd_hw::backend::padded::{PaddedDraft, PaddedTarget};
use pipesd_hw::backend::{DraftModel, ModelError, TargetModel};

use crate::support::{TOKEN, VOCABULARY, edge_with, playback, trace};

const SESSION: SessionId = SessionId(0);

fn sampling(payload: &str) -> Sampling {
    let terms = edge_with(TOKEN, payload).terms();
    Sampling { terms, temperature: Temperature::default(), seed: 0 }
}

fn step(keep: u32, feed: &[TokenId]) -> DraftStep {
    of_kind(DraftKind::Main, keep, feed)
}

fn of_kind(kind: DraftKind, keep: u32, feed: &[TokenId]) -> DraftStep {
    DraftStep { session: SESSION, round: RoundId(0), kind, keep, feed: feed.to_vec() }
}

fn block(keep: u32, feed: &[TokenId], drafts: &[TokenId]) -> VerifyBlock {
    let (feed, drafts) = (feed.to_vec(), drafts.to_vec());
    VerifyBlock { session: SESSION, round: RoundId(0), keep, feed, drafts, evidence: Vec::new() }
}

/// Texts with times: the step for position p takes p ms, each after a mismatch 2 ms, a verification
/// 5 ms and 1 ms for each draft.
fn timed(lengths: &[u32]) -> Trace {
    let mut trace = trace(lengths);
    for text in &mut trace.texts {
        let len = text.positions.len();
        let off_path = |(&at, rollout): (&u32, &Vec<_>)| (at, vec![2_000_000; rollout.len()]);
        let rollout_steps_ns: BTreeMap<u32, Vec<u64>> =
            text.rollouts.iter().map(off_path).collect();
        text.timing = Some(TextTiming {
            steps_ns: (0..len as u64).map(|position| position * 1_000_000).collect(),
            rollout_steps_ns,
            overheads_ns: vec![2_000_000; len],
            bases_ms: vec![3.0; len],
            ..TextTiming::default()
        });
    }
    trace.timing = Some(TraceTiming { verify_per_token_ms: 1.0 });
    trace
}

/// What something gives, and that it took as long as it should: never less, and not much more.
fn taking<T>(ms: u64, call: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let given = call();
    let took = start.elapsed();
    let least = Duration::from_millis(ms);
    // A loaded machine is late; it is never early.
    assert!(least <= took && took < least + Duration::from_secs(2), "{took:?}, not {ms} ms");
    given
}

#[test]
fn calls_take_their_recorded_times() {
    let playback = Playback::new(timed(&[40]), VOCABULARY, Latencies::default()).expect("sound");
    let playback = Arc::new(playback.on_device(Device::Added(Duration::from_millis(4))));
    let truth = playback.truth(0);
    let mut draft = EmulatedDraft::new(Arc::clone(&playback));
    draft.prefill(SESSION, &prompt(0, 5), &sampling("ids")).expect("known");
    taking(4, || draft.step(&step(0, &[]))).expect("recorded");
    taking(24, || draft.step(&step(0, &truth[..20]))).expect("recorded");
    // Off the path, then cut back.
    let text = &playback.trace().texts[0];
    let mismatch = *text.rollouts.keys().find(|&&mismatch| mismatch < 20).expect("a wrong draft");
    let (wrong, ..) = text.positions[mismatch as usize];
    taking(6, || draft.step(&step(mismatch, &[TokenId(wrong)]))).expect("a rollout");
    let right = &truth[mismatch as usize..20];
    taking(24, || draft.step(&step(mismatch, right))).expect("recorded");
    let mut target = EmulatedTarget::new(Arc::clone(&playback));
    target.prefill(SESSION, &prompt(0, 5), &sampling("ids")).expect("known");
    let decisions = taking(8, || target.verify(&[block(0, &[], &truth[..3])]));
    assert_eq!(decisions[0].as_ref().expect("known").tokens, truth[..4]);
    assert_eq!(playback.overshoots().len(), 7);
}

#[test]
fn a_device_that_plays_a_text_pads_by_kind_and_says_what_it_added() {
    let ms = Duration::from_millis;
    let play = |device| {
        let playback = Playback::new(timed(&[40]), VOCABULARY, Latencies::default());
        Arc::new(playback.expect("sound").on_device(device))
    };
    // The step for position 5 takes 5 ms: (on a device, for what, how long).
    for (device, kind, took) in [
        (Device::Padded(ms(12)), DraftKind::Main, 12),
        (Device::Padded(ms(12)), DraftKind::Ahead, 5),
        (Device::Padded(ms(3)), DraftKind::Main, 5),
        (Device::Slowed(ms(12)), DraftKind::Ahead, 12),
        (Device::Added(ms(12)), DraftKind::Guess, 17),
    ] {
        let playback = play(device);
        let truth = playback.truth(0);
        let mut draft = EmulatedDraft::new(playback);
        draft.prefill(SESSION, &prompt(0, 5), &sampling("ids")).expect("known");
        taking(took, || draft.step(&of_kind(kind, 0, &truth[..5]))).expect("recorded");
        assert_eq!(draft.added_by_device(), ms(took - 5), "{kind:?} on {device:?}");
    }
}

#[test]
fn the_text_past_its_end_and_unknown_sessions_are_errors() {
    let playback = playback(&[6]);
    let truth = playback.truth(0);
    let mut draft = EmulatedDraft::new(Arc::clone(&playback));
    assert_eq!(draft.step(&step(0, &[])), Err(ModelError::UnknownSession(SESSION)));
    draft.prefill(SESSION, &prompt(0, 5), &sampling("ids")).expect("known");
    let past = draft.step(&step(0, &truth));
    assert_eq!(past, Err(ModelError::PastRollout { position: 6 }));
    assert_eq!(playback.past_rollouts(), 1);
    assert!(draft.prefill(SESSION, &[], &sampling("ids")).is_err(), "no prompt, no text");
    let mut target = EmulatedTarget::new(playback);
    let unknown = target.verify(&[block(0, &[], &truth)]);
    assert_eq!(unknown, [Err(ModelError::UnknownSession(SESSION))]);
    for tokens in [4, 6, 1 << 17] {
        let refused = target.prefill(SESSION, &prompt(0, tokens), &sampling("ids"));
        assert!(matches!(refused, Err(ModelError::Refused(_))), "the text's prompt has 5");
    }
    target.prefill(SESSION, &prompt(0, 5), &sampling("ids")).expect("known");
    let decided = target.verify(&[block(u32::MAX - 1, &[], &[TokenId(1); 9])]);
    assert_eq!(decided[0].as_ref().expect("known").tokens, [], "there is no text so far out");
}

#[test]
fn a_draft_claims_as_many_bytes_as_its_payload_carries() {
    let playback = playback(&[6]);
    for (payload, bytes) in [("full", Some(9_005)), ("lazy", Some(9_005)), ("ids", None)] {
        let mut draft = EmulatedDraft::new(Arc::clone(&playback));
        draft.prefill(SESSION, &prompt(0, 5), &sampling(payload)).expect("known");
        let (_, claim) = draft.step(&step(0, &[])).expect("recorded");
        assert_eq!(claim.map(|claim| claim.distribution.len()), bytes, "{payload}");
    }
}

#[test]
fn an_emulated_device_takes_its_time() {
    let playback = playback(&[6]);
    let truth = playback.truth(0);
    let model = EmulatedDraft::new(Arc::clone(&playback));
    let ms = Duration::from_millis;
    let mut draft = PaddedDraft::new(model, ms(9), Device::Padded(ms(20)));
    draft.prefill(SESSION, &prompt(0, 5), &sampling("ids")).expect("known");
    taking(20, || draft.step(&step(0, &[]))).expect("recorded");
    assert!(draft.added_by_device() <= ms(11), "the model's own time is 9 ms at least");
    for kind in [DraftKind::Guess, DraftKind::Ahead] {
        taking(9, || draft.step(&of_kind(kind, 0, &[]))).expect("recorded");
        assert_eq!(draft.added_by_device(), Duration::ZERO, "a {kind:?} step is not padded");
    }
    let model = EmulatedTarget::new(playback);
    let (base, per_token) = (Duration::from_millis(5), Duration::from_millis(2));
    let mut target = PaddedTarget { model, base, per_token };
    target.prefill(SESSION, &prompt(0, 5), &sampling("ids")).expect("known");
    taking(11, || target.verify(&[block(0, &[], &truth[..3])]));
}

#[test]
#[ignore = "timing: run alone"]
fn calls_end_within_a_tenth_of_a_millisecond_in_the_median() {
    let latencies = Latencies { step: Duration::from_micros(4_450), ..Latencies::default() };
    let playback = Playback::new(trace(&[400]), VOCABULARY, latencies).expect("sound");
    let playback = Arc::new(playback);
    let truth = playback.truth(0);
    let mut draft = EmulatedDraft::new(Arc::clone(&playback));
    draft.prefill(SESSION, &prompt(0, 5), &sampling("full")).expect("known");
    for position in 0..399 {
        let feed = &truth[position..=position];
        draft.step(&step(position as u32, feed)).expect("recorded");
    }
    let late = playback.overshoots();
    let at = |share: f64| late[(share * (late.len() - 1) as f64) as usize];
    let [median, most, nearly_all, worst] = [0.5, 0.95, 0.99, 1.0].map(at);
    println!("late: median {median:?}, 95 % {most:?}, 99 % {nearly_all:?}, all {worst:?}");
    assert!(at(0.5) < Duration::from_micros(100), "{:?}", at(0.5));
}
