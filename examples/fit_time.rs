//! Wall-clock time of the tuner's fits, as the profiles' `fit_ms` has it: `cargo run --release --example
//! fit_time`. Searches of 16 evaluations over two thresholds, on a bowl with noise; each fit is run
//! alone, on one core.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it measures wall-clock time"
)]

use std::time::Instant;

use pipesd_core::edge::TuningConfig;
use pipesd_core::seed::Seed;
use pipesd_core::tuner::{Bounds, Fit, Fitted, Question, Tuner, TunerConfig};

const SEARCHES: u64 = 200;

/// Milliseconds of each fit of a search, by the values told before it; the last is the recommendation.
fn search(config: TunerConfig, seed: u64, times: &mut Vec<Vec<f64>>) {
    let bounds = Bounds::new(vec![[1e-3, 1.0 - 1e-3]; 2]).expect("a box");
    let mut search = Tuner::new(config, bounds, Seed(seed)).expect("a valid configuration");
    let mut noise = Seed(seed).stream("noise", 0);
    loop {
        let told = search.observations().len();
        let question =
            if search.is_done() { Question::Recommendation } else { Question::Candidate };
        let fit = Fit { search: search.clone(), question };
        let started = Instant::now();
        let fitted = fit.run();
        times.resize_with(times.len().max(told + 1), Vec::new);
        times[told].push(started.elapsed().as_secs_f64() * 1e3);
        let Fitted::Candidate(candidate) = fitted else { return };
        let [x, y] = candidate.point.coordinates() else { unreachable!("two dimensions") };
        let bowl = (x - 0.9) * (x - 0.9) + (y - 0.6) * (y - 0.6);
        let value = 100.0 + 100.0 * bowl + 10.0 * noise.at(told as u64).uniform();
        search.accept(candidate.clone()).expect("its own candidate");
        search.tell(&candidate, value).expect("a finite value");
    }
}

fn main() {
    for (name, tuning) in
        [("paper", TuningConfig::paper(Seed(0))), ("bayes", TuningConfig::bayes(Seed(0)))]
    {
        let mut times = Vec::new();
        (0..SEARCHES).for_each(|seed| search(tuning.tuner, seed, &mut times));
        let mut all = times.concat();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        all.sort_by(f64::total_cmp);
        let [median, high] = [0.5, 0.95].map(|share| all[(share * all.len() as f64) as usize]);
        println!("{name}: mean {mean:.2} ms, median {median:.2}, 95 % below {high:.2}");
        for (told, times) in times.iter().enumerate() {
            let mean = times.iter().sum::<f64>() / times.len() as f64;
            println!("  {told:>2} values told: {mean:.2} ms");
        }
    }
}
