//! Many edges on one cloud, each with a network that fails in its own way: nothing is wrong, nobody is stuck,
//! and whoever is cut off is back soon.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what is tested happens in real time, to other processes"
)]

use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pipesd_core::fault::{Fault, FaultPlan};
use pipesd_core::seed::Seed;
use pipesd_core::time::{Instant as VirtualInstant, nanos};

use crate::processes::{Cloud, done, edge, given, said};
use crate::support::{folder, write};

/// What goes wrong with one edge's network: a fault about every two seconds, of up to four.
fn plan(number: u64) -> FaultPlan {
    let [every, longest] = [2, 4].map(Duration::from_secs);
    let mut plan =
        FaultPlan::random(Seed(number), 1, Duration::from_secs(3600), every, longest, false);
    // Whatever its number is.
    plan.faults.iter_mut().for_each(|fault| fault.edge = None);
    plan
}

/// A line of an edge: when it was said \[ms\], and what.
fn line(line: &str) -> Option<(f64, &str)> {
    let (time, words) = line.trim_start().split_once(" ms  edge ")?;
    Some((time.parse().ok()?, words))
}

/// How long after its link was back each session was taken up that had lost it \[ms\]; infinity: not before
/// the next silence. Only where the link was wholly back, for a second or until then: nothing late, out of
/// order or spoilt. What the cloud denied meanwhile, or could not give as it was away, is not counted.
fn resumptions(said: &str, plan: &FaultPlan, away: (f64, f64)) -> Vec<f64> {
    let lines: Vec<(f64, &str)> = said.lines().filter_map(line).collect();
    let ms = |at: VirtualInstant| nanos(at - VirtualInstant::ZERO) as f64 / 1e6;
    let silences: Vec<(f64, f64)> =
        plan.silences(0).into_iter().map(|(begin, end)| (ms(begin), ms(end))).collect();
    let spans = plan.faults.iter().map(Fault::span);
    let spans: Vec<(f64, f64)> = spans.map(|(begin, over)| (ms(begin), ms(over))).collect();
    let mut after = Vec::new();
    for (number, &(_, back)) in silences.iter().enumerate() {
        let next = silences.get(number + 1).map_or(f64::INFINITY, |next| next.0);
        let before = || lines.iter().rev().filter(|(at, _)| *at <= back);
        let is_lost = before()
            .find(|(_, words)| words.contains("loses the link") || words.contains("has a link"))
            .is_some_and(|(_, words)| words.contains("loses the link"));
        let waits = before()
            .find(|(_, words)| words.contains("resumes s") || words.contains("suspends s"))
            .is_some_and(|(_, words)| words.ends_with("the link is lost"));
        if !is_lost || !waits {
            continue;
        }
        let later = || lines.iter().filter(|(at, _)| *at > back);
        let Some(resumed) = later().find(|(_, words)| words.contains("resumes s")) else {
            continue;
        };
        let end = resumed.0.min(next);
        let denied = later()
            .take_while(|(at, _)| *at <= end)
            .any(|(_, words)| words.contains("suspends s") && !words.ends_with("the link is lost"));
        let cloud_away = back < away.1 && end > away.0;
        let whole = spans
            .iter()
            .all(|&(begin, over)| over <= back || begin >= resumed.0.min(back + 1000.0));
        if denied || cloud_away || !whole {
            continue;
        }
        after.push(if resumed.0 < next { resumed.0 - back } else { f64::INFINITY });
    }
    after
}

/// `PIPESD_CHAOS_SECONDS` (60): how long it takes at least.
#[test]
fn sixteen_edges_under_faults_commit_the_right_text_and_the_cloud_does_not_grow() {
    let folder = folder("sixteen");
    let seconds = given("PIPESD_CHAOS_SECONDS", 60);
    // In passes of up to eight an edge makes about twelve tokens a second.
    let tokens = (seconds * 12).to_string();
    let common = ["--tokens", &tokens, "--set", "verify_batch=8"];
    let mut cloud = Cloud::start(&folder, &[&common[..], &["--set", "sessions_max=14"]].concat());
    let begun = Instant::now();
    let edges: Vec<Child> = (0..16)
        .map(|number| {
            let own = number.to_string();
            let written = toml::to_string(&plan(number)).expect("a plan");
            let faults = format!("faults={}", write(&folder, &format!("{own}.toml"), &written));
            let offline = if number % 2 == 0 { "wait" } else { "draft" };
            let plan = ["--edge", &own, "--set", &faults, "--offline", offline];
            edge(&folder, &own, &[&common[..], &plan].concat())
        })
        .collect();
    let half = Duration::from_secs(seconds / 4);
    sleep(half);
    cloud.kill();
    sleep(Duration::from_secs(2));
    cloud.restart();
    sleep(half.max(Duration::from_secs(5)));
    let early = cloud.resident_kb();
    sleep(Duration::from_secs(seconds).saturating_sub(begun.elapsed()));
    let late = cloud.resident_kb();
    for (number, child) in edges.into_iter().enumerate() {
        let within = Duration::from_secs(120 + 3 * seconds).saturating_sub(begun.elapsed());
        done(child, &folder, &number.to_string(), within);
    }
    assert!(late < early + early / 2, "{early} kB, and later {late} kB");
    let said: Vec<String> = (0..16).map(|number| said(&folder, &number.to_string())).collect();
    let resumed: usize = said.iter().map(|said| said.matches(" resumes s").count()).sum();
    assert!(resumed >= 16, "each has lost the cloud that was killed: {resumed}");
    println!(
        "{resumed} resumed, {early} kB then {late} kB, {:.0} s",
        begun.elapsed().as_secs_f64()
    );
    // With what it takes to know that the next cloud is there.
    let away = (1000.0 * half.as_secs_f64() - 2000.0, 1000.0 * half.as_secs_f64() + 6000.0);
    let mut after: Vec<f64> = (0..16)
        .flat_map(|number| resumptions(&said[number as usize], &plan(number), away))
        .collect();
    after.sort_by(f64::total_cmp);
    let within = after.iter().filter(|ms| **ms < 1000.0).count();
    println!("{within} of {} within a second of their link's return: {after:.0?}", after.len());
    // Not all: the machine may stand still.
    assert!(2 * within > after.len(), "{after:.0?}");
}
