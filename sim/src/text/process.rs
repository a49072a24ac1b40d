//! A stationary process of confidences and acceptances, drawn by position.
//!
//! Each position p of a prompt has a score, standard normal over the population of prompts:
//!
//! ```text
//! x_p = √v_prompt · g  +  √v_slow · s_p  +  √(1 - v_prompt - v_slow) · e_p
//! s_0 = w_0,   s_p = φ · s_{p-1} + √(1 - φ²) · w_p
//! confidence  c_p = 1 - 10^(-Y(x_p)),   Y piecewise linear through the knots, constant beyond them
//! acceptance  m_p = [ v_p < Φ(a₀ + a₁ · x_p) ]
//! ```
//!
//! with g, w, e standard normal and v uniform: prompts differ, confidence comes in stretches, and
//! surer tokens are right more often. After the first mismatch at q the draft follows its own text:
//! its slow component goes on from s_q with draws of its own (key (q, offset)), and nothing is
//! accepted any more. Every draw is keyed, so that all methods meet the same text.

use core::f64::consts::LN_10;

use pipesd_core::contract::Proposal;
use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::seed::{Seed, Stream};
use serde::{Deserialize, Serialize};

use super::OnPath;
use crate::normal;

/// Parameters of the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// v_prompt: share of the score's variance between prompts.
    pub prompt_share: f64,
    /// v_slow: share that varies slowly within a prompt.
    pub slow_share: f64,
    /// φ: lag-1 correlation of the slow component.
    pub slow_correlation: f64,
    /// (x, Y(x)) with x rising: score against -log10(1 - confidence).
    pub knots: Vec<[f64; 2]>,
    /// a₀ of the acceptance curve.
    pub acceptance_intercept: f64,
    /// a₁ of the acceptance curve.
    pub acceptance_slope: f64,
    /// Entries of the vocabulary; ids are drawn from it, id 0 (end of text) excepted.
    pub vocabulary: u32,
}

impl Process {
    /// What is wrong with the parameters, if anything.
    ///
    /// # Errors
    /// If shares or correlation leave their ranges, or the knots do not rise.
    pub fn validate(&self) -> Result<(), String> {
        let share = |x: f64| (0.0..=1.0).contains(&x);
        if !share(self.prompt_share)
            || !share(self.slow_share)
            || self.prompt_share + self.slow_share > 1.0
        {
            return Err("prompt_share and slow_share are not negative and sum to 1 at most".into());
        }
        if !(-1.0 < self.slow_correlation && self.slow_correlation < 1.0) {
            return Err("slow_correlation lies strictly between -1 and 1".into());
        }
        let rises = self.knots.windows(2).all(|w| w[0][0] < w[1][0] && w[0][1] <= w[1][1]);
        // Beyond y = 15 a confidence is 1 to the last bit.
        let in_range = |knot: &[f64; 2]| knot[0].is_finite() && (0.0..=15.0).contains(&knot[1]);
        if self.knots.len() < 2 || !rises || !self.knots.iter().all(in_range) {
            return Err(
                "knots are at least two pairs [x, y], x rising, y not falling, 0 to 15".into()
            );
        }
        if !self.acceptance_intercept.is_finite() || !self.acceptance_slope.is_finite() {
            return Err("the acceptance curve has finite coefficients".into());
        }
        if self.vocabulary < 3 {
            return Err("vocabulary holds at least 3 tokens".into());
        }
        Ok(())
    }

    /// Y(x).
    fn surprise(&self, score: f64) -> f64 {
        let above = self.knots.partition_point(|knot| knot[0] < score);
        let [first, last] = [0, self.knots.len() - 1];
        if above == first {
            self.knots[first][1]
        } else if above > last {
            self.knots[last][1]
        } else {
            let [[x0, y0], [x1, y1]] = [self.knots[above - 1], self.knots[above]];
            y0 + (y1 - y0) * (score - x0) / (x1 - x0)
        }
    }

    /// The score from which on confidences are at least `confidence`, 0 to 1: the inverse of Y, infinite
    /// beyond what the knots reach.
    pub(super) fn score(&self, confidence: f64) -> f64 {
        let surprise = -libm::log10(1.0 - confidence);
        let above = self.knots.partition_point(|knot| knot[1] < surprise);
        match (above.checked_sub(1).map(|below| self.knots[below]), self.knots.get(above)) {
            (None, _) => f64::NEG_INFINITY,
            (_, None) => f64::INFINITY,
            (Some([x0, y0]), Some([x1, y1])) => x0 + (x1 - x0) * (surprise - y0) / (y1 - y0),
        }
    }

    fn confidence(&self, score: f64) -> f64 {
        -libm::expm1(-LN_10 * self.surprise(score))
    }
}

/// The text that the process gives one session.
#[derive(Clone, Debug)]
pub struct ProcessText {
    process: Process,
    noise_scale: f64,
    innovation_scale: f64,
    prompt_effect: f64,
    on_path_draws: Stream,
    off_path_draws: Stream,
    /// By position: the slow component and what it led to.
    on_path: Vec<(f64, OnPath)>,
    /// The last mismatch asked about, and by offset the slow component and proposal after it.
    off_path: (u32, Vec<(f64, Proposal)>),
}

/// Offsets after one mismatch stay below this, so that keys (mismatch, offset) never collide.
const OFFSETS: u64 = 1 << 20;

impl ProcessText {
    /// The text of `session` in the run `seed`.
    #[must_use]
    pub fn new(process: Process, seed: Seed, session: SessionId) -> Self {
        let scale = |variance: f64| libm::sqrt(variance.max(0.0));
        let g = normal::quantile(seed.stream("prompt", session.0).at(0).uniform());
        Self {
            noise_scale: scale(1.0 - process.prompt_share - process.slow_share),
            innovation_scale: scale(1.0 - process.slow_correlation * process.slow_correlation),
            prompt_effect: scale(process.prompt_share) * g,
            on_path_draws: seed.stream("on path", session.0),
            off_path_draws: seed.stream("off path", session.0),
            on_path: Vec::new(),
            off_path: (u32::MAX, Vec::new()),
            process,
        }
    }

    fn score(&self, slow: f64, noise: f64) -> f64 {
        self.prompt_effect + libm::sqrt(self.process.slow_share) * slow + self.noise_scale * noise
    }

    pub(super) fn on_path(&mut self, position: u32) -> OnPath {
        while self.on_path.len() <= position as usize {
            let next = self.on_path.len() as u64;
            let mut draws = self.on_path_draws.at(next);
            let [w, e] = [draws.uniform(), draws.uniform()].map(normal::quantile);
            let (v, target) = (draws.uniform(), token(draws.bits(), self.process.vocabulary));
            let slow = match self.on_path.last() {
                None => w,
                Some((slow, _)) => self.process.slow_correlation * slow + self.innovation_scale * w,
            };
            let score = self.score(slow, e);
            let Process { acceptance_intercept: a0, acceptance_slope: a1, .. } = self.process;
            let accepted = v < normal::cumulative(a0 + a1 * score);
            let token = if accepted { target } else { other(target, self.process.vocabulary) };
            let draft = Proposal { token, confidence: self.process.confidence(score) };
            self.on_path.push((slow, OnPath { target, draft }));
        }
        self.on_path[position as usize].1
    }

    pub(super) fn off_path(&mut self, mismatch: u32, offset: u32) -> Proposal {
        if self.off_path.0 != mismatch {
            self.off_path = (mismatch, Vec::new());
        }
        self.on_path(mismatch);
        while self.off_path.1.len() < offset as usize {
            let next = self.off_path.1.len() as u64 + 1;
            assert!(next < OFFSETS, "a rollout is bounded by its request's budget");
            let mut draws = self.off_path_draws.at(u64::from(mismatch) * OFFSETS + next);
            let [w, e] = [draws.uniform(), draws.uniform()].map(normal::quantile);
            let token = token(draws.bits(), self.process.vocabulary);
            let before =
                self.off_path.1.last().map_or(self.on_path[mismatch as usize].0, |(slow, _)| *slow);
            let slow = self.process.slow_correlation * before + self.innovation_scale * w;
            let confidence = self.process.confidence(self.score(slow, e));
            self.off_path.1.push((slow, Proposal { token, confidence }));
        }
        self.off_path.1[offset as usize - 1].1
    }
}

/// An id from 1 on: id 0 ends texts, which this process never does before the budget.
fn token(bits: u64, vocabulary: u32) -> TokenId {
    TokenId(1 + (bits % u64::from(vocabulary - 1)) as u32)
}

/// Some id that is not `token`, and not 0.
const fn other(token: TokenId, vocabulary: u32) -> TokenId {
    TokenId(if token.0 + 1 < vocabulary { token.0 + 1 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process() -> Process {
        Process {
            prompt_share: 0.1,
            slow_share: 0.4,
            slow_correlation: 0.75,
            knots: vec![[-3.0, 0.05], [0.0, 1.0], [3.0, 5.0]],
            acceptance_intercept: 1.0,
            acceptance_slope: 0.8,
            vocabulary: 1000,
        }
    }

    fn text(session: u64) -> ProcessText {
        ProcessText::new(process(), Seed(5), SessionId(session))
    }

    #[test]
    fn the_text_does_not_depend_on_the_order_of_questions() {
        let mut asked_in_order = text(1);
        let mut asked_otherwise = text(1);
        asked_otherwise.off_path(40, 3);
        asked_otherwise.on_path(63);
        asked_otherwise.off_path(7, 2);
        for position in 0..64 {
            assert_eq!(asked_in_order.on_path(position), asked_otherwise.on_path(position));
        }
        for (mismatch, offset) in [(7, 1), (40, 3), (40, 1), (7, 9)] {
            let one = asked_in_order.off_path(mismatch, offset);
            assert_eq!(one, asked_otherwise.off_path(mismatch, offset));
        }
    }

    #[test]
    fn moments_are_those_of_the_parameters() {
        // 2000 prompts of 40 positions; bounds are four standard errors or wider.
        let (mut accepted, mut count) = (0.0, 0.0);
        let mut scores = Vec::new();
        for session in 0..2000 {
            let mut text = text(session);
            for position in 0..40 {
                let at = text.on_path(position);
                accepted += f64::from(u8::from(at.draft.token == at.target));
                count += 1.0;
                scores.push(-libm::log10(1.0 - at.draft.confidence));
            }
        }
        // E Φ(a₀ + a₁ x) over a standard normal x is Φ(a₀ / √(1 + a₁²)).
        let expected = normal::cumulative(1.0 / libm::sqrt(1.0 + 0.64));
        assert!((accepted / count - expected).abs() < 0.01, "{} {expected}", accepted / count);
        // Y is the median's where the score is 0.
        scores.sort_by(f64::total_cmp);
        assert!((scores[scores.len() / 2] - 1.0).abs() < 0.03);
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        assert!(process().validate().is_ok());
        assert!(Process { slow_share: 0.95, ..process() }.validate().is_err());
        assert!(Process { slow_correlation: 1.0, ..process() }.validate().is_err());
        assert!(Process { knots: vec![[0.0, 1.0], [0.0, 2.0]], ..process() }.validate().is_err());
        assert!(Process { knots: vec![[0.0, -3.0], [1.0, 2.0]], ..process() }.validate().is_err());
        assert!(Process { vocabulary: 2, ..process() }.validate().is_err());
    }
}
