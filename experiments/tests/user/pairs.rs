//! What is measured on a pair of models: losslessness, deployments, thresholds. First on tables, which are
//! tiny and random; then losslessness on the pair that ships, a tenth of what `--lossless` is by default.

use serde_json::Value;

use crate::models::pair;
use crate::support::{refuses, stdout, text};

fn document(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(arguments)).expect("one document")
}

/// A link that takes no time worth mentioning.
const QUICK: [&str; 6] =
    ["--set", "startup_ms=1", "--set", "propagation_ms=1", "--set", "uplink_mbps=1000"];

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn every_way_to_deploy_a_pair_is_a_row() {
    let (folder, file) = pair("pairs-modes");
    let out = folder.join("modes");
    let models = ["--backend", "models", "--pair", &file, "--requests", "3"];
    let modes = [&["testbed", "--modes", "--json", "--out", text(&out)], &models[..], &QUICK];
    let modes = modes.concat();
    let ways = document(&modes);
    let names: Vec<&str> =
        ways.as_array().expect("rows").iter().filter_map(|way| way["name"].as_str()).collect();
    let wanted = ["vanilla", "hsl", "edgellm", "pipesd", "serial", "cloud-only", "edge-only"];
    assert_eq!(names, wanted);
    for way in ways.as_array().expect("rows") {
        assert!(number(&way["tpt_ms"]) > 0.0, "{way}");
    }
    // All decode the same texts, and nothing takes as long as a network.
    let tokens = |way: &Value| number(&way["summary"]["output_tokens"]);
    assert_eq!(tokens(&ways[0]), tokens(&ways[4]));
    assert!(number(&ways[6]["tpt_ms"]) < number(&ways[4]["tpt_ms"]), "{ways}");
    // The runs are kept: what is told of them is the same.
    let again = document(&modes);
    assert_eq!(again[0], ways[0]);
    assert_eq!(again[4], ways[4]);
    refuses(&["testbed", "--modes"], &["--modes: it is of models"]);
}

#[test]
fn thresholds_are_found_live_and_held_against_a_grid() {
    let (folder, file) = pair("pairs-tune");
    let out = folder.join("tune");
    let models = ["--backend", "models", "--pair", &file, "--requests", "2"];
    let tune = ["tune", "--live", "--json", "--evaluations", "3", "--against-grid", "2"];
    let tune = [&tune[..], &["--out", text(&out), "--set", "token_threshold=0.5"], &models, &QUICK];
    let tune = tune.concat();
    let found = document(&tune);
    assert_eq!(found["keys"], serde_json::json!(["sequence_threshold"]));
    let recommendations = found["recommendations"].as_array().expect("recommendations");
    let tried: Vec<u64> =
        recommendations.iter().filter_map(|one| one["evaluations"].as_u64()).collect();
    assert_eq!(tried, [0, 3, 2, 64]);
    for one in recommendations {
        assert_eq!(one["runs_ms"].as_array().map(Vec::len), Some(3), "{one}");
        assert!(number(&one["tpt_ms"]) > 0.0 && number(&one["thresholds"][0]) < 1.0, "{one}");
    }
    // What was decoded is not decoded again.
    assert_eq!(document(&tune), found);
    refuses(&["tune", "--pair", "small"], &["--pair: it is of live runs: add --live"]);
    refuses(&["tune", "--live", "--compare"], &["--live", "--compare"]);
    refuses(&["tune", "--out", "x"], &["--live"]);
}

#[test]
fn all_that_tables_decode_is_their_targets_own() {
    let (_, file) = pair("pairs-lossless");
    let lossless = ["testbed", "--lossless", "--json", "--backend", "models", "--pair", &file];
    let outcome = document(&[&lossless[..], &["--requests", "3"], &QUICK].concat());
    assert_whole(&outcome, 3);
}

/// 4 methods × 7 settings in virtual time, 4 over QUIC, 16 over emulated links.
fn assert_whole(outcome: &Value, prompts: u64) {
    let runs = outcome["runs"].as_array().expect("runs");
    let of = |stage: &str| runs.iter().filter(|run| run["stage"] == stage).collect::<Vec<_>>();
    assert_eq!((of("virtual time").len(), of("quic").len(), of("emulated").len()), (28, 4, 16));
    for run in of("virtual time").into_iter().chain(of("quic")) {
        assert_eq!(run["prompts"].as_u64(), Some(prompts), "{run}");
        assert_eq!(run["tokens"], runs[0]["tokens"], "{run}");
    }
    assert_eq!(runs.iter().filter_map(|run| run["ties"].as_u64()).sum::<u64>(), 0, "{outcome}");
}

#[test]
fn all_that_the_shipped_pair_decodes_is_its_targets_own() {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    let lossless = ["testbed", "--lossless", "--json", "--backend", "models", "--pair", "small"];
    let outcome = document(&[&lossless[..], &["--models", models, "--requests", "20"]].concat());
    assert_whole(&outcome, 20);
    // Exact match is the target's: over a half of such tasks.
    let (right, checked) = (&outcome["right"], &outcome["checked"]);
    assert_eq!(checked.as_u64(), Some(20));
    assert!(right.as_u64() >= Some(8), "{right} of {checked}");
}
