//! What can be typed for models and for the machine that they run on.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// Look what of a pair is there, and name where the rest is published. Without PAIR: of every shipped
    /// one.
    Check(ModelsCheck),
    /// Train the small pair that ships: corpus, tokenizer, draft and target, on the CPU, in under an hour.
    /// After an interruption the same command goes on.
    Train(ModelsTrain),
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

#[derive(Debug, Args)]
pub(crate) struct ModelsTrain {
    /// Where the models, their prompts and the record of the training go.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Seed of corpus and initial weights.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Threads of libtorch; the same number gives the same weights. Default: one for each core.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: Option<u32>,
    /// Noted in the record: the commit that trains.
    #[arg(long)]
    pub(crate) commit: Option<String>,
    /// Only as much as shows that all of it works.
    #[arg(long)]
    pub(crate) smoke: bool,
}
