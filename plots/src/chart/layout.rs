//! From a chart to a page: the legend, then rows of panels whose plots are aligned.

use super::panel::Plot;
use super::scene::Scene;
use super::{Axis, Chart, Legend, Panel, Scale, cells, legend};
use crate::canvas::{Anchor, Frame};
use crate::style::{INK, LINE_HEIGHT, text_width};

/// From the page's edge to what is drawn \[units\].
const MARGIN: i32 = 12;
/// From a column of panels to the next.
const COLUMN_GAP: i32 = 26;
/// From a row of panels to the next.
const ROW_GAP: i32 = 22;
/// A tick's length and the air between it and its label.
pub(super) const TICK: i32 = 8;
pub(super) const TICK_GAP: i32 = 8;
/// Room for the outermost tick's label beyond the plot.
const LABEL_AIR: i32 = 6;

pub(super) fn scene(chart: &Chart) -> Scene {
    let mut scene = Scene { width: chart.width.units(), ..Scene::default() };
    let right = scene.width - MARGIN;
    let unknown = chart.unknown();
    let columns = chart.columns.clamp(1, chart.panels.len().max(1));
    let in_gap = chart.legend == Legend::InGap && !chart.panels.len().is_multiple_of(columns);
    let mut top = MARGIN;
    if !in_gap {
        top = legend::draw(&mut scene, chart, &unknown, (MARGIN, MARGIN, right));
    }
    let sides: Vec<Sides> = (0..columns)
        .map(|column| Sides::of(chart.panels.iter().skip(column).step_by(columns)))
        .collect();
    // All plots are equally wide: what is beside them may differ.
    let beside: i32 = sides.iter().map(|sides| sides.left + sides.right).sum();
    let gaps = COLUMN_GAP * (columns as i32 - 1);
    let plot_width = (right - MARGIN - gaps - beside) / columns as i32;
    for (row, panels) in chart.panels.chunks(columns).enumerate() {
        let heads = Heads::of(panels);
        let plot_top = top + heads.height();
        let plot_bottom = plot_top + chart.plot_height;
        let (mut bottom, mut left) = (plot_bottom, MARGIN);
        for (column, panel) in panels.iter().enumerate() {
            let plot_left = left + sides[column].left;
            let frame = Frame::new(plot_left, plot_top, plot_left + plot_width, plot_bottom);
            let plot = Plot { panel, frame, unknown: &unknown };
            plot.draw(&mut scene);
            let index = row * columns + column;
            let letter = if chart.panels.len() > 1 { letter(index) } else { String::new() };
            let to = frame.right + sides[column].right;
            heads.draw(&mut scene, panel, &letter, Frame::new(left, top, to, plot_top));
            bottom = bottom.max(plot.bottom());
            left = to + COLUMN_GAP;
        }
        if in_gap && panels.len() < columns {
            let from = left + sides[panels.len()].left;
            let below = legend::draw(&mut scene, chart, &unknown, (from, plot_top, right));
            bottom = bottom.max(below);
        }
        top = bottom + ROW_GAP;
    }
    scene.height = top - ROW_GAP + MARGIN;
    scene
}

/// "(a)" for the first panel.
fn letter(index: usize) -> String {
    let letter = u8::try_from(index).ok().filter(|index| *index < 26);
    letter.map_or_else(String::new, |index| format!("({}) ", char::from(b'a' + index)))
}

/// Room beside the plots of a column of panels.
#[derive(Clone, Copy)]
struct Sides {
    left: i32,
    right: i32,
}

impl Sides {
    fn of<'a>(panels: impl Iterator<Item = &'a Panel>) -> Self {
        let mut sides = Self { left: LABEL_AIR, right: LABEL_AIR };
        for panel in panels {
            let shown = if panel.y.labelled { &panel.y.ticks[..] } else { &[] };
            let widest = shown.iter().map(|tick| text_width(&tick.label)).max();
            if let Some(widest) = widest {
                let tick = if panel.y.scale == Scale::Groups { 0 } else { TICK };
                sides.left = sides.left.max(widest + tick + TICK_GAP);
            }
            let notes = panel.notes.iter().map(|note| text_width(&note.text) + 2 * TICK_GAP).max();
            sides.right = sides.right.max(notes.unwrap_or_default());
            if let Some(shades) = &panel.shades {
                sides.right = sides.right.max(cells::bar_room(shades));
            }
            // The last number below the plot hangs over its end.
            let last = panel.x.ticks.last().filter(|_| panel.x.scale != Scale::Groups);
            if let (Some(last), true) = (last, panel.x.labelled) {
                sides.right = sides.right.max(overhang(&panel.x, last.at, &last.label));
            }
        }
        sides
    }
}

/// How far a label's half stands beyond the end of a plot, estimated for the narrowest plots.
fn overhang(axis: &Axis, at: f64, label: &str) -> i32 {
    const NARROWEST: f64 = 200.;
    let inside = ((1. - axis.share(at)) * NARROWEST) as i32;
    text_width(label) / 2 + 2 - inside
}

/// The lines above the plots of a row: titles, then what the vertical axes measure.
#[derive(Clone, Copy)]
struct Heads {
    titles: bool,
    measures: bool,
    /// Whether numbers of vertical axes stand beside the plots.
    numbers: bool,
}

impl Heads {
    fn of(panels: &[Panel]) -> Self {
        let measured = |panel: &Panel| !panel.y.shown_title().is_empty();
        Self {
            titles: panels.iter().any(|panel| !panel.title.is_empty()),
            measures: panels.iter().any(measured),
            numbers: panels.iter().any(|panel| panel.y.scale != Scale::Groups),
        }
    }

    /// Half a line more than the lines need: the topmost number of the axis stands half above it.
    fn height(self) -> i32 {
        let lines = i32::from(self.titles) + i32::from(self.measures);
        let half = if self.numbers { LINE_HEIGHT / 2 } else { 0 };
        LINE_HEIGHT * lines + half + TICK_GAP / 2
    }

    fn draw(self, scene: &mut Scene, panel: &Panel, letter: &str, frame: Frame) {
        let Frame { left, top, right, .. } = frame;
        let mut y = top + LINE_HEIGHT / 2;
        let mut letter = letter;
        if self.titles {
            scene.text(&format!("{letter}{}", panel.title), (left, y), Anchor::Left, INK);
            letter = "";
            y += LINE_HEIGHT;
        }
        scene.text(&format!("{letter}{}", panel.y.shown_title()), (left, y), Anchor::Left, INK);
        if let Some(shades) = &panel.shades {
            scene.text(&shades.title, (right, y), Anchor::Right, INK);
        }
    }
}
