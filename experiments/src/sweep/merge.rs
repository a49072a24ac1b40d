//! Merges the shards of a sweep to the bytes of the whole.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Shard;
use super::rows::Rows;
use super::table::{Checker, Table, difference, identity, read_identity, run_again, same_program};
use crate::input::bad_input;

/// Rows that are written at once.
const BUNDLE: usize = 1024;
/// Rows that are run again of a shard that another build found: machines have builds of their own.
const AGAIN: u64 = 32;

/// A shard's folder, read row by row.
struct Part {
    label: String,
    file: BufReader<File>,
    same_program: bool,
}

/// The shards of a sweep, complete and checked.
pub(crate) struct Parts(Vec<Part>);

impl Parts {
    /// Opens the shards and reads them once: nothing is written before all of them are fine.
    pub(crate) fn open(rows: &Rows, folders: &[PathBuf]) -> Result<Self> {
        let mut parts = Self(parts(rows, folders)?);
        parts.check(rows)?;
        Ok(parts)
    }

    /// Fills `table`, of the whole sweep, with the rows of all shards.
    pub(crate) fn merge(mut self, rows: &Rows, table: &mut Table) -> Result<()> {
        self.rewind(rows)?;
        let mut bundle = Vec::new();
        for row in 0..rows.count() {
            let line = self.of(row).line()?;
            if row >= table.rows + bundle.len() as u64 {
                bundle.push(line);
            }
            if bundle.len() == BUNDLE {
                table.append(&bundle)?;
                bundle.clear();
            }
        }
        table.append(&bundle)
    }

    /// The shard that has a row of the whole: they take turns.
    fn of(&mut self, row: u64) -> &mut Part {
        let of = self.0.len() as u64;
        &mut self.0[(row % of) as usize]
    }

    /// Back to the first row of each.
    fn rewind(&mut self, rows: &Rows) -> Result<()> {
        for part in &mut self.0 {
            part.file.rewind().with_context(|| format!("{}: cannot be read", part.label))?;
            if part.line()? != rows.header() {
                let label = &part.label;
                return Err(bad_input!("{label}: its first line was changed").into());
            }
        }
        Ok(())
    }

    fn check(&mut self, rows: &Rows) -> Result<()> {
        self.rewind(rows)?;
        let of = self.0.len() as u64;
        let mut checker = Checker::new(rows);
        for row in 0..rows.count() {
            let part = self.of(row);
            let line = part.line()?;
            let label = &part.label;
            if !checker.is_row(row, &line) {
                return Err(bad_input!("{label}: its row of run {row} was changed").into());
            }
            if part.is_run_again(row, rows.count(), of) && run_again(rows, row)? != line {
                return Err(bad_input!(
                    "{label}: run {row} gives another result now: {}",
                    if part.same_program {
                        "the file was changed"
                    } else {
                        "it is of another build"
                    }
                )
                .into());
            }
        }
        self.0.iter_mut().try_for_each(Part::check_end)
    }
}

impl Part {
    /// The next line.
    fn line(&mut self) -> Result<String> {
        let label = &self.label;
        let mut line = String::new();
        self.file.read_line(&mut line).with_context(|| format!("{label}: cannot be read"))?;
        if !line.ends_with('\n') {
            let problem = "is not complete: run its shard again, it goes on where it stopped";
            return Err(bad_input!("{label}: {problem}").into());
        }
        Ok(line)
    }

    /// Whether a row of the whole is one to run again: each shard's last, and some more of a shard that
    /// another build found.
    const fn is_run_again(&self, row: u64, rows: u64, of: u64) -> bool {
        let stride = (rows / of / AGAIN).saturating_add(1);
        row + of >= rows || !self.same_program && (row / of).is_multiple_of(stride)
    }

    fn check_end(&mut self) -> Result<()> {
        let label = &self.label;
        let rest = self.file.fill_buf().with_context(|| format!("{label}: cannot be read"))?;
        if !rest.is_empty() {
            return Err(bad_input!("{label}: goes on after its shard's last row").into());
        }
        if !self.same_program {
            eprintln!(
                "{label}: is of another build of pipesd; some of its rows, run again, are the same"
            );
        }
        Ok(())
    }
}

/// The shards in order, each there once and of this sweep.
fn parts(rows: &Rows, folders: &[PathBuf]) -> Result<Vec<Part>> {
    let of = folders.len() as u64;
    let mut parts: Vec<Option<Part>> = folders.iter().map(|_| None).collect();
    for folder in folders {
        let label = folder.display();
        let Some(mut theirs) = read_identity(folder)? else {
            return Err(bad_input!("{label}: cannot be read: it has no sweep.json").into());
        };
        let shard = theirs["shard"].as_str().and_then(|shard| shard.parse::<Shard>().ok());
        let Some(shard) = shard.filter(|shard| shard.of == of) else {
            let shard = &theirs["shard"];
            return Err(bad_input!(
                "{label}: is shard {shard}, with {of} folder(s) to merge: name all shards of one sweep"
            )
            .into());
        };
        let mut ours = identity(rows)?;
        ours["shard"] = theirs["shard"].clone();
        let same_program = same_program(&ours, &mut theirs);
        if let Some((place, values)) = difference(&ours, &theirs) {
            return Err(bad_input!("{label}: is of another sweep: at `{place}` {values}").into());
        }
        let place = &mut parts[(shard.index - 1) as usize];
        if place.is_some() {
            return Err(bad_input!("{label}: shard {}/{of} is there twice", shard.index).into());
        }
        *place = Some(open(folder, same_program)?);
    }
    Ok(parts.into_iter().map(|part| part.expect("as many shards as places")).collect())
}

fn open(folder: &Path, same_program: bool) -> Result<Part> {
    let path = folder.join("rows.csv");
    let label = path.display().to_string();
    let file = File::open(&path).map_err(|error| bad_input!("{label}: cannot be read: {error}"))?;
    Ok(Part { label, file: BufReader::new(file), same_program })
}
