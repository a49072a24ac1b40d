//! From what was typed to what is run: names and paths, files, `--set`, and every check on the way.
//!
//! Bad input is a [`BadInput`]: its message names the file (with the line) or the flag, what was
//! wrong and what would be right.

mod catalogue;
mod files;
mod keys;
#[cfg(feature = "live")]
mod pairs;
mod rerun;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod tuning;

use std::fmt;

pub(crate) use self::catalogue::{COMPARED, METHODS, PROFILES, SCENARIOS};
pub(crate) use self::files::{
    load_bandwidth, load_method, load_profile, load_scenario, load_trace,
};
pub(crate) use self::keys::{KEYS, Key, markdown, set_keys};
#[cfg(feature = "live")]
pub(crate) use self::pairs::{load_pair, shipped_pairs};
#[cfg(feature = "live")]
pub(crate) use self::rerun::live_command;
pub(crate) use self::rerun::{command, quoted, seed_range};
#[cfg(test)]
pub(crate) use self::settings::METHOD_KEYS;
pub(crate) use self::settings::{Choice, Configuration};

/// The user's input is wrong: exit code 2.
#[derive(Debug)]
pub(crate) struct BadInput(pub(crate) String);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// Bad input as an error with a message.
macro_rules! bad_input {
    ($($message:tt)*) => { $crate::input::BadInput(format!($($message)*)) };
}
pub(crate) use bad_input;
