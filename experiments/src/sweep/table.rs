//! The folder of a sweep: `sweep.json` says what it is of, `rows.csv` grows row by row.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::points::Point;
use super::rows::Rows;
use crate::input::bad_input;
use crate::{output, program};

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
pub(crate) fn identity(rows: &Rows) -> Result<Value> {
    Ok(json!({
        "format": "pipesd-sweep-1",
        "version": env!("CARGO_PKG_VERSION"),
        "program": program::fingerprint()?,
        "plan": rows.points.plan.normal_form(),
        "inputs": rows.points.digests()?,
        "shard": format!("{}/{}", rows.shard.index, rows.shard.of),
        "columns": rows.header().trim_end(),
        "runs": rows.runs(),
    }))
}

/// What a folder says of itself; None: nothing.
pub(crate) fn read_identity(folder: &Path) -> Result<Option<Value>> {
    let path = folder.join("sweep.json");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(bad_input!("{}: cannot be read: {error}", path.display()).into()),
    };
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

/// How a table's file could be opened.
struct Opened {
    file: File,
    /// Why it can only be read, if so: another program has it, or nobody may write to it.
    read_only: Option<anyhow::Error>,
}

/// Opens a table's file, and keeps all others from writing to it for as long as it is open.
fn open(path: &Path) -> Result<Opened> {
    let label = path.display();
    // Nothing is cut before what is there was read.
    let options = OpenOptions::new().create(true).truncate(false).read(true).write(true).clone();
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            let file = File::open(path).with_context(|| format!("{label}: cannot be read"))?;
            let error = anyhow::Error::new(error).context(format!("{label}: cannot be written"));
            return Ok(Opened { file, read_only: Some(error) });
        }
        Err(error) => return Err(error).with_context(|| format!("{label}: cannot be opened")),
    };
    let read_only = match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            Some(bad_input!("{label}: another pipesd is writing here").into())
        }
        // A file system without locks: the length of the file must do.
        Ok(()) | Err(TryLockError::Error(_)) => None,
    };
    Ok(Opened { file, read_only })
}

impl Table {
    /// Opens the table of `rows` in `folder`, new or with what an interrupted sweep left there. One that
    /// is complete need not be writable.
    pub(crate) fn open(folder: &Path, rows: &Rows) -> Result<Self> {
        if folder.exists() && !folder.is_dir() {
            return Err(bad_input!("--out {}: is not a folder", folder.display()).into());
        }
        if !folder.exists() {
            output::make_folder(folder)?;
        }
        let path = folder.join("rows.csv");
        let Opened { mut file, mut read_only } = open(&path)?;
        let is_new = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        let same_program = match claim(folder, is_new && read_only.is_none(), rows)? {
            Claim::Ours => true,
            Claim::OtherProgram => false,
            Claim::Unclaimed => return Err(read_only.unwrap_or_else(|| unclaimed(&path))),
        };
        let scanned = scan(&path, BufReader::new(&mut file), rows)?;
        if scanned.is_complete(rows) {
            if !same_program {
                eprintln!("{}: another build of pipesd found these rows", path.display());
            } else {
                scanned.run_last_again(&path, rows)?;
            }
            return Ok(Self { path, file, length: scanned.length, rows: scanned.rows });
        }
        if !same_program {
            return Err(bad_input!(
                "{}: another build of pipesd began this sweep, and rows of two programs would mix; \
                 go on with that one, or {ADVICE}",
                path.display()
            )
            .into());
        }
        if let Some(error) = read_only.take() {
            return Err(error);
        }
        scanned.run_last_again(&path, rows)?;
        // A torn line goes.
        file.set_len(scanned.length)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        let mut table = Self { path, file, length: scanned.length, rows: scanned.rows };
        if table.length == 0 {
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

/// Whose a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// This sweep's, by this program.
    Ours,
    /// This sweep's, by another build.
    OtherProgram,
    /// Nobody's, and there is no claiming it.
    Unclaimed,
}

fn unclaimed(table: &Path) -> anyhow::Error {
    bad_input!("{}: is there without its sweep.json; {ADVICE}", table.display()).into()
}

/// The folder is one of the same sweep, or becomes one if its table is empty (`is_new`).
fn claim(folder: &Path, is_new: bool, rows: &Rows) -> Result<Claim> {
    let path = folder.join("sweep.json");
    let ours = identity(rows)?;
    let Some(mut theirs) = read_identity(folder)? else {
        if !is_new {
            return Ok(Claim::Unclaimed);
        }
        // In one step, so that no kill leaves half of it.
        output::write_file(&path, &output::json(&ours))?;
        return Ok(Claim::Ours);
    };
    let same_program = same_program(&ours, &mut theirs);
    if let Some((place, values)) = difference(&ours, &theirs) {
        let path = path.display();
        return Err(bad_input!(
            "{path}: the rows there are of another sweep: at `{place}` {values}; {ADVICE}"
        )
        .into());
    }
    Ok(if same_program { Claim::Ours } else { Claim::OtherProgram })
}

/// Whether two documents are of one program, which is then no difference between them any more.
pub(crate) fn same_program(ours: &Value, theirs: &mut Value) -> bool {
    let same = ours["program"] == theirs["program"];
    theirs["program"] = ours["program"].clone();
    same
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

/// What of a table's file is whole.
#[derive(Debug, Default)]
struct Scanned {
    length: u64,
    rows: u64,
    last: Vec<u8>,
    torn: bool,
}

impl Scanned {
    fn is_complete(&self, rows: &Rows) -> bool {
        self.length > 0 && self.rows == rows.count() && !self.torn
    }

    /// The last row is run again: the plan's files may be the same and the row not.
    fn run_last_again(&self, path: &Path, rows: &Rows) -> Result<()> {
        let Some(row) = self.rows.checked_sub(1) else { return Ok(()) };
        if run_again(rows, row)?.as_bytes() == self.last {
            return Ok(());
        }
        Err(bad_input!(
            "{}: run {} gives another result now: the file was changed; {ADVICE}",
            path.display(),
            rows.run(row).number
        )
        .into())
    }
}

/// The row numbered `row` as this program finds it.
pub(crate) fn run_again(rows: &Rows, row: u64) -> Result<String> {
    let run = rows.run(row);
    rows.simulate(run, &rows.points.point(run.point), &rows.points.setup(run.point)?)
}

/// Reads a table and checks that each whole line is what this sweep writes there.
fn scan(path: &Path, mut file: impl BufRead, rows: &Rows) -> Result<Scanned> {
    let label = path.display();
    let mut scanned = Scanned::default();
    let mut line = Vec::new();
    let mut checker = Checker::new(rows);
    loop {
        line.clear();
        file.read_until(b'\n', &mut line).with_context(|| format!("{label}: cannot be read"))?;
        if !line.ends_with(b"\n") {
            scanned.torn = !line.is_empty();
            return Ok(scanned);
        }
        let text = std::str::from_utf8(&line).unwrap_or_default();
        let header_seen = scanned.length > 0;
        let fits = if header_seen {
            scanned.rows < rows.count() && checker.is_row(scanned.rows, text)
        } else {
            text == rows.header()
        };
        if !fits {
            let number = scanned.rows + 1 + u64::from(header_seen);
            return Err(bad_input!(
                "{label}: line {number} is not what this sweep writes there: the file was changed; \
                 {ADVICE}"
            )
            .into());
        }
        scanned.rows += u64::from(header_seen);
        scanned.length += line.len() as u64;
        std::mem::swap(&mut line, &mut scanned.last);
    }
}
