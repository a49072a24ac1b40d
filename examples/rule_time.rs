//! Wall-clock time of the verification rules on a vocabulary of 32 256 ids: `cargo run --release
//! --example rule_time`. Logits as spread as a language model's; one core.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it measures wall-clock time"
)]

use std::hint::black_box;
use std::time::Instant;

use pipesd_core::ids::TokenId;
use pipesd_core::payload::Payload;
use pipesd_core::seed::Seed;
use pipesd_core::verification::{Drafting, Evidence, Sampling, Temperature, Terms, Verification};

const VOCABULARY: u64 = 32_256;
const CALLS: u32 = 200;

/// Logits between -20 and 0: the sum of three uniform numbers, so that few are near the top.
fn logits(seed: u64) -> Vec<f32> {
    let mut stream = Seed(seed).stream("logits", 0);
    let logit = |id| {
        let mut draws = stream.at(id);
        (20.0 / 3.0 * (0..3).map(|_| draws.uniform()).sum::<f64>() - 20.0) as f32
    };
    (0..VOCABULARY).map(logit).collect()
}

/// Median milliseconds of a call.
fn time<T>(mut call: impl FnMut(u32) -> T) -> f64 {
    let mut times: Vec<f64> = (0..CALLS)
        .map(|position| {
            let started = Instant::now();
            black_box(call(position));
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let (target, draft) = (logits(1), logits(2));
    let temperature = Temperature::new(0.8).expect("in range");
    for verification in [Verification::Match, Verification::Rejection] {
        for drafting in [Drafting::Argmax, Drafting::Sampled, Drafting::Coupled] {
            for payload in [Payload::Full, Payload::Lazy, Payload::TopK(8), Payload::Ids] {
                let terms = Terms { verification, drafting, payload };
                let sampling = Sampling { terms, temperature, seed: 5 };
                let propose = time(|position| sampling.propose(position, &draft));
                let (proposal, claim) = sampling.propose(0, &draft);
                let evidence: Vec<Evidence> =
                    claim.iter().filter_map(|claim| claim.evidence(payload)).collect();
                // One judged draft; when it is accepted the target's next token is drawn too.
                let decide = time(|position| {
                    sampling.decide(position, &[proposal.token], &evidence, |_| &target)
                });
                println!("{terms:?}: propose {propose:.3} ms, decide {decide:.3} ms");
            }
        }
    }
    let terms = Terms {
        verification: Verification::Match,
        drafting: Drafting::Coupled,
        payload: Payload::Ids,
    };
    let sampling = Sampling { terms, temperature, seed: 5 };
    let own: TokenId = sampling.target(0, &target);
    println!("the target's own token: {:.3} ms ({own})", time(|at| sampling.target(at, &target)));
}
