//! What an item gives: rows for machines, tables and notes for people. Text, JSON, CSV and the HTML page
//! are all made of it.

use anyhow::{Context as _, Result};
use pipesd_plots::results::{COLUMNS, FORMAT};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Context;
use super::chance::{Chance, DEVIATIONS, Prompts, SESSIONS_PCT, Verdict};
use super::quantity::TIME;
use crate::figures;
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
    /// The paper does not give the settings of its value: shown, in no mean and no order.
    NotCounted,
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
            Self::NotCounted => "not_counted",
            Self::Reference => "reference",
            Self::Ours => "ours",
        }
    }
}

/// Why a value differs from the paper's, with what shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Explained {
    pub(crate) why: String,
    pub(crate) evidence: String,
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
    /// What the paper's few prompts do to the figure by chance; None: it is not known.
    pub(crate) chance: Option<Chance>,
    /// Of a predicted cell whose error is beyond chance and sessions, if it is explained.
    pub(crate) explained: Option<Explained>,
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
            chance: None,
            explained: None,
            command: String::new(),
        }
    }

    /// `134 (129) +3.9 ±2.4 %` with the sign of an error beyond chance and the mark of its role.
    pub(crate) fn text(&self) -> String {
        // Times stand for themselves without a fraction beside the paper's.
        let digits = match self.metric.as_str() {
            TIME => 0,
            metric => figures::named(metric).map_or(1, |figure| figure.digits),
        };
        let mark = match self.role {
            Role::Calibration => " c",
            Role::InSample => " i",
            Role::NotCounted => " n",
            Role::Prediction => "  ",
            Role::Reference | Role::Ours => "",
        };
        let ours = self.ours.mean;
        let (Some(paper), Some(error)) = (self.paper, self.error_pct()) else {
            return format!("{ours:.digits$}{mark}");
        };
        let both = format!("{ours:.digits$} ({paper:.digits$}) {error:+5.1}");
        match (self.chance_pct(), self.verdict()) {
            (Some(chance), Some(verdict)) => {
                format!("{both} ±{chance:.1} %{:1}{mark}", verdict.sign())
            }
            _ => format!("{both} %{mark}"),
        }
    }

    /// Our error in percent of the paper's value.
    pub(crate) fn error_pct(&self) -> Option<f64> {
        self.paper.map(|paper| 100.0 * (self.ours.mean - paper) / paper)
    }

    /// The chance deviation in percent of the paper's value.
    pub(crate) fn chance_pct(&self) -> Option<f64> {
        Some(100.0 * self.chance?.sd / self.paper?)
    }

    /// Our mean less the paper's value in chance deviations; None where there is no scatter.
    pub(crate) fn z(&self) -> Option<f64> {
        let z = (self.ours.mean - self.paper?) / self.chance?.sd;
        z.is_finite().then_some(z)
    }

    /// Whether chance accounts for the error.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        Some(Verdict::of(self.error_pct()?, self.chance_pct()?))
    }

    /// Whether it is a prediction that neither chance nor the differences between the authors' sessions
    /// account for.
    pub(crate) fn is_unlike(&self) -> bool {
        self.role == Role::Prediction && self.verdict() == Some(Verdict::Beyond)
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
    /// The format of `summary.json`: that of `rows.csv`.
    pub(crate) format: u32,
    pub(crate) item: String,
    pub(crate) title: String,
    pub(crate) version: String,
    /// What makes it again.
    pub(crate) command: String,
    pub(crate) seed: u64,
    pub(crate) seeds: u32,
    pub(crate) tokens: u64,
    /// What the paper's values are means over, where it is known.
    pub(crate) prompts: Option<Prompts>,
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
            format: FORMAT,
            item: head.item.clone(),
            title: head.title.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command,
            seed: context.seed,
            seeds: context.size.seeds,
            tokens: context.size.tokens,
            prompts: None,
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
        if self.rows.iter().any(|row| row.role == Role::NotCounted) {
            text.push_str(", n not counted");
        }
        text.push('\n');
        if let Some(Prompts { count, source }) = &self.prompts {
            text.push_str(&format!(
                "±: standard deviation of our model over {count} prompts, the paper's number ({source}). \
                 * error beyond {DEVIATIONS} of them; ! also {SESSIONS_PCT} % beyond these\n"
            ));
        }
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
        let lines = document["rows"].as_array_mut().expect("rows are a list");
        for (line, row) in lines.iter_mut().zip(&self.rows) {
            line["error_pct"] = json!(row.error_pct());
            line["chance_pct"] = json!(row.chance_pct());
            line["z"] = json!(row.z());
            line["verdict"] = json!(row.verdict());
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
            let chance = row.chance;
            writer.write_record([
                &self.format.to_string(),
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
                &chance.map(|chance| chance.prompts.to_string()).unwrap_or_default(),
                &number(chance.map(|chance| chance.sd)),
                &number(row.z()),
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
