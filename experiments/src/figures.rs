//! The figures of a summary: their names in JSON and CSV, their names for people, their digits. One
//! list serves every command.

use pipesd_core::summary::Summary;

use crate::statistics::Statistic;

/// A figure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Its name in JSON and CSV.
    pub(crate) name: &'static str,
    /// Its name for people.
    pub(crate) title: &'static str,
    /// Digits after the point for people.
    pub(crate) digits: usize,
    /// Its value; None: not measured, or not defined for this run.
    pub(crate) of: fn(&Summary) -> Option<f64>,
}

impl Figure {
    /// The figure over some runs; None if one of them has no value.
    pub(crate) fn over(&self, summaries: &[Summary]) -> Option<Statistic> {
        let values: Option<Vec<f64>> = summaries.iter().map(self.of).collect();
        values.as_deref().map(Statistic::of)
    }
}

const fn figure(
    name: &'static str,
    title: &'static str,
    digits: usize,
    of: fn(&Summary) -> Option<f64>,
) -> Figure {
    Figure { name, title, digits, of }
}

/// What the names of the energy figures begin with; what follows is the scope.
pub(crate) const ENERGY: &str = "energy_j_per_100_tokens_";

/// All figures in order.
pub(crate) const FIGURES: &[Figure] = &[
    figure("tpt_ms", "time per token (ms)", 1, |s| Some(s.tpt_ms)),
    figure("tpt_accepted_ms", "time per accepted token (ms)", 1, |s| s.tpt_accepted_ms),
    figure("ttft_ms", "time to first token (ms)", 0, |s| Some(s.ttft_ms)),
    figure("output_tokens", "output tokens", 0, |s| Some(s.output_tokens as f64)),
    figure("draft_length_mean", "draft length", 2, |s| Some(s.draft_length_mean)),
    figure("accepted_length_mean", "accepted length", 2, |s| Some(s.accepted_length_mean)),
    figure("rejected_length_mean", "rejected length", 2, |s| Some(s.rejected_length_mean)),
    figure("acceptance_rate", "acceptance rate", 3, |s| Some(s.acceptance_rate)),
    figure("nav_frequency", "NAVs per output token", 3, |s| Some(s.nav_frequency)),
    figure("rollback_rate", "rollback rate", 3, |s| Some(s.rollback_rate)),
    figure("draft_steps_per_token", "draft steps per output token", 3, |s| {
        Some(s.draft_steps_per_token)
    }),
    figure("discarded_tokens", "discarded draft tokens", 0, |s| Some(s.discarded_tokens as f64)),
    figure("reused_tokens", "reused draft tokens", 0, |s| Some(s.reused_tokens as f64)),
    figure("uplink_bytes_per_token", "uplink bytes per token", 0, |s| {
        Some(s.uplink_bytes_per_token)
    }),
    figure("fairness_jain", "fairness between edges (Jain)", 4, |s| s.fairness_jain),
    figure("nav_wait_ms", "wait for the target (ms per NAV)", 2, |s| Some(s.nav_wait_ms)),
    figure("cloud_utilisation", "cloud utilisation", 3, |s| Some(s.cloud_utilisation)),
    figure(
        "energy_j_per_100_tokens_cloud_active",
        "cloud GPU, active (J per 100 tokens)",
        1,
        |s| s.energy_j_per_100_tokens.cloud_active,
    ),
    figure(
        "energy_j_per_100_tokens_cloud_whole",
        "cloud GPU, whole run (J per 100 tokens)",
        1,
        |s| s.energy_j_per_100_tokens.cloud_whole,
    ),
    figure("energy_j_per_100_tokens_end_to_end", "end to end (J per 100 tokens)", 1, |s| {
        s.energy_j_per_100_tokens.end_to_end
    }),
];

/// The figure of that name.
pub(crate) fn named(name: &str) -> Option<&'static Figure> {
    FIGURES.iter().find(|figure| figure.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pipesd_core::account::Counts;
    use pipesd_core::sharing::CloudCounts;
    use pipesd_core::summary::Energy;
    use pipesd_core::time::Duration;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_figure_of_a_summary_is_listed() {
        let counts = Counts { output: 1, navs_answered: 1, ..Counts::default() };
        let summary =
            Summary::new(&[counts], &CloudCounts::default(), Duration::ZERO, 0, &Energy::default());
        let mut names = BTreeSet::new();
        let Ok(Value::Object(summary)) = serde_json::to_value(summary) else { panic!("fields") };
        for (name, value) in summary {
            match value {
                Value::Object(scopes) => {
                    names.extend(scopes.keys().map(|scope| format!("{name}_{scope}")));
                }
                _ => names.extend([name]),
            }
        }
        let listed: BTreeSet<String> = FIGURES.iter().map(|f| f.name.to_owned()).collect();
        assert_eq!(listed, names);
    }
}
