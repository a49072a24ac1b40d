//! How each method looks, in every figure the same: colour, dashes, marker and hatch. Any one of them
//! but the colour tells methods apart in greyscale.

use plotters::style::RGBColor;

use crate::style::{BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, SKY_BLUE, STROKE, VERMILLION};

/// The shape at a data point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Marker {
    Circle,
    Square,
    Triangle,
    Inverted,
    Cross,
    Plus,
    Star,
    None,
}

/// What covers a bar's fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cover {
    Plain,
    Rising,
    Falling,
    Crossed,
}

/// A method's look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) colour: RGBColor,
    /// Lengths of dashes and gaps in turn \[units\]; empty: drawn through.
    pub(crate) dashes: &'static [i32],
    pub(crate) marker: Marker,
    pub(crate) cover: Cover,
    /// The line's width \[units\].
    pub(crate) width: u32,
}

impl Look {
    /// The same for a line: what is pale enough for a bar's fill cannot be seen as a line.
    pub(crate) fn for_lines(self) -> Self {
        Self { colour: if self.colour == PALE { GREY } else { self.colour }, ..self }
    }
}

const THROUGH: &[i32] = &[];
const LONG: &[i32] = &[26, 10];
const SHORT: &[i32] = &[12, 8];
const DOTS: &[i32] = &[4, 8];
const DASH_DOT: &[i32] = &[22, 7, 4, 7];
const DASH_DOTS: &[i32] = &[22, 7, 4, 7, 4, 7];

const LINE: u32 = STROKE + 1;

const fn look(
    colour: RGBColor,
    dashes: &'static [i32],
    marker: Marker,
    cover: Cover,
    width: u32,
) -> Look {
    Look { colour, dashes, marker, cover, width }
}

/// Methods, policies and references that figures know. The four methods of the comparison come
/// first; PipeSD is dark, drawn through, and the widest.
const LOOKS: &[(&str, Look)] = &[
    ("vanilla", look(ORANGE, LONG, Marker::Triangle, Cover::Plain, LINE)),
    ("hsl", look(SKY_BLUE, SHORT, Marker::Square, Cover::Rising, LINE)),
    ("edgellm", look(GREEN, DASH_DOT, Marker::Inverted, Cover::Falling, LINE)),
    ("pipesd", look(BLUE, THROUGH, Marker::Circle, Cover::Plain, LINE + 2)),
    ("pipesd_online", look(VERMILLION, DASH_DOTS, Marker::Star, Cover::Crossed, LINE + 1)),
    ("pipesd_paper_tuner", look(PURPLE, SHORT, Marker::Cross, Cover::Falling, LINE + 1)),
    ("pipesd_greedy", look(VERMILLION, SHORT, Marker::Cross, Cover::Rising, LINE)),
    ("pipesd_immediate", look(PURPLE, DASH_DOTS, Marker::Plus, Cover::Falling, LINE)),
    ("pipesd_no_early_upload", look(GREY, LONG, Marker::Square, Cover::Crossed, LINE)),
    // Tuners: ours and its rivals.
    ("bayes", look(BLUE, THROUGH, Marker::Circle, Cover::Plain, LINE)),
    // What the comparison is not about.
    ("other", look(PALE, SHORT, Marker::Square, Cover::Plain, LINE)),
    // Observations and what was fitted to them.
    ("measured", look(SKY_BLUE, THROUGH, Marker::Circle, Cover::Plain, STROKE)),
    ("fitted", look(INK, THROUGH, Marker::None, Cover::Plain, STROKE)),
    ("sequence_threshold", look(INK, THROUGH, Marker::None, Cover::Plain, LINE)),
    ("token_threshold", look(GREEN, LONG, Marker::None, Cover::Plain, LINE)),
    // References: thin, without markers.
    ("bound", look(INK, THROUGH, Marker::None, Cover::Plain, STROKE)),
    ("bound_empty_navs", look(GREY, LONG, Marker::None, Cover::Plain, STROKE)),
    ("cloud_only", look(INK, DOTS, Marker::None, Cover::Plain, STROKE)),
    ("edge_only", look(INK, SHORT, Marker::None, Cover::Plain, STROKE)),
    ("serial", look(INK, DASH_DOT, Marker::None, Cover::Plain, STROKE)),
];

/// Looks of what is not listed, in order of appearance.
const OTHERS: [Look; 5] = [
    look(GREY, SHORT, Marker::Star, Cover::Plain, LINE),
    look(PURPLE, LONG, Marker::Cross, Cover::Crossed, LINE),
    look(VERMILLION, DASH_DOT, Marker::Plus, Cover::Rising, LINE),
    look(ORANGE, DASH_DOTS, Marker::Inverted, Cover::Falling, LINE),
    look(INK, LONG, Marker::Triangle, Cover::Rising, LINE),
];

/// The modes and bounds that methods are compared with.
pub(crate) const REFERENCES: [&str; 5] =
    ["bound", "bound_empty_navs", "cloud_only", "edge_only", "serial"];

/// The look of `method`; `unknown` are those of the figure that have none of their own, in order.
pub(crate) fn of(method: &str, unknown: &[&str]) -> Look {
    let known = LOOKS.iter().find(|(name, _)| *name == method);
    known.map_or_else(
        || {
            let index = unknown.iter().position(|name| *name == method).unwrap_or_default();
            OTHERS[index % OTHERS.len()]
        },
        |(_, look)| *look,
    )
}

/// The colour of an area that `method` has won. References are ink as lines; as areas they must differ.
pub(crate) fn area(method: &str, unknown: &[&str]) -> RGBColor {
    match method {
        "cloud_only" => PURPLE,
        "edge_only" => ORANGE,
        "serial" => RGBColor(90, 90, 90),
        "bound" | "bound_empty_navs" => GREEN,
        // No winner: neither grey as a line's nor one of the page's own.
        "tie" => RGBColor(238, 238, 232),
        _ => of(method, unknown).colour,
    }
}

/// Whether [`of`] knows it by name.
pub(crate) fn is_known(method: &str) -> bool {
    LOOKS.iter().any(|(name, _)| *name == method)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Rec. 601 luma, 0 to 255.
    fn luma(RGBColor(r, g, b): RGBColor) -> f64 {
        0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b)
    }

    /// Within each set that shares a figure no two lines have the same dashes or markers, and no two
    /// bars are alike in both cover and lightness.
    #[test]
    fn methods_differ_without_colour() {
        let sets: [&[&str]; 4] = [
            &["vanilla", "hsl", "edgellm", "pipesd"],
            &["pipesd", "pipesd_greedy", "pipesd_immediate", "pipesd_no_early_upload"],
            &["vanilla", "pipesd", "pipesd_online", "pipesd_paper_tuner"],
            &["a new one", "another", "a third", "a fourth", "a fifth"],
        ];
        for set in sets {
            let looks: Vec<Look> = set.iter().map(|name| of(name, set)).collect();
            let markers: BTreeSet<Marker> = looks.iter().map(|look| look.marker).collect();
            assert_eq!(markers.len(), set.len(), "{set:?}: two have the same marker");
            for (i, one) in looks.iter().enumerate() {
                for other in &looks[i + 1..] {
                    let apart = (luma(one.colour) - luma(other.colour)).abs() > 40.;
                    assert!(apart || one.cover != other.cover, "{set:?}: {one:?} {other:?}");
                }
            }
        }
        let dashes: BTreeSet<&[i32]> = REFERENCES.iter().map(|name| of(name, &[]).dashes).collect();
        assert_eq!(dashes.len(), REFERENCES.len(), "references have no markers: dashes differ");
    }

    #[test]
    fn looks_are_told_by_name_alone() {
        let names: BTreeSet<&str> = LOOKS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), LOOKS.len());
        assert_eq!(of("pipesd", &["hsl"]), of("pipesd", &[]));
        let widest = ["vanilla", "hsl", "edgellm"].map(|name| of(name, &[]).width);
        assert!(widest.iter().all(|width| *width < of("pipesd", &[]).width));
    }
}
