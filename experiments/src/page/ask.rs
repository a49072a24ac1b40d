//! Questions to the rows of a report, for the sentences of the page: each number on it is computed, and
//! a sentence that rows do not answer is not written.

pub(super) use crate::items::quantity::{Quantity, TIME};
use crate::items::{Report, Role, Row};

/// The report of an item.
pub(super) fn item<'a>(reports: &[&'a Report], name: &str) -> Option<&'a Report> {
    reports.iter().copied().find(|report| report.item == name)
}

/// Its rows of a method and a metric.
pub(super) fn of<'a>(
    report: &'a Report,
    method: &'a str,
    metric: &'a str,
) -> impl Iterator<Item = &'a Row> {
    report.rows.iter().filter(move |row| row.method == method && row.metric == metric)
}

/// The same metric of another method at the same place.
pub(super) fn beside<'a>(report: &'a Report, row: &Row, method: &str) -> Option<&'a Row> {
    report.rows.iter().find(|other| {
        other.method == method && other.metric == row.metric && place(other) == place(row)
    })
}

type Place<'a> = (&'a str, &'a str, Option<&'a str>, [Option<u64>; 2]);

/// Where a row stands: rows of different methods meet there.
pub(super) fn place(row: &Row) -> Place<'_> {
    let bits = [row.x, row.y].map(|value| value.map(f64::to_bits));
    (&row.dataset, &row.scenario, row.variant.as_deref(), bits)
}

/// Whether the row is what methods are held against.
pub(super) fn is_reference(row: &Row) -> bool {
    row.role == Role::Reference
}

/// The least and the greatest of some values; None: there are none.
pub(super) fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().fold(None, |range, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// `118 to 175`, or one number where both look alike.
pub(super) fn span((low, high): (f64, f64), digits: usize) -> String {
    let (low, high) = (format!("{low:.digits$}"), format!("{high:.digits$}"));
    if low == high { low } else { format!("{low} to {high}") }
}

/// `and` between the last two, commas between the others.
pub(super) fn and(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The mean of some values; None: there are none.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sizes of the errors of predictions \[%\].
pub(super) fn predicted<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    keep: impl Fn(&Row) -> bool,
) -> Vec<f64> {
    let kept = rows.into_iter().filter(|row| row.role == Role::Prediction && keep(row));
    kept.filter_map(Row::error_pct).map(f64::abs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_lists_read_well() {
        assert_eq!(range([3.0, 1.0, 2.0]), Some((1.0, 3.0)));
        assert_eq!(range([]), None);
        assert_eq!(span((117.9, 175.0), 0), "118 to 175");
        assert_eq!(span((16.01, 16.02), 0), "16");
        let words: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!(
            [and(&words[..1]), and(&words[..2]), and(&words)],
            ["a", "a and b", "a, b and c"]
        );
        assert_eq!(mean(&[]), None);
    }
}
