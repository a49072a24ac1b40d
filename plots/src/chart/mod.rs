//! Charts: what is plotted where, in data coordinates, and their drawing as SVG.
//!
//! A [`Chart`] is plain data that figures make of rows and that tests look at; [`Chart::to_svg`] lays
//! it out on a page. Type has the same size in all charts, lines and colours the same meaning.

mod axis;
mod cells;
#[cfg(test)]
pub(crate) mod checks;
mod layout;
mod legend;
pub(crate) mod look;
mod panel;
mod scene;

pub(crate) use axis::distinct;
pub use axis::{Axis, Scale, Tick, number};
pub(crate) use panel::spans;

use crate::DrawingError;

/// How wide a figure is on paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// A column of a two-column page: 84 mm.
    Column,
    /// Both columns: 174 mm.
    Page,
}

impl Width {
    /// In units of a tenth of a millimetre.
    #[must_use]
    pub const fn units(self) -> i32 {
        match self {
            Self::Column => 840,
            Self::Page => 1740,
        }
    }
}

/// A figure: small multiples in rows, with one legend above them.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Its width.
    pub width: Width,
    /// Panels in a row.
    pub columns: usize,
    /// A plot's height \[0.1 mm\], axes and titles apart.
    pub plot_height: i32,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
    /// Lines below the legend: what marks mean that it does not list.
    pub notes: Vec<String>,
    /// Where the legend stands.
    pub legend: Legend,
}

/// Where a legend stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Legend {
    /// Above the panels.
    #[default]
    Above,
    /// In the place that the last row of panels leaves free; above them if it leaves none.
    InGap,
}

/// A plot with its axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What sets it apart from its neighbours; may be empty.
    pub title: String,
    /// The horizontal axis. If the vertical one has [`Scale::Groups`], bars lie.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is plotted, in drawing order.
    pub series: Vec<Series>,
    /// A heat map below the series; empty: none.
    pub cells: Vec<Cell>,
    /// What a heat map's colours stand for; None: winners.
    pub shades: Option<Shades>,
    /// Texts right of the plot.
    pub notes: Vec<Note>,
    /// Texts below the horizontal axis, between it and its labels.
    pub below: Vec<Note>,
    /// What lies below the least value of the vertical axis: said within the plot, at its foot.
    pub beyond: Vec<String>,
    /// Values between which something is known to lie.
    pub band: Option<Band>,
}

/// A range of values across a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Its name in the legend.
    pub label: String,
    /// Its least value.
    pub low: f64,
    /// Its greatest.
    pub high: f64,
}

/// A text beside a plot, or below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// Where along the axis beside which it stands.
    pub at: f64,
    /// What is written.
    pub text: String,
}

/// Points that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Whose they are, as in the rows.
    pub method: String,
    /// Its name for people.
    pub label: String,
    /// The method whose look it has: [`Series::method`] itself, or "other".
    pub style: String,
    /// How points are drawn.
    pub form: Form,
    /// How far right of their places lines and marks are drawn \[0.1 mm\], so that those of several
    /// methods at one place stand beside each other.
    pub beside: i32,
    /// The points, in order.
    pub points: Vec<Point>,
}

/// How points are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// Bars from zero, so wide in data coordinates.
    Bars(f64),
    /// A line through the points, with markers unless they are many.
    Line,
    /// A line that has each point's value from halfway to the one before to halfway to the next.
    Steps,
    /// Markers alone.
    Points,
    /// A short line at each point, so wide in data coordinates; infinite: through the whole plot.
    Level(f64),
    /// Published values: hollow diamonds upon bars, otherwise the method's marker made hollow.
    Paper,
}

/// A value where it is plotted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Along the horizontal axis.
    pub x: f64,
    /// Along the vertical axis.
    pub y: f64,
    /// Its interval, along the axis of values.
    pub interval: Option<(f64, f64)>,
}

/// The values that a heat map's colours stand for, from the lightest to the darkest.
#[derive(Clone, Debug, PartialEq)]
pub struct Shades {
    /// What they are, with their unit.
    pub title: String,
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// Values to be named beside the bar of colours.
    pub marks: Vec<Note>,
}

/// A cell of a heat map.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its centre.
    pub x: f64,
    /// Its centre.
    pub y: f64,
    /// The best of those compared; empty: the map shows values.
    pub winner: String,
    /// Its name in the legend.
    pub winner_label: String,
    /// The value, or how many times the winner is better than the next.
    pub value: f64,
    /// Texts within, the first more important than the second; those that do not fit are left out.
    pub labels: [String; 2],
    /// Whether it is framed.
    pub marked: bool,
}

impl Panel {
    /// An empty panel.
    #[must_use]
    pub fn new(title: String, x: Axis, y: Axis) -> Self {
        Self {
            title,
            x,
            y,
            series: Vec::new(),
            cells: Vec::new(),
            shades: None,
            notes: Vec::new(),
            below: Vec::new(),
            beyond: Vec::new(),
            band: None,
        }
    }

    /// Whether bars lie and values go from left to right.
    #[must_use]
    pub fn lies(&self) -> bool {
        self.y.scale == Scale::Groups && self.cells.is_empty()
    }
}

impl Series {
    /// Points that look as their method does.
    #[must_use]
    pub fn new(method: &str, label: &str, form: Form, points: Vec<Point>) -> Self {
        let [method, style] = [method, method].map(str::to_owned);
        Self { style, method, label: label.to_owned(), form, beside: 0, points }
    }

    /// All values that must have room on the axis of values.
    pub fn values(&self, lying: bool) -> impl Iterator<Item = f64> {
        self.points.iter().flat_map(move |point| {
            let value = if lying { point.x } else { point.y };
            let (low, high) = point.interval.unwrap_or((value, value));
            [value, low, high]
        })
    }
}

impl Chart {
    /// Draws it: an SVG document as wide as it says, as high as it needs.
    ///
    /// # Errors
    /// If the drawing library fails.
    pub fn to_svg(&self) -> Result<String, DrawingError> {
        layout::scene(self).svg()
    }

    /// The same for a narrow screen: a column wide, panels below each other or two by two, so that
    /// each needs labels and a title of its own. None: it is that narrow.
    #[must_use]
    pub fn narrow(&self) -> Option<Self> {
        const MANY_COLUMNS: usize = 4;
        if self.width == Width::Column {
            return None;
        }
        let columns = if self.columns >= MANY_COLUMNS { 2 } else { 1 };
        let mut panels = self.panels.clone();
        for index in 0..panels.len() {
            let top = panels[index % self.columns].title.clone();
            panels[index].x.labelled = true;
            panels[index].y.labelled = true;
            let beside = !index.is_multiple_of(columns);
            // Ticks and titles are compared: what the panel to the left shows is not shown again.
            let left = beside.then(|| Axis { labelled: true, ..panels[index - 1].y.clone() });
            panels[index].y.labelled = left.as_ref() != Some(&panels[index].y);
            if panels[index].title.is_empty() {
                panels[index].title = top;
            }
        }
        Some(Self { width: Width::Column, columns, panels, ..self.clone() })
    }

    /// Methods without a look of their own, in order of appearance.
    fn unknown(&self) -> Vec<&str> {
        let styles = self.panels.iter().flat_map(|panel| {
            let series = panel.series.iter().filter(|series| series.form != Form::Paper);
            let winners = panel.cells.iter().map(|cell| cell.winner.as_str());
            series.map(|series| series.style.as_str()).chain(winners)
        });
        let mut unknown = Vec::new();
        for style in styles.filter(|style| !style.is_empty() && !look::is_known(style)) {
            if !unknown.contains(&style) {
                unknown.push(style);
            }
        }
        unknown
    }
}
