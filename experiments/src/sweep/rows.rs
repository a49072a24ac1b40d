//! Rows of results: one run each, with all that is needed to run it again.

use anyhow::{Context, Result};
use pipesd_core::seed::Seed;
use pipesd_core::summary::Summary;
use pipesd_sim::world::{Setup, run};

use super::Shard;
use super::points::{Point, Points};
use crate::commands::simulate::command;

/// A figure of a row. An empty cell: not measured.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    of: fn(&Summary) -> Option<f64>,
}

/// The figures of a row in order.
pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "tpt_ms", of: |s| Some(s.tpt_ms) },
    Figure { name: "tpt_accepted_ms", of: |s| Some(s.tpt_accepted_ms) },
    Figure { name: "ttft_ms", of: |s| Some(s.ttft_ms) },
    Figure { name: "output_tokens", of: |s| Some(s.output_tokens as f64) },
    Figure { name: "draft_length_mean", of: |s| Some(s.draft_length_mean) },
    Figure { name: "accepted_length_mean", of: |s| Some(s.accepted_length_mean) },
    Figure { name: "acceptance_rate", of: |s| Some(s.acceptance_rate) },
    Figure { name: "nav_frequency", of: |s| Some(s.nav_frequency) },
    Figure { name: "rollback_rate", of: |s| Some(s.rollback_rate) },
    Figure { name: "draft_steps_per_token", of: |s| Some(s.draft_steps_per_token) },
    Figure { name: "discarded_tokens", of: |s| Some(s.discarded_tokens as f64) },
    Figure { name: "reused_tokens", of: |s| Some(s.reused_tokens as f64) },
    Figure { name: "uplink_bytes_per_token", of: |s| Some(s.uplink_bytes_per_token) },
    Figure {
        name: "energy_j_per_100_tokens_cloud_active",
        of: |s| s.energy_j_per_100_tokens.cloud_active,
    },
    Figure {
        name: "energy_j_per_100_tokens_cloud_whole",
        of: |s| s.energy_j_per_100_tokens.cloud_whole,
    },
    Figure {
        name: "energy_j_per_100_tokens_end_to_end",
        of: |s| s.energy_j_per_100_tokens.end_to_end,
    },
];

/// The rows of a sweep, or of one shard of it: row by row the runs of a point, point by point.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) points: Points,
    pub(crate) shard: Shard,
}

/// What a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Its number in the whole sweep.
    pub(crate) number: u64,
    /// The number of its point.
    pub(crate) point: u64,
    pub(crate) seed: u64,
}

impl Rows {
    /// Runs of the whole sweep.
    pub(crate) fn runs(&self) -> u64 {
        self.points.count() * self.points.plan.seeds
    }

    /// Rows of this shard.
    pub(crate) fn count(&self) -> u64 {
        let Shard { index, of } = self.shard;
        (self.runs() + of - index) / of
    }

    /// The run of a row: shards take turns.
    pub(crate) fn run(&self, row: u64) -> Run {
        let Shard { index, of } = self.shard;
        let number = row * of + (index - 1);
        let seeds = self.points.plan.seeds;
        Run { number, point: number / seeds, seed: self.points.plan.seed + number % seeds }
    }

    /// The first line.
    pub(crate) fn header(&self) -> String {
        let mut header = String::from("run,version,profile,scenario,method,");
        for key in self.set_keys() {
            header.push_str(key);
            header.push(',');
        }
        header.push_str("tokens,seed,");
        for figure in FIGURES {
            header.push_str(figure.name);
            header.push(',');
        }
        header.push_str("command\n");
        header
    }

    /// The axes that are keys of `--set`.
    pub(crate) fn set_keys(&self) -> impl Iterator<Item = &str> {
        let names = ["profile", "scenario", "method", "tokens"];
        let keys = self.points.plan.axes().map(|axis| axis.key.as_str());
        keys.filter(move |key| !names.contains(key))
    }

    /// Columns before the figures.
    pub(crate) fn words(&self) -> usize {
        7 + self.set_keys().count()
    }

    /// A row up to its figures.
    pub(crate) fn head(run: Run, point: &Point) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let Point { choice, tokens, set_values } = point;
        let number = run.number;
        let mut head =
            format!("{number},{version},{},{},{},", choice.profile, choice.scenario, choice.method);
        for value in set_values {
            head.push_str(value);
            head.push(',');
        }
        head.push_str(&format!("{tokens},{},", run.seed));
        head
    }

    /// Simulates one run and gives its row.
    pub(crate) fn simulate(&self, number: Run, point: &Point, setup: &Setup) -> Result<String> {
        let again = command(&point.choice, number.seed, 1, point.tokens);
        let result = run(setup, Seed(number.seed))
            .with_context(|| format!("run {} failed: {again}", number.number))?;
        let mut row = Self::head(number, point);
        for figure in FIGURES {
            if let Some(value) = (figure.of)(&result.summary) {
                row.push_str(&value.to_string());
            }
            row.push(',');
        }
        row.push_str(&again);
        row.push('\n');
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pipesd_core::account::Counts;
    use pipesd_core::summary::Energy;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_figure_of_a_summary_has_its_column() {
        let counts = Counts { output: 1, navs_answered: 1, ..Counts::default() };
        let summary = Summary::new(&counts, 0, &Energy::default());
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
        let columns: BTreeSet<String> = FIGURES.iter().map(|f| f.name.to_owned()).collect();
        assert_eq!(columns, names);
    }
}
