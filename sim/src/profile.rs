//! A profile: what two models and their testbed are like. Every value carries where it comes from
//! and whether it was published, measured, fitted or assumed.

use std::sync::Arc;

use pipesd_core::device::{Device, DraftKind};
use pipesd_core::payload::Payload;
use pipesd_core::time::{self, Duration, as_millis};
use pipesd_core::trace::Trace;
use serde::{Deserialize, Serialize};

use crate::distribution::Latency;
use crate::link::ExchangeFloor;
use crate::text::Process;

/// How a value came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Stated by the paper or its code.
    Published,
    /// Read off an instrument or a log.
    Measured,
    /// Computed from data by a stated procedure.
    Fitted,
    /// Chosen; nothing contradicts it, nothing proves it.
    Assumed,
}

/// A value with its provenance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// How it came to be.
    pub status: Status,
    /// From what.
    pub source: String,
}

/// A profile as its file says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileSpec {
    /// Name, also that of the dataset in results.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// Entries of the vocabulary \[tokens\].
    pub vocabulary: Sourced<u32>,
    /// Length of a prompt \[tokens\].
    pub prompt_tokens: Sourced<u32>,
    /// Budget of a request \[tokens\].
    pub output_tokens: Sourced<u32>,
    /// The confidence-and-acceptance process; or `trace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextSpec>,
    /// A trace file, relative to the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The draft model.
    pub draft: DraftSpec,
    /// The target model.
    pub verification: VerificationSpec,
    /// Server time of a NAV that is not the GPU's.
    pub overhead_ms: Sourced<Latency>,
    /// Time per output token with both models on the edge's reference device, nothing in the cloud
    /// \[ms\]; absent: not measured.
    #[serde(default)]
    pub edge_only_ms: Option<Sourced<f64>>,
    /// One fit of the edge's tuner; default: as long as a fit of the shipped profiles.
    #[serde(default)]
    pub fit_ms: Option<Sourced<Latency>>,
    /// The network stack of the profile's testbed; absent: its exchanges have no floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ExchangeSpec>,
    /// Energy.
    pub energy: EnergySpec,
}

/// The floor under an exchange of a testbed's network stack; see [`ExchangeFloor`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeSpec {
    /// f0: of a message without bytes \[ms\].
    pub floor_ms: Sourced<f64>,
    /// f1: added by each 10⁶ bytes \[ms\].
    pub floor_per_mb_ms: Sourced<f64>,
}

/// The process of confidences and acceptances; see [`Process`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented at Process")]
pub struct TextSpec {
    pub prompt_share: Sourced<f64>,
    pub slow_share: Sourced<f64>,
    pub slow_correlation: Sourced<f64>,
    pub acceptance_intercept: Sourced<f64>,
    pub acceptance_slope: Sourced<f64>,
    pub knots: Sourced<Vec<[f64; 2]>>,
}

impl TextSpec {
    fn process(&self, vocabulary: u32) -> Process {
        Process {
            prompt_share: self.prompt_share.value,
            slow_share: self.slow_share.value,
            slow_correlation: self.slow_correlation.value,
            knots: self.knots.value.clone(),
            acceptance_intercept: self.acceptance_intercept.value,
            acceptance_slope: self.acceptance_slope.value,
            vocabulary,
        }
    }
}

/// Latency of the draft model on the reference device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftSpec {
    /// A step, from a fitted distribution or measured samples.
    pub step_ms: Sourced<Latency>,
    /// Standard deviation of a prompt's mean \[ms\].
    pub prompt_sd_ms: Sourced<f64>,
    /// Prefill \[ms per prompt token\].
    pub prefill_ms_per_token: Sourced<f64>,
}

/// GPU time of the target model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerificationSpec {
    /// A pass without draft tokens, from a fitted distribution or measured samples.
    pub base_ms: Sourced<Latency>,
    /// Added by each verified token \[ms\].
    pub per_token_ms: Sourced<f64>,
    /// Prefill \[ms per prompt token\].
    pub prefill_ms_per_token: Sourced<f64>,
}

/// Energy figures. What is not given is reported as not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnergySpec {
    /// Cloud GPU, of one NAV \[J\].
    pub nav_base_j: Option<Sourced<f64>>,
    /// Cloud GPU, added by each verified token \[J\].
    pub nav_per_token_j: Option<Sourced<f64>>,
    /// Cloud GPU at work, for prefill \[W\].
    pub cloud_active_w: Option<Sourced<f64>>,
    /// Cloud GPU when idle \[W\].
    pub cloud_idle_w: Option<Sourced<f64>>,
    /// Edge while drafting, above idle \[W\].
    pub edge_active_w: Option<Sourced<f64>>,
    /// Edge when idle \[W\].
    pub edge_idle_w: Option<Sourced<f64>>,
    /// Edge's radio \[J/byte\].
    pub radio_j_per_byte: Option<Sourced<f64>>,
}

impl EnergySpec {
    /// The figures that are given, by key.
    fn values(&self) -> impl Iterator<Item = (&'static str, f64)> {
        [
            ("nav_base_j", &self.nav_base_j),
            ("nav_per_token_j", &self.nav_per_token_j),
            ("cloud_active_w", &self.cloud_active_w),
            ("cloud_idle_w", &self.cloud_idle_w),
            ("edge_active_w", &self.edge_active_w),
            ("edge_idle_w", &self.edge_idle_w),
            ("radio_j_per_byte", &self.radio_j_per_byte),
        ]
        .into_iter()
        .filter_map(|(key, sourced)| Some((key, sourced.as_ref()?.value)))
    }
}

/// What the texts are made of.
#[derive(Clone, Debug, PartialEq)]
pub enum TextModel {
    /// A process.
    Process(Process),
    /// A recording.
    Trace(Arc<Trace>),
}

/// Latency of the draft model, with the device's share in it.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftLatency {
    /// A step on the reference device.
    pub step: Latency,
    /// Standard deviation of a prompt's mean \[ms\].
    pub prompt_sd_ms: f64,
    /// What the edge's device makes of a step.
    pub device: Device,
    /// Prefill \[ms per prompt token\].
    pub prefill_ms_per_token: f64,
}

impl DraftLatency {
    /// A step on the reference device, at quantile `u`, on a prompt whose effect is `prompt` standard
    /// deviations.
    #[must_use]
    pub fn own(&self, u: f64, prompt: f64) -> Duration {
        time::from_millis((self.step.millis_at(u) + self.prompt_sd_ms * prompt).max(0.0))
    }

    /// The mean of a step of a kind, prompts' effects apart \[ms\].
    #[must_use]
    pub fn mean_ms(&self, kind: DraftKind) -> f64 {
        mean_ms(&self.step, self.device, kind)
    }
}

/// The mean of a step on a device \[ms\]: exact where the device's rule allows for it, else over
/// quantiles in equal steps.
fn mean_ms(step: &Latency, device: Device, kind: DraftKind) -> f64 {
    const QUANTILES: u32 = 1024;
    let least = match (device, kind) {
        (Device::Added(more), _) => return step.mean() + as_millis(more),
        (Device::Padded(least), DraftKind::Main) | (Device::Slowed(least), _) => as_millis(least),
        (Device::Padded(_), _) => return step.mean(),
    };
    let at = |quantile: u32| (f64::from(quantile) + 0.5) / f64::from(QUANTILES);
    // What a floor adds to a step has a smaller spread than the step.
    let added = (0..QUANTILES).map(|quantile| (least - step.millis_at(at(quantile))).max(0.0));
    step.mean() + added.sum::<f64>() / f64::from(QUANTILES)
}

/// GPU time of the target model.
#[derive(Clone, Debug, PartialEq)]
pub struct VerificationLatency {
    /// A pass without draft tokens.
    pub base: Latency,
    /// Added by each verified token \[ms\].
    pub per_token_ms: f64,
    /// Prefill \[ms per prompt token\].
    pub prefill_ms_per_token: f64,
}

impl VerificationLatency {
    /// GPU time of a pass over `tokens` drafts, at quantile `u` of its base.
    #[must_use]
    pub fn gpu(&self, tokens: u64, u: f64) -> Duration {
        self.pass(self.base.millis_at(u), tokens)
    }

    /// GPU time of a pass over `tokens` drafts whose base was drawn as `base_ms`.
    #[must_use]
    pub fn pass(&self, base_ms: f64, tokens: u64) -> Duration {
        time::from_millis(base_ms.max(0.0) + self.per_token_ms * tokens as f64)
    }
}

/// A profile ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Entries of the vocabulary.
    pub vocabulary: u32,
    /// Length of a prompt \[tokens\].
    pub prompt_tokens: u32,
    /// Budget of a request \[tokens\].
    pub output_tokens: u32,
    /// The texts.
    pub text: TextModel,
    /// The draft model on its device.
    pub draft: DraftLatency,
    /// The target model.
    pub verification: VerificationLatency,
    /// Server time of a NAV besides.
    pub overhead: Latency,
    /// Time per output token with both models on this edge \[ms\]; None: not measured.
    pub edge_only_ms: Option<f64>,
    /// One fit of the edge's tuner. It runs beside drafting and slows nothing down.
    pub fit: Latency,
    /// Energy.
    pub energy: EnergySpec,
}

/// A fit where the profile does not say: see `fit_ms` in the shipped profiles \[ms\].
const FIT_MS: f64 = 4.0;

impl ProfileSpec {
    /// Edge-only decoding on a device: all of it is taken to be slower by the factor that the device
    /// makes drafting slower. (Both models were run on one device; how much of the time was which
    /// model's is not known.) A padded device stands for one that is slow at every step, and it is that
    /// one which would decode alone.
    fn edge_only(&self, device: Device) -> Option<f64> {
        let step = &self.draft.step_ms.value;
        let own_ms = step.mean();
        let slow_ms = mean_ms(step, device, DraftKind::Main);
        let slower = if own_ms > 0.0 { slow_ms / own_ms } else { 1.0 };
        self.edge_only_ms.as_ref().map(|measured| measured.value * slower)
    }

    /// What a verified token adds: a trace with timings was taken apart by its own value.
    fn verify_per_token_ms(&self, text: &TextModel) -> f64 {
        let timing = match text {
            TextModel::Trace(trace) => trace.timing,
            TextModel::Process(_) => None,
        };
        timing.map_or(self.verification.per_token_ms.value, |timing| timing.verify_per_token_ms)
    }

    /// How long a fit takes.
    fn fit(&self) -> Latency {
        let given = self.fit_ms.as_ref().map(|sourced| sourced.value.clone());
        given.unwrap_or(Latency::Constant { mean: FIT_MS })
    }

    /// The floor under an exchange of the profile's testbed. What was seen of that stack are messages
    /// with full distributions: of any other payload there is none.
    #[must_use]
    pub fn exchange_floor(&self, payload: Payload) -> ExchangeFloor {
        match (&self.exchange, payload) {
            (Some(exchange), Payload::Full) => ExchangeFloor {
                base: time::from_millis(exchange.floor_ms.value),
                per_megabyte: time::from_millis(exchange.floor_per_mb_ms.value),
            },
            _ => ExchangeFloor::NONE,
        }
    }

    /// What is out of range, by key.
    pub(crate) fn check_ranges(&self) -> Result<(), String> {
        for (key, latency) in [
            ("overhead_ms", &self.overhead_ms.value),
            ("fit_ms", &self.fit()),
            ("draft.step_ms", &self.draft.step_ms.value),
            ("verification.base_ms", &self.verification.base_ms.value),
        ] {
            latency.validate().map_err(|problem| format!("`{key}`: {problem}"))?;
        }
        let milliseconds = [
            ("draft.prompt_sd_ms", self.draft.prompt_sd_ms.value),
            ("draft.prefill_ms_per_token", self.draft.prefill_ms_per_token.value),
            ("verification.per_token_ms", self.verification.per_token_ms.value),
            ("verification.prefill_ms_per_token", self.verification.prefill_ms_per_token.value),
        ];
        let edge_only = self.edge_only_ms.as_ref().map(|value| ("edge_only_ms", value.value));
        for (key, value) in milliseconds.into_iter().chain(edge_only) {
            if !(0.0..=1e6).contains(&value) {
                return Err(format!("`{key}`: {value} is out of range: it must be 0 to 1000000"));
            }
        }
        if let Some(ExchangeSpec { floor_ms, floor_per_mb_ms }) = &self.exchange {
            for (key, value) in [("floor_ms", floor_ms), ("floor_per_mb_ms", floor_per_mb_ms)] {
                let value = value.value;
                if !(0.0..=60_000.0).contains(&value) {
                    return Err(format!(
                        "`exchange.{key}`: {value} is out of range: it must be 0 to 60000"
                    ));
                }
            }
        }
        for (key, value) in self.energy.values() {
            if !(0.0..=1e9).contains(&value) {
                return Err(format!(
                    "`energy.{key}`: {value} is out of range: it must be 0 to 1e9"
                ));
            }
        }
        if !(3..=10_000_000).contains(&self.vocabulary.value) {
            let vocabulary = self.vocabulary.value;
            return Err(format!(
                "`vocabulary`: {vocabulary} is out of range: it must be 3 to 10000000"
            ));
        }
        for (key, value) in [
            ("prompt_tokens", self.prompt_tokens.value),
            ("output_tokens", self.output_tokens.value),
        ] {
            if !(1..=1_000_000).contains(&value) {
                return Err(format!("`{key}`: {value} is out of range: it must be 1 to 1000000"));
            }
        }
        Ok(())
    }

    /// The profile on the edge's `device`. `trace` is the content of
    /// the trace file, if the profile names one; the times in it go before the profile's
    /// distributions.
    ///
    /// # Errors
    /// What is wrong, by key.
    pub fn resolve(&self, device: Device, trace: Option<Arc<Trace>>) -> Result<Profile, String> {
        let text = match (&self.text, trace) {
            (Some(text), None) => {
                let process = text.process(self.vocabulary.value);
                process.validate().map_err(|problem| format!("`text`: {problem}"))?;
                TextModel::Process(process)
            }
            (None, Some(trace)) => {
                let checked = trace.validate();
                let checked = checked.and_then(|()| trace.check_vocabulary(self.vocabulary.value));
                checked.map_err(|problem| format!("`trace`: {problem}"))?;
                TextModel::Trace(trace)
            }
            _ => return Err("a profile has either a `text` table or a `trace` file".into()),
        };
        self.check_ranges()?;
        let verification = VerificationLatency {
            base: self.verification.base_ms.value.clone(),
            per_token_ms: self.verify_per_token_ms(&text),
            prefill_ms_per_token: self.verification.prefill_ms_per_token.value,
        };
        Ok(Profile {
            name: self.name.clone(),
            vocabulary: self.vocabulary.value,
            prompt_tokens: self.prompt_tokens.value,
            output_tokens: self.output_tokens.value,
            text,
            draft: DraftLatency {
                step: self.draft.step_ms.value.clone(),
                prompt_sd_ms: self.draft.prompt_sd_ms.value,
                device,
                prefill_ms_per_token: self.draft.prefill_ms_per_token.value,
            },
            verification,
            overhead: self.overhead_ms.value.clone(),
            edge_only_ms: self.edge_only(device),
            fit: self.fit(),
            energy: self.energy.clone(),
        })
    }
}
