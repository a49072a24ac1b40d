//! Hyperparameters by the largest posterior density: log marginal likelihood plus weak log-normal
//! priors, from several starts.
//!
//! With five values the likelihood alone is often largest at a bound (all noise, or a length scale of
//! hundredths of the box). The priors decide such cases for smooth functions and are outweighed by a
//! dozen values.

use super::error::ModelError;
use super::gaussian_process::{GaussianProcess, Hyperparameters, Scaling, log_likelihood};
use super::minimise::{Minimum, minimise};

/// A log-normal prior and the bounds of its quantity.
struct Prior {
    median: f64,
    /// Standard deviation of the logarithm.
    spread: f64,
    bounds: [f64; 2],
}

/// Length scales: about a width of the box, 95 % in [1/7, 7] widths. The median grows as √d, as the
/// distances in the box do (Hvarfner, Hellsten and Nardi, *Vanilla Bayesian optimization performs
/// great in high dimensions*, 2024). Bounds: a twentieth of the box, below which 16 points in two
/// dimensions cannot tell a function from noise; 20 boxes, beyond which it is a parabola for any ℓ.
const LENGTH: Prior = Prior { median: 0.7, spread: 1.0, bounds: [0.05, 20.0] };

/// Signal variance, in variances of the values. A parabola over the box is a process of long length
/// scale and large variance, so the prior is wide upwards too.
const SIGNAL: Prior = Prior { median: 2.0, spread: 2.0, bounds: [1e-2, 1e4] };

/// Noise variance, in variances of the values: the median is noise of 3 % of their standard
/// deviation, and 30 % and 0.3 % are within about a standard deviation. The lower bound keeps the
/// covariance well conditioned and is noise that no one measures; at the upper one all is noise.
const NOISE: Prior = Prior { median: 1e-3, spread: 4.0, bounds: [1e-9, 1.0] };

/// Starts: short, middling and long scales, each with little and with much noise. The posterior
/// density of few points has typically two maxima, "all signal" and "mostly noise".
const START_LENGTHS: [f64; 3] = [0.2, 0.6, 2.0];
const START_NOISES: [f64; 2] = [1e-5, 1e-1];

/// The process with the most probable hyperparameters given `values` at `points`.
///
/// # Errors
/// If the linear algebra fails from every start, with the first such failure.
pub(super) fn fit(points: &[Vec<f64>], values: &[f64]) -> Result<GaussianProcess, ModelError> {
    let dimensions = points.first().map_or(0, Vec::len);
    if dimensions == 0 || points.len() != values.len() {
        let (points, values) = (points.len(), values.len());
        return Err(ModelError::Shape { points, dimensions, values });
    }
    let standardised = Scaling::of(values)?.standardise(values);
    let priors = priors(dimensions);
    let sides: Vec<[f64; 2]> = priors.iter().map(|prior| prior.bounds.map(libm::log)).collect();
    let mut best: Option<Minimum> = None;
    let mut failure = None;
    for length in START_LENGTHS {
        for noise_variance in START_NOISES {
            let length_scales = vec![length; dimensions];
            let start = Hyperparameters { length_scales, signal_variance: 1.0, noise_variance };
            let objective = |logarithms: &[f64]| {
                negative_log_posterior(points, &standardised, &priors, logarithms)
            };
            match minimise(&start.to_logarithms(), &sides, objective) {
                Ok(minimum) if best.as_ref().is_none_or(|best| minimum.value < best.value) => {
                    best = Some(minimum);
                }
                Ok(_) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
    }
    let Some(best) = best else {
        return Err(failure.expect("without a minimum every start has failed"));
    };
    let hyperparameters = Hyperparameters::from_logarithms(&best.point);
    GaussianProcess::condition(points.to_vec(), values, hyperparameters)
}

/// One prior for each logarithm.
fn priors(dimensions: usize) -> Vec<Prior> {
    let growth = (dimensions as f64).sqrt();
    let length = || Prior { median: LENGTH.median * growth, ..LENGTH };
    (0..dimensions).map(|_| length()).chain([SIGNAL, NOISE]).collect()
}

/// What is minimised, and its slopes by the logarithms of the hyperparameters.
fn negative_log_posterior(
    points: &[Vec<f64>],
    values: &[f64],
    priors: &[Prior],
    logarithms: &[f64],
) -> Result<(f64, Vec<f64>), ModelError> {
    let hyperparameters = Hyperparameters::from_logarithms(logarithms);
    let (likelihood, slopes) = log_likelihood(points, values, &hyperparameters)?;
    let mut value = -likelihood;
    let mut downhill: Vec<f64> = slopes.iter().map(|slope| -slope).collect();
    for (i, prior) in priors.iter().enumerate() {
        let deviation = (logarithms[i] - libm::log(prior.median)) / prior.spread;
        value += 0.5 * deviation * deviation;
        downhill[i] += deviation / prior.spread;
    }
    Ok((value, downhill))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::tuner::design::SpaceFilling;

    /// 60 points of a function that changes along the first dimension only, with noise of `noise_sd`.
    fn ridge(noise_sd: f64) -> (Vec<Vec<f64>>, Vec<f64>) {
        let sequence = SpaceFilling::new(2, Seed(1).stream("test", 0));
        let points: Vec<Vec<f64>> = (0..60).map(|n| sequence.point(n)).collect();
        let mut stream = Seed(1).stream("noise", 0);
        let mut value = |(n, x): (u64, &Vec<f64>)| {
            // Twelve uniform numbers less six are nearly normal; a key has eight.
            let mut sum = |key| {
                let mut draws = stream.at(key);
                (0..6).map(|_| draws.uniform()).sum::<f64>()
            };
            3.0 * libm::sin(6.0 * x[0]) + noise_sd * (sum(2 * n) + sum(2 * n + 1) - 6.0)
        };
        let values = (0..).zip(&points).map(&mut value).collect();
        (points, values)
    }

    #[test]
    fn noise_and_irrelevant_dimensions_are_learned() {
        let (points, values) = ridge(0.3);
        let process = fit(&points, &values).expect("a model");
        // 60 values less what the function takes: about 20 %.
        assert!((process.noise_sd() - 0.3).abs() < 0.1, "{}", process.noise_sd());
        let lengths = &process.hyperparameters().length_scales;
        assert!(lengths[1] > 4.0 * lengths[0], "{lengths:?}");

        let (points, values) = ridge(0.0);
        let process = fit(&points, &values).expect("a model");
        assert!(process.noise_sd() < 1e-3, "{}", process.noise_sd());
    }

    #[test]
    fn slopes_of_the_posterior_density_are_its_differences() {
        let (points, values) = ridge(0.3);
        let values = Scaling::of(&values).expect("finite").standardise(&values);
        let at = |logarithms: &[f64]| {
            negative_log_posterior(&points, &values, &priors(2), logarithms).expect("a density")
        };
        let here = [-0.4, 0.8, 0.3, -3.0];
        for (i, slope) in at(&here).1.into_iter().enumerate() {
            let moved = |step: f64| {
                let mut there = here;
                there[i] += step;
                at(&there).0
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((slope - difference).abs() < 1e-5, "{i}: {slope}, not {difference}");
        }
    }

    #[test]
    fn one_value_and_equal_values_are_no_special_case() {
        for n in [1, 4] {
            let points: Vec<Vec<f64>> = (0..n).map(|i| vec![0.2 * f64::from(i), 0.5]).collect();
            let values = vec![7.0; points.len()];
            let process = fit(&points, &values).expect("a model");
            assert!((process.predict(&[0.9, 0.9]).mean - 7.0).abs() < 1e-9);
        }
        fit(&[], &[]).expect_err("nothing to fit");
    }
}
