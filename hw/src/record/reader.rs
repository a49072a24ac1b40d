//! Reads a log.

use std::io::BufRead;
use std::path::Path;

use pipesd_core::contract::Output;
use pipesd_core::event::Stamped;

use super::{FORMAT, Header, Line};

/// A line has fewer bytes: the longest carries a whole tuner or a long prompt.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// A log in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct RunLog {
    /// Where it was read, for messages.
    pub name: String,
    /// Its header.
    pub header: Header,
    /// Its other lines; the first of them is line 2 of the file.
    pub lines: Vec<Line>,
}

/// A log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}: {problem}")]
pub struct LogError {
    /// The file.
    pub name: String,
    /// The line, from 1 on; 0: the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

impl RunLog {
    /// Reads a log from a file.
    ///
    /// # Errors
    /// If there is no such file, or a line of it is no line of a log.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let name = path.display().to_string();
        let file = std::fs::File::open(path).map_err(|error| LogError {
            name: name.clone(),
            line: 0,
            problem: error.to_string(),
        })?;
        Self::read(name, std::io::BufReader::new(file))
    }

    /// Reads a log; `name` is for messages.
    ///
    /// # Errors
    /// The first line that is no line of a log.
    pub fn read(name: impl Into<String>, mut from: impl BufRead) -> Result<Self, LogError> {
        let name = name.into();
        let mut text = String::new();
        let mut header = None;
        let mut lines = Vec::new();
        for number in 1.. {
            let wrong = |problem: String| LogError { name: name.clone(), line: number, problem };
            text.clear();
            let mut limited = std::io::Read::take(&mut from, LINE_BYTES_MAX);
            let count = limited.read_line(&mut text).map_err(|error| wrong(error.to_string()))?;
            if count == 0 {
                break;
            }
            if !text.ends_with('\n') {
                let problem = "the line is cut short: did the run end in the middle?";
                return Err(wrong(problem.into()));
            }
            if header.is_none() {
                header = Some(parse_header(&text).map_err(wrong)?);
            } else {
                let line = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
                lines.push(line);
            }
        }
        match header {
            Some(header) => Ok(Self { name, header, lines }),
            None => Err(LogError { name, line: 0, problem: "the file is empty".into() }),
        }
    }

    /// What the endpoint told, in order, on its own clock.
    pub fn events(&self) -> impl Iterator<Item = Stamped> {
        let endpoint = self.header.endpoint;
        self.lines.iter().filter_map(move |line| match line {
            Line::Out(at, Output::Event(event)) => {
                Some(Stamped { at: *at, endpoint, event: *event })
            }
            _ => None,
        })
    }
}

/// The format is looked at first: of another version no more may be known.
fn parse_header(text: &str) -> Result<Header, String> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: String,
    }
    let known = |format: &str| format == FORMAT;
    match serde_json::from_str::<Format>(text) {
        Ok(Format { format }) if known(&format) => {}
        Ok(Format { format }) => {
            return Err(format!("format is `{format}`, expected `{FORMAT}`: record the run again"));
        }
        Err(error) => return Err(format!("no header of a run log: {error}")),
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}
