//! What came out, in sentences that are computed from the rows. One that the rows do not bear out is left
//! out: another seed or size may say something else.

use maud::{Markup, html};
use pipesd_plots::names;

use super::ask::{self, TIME, and, beside, item, mean, of, place, range, span};
use super::headline::short_title;
use super::joined;
use super::result::{leads, mean_over_time, uploads_range};
use crate::items::{Report, Row};

/// A finding: its heading, what was found, the item that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    says: &'static str,
    text: String,
    item: &'static str,
}

pub(super) fn markup(reports: &[&Report]) -> Markup {
    let findings = findings(reports).into_iter();
    let findings: Vec<_> =
        findings.filter_map(|finding| Some((item(reports, finding.item)?, finding))).collect();
    html! {
        @if !findings.is_empty() {
            ol.findings {
                @for (item, Finding { says, text, .. }) in &findings {
                    li {
                        strong { (says) } " " (joined(text)) " ("
                        a href={ "#" (item.item) } { (short_title(item)) } ")"
                    }
                }
            }
        }
    }
}

fn findings(reports: &[&Report]) -> Vec<Finding> {
    let of = |name: &str| item(reports, name);
    let table1 = of("table1");
    let all = [
        table1.and_then(|table1| cloud_alone(table1, of("break-even"))),
        table1.and_then(serial),
        table1.and_then(|table1| payload(of("break-even")?, leads(table1)?[0].1)),
        table1.and_then(bound),
        of("appendix-f").and_then(uploads),
        table1.and_then(|table1| tuning(table1, of("table3")?)),
        of("s4").and_then(online),
    ];
    all.into_iter().flatten().collect()
}

/// The rows of a method's times, each with that of another at its place.
fn pairs<'a>(report: &'a Report, method: &'a str, other: &'a str) -> Vec<(&'a Row, &'a Row)> {
    of(report, method, TIME).filter_map(|row| Some((row, beside(report, row, other)?))).collect()
}

fn cloud_alone(table1: &Report, maps: Option<&Report>) -> Option<Finding> {
    let cloud: Vec<&Row> = of(table1, "cloud_only", TIME).collect();
    let others = || table1.rows.iter().filter(|row| row.metric == TIME);
    let others = || {
        others().filter(|row| !["cloud_only", "bound", "bound_empty_navs"].contains(&&*row.method))
    };
    let fastest = |cloud: &&Row| {
        others().filter(|row| place(row) == place(cloud)).all(|row| row.ours.mean > cloud.ours.mean)
    };
    if cloud.is_empty() || !cloud.iter().all(fastest) {
        return None;
    }
    let times = range(cloud.iter().map(|row| row.ours.mean))?;
    let pipesd = range(of(table1, "pipesd", TIME).map(|row| row.ours.mean))?;
    let mut text = format!(
        "In all {} places of Table 1 it takes {} ms per token, and PipeSD {}.",
        cloud.len(),
        span(times, 0),
        span(pipesd, 0)
    );
    let maps = maps.map(|maps| {
        let lost = |row: &&Row| {
            let here = maps.rows.iter().filter(|other| place(other) == place(row));
            here.filter(|other| other.metric == TIME).any(|other| other.ours.mean < row.ours.mean)
        };
        let all: Vec<&Row> = of(maps, "cloud_only", TIME).collect();
        let places = all.len();
        (places, all.into_iter().filter(lost).collect::<Vec<_>>())
    });
    match maps {
        Some((places, lost)) if places > 0 && lost.is_empty() => {
            text.push_str(&format!(
                " So it does at all {places} places of the break-even maps that allow it."
            ));
        }
        Some((places, lost)) if places > 0 => {
            let mut where_: Vec<&str> =
                lost.iter().filter_map(|row| row.variant.as_deref()).collect();
            where_.dedup();
            let (won, where_) = (places - lost.len(), where_.join("; "));
            text.push_str(&format!(
                " On the break-even maps that allow it it wins {won} of {places} places; the others are \
                 “{where_}”."
            ));
        }
        _ => {}
    }
    text.push_str(" Its pass over one token is assumed, not measured.");
    Some(Finding { says: "Decoding in the cloud alone is the fastest.", text, item: "table1" })
}

/// Whether every draft length that the serial split was found best at is one token.
fn one_token(report: &Report) -> bool {
    let lengths = report.tables.iter().filter_map(|table| {
        let column = table.header.iter().position(|name| name == "serial (draft length)")?;
        Some(
            table
                .rows
                .iter()
                .filter_map(move |row| row.get(column))
                .all(|cell| cell.ends_with(" (1)")),
        )
    });
    let lengths: Vec<bool> = lengths.collect();
    !lengths.is_empty() && lengths.into_iter().all(|one| one)
}

fn serial(table1: &Report) -> Option<Finding> {
    let pairs = pairs(table1, "serial", "pipesd");
    let won = pairs.iter().filter(|(serial, pipesd)| serial.ours.mean < pipesd.ours.mean).count();
    if 2 * won <= pairs.len() {
        return None;
    }
    let drafts =
        if one_token(table1) { "one drafted token" } else { "a fixed number of drafted tokens" };
    let text = format!(
        "Plain drafting and verifying in turns, with {drafts}, is faster than PipeSD at its published \
         thresholds in {won} of {} rows of Table 1.",
        pairs.len()
    );
    Some(Finding { says: "A serial split often beats the pipeline.", text, item: "table1" })
}

/// What ids instead of distributions are worth to PipeSD at equal links, each with its best threshold;
/// `lead` is what its schedule is worth at most against the best of its rivals.
fn payload(maps: &Report, lead: f64) -> Option<Finding> {
    let variant = |row: &Row, start: &str| {
        row.variant
            .as_deref()
            .is_some_and(|name| name.starts_with(start) && name.ends_with("no cloud-only"))
    };
    let full = of(maps, "pipesd", TIME).filter(|row| variant(row, "full"));
    let pairs: Vec<(&Row, &Row)> = full
        .filter_map(|row| {
            let ids = of(maps, "pipesd", TIME).filter(|row| variant(row, "ids"));
            let mut here = ids.filter(|other| (other.x, other.y) == (row.x, row.y));
            Some((row, here.next()?))
        })
        .collect();
    let gains = range(pairs.iter().map(|(full, ids)| full.ours.mean / ids.ours.mean))?;
    // A link like that of the laptop, if the map has one: a short round trip at some 20 Mbit/s.
    let near = |row: &Row| {
        let (x, y) = (row.x.unwrap_or(1.0), row.y.unwrap_or(1.0));
        libm::log(x / 20.0).abs() + libm::log(y / 20.0).abs()
    };
    let (full, ids) = pairs.iter().min_by(|(a, _), (b, _)| near(a).total_cmp(&near(b)))?;
    if full.ours.mean / ids.ours.mean <= lead {
        return None;
    }
    let text = format!(
        "At {} Mbit/s and a round trip of {} ms PipeSD, each time at its best threshold, takes {:.0} ms per \
         token with the drafts’ full distributions and {:.0} with their ids alone; over the break-even map \
         ids make it {} times as fast.",
        full.y?,
        full.x?,
        full.ours.mean,
        ids.ours.mean,
        span(gains, 1)
    );
    Some(Finding { says: "The payload is worth more than the schedule.", text, item: "break-even" })
}

fn bound(table1: &Report) -> Option<Finding> {
    let distance = |method| range(of(table1, method, "distance_to_bound").map(|row| row.ours.mean));
    let pipesd = distance("pipesd")?;
    let ahead = range(of(table1, "bound", "tpt_no_guesses_ms").filter_map(|row| {
        let bound = of(table1, "bound", TIME);
        let mut here = bound.filter(|other| place(other) == place(row));
        Some(100.0 * (row.ours.mean / here.next()?.ours.mean - 1.0))
    }));
    let early = range(of(table1, "bound", "tpt_late_uploads_ms").filter_map(|row| {
        let bound = of(table1, "bound", TIME);
        let mut here = bound.filter(|other| place(other) == place(row));
        Some(100.0 * (row.ours.mean / here.next()?.ours.mean - 1.0))
    }));
    let mut text = format!(
        "Over Table 1 PipeSD takes {} times what the clairvoyant bound allows with the same payload.",
        span(pipesd, 2)
    );
    if let (Some((_, ahead)), Some((_, early))) = (ahead, early) {
        text.push_str(&format!(
            " To one who knows the future drafting ahead of a verdict is worth up to {ahead:.0} %, uploading \
             before a round is complete at most {early:.0} %."
        ));
    }
    Some(Finding { says: "There is room above PipeSD.", text, item: "table1" })
}

fn uploads(report: &Report) -> Option<Finding> {
    let others = ["pipesd_greedy", "pipesd_immediate"];
    let near = range(
        others.iter().filter_map(|method| uploads_range(report, method)).flat_map(|(a, b)| [a, b]),
    )?;
    let none = uploads_range(report, "pipesd_no_early_upload")?;
    if near.1 >= none.1 {
        return None;
    }
    let text = format!(
        "Greedy and immediate upload take {} times what the DP plan takes over our settings of App. F; no \
         early upload takes {} times as much.",
        span(near, 2),
        span(none, 2)
    );
    Some(Finding {
        says: "That tokens go early matters more than how they are batched.",
        text,
        item: "appendix-f",
    })
}

fn tuning(table1: &Report, table3: &Report) -> Option<Finding> {
    let mut told = Vec::new();
    let mut datasets: Vec<&str> = Vec::new();
    for row in of(table3, "bayes", TIME) {
        let published = of(table1, "pipesd", TIME)
            .find(|own| (&own.dataset, &own.scenario) == (&row.dataset, &row.scenario));
        let Some(published) = published else { continue };
        if datasets.contains(&row.dataset.as_str()) {
            continue;
        }
        if row.ours.mean >= published.ours.mean {
            return None;
        }
        datasets.push(&row.dataset);
        let dataset = names::dataset(&row.dataset);
        told.push(format!(
            "from {:.0} to {:.0} ms per token on {dataset}",
            published.ours.mean, row.ours.mean
        ));
    }
    let serial: Vec<bool> = of(table3, "bayes", TIME)
        .filter_map(|row| {
            let mut serial = of(table1, "serial", TIME);
            let here = |own: &&Row| (&own.dataset, &own.scenario) == (&row.dataset, &row.scenario);
            Some(row.ours.mean < serial.find(here)?.ours.mean)
        })
        .collect();
    if told.is_empty() {
        return None;
    }
    let mut text = format!("In S1 thresholds that a search found take PipeSD {}", and(&told));
    if !serial.is_empty() && serial.iter().all(|faster| *faster) {
        text.push_str(", below the serial split");
    }
    text.push('.');
    Some(Finding { says: "The published thresholds are not the best.", text, item: "table3" })
}

fn online(s4: &Report) -> Option<Finding> {
    let of = |method| mean_over_time(s4, method);
    let (fixed, ours, theirs) = (of("pipesd")?, of("pipesd_online")?, of("pipesd_paper_tuner")?);
    let says = if ours < fixed && theirs < fixed {
        "Tuning while decoding pays where bandwidth moves."
    } else if ours >= fixed && theirs >= fixed {
        "Tuning while decoding does not pay within four minutes of moving bandwidth."
    } else {
        "Whether tuning while decoding pays depends on the tuner."
    };
    let serial = mean(&ask::of(s4, "serial", TIME).map(|row| row.ours.mean).collect::<Vec<_>>());
    let mut text = format!(
        "In S4 over time the mean time per token is {fixed:.0} ms with the published thresholds, {ours:.0} \
         with our tuner, {theirs:.0} with the paper’s"
    );
    if let Some(serial) = serial {
        text.push_str(&format!("; {serial:.0} with the serial split"));
    }
    text.push('.');
    Some(Finding { says, text, item: "s4" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::Role;
    use crate::page::tests::{report, row};

    fn table1(cloud: f64, serial: f64) -> Report {
        let mut table1 = report("table1", "Table 1: times");
        let reference = |method, time| row("humaneval", method, time, None, Role::Reference);
        table1.rows = vec![
            row("humaneval", "hsl", 150.0, Some(155.0), Role::Prediction),
            row("humaneval", "pipesd", 136.0, Some(129.0), Role::Prediction),
            reference("cloud_only", cloud),
            reference("serial", serial),
        ];
        table1
    }

    #[test]
    fn only_what_the_rows_bear_out_is_said() {
        let says = |cloud, serial| -> Vec<&str> {
            findings(&[&table1(cloud, serial)]).iter().map(|finding| finding.says).collect()
        };
        let (alone, split) = (
            "Decoding in the cloud alone is the fastest.",
            "A serial split often beats the pipeline.",
        );
        assert_eq!(says(16.0, 125.0), [alone, split]);
        assert_eq!(says(16.0, 140.0), [alone]);
        assert_eq!(says(160.0, 125.0), [split]);
        assert!(says(160.0, 140.0).is_empty());
        assert!(findings(&[]).is_empty());
    }

    #[test]
    fn numbers_are_those_of_the_rows() {
        let mut table3 = report("table3", "Table 3: searches");
        table3.rows = vec![row("humaneval", "bayes", 112.1, None, Role::Ours)];
        let found = findings(&[&table1(16.02, 125.4), &table3]);
        let texts: Vec<&str> = found.iter().map(|finding| finding.text.as_str()).collect();
        assert!(
            texts[0].starts_with(
                "In all 1 places of Table 1 it takes 16 ms per token, and PipeSD 136."
            )
        );
        assert!(texts[1].ends_with("in 1 of 1 rows of Table 1."), "{texts:?}");
        assert!(
            texts[2].contains("from 136 to 112 ms per token on HumanEval, below the serial"),
            "{texts:?}"
        );
    }
}
