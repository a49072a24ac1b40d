//! The legend: each method once, as it is drawn, then what diamonds are; then notes.

use plotters::style::RGBColor;

use super::look::{self, Look};
use super::panel::{BAND, MANY};
use super::scene::Scene;
use super::{Chart, Form, Panel};
use crate::canvas::{Anchor, Frame};
use crate::style::{GREY, INK, LINE_HEIGHT, STROKE, text_width};

/// A sample's size \[units\].
const SAMPLE: (i32, i32) = (46, 22);
/// From a sample to its name, and from a name to the next sample.
const GAPS: (i32, i32) = (7, 18);
/// From the legend to what is below.
const BELOW: i32 = 10;

/// What a sample shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sample {
    Bar(Look),
    Line(Look),
    Points(Look),
    Level(Look),
    Diamond,
    /// Two of the hollow markers, for all.
    Hollow([Look; 2]),
    Band,
    Winner(RGBColor),
}

/// Draws the legend from (left, top) up to a right end; gives where the panels may begin.
pub(super) fn draw(
    scene: &mut Scene,
    chart: &Chart,
    unknown: &[&str],
    (left, top, right): (i32, i32, i32),
) -> i32 {
    let mut middle = top + LINE_HEIGHT / 2;
    let mut x = left;
    let entries = entries(chart, unknown);
    for (sample, name) in &entries {
        let width = sample.width();
        let needed = width + GAPS.0 + text_width(name);
        if x > left && x + needed > right {
            (x, middle) = (left, middle + LINE_HEIGHT);
        }
        let half = SAMPLE.1 / 2;
        sample.draw(scene, Frame::new(x, middle - half, x + width, middle + half));
        scene.text(name, (x + width + GAPS.0, middle), Anchor::Left, INK);
        x += needed + GAPS.1;
    }
    let mut bottom = if entries.is_empty() { top } else { middle + LINE_HEIGHT / 2 };
    for note in &chart.notes {
        scene.text(note, (left, bottom + LINE_HEIGHT / 2), Anchor::Left, INK);
        bottom += LINE_HEIGHT;
    }
    if bottom > top { bottom + BELOW } else { bottom }
}

/// What the legend lists, in order of appearance, references last. A
/// chart whose bars are all named along an axis
/// needs no names for them.
fn entries(chart: &Chart, unknown: &[&str]) -> Vec<(Sample, String)> {
    let mut entries: Vec<(Sample, String)> = Vec::new();
    let mut references: Vec<(Sample, String)> = Vec::new();
    let mut papers: Option<Sample> = None;
    // Values of other publications than the paper are told apart from its own.
    let mut others = false;
    for panel in &chart.panels {
        for series in &panel.series {
            let list = if look::REFERENCES.contains(&series.method.as_str()) {
                &mut references
            } else {
                &mut entries
            };
            let look = look::of(&series.style, unknown);
            let sample = match series.form {
                Form::Paper => {
                    others |= series.method == "published";
                    papers = Some(match papers {
                        None if has_bars(panel) => Sample::Diamond,
                        None => Sample::Hollow([look; 2]),
                        Some(Sample::Hollow([first, _])) => Sample::Hollow([first, look]),
                        Some(diamond) => diamond,
                    });
                    continue;
                }
                Form::Bars(_) if panel.lies() => continue,
                Form::Bars(_) => Sample::Bar(look),
                Form::Line if series.points.len() <= MANY => Sample::Line(look),
                Form::Line | Form::Steps => Sample::Level(look),
                Form::Points => Sample::Points(look),
                Form::Level(_) => Sample::Level(look),
            };
            push(list, sample, &series.label);
        }
        for cell in panel.cells.iter().filter(|cell| !cell.winner.is_empty()) {
            let sample = Sample::Winner(look::area(&cell.winner, unknown));
            push(&mut entries, sample, &cell.winner_label);
        }
    }
    if let Some(sample) = papers {
        let name = if others { "published" } else { "paper" };
        entries.push((sample, name.to_owned()));
    }
    entries.append(&mut references);
    for band in chart.panels.iter().filter_map(|panel| panel.band.as_ref()) {
        push(&mut entries, Sample::Band, &band.label);
    }
    entries
}

fn has_bars(panel: &Panel) -> bool {
    panel.series.iter().any(|series| matches!(series.form, Form::Bars(_)))
}

fn push(entries: &mut Vec<(Sample, String)>, sample: Sample, name: &str) {
    if !name.is_empty() && !entries.iter().any(|(_, listed)| listed == name) {
        entries.push((sample, name.to_owned()));
    }
}

impl Sample {
    const fn width(self) -> i32 {
        match self {
            Self::Bar(_) | Self::Winner(_) | Self::Band => 34,
            Self::Points(_) | Self::Diamond => 24,
            Self::Hollow(_) => 68,
            Self::Line(_) | Self::Level(_) => SAMPLE.0,
        }
    }

    fn draw(self, scene: &mut Scene, frame: Frame) {
        let (x, y) = frame.middle();
        let ends = [(frame.left, y), (frame.right, y)];
        match self {
            Self::Bar(look) => scene.bar(frame, look),
            Self::Winner(colour) => {
                scene.fill(frame, colour);
                scene.outline(frame, INK, STROKE);
            }
            Self::Line(look) => {
                let look = look.for_lines();
                scene.dashed(&ends, look);
                scene.marker((x, y), look);
            }
            Self::Points(look) => scene.dot((x, y), look.for_lines().colour),
            Self::Level(look) => scene.dashed(&ends, look.for_lines()),
            Self::Diamond => scene.diamond((x, y)),
            Self::Hollow(looks) => {
                for (look, x) in looks.into_iter().zip([x - 17, x + 17]) {
                    scene.hollow((x, y), look.for_lines());
                }
            }
            Self::Band => {
                let Frame { left, top, right, bottom, .. } = frame;
                let corners = vec![(left, bottom), (right, bottom), (right, top), (left, top)];
                scene.area(corners, GREY, BAND);
            }
        }
    }
}
