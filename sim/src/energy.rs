//! Energy of a run in three scopes, from a profile's figures and what the run used (design: energy).

use pipesd_core::summary::Energy;
use pipesd_core::time::Duration;
use serde::{Deserialize, Serialize};

use crate::profile::{Profile, Sourced};

/// What a run used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Length of the run.
    pub total: Duration,
    /// NAVs begun, those of dropped rounds included.
    pub navs: u64,
    /// Draft tokens in them.
    pub nav_tokens: u64,
    /// GPU time of these.
    pub nav_gpu: Duration,
    /// GPU time of prefill.
    pub prefill_gpu: Duration,
    /// Edges.
    pub edges: u32,
    /// Draft model's time, over all edges.
    pub drafting: Duration,
    /// Bytes handed to the uplinks while decoding.
    pub uplink_bytes: u64,
}

/// The energy of a run \[J\]. A scope is None where a figure that it needs is not measured.
#[must_use]
pub fn of(profile: &Profile, usage: &Usage) -> Energy {
    let energy = &profile.energy;
    let value = |sourced: &Option<Sourced<f64>>| sourced.as_ref().map(|s| s.value);
    let cloud_active = (|| {
        let (base, per_token) = (value(&energy.nav_base_j)?, value(&energy.nav_per_token_j)?);
        let navs = base * usage.navs as f64 + per_token * usage.nav_tokens as f64;
        Some(navs + value(&energy.cloud_active_w)? * usage.prefill_gpu.as_secs_f64())
    })();
    let cloud_whole = (|| {
        let idle_time = usage.total.saturating_sub(usage.nav_gpu + usage.prefill_gpu);
        Some(cloud_active? + value(&energy.cloud_idle_w)? * idle_time.as_secs_f64())
    })();
    let end_to_end = (|| {
        let idle = value(&energy.edge_idle_w)? * usage.total.as_secs_f64() * f64::from(usage.edges);
        let drafting = value(&energy.edge_active_w)? * usage.drafting.as_secs_f64();
        let radio = value(&energy.radio_j_per_byte)? * usage.uplink_bytes as f64;
        Some(cloud_whole? + idle + drafting + radio)
    })();
    Energy { cloud_active, cloud_whole, end_to_end }
}
