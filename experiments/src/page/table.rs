//! A table: what all rows share goes into the caption, runs of the same first word become groups, one
//! number over two words becomes a grid, and a single row of many numbers is turned, so that a screen has
//! room for the numbers. A long table is folded, with the number of its rows.

use std::ops::Range;

use maud::{Markup, html};

use super::{breakable, cell, plain, prose, words};
use crate::items::Table;

/// A table with more rows is folded.
pub(super) const TALL: usize = 16;
/// With so many columns errors stand below what they are errors of.
const MANY: usize = 6;
/// A single row of at least so many numbers is turned.
const WIDE: usize = 4;

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
        let numbers = table.header.len() > table.words;
        let constant = |&column: &usize| {
            numbers && (1..table.rows.len()).all(|row| value(row, column) == value(0, column))
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
                    last.end = row + 1;
                }
                _ => groups.push(row..row + 1),
            }
        }
        groups
    }
}

/// One number for each pair of words as a grid: the first words down, the second across. None if it is
/// something else, or if the grid has holes.
fn grid(table: &Table, layout: &Layout) -> Option<Table> {
    let (&[across], Some(down)) = (&layout.words[..], layout.group) else { return None };
    let [number] = &table.header[table.words..] else { return None };
    let groups = layout.groups(table);
    let words = |group: &Range<usize>| -> Vec<String> {
        table.rows[group.clone()].iter().map(|row| row[across].clone()).collect()
    };
    let columns = words(groups.first()?);
    if groups.iter().any(|group| words(group) != columns) {
        return None;
    }
    let corner = format!("{} \u{2193} {} \u{2192}", table.header[down], table.header[across]);
    let mut header = vec![corner.as_str()];
    header.extend(columns.iter().map(String::as_str));
    let mut grid = Table::new(format!("{}, {number}", table.caption), &header, 1);
    for group in groups {
        let mut line = vec![table.rows[group.start][down].clone()];
        line.extend(table.rows[group].iter().map(|row| row[table.words].clone()));
        grid.rows.push(line);
    }
    Some(grid)
}

/// The table, in a container that scrolls if it has to; `label` is what it belongs to.
pub(super) fn markup(table: &Table, label: &str) -> Markup {
    let table = &words::named(table);
    let layout = Layout::of(table);
    let shared = html! {
        @for &column in &layout.shared {
            span.shared { " · " (table.header[column]) " " b { (breakable(&table.rows[0][column])) } }
        }
    };
    match grid(table, &layout).or_else(|| turned(table)) {
        Some(other) => {
            drawn(&other, &Layout { shared: vec![], group: None, words: vec![0] }, &shared, label)
        }
        None => drawn(table, &layout, &shared, label),
    }
}

/// A single row of many numbers as a column of them.
fn turned(table: &Table) -> Option<Table> {
    let [row] = &table.rows[..] else { return None };
    let numbers = table.words..table.header.len();
    if numbers.len() < WIDE || table.words == 0 {
        return None;
    }
    let mut turned = Table::new(table.caption.clone(), &["", "value"], 1);
    let lines = numbers.map(|column| vec![table.header[column].clone(), row[column].clone()]);
    turned.rows.extend(lines);
    Some(turned)
}

fn drawn(table: &Table, layout: &Layout, shared: &Markup, label: &str) -> Markup {
    let numbers = table.words..table.header.len();
    let columns = layout.words.len() + numbers.len();
    let name = plain(&format!("{label}: {}", table.caption));
    let rows = html! {
        div.scroll role="region" aria-label=(name) tabindex="0" {
            table.stacked[columns >= MANY] aria-label=(name) {
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
                                    span {
                                        (table.header[column]) " "
                                        b { (table.rows[group.start][column]) }
                                    }
                                }
                            }
                        }
                        @for row in &table.rows[group] { (line(layout, row, numbers.clone())) }
                    }
                }
            }
        }
    };
    html! {
        div.table {
            p.caption { (prose(&table.caption)) (shared) }
            @if table.rows.len() > TALL {
                details.more.rows { summary { (table.rows.len()) " rows" } (rows) }
            } @else {
                (rows)
            }
        }
    }
}

fn line(layout: &Layout, row: &[String], numbers: Range<usize>) -> Markup {
    html! {
        tr {
            @for (place, &column) in layout.words.iter().enumerate() {
                @if place == 0 { th.word scope="row" { (breakable(&row[column])) } }
                @else { td.word { (breakable(&row[column])) } }
            }
            @for column in numbers { (cell::number(row.get(column).map_or("", String::as_str))) }
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
        // One row needs no words beside its numbers; groups of one are none.
        let layout = Layout::of(&table(&[["h", "s1", "1"]]));
        assert_eq!(layout, Layout { shared: vec![0, 1], group: None, words: vec![] });
        let layout = Layout::of(&table(&[["h", "s1", "1"], ["g", "s2", "2"]]));
        assert_eq!(layout, Layout { shared: vec![], group: None, words: vec![0, 1] });
    }

    #[test]
    fn one_number_over_two_words_is_a_grid_unless_it_has_holes() {
        let rows = [["a", "x", "1"], ["a", "y", "2"], ["b", "x", "3"], ["b", "y", "4"]];
        let whole = table(&rows);
        let grid_of = |table: &Table| grid(table, &Layout::of(table));
        let found = grid_of(&whole).expect("a grid");
        assert_eq!(found.header[1..], ["x", "y"]);
        assert_eq!(found.rows, [["a", "1", "2"], ["b", "3", "4"]]);
        let holes = table(&[["a", "x", "1"], ["a", "y", "2"], ["b", "x", "3"], ["b", "z", "4"]]);
        assert_eq!(grid_of(&holes), None);
    }

    #[test]
    fn a_single_row_of_many_numbers_is_turned() {
        let mut one = Table::new("Means", &["dataset", "hsl", "a", "b", "pipesd"], 1);
        one.rows = vec![["gsm8k", "1", "2", "3", "4"].map(str::to_owned).to_vec()];
        let text = markup(&one, "Table 6").into_string();
        assert_eq!(text.matches("<tr>").count(), 5, "{text}");
        assert!(text.contains("<b>GSM8K</b>") && text.contains(">PipeSD</th>"), "{text}");
        one.rows.push(one.rows[0].clone());
        assert_eq!(turned(&one), None);
    }

    #[test]
    fn a_long_table_is_folded_with_its_number_of_rows() {
        let long: Vec<[&str; 3]> = (0..TALL + 1).map(|_| ["h", "s1", "1"]).collect();
        let text = markup(&table(&long), "x").into_string();
        assert!(text.contains(&format!("<summary>{} rows</summary>", TALL + 1)), "{text}");
        assert!(!markup(&table(&long[1..]), "x").into_string().contains("<details"));
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
