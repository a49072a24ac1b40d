//! One plot: grid, bars, lines, marks, axes.

use super::layout::{TICK, TICK_GAP};
use super::look::{self, Look, Marker};
use super::scene::{Place, Scene, text_frame};
use super::{Axis, Form, Note, Panel, Point, Scale, Series, Tick, cells};
use crate::canvas::{Anchor, Frame};
use crate::style::{GREY, GRID, INK, LINE_HEIGHT, STROKE, TYPE_SIZE, text_width};

/// More points than this have no markers, and a band instead of whiskers.
pub(super) const MANY: usize = 24;
/// How much of a band covers what is below it.
pub(super) const BAND: f64 = 0.14;
/// How much nearer to the axis than its labels the texts below it are \[units\].
const BELOW_UP: i32 = 6;
/// Air between the labels of neighbouring ticks \[units\].
const AIR: i32 = 8;

/// A panel and where its plot stands.
pub(super) struct Plot<'a> {
    pub(super) panel: &'a Panel,
    pub(super) frame: Frame,
    pub(super) unknown: &'a [&'a str],
}

impl Plot<'_> {
    pub(super) fn x(&self, value: f64) -> i32 {
        let width = f64::from(self.frame.width());
        self.frame.left + (self.panel.x.share(value) * width).round() as i32
    }

    pub(super) fn y(&self, value: f64) -> i32 {
        let height = f64::from(self.frame.bottom - self.frame.top);
        self.frame.bottom - (self.panel.y.share(value) * height).round() as i32
    }

    fn place(&self, point: &Point) -> Place {
        (self.x(point.x), self.y(point.y))
    }

    pub(super) fn draw(&self, scene: &mut Scene) {
        if self.panel.cells.is_empty() {
            self.draw_band(scene);
            self.draw_grid(scene);
        } else {
            cells::draw(scene, self);
        }
        let drawn = |form: fn(Form) -> bool| self.panel.series.iter().filter(move |s| form(s.form));
        for series in drawn(|form| !matches!(form, Form::Paper)) {
            self.draw_series(scene, series);
        }
        // Markers upon all lines, and thin ones last: others would hide them.
        for thin in [false, true] {
            for series in drawn(|form| form == Form::Line) {
                let marker = look::of(&series.style, self.unknown).marker;
                if matches!(marker, Marker::Cross | Marker::Plus) == thin {
                    self.draw_markers(scene, series);
                }
            }
        }
        let has_bars = drawn(|form| matches!(form, Form::Bars(_))).next().is_some();
        for series in drawn(|form| form == Form::Paper) {
            let look = look::of(&series.style, self.unknown).for_lines();
            for (x, y) in series.points.iter().map(|point| self.place(point)) {
                let place = (x + series.beside, y);
                if has_bars {
                    scene.diamond(place);
                } else {
                    scene.hollow(place, look);
                }
            }
        }
        self.draw_axes(scene);
        self.draw_notes(scene);
        self.draw_beyond(scene);
    }

    fn draw_band(&self, scene: &mut Scene) {
        let Some(band) = &self.panel.band else { return };
        let Frame { left, right, .. } = self.frame;
        let (low, high) = (self.y(band.low), self.y(band.high));
        let corners = vec![(left, low), (right, low), (right, high), (left, high)];
        scene.area(corners, GREY, BAND);
    }

    /// What has no place in the plot, at its foot: an arrow down, and what and how much it is.
    fn draw_beyond(&self, scene: &mut Scene) {
        let Frame { left, bottom, .. } = self.frame;
        let mut y = bottom - TICK_GAP - TYPE_SIZE / 2;
        for text in self.panel.beyond.iter().rev() {
            let (x, half) = (left + TICK_GAP + 6, 6);
            scene.line(&[(x, y - 10), (x, y + 4)], INK, STROKE);
            scene.area(vec![(x - half, y + 1), (x + half, y + 1), (x, y + 11)], INK, 1.);
            scene.text(text, (x + half + TICK_GAP, y), Anchor::Left, INK);
            y -= LINE_HEIGHT;
        }
    }

    /// Texts right of the plot, moved apart where they would overlap.
    fn draw_notes(&self, scene: &mut Scene) {
        let mut notes: Vec<(i32, &Note)> =
            self.panel.notes.iter().map(|note| (self.y(note.at), note)).collect();
        notes.sort_by_key(|(y, _)| *y);
        for index in 1..notes.len() {
            let lacking = notes[index - 1].0 + TYPE_SIZE - notes[index].0;
            if lacking > 0 {
                notes[index - 1].0 -= lacking / 2;
                notes[index].0 += lacking - lacking / 2;
            }
        }
        // Of more than two the move above may have brought some too close to those before.
        for index in 1..notes.len() {
            notes[index].0 = notes[index].0.max(notes[index - 1].0 + TYPE_SIZE);
        }
        for (y, note) in notes {
            scene.text(&note.text, (self.frame.right + 2 * TICK_GAP, y), Anchor::Left, INK);
        }
    }

    /// Lines at the ticks of the axis of values; of both axes where both are numbers.
    fn draw_grid(&self, scene: &mut Scene) {
        let Frame { left, top, right, bottom, .. } = self.frame;
        if self.panel.x.scale != Scale::Groups {
            for tick in &self.panel.x.ticks {
                let x = self.x(tick.at);
                scene.line(&[(x, top), (x, bottom)], GRID, STROKE);
            }
        }
        if self.panel.y.scale != Scale::Groups {
            for tick in &self.panel.y.ticks {
                let y = self.y(tick.at);
                scene.line(&[(left, y), (right, y)], GRID, STROKE);
            }
        }
    }

    fn draw_series(&self, scene: &mut Scene, series: &Series) {
        let look = look::of(&series.style, self.unknown);
        match series.form {
            Form::Bars(width) => self.draw_bars(scene, series, width, look),
            Form::Line | Form::Steps => self.draw_line(scene, series, look.for_lines()),
            Form::Points => {
                self.draw_whiskers(scene, series, look.for_lines().colour);
                for point in &series.points {
                    scene.dot(self.place(point), look.for_lines().colour);
                }
            }
            Form::Level(width) => {
                for point in &series.points {
                    scene.rimmed(&self.level(point, width), look.for_lines());
                }
            }
            Form::Paper => {}
        }
    }

    fn draw_bars(&self, scene: &mut Scene, series: &Series, width: f64, look: Look) {
        for point in &series.points {
            let half = width / 2.;
            let frame = if self.panel.lies() {
                let (top, bottom) = (self.y(point.y + half), self.y(point.y - half));
                let (zero, end) = (self.x(0.), self.x(point.x));
                Frame::new(zero.min(end), top.min(bottom), zero.max(end), top.max(bottom))
            } else {
                let (left, right) = (self.x(point.x - half), self.x(point.x + half));
                let (zero, end) = (self.y(0.), self.y(point.y));
                Frame::new(left, zero.min(end), right, zero.max(end))
            };
            scene.bar(frame, look);
            let thick = frame.width().min(frame.bottom - frame.top);
            if let Some((from, to)) = self.interval(point) {
                let half = Scene::whisker_half(thick.max(8));
                scene.rimmed_whisker([from, to], self.panel.lies(), half);
            }
        }
    }

    fn draw_line(&self, scene: &mut Scene, series: &Series, look: Look) {
        let points = &series.points;
        let many = points.len() > MANY;
        if many {
            let ends: Option<Vec<_>> = points.iter().map(|point| self.interval(point)).collect();
            if let Some(ends) = ends {
                let (low, high): (Vec<Place>, Vec<Place>) = ends.into_iter().unzip();
                let (low, high) = (self.path(series, &low), self.path(series, &high));
                let band = low.into_iter().chain(high.into_iter().rev()).collect();
                scene.area(band, look.colour, BAND);
            }
        }
        let places: Vec<Place> = points.iter().map(|point| self.place(point)).collect();
        let path = self.path(series, &places);
        scene.dashed(&path, look);
        if !many {
            self.draw_whiskers(scene, series, look.colour);
        }
    }

    fn draw_markers(&self, scene: &mut Scene, series: &Series) {
        if series.points.len() <= MANY {
            let look = look::of(&series.style, self.unknown).for_lines();
            let places: Vec<Place> = series.points.iter().map(|point| self.place(point)).collect();
            self.path(series, &places).into_iter().for_each(|place| scene.marker(place, look));
        }
    }

    /// The way of a line through places that belong to its points.
    fn path(&self, series: &Series, places: &[Place]) -> Vec<Place> {
        if series.form != Form::Steps {
            return places.iter().map(|(x, y)| (x + series.beside, *y)).collect();
        }
        let xs: Vec<f64> = series.points.iter().map(|point| point.x).collect();
        let steps = spans(&xs).into_iter().zip(places);
        steps.flat_map(|((from, to), (_, y))| [(self.x(from), *y), (self.x(to), *y)]).collect()
    }

    fn draw_whiskers(&self, scene: &mut Scene, series: &Series, colour: plotters::style::RGBColor) {
        let points = series.points.iter();
        for (mut from, mut to) in points.filter_map(|point| self.interval(point)) {
            (from.0, to.0) = (from.0 + series.beside, to.0 + series.beside);
            let half = Scene::whisker_half(i32::MAX);
            scene.whisker([from, to], self.panel.lies(), half, colour);
        }
    }

    /// Where an interval's ends lie.
    fn interval(&self, point: &Point) -> Option<(Place, Place)> {
        let (low, high) = point.interval?;
        let (x, y) = self.place(point);
        Some(if self.panel.lies() {
            ((self.x(low), y), (self.x(high), y))
        } else {
            ((x, self.y(low)), (x, self.y(high)))
        })
    }

    fn level(&self, point: &Point, width: f64) -> [Place; 2] {
        let Frame { left, top, right, bottom, .. } = self.frame;
        let half = width / 2.;
        let (x, y) = self.place(point);
        match (self.panel.lies(), width.is_finite()) {
            (true, true) => [(x, self.y(point.y + half)), (x, self.y(point.y - half))],
            (true, false) => [(x, top), (x, bottom)],
            (false, true) => [(self.x(point.x - half), y), (self.x(point.x + half), y)],
            (false, false) => [(left, y), (right, y)],
        }
    }

    fn draw_axes(&self, scene: &mut Scene) {
        let Frame { left, top, right, bottom, .. } = self.frame;
        let map = !self.panel.cells.is_empty();
        if map {
            scene.outline(self.frame, INK, STROKE);
        } else if self.panel.lies() {
            let zero = self.x(self.panel.x.low.max(0.));
            scene.line(&[(zero, top), (zero, bottom)], INK, STROKE);
        } else {
            scene.line(&[(left, bottom), (right, bottom)], INK, STROKE);
        }
        self.draw_y_labels(scene);
        self.draw_x_labels(scene);
        if self.panel.x.labelled {
            let at = (i32::midpoint(left, right), self.bottom() - LINE_HEIGHT / 2);
            scene.text(&self.panel.x.title, at, Anchor::Center, INK);
        }
    }

    fn draw_y_labels(&self, scene: &mut Scene) {
        let axis = &self.panel.y;
        if !axis.labelled {
            return;
        }
        let gap = if axis.scale == Scale::Groups { TICK_GAP } else { TICK + TICK_GAP / 2 };
        let mut free_below = i32::MAX;
        for tick in &axis.ticks {
            let y = self.y(tick.at);
            let at = (self.frame.left - gap, y);
            let frame = text_frame(&tick.label, at, Anchor::Right);
            // From the bottom up; a label in the way of the one below is left out.
            let rising = axis.high > axis.low;
            if rising && frame.bottom > free_below {
                continue;
            }
            free_below = if rising { frame.top } else { free_below };
            scene.text(&tick.label, at, Anchor::Right, INK);
        }
    }

    fn draw_x_labels(&self, scene: &mut Scene) {
        let axis = &self.panel.x;
        let bottom = self.frame.bottom;
        if axis.scale != Scale::Groups {
            for x in axis.ticks.iter().map(|tick| self.x(tick.at)) {
                scene.line(&[(x, bottom), (x, bottom + TICK)], GREY, STROKE);
            }
        }
        if !axis.labelled {
            return;
        }
        let first = bottom + TICK + TICK_GAP / 2 + LINE_HEIGHT / 2 - 2;
        for note in &self.panel.below {
            scene.text(&note.text, (self.x(note.at), first - BELOW_UP), Anchor::Center, INK);
        }
        for tick in self.with_room() {
            let mut y = first + self.below_height();
            for line in self.wrapped(&tick.label) {
                scene.text(line, (self.x(tick.at), y), Anchor::Center, INK);
                y += LINE_HEIGHT - 4;
            }
        }
    }

    /// The ticks of the horizontal axis whose labels do not overlap: of a linear axis every first,
    /// second, ... so that steps stay equal; of a logarithmic one powers of ten before others.
    fn with_room(&self) -> Vec<&Tick> {
        let ticks = &self.panel.x.ticks;
        let span = |tick: &Tick| {
            let lines = self.wrapped(&tick.label);
            let half = lines.iter().map(|line| text_width(line)).max().unwrap_or_default() / 2;
            (self.x(tick.at) - half - AIR / 2, self.x(tick.at) + half + AIR / 2)
        };
        let apart = |one: &Tick, other: &Tick| {
            let (one, other) = (span(one), span(other));
            one.1 <= other.0 || other.1 <= one.0
        };
        if self.panel.x.scale == Scale::Linear {
            let zero = ticks.iter().position(|tick| tick.at == 0.).unwrap_or_default();
            let every = |stride: usize| -> Vec<&Tick> {
                ticks.iter().skip(zero % stride).step_by(stride).collect()
            };
            let fits = |ticks: &Vec<&Tick>| ticks.windows(2).all(|pair| apart(pair[0], pair[1]));
            let strides = 1..=ticks.len().max(1);
            return strides.map(every).find(fits).unwrap_or_default();
        }
        let decade = |tick: &&Tick| tick.label.trim_matches(['0', '.']) == "1";
        let in_turn = ticks.iter().filter(decade).chain(ticks.iter().filter(|tick| !decade(tick)));
        let mut kept: Vec<&Tick> = Vec::new();
        for tick in in_turn {
            if kept.iter().all(|other| apart(other, tick)) {
                kept.push(tick);
            }
        }
        kept
    }

    /// A group's name in as few lines as its room allows; a number in one.
    fn wrapped<'t>(&self, label: &'t str) -> Vec<&'t str> {
        let axis = &self.panel.x;
        let room = self.frame.width() / axis.ticks.len().max(1) as i32 - AIR;
        if axis.scale != Scale::Groups || text_width(label) <= room {
            return vec![label];
        }
        let breaks = label.match_indices(' ').map(|(at, _)| at);
        let halves = breaks.map(|at| [&label[..at], &label[at + 1..]]);
        let width = |lines: &[&str; 2]| text_width(lines[0]).max(text_width(lines[1]));
        halves.min_by_key(width).map_or_else(|| vec![label], |lines| lines.to_vec())
    }

    /// What texts below the axis take before its labels.
    fn below_height(&self) -> i32 {
        if self.panel.below.is_empty() { 0 } else { LINE_HEIGHT - BELOW_UP }
    }

    /// Where the panel ends: below the labels and the title of its horizontal axis.
    pub(super) fn bottom(&self) -> i32 {
        let Axis { labelled, ticks, title, .. } = &self.panel.x;
        if !labelled {
            return self.frame.bottom + TICK;
        }
        let named = ticks.iter().filter(|tick| !tick.label.is_empty());
        let lines = named.map(|tick| self.wrapped(&tick.label).len()).max().unwrap_or(0);
        let titled = i32::from(!title.is_empty());
        let lines = LINE_HEIGHT * (lines as i32 + titled) + self.below_height();
        self.frame.bottom + TICK + TICK_GAP / 2 + lines
    }
}

/// Where the steps of values that are known at `xs` (in order) begin and end: halfway to the
/// neighbours; the outermost are as long beyond their value as before it.
pub(crate) fn spans(xs: &[f64]) -> Vec<(f64, f64)> {
    let half = |index: usize| {
        let pair = xs.get(index..index + 2);
        pair.map(|pair| (pair[1] - pair[0]) / 2.)
    };
    let sides = |index: usize| {
        let before = index.checked_sub(1).and_then(half);
        let after = half(index);
        (before.or(after).unwrap_or_default(), after.or(before).unwrap_or_default())
    };
    let span = |(index, x): (usize, &f64)| (x - sides(index).0, x + sides(index).1);
    xs.iter().enumerate().map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_meet_halfway() {
        assert_eq!(spans(&[1., 3., 7.]), [(0., 2.), (2., 5.), (5., 9.)]);
        assert_eq!(spans(&[4.]), [(4., 4.)]);
        assert!(spans(&[]).is_empty());
    }
}
