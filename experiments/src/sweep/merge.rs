//! Merges the shards of a sweep to the bytes of the whole.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Shard;
use super::rows::Rows;
use super::table::{Checker, Table, difference, identity, read_identity};
use crate::input::bad_input;

/// Rows that are written at once.
const BUNDLE: usize = 1024;

/// A shard's folder, read from its first row.
struct Part {
    label: String,
    file: BufReader<File>,
}

/// Fills `table`, of the whole sweep, with the rows of all its shards.
pub(crate) fn merge(rows: &Rows, folders: &[PathBuf], table: &mut Table) -> Result<()> {
    let mut parts = parts(rows, folders)?;
    let mut checker = Checker::new(rows);
    let mut bundle = Vec::new();
    for row in 0..rows.count() {
        let Part { label, file } = &mut parts[(row % folders.len() as u64) as usize];
        let mut line = String::new();
        file.read_line(&mut line).with_context(|| format!("{label}: cannot be read"))?;
        if !line.ends_with('\n') {
            let problem = "is not complete: run its shard again, it goes on where it stopped";
            return Err(bad_input!("{label}: {problem}").into());
        }
        if !checker.is_row(row, &line) {
            return Err(bad_input!("{label}: its row of run {row} was changed").into());
        }
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

/// The shards in order, each there once and of this sweep.
fn parts(rows: &Rows, folders: &[PathBuf]) -> Result<Vec<Part>> {
    let of = folders.len() as u64;
    let mut parts: Vec<Option<Part>> = folders.iter().map(|_| None).collect();
    for folder in folders {
        let label = folder.display();
        let theirs = read_identity(folder)?;
        let shard = theirs["shard"].as_str().and_then(|shard| shard.parse::<Shard>().ok());
        let Some(shard) = shard.filter(|shard| shard.of == of) else {
            let shard = &theirs["shard"];
            return Err(bad_input!(
                "{label}: is shard {shard}, with {of} folder(s) to merge: name all shards of one sweep"
            )
            .into());
        };
        let mut ours = identity(rows);
        ours["shard"] = theirs["shard"].clone();
        if let Some((place, values)) = difference(&ours, &theirs) {
            return Err(bad_input!("{label}: is of another sweep: at `{place}` {values}").into());
        }
        let place = &mut parts[(shard.index - 1) as usize];
        if place.is_some() {
            return Err(bad_input!("{label}: shard {}/{of} is there twice", shard.index).into());
        }
        *place = Some(open(folder)?);
    }
    Ok(parts.into_iter().map(|part| part.expect("as many shards as places")).collect())
}

fn open(folder: &Path) -> Result<Part> {
    let path = folder.join("rows.csv");
    let label = path.display().to_string();
    let file = File::open(&path).map_err(|error| bad_input!("{label}: cannot be read: {error}"))?;
    let mut file = BufReader::new(file);
    // All have the same header.
    file.read_line(&mut String::new()).with_context(|| format!("{label}: cannot be read"))?;
    Ok(Part { label, file })
}
