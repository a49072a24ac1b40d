//! Seeds, and the command that runs a configuration again.

use std::ops::Range;

use super::{BadInput, Choice, bad_input};

/// Seeds SEED, SEED+1, ...
pub(crate) fn seed_range(first: u64, count: u32) -> Result<Range<u64>, BadInput> {
    let end = first.checked_add(u64::from(count));
    let end = end.ok_or_else(|| bad_input!("--seed {first}: too large for {count} seeds"))?;
    Ok(first..end)
}

/// The command that runs one configuration, without what is default.
pub(crate) fn command(choice: &Choice, seed: u64, seeds: u32, tokens: u64) -> String {
    let Choice { profile, scenario, method, sets } = choice;
    let mut words = String::from("pipesd simulate");
    let named = [("profile", profile), ("scenario", scenario), ("method", method)];
    for (flag, value) in named.into_iter().chain(sets.iter().map(|set| ("set", set))) {
        words.push_str(&format!(" --{flag} {}", quoted(value)));
    }
    for (flag, value, default) in
        [("seed", seed, 1), ("seeds", u64::from(seeds), 8), ("tokens", tokens, 1000)]
    {
        if value != default {
            words.push_str(&format!(" --{flag} {value}"));
        }
    }
    words
}

/// The command that makes a live run again, without what is default.
#[cfg(feature = "live")]
pub(crate) fn live_command(
    command: &str,
    choice: &Choice,
    run: &crate::cli::LiveRun,
    plain: bool,
) -> String {
    let Choice { profile, scenario, method, sets } = choice;
    let mut words = format!("pipesd {command}");
    for word in run.models.words() {
        words.push_str(&format!(" {}", quoted(&word)));
    }
    let named = [("profile", profile), ("scenario", scenario), ("method", method)];
    for (flag, value) in named.into_iter().chain(sets.iter().map(|set| ("set", set))) {
        words.push_str(&format!(" --{flag} {}", quoted(value)));
    }
    for (flag, value, default) in
        [("seed", run.seed, 1), ("tokens", run.tokens(), crate::cli::LiveRun::TOKENS)]
    {
        if value != default {
            words.push_str(&format!(" --{flag} {value}"));
        }
    }
    if plain {
        words.push_str(" --plain");
    }
    words
}

/// A word as a shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "=_-./+,:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
