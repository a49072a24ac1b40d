//! Expected improvement and its maximisation; the minimiser of the posterior mean.

use core::f64::consts::{FRAC_1_SQRT_2, PI};

use super::config::Acquisition;
use super::design::SpaceFilling;
use super::error::ModelError;
use super::gaussian_process::{GaussianProcess, Prediction, Slopes};
use super::minimise::{Minimum, minimise};
use crate::seed::Seed;

/// Points of the box that are looked at for each dimension, before the best are refined: 2 000 in two
/// dimensions leave gaps of a fiftieth of a side.
const CANDIDATES_PER_DIMENSION: usize = 1000;
/// How many of them are refined.
const REFINED: usize = 6;
/// Distances from the incumbent at which more candidates lie: expected improvement without noise has
/// peaks about it that are narrower than any covering of the box.
const RADII: [f64; 6] = [1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 1e-4];
/// Candidates at each such distance, for each dimension.
const CANDIDATES_PER_RADIUS: usize = 8;
/// Below this z the series of Mills' ratio is exact to 1e-10 and the direct formula begins to cancel.
const SERIES_BELOW: f64 = -20.0;

/// The most promising point of the unit box.
pub(super) fn most_promising(
    model: &GaussianProcess,
    values: &[f64],
    acquisition: Acquisition,
    mut layout: Layout,
) -> Result<Vec<f64>, ModelError> {
    let gain = Gain::new(model, values, acquisition);
    layout.surround(&model.points()[gain.incumbent]);
    let best = layout.minimise(
        |x| gain.cost(model.predict_standardised(x)),
        |x| Ok(gain.cost_slopes(&model.slopes(x))),
    )?;
    Ok(best.point)
}

/// The minimiser of the posterior mean over the unit box.
pub(super) fn least_mean(
    model: &GaussianProcess,
    mut layout: Layout,
) -> Result<Vec<f64>, ModelError> {
    for point in model.points() {
        layout.points.push(point.clone());
    }
    let best = layout.minimise(
        |x| model.predict_standardised(x).mean,
        |x| {
            let slopes = model.slopes(x);
            Ok((slopes.at.mean, slopes.mean))
        },
    )?;
    Ok(best.point)
}

/// Points at which a search over the unit box begins.
pub(super) struct Layout {
    points: Vec<Vec<f64>>,
    sides: Vec<[f64; 2]>,
    directions: SpaceFilling,
}

impl Layout {
    /// Covers the box; `number` tells the layouts of one search apart.
    pub(super) fn new(dimensions: usize, seed: Seed, number: u64) -> Self {
        let cover = SpaceFilling::new(dimensions, seed.stream("tuner.candidates", number));
        Self {
            points: (0..CANDIDATES_PER_DIMENSION * dimensions).map(|n| cover.point(n)).collect(),
            sides: vec![[0.0, 1.0]; dimensions],
            directions: SpaceFilling::new(dimensions, seed.stream("tuner.directions", number)),
        }
    }

    /// Adds points about `centre`.
    fn surround(&mut self, centre: &[f64]) {
        let each = CANDIDATES_PER_RADIUS * centre.len();
        for (ring, radius) in RADII.iter().enumerate() {
            for n in 0..each {
                let offsets = self.directions.point(ring * each + n);
                let moved = |(x, u): (&f64, &f64)| (x + radius * (2.0 * u - 1.0)).clamp(0.0, 1.0);
                self.points.push(centre.iter().zip(&offsets).map(moved).collect());
            }
        }
    }

    /// The least cost: the best points refined.
    fn minimise(
        &self,
        cost: impl Fn(&[f64]) -> f64,
        slopes: impl Fn(&[f64]) -> Result<(f64, Vec<f64>), ModelError>,
    ) -> Result<Minimum, ModelError> {
        let mut ranked: Vec<(f64, usize)> =
            self.points.iter().enumerate().map(|(i, point)| (cost(point), i)).collect();
        if ranked.iter().any(|(cost, _)| cost.is_nan()) {
            return Err(ModelError::NotFinite { what: "a prediction" });
        }
        // Ties in the order of the points.
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut best: Option<Minimum> = None;
        for &(_, i) in ranked.iter().take(REFINED) {
            let minimum = minimise(&self.points[i], &self.sides, &slopes)?;
            if best.as_ref().is_none_or(|best| minimum.value < best.value) {
                best = Some(minimum);
            }
        }
        Ok(best.expect("a layout has points"))
    }
}

/// Expected improvement on an incumbent; everything in standardised units.
struct Gain {
    /// Number of the incumbent's point.
    incumbent: usize,
    /// What has to be gone below.
    target: f64,
    /// Variance of the noise where a noisy value is worth less than a clean one, else 0.
    noise_variance: f64,
}

impl Gain {
    fn new(model: &GaussianProcess, values: &[f64], acquisition: Acquisition) -> Self {
        let least = |values: &mut dyn Iterator<Item = f64>| {
            let first = (0, f64::INFINITY);
            values.enumerate().fold(first, |best, (i, y)| if y < best.1 { (i, y) } else { best })
        };
        match acquisition {
            Acquisition::ExpectedImprovement { xi } => {
                let standardised = model.scaling().standardise(values);
                let (incumbent, value) = least(&mut standardised.into_iter());
                Self { incumbent, target: value - xi, noise_variance: 0.0 }
            }
            Acquisition::NoisyExpectedImprovement { xi } => {
                let means = model.points().iter().map(|x| model.predict_standardised(x).mean);
                let (incumbent, value) = least(&mut means.into_iter());
                let noise_variance = model.hyperparameters().noise_variance;
                Self { incumbent, target: value - xi, noise_variance }
            }
        }
    }

    /// -ln of the expected gain.
    fn cost(&self, at: Prediction) -> f64 {
        let (log_expected, _) = log_expected_improvement((self.target - at.mean) / at.sd);
        let noise = self.noise_variance.sqrt();
        let worth = 1.0 - noise / libm::hypot(at.sd, noise);
        -(libm::log(at.sd) + log_expected + if noise > 0.0 { libm::log(worth) } else { 0.0 })
    }

    /// The same with its slopes by the coordinates.
    fn cost_slopes(&self, slopes: &Slopes) -> (f64, Vec<f64>) {
        let Prediction { mean, sd } = slopes.at;
        let z = (self.target - mean) / sd;
        let (_, ratio) = log_expected_improvement(z);
        let noise = self.noise_variance.sqrt();
        let total = libm::hypot(sd, noise);
        // d ln(1 - τ/√(s² + τ²)) / ds
        let worth = if noise > 0.0 { noise * sd / (total * total * (total - noise)) } else { 0.0 };
        let by_sd = (1.0 - z * ratio) / sd + worth;
        let slope = |(m, s): (&f64, &f64)| -(by_sd * s - ratio * m / sd);
        (self.cost(slopes.at), slopes.mean.iter().zip(&slopes.sd).map(slope).collect())
    }
}

/// ln h(z) of h(z) = φ(z) + z·Φ(z), the expected improvement of a standard normal quantity over -z,
/// and its derivative Φ(z)/h(z).
///
/// The logarithm keeps what underflows: a point ten posterior standard deviations short of the
/// incumbent expects 1e-24, yet must compare with others and have slopes (Ament et al., *Unexpected
/// improvements to expected improvement*, 2023). Far down, h(z) = φ(z)·(1 - t·M(t)) with t = -z and
/// Mills' ratio M(t) = Φ(-t)/φ(t), of which the asymptotic series is taken.
pub(super) fn log_expected_improvement(z: f64) -> (f64, f64) {
    let log_density = -0.5 * z * z - 0.5 * libm::log(2.0 * PI);
    if z > SERIES_BELOW {
        let density = libm::exp(log_density);
        let below = 0.5 * libm::erfc(-z * FRAC_1_SQRT_2);
        let expected = density + z * below;
        return (libm::log(expected), below / expected);
    }
    let u = 1.0 / (z * z);
    // 1 - t M(t) = u (1 - 3u + 15u² - ..), and t M(t) = 1 - u + 3u² - ..
    let short = 1.0 + u * (-3.0 + u * (15.0 + u * (-105.0 + u * (945.0 - u * 10395.0))));
    let log_expected = log_density + libm::log(u) + libm::log(short);
    (log_expected, (1.0 - u * short) * -z / short)
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{Continuous, ContinuousCDF, Normal};

    use super::*;
    use crate::tuner::gaussian_process::Hyperparameters;

    /// ∫ (z - t)⁺ φ(t) dt by Simpson's rule.
    fn integral(z: f64) -> f64 {
        let density = |t: f64| libm::exp(-0.5 * t * t) / (2.0 * PI).sqrt();
        let gain = |t: f64| (z - t) * density(t);
        let n = 20_000;
        let width = 12.0 / f64::from(n);
        let weight = |i: i32| match i {
            0 => 1.0,
            i if i == n => 1.0,
            i if i % 2 == 1 => 4.0,
            _ => 2.0,
        };
        let term = |i: i32| weight(i) * gain(z - 12.0 + f64::from(i) * width);
        (0..=n).map(term).sum::<f64>() * width / 3.0
    }

    #[test]
    fn expected_improvement_is_its_integral() {
        for z in [-8.0, -4.0, -1.0, -0.1, 0.0, 0.5, 3.0] {
            let (log_expected, ratio) = log_expected_improvement(z);
            let expected = integral(z);
            let found = libm::exp(log_expected);
            assert!((found / expected - 1.0).abs() < 1e-8, "{z}: {found}, not {expected}");
            // The derivative of the integral is the distribution function.
            let normal = Normal::standard();
            let below = normal.cdf(z);
            assert!(
                (ratio * found / below - 1.0).abs() < 1e-8,
                "{z}: {}, not {below}",
                ratio * found
            );
            // statrs' distribution function is good to ten digits or so.
            assert!((found - (normal.pdf(z) + z * below)).abs() < 1e-9, "{z}");
        }
    }

    #[test]
    fn both_formulas_agree_where_they_meet_and_nothing_underflows() {
        let (above, above_slope) = log_expected_improvement(SERIES_BELOW + 1e-9);
        let (below, below_slope) = log_expected_improvement(SERIES_BELOW);
        assert!((above - below).abs() < 1e-7, "{above} {below}");
        assert!((above_slope / below_slope - 1.0).abs() < 1e-7, "{above_slope} {below_slope}");
        for z in [-1e2, -1e4, -1e8, 1e8] {
            let (log_expected, ratio) = log_expected_improvement(z);
            assert!(log_expected.is_finite() && ratio.is_finite() && ratio > 0.0, "{z}");
        }
        assert!(log_expected_improvement(-1e4).0 < log_expected_improvement(-1e3).0);
    }

    fn model() -> (GaussianProcess, Vec<f64>) {
        let points = vec![vec![0.1, 0.2], vec![0.8, 0.3], vec![0.5, 0.9], vec![0.4, 0.4]];
        let values = vec![3.0, 2.0, 2.5, 1.0];
        let hyper = Hyperparameters {
            length_scales: vec![0.4, 0.9],
            signal_variance: 1.7,
            noise_variance: 0.02,
        };
        let model = GaussianProcess::condition(points, &values, hyper).expect("a model");
        (model, values)
    }

    #[test]
    fn slopes_of_the_gain_are_its_differences() {
        let (model, values) = model();
        for acquisition in [
            Acquisition::ExpectedImprovement { xi: 0.1 },
            Acquisition::NoisyExpectedImprovement { xi: 0.0 },
        ] {
            let gain = Gain::new(&model, &values, acquisition);
            let x = [0.33, 0.61];
            let (_, slopes) = gain.cost_slopes(&model.slopes(&x));
            for (j, slope) in slopes.iter().enumerate() {
                let at = |step: f64| {
                    let mut moved = x;
                    moved[j] += step;
                    gain.cost(model.predict_standardised(&moved))
                };
                let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!((slope - difference).abs() < 1e-5, "{slope}, not {difference}");
            }
        }
    }

    #[test]
    fn the_gain_stays_finite_where_nothing_is_open() {
        let (model, values) = model();
        let gain = Gain::new(&model, &values, Acquisition::ExpectedImprovement { xi: 0.1 });
        for sd in [1e-3, 1e-7, 1e-15] {
            assert!(gain.cost(Prediction { mean: 2.0, sd }).is_finite(), "{sd}");
        }
    }

    #[test]
    fn no_candidate_beats_the_chosen_point() {
        let (model, values) = model();
        let acquisition = Acquisition::NoisyExpectedImprovement { xi: 0.0 };
        let layout = Layout::new(2, Seed(1), 0);
        let best = most_promising(&model, &values, acquisition, layout).expect("a point");
        let gain = Gain::new(&model, &values, acquisition);
        let cost = |x: &[f64]| gain.cost(model.predict_standardised(x));
        let dense = SpaceFilling::new(2, Seed(2).stream("test", 0));
        assert!((0..20_000).all(|n| cost(&best) <= cost(&dense.point(n))));

        let least = least_mean(&model, Layout::new(2, Seed(1), 0)).expect("a point");
        let mean = |x: &[f64]| model.predict_standardised(x).mean;
        assert!((0..20_000).all(|n| mean(&least) <= mean(&dense.point(n))));
    }
}
