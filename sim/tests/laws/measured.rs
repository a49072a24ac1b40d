//! Samples of a known profile give it back: its means, and the time per token of its runs.

use std::sync::Arc;

use pipesd_core::device::Device;
use pipesd_core::seed::Seed;
use pipesd_core::time::nanos;
use pipesd_core::trace::Trace;
use pipesd_sim::export::{self, ROLLOUT_STEPS_MIN};
use pipesd_sim::measured::{self, MeasuredError, Measurements, Sample};
use pipesd_sim::profile::{Profile, ProfileSpec, Status};
use pipesd_sim::world::{Setup, run};

use crate::support::{self, EDGELLM, PIPESD, VANILLA};

/// Texts of the true profile without their times, as a live run records them.
fn texts(profile: &Arc<Profile>) -> Trace {
    let mut trace =
        export::trace(profile, Seed(1), 8, ROLLOUT_STEPS_MIN).expect("a profile to be exported");
    trace.timing = None;
    trace.texts.iter_mut().for_each(|text| text.timing = None);
    trace
}

/// `count` steps and as many passes over blocks of 1 to 8 tokens, drawn apart from any run's.
fn measure(profile: &Profile, count: u64) -> Measurements {
    let [mut steps, mut passes] = ["a step", "a pass"].map(|name| Seed(77).stream(name, 0));
    let draft_steps = (0..count).map(|key| {
        let step = profile.draft.own(steps.at(key).uniform(), 0.0);
        Sample { tokens: 1, context: 150, ns: nanos(step) }
    });
    let draft_steps = draft_steps.collect();
    let verifications = (0..count).map(|key| {
        let mut draws = passes.at(key);
        let tokens = 1 + (draws.bits() % 8) as u32;
        let overhead = profile.overhead.at(draws.uniform());
        let gpu = profile.verification.gpu(u64::from(tokens), draws.uniform());
        Sample { tokens, context: 150, ns: nanos(gpu + overhead) }
    });
    let verifications = verifications.collect();
    let prefill = |ms_per_token: f64| Sample {
        tokens: 150,
        context: 0,
        ns: (ms_per_token * 150.0 * 1e6).round() as u64,
    };
    Measurements {
        name: "measured".into(),
        description: "samples of a known profile".into(),
        source: "a test".into(),
        vocabulary: profile.vocabulary,
        draft_steps,
        draft_prefills: vec![prefill(profile.draft.prefill_ms_per_token)],
        verifications,
        verify_prefills: vec![prefill(profile.verification.prefill_ms_per_token)],
    }
}

#[test]
fn samples_of_a_known_profile_give_back_its_means() {
    let truth = Arc::new(support::humaneval());
    let measured = measure(&truth, 4000);
    let fitted = measured::profile(&measured, &texts(&truth), "trace.json").expect("a profile");
    // Four standard errors of 4000 draws: steps have sd 5.9 ms, passes 10.3 ms; the slope of a
    // line over 1 to 8 tokens (sd 2.3) has a standard error of 0.071 ms.
    let step = fitted.draft.step_ms.value.mean();
    assert!((step - truth.draft.step.mean()).abs() < 0.4, "{step}");
    let slope = fitted.verification.per_token_ms.value;
    assert!((slope - truth.verification.per_token_ms).abs() < 0.29, "{slope}");
    let pass = fitted.verification.base_ms.value.mean() + 4.5 * slope;
    let true_pass = truth.overhead.mean()
        + truth.verification.base.mean()
        + 4.5 * truth.verification.per_token_ms;
    assert!((pass - true_pass).abs() < 0.66, "{pass} {true_pass}");
    assert!((fitted.draft.prefill_ms_per_token.value - 5.0).abs() < 1e-6);
    assert!((fitted.verification.prefill_ms_per_token.value - 0.24).abs() < 1e-6);
    assert!((fitted.overhead_ms.value.mean()).abs() < f64::EPSILON);
    assert_eq!((fitted.prompt_tokens.value, fitted.output_tokens.value), (150, 130));
}

#[test]
fn every_value_of_a_measured_profile_says_so_and_survives_its_file() {
    let truth = Arc::new(support::humaneval());
    let fitted = measured::profile(&measure(&truth, 50), &texts(&truth), "trace.json");
    let fitted = fitted.expect("a profile");
    let text = toml::to_string(&fitted).expect("a profile is a table");
    assert_eq!(toml::from_str::<ProfileSpec>(&text).expect("what was written is read"), fitted);
    assert_eq!(text.matches("status = \"measured\"").count(), text.matches("status").count());
    assert_eq!(text.matches("source = \"a test: ").count(), text.matches("status").count());
    assert_eq!(fitted.draft.step_ms.status, Status::Measured);
    assert_eq!(fitted.trace.as_deref(), Some("trace.json"));
}

#[test]
fn a_run_without_steps_or_verifications_gives_no_profile() {
    let truth = Arc::new(support::humaneval());
    let measured = measure(&truth, 50);
    let without = |change: fn(&mut Measurements)| {
        let mut measured = measured.clone();
        change(&mut measured);
        measured::profile(&measured, &texts(&truth), "trace.json").expect_err("too little")
    };
    assert_eq!(without(|m| m.draft_steps.clear()), MeasuredError::Nothing("draft step"));
    assert_eq!(without(|m| m.verifications.clear()), MeasuredError::Nothing("verification"));
    let small = without(|m| m.vocabulary = 100).to_string();
    assert!(small.contains("beyond the vocabulary of 100"), "{small}");
}

#[test]
fn time_per_token_on_a_measured_profile_is_that_on_the_true_one() {
    let truth = Arc::new(support::humaneval());
    let trace = Arc::new(texts(&truth));
    let spec = measured::profile(&measure(&truth, 4000), &trace, "trace.json");
    let fitted = spec
        .expect("a profile")
        .resolve(Device::REFERENCE, Some(Arc::clone(&trace)))
        .expect("valid");
    let exact = export::replaced(&truth, trace).expect("a valid trace");
    for entry in [VANILLA, EDGELLM, PIPESD] {
        let tpt_ms = |profile: &Profile| {
            let setup = support::paper(support::method(entry), 1040);
            let setup = Setup { profile: Arc::new(profile.clone()), record: false, ..setup };
            let runs = (1..=24).map(|seed| run(&setup, Seed(seed)).expect("a sound run"));
            runs.map(|run| run.summary.tpt_ms).sum::<f64>() / 24.0
        };
        let [fitted, exact] = [&fitted, &exact].map(tpt_ms);
        assert!((fitted / exact - 1.0).abs() < 0.01, "{entry}: {fitted} {exact}");
    }
}
