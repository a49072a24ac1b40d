//! What can be typed for the live testbed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Configure;

/// Where a live run's models come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// No models: the profile's texts, played with its latencies in real time.
    #[default]
    Emulated,
}

/// One live run; both ends must be given the same profile, backend, seed and tokens.
#[derive(Debug, Args)]
pub(crate) struct LiveRun {
    /// Where the models come from.
    #[arg(long, value_enum, default_value_t = Backend::Emulated)]
    pub(crate) backend: Backend,
    /// Seed of texts, latencies and link.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Output tokens, rounded up to whole prompts; each takes real time. Default: 130.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) tokens: Option<u64>,
    /// Write this end's run log to DIR.
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,
    /// Print one JSON document instead of ids as they come and a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "live")]
impl LiveRun {
    /// Output tokens of a run, unless it is told otherwise.
    pub(crate) const TOKENS: u64 = 130;

    /// Output tokens.
    pub(crate) fn tokens(&self) -> u64 {
        self.tokens.unwrap_or(Self::TOKENS)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Cloud {
    #[command(flatten)]
    pub(crate) configuration: Configure,
    #[command(flatten)]
    pub(crate) run: LiveRun,
    /// Where to listen; port 0: any free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// The address that the ticket names, if edges reach this machine by another.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) advertise: Option<SocketAddr>,
    /// Keep key and secret in FILE, so that the ticket stays the same; default: new ones each time.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// End when the first edge has gone, or if none comes within 30 s.
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Edge {
    /// The ticket that `pipesd cloud` has printed; @FILE: the file that holds it; -: from stdin. Typed
    /// itself, others on this machine can read it.
    #[arg(long, value_name = "TICKET|@FILE|-")]
    pub(crate) connect: String,
    /// This edge's number, where a cloud serves several.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) edge: u32,
    #[command(flatten)]
    pub(crate) configuration: Configure,
    #[command(flatten)]
    pub(crate) run: LiveRun,
    /// Use the network as it is: emulate no link.
    #[arg(long)]
    pub(crate) plain: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Testbed {
    #[command(flatten)]
    pub(crate) configuration: Configure,
    #[command(flatten)]
    pub(crate) run: LiveRun,
    /// Use loopback as it is: emulate no link.
    #[arg(long, conflicts_with = "fidelity")]
    pub(crate) plain: bool,
    /// Run the shipped plan of live runs and hold the simulator against them (about half an hour;
    /// resumable). Of the other options --seed, --tokens, --out and --json apply.
    #[arg(long)]
    pub(crate) fidelity: bool,
    /// Write the document to DIR/summary.json; with --fidelity, recordings too.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
