//! Sweeps: many runs from one declarative plan, written as they come, resumable, in shards.
//!
//! ```text
//! file ─► Plan ─► Points ─► Rows ─► execute ─► Table (rows.csv) ─► summary
//!         axes    checked   numbered  in parallel,  a prefix of the whole
//!                 setups    and shared  handed over   file at any time
//!                           out         in order
//! ```
//!
//! `rows.csv` is always a beginning of the file that an uninterrupted sweep would write, and at most
//! one torn line: to resume is to cut that line and go on. It is locked from before it is read until it
//! is done, and `sweep.json` beside it names the program: rows of two processes or builds do not mix.
//! Runs are numbered point by point and seed by seed; shard I of N has the runs whose number leaves
//! I - 1 when divided by N, so that each has its part of every point and merging takes lines in turn.

mod axis;
mod decimal;
mod execute;
mod merge;
mod plan;
mod points;
mod range;
mod rows;
mod summary;
mod table;

use std::str::FromStr;

pub(crate) use self::execute::execute;
pub(crate) use self::merge::Parts;
pub(crate) use self::plan::{Overrides, Plan};
pub(crate) use self::points::Points;
pub(crate) use self::rows::Rows;
pub(crate) use self::summary::{print_json, print_table};
pub(crate) use self::table::Table;

/// Shards of a sweep at most; arbitrary, more machines than anyone has.
const SHARDS_MAX: u64 = 10_000;

/// A part of a sweep: `index` of `of`, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) index: u64,
    pub(crate) of: u64,
}

impl Shard {
    /// All of it.
    pub(crate) const WHOLE: Self = Self { index: 1, of: 1 };
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, of)| {
            Some(Self { index: index.parse().ok()?, of: of.parse().ok()? })
        });
        parts
            .filter(|&Self { index, of }| of <= SHARDS_MAX && (1..=of).contains(&index))
            .ok_or_else(|| format!("expected I/N with I from 1 to N, N at most {SHARDS_MAX}"))
    }
}
