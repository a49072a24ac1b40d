//! A comparison for people: ours beside the paper's, mean errors by role, and whether the paper's order
//! of methods holds.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Metric, Place, Plan};
use crate::items::{Role, Row, Table};

/// Rows of one place and metric: one for each method.
struct Group<'a> {
    place: Place,
    metric: Metric,
    rows: Vec<&'a Row>,
}

fn groups<'a>(plan: &Plan, rows: &'a [Row]) -> Vec<Group<'a>> {
    let metrics = plan.metrics.len();
    let mut groups = Vec::new();
    for (place, rows) in plan.places().iter().zip(rows.chunks(plan.methods.len() * metrics)) {
        for (index, &metric) in plan.metrics.iter().enumerate() {
            let rows = rows.iter().skip(index).step_by(metrics).collect();
            groups.push(Group { place: place.clone(), metric, rows });
        }
    }
    groups
}

/// The comparison itself.
pub(super) fn comparison(plan: &Plan, rows: &[Row]) -> Table {
    let mut header = plan.place_titles();
    let several = plan.metrics.len() > 1;
    if several {
        header.push("figure");
    }
    let words = header.len();
    header.extend(plan.methods.iter().map(String::as_str));
    let mut table = Table::new("Means over runs", &header, words);
    for Group { place, metric, rows } in groups(plan, rows) {
        let mut line = place.words();
        if several {
            line.push(metric.0.title.to_owned());
        }
        line.extend(rows.iter().map(|row| cell_text(row, metric)));
        table.rows.push(line);
    }
    table
}

/// `134 (129) +3.9 %` with the mark of its role.
pub(crate) fn cell_text(row: &Row, metric: Metric) -> String {
    // Times stand for themselves without a fraction beside the paper's.
    let digits = if metric.key() == "tpt_ms" { 0 } else { metric.0.digits };
    let mark = match row.role {
        Role::Calibration => " c",
        Role::InSample => " i",
        Role::Prediction => "  ",
        Role::Reference | Role::Ours => "",
    };
    let ours = row.ours.mean;
    match (row.paper, row.error_pct()) {
        (Some(paper), Some(error)) => {
            format!("{ours:.digits$} ({paper:.digits$}) {error:+5.1} %{mark}")
        }
        _ => format!("{ours:.digits$}{mark}"),
    }
}

/// The first figure against that of one method, at each place and over all of them.
pub(super) fn relative(plan: &Plan, rows: &[Row]) -> Option<Table> {
    let base = plan.relative_to.as_ref()?;
    let at = plan.methods.iter().position(|method| method == base).expect("a method of the plan");
    let mut header = plan.place_titles();
    let words = header.len();
    let others = || plan.methods.iter().enumerate().filter(|(index, _)| *index != at);
    header.extend(others().map(|(_, method)| method.as_str()));
    let metric = plan.metrics[0];
    let caption = format!("The {} against that of {base}", metric.0.title);
    let mut table = Table::new(caption, &header, words);
    let mut changes: Vec<Vec<f64>> = vec![Vec::new(); plan.methods.len()];
    for group in groups(plan, rows).iter().filter(|group| group.metric == metric) {
        let mut line = group.place.words();
        for (index, _) in others() {
            let change = 100.0 * (group.rows[index].ours.mean / group.rows[at].ours.mean - 1.0);
            changes[index].push(change);
            line.push(format!("{change:+.1} %"));
        }
        table.rows.push(line);
    }
    let mut line = vec!["all".to_owned()];
    line.resize(words, String::new());
    line.extend(others().map(|(index, _)| {
        let low = changes[index].iter().copied().fold(f64::INFINITY, f64::min);
        let high = changes[index].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{low:+.1} to {high:+.1} %")
    }));
    table.rows.push(line);
    Some(table)
}

/// Errors \[%\] by role and, within it, by dataset (one metric) or by metric (several).
fn errors_by_group(plan: &Plan, rows: &[Row]) -> BTreeMap<Role, BTreeMap<String, Vec<f64>>> {
    let mut errors: BTreeMap<Role, BTreeMap<String, Vec<f64>>> = BTreeMap::new();
    for row in rows {
        let Some(error) = row.error_pct() else { continue };
        let group = if plan.metrics.len() == 1 { &row.dataset } else { &row.metric };
        errors.entry(row.role).or_default().entry(group.clone()).or_default().push(error);
    }
    errors
}

/// Mean errors; none where the paper has no values.
pub(super) fn errors(plan: &Plan, rows: &[Row]) -> Option<Table> {
    let errors = errors_by_group(plan, rows);
    let group = if plan.metrics.len() > 1 { "figure" } else { "dataset" };
    let header = ["role", group, "mean |error|", "bias", "cells"];
    let mut table = Table::new("Errors against the paper", &header, 2);
    for (role, groups) in &errors {
        for (group, list) in groups {
            let bias = mean(list);
            table.rows.push(vec![
                role.key().to_owned(),
                group.clone(),
                format!("{:.1} %", mean_absolute(list)),
                format!("{bias:+.1} %"),
                list.len().to_string(),
            ]);
        }
    }
    (!errors.is_empty()).then_some(table)
}

/// Which cells had a part in calibration, or settings of their own.
pub(super) fn basis(plan: &Plan) -> Option<Table> {
    let mut table = Table::new("What the cells stand on", &["what", "cells", "why"], 3);
    table.rows = plan.basis().into_iter().map(Vec::from).collect();
    (!table.rows.is_empty()).then_some(table)
}

/// The same for machines.
pub(super) fn figures(plan: &Plan, rows: &[Row]) -> Map<String, Value> {
    let errors = errors_by_group(plan, rows);
    if errors.is_empty() {
        let range = plan.published_range.map(|range| ("published_range".to_owned(), json!(range)));
        return range.into_iter().collect();
    }
    let by_group = |of: fn(&[f64]) -> f64| -> Value {
        let roles = errors.iter().map(|(role, groups)| {
            let groups: Map<String, Value> =
                groups.iter().map(|(group, list)| (group.clone(), json!(of(list)))).collect();
            (role.key().to_owned(), Value::Object(groups))
        });
        Value::Object(roles.collect())
    };
    Map::from_iter([
        ("mean_absolute_error_pct".to_owned(), by_group(mean_absolute)),
        ("mean_error_pct".to_owned(), by_group(mean)),
        ("out_of_order".to_owned(), json!(disorder(plan, rows))),
    ])
}

/// Two methods are expected in the paper's order where its values are farther apart than this share.
const ORDER_GAP: f64 = 0.05;

/// Two methods at one place that the paper tells apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Pair {
    /// The place, in words.
    place: String,
    metric: &'static str,
    /// The paper's higher and lower one.
    methods: [String; 2],
    paper: [f64; 2],
    ours: [f64; 2],
    #[serde(skip)]
    digits: usize,
}

impl Pair {
    fn is_reversed(&self) -> bool {
        self.ours[0] <= self.ours[1]
    }
}

/// All pairs of methods that the paper tells apart, at each place and in each figure.
fn told_apart(plan: &Plan, rows: &[Row]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for Group { place, metric, rows } in groups(plan, rows) {
        for high in &rows {
            for low in &rows {
                let (Some(first), Some(second)) = (high.paper, low.paper) else { continue };
                if first - second > ORDER_GAP * second.abs() {
                    pairs.push(Pair {
                        place: place.words().join(", "),
                        metric: metric.key(),
                        methods: [high, low].map(|row| row.method.clone()),
                        paper: [first, second],
                        ours: [high, low].map(|row| row.ours.mean),
                        digits: metric.0.digits,
                    });
                }
            }
        }
    }
    pairs
}

/// Pairs that we have the other way round, or not apart at all.
pub(super) fn disorder(plan: &Plan, rows: &[Row]) -> Vec<Pair> {
    told_apart(plan, rows).into_iter().filter(Pair::is_reversed).collect()
}

/// How far the paper's order of methods holds; None where it has no two values to compare.
pub(super) fn order_note(plan: &Plan, rows: &[Row]) -> Option<String> {
    let pairs = told_apart(plan, rows).len();
    let reversed = disorder(plan, rows);
    if pairs == 0 {
        return None;
    }
    let mut note = format!(
        "Order: of the {pairs} pairs of methods that the paper has more than 5 % apart at one place, {} \
         stand in its order here",
        pairs - reversed.len()
    );
    let several = plan.metrics.len() > 1;
    let words = reversed.iter().map(|pair| {
        let Pair { place, metric, methods: [high, low], paper, ours, digits } = pair;
        let figure = if several { format!(" ({metric})") } else { String::new() };
        format!(
            "{place}{figure}: {high} above {low} in the paper ({:.digits$} and {:.digits$}), here \
             {:.digits$} and {:.digits$}",
            paper[0], paper[1], ours[0], ours[1]
        )
    });
    let words: Vec<String> = words.collect();
    note.push_str(if words.is_empty() { "." } else { "; not so: " });
    note.push_str(&words.join("; "));
    Some(note)
}

/// Our cells against the range that the paper gives of its own.
pub(super) fn range_note(plan: &Plan, rows: &[Row]) -> Option<String> {
    let [low, high] = plan.published_range?;
    let ours = rows.iter().filter(|row| row.metric == plan.metrics[0].key());
    let ours: Vec<f64> = ours.map(|row| row.ours.mean).collect();
    let least = ours.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ours.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let within = ours.iter().filter(|value| (low..=high).contains(*value)).count();
    Some(format!(
        "Range: ours {least:.0} to {most:.0}, the paper's {low} to {high} (least {:+.1} %, greatest \
         {:+.1} %); {within} of our {} cells lie within the paper's range. Its pairs are not published, so \
         that no cell can be held against another.",
        100.0 * (least / low - 1.0),
        100.0 * (most / high - 1.0),
        ours.len()
    ))
}

fn mean(errors: &[f64]) -> f64 {
    errors.iter().sum::<f64>() / errors.len() as f64
}

fn mean_absolute(errors: &[f64]) -> f64 {
    errors.iter().map(|error| error.abs()).sum::<f64>() / errors.len() as f64
}
