//! What a configuration makes of files and flags together.

use pipesd_core::time::from_millis;
use pipesd_sim::link::{ExchangeFloor, LinkConfig, Rate};

use super::{Choice, Configuration};

fn configuration(profile: &str, scenario: &str, method: &str, sets: &[&str]) -> Configuration {
    let [profile, scenario, method] = [profile, scenario, method].map(str::to_owned);
    let sets = sets.iter().map(|&set| set.to_owned()).collect();
    Configuration::load(&Choice { profile, scenario, method, sets }).expect("a valid choice")
}

/// The floor under an exchange on the uplink; None: no affine link.
fn floor(configuration: &Configuration) -> Option<ExchangeFloor> {
    let setup = configuration.setup(130, false).expect("a valid configuration");
    let LinkConfig::Affine(down) = &setup.downlink else { return None };
    assert!(down.floor.is_none(), "an exchange is the edge's");
    let LinkConfig::Affine(up) = setup.uplink else { return None };
    Some(up.floor)
}

/// Of the profile's own stack; of one that `--set` gives.
const GIVEN: [&str; 2] = ["exchange_floor_ms=50", "exchange_floor_per_mb_ms=90"];

#[test]
fn an_exchange_has_its_floor_in_the_profiles_full_payload_reproduction() {
    for profile in ["humaneval", "gsm8k"] {
        for method in super::COMPARED {
            let own = floor(&configuration(profile, "s1-laptop", method, &[])).expect("affine");
            assert!(own.base > from_millis(25.0), "{profile}, {method}: beyond the start-up");
            assert!(own.per_megabyte > from_millis(0.0), "{profile}, {method}");
            let given = floor(&configuration(profile, "s1-laptop", method, &GIVEN));
            let expected =
                ExchangeFloor { base: from_millis(50.0), per_megabyte: from_millis(90.0) };
            assert_eq!(given, Some(expected), "{profile}, {method}");
        }
    }
}

#[test]
fn and_none_with_other_payloads_or_on_packet_links() {
    for extra in [&[][..], &GIVEN] {
        for payload in ["payload=ids", "payload=lazy", "payload=top_k"] {
            let mut sets = vec![payload];
            sets.extend(extra);
            if payload.ends_with("top_k") {
                sets.push("top_k=4");
            }
            let without = floor(&configuration("humaneval", "s1-laptop", "vanilla", &sets));
            assert_eq!(without, Some(ExchangeFloor::NONE), "{sets:?}");
        }
        let mut sets = vec!["link=packet"];
        sets.extend(extra);
        let packets = configuration("humaneval", "s1-laptop", "vanilla", &sets);
        let setup = packets.setup(130, false).expect("a valid configuration");
        let off = ["link=packet", "exchange_floor_ms=0", "exchange_floor_per_mb_ms=0"];
        let off = configuration("humaneval", "s1-laptop", "vanilla", &off);
        assert_eq!(setup.uplink, off.setup(130, false).expect("valid").uplink, "{sets:?}");
    }
    let small = floor(&configuration("small", "s1-laptop", "vanilla", &[]));
    assert_eq!(small, Some(ExchangeFloor::NONE), "a profile without a stack of its own");
}

#[test]
fn nor_in_live_runs_and_what_is_held_against_them() {
    for sets in [&[][..], &GIVEN] {
        let live = configuration("humaneval", "s1-laptop", "vanilla", sets).for_live_run();
        assert_eq!(floor(&live), Some(ExchangeFloor::NONE), "{sets:?}");
        let more = live.with(&["uplink_mbps=80".to_owned()]).expect("a valid setting");
        assert_eq!(floor(&more), Some(ExchangeFloor::NONE), "{sets:?}");
    }
}

/// The uplink's rate.
fn uplink(profile: &str, scenario: &str, sets: &[&str]) -> Rate {
    let setup = configuration(profile, scenario, "vanilla", sets).setup(130, false);
    setup.expect("a valid configuration").uplink.rate().clone()
}

#[test]
fn s4_has_one_rate_for_each_prompt_with_a_mean_for_each_dataset() {
    let ladder = uplink("small", "s4-dynamic", &[]);
    let Rate::PerRequest { rates, random_first: true, .. } = &ladder else { panic!("{ladder:?}") };
    let script: Vec<u64> = (3..=12).map(|half| half * 8_000_000 / 2).collect();
    assert_eq!(*rates, script, "1.5, 2.0, ... 6.0 MB/s");
    // HumanEval's Vanilla cell asks for the script's own mean within 2 %, GSM8K's for a lower one.
    for (profile, factors) in [("humaneval", 0.98..1.02), ("gsm8k", 0.7..0.98)] {
        let fitted = uplink(profile, "s4-dynamic", &[]);
        let factor = fitted.mean() / ladder.mean();
        assert!(factors.contains(&factor), "{profile}: {factor}");
        for (own, script) in fitted.rates().iter().zip(ladder.rates()) {
            assert!((*own as f64 / *script as f64 - factor).abs() < 1e-6, "the same shape");
        }
    }
}

#[test]
fn what_sets_the_rate_takes_the_place_of_the_scenarios() {
    for profile in ["humaneval", "gsm8k"] {
        for scenario in ["s1-laptop", "s4-dynamic", "s4-every-20s"] {
            let of = |sets: &[&str]| uplink(profile, scenario, sets);
            assert_eq!(of(&["uplink_mbps=40"]), Rate::Constant(40_000_000), "{scenario}");
            let mean = of(&["uplink_mean_mbps=15"]);
            assert!((mean.mean() - 15e6).abs() < 1.0, "{scenario}: {mean:?}");
            let (own, scaled) = (of(&[]), mean.rates());
            let factor = 15e6 / own.mean();
            assert_eq!(own.rates().len(), scaled.len());
            for (own, scaled) in own.rates().iter().zip(scaled) {
                assert!((*own as f64 * factor - *scaled as f64).abs() <= 0.5, "{scenario}");
            }
        }
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../traces/scenarios/s4-bandwidth.csv");
        let trace = format!("bandwidth_trace={file}");
        let [own, given] = [("s4-every-20s", vec![]), ("s4-dynamic", vec![trace.as_str()])]
            .map(|(scenario, sets)| uplink(profile, scenario, &sets));
        assert!(matches!(own, Rate::Trace { random_offset: true, .. }));
        assert_eq!(own, given, "as the paper's text has it");
    }
}
