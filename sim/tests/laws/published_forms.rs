//! The serial split against published closed forms: their formulas at any parameters, and the numbers
//! that their authors print. Texts have exact shares of right drafts, so that no bound here is one of
//! sampling noise.

use std::sync::Arc;

use pipesd_core::device::Device;
use pipesd_core::payload::Payload;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, from_millis};
use pipesd_core::trace::Trace;
use pipesd_sim::closed_form::{
    Costs, Round, break_even_ms, capacity_gain, tokens_of_prefixes, tokens_per_round,
};
use pipesd_sim::distribution::Latency;
use pipesd_sim::link::{LinkConfig, Rate};
use pipesd_sim::profile::{DraftLatency, Profile, TextModel, VerificationLatency};
use pipesd_sim::reference::cloud_only;
use pipesd_sim::text::strata::{self, RoundTimes, first_rounds, independent};
use pipesd_sim::world::{RunResult, Setup, run};
use proptest::prelude::*;

use crate::support;

/// A link on which bytes take no time.
fn link(delay_ms: f64) -> LinkConfig {
    let rate = Rate::Constant(1_000_000_000_000);
    LinkConfig::Affine(support::affine(rate, Duration::ZERO, from_millis(delay_ms)))
}

/// The round as a setup on the texts of a trace, each of them once.
fn setup(round: &Round, trace: Trace) -> Setup {
    assert!(round.draft_base_ms == 0.0 || trace.timing.is_some(), "only a timed trace has a base");
    let tokens = trace.texts.iter().map(|text| text.positions.len() as u64).sum();
    let entry = support::VANILLA
        .replace("draft_length = 6", &format!("draft_length = {}", round.length))
        .replace("payload = 'full'", "payload = 'ids'");
    let profile = Profile {
        draft: DraftLatency {
            step: Latency::Constant { mean: round.draft_ms },
            prompt_sd_ms: 0.0,
            device: Device::REFERENCE,
            prefill_ms_per_token: 0.0,
        },
        verification: VerificationLatency {
            base: Latency::Constant { mean: round.verify_base_ms },
            per_token_ms: round.verify_ms,
            prefill_ms_per_token: 0.0,
        },
        ..support::profile(TextModel::Trace(Arc::new(trace)))
    };
    let setup = support::setup(support::method(&entry), profile, tokens);
    assert_eq!(setup.edge.method.payload, Payload::Ids);
    let half_trip = round.round_trip_ms / 2.0;
    Setup { uplink: link(half_trip), downlink: link(half_trip), record: false, ..setup }
}

fn simulate(setup: &Setup) -> RunResult {
    run(setup, Seed(1)).expect("a sound run")
}

fn trace(acceptance: f64, tokens: u32, length: u32) -> Trace {
    let texts = vec![independent(acceptance, tokens, length, Seed(1))];
    Trace { format: Trace::FORMAT.into(), source: "a test".into(), timing: None, texts }
}

fn tpt_ms(round: &Round, acceptance: f64, tokens: u32) -> f64 {
    simulate(&setup(round, trace(acceptance, tokens, round.length))).summary.tpt_ms
}

/// A split of K drafts of 10 ms with a pass as long as decoding a token.
fn split(decode_ms: f64, round_trip_ms: f64) -> Round {
    Round {
        length: 5,
        draft_base_ms: 0.0,
        draft_ms: 10.0,
        verify_base_ms: decode_ms,
        verify_ms: 0.0,
        round_trip_ms,
    }
}

/// UCB-SpecStop's example: a pass over k drafts takes k + 1 times 0.5 ms.
const COSTS: Costs = Costs { draft_ms: 1.0, verify_ms: 0.5 };

fn cost_round(length: u32, delay_ms: f64) -> Round {
    Round {
        length,
        draft_base_ms: 0.0,
        draft_ms: COSTS.draft_ms,
        verify_base_ms: COSTS.verify_ms,
        verify_ms: COSTS.verify_ms,
        round_trip_ms: 2.0 * delay_ms,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..<_>::default() })]

    /// Time per token is the round's time over the text's own tokens a round, to the clock's tick, and
    /// over those of the law as near as the text is to it.
    #[test]
    fn a_serial_split_takes_its_round_over_its_tokens(
        length in 1_u32..=24,
        acceptance in 0.0..0.95,
        [draft_ms, verify_ms] in [0.0..80.0, 0.0..5.0],
        verify_base_ms in 0.1..80.0,
        round_trip_ms in 0.0..600.0,
    ) {
        let round =
            Round { length, draft_base_ms: 0.0, draft_ms, verify_base_ms, verify_ms, round_trip_ms };
        let trace = trace(acceptance, 3000, length);
        let own = strata::tokens_per_round(&trace.texts[0], length);
        let found = simulate(&setup(&round, trace)).summary.tpt_ms;
        // Each time is rounded to a ns, and a message has some bytes: a few ns a round.
        let expected = round.ms() / own;
        prop_assert!((found - expected).abs() < 2e-5 * f64::from(length + 4), "{found} {expected}");
        let law = tokens_per_round(acceptance, length);
        prop_assert!((own / law - 1.0).abs() < 5e-3, "{own} tokens a round, {law} by the law");
    }

    /// A curve of accepted prefixes gives its own tokens a round; the base of drafting is paid once.
    #[test]
    fn first_rounds_take_their_round_over_the_curve_s_tokens(
        mut prefixes in prop::collection::vec(0.0..1.0, 1..=10),
        draft_base_ms in 0.0..100.0,
        delay_ms in 0.0..200.0,
    ) {
        prefixes.sort_by(|one, other| f64::total_cmp(other, one));
        let length = prefixes.len() as u32;
        let (draft_ms, verify_base_ms, verify_ms, rounds) = (7.0, 33.0, 0.5, 500);
        let times = RoundTimes { draft_base_ms, draft_ms, verify_base_ms, verify_ms };
        let round_trip_ms = 2.0 * delay_ms;
        let round = Round {
            length, draft_base_ms, draft_ms, verify_base_ms, verify_ms, round_trip_ms,
        };
        let trace = first_rounds(&prefixes, length, rounds, times, Seed(1));
        let result = simulate(&setup(&round, trace));
        let counts = &result.counts[0];
        prop_assert_eq!(counts.navs_answered, u64::from(rounds), "a round for each request");
        prop_assert_eq!(counts.verified, u64::from(rounds * length), "and no round is cut short");
        let tokens = counts.output as f64 / f64::from(rounds);
        let law = tokens_of_prefixes(&prefixes);
        prop_assert!((tokens - law).abs() <= 0.5 * f64::from(length) / f64::from(rounds));
        let expected = round.ms() / tokens;
        let found = result.summary.tpt_ms;
        prop_assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    }
}

#[test]
fn the_split_pays_below_the_published_round_trips() {
    const NEVER: f64 = 0.0;
    let acceptances = [0.5, 0.7, 0.85, 0.9];
    for (decode_ms, published) in [
        (100.0, [47.0, 144.0, 265.0, 319.0]),
        (50.0, [NEVER, 47.0, 108.0, 134.0]),
        (30.0, [NEVER, 8.0, 45.0, 61.0]),
        (20.0, [NEVER, NEVER, 13.0, 24.0]),
    ] {
        for (acceptance, published) in acceptances.into_iter().zip(published) {
            let tpt = |round_trip| tpt_ms(&split(decode_ms, round_trip), acceptance, 6000);
            let cloud = setup(&split(decode_ms, 0.0), trace(acceptance, 100, 5));
            let cloud_ms = cloud_only(&cloud, Seed(1)).tpt_ms;
            assert!((cloud_ms - decode_ms).abs() < 1e-3, "a token a pass: {cloud_ms} ms");
            let formula = break_even_ms(acceptance, 5, 10.0, decode_ms).unwrap_or(NEVER);
            assert!((formula - published).abs() < 0.6, "{formula}, printed {published}");
            if published == NEVER {
                assert!(tpt(0.0) > cloud_ms, "{decode_ms} ms, α = {acceptance}: it never pays");
            } else {
                // It pays a little below the published round trip, and no longer a little above.
                let [below, above] = [published - 1.5, published + 1.5].map(tpt);
                let met = below < cloud_ms && cloud_ms < above;
                assert!(met, "{decode_ms} ms, α = {acceptance}: {below} and {above} ms a token");
            }
        }
    }
}

#[test]
fn costs_best_lengths_and_critical_delays_are_the_published_ones() {
    let lengths = [1, 3, 5, 7, 10];
    // Cost is a straight line over the delay: two delays of a length give those of all others.
    let line = |length: u32| {
        let [near, far] = [0.0, 1000.0].map(|d| tpt_ms(&cost_round(length, d), 0.7, 20_000));
        move |delay_ms: f64| near + (far - near) * delay_ms / 1000.0
    };
    let lines: Vec<_> = (1..=18).map(line).collect();
    let cost = |length: u32, delay_ms: f64| lines[length as usize - 1](delay_ms);
    for (delay_ms, published, best) in [
        (5.0, [7.06, 5.92, 6.12, 6.69, 7.80], 3),
        (10.0, [12.94, 9.87, 9.52, 9.87, 10.86], 5),
        (30.0, [36.47, 25.66, 23.12, 22.60, 23.11], 7),
        (50.0, [60.00, 41.45, 36.72, 35.34, 35.35], 8),
        (100.0, [118.82, 80.93, 70.72, 67.17, 65.95], 10),
        (200.0, [236.47, 159.89, 138.72, 130.84, 127.16], 12),
        (500.0, [589.41, 396.76, 342.72, 321.85, 310.80], 14),
    ] {
        for (length, published) in lengths.into_iter().zip(published) {
            let found = cost(length, delay_ms);
            let off = 100.0 * (found / published - 1.0);
            // The printed numbers have two decimals.
            assert!(off.abs() < 0.12, "k = {length}, d = {delay_ms}: {found}, printed {published}");
        }
        let least = (1..=18).map(|k| cost(k, delay_ms)).fold(f64::INFINITY, f64::min);
        assert!(cost(best, delay_ms) / least < 1.001, "d = {delay_ms}: {best} is published");
        assert!(cost(COSTS.best_length(0.7, delay_ms), delay_ms) / least < 1.001, "by the rule");
    }
    for (acceptance, published) in
        [(0.5, 3.5), (0.6, 2.3333), (0.7, 1.6020), (0.8, 1.1094), (0.9, 0.7593)]
    {
        let formula = COSTS.critical_delay_ms(acceptance);
        assert!((formula - published).abs() < 6e-5, "{formula}, printed {published}");
        let gains = |delay_ms: f64| {
            let [one, two] = [1, 2].map(|k| tpt_ms(&cost_round(k, delay_ms), acceptance, 20_000));
            one - two
        };
        let [below, above] = [0.99 * published, 1.01 * published].map(gains);
        assert!(below < 0.0 && 0.0 < above, "α = {acceptance}: {below} and {above} ms");
    }
}

#[test]
fn a_saturated_target_serves_twice_the_edges_that_draft_for_themselves() {
    let tokens_per_s = |edges: u32, round: Round| {
        let one = setup(&round, trace(0.7, 2500, 5));
        let result = simulate(&Setup { edges, ..one });
        1e3 * f64::from(edges) / result.summary.tpt_ms
    };
    let on_edges = split(50.0, 100.0);
    // The server's pass holds the drafting.
    let on_server = Round { draft_ms: 0.0, verify_ms: 10.0, ..split(50.0, 0.0) };
    let tokens = tokens_per_round(0.7, 5);
    // Below saturation each edge has the target as if it were alone.
    for edges in [1, 2, 3] {
        let expected = 1e3 * f64::from(edges) * tokens / on_edges.ms();
        let found = tokens_per_s(edges, on_edges);
        assert!((found / expected - 1.0).abs() < 5e-3, "{edges} edges: {found}, {expected}");
    }
    let (split, colocated) = (tokens_per_s(12, on_edges), tokens_per_s(12, on_server));
    assert!((split / 58.8 - 1.0).abs() < 0.01, "{split} tokens/s");
    assert!((colocated / 29.4 - 1.0).abs() < 0.01, "{colocated} tokens/s");
    let gain = capacity_gain(5, 10.0, 50.0);
    assert!((split / colocated / gain - 1.0).abs() < 0.01, "{split} over {colocated}");
}

#[test]
fn no_serial_split_is_faster_than_both_models_on_the_server() {
    for acceptance in [0.0, 0.5, 0.9] {
        for decode_ms in [20.0, 100.0] {
            let on_server = Round { draft_ms: 0.0, verify_ms: 10.0, ..split(decode_ms, 0.0) };
            let colocated = tpt_ms(&on_server, acceptance, 1000);
            let [at_zero, near] =
                [0.0, 0.5].map(|rtt| tpt_ms(&split(decode_ms, rtt), acceptance, 1000));
            assert!((at_zero - colocated).abs() < 1e-4, "the same rounds: {at_zero} {colocated}");
            assert!(near > colocated, "a round trip costs something: {near} {colocated}");
        }
    }
}
