//! The folder of a sweep: `sweep.json` says what it is of, `rows.csv` grows row by row.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::points::Point;
use super::rows::Rows;
use crate::input::bad_input;
use crate::output;

/// Rows of a sweep on disk, open for more.
#[derive(Debug)]
pub(crate) struct Table {
    path: PathBuf,
    file: File,
    length: u64,
    /// Rows that are there.
    pub(crate) rows: u64,
}

/// What to do about a folder that does not fit.
const ADVICE: &str = "give another --out, or delete that folder to start anew";

/// What a folder's rows are of. Equal for two commands: their rows are the same.
pub(crate) fn identity(rows: &Rows) -> Value {
    json!({
        "format": "pipesd-sweep-1",
        "version": env!("CARGO_PKG_VERSION"),
        "plan": rows.points.plan.normal_form(),
        "inputs": rows.points.digests(),
        "shard": format!("{}/{}", rows.shard.index, rows.shard.of),
        "columns": rows.header().trim_end(),
        "runs": rows.runs(),
    })
}

/// What a folder says of itself.
pub(crate) fn read_identity(folder: &Path) -> Result<Value> {
    let path = folder.join("sweep.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| bad_input!("{}: cannot be read: {error}", path.display()))?;
    serde_json::from_str(&text)
        .map_err(|error| bad_input!("{}: not a sweep's: {error}", path.display()).into())
}

/// What tells most about a difference: the rest follows from it.
const FIRST: [&str; 2] = ["version", "plan"];

/// The first place where two documents differ, and their values there.
pub(crate) fn difference(ours: &Value, theirs: &Value) -> Option<(String, String)> {
    if ours == theirs {
        return None;
    }
    if let (Value::Object(left), Value::Object(right)) = (ours, theirs) {
        let first = FIRST.iter().map(|key| (*key).to_owned());
        for key in first.chain(left.keys().cloned()).chain(right.keys().cloned()) {
            let side = |map: &serde_json::Map<String, Value>| map.get(&key).cloned();
            let (left, right) = (side(left).unwrap_or_default(), side(right).unwrap_or_default());
            if let Some((path, values)) = difference(&left, &right) {
                let point = if path.is_empty() { "" } else { "." };
                return Some((format!("{key}{point}{path}"), values));
            }
        }
    }
    if let (Value::Array(left), Value::Array(right)) = (ours, theirs)
        && left.len() == right.len()
    {
        let mut sides = left.iter().zip(right);
        return sides.find_map(|(left, right)| difference(left, right));
    }
    let short = |value: &Value| {
        let text = value.to_string();
        if text.chars().count() > 60 {
            format!("{}...", text.chars().take(60).collect::<String>())
        } else {
            text
        }
    };
    Some((String::new(), format!("it has {}, this sweep has {}", short(theirs), short(ours))))
}

impl Table {
    /// Opens the table of `rows` in `folder`, new or with what an interrupted sweep left there.
    pub(crate) fn open(folder: &Path, rows: &Rows) -> Result<Self> {
        let path = folder.join("rows.csv");
        claim(folder, &path, rows)?;
        let (length, count) = match File::open(&path) {
            Ok(file) => scan(&path, BufReader::new(file), rows)?,
            Err(_) => (0, 0),
        };
        let open = || -> std::io::Result<File> {
            let mut options = OpenOptions::new();
            let mut file = options.create(true).truncate(false).write(true).open(&path)?;
            // A torn line goes.
            file.set_len(length)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let file = open().with_context(|| format!("{}: cannot be written", path.display()))?;
        let mut table = Self { path, file, length, rows: count };
        if length == 0 {
            table.write(&rows.header())?;
        }
        Ok(table)
    }

    /// Appends rows; once this returns they outlive the program.
    pub(crate) fn append(&mut self, rows: &[String]) -> Result<()> {
        self.write(&rows.concat())?;
        self.rows += rows.len() as u64;
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<()> {
        let context = || format!("{}: cannot be written", self.path.display());
        let found = self.file.metadata().with_context(context)?.len();
        if found != self.length {
            anyhow::bail!("{}: another program writes to this file too", self.path.display());
        }
        self.file.write_all(text.as_bytes()).with_context(context)?;
        self.length += text.len() as u64;
        Ok(())
    }

    /// The finished file.
    pub(crate) fn finish(self) -> Result<PathBuf> {
        self.file.sync_all().with_context(|| format!("{}: not written", self.path.display()))?;
        Ok(self.path)
    }
}

/// The folder is new, or one of the same sweep.
fn claim(folder: &Path, table: &Path, rows: &Rows) -> Result<()> {
    let path = folder.join("sweep.json");
    let ours = identity(rows);
    if path.exists() {
        if let Some((place, values)) = difference(&ours, &read_identity(folder)?) {
            let path = path.display();
            return Err(bad_input!(
                "{path}: the rows there are of another sweep: at `{place}` {values}; {ADVICE}"
            )
            .into());
        }
        return Ok(());
    }
    if table.exists() {
        let table = table.display();
        return Err(bad_input!("{table}: is there without its sweep.json; {ADVICE}").into());
    }
    // In one step, so that no kill leaves half of it.
    let new = folder.join("sweep.json.new");
    output::write_file(&new, &output::json(&ours))?;
    std::fs::rename(&new, &path).with_context(|| format!("{}: cannot be written", path.display()))
}

/// Checks lines against the runs that they are of.
pub(crate) struct Checker<'a> {
    rows: &'a Rows,
    commas: usize,
    current: Option<(u64, Point)>,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(rows: &'a Rows) -> Self {
        let commas = rows.header().matches(',').count();
        Self { rows, commas, current: None }
    }

    /// Whether a line is the whole row numbered `row`.
    pub(crate) fn is_row(&mut self, row: u64, line: &str) -> bool {
        let run = self.rows.run(row);
        let (_, point) = match self.current.take() {
            Some(current) if current.0 == run.point => self.current.insert(current),
            _ => self.current.insert((run.point, self.rows.points.point(run.point))),
        };
        line.ends_with('\n')
            && line.starts_with(&Rows::head(run, point))
            && line.matches(',').count() == self.commas
    }
}

/// How many bytes and rows of a table are whole. The last row is run again: a program that gives
/// another result today would mix two sweeps.
fn scan(path: &Path, mut file: impl BufRead, rows: &Rows) -> Result<(u64, u64)> {
    let label = path.display();
    let (mut length, mut count) = (0, 0);
    let (mut line, mut last) = (Vec::new(), Vec::new());
    let mut checker = Checker::new(rows);
    let mut header_seen = false;
    loop {
        line.clear();
        file.read_until(b'\n', &mut line).with_context(|| format!("{label}: cannot be read"))?;
        if !line.ends_with(b"\n") {
            break;
        }
        let text = std::str::from_utf8(&line).unwrap_or_default();
        let fits = if header_seen {
            count < rows.count() && checker.is_row(count, text)
        } else {
            text == rows.header()
        };
        if !fits {
            let number = count + 1 + u64::from(header_seen);
            return Err(bad_input!(
                "{label}: line {number} is not what this sweep writes there: the file was changed; \
                 {ADVICE}"
            )
            .into());
        }
        count += u64::from(header_seen);
        header_seen = true;
        length += line.len() as u64;
        std::mem::swap(&mut line, &mut last);
    }
    if count > 0 {
        let run = rows.run(count - 1);
        let (point, setup) = (rows.points.point(run.point), rows.points.setup(run.point)?);
        if rows.simulate(run, &point, &setup)?.as_bytes() != last {
            return Err(bad_input!(
                "{label}: run {} gives another result today: the program has changed; {ADVICE}",
                run.number
            )
            .into());
        }
    }
    Ok((length, count))
}
