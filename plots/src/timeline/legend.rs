//! What the shapes mean, below the strips.

use pipesd_core::event::{GuessFate, NavCause};
use plotters::style::text_anchor::HPos;

use super::{RoundFate, TokenFate, shapes};
use crate::canvas::{Canvas, Drawn, Frame};
use crate::style::{INK, LINE_HEIGHT, text_width};

/// From one row of the legend to the next \[units\].
const ROW_PITCH: i32 = LINE_HEIGHT + 2;
/// The legend's height \[units\].
pub(super) const HEIGHT: i32 = ROW_PITCH * ROWS.len() as i32;
/// Where samples begin; left of them stands the row's name.
const LEFT: i32 = 150;
const SAMPLE_HEIGHT: i32 = 24;

/// What a sample shows.
#[derive(Clone, Copy)]
enum Sample {
    Round(bool, RoundFate),
    Draft(TokenFate),
    Guess(GuessFate),
    Letter(NavCause),
    Upload(bool, bool),
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
            Self::Letter(_) => 22,
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
            Self::Name(text) => {
                shapes::upload(canvas, frame, (false, false), ["", ""])?;
                canvas.text(text, frame.middle(), HPos::Center, INK)
            }
            Self::Pass => shapes::pass(canvas, frame),
            Self::Verdict => shapes::verdict(canvas, frame),
        }
    }
}

pub(super) fn draw(canvas: &Canvas<'_>, top: i32) -> Drawn {
    let mut middle = top + ROW_PITCH / 2;
    for (name, entries) in ROWS {
        canvas.text(name, (LEFT - 14, middle), HPos::Right, INK)?;
        let mut x = LEFT;
        for &(sample, meaning) in entries {
            let right = x + sample.width();
            let half = SAMPLE_HEIGHT / 2;
            sample.draw(canvas, Frame::new(x, middle - half, right, middle + half))?;
            canvas.text(meaning, (right + 10, middle), HPos::Left, INK)?;
            x = right + 10 + text_width(meaning) + 26;
        }
        middle += ROW_PITCH;
    }
    Ok(())
}
