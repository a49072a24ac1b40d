//! A table: what all rows share goes into the caption, runs of the same first word become groups, so that
//! a phone has room for the numbers.

use std::ops::Range;

use maud::{Markup, html};

use super::{breakable, cell};
use crate::items::Table;

/// Rows from which a table scrolls within itself, so that its header stays in sight.
const TALL: usize = 16;

/// How the columns of words are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layout {
    /// Columns of words with one value in all rows: said in the caption.
    shared: Vec<usize>,
    /// The column whose values head groups of rows.
    group: Option<usize>,
    /// The others.
    words: Vec<usize>,
}

impl Layout {
    fn of(table: &Table) -> Self {
        let value = |row: usize, column: usize| table.rows[row].get(column);
        let constant = |&column: &usize| {
            table.rows.len() > 1
                && (1..table.rows.len()).all(|row| value(row, column) == value(0, column))
        };
        let (shared, mut words): (Vec<usize>, Vec<usize>) = (0..table.words).partition(constant);
        let mut group = None;
        if words.len() > 1 {
            let changes = (1..table.rows.len())
                .filter(|&row| value(row, words[0]) != value(row - 1, words[0]))
                .count();
            // Worth it only if groups have several rows.
            if 2 * (changes + 1) <= table.rows.len() {
                group = Some(words.remove(0));
            }
        }
        Self { shared, group, words }
    }

    /// Runs of rows in the same group; all rows where there are no groups.
    fn groups(&self, table: &Table) -> Vec<Range<usize>> {
        let Some(column) = self.group else {
            return std::iter::once(0..table.rows.len()).collect();
        };
        let mut groups: Vec<Range<usize>> = Vec::new();
        for row in 0..table.rows.len() {
            match groups.last_mut() {
                Some(last) if table.rows[row][column] == table.rows[last.start][column] => {
                    last.end = row + 1
                }
                _ => groups.push(row..row + 1),
            }
        }
        groups
    }
}

/// The table, in a container that scrolls if it has to.
pub(super) fn markup(table: &Table, label: &str) -> Markup {
    let layout = Layout::of(table);
    let numbers = table.words..table.header.len();
    let columns = layout.words.len() + numbers.len();
    let tall = table.rows.len() > TALL;
    html! {
        div.scroll.tall[tall] role="region" aria-label={ (label) ": " (table.caption) } tabindex="0" {
            table {
                caption {
                    (table.caption)
                    @for &column in &layout.shared {
                        span.shared { " · " (table.header[column]) " " b { (table.rows[0][column]) } }
                    }
                }
                thead {
                    tr {
                        @for &column in &layout.words { th.word scope="col" { (table.header[column]) } }
                        @for column in numbers.clone() {
                            th.number scope="col" { (breakable(&table.header[column])) }
                        }
                    }
                }
                @for group in layout.groups(table) {
                    tbody {
                        @if let Some(column) = layout.group {
                            tr.group {
                                th scope="rowgroup" colspan=(columns) {
                                    span { (table.header[column]) " " b { (table.rows[group.start][column]) } }
                                }
                            }
                        }
                        @for row in &table.rows[group] {
                            tr {
                                @for (place, &column) in layout.words.iter().enumerate() {
                                    @if place == 0 { th.word scope="row" { (breakable(&row[column])) } }
                                    @else { td.word { (breakable(&row[column])) } }
                                }
                                @for column in numbers.clone() {
                                    (cell::number(row.get(column).map_or("", String::as_str)))
                                }
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

    fn table(rows: &[[&str; 3]]) -> Table {
        let mut table = Table::new("Means", &["dataset", "scenario", "pipesd"], 2);
        table.rows = rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
        table
    }

    #[test]
    fn shared_words_go_into_the_caption_and_runs_become_groups() {
        let shared = Layout::of(&table(&[["h", "s1", "1"], ["h", "s2", "2"]]));
        assert_eq!(shared, Layout { shared: vec![0], group: None, words: vec![1] });
        let rows = [["h", "s1", "1"], ["h", "s2", "2"], ["g", "s1", "3"], ["g", "s2", "4"]];
        let grouped = table(&rows);
        let layout = Layout::of(&grouped);
        assert_eq!(layout, Layout { shared: vec![], group: Some(0), words: vec![1] });
        assert_eq!(layout.groups(&grouped), [0..2, 2..4]);
        // One row, or groups of one, stay as they are.
        for rows in [&[["h", "s1", "1"]][..], &[["h", "s1", "1"], ["g", "s2", "2"]]] {
            assert_eq!(
                Layout::of(&table(rows)),
                Layout { shared: vec![], group: None, words: vec![0, 1] }
            );
        }
    }

    #[test]
    fn every_number_is_shown_once() {
        let rows = [["h", "s1", "101"], ["h", "s2", "102"], ["g", "s1", "103"], ["g", "s2", "104"]];
        let text = markup(&table(&rows), "Table 1").into_string();
        for number in ["101", "102", "103", "104"] {
            assert_eq!(text.matches(number).count(), 1, "{number} in {text}");
        }
    }
}
