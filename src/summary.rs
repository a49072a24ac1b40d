//! The figures of one run, the same for simulated and live ones.

use serde::{Deserialize, Serialize};

use crate::account::Counts;
use crate::sharing::{CloudCounts, jain_index};
use crate::time::{Duration, as_millis};

/// Energy of a run \[J\] in three scopes; None: not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// The cloud's GPU over NAV and prefill (the paper's ECS).
    pub cloud_active: Option<f64>,
    /// The cloud's GPU over the whole run, idle time included.
    pub cloud_whole: Option<f64>,
    /// The above, the edge and its radio.
    pub end_to_end: Option<f64>,
}

impl Energy {
    /// Each scope multiplied by `factor`.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let scale = |joules: Option<f64>| joules.map(|joules| joules * factor);
        Self {
            cloud_active: scale(self.cloud_active),
            cloud_whole: scale(self.cloud_whole),
            end_to_end: scale(self.end_to_end),
        }
    }
}

/// Figures of one run, over all its edges together: times and shares are means over the tokens, NAVs
/// or requests of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Decoding time per output token (accepted and extra) \[ms\]; prefill and start-up apart.
    pub tpt_ms: f64,
    /// Decoding time per accepted token \[ms\]; None if none was.
    pub tpt_accepted_ms: Option<f64>,
    /// Mean time from a request to its first token \[ms\], over all requests of all edges: prefill at
    /// both ends, its wait for a shared target, and the first round.
    pub ttft_ms: f64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Mean tokens of a verified round.
    pub draft_length_mean: f64,
    /// Mean accepted tokens of a verified round.
    pub accepted_length_mean: f64,
    /// Mean tokens of a verified round that are not accepted: a rejected one and all behind it.
    pub rejected_length_mean: f64,
    /// Accepted over drafted tokens, in verified rounds; NaN if none was drafted, which only a script
    /// can bring about.
    pub acceptance_rate: f64,
    /// Answered NAVs per output token.
    pub nav_frequency: f64,
    /// Share of answered NAVs with a rejection.
    pub rollback_rate: f64,
    /// Steps of the draft model per output token, guesses and discarded drafts included.
    pub draft_steps_per_token: f64,
    /// Draft tokens dropped without verification.
    pub discarded_tokens: u64,
    /// Draft tokens drafted ahead and kept.
    pub reused_tokens: u64,
    /// Bytes handed to the uplink while decoding, per output token; called-off ones count as sent.
    pub uplink_bytes_per_token: f64,
    /// Jain's index of the edges' throughputs (output tokens per decoding second of each): 1 if all
    /// edges are served alike, as for one edge; None if an edge decoded in no time at all.
    pub fairness_jain: Option<f64>,
    /// Mean time that a NAV, complete and its parent verified, waits for the target \[ms\].
    pub nav_wait_ms: f64,
    /// Share of the run during which the target prefills or verifies, server overhead included. Edges
    /// that have finished no longer ask: at the end of a run the target may idle.
    pub cloud_utilisation: f64,
    /// Energy per 100 output tokens \[J\].
    pub energy_j_per_100_tokens: Energy,
}

impl Summary {
    /// The figures of a run that produced at least one token in at least one round. `edges`: the
    /// totals of each edge; `cloud`: those of the target over `elapsed`, the whole run;
    /// `uplink_bytes`: handed to all uplinks while decoding; `energy`: of the whole run.
    ///
    /// # Panics
    /// If nothing was produced: a run that ends without an error has tokens.
    #[must_use]
    pub fn new(
        edges: &[Counts],
        cloud: &CloudCounts,
        elapsed: Duration,
        uplink_bytes: u64,
        energy: &Energy,
    ) -> Self {
        let counts = edges.iter().fold(Counts::default(), |sum, edge| sum + *edge);
        assert!(counts.output > 0 && counts.navs_answered > 0, "a finished run has produced text");
        let output = counts.output as f64;
        let navs = counts.navs_answered as f64;
        let decoding_ms = as_millis(counts.decoding);
        Self {
            tpt_ms: decoding_ms / output,
            tpt_accepted_ms: (counts.accepted > 0).then(|| decoding_ms / counts.accepted as f64),
            ttft_ms: as_millis(counts.first_token) / counts.sessions as f64,
            output_tokens: counts.output,
            draft_length_mean: counts.verified as f64 / navs,
            accepted_length_mean: counts.accepted as f64 / navs,
            rejected_length_mean: (counts.verified - counts.accepted) as f64 / navs,
            acceptance_rate: counts.accepted as f64 / counts.verified as f64,
            nav_frequency: navs / output,
            rollback_rate: counts.rollbacks as f64 / navs,
            draft_steps_per_token: (counts.drafted + counts.guesses) as f64 / output,
            discarded_tokens: counts.discarded,
            reused_tokens: counts.reused,
            uplink_bytes_per_token: uplink_bytes as f64 / output,
            fairness_jain: jain_index(&edges.iter().map(throughput).collect::<Vec<f64>>()),
            nav_wait_ms: as_millis(cloud.waited) / cloud.navs.max(1) as f64,
            cloud_utilisation: if elapsed.is_zero() {
                0.0
            } else {
                cloud.busy.as_secs_f64() / elapsed.as_secs_f64()
            },
            energy_j_per_100_tokens: energy.scaled(100.0 / output),
        }
    }
}

/// Output tokens per decoding second; not a finite number if there was no decoding time.
fn throughput(edge: &Counts) -> f64 {
    edge.output as f64 / edge.decoding.as_secs_f64()
}
