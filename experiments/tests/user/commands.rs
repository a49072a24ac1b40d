//! Commands, files and settings: exit codes, messages, bytes on stdout.

use crate::support::{folder, refuses, stdout, write};

#[test]
fn bad_settings_are_refused_by_flag() {
    for (setting, words) in [
        ("threshold=0.9", &["threshold=0.9", "sequence_threshold", "token_threshold"][..]),
        ("sequence_threshold", &["KEY=VALUE"]),
        ("sequence_threshold=1.5", &["sequence_threshold=1.5", "between 0 and 1"]),
        ("sequence_threshold=0", &["between 0 and 1"]),
        ("token_threshold=nan", &["token_threshold=nan", "between 0 and 1"]),
        ("token_threshold=high", &["token_threshold=high"]),
        ("trigger=tripel", &["tripel", "dual"]),
        ("upload=fast", &["fast", "work_conserving"]),
        ("payload=zip", &["zip", "ids"]),
        ("verification=trust", &["trust", "match"]),
        ("drafting=greedy", &["greedy", "argmax", "sampled", "coupled"]),
        ("uplink_mbps=0", &["uplink_mbps=0", "out of range"]),
        ("uplink_mbps=-3", &["uplink_mbps=-3", "out of range"]),
        ("uplink_mbps=nan", &["uplink_mbps=nan", "number"]),
        ("uplink_mbps=20 # hi", &["uplink_mbps=20 # hi", "number"]),
        ("overhead_ms=1e17", &["overhead_ms=1e17", "1000000 ms"]),
        ("vocabulary=2", &["vocabulary=2", "out of range"]),
        ("trigger=fixed_length", &["trigger=fixed_length", "draft_length", "missing"]),
        ("uplink_mbps=inf", &["uplink_mbps=inf", "out of range"]),
        ("draft_ms=-1", &["draft_ms=-1", "out of range"]),
        ("draft_ms=slow", &["draft_ms=slow", "number"]),
        ("window=0", &["window=0", "1 to 4096"]),
        ("window=1000000", &["window=1000000", "1 to 4096"]),
        ("window=-1", &["window=-1"]),
        ("edges=0", &["edges=0", "1 to 4096"]),
        ("prompt_share=1.5", &["prompt_share=1.5", "0 to 1"]),
        ("slow_correlation=1", &["slow_correlation=1", "between -1 and 1"]),
        ("added_draft_ms=-1", &["added_draft_ms=-1", "0 to 60000"]),
        ("padded_draft_ms=60001", &["padded_draft_ms=60001", "0 to 60000"]),
        ("downlink_queue_kb=64", &["downlink_queue_kb=64", "packet"]),
        ("cloud_idle_w=-1", &["cloud_idle_w=-1", "out of range"]),
        ("bandwidth_trace=no/such.csv", &["no/such.csv", "cannot be read"]),
        ("loss=0.1", &["loss=0.1", "packet"]),
        ("abortable=maybe", &["abortable=maybe", "true or false"]),
        // Contradictory axes: keys that the chosen axes have no use for.
        ("draft_length=4", &["draft_length=4", "fixed_length"]),
        ("batch_size=4", &["batch_size=4", "fixed_batch"]),
        ("decay=0.5", &["decay=0.5", "adaptive_sequence"]),
        ("top_k=4", &["top_k=4", "payload"]),
        ("waiting_depth=99", &["waiting_depth=99", "1 to 8"]),
        ("waiting_depth=0", &["waiting_depth=0", "1 to 8"]),
        ("tuning=maybe", &["tuning=maybe", "off, paper or bayes"]),
        ("tuning_tokens=40", &["tuning_tokens=40", "tuning = paper or bayes"]),
        ("tuning_evaluations=0", &["tuning_evaluations=0", "1 to 256"]),
        ("tuning_share=2", &["tuning_share=2", "0 to 1"]),
        ("tuning_floor=1", &["tuning_floor=1", "0.99"]),
        ("fit_ms=-1", &["fit_ms=-1", "out of range"]),
    ] {
        refuses(&["simulate", "--set", setting], words);
    }
    refuses(
        &["simulate", "--method", "vanilla", "--set", "waiting_depth=1"],
        &["waiting_depth=1", "draft_and_upload"],
    );
    for method in ["vanilla", "edgellm"] {
        refuses(
            &["simulate", "--method", method, "--set", "tuning=bayes"],
            &["tuning=bayes", "no constant threshold", "dual"],
        );
    }
    let twice = ["simulate", "--set", "loss=0.1", "--set", "link=packet", "--set", "loss=0.2"];
    refuses(&twice, &["--set loss=0.2", "twice"]);
    let crowd = ["simulate", "--set", "edges=4096", "--set", "prompt_tokens=1000000"];
    refuses(&crowd, &["edges=4096", "10000000 at most"]);
    refuses(&["tune", "--set", "tuning=paper"], &["tuning", "pipesd tune"]);
    refuses(&["simulate", "--set", "link=packet", "--set", "loss=0.9"], &["loss=0.9", "0 to 0.5"]);
}

#[test]
fn bad_flags_are_refused() {
    refuses(&["simulate", "--profile", "mmlu"], &["mmlu", "humaneval", "gsm8k"]);
    refuses(&["simulate", "--scenario", "s9"], &["s9", "s1-laptop"]);
    refuses(&["simulate", "--method", "magic"], &["magic", "pipesd", "vanilla"]);
    refuses(&["simulate", "--seeds", "0"], &["--seeds"]);
    refuses(&["simulate", "--tokens", "0"], &["--tokens"]);
    refuses(&["simulate", "--jobs", "0"], &["--jobs"]);
    refuses(&["simulate", "--seed", "18446744073709551615"], &["--seed"]);
    refuses(&["reproduce", "table99"], &["table99", "table1"]);
    refuses(&["plan", "--tokens", "0"], &["--tokens 0", "1 to 4096"]);
    refuses(&["plan", "--tokens", "1000000"], &["--tokens 1000000", "1 to 4096"]);
    refuses(&["plan", "--draft-ms", "NaN"], &["--draft-ms NaN"]);
    refuses(&["plan", "--startup-ms", "-1"], &["--startup-ms -1"]);
    refuses(&["simulate", "--timeline", "x.svg", "--timeline-from", "-1"], &["--timeline-from -1"]);
    refuses(&["plan", "--per-token-ms", "1e30"], &["--per-token-ms"]);
    refuses(&["fly"], &["fly"]);
}

#[test]
fn bad_files_are_refused_by_file_and_line() {
    let folder = folder("bad-files");
    let scenario = include_str!("../../../traces/scenarios/s4-every-20s.toml");
    let bandwidth = include_str!("../../../traces/scenarios/s4-bandwidth.csv");
    let profile = include_str!("../../../traces/profiles/humaneval.toml");
    let at = |name: &str, content: &str| write(&folder, name, content);

    refuses(&["simulate", "--scenario", "no/such.toml"], &["no/such.toml", "cannot be read"]);
    refuses(&["simulate", "--profile", "no/such.toml"], &["no/such.toml", "cannot be read"]);
    refuses(&["simulate", "--method", "no/such.toml"], &["no/such.toml", "cannot be read"]);

    // A bandwidth trace that is missing, cut short, or has a rate of zero.
    let lone = at("lone.toml", &scenario.replace("s4-bandwidth.csv", "missing.csv"));
    refuses(&["simulate", "--scenario", &lone], &["lone.toml", "missing.csv", "cannot be read"]);
    let half = &bandwidth[..bandwidth.len() * 2 / 3];
    at("half.csv", &half[..=half.rfind('\n').expect("lines")]);
    let cut = at("cut.toml", &scenario.replace("s4-bandwidth.csv", "half.csv"));
    refuses(&["simulate", "--scenario", &cut], &["half.csv", "48 rows promised", "truncated"]);
    at("zero.csv", &bandwidth.replace("\n20,10,", "\n20,0,"));
    let zero = at("zero.toml", &scenario.replace("s4-bandwidth.csv", "zero.csv"));
    refuses(&["simulate", "--scenario", &zero], &["zero.csv", "line 9", "out of range"]);

    // Rates of requests that are none, and two rules of one rate.
    let ladder = include_str!("../../../traces/scenarios/s4-dynamic.toml");
    let zero = at("zero-rate.toml", &ladder.replace("[12.0,", "[0.0,"));
    refuses(
        &["simulate", "--scenario", &zero],
        &["zero-rate.toml", "`request_rates_mbps`", "0.001"],
    );
    let rate = "rate_mbps = { value = 20.0, status = \"assumed\", source = \"a test\" }";
    let both = at("both.toml", &ladder.replacen("[uplink]", &format!("[uplink]\n{rate}"), 1));
    refuses(&["simulate", "--scenario", &both], &["both.toml", "uplink", "one of `rate_mbps`"]);

    // An unknown key and a wrong type name their line.
    let unknown = at("unknown.toml", &scenario.replace("[uplink]", "[uplink]\nspeed = 3"));
    refuses(&["simulate", "--scenario", &unknown], &["unknown.toml", "line 9", "speed"]);
    let typed = at("typed.toml", &profile.replace("mean = 44.3", "mean = \"fast\""));
    refuses(&["simulate", "--profile", &typed], &["typed.toml", "line", "fast"]);
    let cut = at("cut-profile.toml", &profile[..profile.len() / 2]);
    refuses(&["simulate", "--profile", &cut], &["cut-profile.toml", "line"]);
    let nav = "nav_base_j = { value = 1.56";
    let energy = at("energy.toml", &profile.replace(nav, "nav_base_j = { value = -inf"));
    refuses(&["simulate", "--profile", &energy], &["energy.toml", "nav_base_j", "out of range"]);
    let slow = at("slow.toml", &profile.replace("mean = 55.1", "mean = 1e300"));
    refuses(&["simulate", "--profile", &slow], &["slow.toml", "overhead_ms", "1000000 ms"]);
    let negative = at("negative.toml", &profile.replace("mean = 44.3", "mean = -44.3"));
    refuses(&["simulate", "--profile", &negative], &["negative.toml", "draft.step_ms", "-44.3"]);

    // A method file with an unknown key, an unknown base, a threshold out of range.
    let method = "trigger = \"dual\"\nsequence_threshold = 0.9\ntoken_threshold = 0.9\n\
                  upload = \"dp\"\nwaiting = \"idle\"\nverification = \"match\"\npayload = \"ids\"\n";
    let good = at("good.toml", method);
    stdout(&["simulate", "--method", &good, "--seeds", "1"]);
    let unknown = at("unknown-key.toml", &format!("{method}speed = 3\n"));
    refuses(&["simulate", "--method", &unknown], &["unknown-key.toml", "speed", "trigger"]);
    let range = at("range.toml", &method.replace("= 0.9", "= 9"));
    refuses(&["simulate", "--method", &range], &["range.toml", "line 2", "between 0 and 1"]);
    let idle = format!("{method}waiting_depth = 3\n");
    let contradictory = at("contradictory.toml", &idle);
    refuses(&["simulate", "--method", &contradictory], &["contradictory.toml", "waiting_depth"]);
    let slip = at("slip.toml", "base = \"pipesd\"\n[for.gsm8k]\nspeed = 3\n");
    refuses(&["simulate", "--method", &slip], &["slip.toml", "for.gsm8k", "speed"]);
    let list = at("list.toml", "base = \"pipesd\"\nfor = 3\n");
    refuses(&["simulate", "--method", &list], &["list.toml", "`for`", "table"]);
    let base = at("base.toml", "base = \"hal\"\n");
    refuses(&["simulate", "--method", &base], &["base.toml", "hal", "pipesd"]);
}

#[test]
fn token_traces_are_read_and_bad_ones_refused() {
    let folder = folder("traces");
    let profile = include_str!("../../../traces/profiles/humaneval.toml");
    // The profile with its process taken out and a trace put in.
    let start = profile.find("[text]").expect("a text table");
    let end = profile.find("[draft]").expect("a draft table");
    let with_trace = format!("trace = \"trace.json\"\n{}", &profile[end..]);
    let head = profile[..start].lines().filter(|line| !line.starts_with('#'));
    let profile = format!("{}\n{with_trace}", head.collect::<Vec<_>>().join("\n"));
    let path = write(&folder, "traced.toml", &profile);
    let trace = r#"{"format": "pipesd-trace-1", "source": "a test", "texts": [{
        "prompt_tokens": 5, "stop_ids": [0],
        "positions": [[7, 7, 0.99], [8, 9, 0.6], [4, 4, 0.97], [0, 0, 0.99]],
        "rollouts": {"1": [[3, 0.5], [3, 0.9], [3, 0.9]]}}]}"#;

    write(&folder, "trace.json", trace);
    let arguments = ["simulate", "--profile", &path, "--seeds", "2", "--tokens", "4", "--json"];
    let summary: serde_json::Value = serde_json::from_str(&stdout(&arguments)).expect("JSON");
    assert_eq!(summary["output_tokens"], 4.0);

    let set = [&arguments[..], &["--set", "output_tokens=9"]].concat();
    refuses(&set, &["output_tokens=9", "trace"]);

    // It holds token ids, and of argmax drafts: no distributions.
    for setting in ["verification=rejection", "drafting=sampled", "drafting=coupled"] {
        let set = [&arguments[..], &["--set", setting]].concat();
        refuses(&set, &[setting, "trace", "distributions"]);
    }
    stdout(&[&arguments[..], &["--set", "payload=ids", "--set", "drafting=argmax"]].concat());

    write(&folder, "trace.json", &trace[..trace.len() / 2]);
    refuses(&arguments, &["trace.json", "not a whole trace"]);
    write(&folder, "trace.json", &trace.replace("\"1\"", "\"2\""));
    refuses(&arguments, &["trace.json", "position 1", "no rollout"]);
    write(&folder, "trace.json", &trace.replace("0.97", "1.97"));
    refuses(&arguments, &["trace.json", "position 2", "between 0 and 1"]);
    std::fs::remove_file(folder.join("trace.json")).expect("a file of the test");
    refuses(&arguments, &["traced.toml", "trace.json", "cannot be read"]);
}

#[test]
fn what_token_ids_do_not_decide_is_modelled_and_says_so() {
    let run = |settings: &[&str], last: &[&str]| {
        let sets = settings.iter().flat_map(|setting| ["--set", *setting]);
        let arguments = ["simulate", "--seeds", "1", "--tokens", "200"].into_iter().chain(sets);
        stdout(&arguments.chain(last.iter().copied()).collect::<Vec<_>>())
    };
    let document = |settings: &[&str]| -> serde_json::Value {
        serde_json::from_str(&run(settings, &["--json"])).expect("JSON")
    };
    for settings in [&["verification=rejection"][..], &["drafting=sampled"], &["drafting=coupled"]]
    {
        let modelled = document(settings);
        assert_eq!(modelled["modelled"], true, "{settings:?}");
        let (key, value) = settings[0].split_once('=').expect("a setting");
        assert_eq!(modelled["settings"][key], value);
        let head = run(settings, &[]);
        let head = head.lines().next().expect("a head");
        assert!(head.contains("modelled"), "{head}");
    }
    for settings in [&[][..], &["payload=top_k"], &["drafting=argmax", "payload=lazy"]] {
        assert!(document(settings).get("modelled").is_none(), "{settings:?}");
        assert!(!run(settings, &[]).contains("modelled"));
    }
}

#[test]
fn a_summary_has_the_fields_of_the_design_and_can_be_run_again() {
    let arguments = [
        "simulate",
        "--profile",
        "humaneval",
        "--scenario",
        "s1-laptop",
        "--method",
        "pipesd",
        "--set",
        "sequence_threshold=0.9",
        "--set",
        "token_threshold=0.6",
        "--seeds",
        "3",
        "--json",
    ];
    let text = stdout(&arguments);
    let summary: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for figure in ["tpt_ms", "tpt_accepted_ms", "ttft_ms"] {
        assert!(summary[figure]["mean"].as_f64().expect("a mean") > 0.0, "{figure}");
        assert!(summary[figure]["sd"].is_number() && summary[figure]["ci95"][1].is_number());
    }
    for figure in [
        "output_tokens",
        "draft_length_mean",
        "acceptance_rate",
        "nav_frequency",
        "rollback_rate",
        "discarded_tokens",
        "uplink_bytes_per_token",
    ] {
        assert!(summary[figure].is_number(), "{figure}");
    }
    let energy = &summary["energy_j_per_100_tokens"];
    assert!(energy["cloud_active"].is_number());
    assert_eq!(energy["cloud_whole"], "not measured");
    assert_eq!(summary["settings"]["token_threshold"], 0.6);
    // The printed command gives the same document.
    let command = summary["command"].as_str().expect("a command");
    let words: Vec<&str> = command.split_whitespace().skip(1).chain(["--json"]).collect();
    assert_eq!(stdout(&words), text);
}

#[test]
fn any_payload_and_environment_runs_and_its_effect_has_the_right_sign() {
    let tpt = |sets: &[&str]| {
        let mut arguments = vec!["simulate", "--seeds", "3", "--tokens", "400", "--json"];
        sets.iter().for_each(|set| arguments.extend(["--set", set]));
        let summary: serde_json::Value = serde_json::from_str(&stdout(&arguments)).expect("JSON");
        summary["tpt_ms"]["mean"].as_f64().expect("a mean")
    };
    let full = tpt(&[]);
    for payload in ["payload=lazy", "payload=top_k", "payload=ids"] {
        assert!(tpt(&[payload]) < 0.7 * full, "{payload}");
    }
    assert!(tpt(&["uplink_mbps=80"]) < 0.8 * full && tpt(&["uplink_mbps=10"]) > 1.3 * full);
    assert!(tpt(&["draft_ms=150"]) > 1.2 * full);
    assert!(tpt(&["overhead_ms=300"]) > 1.1 * full);
    let packets = ["link=packet", "loss=0.05", "jitter_ms=20"];
    assert!(tpt(&packets) > tpt(&packets[..1]));
}

/// Extremes that are allowed run to their end: no figure is made up where there is none.
#[test]
fn extremes_run() {
    let run = |sets: &[&str], flags: &[&str]| {
        let mut arguments = vec!["simulate", "--json"];
        arguments.extend(flags);
        sets.iter().for_each(|set| arguments.extend(["--set", set]));
        serde_json::from_str::<serde_json::Value>(&stdout(&arguments)).expect("JSON")
    };
    let short = ["--seeds", "2", "--tokens", "1"];
    // Nothing is accepted in some run: there is no time per accepted token.
    let one = run(&["output_tokens=1"], &["--seeds", "40", "--tokens", "1"]);
    assert!(one["tpt_accepted_ms"].is_null(), "{one}");
    // One run has no spread.
    let single = run(&[], &["--seeds", "1", "--tokens", "1"]);
    assert!(single["tpt_ms"]["sd"].is_null() && single["tpt_ms"]["mean"].is_number());
    // Prefill costs energy by its time, NAVs by their number: the GPU's base time is no divisor.
    let energy = |sets: &[&str]| {
        let summary = run(sets, &short);
        summary["energy_j_per_100_tokens"]["cloud_active"].as_f64().expect("measured")
    };
    assert_eq!(energy(&["verify_base_ms=0"]), energy(&[]));
    // A round longer than the greatest window fires there.
    let sets =
        ["sequence_threshold=1e-300", "token_threshold=1e-12", "output_tokens=9000", "payload=ids"];
    let long = run(&sets, &["--seeds", "1", "--tokens", "9000"]);
    assert_eq!(long["output_tokens"], 9000.0);
    for sets in [
        &["uplink_mbps=0.01"][..],
        &["uplink_mbps=1000000"],
        &["draft_ms=0"],
        &["edges=8"],
        &["edges=3", "verify_batch=3"],
        &["window=4096"],
        &["waiting_depth=8"],
        &["tuning=bayes", "tuning_tokens=1", "fit_ms=0"],
        &["tuning=paper", "fit_ms=100000", "tuning_evaluations=256"],
        &["sequence_threshold=0.999999", "token_threshold=1e-12"],
    ] {
        run(sets, &short);
    }
}

#[test]
fn online_tuning_is_told_beside_the_summary_and_fits_may_be_slow() {
    let run = |sets: &[&str]| {
        let mut arguments = vec!["simulate", "--seeds", "2", "--tokens", "1300", "--json"];
        sets.iter().for_each(|set| arguments.extend(["--set", set]));
        let text = stdout(&arguments);
        assert_eq!(text, stdout(&arguments), "the same bytes");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")
    };
    assert_eq!(run(&[])["tuning"], serde_json::Value::Null);
    assert_eq!(run(&["tuning=off"])["tpt_ms"], run(&[])["tpt_ms"]);
    let tuned = &run(&["tuning=paper", "tuning_drift=1000"])["tuning"];
    for (figure, value) in [("searches", 1.0), ("candidates", 16.0), ("fits", 17.0)] {
        assert_eq!(tuned[figure], value, "{tuned}");
    }
    let share = tuned["explored_share"].as_f64().expect("a share");
    assert!(share > 0.2 && share < 0.6, "{tuned}");
    // A fit that takes ten seconds leaves fewer candidates in the same time, and stops nothing.
    let slow = run(&["tuning=paper", "fit_ms=10000"]);
    assert!(slow["tuning"]["candidates"].as_f64() < Some(15.0), "{slow}");
    assert_eq!(slow["output_tokens"], 1300.0);
    // Any trigger with a constant threshold, and a method whose other is not used.
    let one = run(&["trigger=token_threshold", "token_threshold=0.9", "tuning=bayes"]);
    assert!(one["tuning"]["candidates"].as_f64() > Some(1.0), "{one}");
}

#[test]
fn plan_prints_the_papers_example() {
    let arguments = ["plan", "--draft-ms", "36", "--tokens", "20", "--json"];
    let plan: serde_json::Value = serde_json::from_str(&stdout(&arguments)).expect("JSON");
    let dp = &plan["policies"][0];
    assert_eq!(dp["policy"], "dp");
    assert_eq!(dp["completion_ms"], 2458.0);
    assert_eq!(dp["batches"], serde_json::json!([1, 1, 4, 14]));
    assert!(stdout(&arguments[..5]).contains("2458.0"));
}

/// The axes of links, devices, texts and energy: each changes what it should.
#[test]
fn every_part_of_an_environment_can_be_set() {
    let run = |sets: &[&str]| -> serde_json::Value {
        let mut arguments = vec!["simulate", "--seeds", "2", "--tokens", "130", "--json"];
        arguments.extend(sets.iter().flat_map(|set| ["--set", set]));
        serde_json::from_str(&stdout(&arguments)).expect("JSON")
    };
    let figure = |run: &serde_json::Value, place: &str| {
        run.pointer(place).and_then(serde_json::Value::as_f64).expect(place)
    };
    let plain = run(&[]);
    for (sets, place) in [
        (&["added_draft_ms=50"][..], "/tpt_ms/mean"),
        (&["padded_draft_ms=90"], "/tpt_ms/mean"),
        (&["slowed_draft_ms=90"], "/tpt_ms/mean"),
        (&["draft_ms=44.5", "slowed_draft_ms=90"], "/tpt_ms/mean"),
        (&["downlink_startup_ms=50"], "/tpt_ms/mean"),
        (&["draft_ms=44.5", "added_draft_ms=50"], "/tpt_ms/mean"),
        (&["added_draft_ms=50", "draft_ms=44.5"], "/tpt_ms/mean"),
        (&["draft_prefill_per_token_ms=90"], "/ttft_ms/mean"),
        (&["verify_prefill_per_token_ms=90"], "/ttft_ms/mean"),
        (&["acceptance_intercept=9"], "/acceptance_rate"),
        (&["nav_base_j=900"], "/energy_j_per_100_tokens/cloud_active"),
        (&["nav_per_token_j=900"], "/energy_j_per_100_tokens/cloud_active"),
    ] {
        assert!(figure(&run(sets), place) > 1.01 * figure(&plain, place), "{sets:?}");
    }
    for set in ["acceptance_slope=3", "prompt_share=0", "slow_correlation=0.1"] {
        assert_ne!(figure(&run(&[set]), "/tpt_ms/mean"), figure(&plain, "/tpt_ms/mean"), "{set}");
    }
    // Each alone would make more than a whole with the other as it was.
    run(&["prompt_share=0.95", "slow_share=0.05"]);
    run(&["slow_share=0.95", "prompt_share=0.05"]);
    let watts = [
        "cloud_active_w=300",
        "cloud_idle_w=50",
        "edge_active_w=9",
        "edge_idle_w=3",
        "radio_j_per_byte=1e-7",
    ];
    let measured = run(&watts);
    for scope in ["cloud_active", "cloud_whole", "end_to_end"] {
        assert!(figure(&measured, &format!("/energy_j_per_100_tokens/{scope}")) > 0.0);
    }
    run(&["link=packet", "downlink_queue_kb=9", "queue_kb=9"]);
}

#[test]
fn keys_are_listed_for_people_and_machines() {
    let keys: serde_json::Value = serde_json::from_str(&stdout(&["keys", "--json"])).expect("JSON");
    let table = stdout(&["keys"]);
    for key in keys.as_array().expect("keys") {
        assert!(table.contains(key["key"].as_str().expect("a name")), "{key}");
    }
    assert!(table.contains("uplink_mbps") && table.contains("Mbit/s"), "{table}");
}

/// A short search, twice, with any number of jobs; and a method without thresholds is refused.
#[test]
fn tune_finds_thresholds_better_than_the_worst() {
    let arguments =
        ["tune", "--compare", "--evaluations", "9", "--searches", "2", "--tokens", "130", "--json"];
    let with_jobs = |jobs| stdout(&[&arguments[..], &["--jobs", jobs]].concat());
    let text = with_jobs("1");
    assert_eq!(text, with_jobs("2"));
    let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let strategies = found["strategies"].as_array().expect("strategies");
    assert_eq!(strategies.len(), 5);
    assert_eq!(strategies[3]["strategy"], "grid-ends");
    let evaluations: Vec<_> =
        strategies.iter().map(|s| s["evaluations"].as_u64().expect("a number")).collect();
    assert_eq!(evaluations, [9; 5]);
    assert_eq!(found["validation"]["seeds"], 20);
    let again: Vec<&str> = found["command"].as_str().expect("a command").split(' ').collect();
    assert_eq!(stdout(&[&again[1..], &["--json"]].concat()), text);
    let grid = stdout(&["tune", "--strategy", "grid", "--evaluations", "10", "--json"]);
    let grid: serde_json::Value = serde_json::from_str(&grid).expect("JSON");
    assert_eq!(grid["strategies"][0]["evaluations"], 9, "no more than 3 x 3 fit into 10");
    let bayes = &strategies[0];
    assert_eq!(bayes["strategy"], "bayes");
    // Low thresholds cost hundreds of milliseconds a token; the search must get away from there.
    assert!(bayes["tpt_ms"]["mean"].as_f64() < found["as_shipped_tpt_ms"].as_f64(), "{found}");
    let threshold = bayes["searches"][0]["sequence_threshold"].as_f64().expect("a threshold");
    assert!(0.0 < threshold && threshold < 1.0);
    refuses(&["tune", "--method", "vanilla"], &["vanilla", "no threshold"]);
    refuses(&["tune", "--evaluations", "0"], &["--evaluations"]);
    let first = (1_u64 << 40) - 1;
    let seed = first.to_string();
    refuses(&["tune", "--seed", &seed, "--searches", "2"], &["--seed", &seed, "judged"]);
}

#[test]
fn tune_leaves_a_threshold_alone_that_is_set() {
    let set = ["--set", "sequence_threshold=0.9"];
    let more = ["--evaluations", "4", "--tokens", "20", "--json"];
    let found = stdout(&[&["tune"], &set[..], &more].concat());
    let found: serde_json::Value = serde_json::from_str(&found).expect("JSON");
    let search = &found["strategies"][0]["searches"][0];
    assert!(search["token_threshold"].is_number(), "{search}");
    assert!(search["sequence_threshold"].is_null(), "{search}");
    let both = ["--set", "token_threshold=0.9"];
    refuses(&[&["tune"], &set[..], &both].concat(), &["sequence_threshold, token_threshold"]);
}
