//! The live testbed as a user meets it: two processes, QUIC, an emulated link and device.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::support::{folder, pipesd, refuses, stdout, text, write};

/// A short text on quick models, so that a run takes a second of real time.
const QUICK: &[&str] = &[
    "--set",
    "vocabulary=300",
    "--set",
    "output_tokens=26",
    "--set",
    "prompt_tokens=5",
    "--set",
    "draft_ms=4",
    "--set",
    "overhead_ms=4",
    "--set",
    "verify_base_ms=3",
    "--tokens",
    "26",
];

fn testbed(arguments: &[&str]) -> Value {
    let all = [&["testbed", "--json"], QUICK, arguments].concat();
    serde_json::from_str(&stdout(&all)).expect("one document")
}

/// The texts of a run, as ids.
fn texts(document: &Value) -> &Value {
    &document["live"]["texts"]
}

/// What must be committed, whatever the method: the profile's own text, as exported.
fn truth(folder: &Path) -> Value {
    let file = folder.join("trace.json");
    let mut arguments = vec!["trace", "export", "--requests", "1", "--out", text(&file)];
    arguments.extend(QUICK.iter().take(QUICK.len() - 2));
    stdout(&arguments);
    let trace: Value = serde_json::from_str(&fs::read_to_string(file).expect("written")).unwrap();
    let positions = trace["texts"][0]["positions"].as_array().expect("positions").clone();
    Value::from(vec![Value::from_iter(positions.into_iter().map(|position| position[1].clone()))])
}

/// Losslessness: the committed text of every method and exact payload, without a link, on the paper's
/// and on a lossy one, is the trace's.
#[test]
fn every_method_and_payload_commits_the_texts_own_tokens_on_any_link() {
    let truth = truth(&folder("live-lossless"));
    let mut runs: Vec<Vec<&str>> = Vec::new();
    for method in ["vanilla", "hsl", "edgellm", "pipesd"] {
        for payload in ["payload=full", "payload=lazy", "payload=top_k", "payload=ids"] {
            let named = vec!["--method", method, "--set", payload];
            runs.push([&named[..], &["--plain"]].concat());
            runs.push(named.clone());
            let lossy = ["--set", "link=packet", "--set", "loss=0.05", "--set", "jitter_ms=1"];
            runs.push([&named[..], &lossy[..]].concat());
        }
    }
    // They mostly wait: several at a time.
    let shares: Vec<Vec<Vec<&str>>> = runs.chunks(12).map(<[_]>::to_vec).collect();
    thread::scope(|scope| {
        for share in &shares {
            let truth = &truth;
            scope.spawn(move || {
                for run in share {
                    assert_eq!(texts(&testbed(run)), truth, "{run:?}");
                }
            });
        }
    });
}

#[test]
fn a_live_run_streams_ids_and_ends_with_a_summary() {
    let said = stdout(&[&["testbed"], QUICK].concat());
    let first = said.lines().next().expect("a line of ids");
    let ids: Vec<u32> = first.split_whitespace().map(|id| id.parse().expect("an id")).collect();
    assert_eq!(ids.len(), 26, "{said}");
    for figure in ["time per token (ms)", "acceptance rate", "not measured", "live is"] {
        assert!(said.contains(figure), "{figure}: {said}");
    }
    let document = testbed(&[]);
    let tpt = document["tpt_ms"].as_f64().expect("measured");
    let simulated = document["live"]["simulated_tpt_ms"].as_f64().expect("simulated");
    // Loosely: the machine that runs tests is busy.
    assert!((0.9..3.0).contains(&(tpt / simulated)), "{tpt} against {simulated}");
    assert_eq!(document["live"]["past_rollouts"], 0);
}

#[test]
fn a_recording_replays_and_is_a_profile() {
    let folder = folder("live-recording");
    let recording = folder.join("run");
    let recording = text(&recording);
    let tokens = &QUICK[..QUICK.len() - 2];
    let record = [&["trace", "record", "--out", recording, "--tokens", "52"], tokens].concat();
    assert!(stdout(&record).contains("52 tokens"));
    let checked = stdout(&["trace", "check", recording]);
    assert_eq!(checked.matches("bit for bit").count(), 2, "{checked}");
    let svg = folder.join("timeline.svg");
    let perfetto = folder.join("perfetto.json");
    let looked = ["trace", "inspect", recording];
    let drawn = ["--timeline", text(&svg), "--perfetto", text(&perfetto), "--json"];
    let document = stdout(&[&looked[..], &drawn[..]].concat());
    let document: Value = serde_json::from_str(&document).expect("one document");
    assert!(document["events"].as_u64() > Some(100), "{document}");
    // Both ends are on one machine.
    assert_eq!(document["clocks"][0]["uncertainty_ns"], 0, "{document}");
    assert!(document["clocks"][0]["offset_ns"].is_i64(), "{document}");
    let shown = stdout(&looked);
    assert!(shown.contains("edge 0") && shown.contains("to within 0.000 ms"), "{shown}");
    let one = stdout(&["trace", "check", text(&Path::new(recording).join("cloud.jsonl"))]);
    assert!(one.starts_with("cloud.jsonl: ") && one.lines().count() == 1, "{one}");
    let svg = fs::read_to_string(svg).expect("drawn");
    assert!(svg.contains("</svg>"));
    let perfetto: Value =
        serde_json::from_str(&fs::read_to_string(perfetto).expect("written")).expect("JSON");
    let names: Vec<&str> = perfetto["traceEvents"]
        .as_array()
        .expect("events")
        .iter()
        .filter_map(|event| event["args"]["name"].as_str())
        .collect();
    assert!(names.iter().any(|name| name.contains("edge")), "{names:?}");
    assert!(names.iter().any(|name| name.contains("cloud")), "{names:?}");
    let simulated = stdout(&[
        "simulate",
        "--profile",
        recording,
        "--method",
        "vanilla",
        "--tokens",
        "26",
        "--json",
    ]);
    let simulated: Value = serde_json::from_str(&simulated).expect("one document");
    assert!(simulated["tpt_ms"]["mean"].as_f64() > Some(1.0), "{simulated}");

    // A log that was tampered with no longer replays.
    let log = Path::new(recording).join("edge.jsonl");
    let content = fs::read_to_string(&log).expect("a log");
    let changed = content.replacen("\"confidence\":0.9", "\"confidence\":0.1", 1);
    assert_ne!(changed, content, "there is a confidence to change");
    fs::write(&log, changed).expect("a file of the test");
    let checked = pipesd(&["trace", "check", recording]);
    assert_ne!(checked.status.code(), Some(0), "the change is found");
    let cut = &content[..content.len() - 20];
    fs::write(&log, cut).expect("a file of the test");
    refuses(&["trace", "check", recording], &["edge.jsonl"]);
}

/// Two commands on what might be two machines.
#[test]
fn an_edge_connects_with_the_clouds_ticket_and_no_other() {
    let mut cloud = Command::new(env!("CARGO_BIN_EXE_pipesd"))
        .args([&["cloud", "--once", "--json"], QUICK].concat())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("pipesd starts");
    let mut said = BufReader::new(cloud.stdout.take().expect("piped")).lines();
    let ticket = said.next().expect("a line").expect("text");
    let edge = |ticket: &str| pipesd(&[&["edge", "--connect", ticket, "--json"], QUICK].concat());

    // One digit of the secret is wrong.
    let mut wrong = ticket.clone();
    let last = if wrong.pop() == Some('0') { '1' } else { '0' };
    wrong.push(last);
    let refused = edge(&wrong);
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("refused"), "{stderr}");

    // The same profile, but other texts.
    let refused = pipesd(&[&["edge", "--connect", &ticket, "--seed", "2"], QUICK].concat());
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("--seed") && stderr.contains("same texts"), "{stderr}");

    let file = write(&folder("live-ticket"), "ticket.txt", &format!("{ticket}\n"));
    let decoded = pipesd(
        &[&["edge", "--connect", &format!("@{file}"), "--edge", "7", "--json"], QUICK].concat(),
    );
    let stderr = String::from_utf8_lossy(&decoded.stderr);
    assert!(decoded.status.success(), "{stderr}");
    let document: Value = serde_json::from_slice(&decoded.stdout).expect("one document");
    assert_eq!(document["settings"]["payload"], "ids", "ids are the edge's default");
    assert_eq!(document["nav_wait_ms"], "not measured", "that only the cloud knows");
    let rest: String = said.map(|line| line.expect("text")).collect();
    let served: Value = serde_json::from_str(&rest).expect("one document");
    assert_eq!(served["links"], 1, "{served}");
    assert!(cloud.wait().expect("a child").success());
}

/// Tells a child to stop, as Ctrl-C or a service manager does, and gives what it says then.
#[cfg(unix)]
fn stop(child: std::process::Child, signal: &str) -> (Option<i32>, String) {
    let pid = child.id().to_string();
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status();
    assert!(sent.expect("a shell").success());
    let output = child.wait_with_output().expect("a child");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[cfg(unix)]
#[test]
fn a_run_that_is_interrupted_is_no_result() {
    for signal in ["INT", "TERM"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pipesd"))
            .arg("testbed")
            .args(
                QUICK.iter().map(|&word| if word == "draft_ms=4" { "draft_ms=100" } else { word }),
            )
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pipesd starts");
        // The first ids are there, and the last ones seconds away.
        let mut stdout = child.stdout.take().expect("piped");
        let ids = stdout.read_exact(&mut [0; 2]);
        let (code, stderr) = stop(child, signal);
        ids.unwrap_or_else(|error| panic!("no ids: {error}: {code:?}, {stderr}"));
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains("interrupted"), "{stderr}");
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).expect("text");
        assert!(!rest.contains("time per token"), "no summary: {rest}");
    }
}

#[cfg(unix)]
#[test]
#[expect(clippy::disallowed_methods, reason = "a run that says nothing is given time to begin")]
fn a_cell_that_is_interrupted_is_not_kept() {
    let out = folder("live-interrupted");
    let child = Command::new(env!("CARGO_BIN_EXE_pipesd"))
        .args(["reproduce", "table1", "--live", "--profile", "humaneval"])
        .args(["--scenario", "s1-laptop", "--tokens", "10", "--out", text(&out)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pipesd starts");
    // Each of the four cells takes twenty seconds.
    thread::sleep(std::time::Duration::from_secs(4));
    let (code, stderr) = stop(child, "INT");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("humaneval, s1-laptop, vanilla"), "{stderr}");
    assert!(stderr.contains("interrupted"), "{stderr}");
    assert!(!out.join("table1-live").join("cells.json").exists());
}

#[test]
fn bad_input_of_the_live_commands_is_refused() {
    refuses(&["edge", "--connect", "nonsense"], &["--connect", "not a ticket"]);
    // What is not quite a ticket may hold a secret.
    let cut = pipesd(&["edge", "--connect", "pipesd-ticket/1/127.0.0.1:4433/00/5ec4e7"]);
    let said = String::from_utf8_lossy(&cut.stderr).into_owned();
    assert_eq!(cut.status.code(), Some(2), "{said}");
    assert!(!said.contains("5ec4e7"), "{said}");
    refuses(&["edge", "--connect", "@nowhere.txt"], &["--connect @nowhere.txt", "cannot be read"]);
    refuses(&["testbed", "--set", "edges=2"], &["edges=2", "one edge"]);
    refuses(&["testbed", "--method", "nothing"], &["--method nothing"]);
    refuses(&["reproduce", "fig5", "--live"], &["--live"]);
    refuses(
        &["reproduce", "table1", "--live", "--scenario", "s9"],
        &["--scenario s9", "no such scenario"],
    );
    let empty = folder("live-empty");
    refuses(&["trace", "check", text(&empty)], &["edge.jsonl"]);
}

/// Cells are kept: an interruption costs the one under way.
#[test]
fn cells_of_table_1_run_live_and_are_kept() {
    let out = folder("live-table1");
    let arguments = [
        "reproduce",
        "table1",
        "--live",
        "--profile",
        "humaneval",
        "--scenario",
        "s1-laptop",
        "--method",
        "pipesd",
        "--tokens",
        "10",
        "--out",
        text(&out),
        "--json",
    ];
    // Ten tokens: one prompt of the profile's own length would take twenty seconds.
    let kept = out.join("table1-live");
    fs::create_dir_all(&kept).expect("a folder of the test");
    // Only this program's own cells are: another one's are not mixed in.
    let recording = out.join("recording");
    stdout(&[&["testbed", "--json", "--record", text(&recording)], QUICK].concat());
    let run: Value =
        serde_json::from_str(&fs::read_to_string(recording.join("run.json")).expect("noted"))
            .expect("JSON");
    let program = run["program"].as_str().expect("a digest");
    let done = r#"[{"program":"PROGRAM","profile":"humaneval",
        "scenario":"s1-laptop","method":"pipesd","set":[],"seed":1,
        "tokens":10,"live_tpt_ms":140.0,"simulated_tpt_ms":139.0,"paper_tpt_ms":129.0}]"#;
    let mut file = fs::File::create(kept.join("cells.json")).expect("a file of the test");
    file.write_all(done.replace("PROGRAM", program).as_bytes()).expect("a file of the test");
    let rows: Value = serde_json::from_str(&stdout(&arguments)).expect("one document");
    assert_eq!(rows[0]["live_tpt_ms"], 140.0, "it was kept: {rows}");
    assert_eq!(rows.as_array().map(Vec::len), Some(1));
}
