//! A pair in miniature, from a seed to its files: it learns, it can be interrupted, both engines run it.
#![cfg(feature = "torch")]
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests write files")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use pipesd_core::seed::Seed;
use pipesd_hw::training::pair::{Plan, Record, Size, train};
use pipesd_hw::training::trainer::Progress;

/// libtorch's generator and its threads are the process's: one training at a time.
static ALONE: Mutex<()> = Mutex::new(());

const PLAN: Plan = Plan { size: Size::Smoke, seed: Seed(3), threads: 1 };

/// A folder for one test; what an earlier run has left in it is gone.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("training-{name}"));
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// Trains until `go_on` says no; what the models told of themselves, by name.
fn trained(
    folder: &Path,
    plan: Plan,
    go_on: impl Fn(&Progress<'_>) -> bool,
) -> (Option<Record>, BTreeMap<String, Vec<f64>>) {
    let mut losses: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut tell = |progress: Progress<'_>| {
        losses.entry(progress.model.to_owned()).or_default().push(progress.loss);
        go_on(&progress)
    };
    let record = train(plan, None, folder, &mut tell).expect("it trains");
    (record, losses)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Files that must not depend on how often a training was interrupted.
const FILES: [&str; 9] = [
    "draft.gguf",
    "draft/config.json",
    "draft/model.safetensors",
    "draft/tokenizer.json",
    "target/config.json",
    "target/model.safetensors",
    "target/tokenizer.json",
    "functions.jsonl",
    "problems.jsonl",
];

#[test]
fn a_training_learns_and_an_interrupted_one_ends_in_the_same_bytes() {
    let _alone = ALONE.lock().expect("no other test has failed");
    let (whole, cut) = (folder("whole"), folder("cut"));
    let (record, losses) = trained(&whole, PLAN, |_| true);
    let record = record.expect("nobody stopped it");
    for (model, losses) in &losses {
        let (first, last) = (mean(&losses[..5]), mean(&losses[losses.len() - 5..]));
        assert!(last < 0.8 * first, "{model}: from {first} to {last}");
    }
    assert!(record.target.course.held_out_loss.expect("it is taken at the end") > 0.0);
    assert_eq!(record.evaluations.len(), 2);

    let (first, _) = trained(&cut, PLAN, |at| !(at.model == "draft" && at.step == 7));
    assert!(first.is_none());
    let (second, rest) = trained(&cut, PLAN, |at| !(at.model == "target" && at.step == 12));
    assert!(second.is_none());
    assert_eq!(rest["draft"].len(), 23, "what was learned is not learned again");
    let (third, _) = trained(&cut, PLAN, |_| true);
    assert_eq!(third.expect("nobody stopped it").draft.course.losses, record.draft.course.losses);
    for file in FILES {
        let [one, other] = [&whole, &cut].map(|folder| fs::read(folder.join(file)).expect(file));
        assert!(one == other, "{file} differs");
    }

    // A checkpoint of another seed is not gone on with.
    let error = train(Plan { seed: Seed(4), ..PLAN }, None, &cut, &mut |_| true);
    let error = error.expect_err("it is refused").to_string();
    assert!(error.contains("draft.checkpoint.json") && error.contains("another"), "{error}");
}

#[cfg(feature = "llama")]
#[test]
fn both_engines_run_what_is_exported() {
    use pipesd_core::ids::{SessionId, TokenId};
    use pipesd_core::verification::Sampling;
    use pipesd_hw::backend::llama::{Arithmetic, LlamaDraft, Options as LlamaOptions};
    use pipesd_hw::backend::torch::{Decoder, Options, TorchDraft};
    use pipesd_hw::backend::{DraftModel, Logits};
    use tch::{Device, Kind};

    let _alone = ALONE.lock().expect("no other test has failed");
    let folder = folder("engines");
    trained(&folder, PLAN, |_| true).0.expect("nobody stopped it");
    let sampling = Sampling::greedy();
    let options =
        LlamaOptions { context: 128, arithmetic: Arithmetic::Exact, ..LlamaOptions::default() };
    let mut llama = LlamaDraft::load(&folder.join("draft.gguf"), &options).expect("it loads");
    let decoder = Decoder::load(&folder.join("draft"), Some(Kind::Float), Device::Cpu);
    let options = Options { threads: 1, fixed_block: None, context: 128, vocabulary: None };
    let mut torch = TorchDraft::new(decoder.expect("it loads"), options).expect("a draft");
    let text: Vec<TokenId> = (0..40).map(|index| TokenId(7 * index % 300)).collect();
    let session = SessionId(0);
    llama.prefill(session, &text[..4], &sampling).expect("a prompt");
    torch.prefill(session, &text[..4], &sampling).expect("a prompt");
    let (mut apart, mut largest) = (0.0_f32, 0.0_f32);
    for at in 4..text.len() {
        let feed = &text[at..=at];
        let one = llama.logits(session, at as u32 - 4, feed).expect("logits");
        let other = torch.logits(session, at as u32 - 4, feed).expect("logits");
        for (one, other) in one.iter().zip(&other) {
            apart = apart.max((one - other).abs());
            largest = largest.max(one.abs());
        }
    }
    // Weights are the same f16; llama.cpp rounds what it multiplies them with to as many bits.
    println!("{apart:e}, of logits up to {largest}");
    assert!(apart < 2e-2 * largest.max(1.0), "{apart:e}, of logits up to {largest}");
}
