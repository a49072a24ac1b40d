//! The live testbed when links are cut, processes are killed, and many edges share a cloud.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what is tested happens in real time, to other processes"
)]

use std::net::UdpSocket;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::processes::{Cloud, QUICK, done, edge, given, journal, said};
use crate::support::{folder, pipesd, refuses, stdout, text, write};

/// `PIPESD_KILLS` (12): how often somebody is killed.
#[test]
fn the_text_is_right_however_often_cloud_and_edge_are_killed() {
    let folder = folder("kills");
    let kills = given("PIPESD_KILLS", 12);
    let tokens = (65 * kills).to_string();
    let common = [QUICK, &["--tokens", &tokens]].concat();
    let mut cloud = Cloud::start(&folder, &common);
    let arguments = |journal: &str| {
        let own = ["--plain", "--set", "waiting_depth=2", "--journal"].map(str::to_owned);
        let all = common.iter().map(|word| (*word).to_owned()).chain(own);
        all.chain([text(&folder.join(journal)).to_owned()]).collect::<Vec<_>>()
    };
    let start = |journal: &str| {
        let arguments = arguments(journal);
        edge(&folder, journal, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut killed = start("killed");
    // By chance, and the same each time.
    let mut state = 7_u64;
    for kill in 0..kills {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        sleep(Duration::from_millis(60 + (state >> 33) % 500));
        if kill % 2 == 0 {
            let _ = killed.kill();
            killed.wait().expect("a child");
            killed = start("killed");
        } else {
            cloud.kill();
            sleep(Duration::from_millis((state >> 20) % 200));
            cloud.restart();
        }
    }
    done(killed, &folder, "killed", Duration::from_secs(120));
    done(start("calm"), &folder, "calm", Duration::from_secs(120));
    assert_eq!(journal(&folder, "killed"), journal(&folder, "calm"));
    assert!(journal(&folder, "calm").lines().count() as u64 > 60 * kills);
}

#[test]
fn a_link_that_was_cut_is_resumed_within_a_second_and_nothing_is_said_twice() {
    let folder = folder("cut");
    let plan = "
        [[fault]]
        kind = 'cut'
        at_ms = 1500
        lasts_ms = 3500
        [[fault]]
        kind = 'move'
        at_ms = 6500
        ";
    let plan = write(&folder, "faults.toml", plan);
    let faults = format!("faults={plan}");
    let _cloud = Cloud::start(&folder, &[]);
    let mut soonest = f64::INFINITY;
    for offline in ["wait", "draft"] {
        let child = edge(&folder, offline, &["--set", &faults, "--offline", offline]);
        done(child, &folder, offline, Duration::from_secs(60));
        let said = said(&folder, offline);
        let at = |words: &str| {
            let line = said.lines().find(|line| line.contains(words));
            let line = line.unwrap_or_else(|| panic!("`{words}` is not in: {said}"));
            line.split_whitespace().next().expect("a time").parse::<f64>().expect("a number")
        };
        assert!((1500.0..4500.0).contains(&at("loses the link")), "{said}");
        let resumed = at("resumes s0");
        assert!((5000.0..8000.0).contains(&resumed), "{resumed}: {said}");
        soonest = soonest.min(resumed - 5000.0);
        assert_eq!(said.contains("alone from"), offline == "draft", "{said}");
        // The address changes under QUIC: the link stays, unless the machine stands still for longer than
        // that takes.
        assert!(said.matches("loses the link").count() <= 2, "{said}");
    }
    // Of the two, as other tests may have the machine.
    assert!(soonest < 1000.0, "{soonest} ms after the link is back");
    println!("resumed {soonest:.0} ms after the link is back");
}

#[test]
fn a_testbed_of_both_ends_outlives_a_link_too() {
    let folder = folder("testbed");
    let plan = "[[fault]]\nkind = 'black_hole'\nway = 'down'\nat_ms = 1000\nlasts_ms = 2500\n";
    let faults = format!("faults={}", write(&folder, "faults.toml", plan));
    let arguments = ["testbed", "--json", "--set", &faults, "--set", "payload=ids"];
    let document: Value = serde_json::from_str(&stdout(&arguments)).expect("one document");
    assert_eq!(document["output_tokens"].as_f64(), Some(130.0));
}

/// Late enough for an edge to be there before, on a machine that has much else to do; its text takes 7 s.
const RESTARTED: &str = "
    [[fault]]
    kind = 'restart_cloud'
    at_ms = 4000
    lasts_ms = 800
    [[fault]]
    kind = 'stall_backend'
    at_ms = 6500
    lasts_ms = 700
    ";

#[test]
fn a_plan_restarts_the_cloud_live_as_it_does_in_virtual_time() {
    let folder = folder("restarted");
    let faults = format!("faults={}", write(&folder, "faults.toml", RESTARTED));
    let common = ["--json", "--set", "payload=ids", "--set", &faults];
    let live = pipesd(&[&["testbed"], &common[..]].concat());
    let said = String::from_utf8_lossy(&live.stderr);
    assert!(live.status.success(), "{said}");
    let in_order = ["the cloud is killed", "loses the link", "another cloud serves", "resumes s0"];
    let at = |words: &&str| said.find(words).unwrap_or_else(|| panic!("`{words}`: {said}"));
    let places: Vec<usize> = in_order.iter().map(at).collect();
    // Whether the link is known to be lost before the next cloud serves, is the machine's to say.
    assert!(places[0] < places[1].min(places[2]) && places[1].max(places[2]) < places[3], "{said}");
    let live: Value = serde_json::from_slice(&live.stdout).expect("one document");
    assert_eq!(live["output_tokens"].as_f64(), Some(130.0));
    // What the cloud did is not known, as half of it was killed.
    assert_eq!(live["cloud_utilisation"], "not measured");
    let one = ["--seeds", "1", "--tokens", "130"];
    let simulated = stdout(&[&["simulate"], &one[..], &common[..]].concat());
    let simulated: Value = serde_json::from_str(&simulated).expect("one document");
    let (live, simulated) = (&live["tpt_ms"], &simulated["tpt_ms"]["mean"]);
    let ratio = live.as_f64().expect("a number") / simulated.as_f64().expect("a number");
    println!("{live} ms per token live, {simulated} simulated");
    // Without the faults it takes 51: more than half of them must be there.
    assert!((0.8..1.6).contains(&ratio), "{live} live, {simulated} simulated");
    let recorded = ["testbed", "--set", &faults, "--record", text(&folder)];
    refuses(&recorded, &[text(&folder), "restarts the cloud", "cannot be recorded"]);
}

#[test]
fn a_cloud_that_is_watched_over_ends_with_its_watcher() {
    let folder = folder("watched");
    let faults = format!("faults={}", write(&folder, "faults.toml", RESTARTED));
    let mut cloud = Cloud::start(&folder, &["--set", &faults]);
    let child = edge(&folder, "edge", &[]);
    done(child, &folder, "edge", Duration::from_secs(60));
    let said = said(&folder, "edge");
    assert!(said.contains("resumes s0"), "{said}");
    cloud.kill();
    let begun = Instant::now();
    while UdpSocket::bind(("127.0.0.1", cloud.port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "somebody still serves");
        sleep(Duration::from_millis(50));
    }
}
