//! `pipesd models train`: the pair that ships, from a seed.

use anyhow::{Context, Result};
use pipesd_core::seed::Seed;
use pipesd_hw::training::corpus::Family;
use pipesd_hw::training::evaluate::Evaluation;
use pipesd_hw::training::pair::{Plan, Record, Size, train};
use pipesd_hw::training::trainer::Progress as Step;

use crate::cli::ModelsTrain;
use crate::live::ensure_not_interrupted;
use crate::output;
use crate::progress::Progress;

/// Trains, and prints what the pair can do.
pub(crate) fn models_train(options: &ModelsTrain) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let plan = Plan {
        size: if options.smoke { Size::Smoke } else { Size::Full },
        seed: Seed(options.seed),
        threads: options.threads.unwrap_or(cores),
    };
    let mut shown: Option<(String, Progress)> = None;
    let mut go_on = |step: Step<'_>| {
        let of_this = shown.as_ref().is_some_and(|(model, _)| model == step.model);
        if !of_this {
            let progress = Progress::new("training", u64::from(step.step - 1), step.steps.into());
            if let Some((_, before)) = shown.replace((step.model.to_owned(), progress)) {
                before.finish();
            }
        }
        let (_, progress) = shown.as_ref().expect("just set");
        progress.set(step.step.into(), || {
            format!("{}: step {} of {}, loss {:.3}", step.model, step.step, step.steps, step.loss)
        });
        ensure_not_interrupted().is_ok()
    };
    let record = train(plan, options.commit.clone(), &options.out, &mut go_on)?;
    if let Some((_, progress)) = shown {
        progress.finish();
    }
    let record = record.context("interrupted; the same command goes on")?;
    output::print(&report(&record))
}

/// What a pair can do, beside what the paper's could.
fn report(record: &Record) -> String {
    let mut text = String::new();
    for (name, model) in [("draft", &record.draft), ("target", &record.target)] {
        text.push_str(&format!(
            "{name}: {:.2} M parameters, loss {:.3} held out, {:.0} s\n",
            model.parameters as f64 / 1e6,
            model.course.held_out_loss.unwrap_or(f64::NAN),
            model.course.seconds,
        ));
    }
    for (family, evaluation) in &record.evaluations {
        text.push_str(&section(*family, evaluation));
    }
    text
}

fn section(family: Family, evaluation: &Evaluation) -> String {
    let Evaluation { tasks, target_right, draft_right, .. } = evaluation;
    let mut text = format!(
        "\n{}: of {tasks} held-out tasks the target answers {target_right}, the draft {draft_right}; \
         acceptance {:.3}, {:.1} % of draft tokens under .7\n",
        family.name(),
        evaluation.acceptance(),
        100.0 * evaluation.unsure_share(),
    );
    let header = ["confidence", "tokens", "accepted", "HumanEval: confidence^1.52", "GSM8K"];
    let mut rows = output::Rows::new(&header, 1);
    for (index, bin) in evaluation.bins.iter().enumerate() {
        let to = evaluation.bins.get(index + 1).map_or(1.0, |next| next.from);
        let tokens = bin.tokens.max(1) as f64;
        let mean = bin.confidence_sum / tokens;
        let share = |value: f64| if bin.tokens == 0 { "-".into() } else { format!("{value:.3}") };
        // Of the authors' HSL runs: 58 tokens at or above .7, 45 below.
        let gsm8k = if bin.from >= 0.7 { ".948" } else { ".556" };
        rows.push([
            format!("{:.2}-{to:.2}", bin.from),
            bin.tokens.to_string(),
            share(bin.accepted as f64 / tokens),
            share(libm::pow(mean, 1.52)),
            gsm8k.to_owned(),
        ]);
    }
    text.push_str(&format!("{rows}\n"));
    text
}
