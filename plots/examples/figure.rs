//! Draws the figures of one item from its result file, for paper and for narrow screens:
//! `figure ITEM ROWS.csv FOLDER`.

use std::error::Error;
use std::path::Path;

use pipesd_plots::{figures::figures_of, results};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [item, rows, folder] = &arguments[..] else {
        return Err("usage: figure ITEM ROWS.csv FOLDER".into());
    };
    let rows = results::read(Path::new(rows))?;
    for figure in figures_of(item) {
        let chart = (figure.draw)(&rows)?;
        std::fs::write(Path::new(folder).join(figure.file), chart.to_svg()?)?;
        if let Some(narrow) = chart.narrow() {
            let file = format!("narrow-{}", figure.file);
            std::fs::write(Path::new(folder).join(file), narrow.to_svg()?)?;
        }
        println!("{}", figure.file);
    }
    Ok(())
}
