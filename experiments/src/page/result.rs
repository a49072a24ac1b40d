//! What came out of an item, in a sentence or two at its beginning.

use pipesd_plots::names;

use super::ask::{
    Quantity, TIME, and, beside, is_reference, mean, of, place, predicted, range, span,
};
use crate::items::{Report, Role, Row};

/// The sentences; empty where the rows say nothing of the kind.
pub(super) fn sentences(report: &Report) -> Vec<String> {
    let first = match report.item.as_str() {
        "table1" => methods(report),
        "table2" => energies(report),
        "table3" => searches(report),
        "table4" => pairs(report),
        "table5" => tuning(report),
        "table6" => parts(report),
        "table7" => verification(report),
        "fig5" => rates(report),
        "fig6" => monitor(report),
        "appendix-f" => uploads(report),
        "appendix-i" => edges(report),
        "s4" => over_time(report),
        "break-even" => winners(report),
        "closed-forms" => checks(report),
        _ => None,
    };
    first.into_iter().chain(errors(report)).collect()
}

/// How far predictions are off, each quantity, dataset and variant for itself.
fn errors(report: &Report) -> Option<String> {
    let published = || report.rows.iter().filter(|row| row.paper.is_some());
    let mut groups: Vec<(Quantity, &str, Option<&str>)> = Vec::new();
    for row in published() {
        let group = (Quantity::of(row), row.dataset.as_str(), row.variant.as_deref());
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups.sort_by_key(|(quantity, ..)| *quantity);
    let first = groups.first().and_then(|group| group.2);
    let several = groups.iter().any(|group| group.2 != first);
    let mut parts = Vec::new();
    for group in groups {
        let keep =
            |row: &Row| (Quantity::of(row), row.dataset.as_str(), row.variant.as_deref()) == group;
        let list = predicted(&report.rows, keep);
        let Some(error) = mean(&list) else { continue };
        let (name, dataset) = (group.0.name(), names::dataset(group.1));
        let variant = group.2.filter(|_| several).map(|variant| format!("{variant}, "));
        let cells = if list.len() == 1 { "1 cell".into() } else { format!("{} cells", list.len()) };
        let of = variant.unwrap_or_default() + &cells;
        parts.push(format!("{name} on {dataset} by {error:.1} % ({of})"));
    }
    let predictions = if parts.is_empty() { return None } else { and(&parts) };
    Some(format!("Predictions are off in the mean: {predictions}."))
}

/// How many times faster than its fastest rival PipeSD is, over all places: ours and the paper's.
pub(super) fn leads(report: &Report) -> Option<[(f64, f64); 2]> {
    let over = |time: fn(&Row) -> Option<f64>| {
        range(of(report, "pipesd", TIME).filter_map(|own| {
            let rivals = report
                .rows
                .iter()
                .filter(|row| row.metric == TIME && row.method != own.method && !is_reference(row));
            let here = rivals.filter(|row| place(row) == place(own));
            let (best, _) = range(here.filter_map(time))?;
            Some(best / time(own)?)
        }))
    };
    Some([over(|row| Some(row.ours.mean))?, over(|row| row.paper)?])
}

fn methods(report: &Report) -> Option<String> {
    let times = range(of(report, "pipesd", TIME).map(|row| row.ours.mean))?;
    let [ours, theirs] = leads(report)?;
    Some(format!(
        "PipeSD takes {} ms per token and is {} times as fast as the fastest of its rivals (in the \
         paper {}).",
        span(times, 0),
        span(ours, 2),
        span(theirs, 2)
    ))
}

/// `16 % too high`.
fn off(error: f64) -> String {
    format!("{:.0} % too {}", error.abs(), if error < 0.0 { "low" } else { "high" })
}

fn energies(report: &Report) -> Option<String> {
    let predicted: Vec<String> = report
        .rows
        .iter()
        .filter(|row| row.method == "pipesd" && row.role == Role::Prediction)
        .filter(|row| row.variant.as_deref().is_some_and(|variant| variant.starts_with("fitted")))
        .filter_map(|row| {
            Some(format!("{} on {}", off(row.error_pct()?), names::dataset(&row.dataset)))
        })
        .collect();
    (!predicted.is_empty()).then(|| {
        format!(
            "With the energy of a NAV fitted on this table’s Vanilla and HSL, PipeSD’s is predicted {}.",
            and(&predicted)
        )
    })
}

fn searches(report: &Report) -> Option<String> {
    let first = report.rows.iter().find(|row| row.metric == TIME)?;
    let ends: Vec<String> = ["bayes", "paper", "grid", "random"]
        .iter()
        .filter_map(|method| beside(report, first, method))
        .map(|row| format!("{} at {:.0} ms", names::method(&row.method), row.ours.mean))
        .collect();
    let variant = first.variant.as_deref().unwrap_or_default();
    Some(format!(
        "Searches on {} with {variant} a candidate end in the mean: {}.",
        names::dataset(&first.dataset),
        and(&ends)
    ))
}

fn pairs(report: &Report) -> Option<String> {
    let by_time = |a: &&Row, b: &&Row| a.ours.mean.total_cmp(&b.ours.mean);
    let least = of(report, "pipesd", TIME).min_by(by_time)?;
    let most = of(report, "pipesd", TIME).max_by(by_time)?;
    Some(format!(
        "From {:.0} ms per token at R1 = {} to {:.0} at R1 = {} and R2 = {}.",
        least.ours.mean, least.x?, most.ours.mean, most.x?, most.y?
    ))
}

fn tuning(report: &Report) -> Option<String> {
    let mut parts = Vec::new();
    for off in of(report, "pipesd", TIME).filter(|row| row.variant.as_deref() == Some("tuning=off"))
    {
        let with = |variant: &str| {
            let mut rows = of(report, "pipesd", TIME).filter(|row| row.dataset == off.dataset);
            rows.find(|row| row.variant.as_deref() == Some(variant)).map(|row| row.ours.mean)
        };
        parts.push(format!(
            "{:.0} ms with ours and {:.0} with the paper’s on {}, against {:.0} without",
            with("tuning=bayes")?,
            with("tuning=paper")?,
            names::dataset(&off.dataset),
            off.ours.mean
        ));
    }
    let told = if parts.is_empty() { return None } else { parts.join("; ") };
    Some(format!("Time per token while a tuner tries thresholds: {told}."))
}

fn parts(report: &Report) -> Option<String> {
    let whole = of(report, "pipesd", TIME).next()?;
    let ablations = || report.rows.iter().filter(|row| row.method.starts_with("pipesd_"));
    let ablations = || ablations().filter(|row| row.metric == TIME && row.role != Role::NotCounted);
    let ours = range(ablations().map(|row| row.ours.mean - whole.ours.mean))?;
    let paper = whole.paper?;
    let theirs = range(ablations().filter_map(|row| row.paper).map(|time| time - paper))?;
    let worst = ablations().max_by(|a, b| a.ours.mean.total_cmp(&b.ours.mean))?;
    Some(format!(
        "PipeSD takes {:.0} ms per token; without one of its parts it takes {} ms more (in the paper {}), \
         most of all as “{}”.",
        whole.ours.mean,
        span(ours, 0),
        span(theirs, 0),
        names::method(&worst.method)
    ))
}

fn verification(report: &Report) -> Option<String> {
    let navs = of(report, "pipesd", "nav_frequency").next()?;
    let rollbacks = of(report, "pipesd", "rollback_rate").next()?;
    Some(format!(
        "PipeSD asks for {:.3} NAVs per output token (in the paper {:.3}), of which {:.0} % end in a \
         rollback ({:.0} %).",
        navs.ours.mean,
        navs.paper?,
        100.0 * rollbacks.ours.mean,
        100.0 * rollbacks.paper?
    ))
}

fn rates(report: &Report) -> Option<String> {
    let mut rows: Vec<&Row> = of(report, "pipesd", TIME).filter(|row| row.x.is_some()).collect();
    rows.sort_by(|a, b| a.x.partial_cmp(&b.x).expect("rates are numbers"));
    let [slow, .., fast] = rows[..] else { return None };
    Some(format!(
        "From {} to {} Mbit/s PipeSD goes from {:.0} to {:.0} ms per token (in the paper from {:.0} to \
         {:.0}).",
        slow.x?, fast.x?, slow.ours.mean, fast.ours.mean, slow.paper?, fast.paper?
    ))
}

fn monitor(report: &Report) -> Option<String> {
    let fitted =
        |metric| of(report, "fitted", metric).filter_map(|row| Some((row.x?, row.ours.mean)));
    let uploads: Vec<(f64, f64)> = fitted("upload_ms").collect();
    let ([first, ..], [.., last]) = (&uploads[..], &uploads[..]) else { return None };
    let slope = (last.1 - first.1) / (last.0 - first.0);
    let steps: Vec<f64> = fitted("draft_ms").map(|(_, time)| time).collect();
    let step = mean(&steps)?;
    slope.is_finite().then(|| {
        format!("The monitor finds {slope:.1} ms for each uploaded token and {step:.1} ms for a draft step.")
    })
}

/// Times of another upload policy over PipeSD's, from the least to the greatest.
pub(super) fn uploads_range(report: &Report, policy: &str) -> Option<(f64, f64)> {
    let over = |row: &Row| Some(row.ours.mean / beside(report, row, "pipesd")?.ours.mean);
    range(of(report, policy, TIME).filter_map(over))
}

fn uploads(report: &Report) -> Option<String> {
    let told = ["pipesd_greedy", "pipesd_immediate", "pipesd_no_early_upload"].iter().filter_map(
        |policy| {
            let ratios = uploads_range(report, policy)?;
            Some(format!("{} takes {} times as long", names::method(policy), span(ratios, 2)))
        },
    );
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| format!("Against the DP plan {}.", and(&told)))
}

fn edges(report: &Report) -> Option<String> {
    let several = of(report, "pipesd", TIME).filter(|row| row.x.is_some_and(|edges| edges >= 2.0));
    let below = several.filter_map(|row| {
        Some(100.0 * (1.0 - row.ours.mean / beside(report, row, "vanilla")?.ours.mean))
    });
    let below = range(below)?;
    (below.0 > 0.0).then(|| {
        format!(
            "With two edges and more PipeSD’s time per token is {} % below Vanilla’s.",
            span(below, 1)
        )
    })
}

/// The mean over time of a method's times.
pub(super) fn mean_over_time(report: &Report, method: &str) -> Option<f64> {
    mean(&of(report, method, TIME).map(|row| row.ours.mean).collect::<Vec<_>>())
}

fn over_time(report: &Report) -> Option<String> {
    let methods = ["pipesd", "pipesd_online", "pipesd_paper_tuner", "serial", "vanilla"];
    let told = methods.iter().filter_map(|method| {
        let time = mean_over_time(report, method)?;
        Some(format!("{} {time:.0} ms", names::method(method)))
    });
    let told: Vec<String> = told.collect();
    let all = if told.is_empty() { return None } else { and(&told) };
    Some(format!("Time per token, the mean over the whole time: {all}."))
}

/// How many checks against closed forms are met, and how far a pair of devices is predicted off.
fn checks(report: &Report) -> Option<String> {
    let met: Vec<bool> =
        report.figures.values().filter_map(|check| check["met"].as_bool()).collect();
    if met.is_empty() {
        return None;
    }
    let all = met.iter().filter(|met| **met).count();
    let mut told = format!("{all} of {} checks against closed forms are met.", met.len());
    let values = &report.figures.get("hardware")?["values"];
    if values["cells"].as_u64().is_some_and(|cells| cells > 0) {
        let [name, mean, most] = ["name", "mean_absolute_error_pct", "max_error_pct"];
        told.push_str(&format!(
            " The time per token of {} is predicted from inputs measured apart with a mean error of {:.1} \
             %, {:.1} % at most.",
            values[name].as_str()?,
            values[mean].as_f64()?,
            values[most].as_f64()?
        ));
    }
    Some(told)
}

/// At how many places of each map which deployment has the least mean.
fn winners(report: &Report) -> Option<String> {
    let mut maps: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in report.rows.iter().filter(|row| row.metric == TIME && wins(report, row)) {
        let variant = row.variant.as_deref().unwrap_or_default();
        match maps.last_mut() {
            Some((last, winners)) if *last == variant => winners.push(&row.method),
            _ => maps.push((variant, vec![&row.method])),
        }
    }
    let told: Vec<String> =
        maps.iter().map(|(map, winners)| format!("{map}: {}", counted(winners))).collect();
    (!told.is_empty())
        .then(|| format!("The least time per token has, by map: {}.", told.join("; ")))
}

/// Whether no other row of the place has less.
fn wins(report: &Report, row: &Row) -> bool {
    let here =
        report.rows.iter().filter(|other| other.metric == row.metric && place(other) == place(row));
    here.map(|other| other.ours.mean).all(|time| time >= row.ours.mean)
}

/// `edge only at 25 and PipeSD at 31`, or `PipeSD everywhere`.
fn counted(winners: &[&str]) -> String {
    let mut told: Vec<String> = Vec::new();
    for (index, winner) in winners.iter().enumerate() {
        if !winners[..index].contains(winner) {
            let count = winners.iter().filter(|other| *other == winner).count();
            let all =
                if count == winners.len() { "everywhere".into() } else { format!("at {count}") };
            told.push(format!("{} {all}", names::method(winner)));
        }
    }
    and(&told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tests::{report, row};

    #[test]
    fn sentences_are_computed_and_none_is_written_without_rows() {
        let mut one = report("table1", "Table 1: times");
        assert!(sentences(&one).is_empty());
        one.rows = vec![
            row("humaneval", "vanilla", 200.0, Some(190.0), Role::Calibration),
            row("humaneval", "hsl", 110.0, Some(100.0), Role::Prediction),
            row("humaneval", "pipesd", 100.0, Some(80.0), Role::Prediction),
        ];
        assert_eq!(
            sentences(&one),
            [
                "PipeSD takes 100 ms per token and is 1.10 times as fast as the fastest of its rivals \
                 (in the paper 1.25).",
                "Predictions are off in the mean: times per token on HumanEval by 17.5 % (2 cells)."
            ]
        );
        for item in crate::items::Item::shipped() {
            let empty = report(&item.head.item, &item.head.title);
            assert!(sentences(&empty).is_empty(), "{}", item.head.item);
        }
    }

    #[test]
    fn quantities_are_not_mixed() {
        let mut one = report("fig5", "Fig. 5: rates");
        let energy = Row {
            metric: "energy_j_per_100_tokens_cloud_active".to_owned(),
            ..row("humaneval", "hsl", 40.0, Some(100.0), Role::Prediction)
        };
        one.rows = vec![row("humaneval", "hsl", 110.0, Some(100.0), Role::Prediction), energy];
        let told = errors(&one).expect("a sentence");
        assert!(told.contains("times per token on HumanEval by 10.0 % (1 cell)"), "{told}");
        assert!(told.contains("energies on HumanEval by 60.0 % (1 cell)"), "{told}");
    }
}
