//! What an edge has committed, kept in a file as it comes: an edge that was killed goes on from there.
//!
//! A line is a request's number and a token, or the number and `end`. The first line says whose it is: a
//! journal of other requests is refused. A last line that was cut short is as if it had not been written.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use pipesd_core::event::{Event, Stamped};
use pipesd_core::ids::TokenId;
use pipesd_core::message::Request;
use pipesd_hw::driver::Observer;

use crate::input::bad_input;
use crate::program::digest;

/// A journal and what it held when it was opened.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    texts: BTreeMap<usize, Kept>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Kept {
    tokens: Vec<TokenId>,
    ended: bool,
}

impl Journal {
    /// Opens or makes the journal of these requests.
    pub(crate) fn open(path: &Path, requests: &[Request]) -> Result<Self> {
        let first =
            format!("pipesd journal 1 {:016x}\n", digest(format!("{requests:?}").as_bytes()));
        let shown = path.display();
        let held = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("{shown}: cannot be read")),
        };
        if !held.starts_with(&first) && !first.starts_with(&held) {
            return Err(bad_input!(
                "--journal {shown}: it is of other requests, or no journal; give another file, or delete it"
            )
            .into());
        }
        let whole = held.rfind('\n').map_or(0, |end| end + 1);
        let mut texts: BTreeMap<usize, Kept> = BTreeMap::new();
        for (number, line) in (2..).zip(held[..whole].lines().skip(1)) {
            let kept = parse(line).filter(|(request, _)| *request < requests.len());
            let Some((request, token)) = kept else {
                return Err(bad_input!(
                    "{shown}, line {number}: expected NUMBER TOKEN or NUMBER end"
                )
                .into());
            };
            let text = texts.entry(request).or_default();
            match token {
                Some(token) => text.tokens.push(token),
                None => text.ended = true,
            }
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .with_context(|| format!("{shown}: no journal there"))?;
        file.set_len(whole as u64)?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0))?;
        if whole == 0 {
            file.write_all(first.as_bytes())?;
        }
        Ok(Self { path: path.to_owned(), file, texts })
    }

    /// What is left of the requests, each with its number and behind what was committed of it.
    pub(crate) fn rest(&self, requests: Vec<Request>) -> Vec<(usize, Request)> {
        let rest = requests.into_iter().enumerate().filter_map(|(number, mut request)| {
            let kept = self.texts.get(&number).cloned().unwrap_or_default();
            let stops = |token: &TokenId| request.stop_ids.contains(token);
            let is_whole = kept.tokens.len() >= request.budget as usize
                || kept.tokens.last().is_some_and(stops);
            if kept.ended || is_whole {
                return None;
            }
            request.text = kept.tokens;
            Some((number, request))
        });
        rest.collect()
    }

    /// Writes down what is committed of the requests with these numbers, and tells `other` everything.
    pub(crate) fn observer(self, numbers: Vec<usize>, mut other: Option<Observer>) -> Observer {
        let Self { path, mut file, .. } = self;
        let mut numbers = numbers.into_iter();
        let mut current = 0;
        let mut failed = false;
        Box::new(move |stamped: &Stamped| {
            let line = match stamped.event {
                Event::SessionStarted { .. } => {
                    current = numbers.next().unwrap_or_default();
                    None
                }
                Event::Committed { token: TokenId(id), .. } => Some(format!("{current} {id}\n")),
                Event::SessionEnded { outcome, .. } if outcome.is_complete() => {
                    Some(format!("{current} end\n"))
                }
                _ => None,
            };
            if let Some(Err(error)) = line.map(|line| file.write_all(line.as_bytes()))
                && !std::mem::replace(&mut failed, true)
            {
                eprintln!("{}: cannot be written: {error}", path.display());
            }
            if let Some(other) = &mut other {
                other(stamped);
            }
        })
    }
}

fn parse(line: &str) -> Option<(usize, Option<TokenId>)> {
    let (number, token) = line.split_once(' ')?;
    let token = if token == "end" { None } else { Some(TokenId(token.parse().ok()?)) };
    Some((number.parse().ok()?, token))
}

#[cfg(test)]
mod tests {
    use pipesd_core::event::{Endpoint, Outcome};
    use pipesd_core::ids::SessionId;
    use pipesd_core::time::Instant;
    use pipesd_core::verification::Temperature;

    use super::*;

    fn requests() -> Vec<Request> {
        let request = |number| Request {
            session: SessionId(number),
            prompt: vec![TokenId(1)],
            budget: 3,
            stop_ids: vec![],
            temperature: Temperature::default(),
            seed: 0,
            text: Vec::new(),
        };
        vec![request(0), request(1), request(2)]
    }

    fn left(path: &Path) -> Vec<(usize, Vec<u32>)> {
        let journal = Journal::open(path, &requests()).expect("its own");
        let rest = journal.rest(requests());
        let ids = |request: Request| request.text.iter().map(|token| token.0).collect();
        rest.into_iter().map(|(number, request)| (number, ids(request))).collect()
    }

    #[test]
    fn an_edge_goes_on_behind_what_it_has_written_down() {
        let folder = std::env::temp_dir().join(format!("pipesd-journal-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("journal");
        let _ = std::fs::remove_file(&path);
        assert_eq!(left(&path), [(0, vec![]), (1, vec![]), (2, vec![])]);
        let journal = Journal::open(&path, &requests()).expect("its own");
        let mut tell = journal.observer(vec![0, 1, 2], None);
        let mut say =
            |event| tell(&Stamped { at: Instant::ZERO, endpoint: Endpoint::Edge(0), event });
        let session = SessionId(0);
        let commit = |position, id| Event::Committed { session, position, token: TokenId(id) };
        let outcome = Outcome::Budget;
        for event in [
            Event::SessionStarted { session, text: 0 },
            commit(0, 7),
            commit(1, 8),
            commit(2, 9),
            Event::SessionEnded { session, outcome, output_tokens: 3 },
            Event::SessionStarted { session, text: 0 },
            commit(0, 17),
        ] {
            say(event);
        }
        assert_eq!(left(&path), [(1, vec![17]), (2, vec![])]);
        // Killed while it wrote.
        let mut file = OpenOptions::new().append(true).open(&path).expect("it is there");
        file.write_all(b"1 1").expect("room");
        assert_eq!(left(&path), [(1, vec![17]), (2, vec![])]);
        let error = Journal::open(&path, &requests()[..2]).err().expect("of others");
        assert!(error.to_string().contains("it is of other requests"), "{error}");
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
