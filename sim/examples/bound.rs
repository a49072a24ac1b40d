//! The clairvoyant bound, the reference lines and the paper's methods, over profiles, scenarios and
//! payloads: `cargo run --release -p pipesd-sim --example bound [SEEDS]` (default 8, 1000 tokens each).

use std::sync::Arc;

use pipesd_core::cloud::CloudConfig;
use pipesd_core::edge::{EdgeConfig, Outage};
use pipesd_core::fault::FaultPlan;
use pipesd_core::method::{Method, MethodSpec};
use pipesd_core::seed::Seed;
use pipesd_core::time::Duration;
use pipesd_sim::bound::{
    Bound, EmptyNavs, achieve, clairvoyant, clairvoyant_from, decoding_starts,
};
use pipesd_sim::profile::ProfileSpec;
use pipesd_sim::reference::{cloud_only, edge_only, serial};
use pipesd_sim::scenario::{BandwidthTrace, ScenarioSpec, Way};
use pipesd_sim::world::{Setup, run};

const PROFILES: [(&str, &str); 2] = [
    ("humaneval", include_str!("../../traces/profiles/humaneval.toml")),
    ("gsm8k", include_str!("../../traces/profiles/gsm8k.toml")),
];
const SCENARIOS: [(&str, &str); 7] = [
    ("S1", include_str!("../../traces/scenarios/s1-laptop.toml")),
    ("S2", include_str!("../../traces/scenarios/s2-phone.toml")),
    ("S3", include_str!("../../traces/scenarios/s3-iot.toml")),
    ("S4", include_str!("../../traces/scenarios/s4-dynamic.toml")),
    ("S4, every 20 s", include_str!("../../traces/scenarios/s4-every-20s.toml")),
    ("phone", include_str!("../../traces/scenarios/phone.toml")),
    ("iot", include_str!("../../traces/scenarios/iot.toml")),
];
const BANDWIDTH: &str = include_str!("../../traces/scenarios/s4-bandwidth.csv");
const METHODS: &str = include_str!("../../experiments/methods.toml");
const NAMES: [&str; 4] = ["vanilla", "hsl", "edgellm", "pipesd"];

/// A preset with its settings for a profile and another payload.
fn method(name: &str, profile: &str, payload: &str) -> Method {
    let table: toml::Table = METHODS.parse().expect("the shipped methods");
    let mut entry = table[name].as_table().expect("a preset").clone();
    if let Some(settings) = entry.remove("for")
        && let Some(settings) = settings.get(profile).and_then(toml::Value::as_table)
    {
        entry.extend(settings.clone());
    }
    entry.insert("payload".into(), payload.into());
    let spec: MethodSpec = entry.try_into().expect("a preset is a method");
    spec.resolve().expect("a preset is valid")
}

fn setup(profile: &ProfileSpec, scenario: &ScenarioSpec, method: Method) -> Setup {
    let trace = BandwidthTrace::parse(BANDWIDTH).expect("the shipped trace");
    let link = |way, link: &pipesd_sim::scenario::LinkSpec| {
        let trace = link.trace.as_ref().map(|_| &trace);
        link.for_profile(&profile.name).resolve(way, trace).expect("a shipped link")
    };
    let payload = method.payload;
    let device = scenario.device.resolve().expect("a shipped device");
    Setup {
        edges: 1,
        edge: EdgeConfig {
            method,
            tuning: None,
            patience: Duration::from_secs(24 * 3600),
            outage: Outage::DEFAULT,
        },
        cloud: CloudConfig::batching(1),
        uplink: link(Way::Up, &scenario.uplink).with_floor(profile.exchange_floor(payload)),
        downlink: link(Way::Down, &scenario.downlink),
        profile: Arc::new(profile.resolve(device, None).expect("a shipped profile")),
        tokens: 1000,
        record: false,
        faults: FaultPlan::NONE,
        resumed: 0.0,
        canary: None,
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// The bound's mean over the seeds, and by how much its schedule misses it at most \[%\].
fn bound(setup: &Setup, seeds: &[Seed], navs: EmptyNavs) -> (f64, f64) {
    let bounds: Vec<Bound> =
        seeds.iter().map(|&seed| clairvoyant(setup, seed, navs).expect("an affine link")).collect();
    let gaps = seeds.iter().zip(&bounds).map(|(&seed, bound)| {
        let achieved = achieve(setup, seed, bound).expect("a sound run").summary.tpt_ms;
        100.0 * (achieved / bound.tpt_ms - 1.0)
    });
    let gap = gaps.fold(0.0, |most: f64, gap| most.max(gap.abs()));
    (mean(bounds.iter().map(|bound| bound.tpt_ms)), gap)
}

/// A method's mean, and that of its ratio to the bound on requests begun when its own were.
fn compared(setup: &Setup, seeds: &[Seed]) -> (f64, f64) {
    let setup = Setup { record: true, ..setup.clone() };
    let (mut times, mut ratios) = (Vec::new(), Vec::new());
    for &seed in seeds {
        let result = run(&setup, seed).expect("a sound run");
        let starts = decoding_starts(&result.recording.expect("asked for").events);
        let bound = clairvoyant_from(&setup, seed, EmptyNavs::Forbidden, &starts);
        times.push(result.summary.tpt_ms);
        ratios.push(result.summary.tpt_ms / bound.expect("an affine link").tpt_ms);
    }
    (mean(times.into_iter()), mean(ratios.into_iter()))
}

fn row(profile: &ProfileSpec, scenario: &ScenarioSpec, payload: &str, seeds: &[Seed]) -> String {
    let of = |name: &str| setup(profile, scenario, method(name, &profile.name, payload));
    let any = of("vanilla");
    let (drafting, gap) = bound(&any, seeds, EmptyNavs::Forbidden);
    let (free, free_gap) = bound(&any, seeds, EmptyNavs::Allowed);
    let methods: Vec<String> = NAMES
        .iter()
        .map(|name| {
            let (tpt, ratio) = compared(&of(name), seeds);
            format!("{tpt:.1} ({ratio:.2})")
        })
        .collect();
    let cloud = mean(seeds.iter().map(|&seed| cloud_only(&any, seed).tpt_ms));
    let edge = edge_only(&any).map_or("not measured".into(), |line| format!("{:.1}", line.tpt_ms));
    let serial = serial(&any, seeds).expect("sound runs");
    format!(
        "{drafting:.1} | {gap:.1e} % | {free:.1} | {free_gap:.1e} % | {} | {cloud:.1} | {edge} | \
         {:.1} (N = {})",
        methods.join(" | "),
        serial.mean.tpt_ms,
        serial.draft_length,
    )
}

fn main() {
    let count = std::env::args().nth(1).map_or(8, |seeds| seeds.parse().expect("a number"));
    let seeds: Vec<Seed> = (1..=count).map(Seed).collect();
    println!(
        "ms per output token; in brackets: over the bound with a draft in every NAV\n\n\
         | profile | scenario | payload | bound | gap | bound, empty NAVs | gap | Vanilla | HSL | \
         EdgeLLM | PipeSD | cloud-only | edge-only | serial |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for (name, file) in PROFILES {
        let profile: ProfileSpec = toml::from_str(file).expect("a shipped profile");
        for (label, file) in SCENARIOS {
            let scenario: ScenarioSpec = toml::from_str(file).expect("a shipped scenario");
            for payload in ["full", "ids"] {
                println!(
                    "| {name} | {label} | {payload} | {} |",
                    row(&profile, &scenario, payload, &seeds)
                );
            }
        }
    }
}
