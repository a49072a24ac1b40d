//! The clairvoyant bound against the simulator: its schedule is run and takes what it says, and no
//! method is faster.

use pipesd_core::cloud::CloudConfig;
use pipesd_core::device::Device;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, as_millis};
use pipesd_sim::bound::{
    EmptyNavs, Moves, NotComputed, achieve, clairvoyant, clairvoyant_from, decoding_starts,
    unshared,
};
use pipesd_sim::link::LinkConfig;
use pipesd_sim::profile::Profile;
use pipesd_sim::world::{Setup, run};
use proptest::prelude::*;

use crate::conservation::any;
use crate::support;

const BOTH: [EmptyNavs; 2] = [EmptyNavs::Allowed, EmptyNavs::Forbidden];

/// Random setups of one edge on affine links, with any method.
fn bounded() -> impl Strategy<Value = (Setup, u64)> {
    let affine = |link: &LinkConfig| matches!(link, LinkConfig::Affine(_));
    any::setup()
        .prop_filter("affine", move |(setup, _)| affine(&setup.uplink) && affine(&setup.downlink))
        .prop_map(|(setup, seed)| (Setup { edges: 1, ..setup }, seed))
}

/// On a padded device a schedule may hold a NAV request back, lest its verdict overtakes a guess: no
/// script says so. Not where the trip of a NAV is longer than any guess.
fn may_hold_back(setup: &Setup) -> bool {
    let draft = &setup.profile.draft;
    let longest_ms = draft.step.millis_at(0.999) + draft.prompt_sd_ms * 4.0;
    let Profile { verification, overhead, .. } = &*setup.profile;
    let nav_ms = verification.base.millis_at(0.001) + overhead.millis_at(0.001);
    let trip = |link: &LinkConfig| match link {
        LinkConfig::Affine(config) => as_millis(config.startup + config.propagation),
        LinkConfig::Packet(_) => 0.0,
    };
    matches!(draft.device, Device::Padded(_))
        && trip(&setup.uplink) + nav_ms + trip(&setup.downlink) < longest_ms
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_real_edge_attains_the_bound((setup, seed) in bounded()) {
        for navs in BOTH {
            let bound = clairvoyant(&setup, Seed(seed), navs).expect("affine, one edge");
            let setup = Setup { record: true, ..setup.clone() };
            let result = achieve(&setup, Seed(seed), &bound).expect("a sound run");
            let events = result.recording.expect("asked for").events;
            let starts: Vec<_> = bound.requests.iter().map(|request| request.start).collect();
            prop_assert_eq!(result.counts[0].output, bound.output_tokens);
            if may_hold_back(&setup) {
                prop_assert!(result.counts[0].decoding >= bound.decoding);
            } else {
                prop_assert_eq!(decoding_starts(&events), starts);
                prop_assert_eq!(result.counts[0].decoding, bound.decoding);
            }
        }
    }

    #[test]
    fn no_method_beats_the_bound((setup, seed) in bounded()) {
        let setup = Setup { record: true, ..setup };
        let result = run(&setup, Seed(seed)).expect("a sound run");
        let starts = decoding_starts(&result.recording.expect("asked for").events);
        let [free, drafting] = BOTH.map(|navs| {
            clairvoyant_from(&setup, Seed(seed), navs, &starts).expect("affine, one edge")
        });
        prop_assert!(drafting.decoding <= result.counts[0].decoding);
        prop_assert!(free.decoding <= drafting.decoding);
    }
}

#[test]
fn nor_do_edges_that_share_a_cloud() {
    let moves = Moves::from(EmptyNavs::Forbidden);
    for (name, entry) in support::PRESETS {
        let alone = support::paper(support::method(entry), 260);
        let bound = clairvoyant(&alone, Seed(3), EmptyNavs::Forbidden).expect("affine").tpt_ms;
        assert_eq!(unshared(&alone, Seed(3), moves), Ok(bound), "{name}: one edge shares nothing");
        for verify_batch_max in [1, 3] {
            let cloud = CloudConfig::batching(verify_batch_max);
            let setup = Setup { edges: 3, cloud, ..alone.clone() };
            let result = run(&setup, Seed(3)).expect("a sound run");
            let bound = unshared(&setup, Seed(3), moves).expect("constant rates");
            assert!(bound < result.summary.tpt_ms, "{name}, batches of {verify_batch_max}");
        }
    }
}

#[test]
fn nor_do_the_presets_on_a_shipped_profile_and_any_device() {
    let ms = Duration::from_millis;
    let devices = [Device::REFERENCE, Device::Padded(ms(159)), Device::Slowed(ms(84))];
    for (name, entry) in support::PRESETS {
        for (seed, device) in (1..=4).flat_map(|seed| devices.map(|device| (seed, device))) {
            let setup = support::on(device, support::paper(support::method(entry), 260));
            let result = run(&setup, Seed(seed)).expect("a sound run");
            let bound = clairvoyant(&setup, Seed(seed), EmptyNavs::Forbidden).expect("affine");
            assert!(bound.decoding < result.counts[0].decoding, "{name}, seed {seed}");
            assert_eq!(bound.output_tokens, result.counts[0].output);
            let achieved = achieve(&setup, Seed(seed), &bound).expect("a sound run");
            assert_eq!(achieved.counts[0].decoding, bound.decoding, "{name}, {device:?}");
        }
    }
}

#[test]
fn a_draft_that_is_never_right_leaves_the_target_alone() {
    // Each token is one NAV: with its wrong draft, 10 + (5 + 10) + 2 + 30 + 3 ms; or empty, and the
    // request's 1.5 + 3.5 ms + 2 + 30 + 3.
    let positions: Vec<(u32, u32, f64)> = (1..=20).map(|id| (id + 50, id, 0.5)).collect();
    let setup = support::setup(
        support::method(support::VANILLA),
        support::profile(support::text(&positions)),
        20,
    );
    let decoding = |navs| clairvoyant(&setup, Seed(1), navs).expect("affine").decoding;
    assert_eq!(decoding(EmptyNavs::Forbidden), Duration::from_millis(20 * 60));
    assert_eq!(decoding(EmptyNavs::Allowed), Duration::from_millis(20 * 40));
}

#[test]
fn what_has_no_bound_says_so() {
    let setup = support::paper(support::method(support::VANILLA), 130);
    let two = Setup { edges: 2, ..setup.clone() };
    let of = |setup: &Setup| clairvoyant(setup, Seed(1), EmptyNavs::Forbidden);
    assert_eq!(of(&two).expect_err("two edges"), NotComputed::Edges(2));
    let starts = clairvoyant_from(&setup, Seed(1), EmptyNavs::Forbidden, &[]);
    let expected = NotComputed::Starts { given: 0, requests: 1 };
    assert_eq!(starts.expect_err("no starts"), expected);
    let again = [of(&setup), of(&setup)];
    assert_eq!(again[0], again[1], "the same again");
}
