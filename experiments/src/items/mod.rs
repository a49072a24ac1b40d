//! The tables and figures of the paper, and what goes past it. Each item is one plan (a TOML file of
//! `experiments/plans/`) of one kind, and gives a [`Report`].

mod break_even;
pub(crate) mod chance;
mod closed_forms;
mod comparison;
mod energy;
#[cfg(feature = "live")]
mod live_cells;
mod monitor;
pub(crate) mod order;
mod over_time;
pub(crate) mod overall;
mod overheads;
pub(crate) mod quantity;
mod recorded;
mod report;
mod tuners;

use anyhow::Result;
use serde::Deserialize;

pub(crate) use self::chance::Chance;
pub(crate) use self::closed_forms::Hardware;
#[cfg(feature = "live")]
pub(crate) use self::live_cells::{LiveCell, table1_cells};
#[cfg(test)]
pub(crate) use self::report::Measured;
pub(crate) use self::report::{Explained, Report, Role, Row, Table};
use crate::keep::Checkpoint;

/// The shipped plans in the order of the paper.
const PLANS: &[&str] = &[
    include_str!("../../plans/table1.toml"),
    include_str!("../../plans/table2.toml"),
    include_str!("../../plans/table3.toml"),
    include_str!("../../plans/table4.toml"),
    include_str!("../../plans/table5.toml"),
    include_str!("../../plans/table6.toml"),
    include_str!("../../plans/table7.toml"),
    include_str!("../../plans/fig5.toml"),
    include_str!("../../plans/fig6.toml"),
    include_str!("../../plans/appendix-f.toml"),
    include_str!("../../plans/appendix-i.toml"),
    include_str!("../../plans/s4.toml"),
    include_str!("../../plans/break-even.toml"),
    include_str!("../../plans/closed-forms.toml"),
    include_str!("../../plans/small.toml"),
];

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Size {
    /// Runs of each configuration.
    pub(crate) seeds: u32,
    /// Output tokens of each run.
    pub(crate) tokens: u64,
}

/// What all plans have.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// Its name on the command line.
    pub(crate) item: String,
    /// Its heading.
    pub(crate) title: String,
    kind: KindName,
    /// What is run by default.
    pub(crate) size: Size,
    /// What is run as a test that all of it works.
    pub(crate) smoke: Size,
    /// Roughly how long it takes on two cores \[s\], for the estimate of the time left.
    pub(crate) cost_s: f64,
    /// What the paper leaves out.
    #[serde(default)]
    pub(crate) unpublished: Option<String>,
    /// What a reader should know beside the numbers.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindName {
    Comparison,
    Energy,
    Tuners,
    Monitor,
    OverTime,
    BreakEven,
    ClosedForms,
    Overheads,
}

/// What is done, by kind.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Comparison(comparison::Plan),
    Energy(energy::Plan),
    Tuners(tuners::Plan),
    Monitor(monitor::Plan),
    OverTime(over_time::Plan),
    BreakEven(break_even::Plan),
    ClosedForms(Box<closed_forms::Plan>),
    Overheads(overheads::Plan),
}

/// An item: a plan as its file says it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) head: Head,
    kind: Kind,
}

/// How an item is run.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The item's head.
    pub(crate) head: &'a Head,
    /// First seed.
    pub(crate) seed: u64,
    /// How much.
    pub(crate) size: Size,
    /// Runs at a time.
    pub(crate) jobs: Option<u32>,
    /// What progress is shown under.
    pub(crate) label: &'a str,
    /// Tasks that are done from before, and where those that end are kept.
    pub(crate) checkpoint: &'a Checkpoint,
}

impl Item {
    /// The shipped items.
    ///
    /// # Panics
    /// If one of their plans is not valid: a test reads them all.
    pub(crate) fn shipped() -> Vec<Self> {
        PLANS.iter().map(|text| Self::parse(text).expect("shipped plans are valid")).collect()
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let (mut head, mut body) = (toml::Table::new(), toml::Table::new());
        for (key, value) in text.parse::<toml::Table>()? {
            let of_head = HEAD_KEYS.contains(&key.as_str());
            (if of_head { &mut head } else { &mut body }).insert(key, value);
        }
        let head: Head = head.try_into()?;
        let kind = match head.kind {
            KindName::Comparison => Kind::Comparison(body.try_into()?),
            KindName::Energy => Kind::Energy(energy::Plan::parse(body)?),
            KindName::Tuners => Kind::Tuners(body.try_into()?),
            KindName::Monitor => Kind::Monitor(body.try_into()?),
            KindName::OverTime => Kind::OverTime(body.try_into()?),
            KindName::BreakEven => Kind::BreakEven(body.try_into()?),
            KindName::ClosedForms => Kind::ClosedForms(Box::new(body.try_into()?)),
            KindName::Overheads => Kind::Overheads(body.try_into()?),
        };
        Ok(Self { head, kind })
    }

    /// Has the item predict another pair of devices than the shipped one; false: it predicts none.
    pub(crate) fn take_hardware(&mut self, hardware: &Hardware) -> bool {
        match &mut self.kind {
            Kind::ClosedForms(plan) => {
                plan.hardware = hardware.clone();
                true
            }
            _ => false,
        }
    }

    /// The pair of devices that the item predicts, if it is one that does.
    pub(crate) const fn hardware(&self) -> Option<&Hardware> {
        match &self.kind {
            Kind::ClosedForms(plan) => Some(&plan.hardware),
            _ => None,
        }
    }

    /// Does what the plan says.
    pub(crate) fn run(&self, context: &Context<'_>) -> Result<Report> {
        let mut report = match &self.kind {
            Kind::Comparison(plan) => comparison::run(plan, context),
            Kind::Energy(plan) => energy::run(plan, context),
            Kind::Tuners(plan) => tuners::run(plan, context),
            Kind::Monitor(plan) => monitor::run(plan, context),
            Kind::OverTime(plan) => over_time::run(plan, context),
            Kind::BreakEven(plan) => break_even::run(plan, context),
            Kind::ClosedForms(plan) => closed_forms::run(plan, context),
            Kind::Overheads(plan) => overheads::run(plan, context),
        }?;
        // What no single run makes is made by the item.
        for row in report.rows.iter_mut().filter(|row| row.command.is_empty()) {
            row.command.clone_from(&report.command);
        }
        Ok(report)
    }
}

const HEAD_KEYS: &[&str] =
    &["item", "title", "kind", "size", "smoke", "cost_s", "unpublished", "notes"];
