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
    /// The models of `--pair`: an edge needs the draft, the tokenizer and the prompts, a cloud the target.
    Models,
}

/// A part of the comparison with the target alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// The models behind the simulator's links.
    Virtual,
    /// Two processes, QUIC, the network as it is.
    Quic,
    /// The same over the scenarios' links, emulated in real time.
    Emulated,
}

/// Models, or what stands for them.
#[derive(Clone, Debug, Args)]
pub(crate) struct PairChoice {
    /// Where the models come from.
    #[arg(long, value_enum, default_value_t = Backend::Emulated)]
    pub(crate) backend: Backend,
    /// With --backend models: an entry of the shipped models/pairs.toml, or of another file of its form.
    #[arg(long, value_name = "NAME|FILE[:ENTRY]")]
    pub(crate) pair: Option<String>,
    /// The folder that the paths of a pair are relative to. Default: $PIPESD_MODELS, or `models`; of a
    /// pair of a file: the file's own.
    #[arg(long, value_name = "DIR")]
    pub(crate) models: Option<PathBuf>,
    /// With --backend models: prompts to decode, round and round. Default: as many as have --tokens
    /// together if each spends its whole budget.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) requests: Option<u32>,
    /// With --backend models: prompts of this family alone.
    #[arg(long, value_name = "NAME")]
    pub(crate) family: Option<String>,
    /// With --backend models: sampling temperature, 0 to 100.
    #[arg(long, default_value_t = 0.0, value_name = "T")]
    pub(crate) temperature: f64,
    /// With --backend models: the target evaluates in blocks of N rows, however many tokens there are, so
    /// that its logits do not depend on it to the last bit; slower, for tests of exactness.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) fixed_block: Option<u32>,
}

impl Default for PairChoice {
    fn default() -> Self {
        Self {
            backend: Backend::Emulated,
            pair: None,
            models: None,
            requests: None,
            family: None,
            temperature: 0.0,
            fixed_block: None,
        }
    }
}

impl PairChoice {
    /// The options that are not as they are by default, as words of a command line.
    pub(crate) fn words(&self) -> Vec<String> {
        let Self { backend, pair, models, requests, family, temperature, fixed_block } = self;
        let models = models.as_ref().map(|folder| folder.display().to_string());
        let temperature = (*temperature != 0.0).then(|| temperature.to_string());
        let backend = (*backend == Backend::Models).then(|| "models".to_owned());
        [
            ("--backend", backend),
            ("--pair", pair.clone()),
            ("--models", models),
            ("--requests", requests.map(|requests| requests.to_string())),
            ("--family", family.clone()),
            ("--temperature", temperature),
            ("--fixed-block", fixed_block.map(|rows| rows.to_string())),
        ]
        .into_iter()
        .filter_map(|(flag, value)| Some([flag.to_owned(), value?]))
        .flatten()
        .collect()
    }

    /// An option about models, if one is given.
    pub(crate) fn given(&self) -> Option<String> {
        let words = self.words();
        let flag = words.chunks(2).map(|pair| &pair[0]).find(|flag| *flag != "--backend");
        flag.cloned()
    }
}

/// One live run; both ends must be given the same profile, backend, pair, seed and tokens.
#[derive(Debug, Args)]
pub(crate) struct LiveRun {
    #[command(flatten)]
    pub(crate) models: PairChoice,
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

/// The form of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// A line of text for each event.
    Text,
    /// A JSON object for each.
    Json,
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
    /// Show metrics for Prometheus at http://ADDRESS:PORT/metrics.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Log links and sessions to stderr.
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) log: Option<LogForm>,
    /// End when the first edge has gone, or if none comes within 30 s.
    #[arg(long)]
    pub(crate) once: bool,
    /// End when standard input does: a program has started this one, and it has gone.
    #[arg(long, hide = true)]
    pub(crate) ends_with_stdin: bool,
    /// The plan of faults began so long ago, and a program that watches over this one restarts it.
    #[arg(long, hide = true, value_name = "MS")]
    pub(crate) faults_began_ms: Option<u64>,
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
    /// What is done without a link: wait, or draft on alone, marking what is not verified, and have it
    /// verified when the cloud is back. The same as --set offline=...
    #[arg(long, value_name = "wait|draft")]
    pub(crate) offline: Option<String>,
    /// Keep what is committed in FILE as it comes; an edge that was killed goes on from there.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Testbed {
    #[command(flatten)]
    pub(crate) configuration: Configure,
    #[command(flatten)]
    pub(crate) run: LiveRun,
    /// Use loopback as it is: emulate no link.
    #[arg(long, conflicts_with_all = ["fidelity", "lossless", "modes"])]
    pub(crate) plain: bool,
    /// Run the shipped plan of live runs and hold the simulator against them (about half an hour;
    /// resumable). Of the other options those about models, --seed, --tokens, --out and --json apply.
    #[arg(long)]
    pub(crate) fidelity: bool,
    /// With models: decode with every method, and with every other way to deploy the two, in one table
    /// (resumable).
    #[arg(long, conflicts_with_all = ["fidelity", "lossless"])]
    pub(crate) modes: bool,
    /// Hold what every method and exact payload decodes with a pair against what its target writes alone:
    /// 200 prompts (--requests) in virtual time and over QUIC, 5 over emulated links.
    #[arg(long, conflicts_with = "fidelity")]
    pub(crate) lossless: bool,
    /// 1, 4 and 16 edges that share a cloud, NAVs verified one by one and in shared passes, live and
    /// simulated (resumable).
    #[arg(long, conflicts_with_all = ["fidelity", "lossless", "modes", "plain"])]
    pub(crate) shared: bool,
    /// With --lossless: this stage alone.
    #[arg(long, value_enum, requires = "lossless")]
    pub(crate) stage: Option<Stage>,
    /// Write the document to DIR/summary.json; with --fidelity and --modes, recordings too.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
