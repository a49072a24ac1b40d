//! Table 2: energy of the cloud's GPU, linear per NAV, once as the authors' samples have it and once
//! fitted on two of the table's own cells, to see whether it then predicts the other two.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::comparison::{self, Compared, Metric, Simulated};
use super::report::Explained;
use super::{Context, Report, Role, Row, Table};
use crate::statistics::Statistic;

/// A plan's body: a comparison, and the methods that a fit stands on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    comparison: comparison::Plan,
    fitted_on: [String; 2],
    /// Why a prediction of the fitted line may lie beyond chance.
    fitted_explained: Explained,
}

impl Plan {
    pub(super) fn parse(mut body: toml::Table) -> Result<Self, toml::de::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Own {
            fitted_on: [String; 2],
            fitted_explained: Explained,
        }
        let own = ["fitted_on", "fitted_explained"].map(|key| body.remove_entry(key));
        let own: toml::Table = own.into_iter().flatten().collect();
        let Own { fitted_on, fitted_explained } = own.try_into()?;
        Ok(Self { comparison: body.try_into()?, fitted_on, fitted_explained })
    }
}

/// Names of the two lines in results.
const SAMPLES: &str = "authors' samples";
const FITTED: &str = "fitted on this table";

pub(super) fn run(plan: &Plan, context: &Context<'_>) -> Result<Report> {
    let compared = comparison::simulate(&plan.comparison, context)?;
    let mut report = comparison::report(&plan.comparison, context, &compared)?;
    report.rows.iter_mut().for_each(|row| row.variant = Some(SAMPLES.into()));
    let metric = plan.comparison.metrics[0];
    let mut header = vec!["dataset", "energy of a NAV of n tokens (J)"];
    header.extend(plan.comparison.methods.iter().map(String::as_str));
    let mut table = Table::new("Energy per NAV fitted on this table's own cells (c)", &header, 2);
    for Compared { place, methods } in &compared {
        let loads: Vec<Vec<Load>> =
            methods.iter().map(|simulated| simulated.runs.iter().map(Load::of).collect()).collect();
        let published = |method: &Simulated| plan.comparison.published(&method.cell, metric);
        let fit = fit(plan, methods, &loads, published)?;
        let mut line = vec![place.profile.clone(), fit.to_string()];
        for (simulated, loads) in methods.iter().zip(&loads) {
            let joules: Vec<f64> = loads.iter().map(|load| fit.joules(load)).collect();
            let method = &simulated.cell.method;
            let fitted = plan.fitted_on.contains(method);
            let role = if fitted { Role::Calibration } else { Role::Prediction };
            let (ours, paper) = (Statistic::of(&joules), published(simulated));
            let row =
                comparison::row(place, method, metric.key(), ours, paper, role, String::new());
            let row = Row { variant: Some(FITTED.into()), ..row };
            let row = comparison::with_chance(&plan.comparison, simulated, row);
            let explained = row.is_unlike().then(|| plan.fitted_explained.clone());
            let row = Row { explained, ..row };
            line.push(row.text());
            report.rows.push(row);
        }
        table.rows.push(line);
    }
    report.tables[0].caption = "Energy per NAV from the authors' samples (i)".into();
    report.tables.insert(1, table);
    per_accepted(plan, &compared, &mut report)?;
    fitted_errors(&mut report);
    report.notes.extend(prefill_note(&compared));
    contradictions(plan, metric, &compared, &mut report);
    report.tables.push(scopes(&compared));
    Ok(report)
}

/// NAVs and verified tokens per 100 output tokens, those of dropped rounds included.
struct Load {
    navs: f64,
    tokens: f64,
}

impl Load {
    fn of(run: &comparison::Run) -> Self {
        let per_100 = 100.0 / run.summary.output_tokens as f64;
        let usage = &run.usage;
        Self { navs: usage.navs as f64 * per_100, tokens: usage.nav_tokens as f64 * per_100 }
    }
}

/// Energy of a NAV: `base + per_token · tokens` \[J\].
struct Fit {
    base: f64,
    per_token: f64,
}

impl Fit {
    fn joules(&self, load: &Load) -> f64 {
        self.base * load.navs + self.per_token * load.tokens
    }
}

impl std::fmt::Display for Fit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} + {:.3} n", self.base, self.per_token)
    }
}

/// The line through the two cells, or where one of its coefficients would be negative, the better of the
/// two lines with one coefficient zero (least squares with non-negative coefficients).
fn fit(
    plan: &Plan,
    methods: &[Simulated],
    loads: &[Vec<Load>],
    published: impl Fn(&Simulated) -> Option<f64>,
) -> Result<Fit> {
    let mut points = Vec::new();
    for name in &plan.fitted_on {
        let index = methods.iter().position(|method| method.cell.method == *name);
        let index = index.with_context(|| format!("`fitted_on`: {name} is not compared"))?;
        let joules = published(&methods[index]).with_context(|| format!("{name}: no value"))?;
        let mean = |of: fn(&Load) -> f64| {
            loads[index].iter().map(of).sum::<f64>() / loads[index].len() as f64
        };
        points.push((mean(|load| load.navs), mean(|load| load.tokens), joules));
    }
    let [(n1, t1, _), (n2, t2, _)] = [points[0], points[1]];
    anyhow::ensure!(
        n1 * t2 != n2 * t1,
        "`fitted_on`: {} verify alike, and no line goes through them",
        plan.fitted_on.join(" and ")
    );
    Ok(non_negative(points[0], points[1]))
}

fn non_negative(first: (f64, f64, f64), second: (f64, f64, f64)) -> Fit {
    let ((n1, t1, e1), (n2, t2, e2)) = (first, second);
    let determinant = n1 * t2 - n2 * t1;
    let exact = Fit {
        base: (e1 * t2 - e2 * t1) / determinant,
        per_token: (n1 * e2 - n2 * e1) / determinant,
    };
    if exact.base >= 0.0 && exact.per_token >= 0.0 {
        return exact;
    }
    let base = Fit { base: (n1 * e1 + n2 * e2) / (n1 * n1 + n2 * n2), per_token: 0.0 };
    let per_token = Fit { base: 0.0, per_token: (t1 * e1 + t2 * e2) / (t1 * t1 + t2 * t2) };
    let squares = |fit: &Fit| {
        let miss = |(navs, tokens, joules)| fit.joules(&Load { navs, tokens }) - joules;
        let (first, second) = (miss(first), miss(second));
        first * first + second * second
    };
    if squares(&base) <= squares(&per_token) { base } else { per_token }
}

/// How the second line's predictions came out.
fn fitted_errors(report: &mut Report) {
    let fitted =
        |row: &&Row| row.variant.as_deref() == Some(FITTED) && row.role == Role::Prediction;
    let errors: Vec<String> = report
        .rows
        .iter()
        .filter(fitted)
        .filter_map(|row| Some((row, row.error_pct()?)))
        .map(|(row, error)| format!("{} on {} {error:+.1} %", row.method, row.dataset))
        .collect();
    let missed = errors_over(report, 10.0, fitted);
    report.notes.push(format!(
        "A line through two of the table's own cells predicts the others so: {}; {missed} of {} are off by \
         more than 10 %. It is linear in NAVs and verified tokens, with the NAVs that each method \
         asks for here.",
        errors.join(", "),
        errors.len(),
    ));
}

/// Rows that are farther from the paper than `limit` \[%\].
fn errors_over(report: &Report, limit: f64, of: impl Fn(&&Row) -> bool) -> usize {
    let rows = report.rows.iter().filter(|row| of(row));
    rows.filter_map(Row::error_pct).filter(|error| error.abs() > limit).count()
}

/// The first line once more per accepted token, as the paper's heading has it.
fn per_accepted(plan: &Plan, compared: &[Compared], report: &mut Report) -> Result<()> {
    let metric = plan.comparison.metrics[0];
    let mut header = vec!["dataset"];
    header.extend(plan.comparison.methods.iter().map(String::as_str));
    let caption = "Energy per NAV from the authors' samples (i), per 100 accepted tokens";
    let mut table = Table::new(caption, &header, 1);
    for Compared { place, methods } in compared {
        let mut line = vec![place.profile.clone()];
        for simulated in methods {
            let Simulated { cell, runs, .. } = simulated;
            let joules = |run: &comparison::Run| {
                // Output tokens for each accepted one.
                let outputs = run.summary.tpt_accepted_ms? / run.summary.tpt_ms;
                Some((metric.0.of)(&run.summary)? * outputs)
            };
            let joules: Option<Vec<f64>> = runs.iter().map(joules).collect();
            let joules = joules.context("a run without an accepted token or an energy")?;
            let (ours, paper) = (Statistic::of(&joules), plan.comparison.published(cell, metric));
            let role = plan.comparison.role(cell, metric);
            let (method, name) = (&cell.method, "energy_j_per_100_accepted_cloud_active");
            let row = comparison::row(place, method, name, ours, paper, role, String::new());
            let row = Row { variant: Some(SAMPLES.into()), ..row };
            let row = comparison::judged(&plan.comparison, simulated, metric, row);
            line.push(row.text());
            report.rows.push(row);
        }
        table.rows.push(line);
    }
    report.tables.insert(1, table);
    Ok(())
}

/// What prefill has of the first line, and of neither the authors' samples nor the second line.
fn prefill_note(compared: &[Compared]) -> Option<String> {
    let mut shares = Vec::new();
    for Compared { place, methods } in compared {
        let Simulated { setup, runs, .. } = methods.first()?;
        let watts = setup.profile.energy.cloud_active_w.as_ref()?.value;
        let joules = runs.iter().map(|run| {
            100.0 * watts * run.usage.prefill_gpu.as_secs_f64() / run.summary.output_tokens as f64
        });
        let joules = joules.sum::<f64>() / runs.len() as f64;
        shares.push(format!("{joules:.1} J per 100 output tokens on {}", place.profile));
    }
    Some(format!(
        "The lines from the authors' samples count the prefill of prompts ({}), at the GPU's power at work; \
         the authors' samples are energies over NAV windows, without it, and so is the line fitted on \
         this table.",
        shares.join(", ")
    ))
}

/// The three scopes of the first method: what is measured, and what it would take.
fn scopes(compared: &[Compared]) -> Table {
    let header = ["dataset", "scope", "measured", "it takes (keys of a profile)"];
    let mut table = Table::new("Scopes of energy", &header, 4);
    for Compared { place, methods } in compared {
        let energy = methods[0].runs[0].summary.energy_j_per_100_tokens;
        for (scope, value, takes) in [
            (
                "cloud GPU, active",
                energy.cloud_active,
                "nav_base_j, nav_per_token_j, cloud_active_w",
            ),
            ("cloud GPU, whole run", energy.cloud_whole, "the above, cloud_idle_w"),
            (
                "end to end",
                energy.end_to_end,
                "the above, edge_idle_w, edge_active_w, radio_j_per_byte",
            ),
        ] {
            let measured = if value.is_some() { "yes" } else { "not measured: no source" };
            let words = [place.profile.as_str(), scope, measured, takes];
            table.rows.push(words.map(str::to_owned).to_vec());
        }
    }
    table
}

/// Where the published energies contradict one another, from their numbers alone.
fn contradictions(plan: &Plan, metric: Metric, compared: &[Compared], report: &mut Report) {
    let Some(humaneval) = compared.iter().find(|c| c.place.profile == "humaneval") else { return };
    let table: Vec<f64> = humaneval
        .methods
        .iter()
        .filter_map(|simulated| plan.comparison.published(&simulated.cell, metric))
        .collect();
    let figure = fig5b(metric);
    let at = |rate: f64| figure.iter().filter(move |(x, _)| *x == rate).map(|(_, joules)| joules);
    let ratios: Vec<String> =
        at(20.0).zip(&table).map(|(figure, table)| format!("{:.2}", figure / table)).collect();
    report.notes.push(format!(
        "The paper's Fig. 5b at 20 Mbit/s shows the runs of this table's HumanEval line, and is {} times \
         its values ({}).",
        ratios.join(", "),
        plan.comparison.methods.join(", "),
    ));
    let vanilla: Vec<f64> =
        figure.chunks(plan.comparison.methods.len()).map(|rate| rate[0].1).collect();
    let low = vanilla.iter().copied().fold(f64::MAX, f64::min);
    let high = vanilla.iter().copied().fold(f64::MIN, f64::max);
    report.notes.push(format!(
        "Vanilla verifies the same rounds at any uplink rate, so that its energy over NAVs cannot depend \
         on the rate; in Fig. 5b it goes from {low} to {high} J."
    ));
}

/// The paper's Fig. 5b: uplink rate \[Mbit/s\] and energy \[J\], method by method within each rate.
fn fig5b(metric: Metric) -> Vec<(f64, f64)> {
    let items = super::Item::shipped();
    let plan = items.iter().find_map(|item| match &item.kind {
        super::Kind::Comparison(plan) if item.head.item == "fig5" => Some(plan),
        _ => None,
    });
    let plan = plan.expect("Fig. 5 is a shipped comparison");
    let cells = plan.places().into_iter().flat_map(|place| plan.cells(&place));
    cells.filter_map(|cell| Some((cell.place.x()?, plan.published(&cell, metric)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_two_points_is_found_and_a_falling_one_is_not_allowed() {
        // 2 J a NAV and .5 J a token: 10 NAVs of 60 tokens, 20 NAVs of 50.
        let fit = non_negative((10.0, 60.0, 50.0), (20.0, 50.0, 65.0));
        assert!((fit.base - 2.0).abs() < 1e-12 && (fit.per_token - 0.5).abs() < 1e-12);
        // Fewer NAVs and fewer tokens, but more energy: no line with two positive coefficients.
        let fit = non_negative((10.0, 60.0, 50.0), (9.0, 30.0, 55.0));
        assert!(fit.base >= 0.0 && fit.per_token >= 0.0);
        assert!(fit.base == 0.0 || fit.per_token == 0.0);
    }
}
