//! Everything goes wrong, and every text is right.

use serde_json::Value;

use crate::support::{pipesd, refuses, stdout};

/// Runs in virtual time, the canaries' included.
const RUNS: &str = "10000";

#[test]
fn ten_thousand_runs_by_chance_commit_the_right_text_and_their_saboteurs_are_caught() {
    let report = stdout(&["chaos", "--runs", RUNS, "--json"]);
    let report: Value = serde_json::from_str(&report).expect("one document");
    assert_eq!(report["runs"], 10_000);
    let count = |value: &Value| value.as_u64().expect("a count");
    assert_eq!(count(&report["complete"]) + count(&report["given_up"]), 10_000);
    // Everything has happened, and often.
    for outage in ["links_lost", "denied", "resumed", "alone"] {
        assert!(count(&report["outages"][outage]) > 1000, "{outage}: {report}");
    }
    assert!(count(&report["given_up"]) > 10, "{report}");
    for canary in ["accept-one-too-many", "keep-stale-round", "deliver-early", "extra-off-by-one"] {
        let caught = stdout(&["chaos", "--runs", RUNS, "--canary", canary, "--json"]);
        let caught: Value = serde_json::from_str(&caught).expect("one document");
        assert!(count(&caught["caught"]) > 1000, "{caught}");
    }
}

#[test]
fn a_seed_is_one_run_that_can_be_looked_at() {
    let log = stdout(&["chaos", "--seed", "5", "--runs", "1", "--log"]);
    assert_eq!(log, stdout(&["chaos", "--seed", "5", "--runs", "1", "--log"]));
    assert!(log.lines().any(|line| line.contains("edge 0  commits #0")), "{log}");
    // What is asked of the simulator is asked in the same words.
    let faults = ["--set", "faults=random:3", "--seeds", "1", "--tokens", "260", "--json"];
    let faults = stdout(&[&["simulate"], &faults[..]].concat());
    let calm = stdout(&["simulate", "--seeds", "1", "--tokens", "260", "--json"]);
    let tpt = |text: &str| {
        let document: Value = serde_json::from_str(text).expect("one document");
        document["tpt_ms"]["mean"].as_f64().expect("a number")
    };
    assert!(tpt(&faults) > tpt(&calm), "{} {}", tpt(&faults), tpt(&calm));
}

#[test]
fn bad_plans_and_saboteurs_are_refused() {
    refuses(&["chaos", "--canary", "cat"], &["--canary cat", "deliver-early"]);
    refuses(&["simulate", "--set", "faults=random:x"], &["random:x", "whole number"]);
    refuses(&["simulate", "--set", "faults=/nowhere.toml"], &["/nowhere.toml", "cannot be read"]);
    refuses(&["simulate", "--set", "offline=perhaps"], &["offline=perhaps"]);
    assert!(!pipesd(&["chaos", "--runs", "2", "--log"]).status.success());
}
