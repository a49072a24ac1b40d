//! An exported trace is the profile: simulated in its place it gives the same run, whatever the
//! method, the links and the device.

use std::sync::Arc;

use pipesd_core::device::Device;
use pipesd_core::event::Stamped;
use pipesd_core::seed::Seed;
use pipesd_core::time::Duration;
use pipesd_core::trace::Trace;
use pipesd_sim::distribution::Latency;
use pipesd_sim::export::{self, ExportError, ROLLOUT_STEPS_MIN};
use pipesd_sim::profile::{DraftLatency, Profile, TextModel, VerificationLatency};
use pipesd_sim::text::Process;
use pipesd_sim::world::{RunResult, Setup, requests, run};
use proptest::prelude::*;
use proptest::sample::select;

use crate::conservation::any;
use crate::support::{self, PIPESD, PRESETS, VANILLA};

/// As many requests as the run takes, through a file and back.
fn exported(setup: &Setup, seed: u64, profile: &Arc<Profile>) -> Trace {
    let requests = requests(setup) as u32;
    let trace = export::trace(profile, Seed(seed), requests, ROLLOUT_STEPS_MIN);
    let text = serde_json::to_string(&trace.expect("a profile that can be exported"));
    serde_json::from_str(&text.expect("a trace is plain data")).expect("what was written is read")
}

fn with_trace(setup: &Setup, trace: Trace) -> Setup {
    let profile = export::replaced(&setup.profile, Arc::new(trace)).expect("a valid trace");
    Setup { profile: Arc::new(profile), ..setup.clone() }
}

fn recorded(setup: &Setup, seed: u64) -> RunResult {
    run(&Setup { record: true, ..setup.clone() }, Seed(seed)).expect("a sound run")
}

fn events(result: &RunResult) -> &[Stamped] {
    &result.recording.as_ref().expect("asked for").events
}

/// Everything about both runs is the same, but for what models say past the end of a text.
fn check(setup: &Setup, seed: u64) {
    let drawn = recorded(setup, seed);
    let played = recorded(&with_trace(setup, exported(setup, seed, &setup.profile)), seed);
    for (index, (one, other)) in events(&drawn).iter().zip(events(&played)).enumerate() {
        assert_eq!(one, other, "event {index} of seed {seed}");
    }
    assert_eq!(events(&drawn).len(), events(&played).len(), "seed {seed}");
    assert_eq!(RunResult { recording: None, ..drawn }, RunResult { recording: None, ..played });
}

#[test]
fn an_exported_trace_gives_the_run_of_its_profile_under_every_method_and_in_every_scenario() {
    for (_, entry) in PRESETS {
        let method = support::method(entry);
        for seed in 1..=3 {
            check(&support::paper(method, 520), seed);
            check(&support::dynamic(method, 520), seed);
            // Of steps of 39 ms in the mean, most are shorter than the one and longer than the other.
            for device in [Device::Added, Device::Padded, Device::Slowed] {
                check(
                    &support::on(device(Duration::from_millis(60)), support::paper(method, 260)),
                    seed,
                );
                check(
                    &support::on(device(Duration::from_millis(35)), support::paper(method, 130)),
                    seed,
                );
            }
        }
    }
    for tuning in support::tunings() {
        check(&support::tuned(support::paper(support::method(PIPESD), 780), tuning), 2);
    }
}

#[test]
fn a_trace_that_is_shorter_than_the_run_begins_again() {
    let setup = support::paper(support::method(PIPESD), 520);
    let trace = export::trace(&setup.profile, Seed(4), 2, ROLLOUT_STEPS_MIN).expect("a trace");
    let run = recorded(&with_trace(&setup, trace), 4);
    let texts = [0, 1, 2, 3]
        .map(|session| support::committed(events(&run), pipesd_core::ids::SessionId(session)));
    assert_eq!(texts[0], texts[2]);
    assert_eq!(texts[1], texts[3]);
    assert_ne!(texts[0], texts[1]);
}

#[test]
fn a_trace_is_of_the_models_and_plays_on_any_device() {
    let setup = support::paper(support::method(VANILLA), 260);
    let reference = exported(&setup, 7, &setup.profile);
    let mut times_ms = vec![recorded(&setup, 7).summary.tpt_ms];
    for device in [Device::Padded, Device::Slowed, Device::Added] {
        let on_it = support::on(device(Duration::from_millis(84)), setup.clone());
        let trace = exported(&on_it, 7, &on_it.profile);
        assert_eq!(trace, reference, "whatever the device that it is exported on");
        let [drawn, played] =
            [on_it.clone(), with_trace(&on_it, trace)].map(|setup| recorded(&setup, 7));
        assert_eq!(events(&drawn), events(&played));
        times_ms.push(drawn.summary.tpt_ms);
    }
    // A serial method drafts nothing ahead, so that padded and slowed devices are one to it; a step that
    // takes 84 ms more is longer than one that takes 84.
    let [reference, padded, slowed, added] = times_ms[..] else { panic!("four") };
    assert!(reference + 5.0 < padded && slowed + 5.0 < added, "{times_ms:?}");
    assert_eq!(padded, slowed);
}

#[test]
fn rollouts_go_to_the_end_of_the_text_and_have_the_asked_steps_at_least() {
    let setup = support::paper(support::method(PIPESD), 260);
    let trace = export::trace(&setup.profile, Seed(1), 2, 70).expect("a trace");
    let mut longer = 0;
    for text in &trace.texts {
        assert!(!text.rollouts.is_empty());
        for (&mismatch, rollout) in &text.rollouts {
            let to_the_end = text.positions.len() - 1 - mismatch as usize;
            assert_eq!(rollout.len(), to_the_end.max(70));
            longer += u32::from(to_the_end > 70);
        }
    }
    assert!(longer > 0, "some mismatch is early");
}

#[test]
fn a_recorded_profile_is_not_exported_again() {
    let profile = support::profile(support::text(&[(5, 5, 0.9)]));
    let again = export::trace(&Arc::new(profile), Seed(1), 1, ROLLOUT_STEPS_MIN);
    assert_eq!(again, Err(ExportError::Recorded("test".into())));
}

fn latencies() -> impl Strategy<Value = (DraftLatency, VerificationLatency, Latency)> {
    let ms = || select(vec![0.0, 1.0, 10.0, 44.5]);
    let noise = || select(vec![0.0, 5.0, 60.0]);
    let rule = select(vec![Device::Added, Device::Padded, Device::Slowed]);
    let time = select(vec![0, 100, 33_300]);
    let device = (rule, time).prop_map(|(rule, time)| rule(Duration::from_micros(time)));
    let draft = (ms(), noise(), noise(), device);
    (draft, ms(), noise(), ms(), ms()).prop_map(|(draft, base, sd, per_token, server)| {
        let (step, step_sd, prompt_sd_ms, device) = draft;
        let draft = DraftLatency {
            step: Latency::Normal { mean: step, sd: step_sd, min: 0.0 },
            prompt_sd_ms,
            device,
            prefill_ms_per_token: 0.7,
        };
        let verification = VerificationLatency {
            base: Latency::LogNormal { mean: base + 1.0, sd, shift: -1.0 },
            per_token_ms: per_token / 7.0,
            prefill_ms_per_token: 0.3,
        };
        (draft, verification, Latency::Exponential { mean: server })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_method_over_any_link_meets_the_same_run(
        method in any::method(),
        uplink in any::link(),
        downlink in any::link(),
        (draft, verification, overhead) in latencies(),
        output_tokens in 1_u32..40,
        tokens in 1_u64..90,
        seed in 0_u64..1000,
    ) {
        let profile = support::humaneval();
        let TextModel::Process(process) = profile.text else { unreachable!("it is drawn") };
        let vocabulary = support::VOCABULARY;
        let text = TextModel::Process(Process { vocabulary, ..process });
        let profile =
            Profile { draft, verification, overhead, output_tokens, vocabulary, text, ..profile };
        let setup = support::setup(method, profile, tokens);
        check(&Setup { uplink, downlink, ..setup }, seed);
    }
}
