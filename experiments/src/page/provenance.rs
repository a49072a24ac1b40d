//! Where each value of a profile or scenario comes from, read from the shipped files themselves: whatever
//! table has a `status` and a `source` is a value with its origin.

use maud::{Markup, html};
use toml::Value;

use super::prose;
use crate::input::{PROFILES, SCENARIOS};
use crate::items::Table;

/// A value with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    /// Where it stands, as in `draft.step_ms`.
    key: String,
    value: String,
    /// published, measured, fitted or assumed.
    status: String,
    source: String,
}

/// A shipped file.
struct Spec {
    name: &'static str,
    description: String,
    origins: Vec<Origin>,
}

/// What a status can be, from firm to weak.
const STATUSES: [&str; 4] = ["published", "measured", "fitted", "assumed"];

/// The shipped profiles and scenarios.
///
/// # Panics
/// If one of them is not TOML: a test reads them all.
fn shipped() -> Vec<Spec> {
    let files = PROFILES.iter().chain(SCENARIOS);
    files
        .map(|&(name, text)| {
            let table: toml::Table = text.parse().expect("shipped files are TOML");
            let description = table.get("description").and_then(Value::as_str).unwrap_or_default();
            let mut origins = Vec::new();
            collect("", &table, &mut origins);
            Spec { name, description: description.to_owned(), origins }
        })
        .collect()
}

/// The values of `table` and below, in its order.
fn collect(path: &str, table: &toml::Table, origins: &mut Vec<Origin>) {
    for (key, value) in table {
        let Value::Table(inner) = value else { continue };
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let text = |key: &str| inner.get(key).and_then(Value::as_str).map(str::to_owned);
        match (text("status"), text("source")) {
            (Some(status), Some(source)) => {
                let value = inner.get("value").map_or_else(|| "none".to_owned(), short);
                origins.push(Origin { key: path, value, status, source });
            }
            _ => collect(&path, inner, origins),
        }
    }
}

/// A value in a few words.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) if list.len() > 4 || list.iter().any(Value::is_array) => {
            format!("{} points", list.len())
        }
        Value::Array(list) => list.iter().map(short).collect::<Vec<_>>().join(", "),
        Value::Table(table) => {
            let family =
                table.get("family").and_then(Value::as_str).map(|name| name.replace('_', "-"));
            let others = table.iter().filter(|(key, _)| *key != "family");
            let others = others.map(|(key, value)| format!("{key} {}", short(value)));
            family.into_iter().chain(others).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// How many values of each file have which status.
pub(super) fn counts() -> Table {
    let mut header = vec!["file"];
    header.extend(STATUSES);
    let mut table = Table::new("Values by origin", &header, 1);
    for spec in shipped() {
        let mut line = vec![spec.name.to_owned()];
        line.extend(STATUSES.map(|status| {
            spec.origins.iter().filter(|origin| origin.status == status).count().to_string()
        }));
        table.rows.push(line);
    }
    table
}

/// Every value of every file.
pub(super) fn markup() -> Markup {
    html! {
        @for spec in shipped() {
            details.spec {
                summary { b { (spec.name) } span.quiet { " " (spec.description) } }
                table.origins role="table" {
                    thead role="rowgroup" {
                        tr role="row" {
                            @for title in ["value", "is", "status", "source"] {
                                th scope="col" role="columnheader" { (title) }
                            }
                        }
                    }
                    tbody role="rowgroup" {
                        @for origin in &spec.origins {
                            tr role="row" {
                                th scope="row" role="rowheader" { code { (origin.key) } }
                                td role="cell" { (origin.value) }
                                td role="cell" { span.status.(origin.status) { (origin.status) } }
                                td.source role="cell" { (prose(&origin.source)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_the_shipped_files_is_listed() {
        for (spec, (name, text)) in shipped().iter().zip(PROFILES.iter().chain(SCENARIOS)) {
            let stated = text.matches("status = ").count();
            assert!(stated > 5, "{name} states where its values come from");
            assert_eq!(spec.origins.len(), stated, "{name}: values with a status");
            for origin in &spec.origins {
                assert!(STATUSES.contains(&origin.status.as_str()), "{name}: {origin:?}");
                assert_ne!(origin.value, "none", "{name}: {origin:?}");
            }
        }
    }

    #[test]
    fn values_are_shortened_but_not_changed() {
        let text = "a = { value = { family = 'log_normal', mean = 55.1, shift = -21.0 }, status = 'fitted', \
                    source = 's' }\n[b.c]\nvalue = [[1, 2], [3, 4]]\nstatus = 'assumed'\nsource = 't'\n";
        let mut origins = Vec::new();
        collect("", &text.parse().expect("TOML"), &mut origins);
        let seen: Vec<(&str, &str)> =
            origins.iter().map(|origin| (origin.key.as_str(), origin.value.as_str())).collect();
        assert_eq!(seen, [("a", "log-normal, mean 55.1, shift -21.0"), ("b.c", "2 points")]);
    }
}
