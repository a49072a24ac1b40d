//! Setups in round numbers, and what the tests read off a recording.

use std::sync::Arc;

use pipesd_core::cloud::CloudConfig;
use pipesd_core::device::Device;
use pipesd_core::edge::{EdgeConfig, Outage, TuningConfig};
use pipesd_core::event::{Endpoint, Event, Stamped};
use pipesd_core::fault::FaultPlan;
use pipesd_core::ids::SessionId;
use pipesd_core::method::{Method, MethodSpec};
use pipesd_core::seed::Seed;
use pipesd_core::time::Duration;
use pipesd_core::trace::{Trace, TraceText};
use pipesd_sim::distribution::Latency;
use pipesd_sim::link::{AffineConfig, ExchangeFloor, LinkConfig, Rate};
use pipesd_sim::profile::{
    DraftLatency, EnergySpec, Profile, ProfileSpec, TextModel, VerificationLatency,
};
use pipesd_sim::scenario::{BandwidthTrace, ScenarioSpec, Way};
use pipesd_sim::world::{Recording, Setup, run};

/// The paper's four methods as `experiments/methods.toml` has them, with their HumanEval settings.
pub(crate) const PRESETS: [(&str, &str); 4] = [
    ("vanilla", VANILLA),
    (
        "hsl",
        "trigger = 'token_threshold'\n token_threshold = 0.99\n upload = 'at_nav'\n \
         waiting = 'idle'\n verification = 'match'\n payload = 'full'",
    ),
    ("edgellm", EDGELLM),
    ("pipesd", PIPESD),
];
pub(crate) const VANILLA: &str = "trigger = 'fixed_length'\n draft_length = 6\n upload = 'at_nav'\n \
     waiting = 'idle'\n verification = 'match'\n payload = 'full'";
pub(crate) const EDGELLM: &str = "trigger = 'adaptive_sequence'\n sequence_threshold = 0.92\n \
     decay = 0.95\n sequence_threshold_max = 1.99\n upload = 'at_nav'\n \
     waiting = 'draft_and_hold'\n waiting_upload = 'immediate'\n waiting_resume = false\n \
     verification = 'match'\n payload = 'full'";
pub(crate) const PIPESD: &str = "trigger = 'dual'\n sequence_threshold = 0.95\n \
     token_threshold = 0.9\n upload = 'dp'\n waiting = 'draft_and_hold'\n \
     waiting_upload = 'immediate'\n waiting_resume = false\n verification = 'match'\n \
     payload = 'full'";

/// PipeSD as the paper's text has it: proactive rounds follow the plan and ask for their own NAV.
pub(crate) fn rule2(pipesd: &str) -> String {
    pipesd.replace("draft_and_hold", "draft_and_upload").replace("'immediate'", "'dp'")
}

/// The method that an entry of a methods file describes.
pub(crate) fn method(entry: &str) -> Method {
    let spec: MethodSpec = toml::from_str(entry).expect("a test's entry is a method");
    spec.resolve().expect("a test's method is valid")
}

/// A vocabulary whose full distribution has 1220 bytes: with [`BYTES_PER_MS`] a token takes 10 ms on
/// the uplink, and the 183 bytes of a request 1.5 ms.
pub(crate) const VOCABULARY: u32 = 135;
pub(crate) const BYTES_PER_MS: u64 = 122;

pub(crate) fn affine(rate: Rate, startup: Duration, propagation: Duration) -> AffineConfig {
    AffineConfig { rate, startup, propagation, abortable: false, floor: ExchangeFloor::NONE }
}

/// A profile in round numbers: a draft step takes 10 ms, a NAV 30 ms, whatever its length.
pub(crate) fn profile(text: TextModel) -> Profile {
    let nothing_measured = EnergySpec {
        nav_base_j: None,
        nav_per_token_j: None,
        cloud_active_w: None,
        cloud_idle_w: None,
        edge_active_w: None,
        edge_idle_w: None,
        radio_j_per_byte: None,
    };
    Profile {
        name: "test".into(),
        vocabulary: VOCABULARY,
        prompt_tokens: 1,
        output_tokens: 130,
        text,
        draft: DraftLatency {
            step: Latency::Constant { mean: 10.0 },
            prompt_sd_ms: 0.0,
            device: Device::REFERENCE,
            prefill_ms_per_token: 1.0,
        },
        verification: VerificationLatency {
            base: Latency::Constant { mean: 30.0 },
            per_token_ms: 0.0,
            prefill_ms_per_token: 1.0,
        },
        overhead: Latency::Constant { mean: 0.0 },
        edge_only_ms: None,
        fit: Latency::Constant { mean: 50.0 },
        energy: nothing_measured,
    }
}

/// One edge in round numbers: m tokens occupy the uplink for 5 + 10·m ms and arrive 2 ms later, a
/// reply takes 3 ms.
pub(crate) fn setup(method: Method, profile: Profile, tokens: u64) -> Setup {
    let ms = Duration::from_millis;
    let up = affine(Rate::Constant(8_000 * BYTES_PER_MS), Duration::from_micros(3_500), ms(2));
    let down = affine(Rate::Constant(8_000 * 240), Duration::ZERO, ms(2));
    Setup {
        edges: 1,
        edge: EdgeConfig {
            method,
            tuning: None,
            patience: Duration::from_secs(24 * 3600),
            outage: Outage::DEFAULT,
        },
        cloud: CloudConfig::batching(1),
        uplink: LinkConfig::Affine(up),
        downlink: LinkConfig::Affine(down),
        profile: Arc::new(profile),
        tokens,
        record: true,
        faults: FaultPlan::NONE,
        resumed: 0.0,
        canary: None,
    }
}

/// The setup on another device.
pub(crate) fn on(device: Device, setup: Setup) -> Setup {
    let mut profile = Profile::clone(&setup.profile);
    profile.draft.device = device;
    Setup { profile: Arc::new(profile), ..setup }
}

/// The HumanEval profile as it is shipped.
pub(crate) fn humaneval() -> Profile {
    let file = include_str!("../../../traces/profiles/humaneval.toml");
    let spec: ProfileSpec = toml::from_str(file).expect("a shipped profile can be read");
    spec.resolve(Device::REFERENCE, None).expect("a shipped profile is valid")
}

/// The paper's S1: 20 Mbit/s up with 25 ms of start-up, 200 Mbit/s down.
pub(crate) fn paper(method: Method, tokens: u64) -> Setup {
    let half_trip = Duration::from_micros(2_500);
    let up = affine(Rate::Constant(20_000_000), Duration::from_millis(25), half_trip);
    let down = affine(Rate::Constant(200_000_000), Duration::ZERO, half_trip);
    Setup {
        uplink: LinkConfig::Affine(up),
        downlink: LinkConfig::Affine(down),
        ..setup(method, humaneval(), tokens)
    }
}

/// The paper's S4 by its text: S1 on a link that changes every 20 s.
pub(crate) fn dynamic(method: Method, tokens: u64) -> Setup {
    let file = include_str!("../../../traces/scenarios/s4-every-20s.toml");
    let scenario: ScenarioSpec = toml::from_str(file).expect("a shipped scenario can be read");
    let rates = include_str!("../../../traces/scenarios/s4-bandwidth.csv");
    let rates = BandwidthTrace::parse(rates).expect("a shipped trace is valid");
    let uplink = scenario.uplink.resolve(Way::Up, Some(&rates)).expect("a valid uplink");
    let downlink = scenario.downlink.resolve(Way::Down, Some(&rates)).expect("a valid downlink");
    Setup { uplink, downlink, ..paper(method, tokens) }
}

/// Both modes of the online tuner, short enough to end a search of 16 within some prompts.
pub(crate) fn tunings() -> [TuningConfig; 2] {
    let [paper, bayes] = [TuningConfig::paper(Seed(0)), TuningConfig::bayes(Seed(0))];
    [paper, TuningConfig { tokens_per_candidate: 20, ..bayes }]
}

/// The same setup with its edges tuned.
pub(crate) fn tuned(setup: Setup, tuning: TuningConfig) -> Setup {
    Setup { edge: EdgeConfig { tuning: Some(tuning), ..setup.edge }, ..setup }
}

/// A trace of one text without end: (draft, target, confidence) for each position. After a mismatch
/// the draft goes on with ids from 100, surely.
pub(crate) fn text(positions: &[(u32, u32, f64)]) -> TextModel {
    let rollout: Vec<(u32, f64)> = (100..164).map(|id| (id, 0.99)).collect();
    let mismatches = (0..).zip(positions).filter(|(_, (draft, target, _))| draft != target);
    trace(vec![TraceText {
        prompt_tokens: 1,
        stop_ids: vec![0],
        positions: positions.to_vec(),
        rollouts: mismatches.map(|(position, _)| (position, rollout.clone())).collect(),
        ..<_>::default()
    }])
}

pub(crate) fn trace(texts: Vec<TraceText>) -> TextModel {
    let trace =
        Trace { format: Trace::FORMAT.into(), source: "a test".into(), timing: None, texts };
    trace.validate().expect("a test's trace is valid");
    TextModel::Trace(Arc::new(trace))
}

/// The recording of a run that must succeed.
pub(crate) fn record(setup: &Setup, seed: u64) -> Recording {
    let setup = Setup { record: true, ..setup.clone() };
    let result = run(&setup, Seed(seed)).expect("a sound run");
    result.recording.expect("asked for")
}

/// The tokens that were committed in a session, in order.
pub(crate) fn committed(events: &[Stamped], session: SessionId) -> Vec<u32> {
    let tokens = events.iter().filter_map(|stamped| match stamped.event {
        Event::Committed { session: of, token, .. } if of == session => Some(token.0),
        _ => None,
    });
    tokens.collect()
}

/// The edge that a session runs on.
pub(crate) const fn edge_of(session: SessionId) -> Endpoint {
    Endpoint::Edge((session.0 >> 32) as u32)
}
