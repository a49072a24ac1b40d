//! Chance told from error. The paper measured each cell over a few prompts, and another few would have
//! given another value. Beside each error stands the standard deviation of a mean over so many prompts
//! of our model, and which errors it does not account for.

use pipesd_sim::profile::TextModel;
use pipesd_sim::world::{Setup, requests};
use serde::{Deserialize, Serialize};

use crate::statistics::Statistic;

/// The prompts that the paper's values of an item are means over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prompts {
    /// How many.
    pub(crate) count: u32,
    /// Where that is known from.
    pub(crate) source: String,
}

/// So many chance deviations an error has at most that chance accounts for.
pub(crate) const DEVIATIONS: f64 = 2.0;

/// How far sessions of the authors with one set-up lie apart \[%\], beside chance: Vanilla's four
/// published rates (Fig. 5) scatter by 5 % to either side of one law.
pub(crate) const SESSIONS_PCT: f64 = 5.0;

/// What a figure does by chance over the paper's number of prompts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Chance {
    /// The paper's number of prompts.
    pub(crate) prompts: u32,
    /// Standard deviation of our figure over so many prompts, in the figure's unit.
    pub(crate) sd: f64,
}

impl Chance {
    /// Chance over `prompts` prompts, told by runs of `of_run` prompts each; None: a single run.
    ///
    /// Every figure is a ratio of two sums over the prompts of a run: time over output tokens, NAVs over
    /// output tokens, accepted over drafted. Prompts are drawn independently, so that the variance of
    /// such a ratio falls as one over their number, up to terms of the next order. The deviation over
    /// runs with different seeds is measured without any assumption on the figure's distribution, and
    /// this law takes it from the prompts of a run to the paper's; runs of exactly the paper's number
    /// have nothing to be scaled. What prompts of one run share (the edge's estimates of its link, a link
    /// whose rate changes over the run) it counts as if it were each prompt's own.
    pub(crate) fn over(runs: &Statistic, of_run: u64, prompts: u32) -> Option<Self> {
        let scale = (of_run as f64 / f64::from(prompts)).sqrt();
        runs.sd.map(|sd| Self { prompts, sd: sd * scale })
    }

    /// Chance over the paper's prompts, told by runs of a setup; None also where each seed plays the
    /// same recorded texts: what differs between such runs is not the prompts.
    pub(crate) fn of(setup: &Setup, runs: &Statistic, prompts: &Prompts) -> Option<Self> {
        match &setup.profile.text {
            TextModel::Process(_) => {
                let of_run = requests(setup) * u64::from(setup.edges);
                Self::over(runs, of_run, prompts.count)
            }
            TextModel::Trace(_) => None,
        }
    }
}

/// What an error is beside chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// No larger than [`DEVIATIONS`] chance deviations.
    Chance,
    /// Larger, but no larger than these and what sessions differ by ([`SESSIONS_PCT`]).
    Sessions,
    /// Larger than both together.
    Beyond,
}

impl Verdict {
    /// Of an error and a chance deviation, both in percent of the paper's value.
    pub(crate) fn of(error_pct: f64, chance_pct: f64) -> Self {
        let beyond_chance = error_pct.abs() - DEVIATIONS * chance_pct;
        if beyond_chance <= 0.0 {
            Self::Chance
        } else if beyond_chance <= SESSIONS_PCT {
            Self::Sessions
        } else {
            Self::Beyond
        }
    }

    /// The sign that follows an error.
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Chance => "",
            Self::Sessions => "*",
            Self::Beyond => "!",
        }
    }
}

#[cfg(test)]
mod tests {
    use pipesd_core::seed::{Seed, Stream};

    use super::*;

    /// Time and output tokens of one prompt: its share of rejections `p` is its own, and its rounds
    /// (rejected ones cost more time) come from it.
    fn prompt(draws: &mut Stream, index: u64) -> (f64, f64) {
        let base = index * 1000;
        let slow = 0.1 + 0.5 * draws.at(base).uniform();
        let (mut time, mut tokens) = (0.0, 0.0);
        for round in 1..40 {
            let rejected = draws.at(base + round).uniform() < slow;
            time += if rejected { 300.0 } else { 500.0 };
            tokens += if rejected { 2.0 } else { 5.0 };
        }
        (time, tokens)
    }

    /// Ratios of sums over groups of `size` prompts.
    fn ratios(seed: u64, groups: u64, size: u64) -> Vec<f64> {
        let mut draws = Seed(seed).stream("prompts", 0);
        let ratio = |group: u64| {
            let prompts = (group * size..(group + 1) * size).map(|index| prompt(&mut draws, index));
            let (time, tokens) = prompts.fold((0.0, 0.0), |(t, n), (dt, dn)| (t + dt, n + dn));
            time / tokens
        };
        (0..groups).map(ratio).collect()
    }

    /// A hundred runs of eight prompts tell what ten and five do by chance, as four thousand means over
    /// ten and over five show it.
    #[test]
    fn chance_is_that_of_means_over_as_many_prompts() {
        for prompts in [10, 5, 20] {
            let truth = Statistic::of(&ratios(1, 4000, prompts)).sd.expect("many means");
            let told: Vec<f64> = (2..22)
                .map(|seed| {
                    let runs = Statistic::of(&ratios(seed, 100, 8));
                    Chance::over(&runs, 8, prompts as u32).expect("a hundred runs").sd / truth
                })
                .collect();
            let over = Statistic::of(&told);
            // A deviation over 100 runs is known to 1 / sqrt(2 * 99) = 7 %, the mean of twenty to 1.6 %.
            assert!((over.mean - 1.0).abs() < 0.05, "{prompts} prompts: {}", over.mean);
            assert!(told.iter().all(|ratio| (0.75..1.3).contains(ratio)), "{told:?}");
        }
    }

    /// If the paper's value is a mean over ten prompts of our own model, one in twenty errors at most is
    /// held to be more than chance.
    #[test]
    fn chance_alone_is_seldom_taken_for_an_error() {
        let ours = Statistic::of(&ratios(3, 100, 8));
        let chance = Chance::over(&ours, 8, 10).expect("a hundred runs");
        let papers = ratios(4, 4000, 10);
        let verdicts = papers.iter().map(|paper| {
            let percent = 100.0 / paper;
            Verdict::of((ours.mean - paper) * percent, chance.sd * percent)
        });
        let missed = verdicts.filter(|verdict| *verdict != Verdict::Chance).count() as f64;
        let share = missed / papers.len() as f64;
        assert!((0.01..0.10).contains(&share), "{share}");
    }

    #[test]
    fn a_single_run_tells_no_chance() {
        assert_eq!(Chance::over(&Statistic::of(&[7.0]), 8, 10), None);
        let two = Statistic::of(&[6.0, 8.0]);
        let same = Chance::over(&two, 10, 10).expect("two runs");
        assert_eq!(Some(same.sd), two.sd, "runs of the paper's own size are not scaled");
    }

    #[test]
    fn an_error_is_beyond_chance_and_beyond_sessions_by_its_size() {
        for (error, chance, verdict) in [
            (0.0, 0.0, Verdict::Chance),
            (-6.0, 3.0, Verdict::Chance),
            (6.1, 3.0, Verdict::Sessions),
            (-11.0, 3.0, Verdict::Sessions),
            (11.1, 3.0, Verdict::Beyond),
            (-11.1, 3.0, Verdict::Beyond),
        ] {
            assert_eq!(Verdict::of(error, chance), verdict, "{error} with {chance}");
        }
    }
}
