//! Result files: one row for each figure of each configuration, as `reproduce` writes them.

use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord};

/// The format of result files, in each of their lines. 1: without the columns
/// `format`, `prompts`, `chance_sd` and `z`; 2: with them, and with the role `not_counted`.
pub const FORMAT: u32 = 2;

/// The columns of a result file. A file may have more, and in any order; it must have these.
pub const COLUMNS: [&str; 23] = [
    "format",
    "item",
    "dataset",
    "scenario",
    "variant",
    "x",
    "y",
    "method",
    "metric",
    "mean",
    "sd",
    "ci95_low",
    "ci95_high",
    "paper",
    "role",
    "prompts",
    "chance_sd",
    "z",
    "seed",
    "seeds",
    "tokens",
    "version",
    "command",
];

/// What a row's figure is to the comparison with the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The published value itself was fitted.
    Calibration,
    /// Rounds of the same runs went into the profile.
    InSample,
    /// Neither.
    Prediction,
    /// The paper does not give the settings that its value was measured with.
    NotCounted,
    /// A deployment mode or a bound beside the methods.
    Reference,
    /// The paper has nothing of the kind.
    Ours,
}

impl Role {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "calibration" => Self::Calibration,
            "in_sample" => Self::InSample,
            "prediction" => Self::Prediction,
            "not_counted" => Self::NotCounted,
            "reference" => Self::Reference,
            "ours" => Self::Ours,
            _ => return None,
        })
    }
}

/// A row: one metric of one method in one configuration. None: the cell is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The table or figure it belongs to.
    pub item: String,
    /// The profile's name; may be empty, as may the next two.
    pub dataset: String,
    /// The scenario's name.
    pub scenario: String,
    /// What is varied besides the other columns.
    pub variant: String,
    /// A swept quantity; its unit is the item's business.
    pub x: Option<f64>,
    /// A second swept quantity.
    pub y: Option<f64>,
    /// The method, a reference, or whatever else is compared.
    pub method: String,
    /// The metric's name; its unit is part of it.
    pub metric: String,
    /// The mean over seeds; None: not measured.
    pub mean: Option<f64>,
    /// The standard deviation over seeds.
    pub sd: Option<f64>,
    /// Lower end of the 95 % interval of the mean.
    pub ci95_low: Option<f64>,
    /// Its upper end.
    pub ci95_high: Option<f64>,
    /// The published value.
    pub paper: Option<f64>,
    /// What the row is to the comparison.
    pub role: Option<Role>,
    /// Prompts that the published value is a mean over.
    pub prompts: Option<u64>,
    /// Standard deviation that our mean over so many prompts has by chance.
    pub chance_sd: Option<f64>,
    /// Our mean less the published value, in such deviations.
    pub z: Option<f64>,
    /// The first seed.
    pub seed: Option<u64>,
    /// How many seeds.
    pub seeds: Option<u64>,
    /// Output tokens of each run.
    pub tokens: Option<u64>,
    /// The version that wrote the row.
    pub version: String,
    /// The command that makes it again.
    pub command: String,
}

impl Row {
    /// The 95 % interval, if the row has one.
    #[must_use]
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.ci95_low.zip(self.ci95_high)
    }
}

/// A result file that cannot be used: where, and why.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// It cannot be read.
    #[error("{}: {error}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not CSV.
    #[error("{}: line {line}: {message}", .file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
    /// It is of another format.
    #[error(
        "{}: line {line}: a result file of format {found}, and this program reads format {FORMAT}: make \
         the file again (`pipesd reproduce ITEM`)",
        .file.display()
    )]
    OtherFormat {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The file's format.
        found: String,
    },
    /// A column is missing.
    #[error("{}: line 1: there is no column `{column}`", .file.display())]
    NoColumn {
        /// The file.
        file: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A cell has not the form that its column wants.
    #[error("{}: line {line}, column `{column}`: `{cell}` is not {wanted}", .file.display())]
    BadCell {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The column.
        column: &'static str,
        /// What stands there.
        cell: String,
        /// What should.
        wanted: &'static str,
    },
}

/// Reads a result file.
///
/// # Errors
/// If it cannot be read, or as [`parse`] does.
pub fn read(path: &Path) -> Result<Vec<Row>, ResultsError> {
    let file = || path.to_path_buf();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ResultsError::Unreadable { file: file(), error })?;
    parse(&text, path)
}

/// Reads the text of a result file; `path` is for the errors alone.
///
/// # Errors
/// If it is not CSV, is of another format than [`FORMAT`], lacks a column of [`COLUMNS`], or a cell is no
/// number, no role, or infinite.
pub fn parse(text: &str, path: &Path) -> Result<Vec<Row>, ResultsError> {
    let malformed = |error: &csv::Error| ResultsError::Malformed {
        file: path.to_path_buf(),
        line: error.position().map_or(1, csv::Position::line),
        message: match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("{len} cells, where line 1 has {expected_len}")
            }
            _ => error.to_string(),
        },
    };
    let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| malformed(&error))?.clone();
    if header.iter().all(|name| name != "format") && header.iter().any(|name| name == "item") {
        let (file, found) = (path.to_path_buf(), "1".to_owned());
        return Err(ResultsError::OtherFormat { file, line: 1, found });
    }
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        *place = header
            .iter()
            .position(|name| name == column)
            .ok_or_else(|| ResultsError::NoColumn { file: path.to_path_buf(), column })?;
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| malformed(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push(Cells { path, places: &places, record: &record, line }.row()?);
    }
    Ok(rows)
}

/// One line of a file, its cells by the names of their columns.
struct Cells<'a> {
    path: &'a Path,
    places: &'a [usize; COLUMNS.len()],
    record: &'a StringRecord,
    line: u64,
}

impl Cells<'_> {
    fn text(&self, column: &'static str) -> &str {
        let index = COLUMNS.iter().position(|&name| name == column);
        index.and_then(|index| self.record.get(self.places[index])).unwrap_or_default()
    }

    fn parsed<T>(
        &self,
        column: &'static str,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ResultsError> {
        let cell = self.text(column);
        if cell.is_empty() {
            return Ok(None);
        }
        parse(cell).map(Some).ok_or_else(|| ResultsError::BadCell {
            file: self.path.to_path_buf(),
            line: self.line,
            column,
            cell: cell.to_owned(),
            wanted,
        })
    }

    fn number(&self, column: &'static str) -> Result<Option<f64>, ResultsError> {
        let finite = |cell: &str| cell.parse().ok().filter(|value: &f64| value.is_finite());
        self.parsed(column, "a finite number", finite)
    }

    fn count(&self, column: &'static str) -> Result<Option<u64>, ResultsError> {
        self.parsed(column, "a whole number", |cell| cell.parse().ok())
    }

    fn row(&self) -> Result<Row, ResultsError> {
        let text = |column| self.text(column).to_owned();
        if self.text("format") != FORMAT.to_string() {
            let (file, line) = (self.path.to_path_buf(), self.line);
            return Err(ResultsError::OtherFormat { file, line, found: text("format") });
        }
        let roles = "one of calibration, in_sample, prediction, not_counted, reference, ours";
        Ok(Row {
            item: text("item"),
            dataset: text("dataset"),
            scenario: text("scenario"),
            variant: text("variant"),
            x: self.number("x")?,
            y: self.number("y")?,
            method: text("method"),
            metric: text("metric"),
            mean: self.number("mean")?,
            sd: self.number("sd")?,
            ci95_low: self.number("ci95_low")?,
            ci95_high: self.number("ci95_high")?,
            paper: self.number("paper")?,
            role: self.parsed("role", roles, Role::parse)?,
            prompts: self.count("prompts")?,
            chance_sd: self.number("chance_sd")?,
            z: self.number("z")?,
            seed: self.count("seed")?,
            seeds: self.count("seeds")?,
            tokens: self.count("tokens")?,
            version: text("version"),
            command: text("command"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "format,item,dataset,scenario,variant,x,y,method,metric,mean,sd,ci95_low,\
                        ci95_high,paper,role,prompts,chance_sd,z,seed,seeds,tokens,version,command\n";

    fn parsed(lines: &str) -> Result<Vec<Row>, String> {
        let text = format!("{HEAD}{lines}");
        parse(&text, Path::new("results/fig5/rows.csv")).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let line = "2,fig5,humaneval,s1-laptop,,10,,hsl,tpt_ms,246.3,5.7,245,247.5,243.7,prediction,\
                    10,5.1,0.5,1,8,1000,0.1.0,\"pipesd simulate --set a=1,b\"";
        let rows = parsed(line).expect("it is fine");
        let row = &rows[0];
        assert_eq!((row.x, row.y, row.mean), (Some(10.), None, Some(246.3)));
        assert_eq!(row.interval(), Some((245., 247.5)));
        assert_eq!((row.role, row.seeds), (Some(Role::Prediction), Some(8)));
        assert_eq!((row.prompts, row.chance_sd, row.z), (Some(10), Some(5.1), Some(0.5)));
        assert_eq!(row.command, "pipesd simulate --set a=1,b");
        // The columns turned round: the same rows.
        let turn = |line: &str| {
            let mut reader = ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
            let record = reader.records().next().expect("a line").expect("it is CSV");
            let mut cells: Vec<String> = record.iter().map(|cell| format!("\"{cell}\"")).collect();
            cells.reverse();
            cells.join(",")
        };
        let turned = format!("{}\n{}\n", turn(HEAD), turn(line));
        assert_eq!(parse(&turned, Path::new("rows.csv")).expect("it is fine"), rows);
    }

    #[test]
    fn bad_files_are_errors_that_say_where() {
        let empty = format!("{FORMAT}{}", ",".repeat(COLUMNS.len() - 1));
        let cell = |column: &str, text: &str| {
            let value = |name: &&str| match *name {
                name if name == column => text.to_owned(),
                "format" => FORMAT.to_string(),
                _ => String::new(),
            };
            let cells: Vec<String> = COLUMNS.iter().map(value).collect();
            format!("{empty}\n{}\n", cells.join(","))
        };
        for (lines, message) in [
            (cell("mean", "fast"), "line 3, column `mean`: `fast` is not a finite number"),
            (cell("x", "inf"), "line 3, column `x`: `inf` is not a finite number"),
            (cell("seeds", "1.5"), "line 3, column `seeds`: `1.5` is not a whole number"),
            (
                cell("role", "guess"),
                "line 3, column `role`: `guess` is not one of calibration, in_sample, \
                 prediction, not_counted, reference, ours",
            ),
            (format!("{empty}\na,b\n"), "line 3: 2 cells, where line 1 has 23"),
        ] {
            let error = parsed(&lines).expect_err(message);
            assert_eq!(error, format!("results/fig5/rows.csv: {message}"));
        }
        let error =
            parse("format,item,dataset\n", Path::new("a.csv")).expect_err("columns are missing");
        assert_eq!(error.to_string(), "a.csv: line 1: there is no column `scenario`");
        let error = read(Path::new("no/such/rows.csv")).expect_err("there is no such file");
        assert!(error.to_string().starts_with("no/such/rows.csv: "), "{error}");
    }

    #[test]
    fn files_of_other_formats_are_refused_by_name() {
        let before = HEAD.replace("format,", "").replace("prompts,chance_sd,z,", "");
        let error = parse(&before, Path::new("old/rows.csv")).expect_err("an older file");
        let said = error.to_string();
        assert!(
            said.starts_with("old/rows.csv: line 1: a result file of format 1, ")
                && said.contains("reads format 2")
                && said.contains("`pipesd reproduce ITEM`"),
            "{said}"
        );
        let later = format!("3{}\n", ",".repeat(COLUMNS.len() - 1));
        let said = parsed(&later).expect_err("a later file");
        assert!(said.contains("line 2: a result file of format 3"), "{said}");
    }
}
