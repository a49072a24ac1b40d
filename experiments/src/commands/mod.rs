//! One file for each command.

mod keys;
mod live;
mod plan;
mod reproduce;
mod simulate;
mod sweep;
mod timeline;
mod trace;
mod tune;

use anyhow::Result;

use crate::cli::{Arguments, Command, Models};

/// Does what was asked.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Reproduce(options) if options.live => live::table(options),
        Command::Reproduce(options) => reproduce::run(options),
        Command::Simulate(options) => simulate::run(options),
        Command::Sweep(options) => sweep::run(options),
        Command::Tune(options) => tune::run(options),
        Command::Plan(options) => plan::run(options),
        Command::Chaos(options) => crate::chaos::run(options),
        Command::Keys(options) => keys::run(options),
        Command::Cloud(options) => live::cloud(options),
        Command::Edge(options) => live::edge(options),
        Command::Testbed(options) => live::testbed(options),
        Command::Trace(options) => trace::run(options),
        Command::Doctor(options) => live::doctor(options),
        Command::Models(Models::Check(options)) => live::models_check(options),
        Command::Models(Models::Train(options)) => live::models_train(options),
    }
}
