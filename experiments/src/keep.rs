//! Results that are kept: written whole or not at all, and used again only by the program that made them,
//! with the same options, as long as the files are what was written. Within an item, the tasks that
//! are done.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::items::{Report, Size};
use crate::output;
use crate::program;

/// Knows which program this is.
pub(crate) struct Keeper {
    program: String,
}

/// An item that is kept in a folder.
pub(crate) struct Kept {
    pub(crate) report: Report,
    /// What it was made with.
    pub(crate) fingerprint: String,
}

/// Marks a folder as complete: written last, removed first. It holds what the results were made with,
/// and a hash of each file.
const MARK: &str = ".complete";
/// The tasks of an item that are done, while others are not.
const TASKS: &str = ".tasks";

impl Keeper {
    /// Reads the program itself.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { program: program::fingerprint()? })
    }

    /// What results must have been made with to be used again.
    pub(crate) fn fingerprint(&self, seed: u64, Size { seeds, tokens }: Size) -> String {
        format!("{} seed {seed} seeds {seeds} tokens {tokens}", self.own())
    }

    fn own(&self) -> String {
        format!("program {}", self.program)
    }

    /// What this program keeps in `folder`, at whatever size, if it is complete and as it was written.
    pub(crate) fn find(&self, folder: &Path) -> Option<Kept> {
        let mark = std::fs::read_to_string(folder.join(MARK)).ok()?;
        let mut lines = mark.lines();
        let fingerprint = lines.next().filter(|line| line.starts_with(&self.own()))?.to_owned();
        let mut report: Option<Report> = None;
        let mut measured = None;
        for line in lines {
            let (expected, name) = line.split_once(' ')?;
            let bytes = std::fs::read(folder.join(name)).ok()?;
            if expected != hex(&bytes) {
                return None;
            }
            match name {
                "summary.json" => report = serde_json::from_slice(&bytes).ok(),
                "measured.json" => measured = serde_json::from_slice(&bytes).ok(),
                _ => {}
            }
        }
        let report = Report { measured, ..report? };
        Some(Kept { report, fingerprint })
    }

    /// Writes an item's files (name and content), and that it is complete.
    pub(crate) fn keep(folder: &Path, files: &[(String, String)], fingerprint: &str) -> Result<()> {
        remove(&folder.join(MARK))?;
        let mut mark = format!("{fingerprint}\n");
        for (name, content) in files {
            output::write_file(&folder.join(name), content)?;
            mark.push_str(&format!("{} {name}\n", hex(content.as_bytes())));
        }
        output::write_file(&folder.join(MARK), &mark)?;
        remove(&folder.join(TASKS))
    }
}

/// A report's files, figures apart.
pub(crate) fn report_files(report: &Report) -> Result<Vec<(String, String)>> {
    let mut files = vec![
        ("rows.csv".to_owned(), report.csv()?),
        ("summary.json".to_owned(), output::json(&report.json())),
    ];
    if let Some(measured) = &report.measured {
        files.push(("measured.json".to_owned(), output::json(measured)));
    }
    Ok(files)
}

fn hex(bytes: &[u8]) -> String {
    format!("{:016x}", program::digest(bytes))
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{}: cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}

/// The tasks of one item that are done, each written as it ends: what an interruption leaves is not
/// done again.
pub(crate) struct Checkpoint {
    path: PathBuf,
    /// Results as JSON, by stage and task.
    done: BTreeMap<(String, usize), String>,
    file: Mutex<File>,
}

impl Checkpoint {
    /// Goes on with what is in `folder`, if it was made with the same fingerprint.
    pub(crate) fn open(folder: &Path, fingerprint: &str) -> Result<Self> {
        let path = folder.join(TASKS);
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let mut done = BTreeMap::new();
        // A last line without an end was cut off.
        let mut lines = before.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        if lines.next() == Some(fingerprint) {
            done.extend(lines.filter_map(parse));
        }
        let mut text = format!("{fingerprint}\n");
        done.iter().for_each(|((stage, task), json)| text.push_str(&line(stage, *task, json)));
        output::write_file(&path, &text)?;
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.with_context(|| format!("{}: cannot be opened", path.display()))?;
        Ok(Self { path, done, file: Mutex::new(file) })
    }

    /// How many tasks are done from before.
    pub(crate) fn len(&self) -> usize {
        self.done.len()
    }

    /// A task's result from before.
    pub(crate) fn find<R: DeserializeOwned>(&self, stage: &str, task: usize) -> Option<R> {
        let json = self.done.get(&(stage.to_owned(), task))?;
        serde_json::from_str(json).ok()
    }

    pub(crate) fn add(&self, stage: &str, task: usize, result: &impl Serialize) -> Result<()> {
        let json = serde_json::to_string(result)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line(stage, task, &json).as_bytes())
            .with_context(|| format!("{}: cannot be written", self.path.display()))
    }
}

fn line(stage: &str, task: usize, json: &str) -> String {
    format!("{stage}\t{task}\t{json}\n")
}

fn parse(line: &str) -> Option<((String, usize), String)> {
    let (stage, rest) = line.split_once('\t')?;
    let (task, json) = rest.split_once('\t')?;
    Some(((stage.to_owned(), task.parse().ok()?), json.to_owned()))
}
