//! How likely recorded rounds are under a process of confidences and acceptances: what its parameters are
//! fitted by. A particle filter over what is not recorded (the prompt's effect and the slow component).

use pipesd_core::seed::Seed;

use super::Process;
use crate::normal;

/// A recorded round of serial decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Tokens drafted, at least 1.
    pub drafted: u32,
    /// Of these accepted.
    pub accepted: u32,
}

/// Points at which a token's fast component is integrated: the integrand is smooth between its bounds.
const POINTS: u32 = 12;

/// The logarithm of the probability of the rounds of each prompt, outcomes given what the trigger saw:
/// with `threshold`, a round was ended by its first token that was less sure (a prompt's last round by
/// anything). `particles` hidden paths for each prompt; the draws are keyed by `seed` and do not depend on
/// the parameters' acceptance curve, so that differences between curves have little noise.
///
/// # Panics
/// If a round has accepted more than it drafted.
#[must_use]
pub fn rounds_log_likelihood(
    process: &Process,
    prompts: &[Vec<Round>],
    threshold: Option<f64>,
    particles: u32,
    seed: Seed,
) -> f64 {
    let filter = Filter::new(process, threshold.map(|confidence| process.score(confidence)));
    (0..).zip(prompts).map(|(index, rounds)| filter.prompt(rounds, particles, seed, index)).sum()
}

/// What is known of a drafted token.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Whether its confidence lay above the threshold; None: not known.
    sure: Option<bool>,
    /// Whether the target agreed; None: it was not asked (behind a mismatch).
    accepted: Option<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Particle {
    /// The prompt's part of the score.
    prompt: f64,
    slow: f64,
}

struct Filter<'a> {
    process: &'a Process,
    threshold: Option<f64>,
    slow_scale: f64,
    noise_scale: f64,
    innovation_scale: f64,
}

impl<'a> Filter<'a> {
    fn new(process: &'a Process, threshold: Option<f64>) -> Self {
        let Process { prompt_share, slow_share, slow_correlation, .. } = *process;
        Self {
            process,
            threshold,
            slow_scale: libm::sqrt(slow_share),
            noise_scale: libm::sqrt((1.0 - prompt_share - slow_share).max(0.0)),
            innovation_scale: libm::sqrt(1.0 - slow_correlation * slow_correlation),
        }
    }

    fn prompt(&self, rounds: &[Round], count: u32, seed: Seed, index: u64) -> f64 {
        let mut hidden = seed.stream("likelihood", index);
        let mut key = 0;
        let mut normal = || {
            key += 1;
            normal::quantile(hidden.at(key).uniform())
        };
        let scale = libm::sqrt(self.process.prompt_share);
        let mut particles: Vec<Particle> =
            (0..count).map(|_| Particle { prompt: scale * normal(), slow: normal() }).collect();
        let mut log_likelihood = 0.0;
        let mut resampling = seed.stream("resampling", index);
        for (number, round) in (1..).zip(rounds) {
            assert!(round.accepted <= round.drafted, "accepted tokens were drafted");
            let last = number == rounds.len();
            let mut weights = vec![1.0; particles.len()];
            // Behind a mismatch the draft goes on from there, and the text without it.
            let mut text_slow: Option<Vec<f64>> = None;
            for offset in 0..round.drafted {
                let seen = self.seen(*round, offset, last);
                for (weight, particle) in weights.iter_mut().zip(&particles) {
                    *weight *= self.token(*particle, seen);
                }
                if offset == round.accepted {
                    text_slow = Some(particles.iter().map(|particle| particle.slow).collect());
                }
                self.step(&mut particles, &mut normal);
            }
            // The replacement takes the mismatch's own position; an extra token's was never drafted.
            for (particle, slow) in particles.iter_mut().zip(text_slow.into_iter().flatten()) {
                particle.slow = slow;
            }
            self.step(&mut particles, &mut normal);
            log_likelihood +=
                resample(&mut particles, &weights, resampling.at(number as u64).uniform());
        }
        log_likelihood
    }

    fn seen(&self, round: Round, offset: u32, last_round: bool) -> Seen {
        let ends = offset + 1 == round.drafted;
        let sure = self.threshold.and((!(ends && last_round)).then_some(!ends));
        let accepted = match offset.cmp(&round.accepted) {
            core::cmp::Ordering::Less => Some(true),
            core::cmp::Ordering::Equal => Some(false),
            core::cmp::Ordering::Greater => None,
        };
        Seen { sure, accepted }
    }

    fn step(&self, particles: &mut [Particle], normal: &mut impl FnMut() -> f64) {
        for particle in particles {
            particle.slow =
                self.process.slow_correlation * particle.slow + self.innovation_scale * normal();
        }
    }

    /// The probability of what was seen of a token, over its fast component.
    fn token(&self, particle: Particle, seen: Seen) -> f64 {
        let base = particle.prompt + self.slow_scale * particle.slow;
        let split = match (self.threshold, seen.sure) {
            (Some(threshold), Some(_)) if self.noise_scale > 0.0 => {
                normal::cumulative((threshold - base) / self.noise_scale)
            }
            (Some(threshold), Some(_)) => f64::from(u8::from(base < threshold)),
            _ => 0.0,
        };
        let (low, high) = if seen.sure == Some(false) { (0.0, split) } else { (split, 1.0) };
        let Some(accepted) = seen.accepted else { return high - low };
        let Process { acceptance_intercept: a0, acceptance_slope: a1, .. } = *self.process;
        let points = (0..POINTS).map(|point| {
            let share = (f64::from(point) + 0.5) / f64::from(POINTS);
            let fast = normal::quantile((low + (high - low) * share).clamp(1e-12, 1.0 - 1e-12));
            normal::cumulative(a0 + a1 * (base + self.noise_scale * fast))
        });
        let right = points.sum::<f64>() / f64::from(POINTS);
        (high - low) * if accepted { right } else { 1.0 - right }
    }
}

/// Takes as many particles as there are in proportion to their weights, systematically from `first`, 0 to
/// 1, on. Returns the logarithm of the mean weight.
fn resample(particles: &mut [Particle], weights: &[f64], first: f64) -> f64 {
    let total: f64 = weights.iter().sum();
    let mean = total / weights.len() as f64;
    if mean <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let before = particles.to_vec();
    let (mut index, mut sum) = (0, weights[0]);
    for (number, particle) in particles.iter_mut().enumerate() {
        let at = (number as f64 + first) * mean;
        while sum < at && index + 1 < before.len() {
            index += 1;
            sum += weights[index];
        }
        *particle = before[index];
    }
    libm::log(mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::ProcessText;
    use pipesd_core::ids::SessionId;

    fn process(shares: [f64; 2], slope: f64) -> Process {
        Process {
            prompt_share: shares[0],
            slow_share: shares[1],
            slow_correlation: 0.75,
            knots: vec![[-3.0, 0.05], [0.0, 0.7], [3.0, 5.0]],
            acceptance_intercept: 1.0,
            acceptance_slope: slope,
            vocabulary: 1000,
        }
    }

    /// Rounds as a serial edge with a token threshold has them.
    fn simulated(process: &Process, session: u64, threshold: f64, count: usize) -> Vec<Round> {
        let mut text = ProcessText::new(process.clone(), Seed(3), SessionId(session));
        let (mut start, mut rounds) = (0, Vec::new());
        while rounds.len() < count {
            let (mut drafted, mut mismatch) = (0, None);
            loop {
                let position = start + drafted;
                let proposal = match mismatch {
                    None => {
                        let on_path = text.on_path(position);
                        if on_path.draft.token != on_path.target {
                            mismatch = Some(position);
                        }
                        on_path.draft
                    }
                    Some(at) => text.off_path(at, position - at),
                };
                drafted += 1;
                if proposal.confidence < threshold {
                    break;
                }
            }
            let accepted = mismatch.map_or(drafted, |at| at - start);
            rounds.push(Round { drafted, accepted });
            start += accepted + 1;
        }
        rounds
    }

    #[test]
    fn without_hidden_components_it_is_a_product_of_shares() {
        // Independent tokens: the median's confidence is 1 - 10^-.7; acceptance has no slope.
        let independent = process([0.0, 0.0], 0.0);
        let threshold = 1.0 - libm::pow(10.0, -0.7);
        let rounds = vec![
            Round { drafted: 3, accepted: 3 },
            Round { drafted: 2, accepted: 0 },
            Round { drafted: 1, accepted: 1 },
        ];
        let found = rounds_log_likelihood(&independent, &[rounds], Some(threshold), 50, Seed(1));
        let right = normal::cumulative(1.0);
        // Five tokens are judged for their sureness, one half each; the last round ends by anything.
        let expected = 4.0 * libm::log(right) + libm::log(1.0 - right) - 5.0 * libm::log(2.0);
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }

    #[test]
    fn the_slope_that_made_the_rounds_is_the_most_likely() {
        let truth = process([0.1, 0.4], 1.0);
        let prompts: Vec<_> = (0..30).map(|prompt| simulated(&truth, prompt, 0.7, 40)).collect();
        let of = |slope| {
            let process = process([0.1, 0.4], slope);
            rounds_log_likelihood(&process, &prompts, Some(0.7), 300, Seed(1))
        };
        let [flat, low, true_slope, high] = [0.0, 0.5, 1.0, 1.6].map(of);
        assert!(true_slope > low + 5.0 && low > flat + 5.0, "{flat} {low} {true_slope}");
        assert!(true_slope > high + 5.0, "{true_slope} {high}");
    }
}
