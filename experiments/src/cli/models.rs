//! What can be typed for models and for the machine that they run on.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// Look what of a pair is there, and name where the rest is published. Without PAIR: of every shipped
    /// one.
    Check(ModelsCheck),
}

#[derive(Debug, Args)]
pub(crate) struct ModelsCheck {
    /// An entry of the shipped models/pairs.toml, or of another file of its form.
    #[arg(value_name = "NAME|FILE[:ENTRY]")]
    pub(crate) pair: Option<String>,
    /// The folder that the paths of a pair are relative to. Default: $PIPESD_MODELS, or `models`; of a
    /// pair of a file: the file's own.
    #[arg(long, value_name = "DIR")]
    pub(crate) models: Option<PathBuf>,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print one JSON document instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}
