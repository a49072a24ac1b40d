//! `pipesd sweep`: many runs from one plan, resumable, in shards.

use std::path::PathBuf;

use anyhow::Result;

use crate::cli::Sweep;
use crate::output;
use crate::progress::Progress;
use crate::runner::pool;
use crate::sweep::{
    Overrides, Parts, Plan, Points, Rows, Shard, Table, execute, print_json, print_table,
};

pub(crate) fn run(options: &Sweep) -> Result<()> {
    let overrides = Overrides { seed: options.seed, seeds: options.seeds, tokens: options.tokens };
    let plan = Plan::read(&options.plan, overrides)?;
    let combinations = plan.combinations();
    let points = pool(options.jobs)?.install(|| Points::new(plan))?;
    let left_out = combinations - points.count();
    if left_out > 0 {
        eprintln!("left out {left_out} of {combinations} combinations: they contradict themselves");
    }
    let shard = options.shard.unwrap_or(Shard::WHOLE);
    let rows = Rows { points, shard };
    if options.check {
        let (configurations, runs) = (rows.points.count(), rows.count());
        let text = format!("{configurations} configurations, {runs} runs: fine\n");
        return output::print(&text);
    }
    let folder = options.out.clone().unwrap_or_else(|| default_folder(options));
    // Before the folder is claimed: bad shards leave nothing behind.
    let parts = match options.merge.as_slice() {
        [] => None,
        folders => Some(Parts::open(&rows, folders)?),
    };
    let mut table = Table::open(&folder, &rows)?;
    if table.rows < rows.count() {
        match parts {
            Some(parts) => parts.merge(&rows, &mut table)?,
            None => run_rows(&rows, options.jobs, &mut table)?,
        }
    }
    let path = table.finish()?;
    if options.json {
        print_json(&path, &rows)
    } else if options.summary {
        print_table(&path, &rows)
    } else {
        output::print(&format!("{} rows in {}\n", rows.count(), path.display()))
    }
}

/// `results/PLAN`, a folder of its own for each shard.
fn default_folder(options: &Sweep) -> PathBuf {
    let stem = options.plan.file_stem().unwrap_or_default().to_string_lossy();
    let name = match options.shard {
        None => stem.into_owned(),
        Some(Shard { index, of }) => format!("{stem}-{index}-of-{of}"),
    };
    PathBuf::from("results").join(name)
}

fn run_rows(rows: &Rows, jobs: Option<u32>, table: &mut Table) -> Result<()> {
    let first = table.rows;
    if first > 0 {
        eprintln!("goes on after {first} of {} rows", rows.count());
    }
    let weight = |from, to| (from..to).map(|row| rows.weight(row)).fold(0, u64::saturating_add);
    let mut done = weight(0, first);
    let progress = Progress::new("sweep", done, rows.weight_of_all());
    let result = execute(rows, first, jobs, |bundle| {
        let before = table.rows;
        table.append(bundle)?;
        done = done.saturating_add(weight(before, table.rows));
        progress.set(done, || format!("{} of {} runs", table.rows, rows.count()));
        Ok(())
    });
    progress.finish();
    result
}
