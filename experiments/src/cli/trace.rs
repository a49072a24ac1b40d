//! What can be typed for recordings: texts, and live runs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Configure, Drawing, PairChoice};

#[derive(Debug, Subcommand)]
pub(crate) enum Trace {
    Export(TraceExport),
    Record(TraceRecord),
    /// Count what is in a trace: texts, tokens, mismatches, confidences, rollouts, times. Of a
    /// recorded live run: show both ends' events on one clock.
    Inspect(TraceInspect),
    /// Check that a trace can be played; what is wrong is told with its text and position. Of a
    /// recorded live run: check that its inputs give its outputs again, bit for bit.
    Check(TraceCheck),
}

/// Write down all that the simulator would draw for a profile's requests, as a trace that it plays
/// again and that the emulated models of the live testbed play in real time.
#[derive(Debug, Args)]
pub(crate) struct TraceExport {
    /// Models and testbed: a shipped profile's name, a TOML file, or a folder with a profile.toml.
    #[arg(long, default_value = "humaneval", value_name = "NAME|PATH")]
    pub(crate) profile: String,
    /// Whose device drafts: a shipped scenario's name, or a TOML file. Its links are not in a trace.
    #[arg(long, default_value = "s1-laptop", value_name = "NAME|PATH")]
    pub(crate) scenario: String,
    /// Change a model or its texts, e.g. `draft_ms=30`, `output_tokens=40`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
    /// Of the run whose texts and times these are.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Texts.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) requests: u32,
    /// Steps that the draft goes on after each mismatch, where the end of the text is not further.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(64..=4096))]
    pub(crate) rollout: u32,
    /// The trace, FILE.json; or a folder for profile.toml and trace.json, which `--profile DIR` reads.
    #[arg(long, value_name = "FILE.json|DIR")]
    pub(crate) out: PathBuf,
}

/// Decode live with both ends on this machine and keep all of it: run logs, texts, measured times, and
/// the profile that they make.
#[derive(Debug, Args)]
pub(crate) struct TraceRecord {
    #[command(flatten)]
    pub(crate) configuration: Configure,
    #[command(flatten)]
    pub(crate) models: PairChoice,
    /// With --backend models: steps that the draft goes on after each mismatch.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(64..=4096))]
    pub(crate) rollout: u32,
    /// Seed of texts, latencies and link.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Output tokens, rounded up to whole prompts; each takes real time.
    #[arg(long, default_value_t = 260, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) tokens: u64,
    /// The folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct TraceInspect {
    /// The trace; or the folder of a recorded live run.
    #[arg(value_name = "FILE|DIR")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) drawing: Drawing,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TraceCheck {
    /// The trace; or the folder of a recorded live run, or one of its logs (FILE.jsonl).
    #[arg(value_name = "FILE|DIR")]
    pub(crate) file: PathBuf,
}
