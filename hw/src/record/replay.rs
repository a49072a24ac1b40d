//! Replays a log: the inputs, fed to a fresh machine by the core's own loop, must give the recorded
//! outputs, bit for bit.

use pipesd_core::cloud::Cloud;
use pipesd_core::contract::{Input, Machine, Output, drain};
use pipesd_core::edge::Edge;
use pipesd_core::time::Instant;

use super::{Config, Line, RunLog};

/// Where a replayed run and its log part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}: {detail}")]
pub struct Mismatch {
    /// The log.
    pub name: String,
    /// The line in it.
    pub line: usize,
    /// What differs.
    pub detail: String,
}

/// Feeds a log's inputs to a fresh machine and compares what it wants done with what was recorded, by
/// value and by serialised text, which tells all bits of a number.
///
/// A log that ends in the middle of an input's outputs is refused: it is not whole.
///
/// # Errors
/// The first difference.
pub fn replay(log: &RunLog) -> Result<(), Mismatch> {
    match &log.header.config {
        Config::Edge(config) => replay_by(log, |now, input, outputs, edge: &mut Option<Edge>| {
            drain(edge.get_or_insert_with(|| Edge::new(*config)), now, input, outputs);
        }),
        Config::Cloud(config) => {
            replay_by(log, |now, input, outputs, cloud: &mut Option<Cloud>| {
                drain(cloud.get_or_insert_with(|| Cloud::new(*config)), now, input, outputs);
            })
        }
    }
}

type Outputs = Vec<(Instant, Output)>;

fn replay_by<M: Machine>(
    log: &RunLog,
    feed: impl Fn(Instant, Input, &mut Outputs, &mut Option<M>),
) -> Result<(), Mismatch> {
    let mut machine = None;
    // What the machine wants done and the log has not shown yet, in order.
    let mut wanted: std::collections::VecDeque<(Instant, Output)> = Default::default();
    let mut last = Instant::ZERO;
    let differ = |line, detail| Err(Mismatch { name: log.name.clone(), line, detail });
    for (number, line) in (2..).zip(&log.lines) {
        match line {
            Line::In(now, input) => {
                if let Some(missing) = wanted.front() {
                    return differ(number, format!("the log lacks the output {}", text(missing)));
                }
                if *now < last {
                    return differ(number, format!("{now} comes after {last}"));
                }
                last = *now;
                let mut outputs = Vec::new();
                feed(*now, input.clone(), &mut outputs, &mut machine);
                wanted.extend(outputs);
            }
            Line::Out(at, output) => {
                let recorded = (*at, output.clone());
                match wanted.pop_front() {
                    Some(replayed) if same(&replayed, &recorded) => {}
                    Some(replayed) => {
                        let (got, want) = (text(&replayed), text(&recorded));
                        return differ(number, format!("replayed {got}, recorded {want}"));
                    }
                    None => return differ(number, format!("{} is not wanted", text(&recorded))),
                }
            }
            Line::Took { .. } | Line::Session { .. } => {}
        }
    }
    match wanted.front() {
        None => Ok(()),
        Some(missing) => {
            let detail = format!("the log ends before the output {}", text(missing));
            differ(log.lines.len() + 1, detail)
        }
    }
}

fn same(one: &(Instant, Output), other: &(Instant, Output)) -> bool {
    one == other && text(one) == text(other)
}

fn text(output: &(Instant, Output)) -> String {
    serde_json::to_string(output).expect("outputs are plain data")
}
