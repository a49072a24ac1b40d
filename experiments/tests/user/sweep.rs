//! `pipesd sweep` as a user meets it: plans, rows, interruption, shards.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{folder, pipesd, refuses, stdout, text, write};

/// The rows of a plan, swept without interruption.
fn rows(plan: &str, out: &Path, more: &[&str]) -> String {
    stdout(&[&["sweep", plan, "--out", text(out)], more].concat());
    fs::read_to_string(out.join("rows.csv")).expect("rows")
}

/// One column of a table.
fn column<'a>(rows: &'a str, name: &str) -> Vec<&'a str> {
    let mut lines = rows.lines();
    let header = lines.next().expect("a header");
    let place = header.split(',').position(|column| column == name).expect(name);
    lines.map(|line| line.split(',').nth(place).expect("a cell")).collect()
}

/// 6 runs that take no time.
const TINY: &str = "seeds = 2\ntokens = 20\n[axes]\nuplink_mbps = \"10..30 step 10\"\n";

#[test]
fn bad_plans_are_refused_by_file_and_line() {
    let folder = folder("bad-plans");
    for (plan, words) in [
        ("seeds = 2\nspeed = 3", &["line 2", "speed", "seeds"][..]),
        ("seeds = 2\n[axes]\nuplink = 3", &["line 3", "uplink", "uplink_mbps"]),
        ("seeds = 0", &["line 1", "seeds", "1 to 100000"]),
        ("seeds = 2.5", &["seeds", "whole number"]),
        ("tokens = -1", &["tokens", "whole number"]),
        ("title = 3", &["title"]),
        ("axes = 3", &["line 1", "axes", "an integer"]),
        ("title = []", &["line 1", "an array"]),
        ("zip = 3", &["line 1", "zip"]),
        ("seeds = = 3", &["line 1"]),
        ("design = \"latin\"", &["design", "grid", "random"]),
        ("design = \"random\"", &["samples"]),
        ("samples = 5", &["line 1", "samples", "random"]),
        ("[axes]\n\nuplink_mbps = \"10..40 step 20\"", &["line 3", "say 30 or 50"]),
        ("[axes]\nuplink_mbps = \"10..40\"", &["line 2", "step", "points"]),
        ("[axes]\nuplink_mbps = \"10ms\"", &["line 2", "Mbit/s"]),
        ("[axes]\nuplink_mbps = [10, 20, 10.0]", &["line 2", "twice"]),
        ("[axes]\nuplink_mbps = []", &["line 2", "0 values"]),
        ("[axes]\nuplink_mbps = nan", &["line 2", "nan"]),
        ("[axes]\nuplink_mbps = { from = 1 }", &["line 2", "not a table"]),
        ("[axes]\nuplink_mbps = [10, -3]", &["line 2", "combination 2", "-3", "out of range"]),
        ("[axes]\nmethod = 3", &["line 2", "a name or a path"]),
        ("[axes]\nmethod = \"pipesd\"\nscenario = \"s9\"", &["line 3", "s9", "s1-laptop"]),
        ("[axes]\nmethod = \"a, b\"", &["line 2", "without spaces"]),
        ("[axes]\ntoken_threshold = 1.5", &["line 2", "between 0 and 1"]),
        ("[axes]\ntokens = [130, 0]", &["line 2", "whole numbers"]),
        ("tokens = 5\n[axes]\ntokens = [130]", &["tokens", "single number too"]),
        ("[[zip]]\nmethod = [\"pipesd\"]", &["line 1", "two axes"]),
        (
            "[[zip]]\nmethod = [\"pipesd\", \"hsl\"]\nuplink_mbps = [1, 2, 3]",
            &["line 3", "equally many"],
        ),
        (
            "[axes]\nmethod = \"hsl\"\n[[zip]]\nmethod = [\"pipesd\"]\nloss = [1]",
            &["line 4", "axis twice"],
        ),
        // A contradiction names its combination and the ways out.
        (
            "[axes]\nmethod = [\"pipesd\", \"vanilla\"]\nsequence_threshold = 0.9",
            &["line 3", "combination 2", "method=vanilla", "skip_contradictions", "zip"],
        ),
        // Leaving out is no licence for mistakes.
        (
            "skip_contradictions = true\n[axes]\nsequence_threshold = [0.9, 9]",
            &["line 3", "no combination that fits", "between 0 and 1"],
        ),
        (
            "skip_contradictions = true\n[axes]\nmethod = \"vanilla\"\ntop_k = 4",
            &["line 4", "no combination is left"],
        ),
        (
            "skip_contradictions = true\ndesign = \"random\"\nsamples = 50\n[axes]\n\
             method = [\"pipesd\", \"vanilla\"]\ntoken_threshold = \"0.5..1.5\"",
            &["line 6", "token_threshold", "between 0 and 1"],
        ),
        (
            "design = \"random\"\nsamples = 9\n[axes]\nwindow = \"1..9\"",
            &["line 4", "window=", "step 1"],
        ),
        (
            "seeds = 100\n[axes]\nuplink_mbps = \"1..1000 step 1\"\nstartup_ms = \"1..1000 step 1\"",
            &["100000000 runs are too many", "10000000"],
        ),
    ] {
        let path = write(&folder, "plan.toml", plan);
        let out = folder.join("out");
        refuses(&["sweep", &path, "--out", text(&out)], &[&["plan.toml"], words].concat());
        assert!(!out.exists(), "nothing is written for a bad plan");
    }
    let long = format!("# {}\n{TINY}", "x".repeat(1 << 20));
    refuses(&["sweep", &write(&folder, "long.toml", &long)], &["long.toml", "1 MiB"]);
    refuses(&["sweep", "no/such.toml"], &["no/such.toml", "cannot be read"]);
    let path = write(&folder, "plan.toml", TINY);
    for shard in ["0/3", "4/3", "3", "1/99999", "x/y"] {
        refuses(&["sweep", &path, "--shard", shard], &["I/N"]);
    }
}

#[test]
fn shipped_plans_are_fine_and_the_smoke_plan_runs_the_same_on_any_number_of_jobs() {
    let folder = folder("smoke");
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let example = plans.join("thresholds-uplink.toml");
    assert!(
        stdout(&["sweep", text(&example), "--check"]).starts_with("800 configurations, 6400 runs")
    );
    let mut sweeps = 0;
    for plan in fs::read_dir(&plans).expect("the shipped plans") {
        let plan = plan.expect("a shipped plan").path();
        // Items, and the plan of live runs, are of other forms.
        let content = fs::read_to_string(&plan).expect("a plan");
        if !content.contains("\n[axes]") {
            continue;
        }
        sweeps += 1;
        let out = folder.join(plan.file_stem().expect("a name"));
        let rows = rows(text(&plan), &out, &["--seeds", "1", "--tokens", "20"]);
        assert!(rows.lines().count() > 10, "{}", plan.display());
    }
    assert_eq!(sweeps, 3);
    let smoke = plans.join("smoke-sweep.toml");
    let one = rows(text(&smoke), &folder.join("one"), &["--jobs", "1"]);
    for again in ["two", "three"] {
        assert_eq!(one, rows(text(&smoke), &folder.join(again), &["--jobs", "2"]), "{again}");
    }
    assert_eq!(one.lines().count(), 37);
    // In the order of the file: the last axis fastest, then the seeds.
    assert_eq!(column(&one, "run"), (0..36).map(|run| run.to_string()).collect::<Vec<_>>());
    assert_eq!(column(&one, "uplink_mbps")[..7], ["10", "10", "10", "10", "10", "10", "20"]);
    assert_eq!(column(&one, "startup_ms")[..6], ["5", "5", "25", "25", "100", "100"]);
    assert_eq!(column(&one, "sequence_threshold")[17..19], ["", "0.9"]);
}

#[test]
fn a_row_and_a_configuration_can_be_run_again_by_their_commands() {
    let folder = folder("again");
    let plan = write(&folder, "plan.toml", TINY);
    let rows = rows(&plan, &folder.join("out"), &[]);
    let simulate = |command: &str| -> serde_json::Value {
        let words: Vec<&str> = command.split(' ').skip(1).chain(["--json"]).collect();
        serde_json::from_str(&stdout(&words)).expect("JSON")
    };
    for (command, tpt) in column(&rows, "command").into_iter().zip(column(&rows, "tpt_ms")) {
        assert_eq!(simulate(command)["tpt_ms"]["mean"].to_string().parse(), tpt.parse::<f64>());
    }
    let summary = stdout(&["sweep", &plan, "--out", text(&folder.join("out")), "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
    let configurations = summary["configurations"].as_array().expect("configurations");
    assert_eq!(configurations.len(), 3);
    for ours in configurations {
        let theirs = simulate(ours["command"].as_str().expect("a command"));
        assert_eq!(ours["set"], theirs["set"]);
        for place in ["/tpt_ms/mean", "/tpt_ms/sd", "/tpt_ms/ci95/0", "/ttft_ms/ci95/1"] {
            let [ours, theirs] = [ours, &theirs].map(|d| d.pointer(place)?.as_f64());
            let (ours, theirs) = (ours.expect(place), theirs.expect(place));
            assert!((ours - theirs).abs() < 1e-9 * theirs.abs(), "{place}: {ours} {theirs}");
        }
    }
    let table = stdout(&["sweep", &plan, "--out", text(&folder.join("out")), "--summary"]);
    assert_eq!(table.lines().count(), 5, "{table}");
    assert!(table.contains("uplink_mbps") && !table.contains("method"), "{table}");
}

#[test]
fn a_file_cut_anywhere_in_its_last_line_or_header_is_completed() {
    let folder = folder("cut");
    let plan = write(&folder, "plan.toml", TINY);
    let out = folder.join("out");
    let whole = rows(&plan, &out, &[]);
    let last = whole.trim_end().rfind('\n').expect("lines");
    let header = whole.find('\n').expect("a header");
    // Every third byte: each takes a start of the program, which reads itself.
    let cuts = (last..whole.len()).step_by(3).chain([
        whole.len() - 1,
        0,
        1,
        header / 2,
        header,
        header + 1,
    ]);
    for cut in cuts {
        fs::write(out.join("rows.csv"), &whole[..cut]).expect("a file of the test");
        assert_eq!(rows(&plan, &out, &["--jobs", "1"]), whole, "cut at byte {cut}");
    }
}

#[test]
fn a_killed_sweep_goes_on_where_it_stopped() {
    let folder = folder("kill");
    let plan = write(
        &folder,
        "plan.toml",
        "seeds = 40\ntokens = 130\n[axes]\nuplink_mbps = \"1..20 step 1\"\n",
    );
    let whole = rows(&plan, &folder.join("whole"), &[]);
    let out = folder.join("killed");
    let table = out.join("rows.csv");
    let length = || fs::metadata(&table).map_or(0, |metadata| metadata.len());
    let mut kills = 0;
    loop {
        let before = length();
        let mut sweep = Command::new(env!("CARGO_BIN_EXE_pipesd"))
            .args(["sweep", &plan, "--out", text(&out)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pipesd starts");
        // Some rows further it is killed, whatever it is doing.
        while length() < before + whole.len() as u64 / 5 {
            if let Some(status) = sweep.try_wait().expect("a child") {
                assert!(status.success());
                assert!(kills > 0, "the sweep was killed at least once");
                assert_eq!(fs::read_to_string(&table).expect("rows"), whole);
                return;
            }
            std::thread::yield_now();
        }
        sweep.kill().expect("a child");
        sweep.wait().expect("a child");
        kills += 1;
        let rows = fs::read_to_string(&table).expect("rows");
        assert!(whole.starts_with(&rows), "a beginning of the whole after kill {kills}");
        assert!(kills < 20, "every start brings the sweep on");
    }
}

#[test]
fn three_shards_merge_to_the_whole() {
    let folder = folder("shards");
    let plan = write(
        &folder,
        "plan.toml",
        "design = \"random\"\nsamples = 7\nseeds = 5\ntokens = 20\n[axes]\nuplink_mbps = \"5..90 log\"\n",
    );
    let whole = rows(&plan, &folder.join("whole"), &[]);
    let parts = ["a", "b", "c"].map(|name| folder.join(name));
    let mut count = 0;
    for (part, shard) in parts.iter().zip(["1/3", "2/3", "3/3"]) {
        count += rows(&plan, part, &["--shard", shard]).lines().count() - 1;
    }
    assert_eq!(count, 35);
    let [a, b, c] = [0, 1, 2].map(|place| text(&parts[place]));
    let merged = folder.join("merged");
    // In any order of the folders.
    assert_eq!(rows(&plan, &merged, &["--merge", c, a, b]), whole);
    let identity = |folder: &Path| fs::read_to_string(folder.join("sweep.json")).expect("a file");
    assert_eq!(identity(&merged), identity(&folder.join("whole")));

    let merge = |shards: &[&str]| {
        let out = folder.join("refused");
        [&["sweep", &plan, "--out", text(&out), "--merge"], shards]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let refuses = |shards: &[&str], words: &[&str]| {
        let arguments = merge(shards);
        refuses(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), words);
    };
    refuses(&[a, b], &["3", "name all shards"]);
    refuses(&[a, b, b], &["shard 2/3 is there twice"]);
    refuses(&[a, b, "no/such"], &["no/such", "cannot be read"]);
    let path = parts[2].join("rows.csv");
    let rows = fs::read_to_string(&path).expect("rows");
    fs::write(&path, &rows[..rows.len() - 9]).expect("a file of the test");
    refuses(&[a, b, c], &["rows.csv", "not complete"]);
    let edited = |content: &str| fs::write(&path, content).expect("a file of the test");
    edited(&format!("{rows}{rows}"));
    refuses(&[a, b, c], &["rows.csv", "goes on after"]);
    edited(&rows.replacen("tpt_ms", "tpt_s", 1));
    refuses(&[a, b, c], &["rows.csv", "first line was changed"]);
    edited(&rows.replace(column(&rows, "tpt_ms")[10], "1.5"));
    refuses(&[a, b, c], &["rows.csv", "run 32", "changed"]);
    assert!(!folder.join("refused").exists(), "bad shards leave nothing behind");
    edited(&rows);
    // Each machine may have a build of its own; what it found is compared.
    of_another_build(&parts[2]);
    assert_eq!(self::rows(&plan, &folder.join("builds"), &["--merge", a, b, c]), whole);
}

/// Makes a folder's rows those of another build.
fn of_another_build(folder: &Path) {
    let path = folder.join("sweep.json");
    let text = fs::read_to_string(&path).expect("a file");
    let mut identity: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    identity["program"] = "0123456789abcdef".into();
    fs::write(&path, identity.to_string()).expect("a file of the test");
}

#[test]
fn rows_of_two_builds_are_not_mixed_but_finished_ones_can_be_read() {
    let folder = folder("builds");
    let plan = write(&folder, "plan.toml", TINY);
    let out = folder.join("out");
    let whole = rows(&plan, &out, &[]);
    of_another_build(&out);
    let arguments = ["sweep", &plan, "--out", text(&out), "--summary"];
    assert!(stdout(&arguments).contains("uplink_mbps"));
    let table = out.join("rows.csv");
    for cut in [whole.len() - 1, whole.len() / 2, 0] {
        fs::write(&table, &whole[..cut]).expect("a file of the test");
        refuses(&arguments, &["another build", "--out"]);
        assert_eq!(fs::read_to_string(&table).expect("rows"), whole[..cut]);
    }
}

#[test]
fn a_table_that_cannot_be_opened_is_left_alone() {
    let folder = folder("unreadable");
    let plan = write(&folder, "plan.toml", TINY);
    let out = folder.join("out");
    rows(&plan, &out, &[]);
    let table = out.join("rows.csv");
    // Permissions do not bind every user; a folder in the file's place is an error for all.
    fs::rename(&table, folder.join("rows.csv")).expect("a file of the test");
    fs::create_dir(&table).expect("a folder of the test");
    let output = pipesd(&["sweep", &plan, "--out", text(&out)]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("rows.csv: cannot be opened"), "{stderr}");
    assert!(table.is_dir());
    refuses(&["sweep", &plan, "--out", &plan], &["plan.toml", "not a folder"]);
}

#[cfg(unix)]
#[test]
fn a_finished_table_can_be_summed_up_where_nothing_can_be_written() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder("read-only");
    let plan = write(&folder, "plan.toml", TINY);
    let out = folder.join("out");
    let whole = rows(&plan, &out, &[]);
    let table = out.join("rows.csv");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a path of the test");
    };
    mode(&table, 0o444);
    mode(&out, 0o555);
    assert_eq!(stdout(&["sweep", &plan, "--out", text(&out), "--summary"]).lines().count(), 5);
    mode(&table, 0o644);
    fs::write(&table, &whole[..whole.len() / 2]).expect("a file of the test");
    mode(&table, 0o444);
    // The superuser may write anyway.
    let may_write = fs::OpenOptions::new().write(true).open(&table).is_ok();
    let output = pipesd(&["sweep", &plan, "--out", text(&out)]);
    assert_eq!(output.status.success(), may_write);
    mode(&out, 0o755);
}

#[test]
fn two_processes_do_not_write_to_one_folder() {
    let folder = folder("two");
    let plan = write(
        &folder,
        "plan.toml",
        "seeds = 100000\ntokens = 130\n[axes]\nuplink_mbps = \"1..20 step 1\"\n",
    );
    let out = folder.join("out");
    let arguments = ["sweep", &plan, "--out", text(&out), "--jobs", "1"];
    let mut first = Command::new(env!("CARGO_BIN_EXE_pipesd"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("pipesd starts");
    let table = out.join("rows.csv");
    while fs::metadata(&table).map_or(0, |metadata| metadata.len()) < 2000 {
        assert!(first.try_wait().expect("a child").is_none(), "it has two million runs to do");
        std::thread::yield_now();
    }
    refuses(&arguments, &["rows.csv", "another pipesd is writing here"]);
    first.kill().expect("a child");
    first.wait().expect("a child");
    // Who is killed holds nothing: the next one gets as far as the first did.
    let mut next = Command::new(env!("CARGO_BIN_EXE_pipesd"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("pipesd starts");
    let before = fs::metadata(&table).expect("a table").len();
    while fs::metadata(&table).expect("a table").len() <= before {
        assert!(next.try_wait().expect("a child").is_none(), "it goes on");
        std::thread::yield_now();
    }
    next.kill().expect("a child");
    next.wait().expect("a child");
}

#[test]
fn another_sweep_is_not_mixed_in() {
    let folder = folder("changed");
    let plan = write(&folder, "plan.toml", TINY);
    let out = folder.join("out");
    let whole = rows(&plan, &out, &[]);
    let arguments = ["sweep", &plan, "--out", text(&out)];
    // Words alone are no change.
    write(&folder, "plan.toml", &format!("# A comment.\ntitle = \"A title\"\n{TINY}"));
    assert_eq!(rows(&plan, &out, &[]), whole);
    for (changed, words) in [
        (
            TINY.replace("seeds = 2", "seeds = 3"),
            &["plan.seeds", "it has 2, this sweep has 3", "--out"][..],
        ),
        (TINY.replace("..30", "..40"), &["plan.axes.uplink_mbps", "has \"10 20 30\"", "30 40\""]),
        (TINY.replace("[axes]", "[axes]\nscenario = \"s2-phone\""), &["another sweep"]),
    ] {
        write(&folder, "plan.toml", &changed);
        refuses(&arguments, words);
    }
    write(&folder, "plan.toml", TINY);
    refuses(&[&arguments[..], &["--shard", "1/2"]].concat(), &["shard", "1/2"]);
    let edited = |rows: &str| fs::write(out.join("rows.csv"), rows).expect("a file of the test");
    edited(&whole.replacen("\n2,", "\n7,", 1));
    refuses(&arguments, &["line 4", "changed"]);
    edited(&format!("{whole}6,\n"));
    refuses(&arguments, &["line 8", "changed"]);
    // The last row's result is another today: so is the program.
    let tpt = column(&whole, "tpt_ms")[5];
    edited(&whole.replace(tpt, "1.5"));
    refuses(&arguments, &["run 5", "another result", "changed"]);
    edited(&whole);
    fs::remove_file(out.join("sweep.json")).expect("a file of the test");
    refuses(&arguments, &["rows.csv", "without its sweep.json"]);
}

#[test]
fn contradictory_combinations_are_left_out_on_demand() {
    let folder = folder("skip");
    let axes = "[axes]\nmethod = [\"vanilla\", \"pipesd\", \"hsl\"]\n\
                draft_length = [\"default\", 2]\ntoken_threshold = [\"default\", 0.8]\n";
    let plan =
        write(&folder, "plan.toml", &format!("skip_contradictions = true\ntokens = 20\n{axes}"));
    let rows = rows(&plan, &folder.join("out"), &[]);
    let told: Vec<String> = ["method", "draft_length", "token_threshold"]
        .map(|name| column(&rows, name))
        .into_iter()
        .reduce(|left, right| left.into_iter().chain(right).collect())
        .expect("columns")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let [methods, lengths, thresholds] = [&told[..6], &told[6..12], &told[12..]];
    assert_eq!(methods, ["vanilla", "vanilla", "pipesd", "pipesd", "hsl", "hsl"]);
    assert_eq!(lengths, ["", "2", "", "", "", ""]);
    assert_eq!(thresholds, ["", "", "", "0.8", "", "0.8"]);
    assert_eq!(column(&rows, "run"), ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn a_random_design_leaves_out_what_contradicts_itself() {
    let folder = folder("random-skip");
    let plan = write(
        &folder,
        "plan.toml",
        "skip_contradictions = true\ndesign = \"random\"\nsamples = 40\ntokens = 20\n[axes]\n\
         method = [\"pipesd\", \"vanilla\"]\ntoken_threshold = \"0.5..0.9\"\n",
    );
    let rows = rows(&plan, &folder.join("out"), &[]);
    let methods = column(&rows, "method");
    assert!((5..40).contains(&methods.len()) && !methods.contains(&"vanilla"), "{methods:?}");
}

#[test]
fn a_bandwidth_trace_is_an_axis_and_a_changed_one_another_sweep() {
    let folder = folder("bandwidth");
    let trace = |rate: u32| {
        format!("# rows 1 step_s 20 start zero\ntime_s,uplink_mbps,downlink_mbps\n0,{rate},200\n")
    };
    let slow = write(&folder, "slow.csv", &trace(10));
    let fast = write(&folder, "fast.csv", &trace(40));
    let plan = write(
        &folder,
        "plan.toml",
        &format!("tokens = 20\n[axes]\nbandwidth_trace = [\"default\", \"{slow}\", \"{fast}\"]\n"),
    );
    let out = folder.join("out");
    let rows = rows(&plan, &out, &[]);
    let tpt: Vec<f64> =
        column(&rows, "tpt_ms").iter().map(|tpt| tpt.parse().expect("a number")).collect();
    assert!(tpt[2] < tpt[0] && tpt[0] < tpt[1], "{tpt:?}");
    write(&folder, "fast.csv", &trace(80));
    refuses(&["sweep", &plan, "--out", text(&out)], &["another sweep", "fast.csv"]);
    write(&folder, "fast.csv", "time_s\n");
    refuses(&["sweep", &plan, "--out", text(&out)], &["line 3", "fast.csv"]);
}

#[test]
fn a_random_design_depends_on_its_seed_alone() {
    let folder = folder("random");
    let plan = |name: &str, seed: u32, more: &str| {
        let content = format!(
            "design = \"random\"\nsamples = 20\nseed = {seed}\ntokens = 20\n[axes]\n{more}\
             uplink_mbps = \"10..80\"\nscenario = [\"s1-laptop\", \"s3-iot\"]\n"
        );
        let plan = write(&folder, &format!("{name}.toml"), &content);
        rows(&plan, &folder.join(name), &[])
    };
    let first = plan("first", 1, "");
    assert_eq!(first, plan("again", 1, ""));
    let rates = |rows: &str| -> Vec<String> {
        column(rows, "uplink_mbps").into_iter().map(str::to_owned).collect()
    };
    assert_ne!(rates(&first), rates(&plan("other", 2, "")));
    // One more axis leaves the draws of the others alone.
    assert_eq!(rates(&first), rates(&plan("more", 1, "startup_ms = \"1..9 step 1\"\n")));
    let drawn: Vec<f64> = rates(&first).iter().map(|rate| rate.parse().expect("a rate")).collect();
    assert!(drawn.iter().all(|rate| (10.0..=80.0).contains(rate)), "{drawn:?}");
    let scenarios = column(&first, "scenario");
    assert!(scenarios.contains(&"s1-laptop") && scenarios.contains(&"s3-iot"), "{scenarios:?}");
}
