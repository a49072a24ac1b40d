//! What an item gives: rows for machines, tables and notes for people. Text, JSON, CSV and the HTML page
//! are all made of it.

use anyhow::{Context as _, Result};
use pipesd_plots::results::COLUMNS;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Context;
use crate::output;
use crate::statistics::Statistic;

/// What part a value had in calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// The paper's value itself was fitted.
    Calibration,
    /// Rounds of the same runs went into the profile.
    InSample,
    /// Nothing of the paper's value was used.
    Prediction,
    /// A line to compare with: a deployment without a split, a bound.
    Reference,
    /// The paper has no such value.
    Ours,
}

impl Role {
    /// Its name in JSON and CSV.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Calibration => "calibration",
            Self::InSample => "in_sample",
            Self::Prediction => "prediction",
            Self::Reference => "reference",
            Self::Ours => "ours",
        }
    }
}

/// One figure of one configuration: ours, and the paper's if it has one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) dataset: String,
    pub(crate) scenario: String,
    /// What is changed of the scenario or the method, beside `x` and `y`.
    pub(crate) variant: Option<String>,
    /// Where the row stands on the item's first axis, if it has one.
    pub(crate) x: Option<f64>,
    /// ... and on its second.
    pub(crate) y: Option<f64>,
    pub(crate) method: String,
    pub(crate) metric: String,
    #[serde(flatten)]
    pub(crate) ours: Statistic,
    pub(crate) paper: Option<f64>,
    pub(crate) role: Role,
    /// What makes it again: one run, or the item where no single run does.
    pub(crate) command: String,
}

impl Row {
    /// A row that the paper has nothing of; what is not named here is none.
    pub(crate) fn ours(
        dataset: &str,
        scenario: &str,
        method: &str,
        metric: &str,
        ours: Statistic,
    ) -> Self {
        Self {
            dataset: dataset.to_owned(),
            scenario: scenario.to_owned(),
            variant: None,
            x: None,
            y: None,
            method: method.to_owned(),
            metric: metric.to_owned(),
            ours,
            paper: None,
            role: Role::Ours,
            command: String::new(),
        }
    }

    /// Our error in percent of the paper's value.
    pub(crate) fn error_pct(&self) -> Option<f64> {
        self.paper.map(|paper| 100.0 * (self.ours.mean - paper) / paper)
    }
}

/// A table for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) caption: String,
    pub(crate) header: Vec<String>,
    /// Columns of words, at the left; the others hold numbers.
    pub(crate) words: usize,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(caption: impl Into<String>, header: &[&str], words: usize) -> Self {
        let header = header.iter().map(|&name| name.to_owned()).collect();
        Self { caption: caption.into(), header, words, rows: Vec::new() }
    }

    pub(crate) fn text(&self) -> String {
        let header: Vec<&str> = self.header.iter().map(String::as_str).collect();
        let mut rows = output::Rows::new(&header, self.words);
        self.rows.iter().for_each(|row| rows.push(row.iter().cloned()));
        format!("{}\n{rows}\n", self.caption)
    }
}

/// An item's results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) item: String,
    pub(crate) title: String,
    pub(crate) version: String,
    /// What makes it again.
    pub(crate) command: String,
    pub(crate) seed: u64,
    pub(crate) seeds: u32,
    pub(crate) tokens: u64,
    /// What the paper leaves out.
    pub(crate) unpublished: Option<String>,
    /// What was found, in sentences.
    pub(crate) notes: Vec<String>,
    /// Figures about the rows, such as mean errors.
    pub(crate) figures: Map<String, Value>,
    pub(crate) tables: Vec<Table>,
    pub(crate) rows: Vec<Row>,
    /// Wall-clock measurements: outside the promise of equal bytes, in a file of their own.
    #[serde(skip)]
    pub(crate) measured: Option<Measured>,
}

/// Wall-clock measurements of one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) table: Table,
    pub(crate) values: Value,
}

impl Report {
    /// A report without results.
    pub(crate) fn new(context: &Context<'_>) -> Self {
        let head = context.head;
        let mut command = format!("pipesd reproduce {}", head.item);
        for (flag, value, default) in [
            ("seed", context.seed, 1),
            ("seeds", u64::from(context.size.seeds), u64::from(head.size.seeds)),
            ("tokens", context.size.tokens, head.size.tokens),
        ] {
            if value != default {
                command.push_str(&format!(" --{flag} {value}"));
            }
        }
        let mut notes = head.notes.clone();
        if !notes.is_empty() && command.contains(" --") {
            notes.push(
                "Our numbers in these notes are those of the plan's own size and seed.".into(),
            );
        }
        Self {
            item: head.item.clone(),
            title: head.title.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command,
            seed: context.seed,
            seeds: context.size.seeds,
            tokens: context.size.tokens,
            unpublished: head.unpublished.clone(),
            notes,
            figures: Map::new(),
            tables: Vec::new(),
            rows: Vec::new(),
            measured: None,
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        text.push_str(&format!("{} runs of {} tokens", self.seeds, self.tokens));
        if self.rows.iter().any(|row| row.paper.is_some()) {
            text.push_str(
                ": ours (the paper's) error; marks: c calibration, i in sample, no mark: prediction",
            );
        }
        text.push('\n');
        if let Some(why) = &self.unpublished {
            text.push_str(&format!("not published: {why}\n"));
        }
        for table in &self.tables {
            text.push_str(&format!("\n{}", table.text()));
        }
        if self.measured.is_some() {
            text.push_str("\nWall-clock measurements are in measured.json.\n");
        }
        for note in &self.notes {
            text.push_str(&format!("\n- {note}"));
        }
        text.push_str(if self.notes.is_empty() { "\n" } else { "\n\n" });
        text
    }

    /// The document that is printed and kept: everything but wall-clock measurements.
    pub(crate) fn json(&self) -> Value {
        let mut document = json!(self);
        let errors = self.rows.iter().map(Row::error_pct);
        let rows = document["rows"].as_array_mut().expect("rows are a list");
        for (row, error) in rows.iter_mut().zip(errors) {
            row["error_pct"] = json!(error);
        }
        document
    }

    /// One line for each row, with the columns that figures are drawn from.
    pub(crate) fn csv(&self) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(COLUMNS)?;
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        for row in &self.rows {
            let Statistic { mean, sd, ci95 } = row.ours;
            writer.write_record([
                &self.item,
                &row.dataset,
                &row.scenario,
                row.variant.as_deref().unwrap_or_default(),
                &number(row.x),
                &number(row.y),
                &row.method,
                &row.metric,
                &mean.to_string(),
                &number(sd),
                &number(ci95.map(|[low, _]| low)),
                &number(ci95.map(|[_, high]| high)),
                &number(row.paper),
                row.role.key(),
                &self.seed.to_string(),
                &self.seeds.to_string(),
                &self.tokens.to_string(),
                &self.version,
                &row.command,
            ])?;
        }
        let bytes = writer.into_inner().context("writing to memory")?;
        Ok(String::from_utf8(bytes)?)
    }
}
