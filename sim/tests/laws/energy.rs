//! Energy in its three scopes, by hand: what each joule is of, and that NAVs count as they start.

use std::sync::Arc;

use pipesd_core::contract::{Output, Work};
use pipesd_core::event::Event;
use pipesd_core::seed::Seed;
use pipesd_core::summary::Energy;
use pipesd_core::time::Duration;
use pipesd_sim::energy::{self, Usage};
use pipesd_sim::link::{LinkConfig, Rate};
use pipesd_sim::profile::{EnergySpec, Profile, Sourced, Status};
use pipesd_sim::world::{Setup, run};

use crate::support;

fn given(value: f64) -> Option<Sourced<f64>> {
    Some(Sourced { value, status: Status::Assumed, source: "this test".into() })
}

/// All figures given, each with digits of its own.
fn measured() -> Profile {
    let energy = EnergySpec {
        nav_base_j: given(2.0),
        nav_per_token_j: given(0.5),
        cloud_active_w: given(100.0),
        cloud_idle_w: given(40.0),
        edge_active_w: given(20.0),
        edge_idle_w: given(3.0),
        radio_j_per_byte: given(1e-6),
    };
    Profile { energy, ..support::humaneval() }
}

fn usage() -> Usage {
    Usage {
        total: Duration::from_secs(60),
        navs: 10,
        nav_tokens: 46,
        nav_gpu: Duration::from_secs(2),
        prefill_gpu: Duration::from_millis(500),
        edges: 2,
        drafting: Duration::from_secs(30),
        uplink_bytes: 7_000_000,
    }
}

#[test]
fn the_three_scopes_are_what_a_hand_computes() {
    // NAVs 10 · 2 + 46 · .5 = 43 J, prefill .5 s · 100 W = 50 J.
    let cloud_active = 43.0 + 50.0;
    // Idle for 60 - 2 - .5 s at 40 W.
    let cloud_whole = cloud_active + 57.5 * 40.0;
    // Two edges of 3 W for 60 s, 30 s of drafting at 20 W above that, 7 MB at 1 µJ.
    let end_to_end = cloud_whole + 2.0 * 60.0 * 3.0 + 30.0 * 20.0 + 7.0;
    let Energy { cloud_active: a, cloud_whole: w, end_to_end: e } =
        energy::of(&measured(), &usage());
    for (ours, by_hand) in [(a, cloud_active), (w, cloud_whole), (e, end_to_end)] {
        let ours = ours.expect("all figures are given");
        assert!((ours - by_hand).abs() < 1e-9, "{ours} J, by hand {by_hand} J");
    }
    assert_eq!([cloud_active, cloud_whole, end_to_end], [93.0, 2393.0, 3360.0]);
}

#[test]
fn a_scope_without_one_of_its_figures_is_not_measured() {
    let without = |change: fn(&mut EnergySpec)| {
        let mut profile = measured();
        change(&mut profile.energy);
        let Energy { cloud_active, cloud_whole, end_to_end } = energy::of(&profile, &usage());
        [cloud_active, cloud_whole, end_to_end].map(|joules| joules.is_some())
    };
    assert_eq!(without(|energy| energy.nav_base_j = None), [false; 3]);
    assert_eq!(without(|energy| energy.nav_per_token_j = None), [false; 3]);
    assert_eq!(without(|energy| energy.cloud_active_w = None), [false; 3]);
    assert_eq!(without(|energy| energy.cloud_idle_w = None), [true, false, false]);
    assert_eq!(without(|energy| energy.edge_active_w = None), [true, true, false]);
    assert_eq!(without(|energy| energy.edge_idle_w = None), [true, true, false]);
    assert_eq!(without(|energy| energy.radio_j_per_byte = None), [true, true, false]);
}

/// NAVs are counted as the target starts them, whether their verdicts come to anything or not. (A
/// cloud holds a NAV until its parent is verified, so that few are started in vain.)
#[test]
fn navs_count_as_they_start() {
    let (mut started, mut answered, mut dropped_waiting) = (0, 0, 0);
    // By the paper's rule 2 a proactive round asks for verification before its parent's verdict.
    let rule2 = support::rule2(support::PIPESD);
    for (name, entry) in support::PRESETS.into_iter().chain([("rule 2", rule2.as_str())]) {
        for setup in [support::paper(support::method(entry), 520), fast(entry)] {
            let setup = Setup { edges: 2, record: true, ..setup };
            let setup = Setup { profile: Arc::new(measured()), ..setup };
            let result = run(&setup, Seed(5)).expect("a sound run");
            let recording = result.recording.expect("asked for");
            let (mut navs, mut tokens) = (0, 0);
            for (_, _, output) in &recording.outputs {
                if let Output::Start { work: Work::Verify(blocks), .. } = output {
                    navs += blocks.len() as u64;
                    tokens += blocks.iter().map(|block| block.drafts.len() as u64).sum::<u64>();
                }
            }
            assert_eq!((result.usage.navs, result.usage.nav_tokens), (navs, tokens), "{name}");
            started += navs;
            answered += result.counts.iter().map(|counts| counts.navs_answered).sum::<u64>();
            let dropped = recording.events.iter();
            dropped_waiting += dropped
                .filter(|stamped| matches!(stamped.event, Event::StaleDropped { nav: true, .. }))
                .count();
            // And into the joules: prefill and NAVs of all edges.
            let per_100 = 100.0 / result.summary.output_tokens as f64;
            let prefill_j = 100.0 * result.usage.prefill_gpu.as_secs_f64();
            let joules = 2.0 * navs as f64 + 0.5 * tokens as f64 + prefill_j;
            let ours = result.summary.energy_j_per_100_tokens.cloud_active.expect("given");
            assert!((ours - joules * per_100).abs() < 1e-9, "{name}: {ours} J");
        }
    }
    assert!(started >= answered && dropped_waiting > 0, "{started} {answered} {dropped_waiting}");
    println!(
        "{started} started, {answered} answered, {dropped_waiting} dropped before they started"
    );
}

/// Where uploads are quick, NAVs of proactive rounds reach the cloud before the verdicts that drop them.
fn fast(entry: &str) -> Setup {
    let setup = support::paper(support::method(entry), 520);
    let up = support::affine(
        Rate::Constant(2_000_000_000),
        Duration::from_micros(100),
        Duration::from_millis(20),
    );
    Setup { uplink: LinkConfig::Affine(up), ..setup }
}
