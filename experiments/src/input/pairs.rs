//! Reads pairs of models, shipped or from files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use pipesd_hw::pair::{Pair, PairSpec, parse};

use super::bad_input;
use super::catalogue::PAIRS;

/// Names the models' folder, where `--models` does not.
const VARIABLE: &str = "PIPESD_MODELS";

/// Where the shipped pairs' models are.
fn models_folder(given: Option<&Path>) -> PathBuf {
    let named = || std::env::var_os(VARIABLE).map(PathBuf::from);
    given.map(Path::to_owned).or_else(named).unwrap_or_else(|| "models".into())
}

fn shipped() -> BTreeMap<String, PairSpec> {
    parse(PAIRS).expect("the shipped pairs are valid")
}

/// Every shipped pair.
pub(crate) fn shipped_pairs(models: Option<&Path>) -> Vec<Pair> {
    let root = models_folder(models);
    let pair = |(name, spec)| Pair { name, spec, root: root.clone() };
    shipped().into_iter().map(pair).collect()
}

/// A shipped pair by name; or an entry of a file, by `FILE:ENTRY`, or by `FILE` if it has one alone.
pub(crate) fn load_pair(choice: &str, models: Option<&Path>) -> Result<Pair> {
    let mut entries = shipped();
    if let Some(spec) = entries.remove(choice) {
        return Ok(Pair { name: choice.to_owned(), spec, root: models_folder(models) });
    }
    let (file, entry) = match choice.rsplit_once(':') {
        Some((file, entry)) if !entry.contains(['/', '\\', '.']) => (file, Some(entry)),
        _ => (choice, None),
    };
    if !file.contains(['/', '\\']) && !file.ends_with(".toml") {
        let known = names(&entries);
        return Err(bad_input!(
            "--pair {choice}: no such pair; shipped are {known}; or give a file, FILE.toml:ENTRY"
        )
        .into());
    }
    let path = Path::new(file);
    let text = std::fs::read_to_string(path)
        .map_err(|error| bad_input!("{file}: cannot be read: {error}"))?;
    let mut entries = parse(&text).map_err(|problem| bad_input!("{file}: {problem}"))?;
    let name = match entry {
        Some(entry) => entry.to_owned(),
        None if entries.len() == 1 => entries.keys().next().cloned().unwrap_or_default(),
        None => {
            let (count, known) = (entries.len(), names(&entries));
            return Err(bad_input!(
                "--pair {choice}: the file has {count} pairs ({known}); name one: {file}:ENTRY"
            )
            .into());
        }
    };
    let Some(spec) = entries.remove(&name) else {
        let known = names(&entries);
        return Err(bad_input!("--pair {choice}: the file has no pair `{name}`: {known}").into());
    };
    let own = || path.parent().unwrap_or(Path::new("")).to_owned();
    let root = models.map_or_else(own, Path::to_owned);
    Ok(Pair { name, spec, root })
}

fn names(entries: &BTreeMap<String, PairSpec>) -> String {
    entries.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}
