//! `pipesd`: simulate cloud-edge speculative decoding, and reproduce PipeSD's tables.
//!
//! Results go to stdout or to files, progress to stderr. Exit codes: 0 done, 1 the run failed, 2 the
//! input was bad.

#![forbid(unsafe_code)]

mod chaos;
mod cli;
mod commands;
mod figures;
mod input;
mod items;
mod keep;
#[cfg(feature = "live")]
mod live;
mod output;
mod page;
mod program;
mod progress;
mod runner;
mod search;
mod statistics;
mod sweep;

use std::process::ExitCode;

use clap::Parser;

use crate::input::BadInput;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match commands::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has seen enough: that is no failure.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<BadInput>() { 2 } else { 1 })
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
