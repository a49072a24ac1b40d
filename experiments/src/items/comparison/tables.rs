//! A comparison for people: ours beside the paper's, and mean errors by role.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Metric, Place, Plan};
use crate::items::order::{self, Pair};
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
        line.extend(rows.iter().map(|row| row.text()));
        table.rows.push(line);
    }
    table
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
    for row in rows.iter().filter(|row| row.role != Role::NotCounted) {
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
    let pairs = order::told_apart(rows);
    let reversed: Vec<&Pair> = pairs.iter().filter(|pair| pair.is_reversed()).collect();
    Map::from_iter([
        ("mean_absolute_error_pct".to_owned(), by_group(mean_absolute)),
        ("mean_error_pct".to_owned(), by_group(mean)),
        ("told_apart".to_owned(), json!(pairs.len())),
        ("out_of_order".to_owned(), json!(reversed)),
    ])
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
