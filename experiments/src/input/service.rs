//! The keys of what goes wrong, of how an edge gets along without the cloud, and of what the cloud grants.

use std::path::Path;

use pipesd_core::cloud::{CloudConfig, QueueOrder};
use pipesd_core::edge::{Offline, Outage};
use pipesd_core::fault::FaultPlan;
use pipesd_core::seed::Seed;
use pipesd_core::time::Duration;
use serde::de::DeserializeOwned;

use super::settings::{count, number};

/// What goes wrong and what is done about it, as far as keys tell.
#[derive(Clone, Debug)]
pub(super) struct Service {
    faults: Faults,
    pub(super) outage: Outage,
    pub(super) cloud: CloudConfig,
}

#[derive(Clone, Debug)]
enum Faults {
    Plan(FaultPlan),
    Random(u64),
}

impl Default for Service {
    fn default() -> Self {
        let faults = Faults::Plan(FaultPlan::NONE);
        Self { faults, outage: Outage::DEFAULT, cloud: CloudConfig::DEFAULT }
    }
}

/// Of a plan by chance: about one fault in so much time, for so long, of up to so long each.
const EVERY: Duration = Duration::from_secs(2);
const HORIZON: Duration = Duration::from_secs(1800);
const LONGEST: Duration = Duration::from_secs(4);

impl Service {
    /// Sets one key.
    pub(super) fn set(&mut self, key: &str, value: &toml::Value) -> Result<(), String> {
        let limits = &mut self.cloud.limits;
        match key {
            "faults" => self.faults = faults(value)?,
            "offline" => self.outage.offline = choice::<Offline>(value)?,
            "outage_s" => self.outage.patience = seconds(value, 0.001)?,
            "queue" => self.cloud.queue = choice::<QueueOrder>(value)?,
            "verify_batch" => self.cloud.verify_batch_max = count(value, 1, 4096)?,
            "sessions_max" => limits.sessions = count(value, 1, 65_536)?,
            "session_tokens_max" => limits.tokens = count(value, 1, 1_000_000_000)?.into(),
            "client_sessions" => limits.client_sessions = count(value, 1, 4096)?,
            "client_tokens" => limits.client_tokens = count(value, 1, 10_000_000)?,
            "client_navs_per_second" => {
                limits.client_navs_per_second = count(value, 0, 1_000_000)?;
            }
            "session_settled_s" => limits.settled = seconds(value, 0.0)?,
            "session_idle_s" => limits.idle = seconds(value, 0.001)?,
            other => unreachable!("`{other}` is no key of the service"),
        }
        Ok(())
    }

    /// What goes wrong in a run of so many edges.
    pub(super) fn faults(&self, edges: u32) -> FaultPlan {
        match &self.faults {
            Faults::Plan(plan) => plan.clone(),
            Faults::Random(seed) => {
                FaultPlan::random(Seed(*seed), edges, HORIZON, EVERY, LONGEST, true)
            }
        }
    }
}

fn faults(value: &toml::Value) -> Result<Faults, String> {
    let text = value.as_str().ok_or("expected none, random:SEED or a path")?;
    if text == "none" {
        return Ok(Faults::Plan(FaultPlan::NONE));
    }
    if let Some(seed) = text.strip_prefix("random:") {
        let seed = seed.parse().map_err(|_| format!("{text}: the seed must be a whole number"))?;
        return Ok(Faults::Random(seed));
    }
    let path = Path::new(text);
    let file = std::fs::read_to_string(path).map_err(|error| {
        format!("{text}: cannot be read: {error}; expected none, random:SEED or a path")
    })?;
    let plan: FaultPlan = toml::from_str(&file).map_err(|error| format!("{text}: {error}"))?;
    plan.check().map_err(|problem| format!("{text}: {problem}"))?;
    Ok(Faults::Plan(plan))
}

fn choice<T: DeserializeOwned>(value: &toml::Value) -> Result<T, String> {
    let parsed: Result<T, toml::de::Error> = value.clone().try_into();
    parsed.map_err(|error| error.message().to_owned())
}

fn seconds(value: &toml::Value, least: f64) -> Result<Duration, String> {
    let seconds = number(value)?;
    if (least..=10_000_000.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("{seconds} is out of range: it must be {least} to 10000000"))
    }
}
