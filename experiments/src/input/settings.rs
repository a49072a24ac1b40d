//! One configuration: profile, scenario and method, with what `--set` changes of them.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use pipesd_core::edge::EdgeConfig;
use pipesd_core::method::{MethodSpec, Verification};
use pipesd_core::payload::Payload;
use pipesd_core::time::Duration;
use pipesd_core::trace::TraceText;
use pipesd_sim::distribution::{LATENCY_MAX_MS, Latency};
use pipesd_sim::link::LinkConfig;
use pipesd_sim::profile::{
    DraftSpec, EnergySpec, ExchangeSpec, Profile, Sourced, Status, TextModel, TextSpec,
};
use pipesd_sim::scenario::{BandwidthTrace, DeviceSpec, LinkModel, LinkSpec, Way};
use pipesd_sim::world::Setup;
use serde::{Deserialize, Serialize};

use crate::cli::Configure;

use super::files::{LoadedMethod, LoadedProfile, LoadedScenario};
use super::keys::{self, Group, set_keys};
use super::service::Service;
use super::tuning::TuningSpec;
use super::{BadInput, bad_input, load_bandwidth, load_method, load_profile, load_scenario};

/// What was chosen, by name or path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choice {
    pub(crate) profile: String,
    pub(crate) scenario: String,
    pub(crate) method: String,
    pub(crate) sets: Vec<String>,
}

impl From<&Configure> for Choice {
    fn from(typed: &Configure) -> Self {
        let Configure { profile, scenario, method, sets } = typed;
        Self {
            profile: profile.clone(),
            scenario: scenario.clone(),
            method: method.clone(),
            sets: sets.clone(),
        }
    }
}

/// A configuration with everything read and applied.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    pub(crate) profile: LoadedProfile,
    pub(crate) scenario: LoadedScenario,
    pub(crate) method: LoadedMethod,
    /// The draft model before any `--set`: its noise is a share of its mean.
    draft_as_loaded: DraftSpec,
    /// Of a live run or for comparison with one: the stack is a real one then.
    live: bool,
    tuning: TuningSpec,
    edges: u32,
    service: Service,
}

/// Keys of `--set` that are the method's.
pub(crate) const METHOD_KEYS: &[&str] = &[
    "trigger",
    "draft_length",
    "token_threshold",
    "sequence_threshold",
    "sequence_threshold_max",
    "decay",
    "upload",
    "batch_size",
    "waiting",
    "waiting_depth",
    "waiting_resume",
    "waiting_upload",
    "verification",
    "drafting",
    "payload",
    "top_k",
    "window",
];

/// Prompt and output tokens of all edges together at most: each edge keeps its texts in memory.
const TEXT_MAX: u64 = 10_000_000;

/// Keys that go before all others: the link's model decides which of its other keys exist, and what is
/// set of a whole is changed by what is set of its parts.
const FIRST: [&str; 4] = ["link", "bandwidth_trace", "draft_ms", "prompt_share"];

/// A session without any event for this long is given up: far beyond any upload that ends.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

impl Configuration {
    /// Reads what was chosen and applies the settings in order.
    pub(crate) fn load(choice: &Choice) -> Result<Self> {
        let profile = load_profile(&choice.profile)?;
        let scenario = load_scenario(&choice.scenario)?;
        let method = load_method(&choice.method, &profile.spec.name)?;
        let draft_as_loaded = profile.spec.draft.clone();
        let (edges, service) = (1, Service::default());
        let tuning = TuningSpec::default();
        let mut configuration = Self {
            profile,
            scenario,
            method,
            draft_as_loaded,
            live: false,
            tuning,
            edges,
            service,
        };
        configuration.apply(&choice.sets)?;
        Ok(configuration)
    }

    /// The same for a live run, and for what is simulated to be held against it.
    #[cfg(any(test, feature = "live"))]
    pub(crate) fn for_live_run(self) -> Self {
        Self { live: true, ..self }
    }

    /// This configuration with some more settings: a sweep reads its files once.
    pub(crate) fn with(&self, sets: &[String]) -> Result<Self> {
        let mut configuration = self.clone();
        configuration.apply(sets)?;
        Ok(configuration)
    }

    fn apply(&mut self, sets: &[String]) -> Result<()> {
        let mut split = Vec::new();
        for set in sets {
            let (key, text) =
                set.split_once('=').ok_or_else(|| bad_input!("--set {set}: expected KEY=VALUE"))?;
            if split.iter().any(|(_, other, _)| *other == key) {
                return Err(bad_input!("--set {set}: `{key}` is set twice").into());
            }
            split.push((set, key, parse_value(text)));
        }
        split.sort_by_key(|(_, key, _)| {
            FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len())
        });
        // Two shares of one whole are checked together.
        let both_shares = ["prompt_share", "slow_share"]
            .iter()
            .all(|share| split.iter().any(|(_, key, _)| key == share));
        let mut method_keys = Vec::new();
        let mut keys = toml::Table::try_from(&self.method.spec).expect("a method is a table");
        for (set, key, value) in split {
            if METHOD_KEYS.contains(&key) {
                keys.insert(key.to_owned(), value);
                // Each alone, so that a message is about this flag.
                let spec: MethodSpec =
                    toml::Value::Table(keys.clone()).try_into().map_err(|error| {
                        bad_input!("--set {set}: {}", toml::de::Error::message(&error))
                    })?;
                self.method.spec = spec;
                method_keys.push(key);
            } else {
                let later = both_shares && key == "prompt_share";
                self.set_environment(key, &value)
                    .and_then(|()| if later { Ok(()) } else { self.environment().map(drop) })
                    .map_err(|problem| bad_input!("--set {set}: {problem}"))?;
            }
        }
        self.method.spec.drop_inherited(&method_keys);
        let label = |key: &str| {
            let source = sets.iter().rev().find(|set| set.starts_with(&format!("{key}=")));
            match source {
                Some(set) => format!("--set {set}"),
                None if sets.is_empty() => self.method.label.clone(),
                None => format!("{} with --set {}", self.method.label, sets.join(" --set ")),
            }
        };
        let method = self.method.spec.resolve();
        let method = method.map_err(|error| bad_input!("{}: {error}", label(error.key)))?;
        let tuning = self.tuning.resolve(method.trigger);
        tuning.map_err(|(key, problem)| bad_input!("{}: `{key}`: {problem}", label(key)))?;
        if self.profile.trace.is_some() && self.is_modelled() {
            let key = match self.method.spec.verification {
                Verification::Match => "drafting",
                Verification::Rejection => "verification",
            };
            return Err(bad_input!(
                "{}: the profile is a trace of argmax drafts under match: it has no distributions to \
                 draw other drafts from or to judge by; a profile without a trace models such a run",
                label(key)
            )
            .into());
        }
        Ok(())
    }

    /// Whether the method decides by what token ids do not say: the profile's acceptance, of argmax
    /// drafts under match, then stands in for the method's own.
    pub(crate) fn is_modelled(&self) -> bool {
        self.method.spec.resolve().is_ok_and(|method| !method.terms().decided_by_ids())
    }

    fn set_environment(&mut self, key: &str, value: &toml::Value) -> Result<(), String> {
        match key {
            "edges" => self.edges = count(value, 1, 4096)?,
            _ => match keys::find(key).map(|key| key.group) {
                Some(Group::Tuning) => self.tuning.set(key, value)?,
                Some(Group::Service) => self.service.set(key, value)?,
                Some(Group::Link) => self.set_link(key, value)?,
                Some(Group::Model) => self.set_models(key, value)?,
                _ => {
                    let keys = set_keys().join(", ");
                    return Err(format!("no such key; the keys are {keys}"));
                }
            },
        }
        Ok(())
    }

    fn set_link(&mut self, key: &str, value: &toml::Value) -> Result<(), String> {
        let LoadedScenario { spec, traces, .. } = &mut self.scenario;
        let (uplink, downlink) = (&mut spec.uplink, &mut spec.downlink);
        match key {
            "link" => {
                let parsed: Result<LinkModel, toml::de::Error> = value.clone().try_into();
                let model = parsed.map_err(|error| error.message().to_owned())?;
                uplink.model = model;
                downlink.model = model;
            }
            "abortable" => {
                let abortable = value.as_bool().ok_or("expected true or false")?;
                uplink.abortable = Some(given(abortable));
            }
            "uplink_mbps" => {
                uplink.clear_rate();
                uplink.rate_mbps = Some(given(number(value)?));
                traces[0] = None;
            }
            "downlink_mbps" => {
                downlink.clear_rate();
                downlink.rate_mbps = Some(given(number(value)?));
                traces[1] = None;
            }
            "uplink_mean_mbps" => {
                uplink.clear_mean();
                let mean = given(number(value)?);
                // One rate is its own mean.
                let one = uplink.rate_mbps.is_some();
                *(if one { &mut uplink.rate_mbps } else { &mut uplink.mean_rate_mbps }) =
                    Some(mean);
            }
            "bandwidth_trace" => {
                let path = value.as_str().ok_or("expected a path")?;
                let trace = load_bandwidth(Path::new(path)).map_err(|error| error.to_string())?;
                for (link, read) in [uplink, downlink].into_iter().zip(traces) {
                    link.clear_rate();
                    link.trace = Some(given(path.to_owned()));
                    *read = Some(trace.clone());
                }
            }
            "startup_ms" => uplink.startup_ms = given(number(value)?),
            "downlink_startup_ms" => downlink.startup_ms = given(number(value)?),
            "queue_kb" => uplink.queue_kb = Some(given(number(value)?)),
            "downlink_queue_kb" => downlink.queue_kb = Some(given(number(value)?)),
            _ => {
                let number = given(number(value)?);
                for link in [uplink, downlink] {
                    match key {
                        "propagation_ms" => link.propagation_ms = number.clone(),
                        "jitter_ms" => link.jitter_ms = Some(number.clone()),
                        "loss" => link.loss = Some(number.clone()),
                        other => unreachable!("`{other}` is a link's"),
                    }
                }
            }
        }
        Ok(())
    }

    fn set_models(&mut self, key: &str, value: &toml::Value) -> Result<(), String> {
        let traced = self.profile.trace.is_some();
        let timed = self.profile.trace.as_ref().is_some_and(|trace| trace.timing.is_some());
        let profile = &mut self.profile.spec;
        if TEXT_KEYS.contains(&key) {
            let text = profile.text.as_mut().ok_or("the profile is a trace, which has its own")?;
            return set_text(text, key, value);
        }
        if let Some(energy) = energy_of(&mut profile.energy, key) {
            *energy = Some(given(number(value)?));
            return Ok(());
        }
        match key {
            "prompt_tokens" | "output_tokens" | "vocabulary" if traced => {
                return Err("the profile is a trace, which has its own".to_owned());
            }
            "draft_ms"
            | "draft_sd_ms"
            | "verify_base_ms"
            | "verify_per_token_ms"
            | "overhead_ms"
                if timed =>
            {
                return Err("the profile is a trace, which has its own times".to_owned());
            }
            "draft_ms" => {
                // The whole step, device included; its noise keeps its share.
                let loaded = &self.draft_as_loaded;
                let step_ms = milliseconds(value)?;
                let share = step_ms / loaded.step_ms.value.mean().max(f64::MIN_POSITIVE);
                profile.draft.prompt_sd_ms = given(loaded.prompt_sd_ms.value * share);
                profile.draft.step_ms = given(loaded.step_ms.value.scaled(share));
                self.scenario.spec.device.set("added_draft_ms", given(0.0));
            }
            rule if DeviceSpec::KEYS.contains(&rule) => {
                self.scenario.spec.device.set(rule, given(number(value)?));
            }
            "draft_prefill_per_token_ms" => {
                profile.draft.prefill_ms_per_token = given(number(value)?);
            }
            "verify_prefill_per_token_ms" => {
                profile.verification.prefill_ms_per_token = given(number(value)?);
            }
            "exchange_floor_ms" | "exchange_floor_per_mb_ms" => {
                let exchange = profile.exchange.get_or_insert_with(|| ExchangeSpec {
                    floor_ms: given(0.0),
                    floor_per_mb_ms: given(0.0),
                });
                let (base, per_mb) = (&mut exchange.floor_ms, &mut exchange.floor_per_mb_ms);
                *(if key == "exchange_floor_ms" { base } else { per_mb }) = given(number(value)?);
            }
            "edge_only_ms" => profile.edge_only_ms = Some(given(number(value)?)),
            "draft_sd_ms" => {
                let mean = profile.draft.step_ms.value.mean();
                let (sd, min) = (milliseconds(value)?, 0.0);
                profile.draft.step_ms = given(Latency::Normal { mean, sd, min });
                profile.draft.prompt_sd_ms = given(0.0);
            }
            "verify_base_ms" => {
                profile.verification.base_ms =
                    given(Latency::Constant { mean: milliseconds(value)? });
            }
            "verify_per_token_ms" => profile.verification.per_token_ms = given(number(value)?),
            "overhead_ms" => {
                profile.overhead_ms = given(Latency::Constant { mean: milliseconds(value)? });
            }
            "fit_ms" => {
                profile.fit_ms = Some(given(Latency::Constant { mean: milliseconds(value)? }));
            }
            "vocabulary" => profile.vocabulary = given(count(value, 3, 10_000_000)?),
            "prompt_tokens" => profile.prompt_tokens = given(count(value, 1, 1_000_000)?),
            "output_tokens" => profile.output_tokens = given(count(value, 1, 1_000_000)?),
            other => unreachable!("`{other}` is a model's"),
        }
        Ok(())
    }

    /// The profile on its device, uplink and downlink.
    fn environment(&self) -> Result<(Profile, [LinkConfig; 2]), String> {
        let LoadedScenario { label, spec, traces: [up, down] } = &self.scenario;
        let link = |way, link: &LinkSpec, trace: &Option<BandwidthTrace>, name: &str| {
            let link = link.for_profile(&self.profile.spec.name);
            let resolved = link.resolve(way, trace.as_ref());
            resolved.map_err(|problem| format!("{label}: {name}: {problem}"))
        };
        let uplink = link(Way::Up, &spec.uplink, up, "uplink")?;
        let downlink = link(Way::Down, &spec.downlink, down, "downlink")?;
        let device = spec.device.resolve().map_err(|problem| format!("{label}: {problem}"))?;
        let LoadedProfile { label, spec, trace } = &self.profile;
        let profile =
            spec.resolve(device, trace.clone()).map_err(|problem| format!("{label}: {problem}"))?;
        Ok((profile, [uplink, downlink]))
    }

    /// The uplink with the floor that the network stack of the profile's testbed puts under an exchange.
    /// It is a property of that stack, so it holds where that testbed is reproduced, and nowhere else: not
    /// with payloads that the stack was not seen with, not on packet links, which model a stack of their
    /// own, and not in live runs, whose exchanges take the time that they take. Closed forms know none.
    fn on_its_stack(&self, uplink: LinkConfig, payload: Payload) -> LinkConfig {
        if self.live {
            return uplink;
        }
        uplink.with_floor(self.profile.spec.exchange_floor(payload))
    }

    /// Edges with long prompts would take more memory than there is.
    fn check_text(&self, profile: &Profile) -> Result<(), String> {
        let longest = match &profile.text {
            TextModel::Process(_) => {
                u64::from(profile.prompt_tokens) + u64::from(profile.output_tokens)
            }
            TextModel::Trace(trace) => {
                let length =
                    |text: &TraceText| u64::from(text.prompt_tokens) + u64::from(text.budget());
                trace.texts.iter().map(length).max().unwrap_or_default()
            }
        };
        let all = longest * u64::from(self.edges);
        if all <= TEXT_MAX {
            return Ok(());
        }
        Err(format!(
            "--set edges={}: {all} prompt and output tokens of all edges together are out of range: \
             it must be {TEXT_MAX} at most",
            self.edges
        ))
    }

    /// What to simulate.
    pub(crate) fn setup(&self, tokens: u64, record: bool) -> Result<Setup> {
        let (profile, [uplink, downlink]) = self.environment().map_err(BadInput)?;
        self.check_text(&profile).map_err(BadInput)?;
        let method = self
            .method
            .spec
            .resolve()
            .map_err(|error| bad_input!("{}: {error}", self.method.label))?;
        let tuning = self.tuning.resolve(method.trigger);
        let tuning = tuning.map_err(|(key, problem)| bad_input!("`{key}`: {problem}"))?;
        Ok(Setup {
            edges: self.edges,
            edge: EdgeConfig { method, tuning, patience: PATIENCE, outage: self.service.outage },
            cloud: self.service.cloud,
            uplink: self.on_its_stack(uplink, method.payload),
            downlink,
            profile: Arc::new(profile),
            tokens,
            record,
            faults: self.service.faults(self.edges),
            resumed: 0.0,
            canary: None,
        })
    }
}

/// The keys of how texts are drawn.
const TEXT_KEYS: [&str; 5] =
    ["acceptance_intercept", "acceptance_slope", "prompt_share", "slow_share", "slow_correlation"];

fn set_text(text: &mut TextSpec, key: &str, value: &toml::Value) -> Result<(), String> {
    let (field, [min, max]) = match key {
        "acceptance_intercept" => (&mut text.acceptance_intercept, [-100.0, 100.0]),
        "acceptance_slope" => (&mut text.acceptance_slope, [-100.0, 100.0]),
        "prompt_share" => (&mut text.prompt_share, [0.0, 1.0]),
        "slow_share" => (&mut text.slow_share, [0.0, 1.0]),
        "slow_correlation" => (&mut text.slow_correlation, [-1.0, 1.0]),
        other => unreachable!("`{other}` is one of TEXT_KEYS"),
    };
    *field = given(within(value, min, max)?);
    Ok(())
}

/// The place of an energy figure.
fn energy_of<'a>(energy: &'a mut EnergySpec, key: &str) -> Option<&'a mut Option<Sourced<f64>>> {
    Some(match key {
        "nav_base_j" => &mut energy.nav_base_j,
        "nav_per_token_j" => &mut energy.nav_per_token_j,
        "cloud_active_w" => &mut energy.cloud_active_w,
        "cloud_idle_w" => &mut energy.cloud_idle_w,
        "edge_active_w" => &mut energy.edge_active_w,
        "edge_idle_w" => &mut energy.edge_idle_w,
        "radio_j_per_byte" => &mut energy.radio_j_per_byte,
        _ => return None,
    })
}

pub(super) fn within(value: &toml::Value, min: f64, max: f64) -> Result<f64, String> {
    let number = number(value)?;
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{number} is out of range: it must be {min} to {max}"))
    }
}

pub(super) fn number(value: &toml::Value) -> Result<f64, String> {
    let number = match value {
        toml::Value::Integer(integer) => Some(*integer as f64),
        toml::Value::Float(float) => Some(*float),
        _ => None,
    };
    number.filter(|number| !number.is_nan()).ok_or_else(|| "expected a number".to_owned())
}

/// A latency, within what the simulator takes.
fn milliseconds(value: &toml::Value) -> Result<f64, String> {
    let ms = number(value)?;
    if (0.0..=LATENCY_MAX_MS).contains(&ms) {
        Ok(ms)
    } else {
        Err(format!("{ms:e} ms is out of range: it must be 0 to {LATENCY_MAX_MS} ms"))
    }
}

pub(super) fn count(value: &toml::Value, min: i64, max: i64) -> Result<u32, String> {
    let count = value.as_integer().ok_or("expected a whole number")?;
    if (min..=max).contains(&count) {
        Ok(count as u32)
    } else {
        Err(format!("{count} is out of range: it must be {min} to {max}"))
    }
}

/// A value that the user has given.
fn given<T>(value: T) -> Sourced<T> {
    Sourced { value, status: Status::Assumed, source: "--set".into() }
}

/// A TOML value, or else the text itself: `dp` needs no quotes.
fn parse_value(text: &str) -> toml::Value {
    let document: Result<toml::Table, _> = format!("value = {text}").parse();
    match document {
        // More than a value: a comment, another line.
        _ if text.contains(['#', '\n', '\r']) => toml::Value::String(text.to_owned()),
        Ok(mut table) if table.len() == 1 => table.remove("value").expect("the only key"),
        _ => toml::Value::String(text.to_owned()),
    }
}
