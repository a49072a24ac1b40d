//! From rows to series: what all figures need.

use super::{FigureError, names};
pub(super) use crate::chart::distinct as distinct_numbers;
use crate::chart::{Axis, Form, Note, Panel, Point, Scale, Series, look};
use crate::results::{Role, Row};

/// How much of a group's room its bars take.
const GROUP: f64 = 0.84;
/// How much of it a reference takes: its ends are seen beside the bars.
const LEVEL: f64 = 0.96;

/// The distinct keys of rows, in order of appearance.
pub(super) fn distinct<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    key: impl Fn(&'a Row) -> &'a str,
) -> Vec<&'a str> {
    let mut keys = Vec::new();
    for key in rows.into_iter().map(key) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// The rows of a metric that have something to show; if there are none, an error that says so.
pub(super) fn of_metric<'a>(rows: &'a [Row], metric: &str) -> Result<Vec<&'a Row>, FigureError> {
    let shown = |row: &&Row| row.metric == metric && (row.mean.is_some() || row.paper.is_some());
    let found: Vec<&Row> = rows.iter().filter(shown).collect();
    if found.is_empty() { Err(FigureError::no_rows(metric)) } else { Ok(found) }
}

/// Rows with the same key.
pub(super) fn with<'a>(rows: &[&'a Row], key: impl Fn(&Row) -> &str, value: &str) -> Vec<&'a Row> {
    rows.iter().copied().filter(|row| key(row) == value).collect()
}

/// Whether the row is what methods are compared with.
pub(super) fn is_reference(row: &Row) -> bool {
    row.role == Some(Role::Reference) || look::REFERENCES.contains(&row.method.as_str())
}

/// The rows of methods and of those references that are `kept`: others would squeeze the scale, or
/// stand in another figure.
pub(super) fn with_references<'a>(rows: Vec<&'a Row>, kept: &[&str]) -> Vec<&'a Row> {
    let shown = |row: &&Row| !is_reference(row) || kept.contains(&row.method.as_str());
    rows.into_iter().filter(shown).collect()
}

/// A panel's bars, and the letter below each whose published value was used.
pub(super) struct Bars {
    pub(super) series: Vec<Series>,
    pub(super) letters: Vec<Note>,
}

/// What part the published value had in calibration: empty if it had none.
pub(super) const fn letter(row: &Row) -> &'static str {
    match row.role {
        Some(Role::Calibration) => "c",
        Some(Role::InSample) => "i",
        Some(Role::NotCounted) => "n",
        _ => "",
    }
}

/// What the letters of some rows stand for; none if they have none.
pub(super) fn letters_note(rows: &[&Row]) -> Vec<String> {
    let meanings =
        [("c", "c: calibrated"), ("i", "i: in sample"), ("n", "n: settings not published")];
    let used = |letter: &str| rows.iter().any(|row| self::letter(row) == letter);
    let used = meanings.iter().filter(|(letter, _)| used(letter)).map(|(_, meaning)| *meaning);
    let mut words: Vec<&str> = used.collect();
    if words.is_empty() {
        return Vec::new();
    }
    words.push("no letter: predicted");
    // Half a page is as wide as three of them.
    let of_line = if words.len() > 3 { 2 } else { 3 };
    words.chunks(of_line).map(|words| words.join("; ")).collect()
}

/// Grouped bars: group `i` is centred on x = i, its methods stand side by side in one order for all
/// groups; references are short lines through the group.
pub(super) fn bars<'a>(
    rows: &[&'a Row],
    groups: &[&str],
    group_of: impl Fn(&'a Row) -> &'a str,
) -> Bars {
    let of_methods = rows.iter().copied().filter(|row| !is_reference(row));
    let methods = distinct(of_methods, |row| &row.method);
    let width = GROUP / methods.len().max(1) as f64;
    let middle = (methods.len() as f64 - 1.) / 2.;
    let group = |row: &'a Row| groups.iter().position(|name| *name == group_of(row));
    let (mut series, mut papers, mut letters) = (Vec::new(), Vec::new(), Vec::new());
    for (index, method) in methods.iter().enumerate() {
        let offset = (index as f64 - middle) * width;
        let of_method = with(rows, |row| &row.method, method);
        let at = |row: &'a Row| group(row).map(|group| group as f64 + offset);
        series.push(one(method, Form::Bars(width), &of_method, at));
        papers.push(paper(method, &of_method, at));
        let lettered = of_method.iter().filter(|row| !letter(row).is_empty());
        letters.extend(
            lettered.filter_map(|row| Some(Note { at: at(row)?, text: letter(row).into() })),
        );
    }
    let references = rows.iter().copied().filter(|row| is_reference(row));
    for method in distinct(references, |row| &row.method) {
        let of_method = with(rows, |row| &row.method, method);
        let at = |row: &'a Row| group(row).map(|group| group as f64);
        // A line this short has no room for an interval besides.
        series.push(without_intervals(one(method, Form::Level(LEVEL), &of_method, at)));
    }
    Bars { series: shown(series.into_iter().chain(papers)), letters }
}

/// Lines over x: methods with their intervals and the published values; before them references,
/// without.
///
/// # Errors
/// If a row has no x, or two rows of a method have the same.
pub(super) fn lines(rows: &[&Row], form: Form) -> Result<Vec<Series>, FigureError> {
    let (mut references, mut methods, mut papers) = (Vec::new(), Vec::new(), Vec::new());
    for method in distinct(rows.iter().copied(), |row| &row.method) {
        let mut of_method = with(rows, |row| &row.method, method);
        if of_method.iter().any(|row| row.x.is_none()) {
            return Err(FigureError::no_x(method, &of_method[0].metric));
        }
        of_method.sort_by(|one, other| f64::total_cmp(&position(one), &position(other)));
        if let Some(twice) = of_method.windows(2).find(|pair| pair[0].x == pair[1].x) {
            return Err(FigureError::twice(method, &twice[0].metric, position(twice[0])));
        }
        if is_reference(of_method[0]) {
            references.push(without_intervals(one(method, form, &of_method, |row| row.x)));
        } else {
            methods.push(one(method, form, &of_method, |row| row.x));
            papers.push(paper(method, &of_method, |row| row.x));
        }
    }
    Ok(shown(references.into_iter().chain(methods).chain(papers)))
}

fn without_intervals(mut series: Series) -> Series {
    series.points.iter_mut().for_each(|point| point.interval = None);
    series
}

/// Puts the lines and marks of methods beside each other, `apart` units from one to the next, each
/// with its published values. References stay where they are.
pub(super) fn side_by_side(series: &mut [Series], apart: i32) {
    let mut methods: Vec<String> = Vec::new();
    for one in series.iter().filter(|one| !look::REFERENCES.contains(&one.method.as_str())) {
        if !methods.contains(&one.method) {
            methods.push(one.method.clone());
        }
    }
    for one in series {
        if let Some(index) = methods.iter().position(|method| *method == one.method) {
            one.beside = apart * (2 * index as i32 - (methods.len() as i32 - 1)) / 2;
        }
    }
}

fn position(row: &Row) -> f64 {
    row.x.unwrap_or_default()
}

/// Lying bars: of the rows that are no references, row `i` is at y = i. References are upright lines.
pub(super) fn lying(rows: &[&Row], style: impl Fn(&str) -> &'static str) -> Vec<Series> {
    let mut series = Vec::new();
    let mut papers = Vec::new();
    let turned = |mut series: Series| {
        for point in &mut series.points {
            (point.x, point.y) = (point.y, point.x);
        }
        series
    };
    let (references, bars): (Vec<&Row>, Vec<&Row>) =
        rows.iter().copied().partition(|row| is_reference(row));
    for row in references {
        let level = one(&row.method, Form::Level(f64::INFINITY), &[row], |_| Some(0.));
        papers.push(turned(without_intervals(level)));
    }
    for (index, row) in bars.iter().enumerate() {
        let at = |_: &Row| Some(index as f64);
        let mut bar = turned(one(&row.method, Form::Bars(0.66), &[*row], at));
        style(&row.method).clone_into(&mut bar.style);
        series.push(bar);
        papers.push(turned(paper(&row.method, &[*row], at)));
    }
    shown(series.into_iter().chain(papers))
}

/// The means of a method's rows, with their intervals.
pub(super) fn one<'a>(
    method: &str,
    form: Form,
    rows: &[&'a Row],
    at: impl Fn(&'a Row) -> Option<f64>,
) -> Series {
    let points = rows.iter().filter_map(|row| {
        let (x, y) = at(row).zip(row.mean)?;
        Some(Point { x, y, interval: row.interval() })
    });
    Series::new(method, &names::method(method), form, points.collect())
}

/// Their published values.
pub(super) fn paper<'a>(
    method: &str,
    rows: &[&'a Row],
    at: impl Fn(&'a Row) -> Option<f64>,
) -> Series {
    let points = rows.iter().filter_map(|row| {
        let (x, y) = at(row).zip(row.paper)?;
        Some(Point { x, y, interval: None })
    });
    Series::new(method, &names::method(method), Form::Paper, points.collect())
}

fn shown(series: impl Iterator<Item = Series>) -> Vec<Series> {
    series.filter(|series| !series.points.is_empty()).collect()
}

/// All values of some series, for an axis.
pub(super) fn values<'a>(series: impl IntoIterator<Item = &'a Series>) -> Vec<f64> {
    series.into_iter().flat_map(|series| series.values(false)).collect()
}

/// All places of some series along the horizontal axis.
pub(super) fn places<'a>(series: impl IntoIterator<Item = &'a Series>) -> Vec<f64> {
    series.into_iter().flat_map(|series| series.points.iter().map(|point| point.x)).collect()
}

/// The cloud alone, where it would squeeze a scale that does not begin at zero: its values in words.
pub(super) fn cloud_only_beyond(rows: &[Row], metric: &str) -> Vec<String> {
    let cloud = rows.iter().filter(|row| row.method == "cloud_only" && row.metric == metric);
    let times = distinct_numbers(cloud.filter_map(|row| row.mean));
    let ([first, ..], [.., last]) = (&times[..], &times[..]) else { return Vec::new() };
    let (first, last) = (format!("{first:.0}"), format!("{last:.0}"));
    let range = if first == last { first } else { format!("{first} to {last}") };
    vec![format!("{} {range}", names::method("cloud_only"))]
}

/// Gives panels one vertical axis: that of all their values together.
pub(super) fn share_values(panels: &mut [Panel], axis: impl Fn(&str, Vec<f64>) -> Axis) {
    let all: Vec<f64> = panels.iter().flat_map(|panel| values(&panel.series)).collect();
    for panel in panels {
        panel.y = axis(&panel.y.title, all.clone());
    }
}

/// A panel of bars; the axis of values begins at zero.
pub(super) fn bar_panel(title: String, measure: &str, groups: Vec<String>, bars: Bars) -> Panel {
    let Bars { series, letters: below } = bars;
    let y = Axis::from_zero(measure, values(&series));
    Panel { series, below, ..Panel::new(title, Axis::groups("", groups), y) }
}

/// A panel of lines over a logarithmic axis of swept values.
pub(super) fn swept_panel(title: String, (x, y): (&str, &str), series: Vec<Series>) -> Panel {
    let across = Axis::swept(x, Scale::Log2, places(&series));
    let upright = Axis::linear(y, values(&series), true);
    Panel { series, ..Panel::new(title, across, upright) }
}
