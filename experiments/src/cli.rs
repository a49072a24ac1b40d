//! The command line: what can be typed. What it means is decided in [`crate::input`].

mod chaos;
mod live;
mod models;
mod trace;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::chaos::Chaos;
#[cfg(feature = "live")]
pub(crate) use self::live::{Backend, LiveRun, LogForm, Stage};
pub(crate) use self::live::{Cloud, Edge, PairChoice, Testbed};
pub(crate) use self::models::{Doctor, Models, ModelsCheck, ModelsTrain};
pub(crate) use self::trace::{Trace, TraceCheck, TraceExport, TraceInspect, TraceRecord};
use crate::sweep::Shard;

/// Simulates cloud-edge speculative decoding and reproduces the tables of PipeSD.
#[derive(Debug, Parser)]
#[command(name = "pipesd", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Remake tables of the paper and print them beside the published values.
    Reproduce(Reproduce),
    /// Simulate one configuration and print its summary; draw it with --timeline.
    Simulate(Simulate),
    Sweep(Sweep),
    /// Find a method's thresholds in the simulator by Bayesian optimisation, or a rival of it. A
    /// threshold that --set gives stays as it is.
    Tune(Tune),
    /// Print the optimal upload plan for given costs, beside the other upload policies.
    Plan(Plan),
    Chaos(Chaos),
    /// Serve as the cloud of the live testbed; prints the ticket that edges connect with.
    Cloud(Cloud),
    /// Decode as an edge of the live testbed.
    Edge(Edge),
    /// Decode live with both ends on this machine, over QUIC, link and device emulated.
    Testbed(Testbed),
    /// Recorded texts and live runs: make them, look at them, check them.
    #[command(subcommand)]
    Trace(Trace),
    /// Pairs of models for the live testbed.
    #[command(subcommand)]
    Models(Models),
    /// Say what the live testbed finds on this machine, and what to type for what is missing.
    Doctor(Doctor),
    /// Print the keys of --set: units, ranges, defaults, meanings.
    Keys(Keys),
}

#[derive(Debug, Args)]
pub(crate) struct Reproduce {
    /// What to remake; default: all of it. Items: table1 table2 table3 table4 table5 table6 table7 fig5
    /// fig6 appendix-f appendix-i s4 break-even closed-forms small.
    #[arg(value_name = "ITEM")]
    pub(crate) items: Vec<String>,
    /// Print one JSON document for each item instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
    /// Runs of each cell, with seeds SEED, SEED+1, ...; default: as the item's plan says.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) seeds: Option<u32>,
    /// Output tokens of each run; default: as the item's plan says.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) tokens: Option<u64>,
    /// Only as much as shows that all of it works.
    #[arg(long)]
    pub(crate) smoke: bool,
    /// Make items again that are kept from before.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Runs at a time; default: one for each core. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) jobs: Option<u32>,
    /// Where rows, summaries and figures are written, a folder for each item, and report.html; default:
    /// results, and a folder of its own in it for any other size or seed than the plans'.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Of `closed-forms`: predict this pair of devices, in a file of the form of
    /// experiments/plans/closed-forms-jetson.toml, instead of that one.
    #[arg(long, value_name = "FILE", conflicts_with = "live")]
    pub(crate) hardware: Option<PathBuf>,
    /// Decode cells of `table1` on the live testbed, in real time (default: 260 tokens each).
    #[arg(long, conflicts_with_all = ["smoke", "seeds", "jobs"])]
    pub(crate) live: bool,
    /// With --live: only this profile's cells; may be repeated.
    #[arg(long = "profile", value_name = "NAME", requires = "live")]
    pub(crate) profiles: Vec<String>,
    /// With --live: only this scenario's cells; may be repeated.
    #[arg(long = "scenario", value_name = "NAME", requires = "live")]
    pub(crate) scenarios: Vec<String>,
    /// With --live: only this method's cells; may be repeated.
    #[arg(long = "method", value_name = "NAME", requires = "live")]
    pub(crate) methods: Vec<String>,
}

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Configure {
    /// Models and testbed: a shipped profile's name, a TOML file, or a folder with a profile.toml.
    #[arg(long, default_value = "humaneval", value_name = "NAME|PATH")]
    pub(crate) profile: String,
    /// Device and links: a shipped scenario's name, or a TOML file.
    #[arg(long, default_value = "s1-laptop", value_name = "NAME|PATH")]
    pub(crate) scenario: String,
    /// A shipped method's name, or a TOML file.
    #[arg(long, default_value = "pipesd", value_name = "NAME|PATH")]
    pub(crate) method: String,
    /// Change one thing, e.g. `sequence_threshold=0.9`, `payload=ids`, `uplink_mbps=40`,
    /// `draft_ms=30`; may be repeated, once for each key. An unknown key lists all keys.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
}

/// Pictures of one run; of several seeds the first.
#[derive(Debug, Args)]
pub(crate) struct Drawing {
    /// Draw the run's pipeline as an SVG file.
    #[arg(long, value_name = "FILE")]
    pub(crate) timeline: Option<PathBuf>,
    /// Where the timeline begins, in seconds of the first prompt's decoding.
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS", requires = "timeline")]
    pub(crate) timeline_from: f64,
    /// How many seconds the timeline shows.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS", requires = "timeline")]
    pub(crate) timeline_length: f64,
    /// Draw the timeline for a narrow screen.
    #[arg(long, requires = "timeline")]
    pub(crate) timeline_narrow: bool,
    /// Write the run as a trace that ui.perfetto.dev opens.
    #[arg(long, value_name = "FILE")]
    pub(crate) perfetto: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Simulate {
    #[command(flatten)]
    pub(crate) configuration: Configure,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Runs, with seeds SEED, SEED+1, ...; intervals are over these.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) seeds: u32,
    /// Output tokens of each run, rounded up to whole prompts.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) tokens: u64,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the same document to DIR/summary.json.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) drawing: Drawing,
    /// Write every event of the first seed's run, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    /// Runs at a time; default: one for each core. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) jobs: Option<u32>,
}

/// Run every combination of a plan's axes, or a random sample, and write one row for each run.
///
/// Rows go to DIR/rows.csv in the plan's order, as they come. The same command after an interruption
/// goes on where it stopped.
///
/// A plan is a TOML file: `seeds`, `seed`, `tokens`, and under `[axes]` any of `profile`, `scenario`,
/// `method`, `tokens` and the keys of --set, each with a value, a list, or a range: `10..80 step 10`,
/// `5ms..50ms step 5ms`, `1..1000 points 7 log`. Axes under `[[zip]]` move together.
/// `design = "random"` with `samples = N` draws values, also from `A..B` and `A..B log`.
#[derive(Debug, Args)]
pub(crate) struct Sweep {
    /// The plan.
    #[arg(value_name = "PLAN.toml")]
    pub(crate) plan: PathBuf,
    /// Where rows.csv is written; default: results/PLAN, and results/PLAN-I-of-N for a shard.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Run only every N-th run, beginning with the I-th.
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Run nothing: put together the finished folders of all shards, to the same bytes.
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with_all = ["shard", "check"])]
    pub(crate) merge: Vec<PathBuf>,
    /// Run nothing: read the plan, check every combination, and count the runs.
    #[arg(long)]
    pub(crate) check: bool,
    /// First seed; default: as the plan says. It keys a random design too.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Runs of each configuration; default: as the plan says.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) seeds: Option<u32>,
    /// Output tokens of each run; default: as the plan says.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) tokens: Option<u64>,
    /// Print a table of all configurations at the end, means and intervals over seeds.
    #[arg(long)]
    pub(crate) summary: bool,
    /// Print that as one JSON document, with all figures.
    #[arg(long, conflicts_with = "summary")]
    pub(crate) json: bool,
    /// Runs at a time; default: one for each core. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) jobs: Option<u32>,
}

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Plan {
    /// α: start-up of one upload (ms).
    #[arg(long, default_value_t = 25.0, value_name = "MS")]
    pub(crate) startup_ms: f64,
    /// β: upload time of one token (ms); the default is the full payload at 20 Mbit/s.
    #[arg(long, default_value_t = 116.1, value_name = "MS")]
    pub(crate) per_token_ms: f64,
    /// γ: draft time of one token (ms).
    #[arg(long, default_value_t = 44.5, value_name = "MS")]
    pub(crate) draft_ms: f64,
    /// N̂: the window to plan (tokens), at most 4096.
    #[arg(long, default_value_t = 6, value_name = "N")]
    pub(crate) tokens: u32,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// Print one JSON document instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the README's table.
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Tune {
    #[command(flatten)]
    pub(crate) configuration: Configure,
    /// How to search.
    #[arg(long, value_enum, default_value_t = Strategy::Bayes, conflicts_with = "compare")]
    pub(crate) strategy: Strategy,
    /// Search in every way, at equal budgets.
    #[arg(long)]
    pub(crate) compare: bool,
    /// Candidates that a search tries.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) evaluations: u32,
    /// Output tokens of each candidate's run: up to a prompt's length as given (the paper's are 20),
    /// beyond rounded up to whole prompts.
    #[arg(long, default_value_t = 130, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) tokens: u64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Searches, with seeds SEED, SEED+1, ...; intervals are over these.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) searches: u32,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Searches at a time; default: one for each core. Results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) jobs: Option<u32>,
    /// Decode each candidate live, both ends on this machine, in real time (resumable).
    #[arg(long)]
    pub(crate) live: bool,
    #[command(flatten)]
    pub(crate) models: PairChoice,
    /// With --live: hold the search against a live grid of N points for each threshold, from end to end,
    /// and against what the simulator recommends from a recording.
    #[arg(long, value_name = "N", requires = "live", value_parser = clap::value_parser!(u32).range(2..=16))]
    pub(crate) against_grid: Option<u32>,
    /// With --live: where runs are kept. Default: results/tune-live.
    #[arg(long, value_name = "DIR", requires = "live")]
    pub(crate) out: Option<PathBuf>,
}

/// Ways to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strategy {
    /// Ours: space-filling start, noise-aware expected improvement, least posterior mean.
    Bayes,
    /// The paper's: one random start, expected improvement with ξ = 0.1, best observed.
    Paper,
    /// The centres of equal cells, best observed.
    Grid,
    /// A grid from end to end of each threshold's range, best observed.
    GridEnds,
    /// Random points, best observed.
    Random,
}

impl Strategy {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Bayes, Self::Paper, Self::Grid, Self::GridEnds, Self::Random];

    /// Its name on the command line and in results.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Bayes => "bayes",
            Self::Paper => "paper",
            Self::Grid => "grid",
            Self::GridEnds => "grid-ends",
            Self::Random => "random",
        }
    }
}
