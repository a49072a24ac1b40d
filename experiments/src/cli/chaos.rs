//! What can be typed for runs in which everything goes wrong.

use clap::Args;

/// Run many random methods, links, clouds and fault plans in virtual time, and check that every text is
/// right. With --canary: check that a saboteur is caught by the very same runs.
#[derive(Debug, Args)]
pub(crate) struct Chaos {
    /// Runs, with seeds SEED, SEED+1, ...
    #[arg(long, default_value_t = 1000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) runs: u32,
    /// The first run's seed.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// A saboteur at work in each run: accept-one-too-many, keep-stale-round, deliver-early,
    /// extra-off-by-one.
    #[arg(long, value_name = "NAME")]
    pub(crate) canary: Option<String>,
    /// Of one run: print its faults to stderr and its events.
    #[arg(long, conflicts_with = "canary")]
    pub(crate) log: bool,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
}
