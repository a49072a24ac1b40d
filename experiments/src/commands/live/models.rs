//! `pipesd models check`: what is there of models.

use anyhow::Result;
use pipesd_hw::pair::{Found, Pair, Piece};
use serde_json::{Value, json};

use crate::cli::ModelsCheck;
use crate::input::{load_pair, shipped_pairs};
use crate::output;

/// Looks at a pair, or at all that ship. A pair that was named and is not whole is a failure.
pub(crate) fn models_check(options: &ModelsCheck) -> Result<()> {
    let models = options.models.as_deref();
    let pairs = match &options.pair {
        Some(choice) => vec![load_pair(choice, models)?],
        None => shipped_pairs(models),
    };
    let checked: Vec<(&Pair, Vec<Piece>)> = pairs.iter().map(|pair| (pair, pair.check())).collect();
    if options.json {
        let documents: Vec<Value> =
            checked.iter().map(|(pair, pieces)| document(pair, pieces)).collect();
        output::print_json(&documents)?;
    } else {
        let tables = checked.iter().map(|(pair, pieces)| table(pair, pieces));
        output::print(&tables.collect::<Vec<_>>().join("\n"))?;
    }
    if let (Some(_), [(pair, pieces)]) = (&options.pair, checked.as_slice()) {
        let lacking = pieces.iter().filter(|piece| !is_present(piece)).count();
        let (name, count) = (&pair.name, pieces.len());
        anyhow::ensure!(
            lacking == 0,
            "{lacking} of {count} parts of the pair {name} are not there"
        );
    }
    Ok(())
}

fn is_present(piece: &Piece) -> bool {
    matches!(piece.found, Found::Present(_))
}

/// Which machine needs a part.
fn needed_by(piece: &Piece) -> &'static str {
    match piece.what.as_str() {
        "target" => "cloud",
        _ => "edge",
    }
}

fn words(found: &Found) -> (&'static str, &str) {
    match found {
        Found::Present(words) => ("present", words),
        Found::Missing => ("missing", ""),
        Found::Wrong(problem) => ("wrong", problem),
    }
}

fn document(pair: &Pair, pieces: &[Piece]) -> Value {
    let piece = |piece: &Piece| {
        let (state, words) = words(&piece.found);
        json!({
            "part": piece.what,
            "needed_by": needed_by(piece),
            "path": piece.path,
            "state": state,
            "words": words,
            "published": piece.published,
            "licence": piece.licence,
        })
    };
    json!({
        "pair": pair.name,
        "description": pair.spec.description,
        "complete": pieces.iter().all(is_present),
        "parts": pieces.iter().map(piece).collect::<Vec<_>>(),
    })
}

fn table(pair: &Pair, pieces: &[Piece]) -> String {
    let mut rows = output::Rows::new(&["part", "needed by", "path", "state", ""], 5);
    for piece in pieces {
        let (state, words) = words(&piece.found);
        let path = piece.path.display().to_string();
        rows.push([piece.what.as_str(), needed_by(piece), &path, state, words].map(str::to_owned));
    }
    let mut text = format!("{}: {}\n{rows}\n", pair.name, pair.spec.description);
    for piece in pieces.iter().filter(|piece| !is_present(piece)) {
        if let Some(published) = &piece.published {
            let licence = piece.licence.as_deref().unwrap_or("not known");
            let what = &piece.what;
            text.push_str(&format!(
                "the {what} is published at {published} (licence: {licence})\n"
            ));
        }
    }
    text
}
