//! What goes to stdout and to files.

use std::fmt;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use serde::Serialize;

/// Writes text to stdout; a closed pipe is an error that `main` forgives.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// Prints one JSON document.
pub(crate) fn print_json(document: &impl Serialize) -> Result<()> {
    print(&json(document))
}

/// A JSON document as text, with a final newline.
pub(crate) fn json(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("results are plain data");
    text.push('\n');
    text
}

/// Makes a folder for results.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))
}

/// Writes a file, and its folder if need be.
pub(crate) fn write_file(path: &Path, content: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    // Whole or not at all: whoever is interrupted here leaves the file as it was.
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    std::fs::write(&partial, content)
        .and_then(|()| std::fs::rename(&partial, path))
        .with_context(|| format!("{}: cannot be written", path.display()))
}

/// A rule under the header and nothing else: rows of numbers need no cage.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table in the house style: `words` columns of words to the left, numbers to the right.
pub(crate) struct Rows {
    table: Table,
}

impl Rows {
    pub(crate) fn new(header: &[&str], words: usize) -> Self {
        let mut table = Table::new();
        table.load_style(STYLE).set_header(header);
        for (index, column) in table.column_iter_mut().enumerate() {
            if index >= words {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { table }
    }

    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = String>) {
        self.table.add_row(row.into_iter().collect::<Vec<_>>());
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table.trim_fmt())
    }
}
