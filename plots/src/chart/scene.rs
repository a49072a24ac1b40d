//! What a figure consists of once its page is laid out: shapes in whole units, in drawing order.
//! Tests look at these; the canvas only copies them.

use plotters::style::RGBColor;

use super::look::{Cover, Look, Marker};
use crate::DrawingError;
use crate::canvas::{self, Anchor, Frame, Hatch};
use crate::style::{INK, ON_LIGHT, PAPER, STROKE, TYPE_SIZE, text_width};

/// A place on the page \[units\].
pub(crate) type Place = (i32, i32);

/// Something drawn.
#[derive(Clone)]
pub(crate) enum Shape {
    Fill { frame: Frame, colour: RGBColor },
    Line { points: Vec<Place>, colour: RGBColor, width: u32 },
    Area { points: Vec<Place>, colour: RGBColor, opacity: f64 },
    Disc { at: Place, radius: i32, colour: RGBColor },
    Hatch { frame: Frame, lean: Hatch },
    Text { text: String, at: Place, anchor: Anchor, colour: RGBColor },
}

/// A page under construction.
#[derive(Clone, Default)]
pub(crate) struct Scene {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

/// From one hatch line to the next \[units\].
const PITCH: i32 = 10;
/// Half a marker's size \[units\].
const MARKER: i32 = 9;
/// Half a paper mark's size \[units\].
const DIAMOND: i32 = 11;
/// Half the size of a hollow marker \[units\].
const HOLLOW: i32 = 15;
/// Half the size of one of many points \[units\].
const DOT: i32 = 5;
/// Half the width of a whisker's end \[units\].
const WHISKER: i32 = 6;

impl Scene {
    pub(crate) fn svg(&self) -> Result<String, DrawingError> {
        canvas::svg(self.width, self.height, |canvas| {
            self.shapes.iter().try_for_each(|shape| match shape {
                Shape::Fill { frame, colour } => canvas.fill(*frame, *colour),
                Shape::Line { points, colour, width } => canvas.line(points, *colour, *width),
                Shape::Area { points, colour, opacity } => canvas.area(points, *colour, *opacity),
                Shape::Disc { at, radius, colour } => canvas.disc(*at, *radius, *colour),
                Shape::Hatch { frame, lean } => canvas.hatch(*frame, *lean, PITCH, ON_LIGHT),
                Shape::Text { text, at, anchor, colour } => {
                    canvas.text(text, *at, *anchor, *colour)
                }
            })
        })
    }

    pub(crate) fn fill(&mut self, frame: Frame, colour: RGBColor) {
        self.shapes.push(Shape::Fill { frame, colour });
    }

    pub(crate) fn line(&mut self, points: &[Place], colour: RGBColor, width: u32) {
        self.shapes.push(Shape::Line { points: points.to_vec(), colour, width });
    }

    pub(crate) fn area(&mut self, points: Vec<Place>, colour: RGBColor, opacity: f64) {
        self.shapes.push(Shape::Area { points, colour, opacity });
    }

    /// One line of text, centred vertically on `at`.
    pub(crate) fn text(&mut self, text: &str, at: Place, anchor: Anchor, colour: RGBColor) {
        if !text.is_empty() {
            self.shapes.push(Shape::Text { text: text.to_owned(), at, anchor, colour });
        }
    }

    fn disc(&mut self, at: Place, radius: i32, colour: RGBColor) {
        self.shapes.push(Shape::Disc { at, radius, colour });
    }

    pub(crate) fn outline(&mut self, frame: Frame, colour: RGBColor, width: u32) {
        let Frame { left, top, right, bottom, .. } = frame;
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        self.line(&corners, colour, width);
    }

    /// A line through `points` with a method's dashes.
    pub(crate) fn dashed(&mut self, points: &[Place], look: Look) {
        if look.dashes.is_empty() {
            return self.line(points, look.colour, look.width);
        }
        for dash in dashes(points, look.dashes) {
            self.line(&dash, look.colour, look.width);
        }
    }

    /// A method's marker: filled, and rimmed with the page's colour so that overlapping ones part.
    pub(crate) fn marker(&mut self, (x, y): Place, look: Look) {
        let r = MARKER;
        let stroke = STROKE + 2;
        match look.marker {
            Marker::None => {}
            Marker::Cross => {
                self.line(&[(x - r, y - r), (x + r, y + r)], look.colour, stroke);
                self.line(&[(x - r, y + r), (x + r, y - r)], look.colour, stroke);
            }
            Marker::Plus => {
                self.line(&[(x - r, y), (x + r, y)], look.colour, stroke);
                self.line(&[(x, y - r), (x, y + r)], look.colour, stroke);
            }
            Marker::Circle => {
                self.disc((x, y), r + 3, PAPER);
                self.disc((x, y), r, look.colour);
            }
            _ => {
                for (size, colour) in [(r + 3, PAPER), (r, look.colour)] {
                    let points = polygon(look.marker, (x, y), size);
                    self.area(points, colour, 1.);
                }
            }
        }
    }

    /// A published value upon a bar: a hollow diamond with a light rim, so that the bar's own end and
    /// interval are seen within where they agree.
    pub(crate) fn diamond(&mut self, place: Place) {
        self.ring(place, DIAMOND + 2, PAPER, STROKE + 1);
        self.ring(place, DIAMOND, INK, STROKE + 1);
    }

    /// A published value of a line: its marker, hollow and so large that the marker of our own value
    /// stands within where they agree. Markers that have no inside are diamonds.
    pub(crate) fn hollow(&mut self, place: Place, look: Look) {
        let mut corners = match look.marker {
            Marker::None | Marker::Cross | Marker::Plus => {
                return self.ring(place, HOLLOW, look.colour, STROKE + 1);
            }
            Marker::Circle => polygon(look.marker, place, HOLLOW),
            Marker::Square => polygon(look.marker, place, HOLLOW - 2),
            marker => polygon(marker, place, HOLLOW + 2),
        };
        corners.extend_from_within(..2);
        self.line(&corners, PAPER, STROKE + 3);
        self.line(&corners, look.colour, STROKE + 1);
    }

    fn ring(&mut self, (x, y): Place, r: i32, colour: RGBColor, width: u32) {
        let corners = [(x, y - r), (x + r, y), (x, y + r), (x - r, y), (x, y - r), (x + r, y)];
        self.line(&corners, colour, width);
    }

    /// A short line across bars, with a light rim so that it is seen upon dark ones.
    pub(crate) fn rimmed(&mut self, points: &[Place], look: Look) {
        let parts = if look.dashes.is_empty() {
            vec![points.to_vec()]
        } else {
            dashes(points, look.dashes)
        };
        for part in &parts {
            self.line(part, PAPER, look.width + 2);
        }
        for part in &parts {
            self.line(part, look.colour, look.width);
        }
    }

    /// An interval from one end to the other, upright or lying, with ends across it.
    pub(crate) fn whisker(&mut self, ends: [Place; 2], lies: bool, half: i32, colour: RGBColor) {
        self.whisker_lines(ends, lies, half, (colour, STROKE));
    }

    /// The same upon a bar: with a light rim, so that the part upon a dark one is seen.
    pub(crate) fn rimmed_whisker(&mut self, ends: [Place; 2], lies: bool, half: i32) {
        self.whisker_lines(ends, lies, half + 1, (PAPER, STROKE + 2));
        self.whisker_lines(ends, lies, half, (INK, STROKE));
    }

    fn whisker_lines(
        &mut self,
        ends: [Place; 2],
        lies: bool,
        half: i32,
        (colour, width): (RGBColor, u32),
    ) {
        // Not told by the ends: those of a short interval may be at one place.
        let across = if lies { (0, half) } else { (half, 0) };
        self.line(&ends, colour, width);
        for (x, y) in ends {
            let end = [(x - across.0, y - across.1), (x + across.0, y + across.1)];
            self.line(&end, colour, width);
        }
    }

    /// One of many points: small, so that neighbours part.
    pub(crate) fn dot(&mut self, place: Place, colour: RGBColor) {
        self.disc(place, DOT, colour);
    }

    /// Half the width of a whisker's ends upon a bar that is `thick` units wide.
    pub(crate) fn whisker_half(thick: i32) -> i32 {
        WHISKER.min(thick / 4)
    }

    /// A bar with a method's colour and hatch.
    pub(crate) fn bar(&mut self, frame: Frame, look: Look) {
        self.fill(frame, look.colour);
        let leans: &[Hatch] = match look.cover {
            Cover::Plain => &[],
            Cover::Rising => &[Hatch::Rising],
            Cover::Falling => &[Hatch::Falling],
            Cover::Crossed => &[Hatch::Rising, Hatch::Falling],
        };
        self.shapes.extend(leans.iter().map(|&lean| Shape::Hatch { frame, lean }));
        self.outline(frame, INK, STROKE);
    }
}

impl Shape {
    /// The least frame around it, with the estimated width of texts.
    #[cfg(test)]
    pub(crate) fn extent(&self) -> Frame {
        match self {
            Self::Fill { frame, .. } | Self::Hatch { frame, .. } => *frame,
            Self::Disc { at: (x, y), radius: r, .. } => Frame::new(x - r, y - r, x + r, y + r),
            Self::Text { text, at, anchor, .. } => text_frame(text, *at, *anchor),
            Self::Line { points, .. } | Self::Area { points, .. } => {
                let xs = points.iter().map(|point| point.0);
                let ys = points.iter().map(|point| point.1);
                let ends = (xs.clone().min(), ys.clone().min(), xs.max(), ys.max());
                let (Some(left), Some(top), Some(right), Some(bottom)) = ends else {
                    return Frame::new(0, 0, 0, 0);
                };
                Frame::new(left, top, right, bottom)
            }
        }
    }
}

/// The room that a text takes, estimated from above.
pub(crate) fn text_frame(text: &str, (x, y): Place, anchor: Anchor) -> Frame {
    let width = text_width(text);
    let left = match anchor {
        Anchor::Left => x,
        Anchor::Center => x - width / 2,
        Anchor::Right => x - width,
    };
    Frame::new(left, y - TYPE_SIZE / 2, left + width, y + TYPE_SIZE / 2)
}

/// The corners of a filled marker of radius `r`.
fn polygon(marker: Marker, (x, y): Place, r: i32) -> Vec<Place> {
    let around = |count: u32, radius: fn(u32, i32) -> i32, turn: f64| {
        let corner = move |index: u32| {
            let angle = f64::from(index) * core::f64::consts::TAU / f64::from(count) + turn;
            let r = f64::from(radius(index, r));
            let (dx, dy) = (r * libm::sin(angle), -r * libm::cos(angle));
            (x + dx.round() as i32, y + dy.round() as i32)
        };
        (0..count).map(corner).collect()
    };
    let half_turn = core::f64::consts::PI;
    match marker {
        Marker::Square => vec![(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)],
        Marker::Triangle => around(3, |_, r| r * 5 / 4, 0.),
        Marker::Inverted => around(3, |_, r| r * 5 / 4, half_turn),
        Marker::Star => around(10, |i, r| if i % 2 == 0 { r * 4 / 3 } else { r / 2 }, 0.),
        _ => around(20, |_, r| r, 0.),
    }
}

/// The dashes of a line through `points`: `pattern` is lengths of dashes and gaps in turn.
pub(crate) fn dashes(points: &[Place], pattern: &[i32]) -> Vec<Vec<Place>> {
    let mut dashes: Vec<Vec<Place>> = Vec::new();
    let (mut part, mut left) = (0, f64::from(pattern[0]));
    let mut open: Vec<Place> = points.first().copied().into_iter().collect();
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
        let length = (dx * dx + dy * dy).sqrt();
        let at = |way: f64| {
            let share = way / length;
            let (x, y) = ((dx * share).round() as i32, (dy * share).round() as i32);
            (from.0 + x, from.1 + y)
        };
        let mut way = 0.;
        while length - way > left {
            way += left;
            if part % 2 == 0 {
                open.push(at(way));
                dashes.push(core::mem::take(&mut open));
            } else {
                open = vec![at(way)];
            }
            part = (part + 1) % pattern.len();
            left = f64::from(pattern[part]);
        }
        left -= length - way;
        if part % 2 == 0 {
            open.push(to);
        }
    }
    if open.len() > 1 {
        dashes.push(open);
    }
    dashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_follow_the_line_round_corners() {
        let straight = dashes(&[(0, 0), (50, 0)], &[20, 10]);
        assert_eq!(straight, [vec![(0, 0), (20, 0)], vec![(30, 0), (50, 0)]]);
        let corner = dashes(&[(0, 0), (10, 0), (10, 40)], &[20, 10]);
        assert_eq!(corner, [vec![(0, 0), (10, 0), (10, 10)], vec![(10, 20), (10, 40)]]);
        let still = dashes(&[(3, 3), (3, 3)], &[20, 10]);
        assert_eq!(still, [vec![(3, 3), (3, 3)]]);
    }
}
