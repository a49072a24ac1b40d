//! Recorded texts on the command line: exported, simulated, inspected, checked.

use serde_json::Value;

use crate::support::{folder, pipesd, refuses, stdout, text, write};

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(arguments)).expect("one JSON document")
}

#[test]
fn a_folder_with_an_exported_trace_simulates_to_the_figures_of_its_profile() {
    let folder = folder("recording");
    let recording = folder.join("gsm8k");
    for scenario in ["s1-laptop", "s3-iot", "phone"] {
        let export = ["trace", "export", "--profile", "gsm8k", "--scenario", scenario];
        let size = ["--seed", "5", "--requests", "3", "--out", text(&recording)];
        assert_eq!(stdout(&[&export[..], &size[..]].concat()), "", "results are in files");
        for method in ["vanilla", "edgellm", "pipesd"] {
            let simulate = |profile: &str| {
                let run = ["simulate", "--scenario", scenario, "--method", method, "--json"];
                let size = ["--profile", profile, "--seed", "5", "--seeds", "1", "--tokens", "390"];
                let mut document = json(&[&run[..], &size[..]].concat());
                let fields = document.as_object_mut().expect("a document");
                fields.remove("command").expect("a command");
                document
            };
            assert_eq!(simulate(text(&recording)), simulate("gsm8k"), "{method} in {scenario}");
        }
    }
}

#[test]
fn the_times_of_a_trace_are_not_set_from_outside() {
    let folder = folder("timed");
    stdout(&["trace", "export", "--requests", "1", "--out", text(&folder)]);
    for set in ["draft_ms=3", "draft_sd_ms=1", "verify_base_ms=3", "verify_per_token_ms=1"] {
        let arguments = ["simulate", "--profile", text(&folder), "--set", set];
        refuses(&arguments, &[set, "trace", "its own times"]);
    }
    refuses(
        &["trace", "export", "--profile", text(&folder), "--out", "never.json"],
        &["--profile", "is a trace already"],
    );
}

#[test]
fn inspect_counts_what_is_in_a_trace() {
    let folder = folder("inspected");
    let content = r#"{"format": "pipesd-trace-1", "source": "a test", "texts": [{
        "prompt_tokens": 5, "stop_ids": [0],
        "positions": [[7, 7, 0.99], [8, 9, 0.6], [4, 4, 0.97], [0, 0, 0.95]],
        "rollouts": {"1": [[3, 0.5], [3, 0.9], [3, 0.9]]}}]}"#;
    let path = write(&folder, "trace.json", content);
    let contents = json(&["trace", "inspect", &path, "--json"]);
    assert_eq!((&contents["texts"], &contents["tokens"]), (&1.into(), &4.into()));
    assert_eq!((&contents["mismatches"], &contents["acceptance"]), (&1.into(), &0.75.into()));
    assert_eq!(contents["confidence_quantiles"][0], 0.6);
    assert_eq!(contents["rollout_steps"]["mean"], 3.0);
    assert_eq!(contents["timing"], Value::Null);
    assert!(stdout(&["trace", "inspect", &path]).contains("1 mismatches, acceptance 0.7500"));
    assert!(stdout(&["trace", "check", &path]).contains("a valid trace of 1 texts, 4 tokens"));

    let timed = folder.join("timed.json");
    let export = ["trace", "export", "--requests", "2", "--set", "output_tokens=40"];
    stdout(&[&export[..], &["--out", text(&timed)]].concat());
    let contents = json(&["trace", "inspect", text(&timed), "--json"]);
    assert_eq!((&contents["texts"], &contents["tokens"]), (&2.into(), &80.into()));
    assert_eq!(contents["timing"]["verify_per_token_ms"], 0.24);
    assert_eq!(contents["rollout_steps"]["min"], 64.0);
    let step_ms = contents["timing"]["draft_step_ms"]["mean"].as_f64().expect("a mean");
    assert!((40.0..50.0).contains(&step_ms), "{step_ms}");
    assert!(stdout(&["trace", "inspect", text(&timed)]).contains("draft step (ms)"));
}

#[test]
fn a_trace_that_cannot_be_played_is_refused_by_file_and_position() {
    let folder = folder("unplayable");
    let path = folder.join("trace.json");
    let export = ["trace", "export", "--requests", "2", "--set", "output_tokens=20"];
    stdout(&[&export[..], &["--out", text(&path)]].concat());
    let sound: Value =
        serde_json::from_str(&std::fs::read_to_string(&path).expect("written")).expect("JSON");
    let broken = |change: fn(&mut Value), words: &[&str]| {
        let mut trace = sound.clone();
        change(&mut trace);
        let path = write(&folder, "broken.json", &trace.to_string());
        refuses(&["trace", "check", &path], &[&["broken.json"], words].concat());
    };
    broken(
        |t| t["texts"][1]["positions"][3][2] = 1.5.into(),
        &["text 1, position 3", "confidence"],
    );
    broken(|t| t["texts"][1]["rollouts"] = Value::Object(<_>::default()), &["text 1", "rollout"]);
    broken(
        |t| t["texts"][0]["timing"]["bases_ms"][7] = (-1).into(),
        &["text 0, position 7", "time"],
    );
    broken(|t| drop(t.as_object_mut().expect("a trace").remove("timing")), &["text 0", "`timing`"]);
    broken(|t| t["texts"][0]["speed"] = 1.into(), &["unknown field `speed`"]);
    broken(|t| t["format"] = "pipesd-trace-9".into(), &["pipesd-trace-9", "pipesd-trace-2"]);
    broken(|t| t["timing"]["device_added_ms"] = 1.into(), &["device_added_ms", "pipesd-trace-1"]);
    refuses(&["trace", "check", "nowhere.json"], &["nowhere.json", "cannot be read"]);
    assert!(pipesd(&["trace", "check", text(&path)]).status.success());
}
