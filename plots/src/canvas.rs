//! A page in whole units with the few shapes that figures are made of.
//!
//! It stands between the figures and plotters, whose SVG rectangles have no stroke width and no
//! patterns: outlines are drawn as paths, hatches as lines.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::DrawingError;
use crate::style::{PAPER, STROKE, TYPE_SIZE};

/// What each drawing call gives.
pub(crate) type Drawn = Result<(), DrawingError>;

/// A rectangle \[units\]; y grows downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) left: i32,
    pub(crate) top: i32,
    pub(crate) right: i32,
    pub(crate) bottom: i32,
    /// Sides, left and right, that are not outlined: what is framed goes on beyond them.
    pub(crate) open: (bool, bool),
}

impl Frame {
    pub(crate) const fn new(left: i32, top: i32, right: i32, bottom: i32) -> Self {
        Self { left, top, right, bottom, open: (false, false) }
    }

    pub(crate) const fn width(&self) -> i32 {
        self.right - self.left
    }

    pub(crate) const fn middle(&self) -> (i32, i32) {
        (i32::midpoint(self.left, self.right), i32::midpoint(self.top, self.bottom))
    }

    /// The outline's sides, joined where they can be.
    fn sides(&self) -> Vec<Vec<(i32, i32)>> {
        let Self { left, top, right, bottom, .. } = *self;
        let (top_left, top_right) = ((left, top), (right, top));
        let (bottom_left, bottom_right) = ((left, bottom), (right, bottom));
        match self.open {
            (false, false) => vec![vec![top_left, top_right, bottom_right, bottom_left, top_left]],
            (true, false) => vec![vec![top_left, top_right, bottom_right, bottom_left]],
            (false, true) => vec![vec![top_right, top_left, bottom_left, bottom_right]],
            (true, true) => vec![vec![top_left, top_right], vec![bottom_left, bottom_right]],
        }
    }
}

/// Where a text's anchor is; all texts are centred vertically.
pub(crate) type Anchor = HPos;

/// The way hatch lines lean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hatch {
    Rising,
    Falling,
}

/// The page.
pub(crate) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// An SVG document of `width` by `height` units on white, `paint`ed.
pub(crate) fn svg(
    width: i32,
    height: i32,
    paint: impl FnOnce(&Canvas<'_>) -> Drawn,
) -> Result<String, DrawingError> {
    let mut text = String::new();
    let size = (width.unsigned_abs(), height.unsigned_abs());
    {
        let canvas = Canvas { area: SVGBackend::with_string(&mut text, size).into_drawing_area() };
        canvas.fill(Frame::new(0, 0, width, height), PAPER)?;
        paint(&canvas)?;
        canvas.area.present().map_err(failed)?;
    }
    // The backend gives the size in pixels; on paper a unit is a tenth of a millimetre.
    let pixels = format!("width=\"{width}\" height=\"{height}\"");
    let millimetres =
        format!("width=\"{}mm\" height=\"{}mm\"", f64::from(width) / 10., f64::from(height) / 10.);
    Ok(text.replacen(&pixels, &millimetres, 1))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn failed(error: impl ToString) -> DrawingError {
    DrawingError(error.to_string())
}

impl Canvas<'_> {
    pub(crate) fn fill(&self, frame: Frame, colour: RGBColor) -> Drawn {
        let Frame { left, top, right, bottom, .. } = frame;
        let rectangle = Rectangle::new([(left, top), (right, bottom)], colour.filled());
        self.area.draw(&rectangle).map_err(failed)
    }

    pub(crate) fn line(&self, points: &[(i32, i32)], colour: RGBColor, width: u32) -> Drawn {
        let path = PathElement::new(points, colour.stroke_width(width));
        self.area.draw(&path).map_err(failed)
    }

    pub(crate) fn polygon(&self, points: &[(i32, i32)], colour: RGBColor) -> Drawn {
        self.area.draw(&Polygon::new(points, colour.filled())).map_err(failed)
    }

    /// A polygon that what lies below shows through, unless `opacity` is 1.
    pub(crate) fn area(&self, points: &[(i32, i32)], colour: RGBColor, opacity: f64) -> Drawn {
        let polygon = Polygon::new(points, colour.mix(opacity).filled());
        self.area.draw(&polygon).map_err(failed)
    }

    pub(crate) fn disc(&self, at: (i32, i32), radius: i32, colour: RGBColor) -> Drawn {
        self.area.draw(&Circle::new(at, radius, colour.filled())).map_err(failed)
    }

    pub(crate) fn outline(&self, frame: Frame, colour: RGBColor) -> Drawn {
        frame.sides().iter().try_for_each(|side| self.line(side, colour, STROKE))
    }

    /// An outline of dashes; a side that is too short for two is drawn through.
    pub(crate) fn dashed_outline(&self, frame: Frame, colour: RGBColor) -> Drawn {
        let sides = frame.sides();
        let mut edges = sides.iter().flat_map(|side| side.windows(2));
        edges.try_for_each(|edge| self.dashes(edge[0], edge[1], colour))
    }

    /// A dashed line, horizontal or vertical.
    pub(crate) fn dashes(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Drawn {
        const DASH: i32 = 7;
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.abs().max(dy.abs());
        // An odd number of dashes and gaps, so that both ends are dashes.
        let count = (length / DASH).max(1) | 1;
        let at = |i: i32| (from.0 + dx * i / count, from.1 + dy * i / count);
        (0..count).step_by(2).try_for_each(|i| self.line(&[at(i), at(i + 1)], colour, STROKE))
    }

    /// Diagonal lines `pitch` units apart, counted along an edge.
    pub(crate) fn hatch(&self, frame: Frame, lean: Hatch, pitch: i32, colour: RGBColor) -> Drawn {
        let Frame { left, top, right, bottom, .. } = frame;
        let height = bottom - top;
        // Each line is named by where it, or its continuation, meets the frame's lower edge.
        let first = left + pitch / 2 - height / pitch * pitch;
        for meets in (first..right + height).step_by(pitch.unsigned_abs() as usize) {
            let (low, high) = match lean {
                Hatch::Rising => (meets, meets + height),
                Hatch::Falling => (meets - height, meets),
            };
            let (start, end) = (low.max(left), high.min(right));
            if start >= end {
                continue;
            }
            let y = |x: i32| match lean {
                Hatch::Rising => bottom - (x - low),
                Hatch::Falling => top + (x - low),
            };
            self.line(&[(start, y(start)), (end, y(end))], colour, STROKE)?;
        }
        Ok(())
    }

    /// A cross from corner to corner of the largest square in the frame's middle, a little less.
    pub(crate) fn cross(&self, frame: Frame, colour: RGBColor) -> Drawn {
        let (x, y) = frame.middle();
        let r = (frame.width().min(frame.bottom - frame.top) / 2 - 3).clamp(3, 9);
        self.line(&[(x - r, y - r), (x + r, y + r)], colour, STROKE + 1)?;
        self.line(&[(x - r, y + r), (x + r, y - r)], colour, STROKE + 1)
    }

    /// One line of text, centred vertically on y.
    pub(crate) fn text(
        &self,
        text: &str,
        at: (i32, i32),
        anchor: Anchor,
        colour: RGBColor,
    ) -> Drawn {
        // The backend divides sizes by 1.24, which takes a font's box height for its size.
        let font = ("sans-serif", f64::from(TYPE_SIZE) * 1.24).into_font();
        let style = font.color(&colour).pos(Pos::new(anchor, VPos::Center));
        self.area.draw(&Text::new(text, at, style)).map_err(failed)
    }
}
