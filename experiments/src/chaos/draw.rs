//! One run by chance: any method, payload and link, any faults, one to eight edges. All of it is the seed's.

use std::sync::Arc;

use pipesd_core::cloud::{CloudConfig, CloudLimits, QueueOrder};
use pipesd_core::edge::{EdgeConfig, Offline, Outage};
use pipesd_core::fault::FaultPlan;
use pipesd_core::method::{
    Method, MethodSpec, PayloadName, Threshold, TriggerName, UploadName, Verification, WaitingName,
};
use pipesd_core::seed::{Seed, Stream};
use pipesd_core::time::Duration;
use pipesd_sim::distribution::Latency;
use pipesd_sim::link::{AffineConfig, ExchangeFloor, LinkConfig, PacketConfig, Rate};
use pipesd_sim::profile::{DraftLatency, Profile, TextModel, VerificationLatency};
use pipesd_sim::world::Setup;

/// What is drawn one after another.
struct Dice {
    stream: Stream,
    thrown: u64,
}

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.thrown += 1;
        self.stream.at(self.thrown).uniform()
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.uniform() * choices.len() as f64) as usize]
    }

    /// Up to `most`, from `least` on.
    fn number(&mut self, least: u32, most: u32) -> u32 {
        least + (self.uniform() * f64::from(most - least + 1)) as u32
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }
}

/// A run, and what may come of it.
pub(crate) struct Drawn {
    pub(crate) setup: Setup,
    /// Sessions may be given up for want of a cloud: edges wait for a short time only.
    pub(crate) impatient: bool,
}

/// Draft steps of a text: so many that faults fall among them, so few that ten thousand runs take minutes.
const TEXT_TOKENS: [u32; 3] = [12, 30, 60];

/// The run with this seed, of `profile`'s texts.
pub(crate) fn run(profile: &Profile, seed: u64) -> Drawn {
    let mut dice = Dice { stream: Seed(seed).stream("chaos", 0), thrown: 0 };
    let method = method(&mut dice);
    let edges = dice.number(1, 8);
    let profile = texts(&mut dice, profile);
    let tokens = u64::from(profile.output_tokens) * u64::from(dice.number(1, 3));
    let (uplink, downlink) = (link(&mut dice), link(&mut dice));
    let impatient = dice.chance(0.05);
    let outage = Outage {
        patience: Duration::from_secs(if impatient { 2 } else { 24 * 3600 }),
        offline: dice.pick(&[Offline::Wait, Offline::Draft]),
    };
    let edge =
        EdgeConfig { method, tuning: None, patience: Duration::from_secs(24 * 3600), outage };
    let cloud = cloud(&mut dice, edges, &profile);
    let every = Duration::from_millis(dice.pick(&[150, 500, 2000, 10_000]));
    let longest = Duration::from_millis(dice.pick(&[100, 1000, 5000]));
    let horizon = Duration::from_secs(60);
    let faults = if dice.chance(0.1) {
        FaultPlan::NONE
    } else {
        FaultPlan::random(Seed(seed), edges, horizon, every, longest, dice.chance(0.7))
    };
    let profile = Arc::new(profile);
    let resumed = dice.pick(&[0.0, 0.0, 0.5]);
    let (record, canary) = (false, None);
    Drawn {
        setup: Setup {
            edges,
            edge,
            cloud,
            uplink,
            downlink,
            profile,
            tokens,
            record,
            faults,
            resumed,
            canary,
        },
        impatient,
    }
}

fn method(dice: &mut Dice) -> Method {
    let uploads = [
        UploadName::AtNav,
        UploadName::Immediate,
        UploadName::FixedBatch,
        UploadName::Window,
        UploadName::Dp,
        UploadName::WorkConserving,
    ];
    let threshold = |dice: &mut Dice| {
        let value = dice.pick(&[0.05, 0.5, 0.8, 0.95, 0.995]);
        Some(Threshold::new(value).expect("in range"))
    };
    let mut spec = MethodSpec {
        description: None,
        trigger: dice.pick(&[
            TriggerName::FixedLength,
            TriggerName::TokenThreshold,
            TriggerName::SequenceThreshold,
            TriggerName::AdaptiveSequence,
            TriggerName::Dual,
        ]),
        draft_length: Some(dice.number(1, 8)),
        token_threshold: threshold(dice),
        sequence_threshold: threshold(dice),
        decay: threshold(dice),
        sequence_threshold_max: dice.chance(0.5).then_some(1.0),
        upload: dice.pick(&uploads),
        batch_size: Some(dice.number(1, 5)),
        waiting: dice.pick(&[
            WaitingName::Idle,
            WaitingName::Draft,
            WaitingName::DraftAndUpload,
            WaitingName::DraftAndHold,
        ]),
        waiting_depth: Some(dice.number(1, 8)),
        waiting_resume: Some(dice.chance(0.5)),
        waiting_upload: Some(dice.pick(&uploads)),
        verification: Verification::Match,
        drafting: None,
        payload: dice.pick(&[
            PayloadName::Full,
            PayloadName::Lazy,
            PayloadName::TopK,
            PayloadName::Ids,
        ]),
        top_k: Some(3),
        window: Some(dice.number(1, 20)),
    };
    spec.drop_inherited(&[]);
    spec.resolve().expect("every key that is left has a use")
}

/// The profile's texts, shorter, with drafts that are right more or less often, and other latencies.
fn texts(dice: &mut Dice, profile: &Profile) -> Profile {
    let text = match &profile.text {
        TextModel::Process(process) => {
            let mut process = process.clone();
            process.acceptance_intercept += dice.pick(&[-3.0, -1.0, 0.0, 2.0]);
            TextModel::Process(process)
        }
        trace @ TextModel::Trace(_) => trace.clone(),
    };
    let mut ms = |choices: &[f64]| dice.pick(choices);
    let (step, sd) = (ms(&[0.0, 1.0, 10.0, 44.5]), ms(&[0.0, 5.0]));
    let (base, per_token) = (ms(&[0.0, 1.0, 30.0, 300.0]), ms(&[0.0, 1.0, 10.0]));
    let overhead = Latency::Constant { mean: ms(&[0.0, 5.0]) };
    let output_tokens = dice.pick(&TEXT_TOKENS);
    Profile {
        text,
        // Whole distributions of a small vocabulary: any link carries them.
        vocabulary: 20,
        prompt_tokens: 10,
        output_tokens,
        draft: DraftLatency {
            step: Latency::Normal { mean: step, sd, min: 0.0 },
            ..profile.draft.clone()
        },
        verification: VerificationLatency {
            base: Latency::Constant { mean: base },
            per_token_ms: per_token,
            prefill_ms_per_token: 1.0,
        },
        overhead,
        ..profile.clone()
    }
}

fn link(dice: &mut Dice) -> LinkConfig {
    let bits = dice.pick(&[50_000, 1_000_000, 20_000_000, 1_000_000_000]);
    let rate = if dice.chance(0.2) {
        Rate::PerRequest { rates: vec![bits, 4 * bits], first: 0, random_first: true }
    } else {
        Rate::Constant(bits)
    };
    let mut delay = || Duration::from_millis(dice.pick(&[0, 0, 1, 5, 25, 150]));
    let (startup, propagation, jitter) = (delay(), delay(), delay());
    let abortable = dice.chance(0.5);
    if dice.chance(0.6) {
        let base = Duration::from_millis(dice.pick(&[0, 0, 60]));
        let floor = ExchangeFloor { base, ..ExchangeFloor::NONE };
        return LinkConfig::Affine(AffineConfig { rate, startup, propagation, abortable, floor });
    }
    LinkConfig::Packet(PacketConfig {
        rate,
        startup,
        propagation,
        jitter,
        loss: dice.pick(&[0.0, 0.02, 0.3]),
        queue_bytes: dice.pick(&[0, 3_000, 64_000]),
        abortable,
        mtu: PacketConfig::MTU,
        header: PacketConfig::HEADER,
    })
}

/// A cloud that may be too small for all edges at once, so that some wait and some are evicted.
fn cloud(dice: &mut Dice, edges: u32, profile: &Profile) -> CloudConfig {
    let one = u64::from(profile.prompt_tokens + profile.output_tokens);
    let all = u64::from(edges) * one;
    let limits = CloudLimits {
        sessions: dice.pick(&[1 << 16, edges, edges.div_ceil(2)]),
        tokens: dice.pick(&[1 << 32, all, all / 2]).max(one),
        client_sessions: dice.pick(&[8, 2]),
        client_tokens: 1 << 16,
        client_navs_per_second: dice.pick(&[0, 0, 5, 50]),
        settled: Duration::from_millis(dice.pick(&[2000, 10_000])),
        idle: Duration::from_secs(dice.pick(&[60, 3600])),
    };
    CloudConfig {
        verify_batch_max: dice.number(1, 4),
        queue: dice.pick(&[QueueOrder::Courteous, QueueOrder::Fair, QueueOrder::FirstCome]),
        limits,
    }
}
