//! Sums up a table of rows, configuration by configuration, in memory that does not grow with it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::axis::Values;
use super::rows::Rows;
use crate::figures::FIGURES;
use crate::input::command;
use crate::statistics::{Moments, Statistic};

/// A configuration's runs, summed up.
struct Group {
    point: u64,
    runs: u64,
    /// One for each of [`FIGURES`]; None: not measured in some run.
    figures: Vec<Option<Moments>>,
}

impl Group {
    fn new(point: u64) -> Self {
        Self { point, runs: 0, figures: vec![Some(Moments::default()); FIGURES.len()] }
    }

    fn add<'a>(&mut self, cells: impl Iterator<Item = &'a str>) -> Result<(), String> {
        self.runs += 1;
        for (moments, cell) in self.figures.iter_mut().zip(cells) {
            if cell.is_empty() {
                *moments = None;
            } else if let Some(moments) = moments {
                moments.add(cell.parse().map_err(|_| format!("`{cell}` is not a number"))?);
            }
        }
        Ok(())
    }
}

/// Reads a table once and gives its groups in order.
fn each_group(path: &Path, rows: &Rows, mut give: impl FnMut(&Group) -> Result<()>) -> Result<()> {
    let label = path.display();
    let file = File::open(path).with_context(|| format!("{label}: cannot be read"))?;
    let mut group: Option<Group> = None;
    for (row, line) in BufReader::new(file).lines().skip(1).enumerate() {
        let line = line.with_context(|| format!("{label}: cannot be read"))?;
        let point = rows.run(row as u64).point;
        if let Some(done) = group.take_if(|group| group.point != point) {
            give(&done)?;
        }
        let cells = line.split(',').skip(rows.words());
        let added = group.get_or_insert_with(|| Group::new(point)).add(cells);
        added.map_err(|problem| anyhow::anyhow!("{label}: line {}: {problem}", row + 2))?;
    }
    group.as_ref().map_or(Ok(()), give)
}

/// Student's quantiles by number of runs: few differ within a sweep, and each takes its time.
#[derive(Default)]
struct Quantiles(BTreeMap<u64, f64>);

impl Quantiles {
    fn statistic(&mut self, moments: &Moments) -> Statistic {
        let runs = moments.count();
        let factor = *self.0.entry(runs).or_insert_with(|| Moments::interval_factor(runs));
        moments.statistic(factor)
    }
}

/// Prints one JSON document, written as it comes.
pub(crate) fn print_json(path: &Path, rows: &Rows) -> Result<()> {
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    let head = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "runs": rows.runs(),
        "shard": format!("{}/{}", rows.shard.index, rows.shard.of),
        "rows": rows.count(),
        "points": rows.points.count(),
    });
    let head = head.to_string();
    write!(stdout, "{},\"configurations\":[", head.trim_end_matches('}'))?;
    let mut quantiles = Quantiles::default();
    let mut separator = "\n";
    each_group(path, rows, |group| {
        write!(stdout, "{separator}{}", group_json(group, rows, &mut quantiles))?;
        separator = ",\n";
        Ok(())
    })?;
    writeln!(stdout, "\n]}}")?;
    Ok(stdout.flush()?)
}

fn group_json(group: &Group, rows: &Rows, quantiles: &mut Quantiles) -> Value {
    let plan = &rows.points.plan;
    let point = rows.points.point(group.point);
    let choice = &point.choice;
    let mut document = json!({
        "profile": choice.profile,
        "scenario": choice.scenario,
        "method": choice.method,
        "set": choice.sets,
        "tokens": point.tokens,
        "seeds": group.runs,
    });
    if group.runs == plan.seeds {
        // A shard has but some of the seeds, and no command runs those alone.
        let again = command(choice, plan.seed, plan.seeds as u32, point.tokens);
        document["command"] = again.into();
    }
    for (figure, moments) in FIGURES.iter().zip(&group.figures) {
        document[figure.name] = match moments {
            Some(moments) => json!(quantiles.statistic(moments)),
            None => json!("not measured"),
        };
    }
    document
}

/// The figures of the table for people: name, heading, digits, and whether with its spread.
const SHOWN: [(&str, &str, usize, bool); 5] = [
    ("tpt_ms", "ms/token", 1, true),
    ("nav_frequency", "NAVs/token", 3, false),
    ("acceptance_rate", "accepted", 3, false),
    ("uplink_bytes_per_token", "bytes/token", 0, false),
    ("energy_j_per_100_tokens_cloud_active", "cloud J/100", 1, false),
];

/// Prints a table of what varies, written as it comes: its columns' widths are known before.
pub(crate) fn print_table(path: &Path, rows: &Rows) -> Result<()> {
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    let axes: Vec<(usize, usize)> = rows
        .points
        .plan
        .axes()
        .enumerate()
        .filter(|(_, axis)| axis.varies())
        .map(|(place, axis)| {
            let values = match &axis.values {
                Values::List(list) => list.iter().map(|value| value.chars().count()).max(),
                Values::Interval(_) => Some(18),
            };
            let default = "default".len();
            (place, axis.key.len().max(default).max(values.unwrap_or_default()))
        })
        .collect();
    let mut line = String::new();
    for (place, width) in &axes {
        let key = &rows.points.plan.axes().nth(*place).expect("one of the axes").key;
        line.push_str(&format!("{key:<width$}  "));
    }
    line.push_str("  runs");
    for (_, heading, _, spread) in SHOWN {
        line.push_str(&format!("  {heading:>11}"));
        if spread {
            line.push_str(&format!("  {:>8}  {:>19}", "sd", "95 % interval"));
        }
    }
    writeln!(stdout, "{line}\n{}", "─".repeat(line.chars().count()))?;
    let mut quantiles = Quantiles::default();
    each_group(path, rows, |group| {
        let values = rows.points.values(group.point);
        for (place, width) in &axes {
            let value = if values[*place].is_empty() { "default" } else { &values[*place] };
            write!(stdout, "{value:<width$}  ")?;
        }
        write!(stdout, "{:>6}", group.runs)?;
        for (name, _, digits, spread) in SHOWN {
            let place = FIGURES.iter().position(|figure| figure.name == name);
            let moments = &group.figures[place.expect("one of the figures")];
            let statistic = moments.as_ref().map(|moments| quantiles.statistic(moments));
            let mean = statistic.map_or("-".into(), |s| format!("{:.digits$}", s.mean));
            write!(stdout, "  {mean:>11}")?;
            if spread {
                let [sd, interval] = statistic.map_or_else(Default::default, |s| s.spread(digits));
                write!(stdout, "  {sd:>8}  {interval:>19}")?;
            }
        }
        Ok(writeln!(stdout)?)
    })?;
    Ok(stdout.flush()?)
}
