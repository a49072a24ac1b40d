//! Vanilla against its closed form.

use pipesd_core::contract::{Output, Work};
use pipesd_core::event::Event;
use pipesd_core::payload::WireFormat;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Instant, as_millis};
use pipesd_sim::distribution::Latency;
use pipesd_sim::profile::{Profile, TextModel, VerificationLatency};
use pipesd_sim::text::Process;
use pipesd_sim::world::{Setup, run};

use crate::support;

/// An acceptance probability and the normal quantile at it, from a table.
const POOR: (f64, f64) = (0.4, -0.253_347_103_135_8);
const USUAL: (f64, f64) = (0.7, 0.524_400_512_708_041);
const SURE: (f64, f64) = (0.9, 1.281_551_565_544_600_4);

/// Drafts that are right with one probability, independently of all else.
fn independent(intercept: f64) -> TextModel {
    TextModel::Process(Process {
        prompt_share: 0.0,
        slow_share: 0.0,
        slow_correlation: 0.0,
        knots: vec![[-3.0, 0.1], [3.0, 4.0]],
        acceptance_intercept: intercept,
        acceptance_slope: 0.0,
        vocabulary: support::VOCABULARY,
    })
}

/// One request of `tokens`: its last, cut round is one among thousands.
fn vanilla(draft_length: u32, intercept: f64, tokens: u32) -> Setup {
    let entry =
        support::VANILLA.replace("draft_length = 6", &format!("draft_length = {draft_length}"));
    let gpu = VerificationLatency {
        base: Latency::Constant { mean: 7.15 },
        per_token_ms: 0.24,
        prefill_ms_per_token: 1.0,
    };
    let profile = support::profile(independent(intercept));
    let profile = Profile { output_tokens: tokens, verification: gpu, ..profile };
    support::setup(support::method(&entry), profile, u64::from(tokens))
}

/// A round of N tokens in ns: N·γ + α + bytes/rate + propagation + NAV(N) + reply.
fn round_ns(setup: &Setup, draft_length: u64) -> u64 {
    let format =
        WireFormat { payload: setup.edge.method.payload, vocabulary: setup.profile.vocabulary };
    let bytes = format.request_bytes() + draft_length * format.token_bytes();
    let rate_ns = |bytes: u64, per_ms: u64| (bytes * 1_000_000).div_ceil(per_ms);
    let draft = draft_length * 10_000_000;
    let upload = 3_500_000 + rate_ns(bytes, support::BYTES_PER_MS) + 2_000_000;
    let nav = 7_150_000 + draft_length * 240_000;
    let reply = rate_ns(WireFormat::reply_bytes(), 240) + 2_000_000;
    draft + upload + nav + reply
}

#[test]
fn vanilla_takes_round_time_over_expected_tokens() {
    // E = Σ_{k=0..N} aᵏ tokens a round; the mean over n rounds lies within 4 standard errors.
    for (draft_length, (a, intercept)) in [(4_u32, USUAL), (6, SURE), (1, POOR)] {
        let setup = vanilla(draft_length, intercept, 30_000);
        let result = run(&setup, Seed(11)).expect("a sound run");
        let powers = |k: u32| (0..k).fold(1.0, |power, _| power * a);
        let expected: f64 = (0..=draft_length).map(powers).sum();
        // E X² = Σ_k (2k + 1) P(X > k) for the tokens X of a round, X ≥ 1.
        let square: f64 = (0..=draft_length).map(|k| f64::from(2 * k + 1) * powers(k)).sum::<f64>();
        let rounds = result.counts[0].navs_answered as f64;
        let error = libm::sqrt((square - expected * expected) / rounds) / expected;
        let tpt = round_ns(&setup, u64::from(draft_length)) as f64 / 1e6 / expected;
        let deviation = result.summary.tpt_ms / tpt - 1.0;
        assert!(error < 0.01, "enough rounds to tell: {error}");
        assert!(
            deviation.abs() < 4.0 * error,
            "N = {draft_length}, a = {a:.3}: {} ms per token, {tpt} expected ({error})",
            result.summary.tpt_ms
        );
    }
}

#[test]
fn each_round_takes_its_time_to_the_nanosecond() {
    // From one verdict to the next, all rounds but the last, which the budget cuts short.
    for draft_length in [1_u32, 4, 6, 13] {
        let setup = vanilla(draft_length, USUAL.1, 500);
        let events = support::record(&setup, 3).events;
        let mut before: Option<Instant> = None;
        let mut rounds = 0;
        for stamped in &events {
            match stamped.event {
                Event::DecodingStarted { .. } => before = Some(stamped.at),
                Event::RoundResolved { drafted, .. } if drafted == draft_length => {
                    let took = stamped.at - before.replace(stamped.at).expect("decoding began");
                    let expected = round_ns(&setup, u64::from(draft_length));
                    assert_eq!(took.as_nanos(), u128::from(expected), "{} ms", as_millis(took));
                    rounds += 1;
                }
                _ => {}
            }
        }
        assert!(rounds > 30, "the rounds were looked at: {rounds}");
    }
}

#[test]
fn after_full_acceptance_two_tokens_enter_the_draft_in_one_decode() {
    // The last draft was never fed; the extra token comes behind it. After a rejection only the
    // target's replacement is new.
    let recording = support::record(&vanilla(4, USUAL.1, 500), 3);
    let mut fed_expected = None;
    let mut seen = [0, 0];
    for (_, _, output) in &recording.outputs {
        match output {
            Output::Event(Event::RoundResolved { drafted, accepted, .. }) => {
                fed_expected = Some(1 + usize::from(drafted == accepted));
            }
            Output::Start { work: Work::Draft(step), .. } => {
                if let Some(expected) = fed_expected.replace(1) {
                    assert_eq!(step.feed.len(), expected, "{step:?}");
                    seen[expected - 1] += 1;
                }
            }
            _ => {}
        }
    }
    assert!(seen.iter().all(|&count| count > 20), "both kinds were seen: {seen:?}");
}
