//! Heat maps: of values, with a bar of colours; and of winners, paler where they win by less.

use std::collections::BTreeMap;

use plotters::style::RGBColor;

use super::layout::{TICK, TICK_GAP};
use super::look;
use super::panel::Plot;
use super::scene::Scene;
use super::{Axis, Cell, Panel, Shades, Tick, distinct};
use crate::canvas::{Anchor, Frame};
use crate::style::{INK, LINE_HEIGHT, ON_DARK, ON_LIGHT, STROKE, TYPE_SIZE, text_width};

/// The colours of values, from low to high: their lightness falls evenly enough for print in grey.
const RAMP: [RGBColor; 4] = [
    RGBColor(255, 247, 220),
    RGBColor(245, 200, 110),
    RGBColor(205, 105, 45),
    RGBColor(110, 30, 20),
];
/// Ticks nearer to a marked value than this share of the bar are left out.
const NEAR: f64 = 0.085;
/// The width of the bar of colours \[units\].
const BAR: i32 = 26;
/// A winner this many times better than the next has its full colour.
const CLEAR: f64 = 4.;
/// How much of its colour a winner has that is hardly better than the next.
const FAINTEST: f64 = 0.25;

/// A colour so far from one to another.
fn mixed(from: RGBColor, to: RGBColor, share: f64) -> RGBColor {
    let part = |from: u8, to: u8| {
        (f64::from(from) + (f64::from(to) - f64::from(from)) * share).round() as u8
    };
    RGBColor(part(from.0, to.0), part(from.1, to.1), part(from.2, to.2))
}

/// The colour of a value, from 0 to 1.
fn ramp(share: f64) -> RGBColor {
    let last = RAMP.len() - 1;
    let at = share.clamp(0., 1.) * last as f64;
    let index = (at as usize).min(last - 1);
    mixed(RAMP[index], RAMP[index + 1], at - index as f64)
}

fn colour(plot: &Plot<'_>, cell: &Cell) -> RGBColor {
    if let Some(Shades { low, high, .. }) = plot.panel.shades {
        return ramp((cell.value - low) / (high - low).max(f64::MIN_POSITIVE));
    }
    let full = look::area(&cell.winner, plot.unknown);
    let clear = libm::log(cell.value.max(1.)) / libm::log(CLEAR);
    mixed(RGBColor(255, 255, 255), full, FAINTEST + (1. - FAINTEST) * clear.min(1.))
}

/// What can be read upon a colour: the one of the two with more contrast, which is 4.5 to 1 at least.
fn upon(RGBColor(r, g, b): RGBColor) -> RGBColor {
    // Relative luminance of WCAG 2; black and white are equally far from .179.
    let linear = |part: u8| {
        let part = f64::from(part) / 255.;
        if part <= 0.04045 { part / 12.92 } else { libm::pow((part + 0.055) / 1.055, 2.4) }
    };
    let luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    if luminance > 0.179 { ON_LIGHT } else { ON_DARK }
}

pub(super) fn draw(scene: &mut Scene, plot: &Plot<'_>) {
    let Panel { cells, x, y, shades, .. } = plot.panel;
    let xs = distinct(cells.iter().map(|cell| cell.x));
    let ys = distinct(cells.iter().map(|cell| cell.y));
    let (columns, rows) = (x.borders(&xs), y.borders(&ys));
    let index = |values: &[f64], value: f64| values.iter().position(|other| *other == value);
    let mut placed: BTreeMap<(usize, usize), (&Cell, Frame)> = BTreeMap::new();
    for cell in cells {
        let (Some(i), Some(j)) = (index(&xs, cell.x), index(&ys, cell.y)) else { continue };
        let (left, right) = (plot.x(columns[i]), plot.x(columns[i + 1]));
        // Of a reversed axis the first row is the topmost.
        let (one, other) = (plot.y(rows[j]), plot.y(rows[j + 1]));
        let frame = Frame::new(left, one.min(other), right, one.max(other));
        placed.insert((i, j), (cell, frame));
    }
    let every =
        |fits: fn(&Cell, Frame) -> bool| placed.values().all(|(cell, frame)| fits(cell, *frame));
    let both = if every(has_room_for_both) {
        Both::Below
    } else if every(has_room_beside) {
        Both::Beside
    } else {
        Both::Neither
    };
    for (cell, frame) in placed.values() {
        let fill = colour(plot, cell);
        scene.fill(*frame, fill);
        write(scene, *frame, (cell, both), upon(fill));
    }
    for (place, (_, frame)) in placed.iter().filter(|(_, (cell, _))| cell.marked) {
        let marked = |at| placed.get(&at).is_some_and(|(cell, _)| cell.marked);
        mark(scene, plot, *place, *frame, marked);
    }
    // Where neighbours have different winners there is a border, upon colours whatever the page.
    for ((i, j), (cell, frame)) in &placed {
        let Frame { left, top, right, bottom, .. } = *frame;
        let border = plot.y(rows[j + 1]);
        let differs = |at: (usize, usize)| {
            placed.get(&at).is_some_and(|(other, _)| other.winner != cell.winner)
        };
        if differs((i + 1, *j)) {
            scene.line(&[(right, top), (right, bottom)], ON_LIGHT, STROKE + 2);
        }
        if differs((*i, j + 1)) {
            scene.line(&[(left, border), (right, border)], ON_LIGHT, STROKE + 2);
        }
    }
    if let Some(shades) = shades {
        draw_bar(scene, plot, shades);
    }
}

fn fits(label: &str, frame: Frame) -> bool {
    text_width(label) <= frame.width() - 4
}

/// Whether both of a cell's labels fit, below each other.
fn has_room_for_both(cell: &Cell, frame: Frame) -> bool {
    let wide = cell.labels.iter().all(|label| fits(label, frame));
    wide && frame.bottom - frame.top >= LINE_HEIGHT + TYPE_SIZE - 4
}

/// Where the second of a cell's labels stands: in all cells of a map the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Both {
    Below,
    Beside,
    Neither,
}

fn beside(cell: &Cell) -> String {
    cell.labels.join(" ").trim().to_owned()
}

/// Whether both of a cell's labels fit, beside each other.
fn has_room_beside(cell: &Cell, frame: Frame) -> bool {
    fits(&beside(cell), frame) && frame.bottom - frame.top >= TYPE_SIZE
}

/// A cell's labels, the second only where all cells of a map have room for it, and its frame if it
/// is marked.
fn write(scene: &mut Scene, frame: Frame, (cell, both): (&Cell, Both), colour: RGBColor) {
    let (x, y) = frame.middle();
    let [first, second] = &cell.labels;
    if both == Both::Beside {
        scene.text(&beside(cell), (x, y), Anchor::Center, colour);
    } else if fits(first, frame) && frame.bottom - frame.top >= TYPE_SIZE {
        let below = both == Both::Below && !second.is_empty();
        let up = if below { LINE_HEIGHT / 2 - 2 } else { 0 };
        scene.text(first, (x, y - up), Anchor::Center, colour);
        if below {
            scene.text(second, (x, y + up), Anchor::Center, colour);
        }
    }
}

/// Frames a marked cell, together with those of its neighbours that are marked too.
fn mark(
    scene: &mut Scene,
    plot: &Plot<'_>,
    (i, j): (usize, usize),
    frame: Frame,
    marked: impl Fn((usize, usize)) -> bool,
) {
    const WITHIN: i32 = 5;
    let upwards = plot.panel.y.high > plot.panel.y.low;
    let (before, after) = (j.checked_sub(1).map(|j| (i, j)), Some((i, j + 1)));
    let (above, below) = if upwards { (after, before) } else { (before, after) };
    let sides = [i.checked_sub(1).map(|i| (i, j)), above, Some((i + 1, j)), below];
    let open = sides.map(|side| side.is_some_and(&marked));
    let within = open.map(|open| if open { 0 } else { WITHIN });
    let (left, top) = (frame.left + within[0], frame.top + within[1]);
    let (right, bottom) = (frame.right - within[2], frame.bottom - within[3]);
    let lines = [
        [(left, bottom), (left, top)],
        [(left, top), (right, top)],
        [(right, top), (right, bottom)],
        [(right, bottom), (left, bottom)],
    ];
    for (line, _) in lines.iter().zip(open).filter(|(_, open)| !open) {
        scene.line(line, ON_LIGHT, STROKE + 2);
    }
}

/// What the values' axis would be: its ticks stand beside the bar, those that are near a marked value
/// left out.
fn values(shades: &Shades) -> Axis {
    let mut axis = Axis::exact("", [shades.low, shades.high]);
    let near = (axis.high - axis.low) * NEAR;
    axis.ticks.retain(|tick| shades.marks.iter().all(|mark| (mark.at - tick.at).abs() > near));
    axis.ticks
        .extend(shades.marks.iter().map(|mark| Tick { at: mark.at, label: mark.text.clone() }));
    axis
}

/// The room that the bar of colours takes right of a plot.
pub(super) fn bar_room(shades: &Shades) -> i32 {
    let widest = values(shades).ticks.iter().map(|tick| text_width(&tick.label)).max();
    2 * TICK_GAP + BAR + TICK + TICK_GAP / 2 + widest.unwrap_or_default()
}

fn draw_bar(scene: &mut Scene, plot: &Plot<'_>, shades: &Shades) {
    let axis = values(shades);
    let Frame { top, right, bottom, .. } = plot.frame;
    let left = right + 2 * TICK_GAP;
    let height = bottom - top;
    let steps = height / 8;
    for step in 0..steps {
        let y = |step: i32| bottom - height * step / steps;
        let share = (f64::from(step) + 0.5) / f64::from(steps);
        // Two units of overlap: no seams.
        let low = (y(step) + 2).min(bottom);
        scene.fill(Frame::new(left, y(step + 1), left + BAR, low), ramp(share));
    }
    scene.outline(Frame::new(left, top, left + BAR, bottom), INK, STROKE);
    for tick in &axis.ticks {
        let y = bottom - (axis.share(tick.at) * f64::from(height)).round() as i32;
        let marked = shades.marks.iter().any(|mark| mark.at == tick.at);
        if marked {
            scene.line(&[(left, y), (left + BAR, y)], ON_LIGHT, STROKE + 2);
        }
        scene.line(&[(left + BAR, y), (left + BAR + TICK, y)], INK, STROKE);
        let at = (left + BAR + TICK + TICK_GAP / 2, y);
        scene.text(&tick.label, at, Anchor::Left, INK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_values_are_darker() {
        let luma = |RGBColor(r, g, b): RGBColor| {
            0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b)
        };
        let lumas: Vec<f64> = (0..=100).map(|i| luma(ramp(f64::from(i) / 100.))).collect();
        assert!(lumas.windows(2).all(|pair| pair[1] < pair[0]), "{lumas:?}");
        assert!(lumas[0] - lumas[100] > 180.);
    }
}
