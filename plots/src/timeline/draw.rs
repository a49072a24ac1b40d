//! From marks to a page: the window is cut into strips, one below the other, each with its lanes.

use plotters::style::text_anchor::HPos;

use pipesd_core::time::{Duration, as_millis};

use super::{Kind, Lane, Mark, Timeline, legend, shapes};
use crate::DrawingError;
use crate::canvas::{Canvas, Drawn, Frame, svg as document};
use crate::style::{
    FAINT, GREY, INK, LINE_HEIGHT, PAGE_WIDTH, PALE, STROKE, TYPE_SIZE, text_width,
};

/// A strip shows at most this much: beyond it a batch of one token has no room for its name.
const STRIP_LENGTH_MAX_MS: f64 = 3500.;
/// Where lanes begin and end \[units\]; left of them stand their names.
const LEFT: i32 = 150;
/// Beyond lanes the last tick's number has room.
const BEYOND: i32 = 36;
const MARGIN: i32 = 14;

// Heights from the top of a strip on [units].
const ROUND_HEIGHT: i32 = 28;
const ROUND_PITCH: i32 = ROUND_HEIGHT + 8;
/// Room for the triggers' letters above the drafting lane.
const PIN_HEIGHT: i32 = 42;
const DRAFT_HEIGHT: i32 = 50;
const UPLINK_HEIGHT: i32 = 60;
const NAV_HEIGHT: i32 = 36;
const DOWNLINK_HEIGHT: i32 = 30;
const LANE_GAP: i32 = 12;
const AXIS_HEIGHT: i32 = 42;
const STRIP_GAP: i32 = 22;

/// The timeline on a page that is so wide \[units\].
pub(super) fn svg(timeline: &Timeline, width: i32) -> Result<String, DrawingError> {
    let right = width - BEYOND;
    // Strips are as dense on any page.
    let dense = f64::from(right - LEFT) / f64::from(PAGE_WIDTH - BEYOND - LEFT);
    let (from, length) =
        (as_millis(timeline.window.from), as_millis(timeline.window.length).max(0.001));
    let strip_count = (length / (STRIP_LENGTH_MAX_MS * dense)).ceil().max(1.);
    let strip_length = length / strip_count;
    let rows = timeline.marks.iter().filter_map(|mark| match mark.kind {
        Kind::Round { row, .. } => Some(row as i32 + 1),
        _ => None,
    });
    let lanes = Lanes::new(rows.max().unwrap_or(1));
    let strips_end = MARGIN + (lanes.height() + STRIP_GAP) * strip_count as i32;
    let legend_top = strips_end + LINE_HEIGHT;
    let end = width - MARGIN;
    document(width, legend_top + legend::height(end) + MARGIN, |canvas| {
        for index in 0..strip_count as i32 {
            let strip = Strip {
                canvas,
                lanes,
                top: MARGIN + (lanes.height() + STRIP_GAP) * index,
                from: from + strip_length * f64::from(index),
                length: strip_length,
                right,
            };
            strip.draw(&timeline.marks)?;
        }
        let title = "time since the first prompt's decoding began (s)";
        let middle = i32::midpoint(LEFT, right);
        canvas.text(title, (middle, strips_end), HPos::Center, INK)?;
        legend::draw(canvas, legend_top, end)
    })
}

/// Where lanes are, from the top of a strip.
#[derive(Clone, Copy)]
struct Lanes {
    rows: i32,
}

impl Lanes {
    const fn new(rows: i32) -> Self {
        Self { rows }
    }

    const fn span(&self, lane: Lane) -> (i32, i32) {
        let rounds = ROUND_PITCH * self.rows;
        let drafting = rounds + PIN_HEIGHT;
        let uplink = drafting + DRAFT_HEIGHT + LANE_GAP;
        let nav = uplink + UPLINK_HEIGHT + LANE_GAP;
        let downlink = nav + NAV_HEIGHT + LANE_GAP;
        match lane {
            Lane::Rounds => (0, rounds),
            Lane::Drafting => (drafting, drafting + DRAFT_HEIGHT),
            Lane::Uplink => (uplink, uplink + UPLINK_HEIGHT),
            Lane::Nav => (nav, nav + NAV_HEIGHT),
            Lane::Downlink => (downlink, downlink + DOWNLINK_HEIGHT),
        }
    }

    const fn height(&self) -> i32 {
        self.span(Lane::Downlink).1 + LANE_GAP + AXIS_HEIGHT
    }
}

/// A part of the window with all its lanes.
struct Strip<'a, 'b> {
    canvas: &'a Canvas<'b>,
    lanes: Lanes,
    top: i32,
    /// Its first moment and its length \[ms\].
    from: f64,
    length: f64,
    /// Where its lanes end \[units\].
    right: i32,
}

impl Strip<'_, '_> {
    fn x_of_ms(&self, ms: f64) -> i32 {
        let share = ((ms - self.from) / self.length).clamp(0., 1.);
        LEFT + (share * f64::from(self.right - LEFT)).round() as i32
    }

    fn x(&self, at: Duration) -> i32 {
        self.x_of_ms(as_millis(at))
    }

    fn y(&self, lane: Lane) -> (i32, i32) {
        let (top, bottom) = self.lanes.span(lane);
        (self.top + top, self.top + bottom)
    }

    fn frame(&self, mark: &Mark) -> Frame {
        let (top, bottom) = self.y(mark.kind.lane());
        // What the strip's edge cuts has no side there.
        let to = self.from + self.length;
        let open = (as_millis(mark.start) < self.from, as_millis(mark.end) > to);
        Frame { open, ..Frame::new(self.x(mark.start), top, self.x(mark.end), bottom) }
    }

    fn draw(&self, marks: &[Mark]) -> Drawn {
        let (from, to) = (self.from, self.from + self.length);
        let shown: Vec<&Mark> = marks
            .iter()
            .filter(|mark| {
                let (start, end) = (as_millis(mark.start), as_millis(mark.end));
                start < to && (end > from || (start == end && end == from))
            })
            .collect();
        self.draw_ground()?;
        for mark in &shown {
            self.draw_guides(mark)?;
        }
        for (index, mark) in shown.iter().enumerate() {
            let next = shown.get(index + 1).filter(|next| next.kind.lane() == mark.kind.lane());
            self.draw_mark(mark, next.map_or(self.right, |next| self.x(next.start)))?;
        }
        self.draw_pins(&shown)?;
        self.draw_axis()
    }

    /// The lanes' ground and names.
    fn draw_ground(&self) -> Drawn {
        for (lane, name) in [
            (Lane::Rounds, "Rounds"),
            (Lane::Drafting, "Drafting"),
            (Lane::Uplink, "Uplink"),
            (Lane::Nav, "NAV"),
            (Lane::Downlink, "Downlink"),
        ] {
            let (top, bottom) = self.y(lane);
            let frame = Frame::new(LEFT, top, self.right, bottom);
            if lane != Lane::Rounds {
                self.canvas.fill(frame, FAINT)?;
            }
            let at = (LEFT - 14, frame.middle().1);
            self.canvas.text(name, at, HPos::Right, INK)?;
        }
        Ok(())
    }

    /// Lines behind the boxes: a verdict's arrival through all lanes, the end of a prompt.
    fn draw_guides(&self, mark: &Mark) -> Drawn {
        let bottom = self.y(Lane::Downlink).1;
        let ends_here = as_millis(mark.end) < self.from + self.length;
        let x = self.x(mark.end);
        match mark.kind {
            Kind::Verdict if ends_here => {
                let top = self.y(Lane::Drafting).0;
                self.canvas.line(&[(x, top), (x, bottom)], GREY, STROKE)
            }
            Kind::PromptEnd => self.canvas.dashes((x, self.top), (x, bottom), INK),
            _ => Ok(()),
        }
    }

    /// A mark; `free_to` is where the next one of its lane begins.
    fn draw_mark(&self, mark: &Mark, free_to: i32) -> Drawn {
        let (canvas, frame) = (self.canvas, self.frame(mark));
        match mark.kind {
            Kind::Round { guessed_until, fate, row } => {
                let top = self.top + ROUND_PITCH * row as i32;
                let frame = Frame { top, bottom: top + ROUND_HEIGHT, ..frame };
                let guessed_to = guessed_until.map_or(frame.left, |until| self.x(until));
                let long = format!("round {}", mark.label);
                shapes::round(canvas, frame, guessed_to, fate, &[&long, &mark.label])
            }
            Kind::Draft(fate) => shapes::draft(canvas, frame, fate),
            Kind::Guess(fate) => shapes::guess(canvas, frame, fate),
            Kind::Upload { tokens, nav, cancelled } => {
                let size = format!("×{tokens}");
                shapes::upload(canvas, frame, (nav, cancelled), [&mark.label, &size])
            }
            Kind::Prefill => {
                shapes::prefill(canvas, frame)?;
                shapes::label_beside(canvas, frame, free_to, &mark.label)
            }
            Kind::Verify => shapes::pass(canvas, frame),
            Kind::Verdict => {
                shapes::verdict(canvas, frame)?;
                shapes::label_beside(canvas, frame, free_to, &mark.label)
            }
            Kind::PromptEnd => {
                let frame = Frame { bottom: frame.top + ROUND_HEIGHT, ..frame };
                shapes::label_beside(canvas, frame, free_to, &mark.label)
            }
            // Pins come last, upon the boxes that they end.
            Kind::NavFired(_) => Ok(()),
        }
    }

    /// Where triggers fired, with their letters unless the letter before is in the way.
    fn draw_pins(&self, shown: &[&Mark]) -> Drawn {
        let (draft_top, draft_bottom) = self.y(Lane::Drafting);
        let mut free_from = LEFT;
        for mark in shown.iter().filter(|mark| matches!(mark.kind, Kind::NavFired(_))) {
            let x = self.x(mark.start);
            shapes::pin(self.canvas, x, draft_top - 10, draft_bottom)?;
            let half = text_width(&mark.label) / 2;
            if x - half >= free_from && x + half <= self.right {
                let y = draft_top - 12 - TYPE_SIZE / 2;
                self.canvas.text(&mark.label, (x, y), HPos::Center, INK)?;
                free_from = x + half + 2;
            }
        }
        Ok(())
    }

    fn draw_axis(&self) -> Drawn {
        let y = self.y(Lane::Downlink).1 + LANE_GAP;
        self.canvas.line(&[(LEFT, y), (self.right, y)], INK, STROKE)?;
        let (step, decimals) = tick_step(self.length);
        let first = (self.from / step).ceil() as i64;
        let last = ((self.from + self.length) / step).floor() as i64;
        for index in first..=last {
            let ms = index as f64 * step;
            let x = self.x_of_ms(ms);
            self.canvas.line(&[(x, y), (x, y + 8)], INK, STROKE)?;
            self.canvas.line(&[(x, self.y(Lane::Downlink).1), (x, y)], PALE, 1)?;
            let text = format!("{:.decimals$}", ms / 1e3);
            self.canvas.text(&text, (x, y + 12 + TYPE_SIZE / 2), HPos::Center, INK)?;
        }
        Ok(())
    }
}

/// From one tick to the next \[ms\], with the decimals of its seconds: some ten ticks in `length`.
fn tick_step(length: f64) -> (f64, usize) {
    const STEPS: [(f64, usize); 9] =
        [(1., 3), (2., 3), (5., 3), (10., 2), (20., 2), (50., 2), (100., 1), (200., 1), (500., 1)];
    STEPS.into_iter().find(|(step, _)| length / step <= 12.).unwrap_or((1000., 0))
}
