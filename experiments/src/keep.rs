//! Results that are kept: written whole or not at all, and used again only by the program that made them,
//! with the same options.

use std::path::Path;

use anyhow::{Context, Result};

use crate::items::{Report, Size};
use crate::output;
use crate::program;

/// Knows which program this is.
pub(crate) struct Keeper {
    program: String,
}

/// Marks a folder as complete: written last, removed first.
const MARK: &str = ".complete";

impl Keeper {
    /// Reads the program itself.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { program: program::fingerprint()? })
    }

    /// What results must have been made with to be used again.
    pub(crate) fn fingerprint(&self, seed: u64, Size { seeds, tokens }: Size) -> String {
        format!("program {} seed {seed} seeds {seeds} tokens {tokens}\n", self.program)
    }

    /// The report that is kept in `folder`, if it is complete and of this fingerprint.
    pub(crate) fn find(folder: &Path, fingerprint: &str) -> Option<Report> {
        let mark = std::fs::read_to_string(folder.join(MARK)).ok()?;
        if mark != fingerprint {
            return None;
        }
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let mut report: Report = serde_json::from_str(&read("summary.json")?).ok()?;
        report.measured = read("measured.json").and_then(|text| serde_json::from_str(&text).ok());
        Some(report)
    }

    /// Marks `folder` as complete.
    pub(crate) fn complete(folder: &Path, fingerprint: &str) -> Result<()> {
        output::write_file(&folder.join(MARK), fingerprint)
    }
}

/// Writes a report's files; the folder is not complete until it is marked.
pub(crate) fn write_report(folder: &Path, report: &Report) -> Result<()> {
    let mark = folder.join(MARK);
    if mark.exists() {
        std::fs::remove_file(&mark)
            .with_context(|| format!("{}: cannot be removed", mark.display()))?;
    }
    output::write_file(&folder.join("rows.csv"), &report.csv()?)?;
    output::write_file(&folder.join("summary.json"), &output::json(&report.json()))?;
    if let Some(measured) = &report.measured {
        output::write_file(&folder.join("measured.json"), &output::json(measured))?;
    }
    Ok(())
}
