//! Runs many independent pieces of work in parallel, with progress on stderr. Parallel over runs, never
//! inside one; results come back in the order of the tasks, whatever finished first.

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use pipesd_core::seed::Seed;
use pipesd_sim::world::{RunResult, Setup, run};
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::items::Context;

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Task<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) seed: Seed,
    /// The command that runs this task alone, for error messages.
    pub(crate) command: String,
}

impl Task<'_> {
    pub(crate) fn run(&self) -> Result<RunResult> {
        run(self.setup, self.seed).with_context(|| format!("this run failed: {}", self.command))
    }
}

/// Runs the tasks on `jobs` cores (default: all).
pub(crate) fn run_all(
    tasks: &[Task<'_>],
    label: &str,
    jobs: Option<u32>,
) -> Result<Vec<RunResult>> {
    map_all(tasks, label, jobs, Task::run)
}

/// `work` on each of an item's tasks; results that an interrupted run left are taken from there.
/// `stage` names the tasks within the item.
pub(crate) fn map_kept<T: Sync, R: Send + Serialize + DeserializeOwned>(
    tasks: &[T],
    stage: &str,
    context: &Context<'_>,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let numbered: Vec<(usize, &T)> = tasks.iter().enumerate().collect();
    map_all(&numbered, context.label, context.jobs, |&(index, task)| {
        if let Some(result) = context.checkpoint.find(stage, index) {
            return Ok(result);
        }
        let result = work(task)?;
        context.checkpoint.add(stage, index, &result)?;
        Ok(result)
    })
}

/// `work` on each of `tasks` on `jobs` cores (default: all); the first error in their order ends it.
pub(crate) fn map_all<T: Sync, R: Send>(
    tasks: &[T],
    label: &str,
    jobs: Option<u32>,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let pool = pool(jobs)?;
    let progress = progress_bar(tasks.len() as u64);
    progress.set_message(label.to_owned());
    let results = pool.install(|| {
        let one = |task: &T| {
            let result = work(task);
            progress.inc(1);
            result
        };
        tasks.par_iter().map(one).collect()
    });
    progress.finish_and_clear();
    results
}

/// `jobs` threads, or one for each core.
pub(crate) fn pool(jobs: Option<u32>) -> Result<rayon::ThreadPool> {
    let threads = jobs.map_or(0, |jobs| jobs as usize);
    Ok(rayon::ThreadPoolBuilder::new().num_threads(threads).build()?)
}

/// A bar with the time left on stderr; drawn on a terminal only.
pub(crate) fn progress_bar(runs: u64) -> ProgressBar {
    ProgressBar::new(runs).with_style(
        ProgressStyle::with_template("{msg:12} {bar:40} {pos}/{len} runs, {eta} left")
            .expect("a valid template"),
    )
}
