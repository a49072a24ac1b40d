//! How each kind of mark looks, wherever it stands: in a lane or in the legend.

use pipesd_core::event::GuessFate;
use plotters::style::text_anchor::HPos;

use super::{RoundFate, TokenFate};
use crate::canvas::{Canvas, Drawn, Frame, Hatch};
use crate::style::{
    BLUE, GREY, INK, ORANGE, PALE, PALE_ORANGE, PAPER, SKY_BLUE, STROKE, TYPE_SIZE, VERMILLION,
    text_width,
};

/// From one hatch line to the next \[units\].
const PITCH: i32 = 9;
/// The least width that is seen in print \[units\].
const THINNEST: i32 = 5;

/// A label in the frame's middle, if it fits.
fn label(canvas: &Canvas<'_>, frame: Frame, text: &str) -> Drawn {
    if text.is_empty() || !fits(frame, text) {
        return Ok(());
    }
    canvas.text(text, frame.middle(), HPos::Center, INK)
}

/// Whether the text has room in the frame, with a little air.
pub(super) fn fits(frame: Frame, text: &str) -> bool {
    text_width(text) + 4 <= frame.width()
}

/// A draft token. Kept ones are blue (dark: drafted ahead of its turn), lost ones are not.
pub(super) fn draft(canvas: &Canvas<'_>, frame: Frame, fate: TokenFate) -> Drawn {
    let fill = match fate {
        TokenFate::Accepted => SKY_BLUE,
        TokenFate::Reused => BLUE,
        TokenFate::Rejected => VERMILLION,
        TokenFate::Untested => PALE,
        TokenFate::Discarded | TokenFate::Open => PAPER,
    };
    canvas.fill(frame, fill)?;
    let (_, middle) = frame.middle();
    match fate {
        TokenFate::Rejected => canvas.cross(frame, PAPER)?,
        TokenFate::Discarded => {
            canvas.line(&[(frame.left, middle), (frame.right, middle)], INK, STROKE)?;
        }
        _ => {}
    }
    canvas.outline(frame, INK)
}

/// A guess: hatched, for it is no draft token.
pub(super) fn guess(canvas: &Canvas<'_>, frame: Frame, fate: Option<GuessFate>) -> Drawn {
    canvas.fill(frame, PAPER)?;
    match fate {
        Some(GuessFate::Confirmed) => canvas.hatch(frame, Hatch::Rising, PITCH, BLUE)?,
        Some(GuessFate::Missed) => {
            canvas.hatch(frame, Hatch::Rising, PITCH, VERMILLION)?;
            canvas.hatch(frame, Hatch::Falling, PITCH, VERMILLION)?;
        }
        Some(GuessFate::Discarded) => canvas.hatch(frame, Hatch::Falling, PITCH + 3, GREY)?,
        None => {}
    }
    canvas.outline(frame, INK)
}

/// An upload batch: what carries the NAV request has the NAV's colour.
pub(super) fn upload(
    canvas: &Canvas<'_>,
    frame: Frame,
    (nav, cancelled): (bool, bool),
    lines: [&str; 2],
) -> Drawn {
    let fill = match (nav, cancelled) {
        (true, false) => ORANGE,
        (false, false) => PALE,
        (true, true) => PALE_ORANGE,
        (false, true) => PAPER,
    };
    canvas.fill(frame, fill)?;
    let middle = i32::midpoint(frame.top, frame.bottom);
    let [name, size] = lines;
    label(canvas, Frame { bottom: middle + 2, ..frame }, name)?;
    if fits(frame, name) {
        label(canvas, Frame { top: middle - 2, ..frame }, size)?;
    }
    if !cancelled {
        return canvas.outline(frame, INK);
    }
    if !fits(frame, name) {
        canvas.cross(frame, INK)?;
    }
    canvas.dashed_outline(frame, INK)
}

/// A round, on a guess up to `guessed_to` and on committed text from there.
pub(super) fn round(
    canvas: &Canvas<'_>,
    frame: Frame,
    guessed_to: i32,
    fate: RoundFate,
    names: &[&str],
) -> Drawn {
    let border = guessed_to.clamp(frame.left, frame.right);
    let ahead = Frame { right: border, ..frame };
    canvas.fill(Frame { left: border, ..frame }, PALE)?;
    canvas.fill(ahead, PAPER)?;
    canvas.hatch(ahead, Hatch::Rising, PITCH + 3, GREY)?;
    // The name stands in the longer part, on ground of its own: upon hatching it cannot be read.
    let after = Frame { left: border, ..frame };
    let (part, ground) = if ahead.width() > after.width() { (ahead, PAPER) } else { (after, PALE) };
    if let Some(name) = names.iter().find(|name| fits(part, name)) {
        let (x, y) = part.middle();
        let (half_width, half_height) = (text_width(name) / 2 + 1, TYPE_SIZE / 2 - 1);
        let behind = Frame::new(x - half_width, y - half_height, x + half_width, y + half_height);
        canvas.fill(behind, ground)?;
        canvas.text(name, (x, y), HPos::Center, INK)?;
    }
    if fate == RoundFate::Discarded {
        return canvas.dashed_outline(frame, INK);
    }
    canvas.outline(frame, INK)
}

/// The target's pass over a round.
pub(super) fn pass(canvas: &Canvas<'_>, frame: Frame) -> Drawn {
    canvas.fill(frame, ORANGE)?;
    canvas.outline(frame, INK)
}

/// The target's pass over a prompt.
pub(super) fn prefill(canvas: &Canvas<'_>, frame: Frame) -> Drawn {
    canvas.fill(frame, PALE)?;
    canvas.outline(frame, INK)
}

/// A verdict on its way: never thinner than can be seen.
pub(super) fn verdict(canvas: &Canvas<'_>, frame: Frame) -> Drawn {
    let right = frame.right.max(frame.left + THINNEST);
    canvas.fill(Frame { right, ..frame }, INK)
}

/// A label to the right of what it names, if it fits before `free_to`.
pub(super) fn label_beside(canvas: &Canvas<'_>, frame: Frame, free_to: i32, text: &str) -> Drawn {
    let beside =
        Frame { left: frame.right.max(frame.left + THINNEST) + 6, right: free_to, ..frame };
    if text.is_empty() || !fits(beside, text) {
        return Ok(());
    }
    canvas.text(text, (beside.left, beside.middle().1), HPos::Left, INK)
}

/// A trigger that fired: a pin through the drafting lane, and its letter above.
pub(super) fn pin(canvas: &Canvas<'_>, x: i32, top: i32, bottom: i32) -> Drawn {
    canvas.line(&[(x, top), (x, bottom)], INK, STROKE + 2)?;
    canvas.polygon(&[(x - 7, top), (x + 7, top), (x, top + 11)], INK)
}
