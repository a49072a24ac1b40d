//! Rows of results: one run each, with all that is needed to run it again.

use anyhow::{Context, Result};
use pipesd_core::seed::Seed;
use pipesd_sim::world::{Setup, run};

use super::Shard;
use super::points::{Point, Points};
use crate::figures::FIGURES;
use crate::input::command;

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

    /// About how long a row takes to find, beside the others.
    pub(crate) fn weight(&self, row: u64) -> u64 {
        self.points.weight(self.run(row).point)
    }

    /// About how long all rows take: a shard has its part of every point.
    pub(crate) fn weight_of_all(&self) -> u64 {
        let Points { plan, .. } = &self.points;
        if !self.points.weights_differ() {
            return self.count();
        }
        let points = (0..self.points.count()).map(|point| self.points.weight(point));
        let all = points.fold(0, u64::saturating_add);
        all.saturating_mul(plan.seeds) / self.shard.of
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
