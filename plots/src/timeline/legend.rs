//! What the shapes mean, below the strips.

use pipesd_core::event::{GuessFate, NavCause};
use plotters::style::text_anchor::HPos;

use super::{RoundFate, TokenFate, shapes};
use crate::canvas::{Canvas, Drawn, Frame};
use crate::style::{INK, LINE_HEIGHT, text_width};

/// From one row of the legend to the next \[units\].
const ROW_PITCH: i32 = LINE_HEIGHT + 2;
/// Where samples begin; left of them stands the row's name.
const LEFT: i32 = 150;
const SAMPLE_HEIGHT: i32 = 24;
/// From a sample to its meaning, and from there to the next.
const BESIDE: i32 = 10;
const APART: i32 = 26;

/// What a sample shows.
#[derive(Clone, Copy)]
enum Sample {
    Round(bool, RoundFate),
    Draft(TokenFate),
    Guess(GuessFate),
    Letter(NavCause),
    Upload(bool, bool),
    /// A batch without room for its name.
    Narrow,
    Name(&'static str),
    Pass,
    Verdict,
}

type Row = (&'static str, &'static [(Sample, &'static str)]);

const ROWS: [Row; 5] = [
    (
        "Rounds",
        &[
            (Sample::Round(false, RoundFate::Resolved), "on committed text"),
            (
                Sample::Round(true, RoundFate::Resolved),
                "proactive: on a guess, parent's NAV pending",
            ),
            (Sample::Round(true, RoundFate::Discarded), "discarded"),
        ],
    ),
    (
        "Drafts",
        &[
            (Sample::Draft(TokenFate::Accepted), "accepted"),
            (Sample::Draft(TokenFate::Reused), "reused: accepted, drafted ahead"),
            (Sample::Draft(TokenFate::Rejected), "rejected"),
            (Sample::Draft(TokenFate::Untested), "untested"),
            (Sample::Draft(TokenFate::Discarded), "discarded"),
        ],
    ),
    (
        "Guesses",
        &[
            (Sample::Guess(GuessFate::Confirmed), "confirmed"),
            (Sample::Guess(GuessFate::Missed), "missed"),
            (Sample::Guess(GuessFate::Discarded), "discarded with its parent's drafts"),
        ],
    ),
    (
        "Triggers",
        &[
            (Sample::Letter(NavCause::Length), "length"),
            (Sample::Letter(NavCause::Token), "token threshold"),
            (Sample::Letter(NavCause::Sequence), "sequence threshold"),
            (Sample::Letter(NavCause::EndOfText), "end of text"),
            (Sample::Letter(NavCause::Budget), "budget"),
        ],
    ),
    (
        "Messages",
        &[
            (Sample::Name("7.2 ×3"), "round 7, batch 2, 3 tokens"),
            (Sample::Upload(true, false), "with NAV request"),
            (Sample::Upload(false, true), "called off"),
            (Sample::Upload(true, true), "called off with its request"),
            (Sample::Narrow, "called off, no room for its name"),
            (Sample::Pass, "NAV"),
            (Sample::Verdict, "verdict: 4/5 = accepted/drafted"),
        ],
    ),
];

impl Sample {
    fn width(self) -> i32 {
        match self {
            Self::Round(..) | Self::Upload(..) => 56,
            Self::Draft(_) | Self::Guess(_) | Self::Pass => 26,
            Self::Letter(_) | Self::Narrow => 22,
            Self::Name(text) => text_width(text) + 20,
            Self::Verdict => 5,
        }
    }

    fn draw(self, canvas: &Canvas<'_>, frame: Frame) -> Drawn {
        match self {
            Self::Round(ahead, fate) => {
                let guessed_to = if ahead { frame.right } else { frame.left };
                shapes::round(canvas, frame, guessed_to, fate, &[])
            }
            Self::Draft(fate) => shapes::draft(canvas, frame, fate),
            Self::Guess(fate) => shapes::guess(canvas, frame, Some(fate)),
            Self::Letter(cause) => {
                let letter = cause.word()[..1].to_uppercase();
                canvas.text(&letter, frame.middle(), HPos::Center, INK)
            }
            Self::Upload(nav, cancelled) => {
                shapes::upload(canvas, frame, (nav, cancelled), ["", ""])
            }
            Self::Narrow => shapes::upload(canvas, frame, (false, true), ["12.2", ""]),
            Self::Name(text) => {
                shapes::upload(canvas, frame, (false, false), ["", ""])?;
                canvas.text(text, frame.middle(), HPos::Center, INK)
            }
            Self::Pass => shapes::pass(canvas, frame),
            Self::Verdict => shapes::verdict(canvas, frame),
        }
    }
}

/// A row of the legend: its name, the line that it begins in, and its entries.
struct Lines {
    name: &'static str,
    first: i32,
    entries: Vec<Placed>,
}

/// An entry and where it stands: its left end, and its line, counted over all rows.
struct Placed {
    sample: Sample,
    meaning: &'static str,
    left: i32,
    line: i32,
}

/// The rows, each going on in the next line where it would pass `right`; and how many lines there are.
fn placed(right: i32) -> (Vec<Lines>, i32) {
    let mut line = 0;
    let mut rows = Vec::new();
    for (name, row) in ROWS {
        let (first, mut left) = (line, LEFT);
        let mut entries = Vec::new();
        for &(sample, meaning) in row {
            let end = left + sample.width() + BESIDE + text_width(meaning);
            if left > LEFT && end > right {
                (left, line) = (LEFT, line + 1);
            }
            entries.push(Placed { sample, meaning, left, line });
            left += sample.width() + BESIDE + text_width(meaning) + APART;
        }
        rows.push(Lines { name, first, entries });
        line += 1;
    }
    (rows, line)
}

/// The legend's height up to a right end \[units\].
pub(super) fn height(right: i32) -> i32 {
    ROW_PITCH * placed(right).1
}

pub(super) fn draw(canvas: &Canvas<'_>, top: i32, right: i32) -> Drawn {
    let middle = |line: i32| top + ROW_PITCH / 2 + ROW_PITCH * line;
    for Lines { name, first, entries } in placed(right).0 {
        canvas.text(name, (LEFT - 14, middle(first)), HPos::Right, INK)?;
        for Placed { sample, meaning, left, line } in entries {
            let (right, y) = (left + sample.width(), middle(line));
            let half = SAMPLE_HEIGHT / 2;
            sample.draw(canvas, Frame::new(left, y - half, right, y + half))?;
            canvas.text(meaning, (right + BESIDE, y), HPos::Left, INK)?;
        }
    }
    Ok(())
}
