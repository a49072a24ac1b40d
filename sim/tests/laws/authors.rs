//! The simulated EdgeLLM beside the authors' own rounds: what a rejection costs the round behind it, how
//! often what was drafted ahead is used, how long rounds are.
//!
//! Theirs are aggregates of 148 public rounds over five HumanEval prompts at 20 Mbit/s (the runs behind
//! Table 7; of an earlier run of the same prompts where two values are given). A round's time runs from the
//! verdict before it to its own. A serial round of N tokens takes 78 + 161 N ms (fitted on their HSL
//! rounds); what a round takes beyond that is what was still under way when it began. Nothing of it was
//! fitted: the profile's values are of serial rounds.
//!
//! `cargo test -p pipesd-sim --test laws -- authors --nocapture` prints the comparison.

use pipesd_core::event::{Event, Stamped};
use pipesd_core::time::Instant;

use crate::support::{self, EDGELLM};

/// A round that was answered and is not the first of its request.
#[derive(Clone, Copy, Debug)]
struct Answered {
    drafted: u32,
    /// Beyond the serial law \[ms\].
    extra_ms: f64,
    /// The round before it was cut by a rejection.
    after_rejection: bool,
    /// It was begun ahead of the verdict before it.
    reused: bool,
}

/// Five prompts, as theirs; their texts had 130 to 200 tokens, about 150 in the mean.
const PROMPTS: u64 = 5;
const SETS: u64 = 200;

/// The rounds of one set of prompts.
fn rounds(seed: u64) -> Vec<Answered> {
    let setup = support::paper(support::method(EDGELLM), 130 * PROMPTS);
    let mut before: Option<(Instant, bool)> = None;
    let mut rounds = Vec::new();
    for Stamped { at, event, .. } in support::record(&setup, seed).events {
        match event {
            Event::SessionStarted { .. } => before = None,
            Event::RoundResolved { drafted, accepted, proactive, .. } => {
                if let Some((last, after_rejection)) = before {
                    let took_ms = (at - last).as_secs_f64() * 1e3;
                    let extra_ms = took_ms - (78.0 + 161.0 * f64::from(drafted));
                    let reused = proactive;
                    rounds.push(Answered { drafted, extra_ms, after_rejection, reused });
                }
                before = Some((at, accepted < drafted));
            }
            _ => {}
        }
    }
    rounds
}

/// The value at a share of the sorted values, 0 to 1.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((share * values.len() as f64) as usize).min(values.len() - 1)]
}

/// Lengths of unbroken runs of one-token rounds.
fn streaks(rounds: &[Answered]) -> Vec<f64> {
    let runs = rounds.chunk_by(|a, b| (a.drafted == 1) == (b.drafted == 1));
    runs.filter(|run| run[0].drafted == 1).map(|run| run.len() as f64).collect()
}

#[test]
fn a_rejection_costs_the_round_behind_it_no_more_than_in_the_authors_rounds() {
    let sets: Vec<Vec<Answered>> = (0..SETS).map(rounds).collect();
    let extra = |set: &[Answered]| -> Vec<f64> {
        set.iter().filter(|round| round.after_rejection).map(|round| round.extra_ms).collect()
    };
    let all = sets.concat();
    let mut pooled = extra(&all);
    let count = pooled.len() as f64 / SETS as f64;
    let [half, most] = [0.5, 0.9].map(|share| quantile(&mut pooled, share));
    let largest = |set: &Vec<Answered>| extra(set).into_iter().fold(f64::NEG_INFINITY, f64::max);
    let mut maxima: Vec<f64> = sets.iter().map(largest).filter(|max| max.is_finite()).collect();
    let [max_half, max_most] = [0.5, 0.95].map(|share| quantile(&mut maxima, share));
    let mut lengths: Vec<f64> = all.iter().map(|round| f64::from(round.drafted)).collect();
    let [n50, n90, n99] = [0.5, 0.9, 0.99].map(|share| quantile(&mut lengths, share));
    let share = |count: usize| count as f64 / all.len() as f64;
    let reused = share(all.iter().filter(|round| round.reused).count());
    let ones = share(all.iter().filter(|round| round.drafted == 1).count());
    let mut longest: Vec<f64> =
        sets.iter().map(|set| streaks(set).into_iter().fold(0.0, f64::max)).collect();
    let [streak_half, streak_most] = [0.5, 0.9].map(|share| quantile(&mut longest, share));
    println!("                                          ours     the authors'");
    println!("rounds after a rejection, a set         {count:6.1}     26 (25)");
    println!("their extra time, median [ms]           {half:6.0}     42 (53)");
    println!("... of nine in ten at most              {most:6.0}     83 (73)");
    println!(
        "... at most, median set | 19 of 20      {max_half:6.0} | {max_most:.0}     333 (352)"
    );
    println!("reused rounds                           {reused:6.2}     .49 (.38)");
    println!("lengths, q50 q90 q99              {n50:4.0} {n90:3.0} {n99:3.0}     1 13 47");
    println!("rounds of one token                     {ones:6.2}     .61 (.64)");
    println!(
        "longest streak of them, median | 9 of 10  {streak_half:4.0} | {streak_most:.0}     24 (24)"
    );
    assert!(count > 15.0, "the situation is there");
    assert!(most <= 113.0, "a stale upload costs about a token: {most}");
    assert!(max_most <= 400.0, "over as many rounds as theirs: {max_most}");
}
