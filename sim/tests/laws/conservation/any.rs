//! Random setups: every axis of a method, both link models, texts that end anywhere.

use std::collections::BTreeMap;

use pipesd_core::cloud::CloudConfig;
use pipesd_core::device::Device;
use pipesd_core::edge::{EdgeConfig, TuningConfig};
use pipesd_core::method::{
    Method, MethodSpec, PayloadName, Threshold, TriggerName, UploadName, Verification, WaitingName,
};
use pipesd_core::seed::Seed;
use pipesd_core::time::Duration;
use pipesd_core::trace::TraceText;
use pipesd_core::tuner::TunerConfig;
use pipesd_sim::distribution::Latency;
use pipesd_sim::link::{AffineConfig, ExchangeFloor, LinkConfig, PacketConfig, Rate};
use pipesd_sim::profile::{DraftLatency, Profile, TextModel, VerificationLatency};
use pipesd_sim::world::Setup;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support;

pub(crate) fn method() -> impl Strategy<Value = Method> {
    let triggers = vec![
        TriggerName::FixedLength,
        TriggerName::TokenThreshold,
        TriggerName::SequenceThreshold,
        TriggerName::AdaptiveSequence,
        TriggerName::Dual,
    ];
    let uploads = || {
        select(vec![
            UploadName::AtNav,
            UploadName::Immediate,
            UploadName::FixedBatch,
            UploadName::Window,
            UploadName::Dp,
            UploadName::WorkConserving,
        ])
    };
    let waiting = vec![
        WaitingName::Idle,
        WaitingName::Draft,
        WaitingName::DraftAndUpload,
        WaitingName::DraftAndHold,
    ];
    let payloads = vec![PayloadName::Full, PayloadName::Lazy, PayloadName::TopK, PayloadName::Ids];
    let threshold = || {
        let values = select(vec![0.05, 0.5, 0.8, 0.95, 0.995]);
        values.prop_map(|value| Threshold::new(value).expect("in (0, 1)"))
    };
    let when = (select(triggers), 1_u32..8, threshold(), threshold(), threshold(), any::<bool>());
    let what = (uploads(), uploads(), 1_u32..5, select(payloads), 1_u32..21);
    let ahead = (select(waiting), 1_u32..=8, any::<bool>());
    (when, what, ahead).prop_map(|(when, what, (waiting, depth, resume))| {
        let (trigger, length, token, sequence, decay, clipped) = when;
        let (upload, waiting_upload, batch, payload, window) = what;
        let mut spec = MethodSpec {
            description: None,
            trigger,
            draft_length: Some(length),
            token_threshold: Some(token),
            sequence_threshold: Some(sequence),
            decay: Some(decay),
            sequence_threshold_max: clipped.then_some(1.0),
            upload,
            batch_size: Some(batch),
            waiting,
            waiting_depth: Some(depth),
            waiting_resume: Some(resume),
            waiting_upload: Some(waiting_upload),
            verification: Verification::Match,
            drafting: None,
            payload,
            top_k: Some(3),
            window: Some(window),
        };
        spec.drop_inherited(&[]);
        spec.resolve().expect("every key that is left has a use")
    })
}

fn rate() -> impl Strategy<Value = Rate> {
    let bits = || select(vec![2_000_u64, 100_000, 1_000_000, 20_000_000, 1_000_000_000_000]);
    let trace = (1_u64..200, prop::collection::vec(bits(), 1..5), 0_u64..500, any::<bool>());
    let trace = trace.prop_map(|(step, rates, offset, random_offset)| {
        let [step, offset] = [step, offset].map(Duration::from_millis);
        Rate::Trace { step, rates, offset, random_offset }
    });
    let requests = (prop::collection::vec(bits(), 1..5), 0_u32..5, any::<bool>());
    let requests = requests.prop_map(|(rates, first, random_first)| Rate::PerRequest {
        rates,
        first,
        random_first,
    });
    prop_oneof![3 => bits().prop_map(Rate::Constant), 1 => trace, 1 => requests]
}

pub(crate) fn link() -> impl Strategy<Value = LinkConfig> {
    let delays = || select(vec![0_u64, 0, 1, 5, 25, 300]).prop_map(Duration::from_millis);
    let floor = (select(vec![0_u64, 0, 5, 60]), select(vec![0_u64, 90, 5_000]));
    let floor = floor.prop_map(|(base, per_megabyte)| ExchangeFloor {
        base: Duration::from_millis(base),
        per_megabyte: Duration::from_millis(per_megabyte),
    });
    let affine = (rate(), delays(), delays(), any::<bool>(), floor).prop_map(
        |(rate, startup, propagation, abortable, floor)| {
            LinkConfig::Affine(AffineConfig { rate, startup, propagation, abortable, floor })
        },
    );
    let chance = (delays(), select(vec![0.0, 0.02, 0.3]), select(vec![0_u64, 3_000, 64_000]));
    let packet = (rate(), delays(), delays(), chance, any::<bool>()).prop_map(
        |(rate, startup, propagation, (jitter, loss, queue_bytes), abortable)| {
            LinkConfig::Packet(PacketConfig {
                rate,
                startup,
                propagation,
                jitter,
                loss,
                queue_bytes,
                abortable,
                mtu: PacketConfig::MTU,
                header: PacketConfig::HEADER,
            })
        },
    );
    prop_oneof![2 => affine, 1 => packet]
}

/// A text whose ids are few, so that wrong drafts and guesses are right by chance, and where id 0,
/// which ends it, may be drafted or meant anywhere.
fn text() -> impl Strategy<Value = TraceText> {
    let confidence = || select(vec![0.0, 0.3, 0.7, 0.9, 0.97, 0.999, 1.0]);
    let id = || prop_oneof![1 => Just(0_u32), 12 => 1_u32..4];
    let position = (id(), prop_oneof![3 => Just(None), 1 => id().prop_map(Some)], confidence());
    let positions = prop::collection::vec(position, 1..30);
    let rollout = prop::collection::vec((id(), confidence()), 1..5);
    (positions, rollout, 1_u32..4).prop_map(|(positions, pattern, prompt_tokens)| {
        let positions: Vec<(u32, u32, f64)> = positions
            .into_iter()
            .map(|(target, draft, confidence)| (draft.unwrap_or(target), target, confidence))
            .collect();
        // After each mismatch the pattern, begun elsewhere, for longer than any text.
        let rollouts: BTreeMap<u32, Vec<(u32, f64)>> = (0..)
            .zip(&positions)
            .filter(|(_, (draft, target, _))| draft != target)
            .map(|(at, _)| {
                (at, pattern.iter().cycle().skip(at as usize).take(64).copied().collect())
            })
            .collect();
        TraceText { prompt_tokens, stop_ids: vec![0], positions, rollouts, ..<_>::default() }
    })
}

/// The reference device, or one that is slower at some or at all steps.
fn device() -> impl Strategy<Value = Device> {
    let rules: [fn(Duration) -> Device; 3] = [Device::Added, Device::Padded, Device::Slowed];
    let time = select(vec![0_u64, 5, 30, 160]).prop_map(Duration::from_millis);
    (select(rules.to_vec()), time).prop_map(|(rule, time)| rule(time))
}

fn profile() -> impl Strategy<Value = Profile> {
    let texts = prop::collection::vec(text(), 1..4);
    let ms = || select(vec![0.0, 1.0, 10.0, 44.5]);
    let noise = select(vec![0.0, 5.0]);
    let draft = (ms(), noise, device());
    (texts, draft, ms(), ms(), ms()).prop_map(|(texts, draft, base, per_token, server)| {
        let (step, sd, device) = draft;
        let profile = support::profile(TextModel::clone(&support::trace(texts)));
        Profile {
            draft: DraftLatency {
                step: Latency::Normal { mean: step, sd, min: 0.0 },
                device,
                ..profile.draft
            },
            verification: VerificationLatency {
                base: Latency::Samples { values: vec![base, base + sd] },
                per_token_ms: per_token,
                prefill_ms_per_token: 1.0,
            },
            overhead: Latency::Constant { mean: server },
            fit: Latency::Constant { mean: 10.0 * step },
            ..profile
        }
    })
}

/// Short searches that go on restarting; random points, as no model is needed to switch thresholds.
fn tuning() -> impl Strategy<Value = Option<TuningConfig>> {
    let tuning = (1_u32..4, 1_u32..6, 0_u32..3, any::<bool>(), any::<bool>());
    let tuning =
        tuning.prop_map(|(evaluations, tokens, duel_turns, starts_from_best, hopeless)| {
            TuningConfig {
                tuner: TunerConfig::random(evaluations),
                duel_turns,
                tokens_per_candidate: tokens,
                starts_from_best,
                hopeless: hopeless.then_some(1.5),
                drift_share: 0.05,
                drift_window: 3,
                ..TuningConfig::paper(Seed(0))
            }
        });
    prop::option::of(tuning)
}

/// A recorded run with its seed.
pub(crate) fn setup() -> impl Strategy<Value = (Setup, u64)> {
    let world = (1_u32..=3, 1_u32..=3, 1_u64..60, 0_u64..4);
    (method(), profile(), link(), link(), world, tuning()).prop_map(
        |(method, profile, uplink, downlink, world, tuning)| {
            let (edges, verify_batch_max, tokens, seed) = world;
            let setup = support::setup(method, profile, tokens);
            let cloud = CloudConfig::batching(verify_batch_max);
            let tuning = tuning.filter(|tuning| tuning.check(method.trigger).is_ok());
            let edge = EdgeConfig { tuning, ..setup.edge };
            (Setup { edges, edge, cloud, uplink, downlink, ..setup }, seed)
        },
    )
}
