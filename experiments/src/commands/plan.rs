//! `pipesd plan`: the optimal upload plan beside the other policies, under the model of paper §2.

use anyhow::Result;
use pipesd_core::time::{as_millis, from_millis};
use pipesd_core::upload::WINDOW_MAX;
use pipesd_core::upload::dp::{COST_MAX, Span, UploadCosts, plan, schedule, work_conserving};
use serde_json::json;

use crate::cli::Plan;
use crate::input::{BadInput, bad_input};
use crate::output;

struct Line {
    policy: &'static str,
    batches: Vec<u32>,
    spans: Vec<Span>,
}

impl Line {
    fn completion_ms(&self) -> f64 {
        as_millis(self.spans.last().expect("a partition has a batch").end)
    }
}

pub(crate) fn run(options: &Plan) -> Result<()> {
    let costs = UploadCosts {
        startup: cost("--startup-ms", options.startup_ms)?,
        per_token: cost("--per-token-ms", options.per_token_ms)?,
        draft: cost("--draft-ms", options.draft_ms)?,
    };
    let tokens = options.tokens;
    if !(1..=WINDOW_MAX).contains(&tokens) {
        return Err(bad_input!("--tokens {tokens}: a window is 1 to {WINDOW_MAX} tokens").into());
    }
    let policies = [
        ("dp", plan(&costs, tokens)?.batches),
        ("work-conserving", work_conserving(&costs, tokens)?),
        ("immediate", vec![1; tokens as usize]),
        ("at NAV", vec![tokens]),
    ];
    let mut lines = Vec::new();
    for (policy, batches) in policies {
        let spans = schedule(&costs, &batches)?;
        lines.push(Line { policy, batches, spans });
    }
    if options.json { print_json(options, &lines) } else { print_text(options, &lines) }
}

fn cost(flag: &str, ms: f64) -> Result<core::time::Duration, BadInput> {
    let max = as_millis(COST_MAX);
    if (0.0..=max).contains(&ms) {
        Ok(from_millis(ms))
    } else {
        Err(bad_input!("{flag} {ms}: must be 0 to {max} ms"))
    }
}

fn print_json(options: &Plan, lines: &[Line]) -> Result<()> {
    let policies: Vec<_> = lines
        .iter()
        .map(|line| {
            let uploads: Vec<_> = line
                .spans
                .iter()
                .map(|span| {
                    json!({
                        "tokens": span.tokens,
                        "drafted_ms": as_millis(span.drafted),
                        "start_ms": as_millis(span.start),
                        "end_ms": as_millis(span.end),
                    })
                })
                .collect();
            json!({
                "policy": line.policy.replace([' ', '-'], "_").to_lowercase(),
                "batches": line.batches,
                "completion_ms": line.completion_ms(),
                "uploads": uploads,
            })
        })
        .collect();
    output::print_json(&json!({
        "startup_ms": options.startup_ms,
        "per_token_ms": options.per_token_ms,
        "draft_ms": options.draft_ms,
        "tokens": options.tokens,
        "policies": policies,
    }))
}

/// Columns of a Gantt line.
const GANTT_WIDTH: usize = 64;

fn print_text(options: &Plan, lines: &[Line]) -> Result<()> {
    let best = lines[0].completion_ms();
    let longest = lines.iter().map(Line::completion_ms).fold(0.0, f64::max);
    let column = |ms: f64| {
        if longest > 0.0 { (ms / longest * GANTT_WIDTH as f64).round() as usize } else { 0 }
    };
    let mut text = format!(
        "{} tokens, startup {} ms, {} ms per token uploaded, {} ms per token drafted\n\n",
        options.tokens, options.startup_ms, options.per_token_ms, options.draft_ms
    );
    let mut table =
        output::Rows::new(&["policy", "batches", "uploads", "ends at (ms)", "vs dp"], 2);
    for line in lines {
        let ratio = if best > 0.0 { line.completion_ms() / best } else { 1.0 };
        table.push([
            line.policy.to_owned(),
            run_lengths(&line.batches),
            line.batches.len().to_string(),
            format!("{:.1}", line.completion_ms()),
            format!("{ratio:.3}x"),
        ]);
    }
    text.push_str(&format!("{table}\n\n"));
    let drafted = options.draft_ms * f64::from(options.tokens);
    text.push_str(&format!("{:>16} |{}\n", "drafting", "d".repeat(column(drafted))));
    for line in lines {
        let mut row = vec!['.'; GANTT_WIDTH];
        for (index, span) in line.spans.iter().enumerate() {
            let (from, to) = (column(as_millis(span.start)), column(as_millis(span.end)));
            // Uploads alternate, so that neighbours can be told apart.
            let mark = if index % 2 == 0 { '#' } else { '=' };
            row[from.min(GANTT_WIDTH)..to.min(GANTT_WIDTH)].fill(mark);
        }
        let row: String = row.into_iter().collect();
        text.push_str(&format!("{:>16} |{}|\n", line.policy, row));
    }
    text.push_str(&format!(
        "{:>16} |0{:>width$} ms\n",
        "",
        format!("{longest:.0}"),
        width = GANTT_WIDTH - 1
    ));
    output::print(&text)
}

/// `1,1,4` as it is; long runs of equal batches as `1 x 20`.
fn run_lengths(batches: &[u32]) -> String {
    batches
        .chunk_by(|a, b| a == b)
        .map(|run| match run {
            [one] => one.to_string(),
            [one, _] => format!("{one}, {one}"),
            [one, ..] => format!("{one} x {}", run.len()),
            [] => unreachable!("chunks are not empty"),
        })
        .collect::<Vec<_>>()
        .join(", ")
}
