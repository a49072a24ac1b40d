//! Regression by a Gaussian process on the unit box: Matérn 5/2, a length scale for each dimension,
//! noise, a constant mean.
//!
//! y_i = μ + f(x_i) + ε_i with f a zero-mean process of covariance s²·(1 + √5 r + 5/3 r²)·exp(-√5 r),
//! r² = Σ ((x_j - x'_j)/ℓ_j)², and ε independent normal noise (Rasmussen and Williams, *Gaussian
//! Processes for Machine Learning*, 2006, sections 2.2, 4.2 and 5.4). Values are standardised first, so
//! that all of this is in their standard deviations. The mean μ has a normal prior of that same
//! scale and is integrated out: it adds 1 to every covariance, and its uncertainty counts.
//!
//! Everything here is additions, products, square roots and libm's `exp` and `log` in a fixed order:
//! the same bits on every machine.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use serde::{Deserialize, Serialize};

use super::error::ModelError;

/// √5 of the Matérn kernel.
const ROOT_5: f64 = 2.236_067_977_499_79;

/// Prior variance of the constant mean, in variances of the observed values: their own mean is
/// subtracted already, and the mean over the box is likely within a few standard deviations of it.
const MEAN_VARIANCE: f64 = 1.0;

/// Jitters tried in turn on the covariance's diagonal, relative to its mean. The first is none: with
/// noise learned, the diagonal is seldom too small. The last is a thousandth of a standard deviation,
/// still far below any noise worth the name; what fails there is an error.
const JITTERS: [f64; 5] = [0.0, 1e-12, 1e-10, 1e-8, 1e-6];

/// Variances below this share of the prior's are rounding errors: they are raised to it.
const VARIANCE_FLOOR: f64 = 1e-13;

/// What the likelihood is maximised over; variances are those of standardised values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hyperparameters {
    /// ℓ: over which distance the function changes, in widths of the box; one for each dimension.
    pub length_scales: Vec<f64>,
    /// s²: how far it changes.
    pub signal_variance: f64,
    /// Variance of a value about the function.
    pub noise_variance: f64,
}

impl Hyperparameters {
    /// The logarithms, in the order of the fields.
    pub(super) fn to_logarithms(&self) -> Vec<f64> {
        let variances = [self.signal_variance, self.noise_variance];
        self.length_scales.iter().chain(&variances).map(|&x| libm::log(x)).collect()
    }

    /// From logarithms: one for each dimension, then two.
    pub(super) fn from_logarithms(logarithms: &[f64]) -> Self {
        let mut values: Vec<f64> = logarithms.iter().map(|&x| libm::exp(x)).collect();
        let noise_variance = values.pop().expect("the noise variance comes last");
        let signal_variance = values.pop().expect("the signal variance comes before it");
        Self { length_scales: values, signal_variance, noise_variance }
    }

    /// r of two points.
    fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
        let scaled = |((x, y), length): ((&f64, &f64), &f64)| {
            let step = (x - y) / length;
            step * step
        };
        a.iter().zip(b).zip(&self.length_scales).map(scaled).sum::<f64>().sqrt()
    }

    /// Covariance of the function (with the mean) at distance `r`.
    fn covariance(&self, r: f64) -> f64 {
        let t = ROOT_5 * r;
        MEAN_VARIANCE + self.signal_variance * (1.0 + t + t * t / 3.0) * libm::exp(-t)
    }

    /// -(dk/dr)/r at distance `r`: finite at 0, and all that derivatives by x and ℓ need.
    fn slope(&self, r: f64) -> f64 {
        let t = ROOT_5 * r;
        self.signal_variance * (5.0 / 3.0) * (1.0 + t) * libm::exp(-t)
    }
}

/// What is known about the function at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Posterior mean.
    pub mean: f64,
    /// Posterior standard deviation, of the function and not of a noisy value of it; above 0.
    pub sd: f64,
}

/// A prediction in standardised units, and how it changes with the point.
#[derive(Clone, Debug)]
pub(super) struct Slopes {
    pub(super) at: Prediction,
    pub(super) mean: Vec<f64>,
    pub(super) sd: Vec<f64>,
}

/// A process conditioned on observed values.
#[derive(Clone, Debug)]
pub struct GaussianProcess {
    points: Vec<Vec<f64>>,
    hyperparameters: Hyperparameters,
    scaling: Scaling,
    factor: Cholesky<f64, Dyn>,
    weights: DVector<f64>,
    jitter: f64,
}

/// Values to and from mean 0 and standard deviation 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaling {
    pub(super) mean: f64,
    pub(super) sd: f64,
}

impl Scaling {
    /// Of these values; equal values are only shifted.
    pub(super) fn of(values: &[f64]) -> Result<Self, ModelError> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / n;
        if !variance.is_finite() {
            return Err(ModelError::NotFinite { what: "the variance of the values" });
        }
        Ok(Self { mean, sd: if variance > 0.0 { variance.sqrt() } else { 1.0 } })
    }

    /// The standardised values.
    pub(super) fn standardise(self, values: &[f64]) -> Vec<f64> {
        values.iter().map(|y| (y - self.mean) / self.sd).collect()
    }
}

impl GaussianProcess {
    /// Conditions on `values` at `points` of the unit box, with given hyperparameters.
    ///
    /// # Errors
    /// If the shapes do not fit, something is not finite, or the covariance has no factor.
    pub fn condition(
        points: Vec<Vec<f64>>,
        values: &[f64],
        hyperparameters: Hyperparameters,
    ) -> Result<Self, ModelError> {
        let dimensions = hyperparameters.length_scales.len();
        if points.len() != values.len()
            || points.is_empty()
            || points.iter().any(|point| point.len() != dimensions)
        {
            let (points, values) = (points.len(), values.len());
            return Err(ModelError::Shape { points, dimensions, values });
        }
        let scaling = Scaling::of(values)?;
        let (factor, jitter) = factorise(&covariance_matrix(&points, &hyperparameters))?;
        let weights = factor.solve(&DVector::from_vec(scaling.standardise(values)));
        if weights.iter().any(|weight| !weight.is_finite()) {
            return Err(ModelError::NotFinite { what: "a weight of the posterior mean" });
        }
        Ok(Self { points, hyperparameters, scaling, factor, weights, jitter })
    }

    /// What the process was conditioned with.
    #[must_use]
    pub const fn hyperparameters(&self) -> &Hyperparameters {
        &self.hyperparameters
    }

    /// What had to be added to the covariance's diagonal, relative to its mean; mostly 0.
    #[must_use]
    pub const fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Standard deviation of the noise, in the unit of the values.
    #[must_use]
    pub fn noise_sd(&self) -> f64 {
        self.scaling.sd * self.hyperparameters.noise_variance.sqrt()
    }

    /// What is known at `point` of the unit box, in the unit of the values.
    #[must_use]
    pub fn predict(&self, point: &[f64]) -> Prediction {
        let Prediction { mean, sd } = self.predict_standardised(point);
        Prediction { mean: self.scaling.mean + self.scaling.sd * mean, sd: self.scaling.sd * sd }
    }

    pub(super) const fn scaling(&self) -> Scaling {
        self.scaling
    }

    pub(super) fn points(&self) -> &[Vec<f64>] {
        &self.points
    }

    /// As [`Self::predict`], in standardised units.
    pub(super) fn predict_standardised(&self, point: &[f64]) -> Prediction {
        let hyper = &self.hyperparameters;
        let n = self.points.len();
        let cross =
            DVector::from_fn(n, |i, _| hyper.covariance(hyper.distance(point, &self.points[i])));
        // var = k(x, x) - |L⁻¹ k|²: a difference of squares loses less than k - kᵀ K⁻¹ k would.
        let mut half = cross.clone();
        let solved = self.factor.l_dirty().solve_lower_triangular_mut(&mut half);
        assert!(solved, "a Cholesky factor has no zero on its diagonal");
        Prediction { mean: cross.dot(&self.weights), sd: self.sd_of(half.norm_squared()) }
    }

    /// The posterior standard deviation when the data explain `explained` of the variance.
    fn sd_of(&self, explained: f64) -> f64 {
        let prior = MEAN_VARIANCE + self.hyperparameters.signal_variance;
        (prior - explained).max(VARIANCE_FLOOR * prior).sqrt()
    }

    /// Prediction and slopes by each coordinate, in standardised units.
    pub(super) fn slopes(&self, point: &[f64]) -> Slopes {
        let hyper = &self.hyperparameters;
        let distances: Vec<f64> = self.points.iter().map(|x| hyper.distance(point, x)).collect();
        let cross = DVector::from_fn(distances.len(), |i, _| hyper.covariance(distances[i]));
        let mut half = cross.clone();
        let solved = self.factor.l_dirty().solve_lower_triangular_mut(&mut half);
        assert!(solved, "a Cholesky factor has no zero on its diagonal");
        let at = Prediction { mean: cross.dot(&self.weights), sd: self.sd_of(half.norm_squared()) };
        let pull = self.factor.solve(&cross);
        let mut slopes = Slopes { at, mean: vec![0.0; point.len()], sd: vec![0.0; point.len()] };
        for (i, x) in self.points.iter().enumerate() {
            let slope = hyper.slope(distances[i]);
            for (j, length) in hyper.length_scales.iter().enumerate() {
                let step = -slope * (point[j] - x[j]) / (length * length);
                slopes.mean[j] += self.weights[i] * step;
                // d var = -2 kᵀ K⁻¹ dk, and d sd = d var / (2 sd).
                slopes.sd[j] -= pull[i] * step / at.sd;
            }
        }
        slopes
    }
}

/// Covariance of the noisy values at `points`; only the lower triangle is filled.
fn covariance_matrix(points: &[Vec<f64>], hyper: &Hyperparameters) -> DMatrix<f64> {
    let n = points.len();
    let mut matrix = DMatrix::zeros(n, n);
    for j in 0..n {
        for i in j..n {
            matrix[(i, j)] = hyper.covariance(hyper.distance(&points[i], &points[j]));
        }
        matrix[(j, j)] += hyper.noise_variance;
    }
    matrix
}

/// The Cholesky factor of `matrix` (of which the lower triangle is read), and the jitter it took.
pub(super) fn factorise(matrix: &DMatrix<f64>) -> Result<(Cholesky<f64, Dyn>, f64), ModelError> {
    let size = matrix.nrows();
    let diagonal = matrix.diagonal().sum() / size as f64;
    if !matrix.lower_triangle().iter().all(|x| x.is_finite()) {
        return Err(ModelError::NotFinite { what: "a covariance" });
    }
    for jitter in JITTERS {
        let mut raised = matrix.clone();
        for i in 0..size {
            raised[(i, i)] += jitter * diagonal;
        }
        if let Some(factor) = Cholesky::new(raised) {
            return Ok((factor, jitter));
        }
    }
    Err(ModelError::NotPositiveDefinite { size, jitter: JITTERS[JITTERS.len() - 1] })
}

/// The log marginal likelihood of standardised `values`, and its slopes by the logarithms of the
/// hyperparameters (Rasmussen and Williams 2006, equations 2.30 and 5.9).
pub(super) fn log_likelihood(
    points: &[Vec<f64>],
    values: &[f64],
    hyper: &Hyperparameters,
) -> Result<(f64, Vec<f64>), ModelError> {
    let n = points.len();
    let dimensions = hyper.length_scales.len();
    let (factor, _) = factorise(&covariance_matrix(points, hyper))?;
    let values = DVector::from_column_slice(values);
    let weights = factor.solve(&values);
    let log_root: f64 = (0..n).map(|i| libm::log(factor.l_dirty()[(i, i)])).sum();
    let constant = 0.5 * n as f64 * libm::log(2.0 * core::f64::consts::PI);
    let likelihood = -0.5 * values.dot(&weights) - log_root - constant;
    let inverse = factor.inverse();
    let mut slopes = vec![0.0; dimensions + 2];
    for j in 0..n {
        for i in j..n {
            // ½ tr((w wᵀ - K⁻¹) dK), both halves of the symmetric matrices at once.
            let half = if i == j { 0.5 } else { 1.0 };
            let pull = half * (weights[i] * weights[j] - inverse[(i, j)]);
            let r = hyper.distance(&points[i], &points[j]);
            slopes[dimensions] += pull * (hyper.covariance(r) - MEAN_VARIANCE);
            let slope = hyper.slope(r);
            for (d, length) in hyper.length_scales.iter().enumerate() {
                let step = (points[i][d] - points[j][d]) / length;
                slopes[d] += pull * slope * step * step;
            }
            if i == j {
                slopes[dimensions + 1] += pull * hyper.noise_variance;
            }
        }
    }
    if !likelihood.is_finite() || slopes.iter().any(|slope| !slope.is_finite()) {
        return Err(ModelError::NotFinite { what: "the likelihood" });
    }
    Ok((likelihood, slopes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hyper() -> Hyperparameters {
        Hyperparameters {
            length_scales: vec![0.4, 0.9],
            signal_variance: 1.7,
            noise_variance: 0.02,
        }
    }

    fn data() -> (Vec<Vec<f64>>, Vec<f64>) {
        let points: Vec<Vec<f64>> =
            [[0.1, 0.2], [0.8, 0.3], [0.5, 0.9], [0.4, 0.4], [0.9, 0.95], [0.15, 0.7]]
                .map(Vec::from)
                .to_vec();
        let values = points.iter().map(|x| 130.0 + 9.0 * libm::sin(5.0 * x[0]) + x[1]).collect();
        (points, values)
    }

    /// x of A x = b by elimination with row exchanges, and det A: nothing shared with the model.
    fn eliminate(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> (Vec<f64>, f64) {
        let n = b.len();
        let mut determinant = 1.0;
        for k in 0..n {
            let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap();
            if pivot != k {
                a.swap(k, pivot);
                b.swap(k, pivot);
                determinant = -determinant;
            }
            determinant *= a[k][k];
            for i in k + 1..n {
                let factor = a[i][k] / a[k][k];
                let above = a[k].clone();
                a[i].iter_mut().zip(above).for_each(|(x, y)| *x -= factor * y);
                b[i] -= factor * b[k];
            }
        }
        for k in (0..n).rev() {
            let rest: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
            b[k] = (b[k] - rest) / a[k][k];
        }
        (b, determinant)
    }

    /// The kernel, written out once more.
    fn kernel(a: &[f64], b: &[f64]) -> f64 {
        let r = libm::hypot((a[0] - b[0]) / 0.4, (a[1] - b[1]) / 0.9);
        let root = 5.0_f64.sqrt();
        1.0 + 1.7 * (1.0 + root * r + 5.0 / 3.0 * r * r) * libm::exp(-root * r)
    }

    fn reference_matrix(points: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let entry =
            |i: usize, j: usize| kernel(&points[i], &points[j]) + if i == j { 0.02 } else { 0.0 };
        (0..points.len()).map(|i| (0..points.len()).map(|j| entry(i, j)).collect()).collect()
    }

    #[test]
    fn mean_and_deviation_are_those_of_dense_elimination() {
        let (points, values) = data();
        let process =
            GaussianProcess::condition(points.clone(), &values, hyper()).expect("a model");
        let (mean, sd) = (process.scaling().mean, process.scaling().sd);
        let standardised: Vec<f64> = values.iter().map(|y| (y - mean) / sd).collect();
        for x in [[0.3, 0.3], [0.1, 0.2], [0.0, 1.0], [0.77, 0.6]] {
            let cross: Vec<f64> = points.iter().map(|p| kernel(&x, p)).collect();
            let (weights, _) = eliminate(reference_matrix(&points), standardised.clone());
            let (pull, _) = eliminate(reference_matrix(&points), cross.clone());
            let dot = |v: &[f64]| -> f64 { cross.iter().zip(v).map(|(a, b)| a * b).sum() };
            let expected = mean + sd * dot(&weights);
            let expected_sd = sd * (kernel(&x, &x) - dot(&pull)).sqrt();
            let found = process.predict(&x);
            assert!((found.mean - expected).abs() < 1e-9, "{found:?}, not {expected}");
            assert!((found.sd - expected_sd).abs() < 1e-9, "{found:?}, not {expected_sd}");
        }
        assert_eq!(process.jitter(), 0.0);
        assert!((process.noise_sd() - sd * 0.02_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_likelihood_is_the_normal_density_and_its_slopes_its_differences() {
        let (points, values) = data();
        let values = Scaling::of(&values).expect("finite").standardise(&values);
        let (found, slopes) = log_likelihood(&points, &values, &hyper()).expect("a likelihood");
        let (weights, determinant) = eliminate(reference_matrix(&points), values.clone());
        let square: f64 = values.iter().zip(&weights).map(|(a, b)| a * b).sum();
        let constant = 6.0 * libm::log(2.0 * core::f64::consts::PI);
        let expected = -0.5 * (square + libm::log(determinant) + constant);
        assert!((found - expected).abs() < 1e-10, "{found}, not {expected}");
        for (i, slope) in slopes.iter().enumerate() {
            let at = |step: f64| {
                let mut logarithms = hyper().to_logarithms();
                logarithms[i] += step;
                let moved = Hyperparameters::from_logarithms(&logarithms);
                log_likelihood(&points, &values, &moved).expect("a likelihood").0
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((slope - difference).abs() < 1e-7, "{i}: {slope}, not {difference}");
        }
    }

    #[test]
    fn slopes_of_predictions_are_their_differences() {
        let (points, values) = data();
        let process = GaussianProcess::condition(points, &values, hyper()).expect("a model");
        // The second is an observed point: r = 0 there.
        for x in [[0.33, 0.61], [0.4, 0.4]] {
            let slopes = process.slopes(&x);
            assert_eq!(slopes.at, process.predict_standardised(&x));
            for j in 0..2 {
                let at = |step: f64| {
                    let mut moved = x;
                    moved[j] += step;
                    process.predict_standardised(&moved)
                };
                let (above, below) = (at(1e-5), at(-1e-5));
                let mean = (above.mean - below.mean) / 2e-5;
                let sd = (above.sd - below.sd) / 2e-5;
                assert!((slopes.mean[j] - mean).abs() < 1e-6, "{slopes:?}, not {mean}");
                assert!((slopes.sd[j] - sd).abs() < 1e-6, "{slopes:?}, not {sd}");
            }
        }
    }

    #[test]
    fn without_noise_the_process_goes_through_its_values() {
        let (points, values) = data();
        let noise_free = Hyperparameters { noise_variance: 0.0, ..hyper() };
        let process =
            GaussianProcess::condition(points.clone(), &values, noise_free).expect("a model");
        for (x, y) in points.iter().zip(&values) {
            let found = process.predict(x);
            assert!((found.mean - y).abs() < 1e-9 && found.sd < 1e-5, "{found:?}, not {y}");
            assert!(found.sd > 0.0);
        }
        // Far away in units of ℓ it knows little: much more than at the data is open.
        assert!(process.predict(&[1.0, 0.0]).sd > 0.1 * process.scaling().sd);
    }

    #[test]
    fn a_covariance_without_factor_is_an_error_and_a_singular_one_costs_jitter() {
        let indefinite = DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 2.0, 1.0]);
        let error = factorise(&indefinite).expect_err("one of its eigenvalues is -1");
        assert_eq!(error, ModelError::NotPositiveDefinite { size: 2, jitter: 1e-6 });
        let nan = DMatrix::from_row_slice(2, 2, &[1.0, f64::NAN, f64::NAN, 1.0]);
        assert_eq!(factorise(&nan).err(), Some(ModelError::NotFinite { what: "a covariance" }));

        // The same point twice without noise: singular.
        let points = vec![vec![0.5, 0.5]; 2];
        let noise_free = Hyperparameters { noise_variance: 0.0, ..hyper() };
        let process = GaussianProcess::condition(points, &[1.0, 1.0], noise_free).expect("jitter");
        assert!(process.jitter() > 0.0);
        assert!((process.predict(&[0.5, 0.5]).mean - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_does_not_fit_or_is_not_finite_is_an_error() {
        let one = vec![vec![0.5, 0.5]];
        let fails = |points: Vec<Vec<f64>>, values: &[f64]| {
            GaussianProcess::condition(points, values, hyper()).expect_err("it must not fit")
        };
        assert!(matches!(fails(one.clone(), &[]), ModelError::Shape { .. }));
        assert!(matches!(fails(vec![], &[]), ModelError::Shape { .. }));
        assert!(matches!(fails(vec![vec![0.5]], &[1.0]), ModelError::Shape { .. }));
        assert!(matches!(fails(one, &[f64::NAN]), ModelError::NotFinite { .. }));
        assert!(matches!(fails(vec![vec![f64::NAN; 2]], &[1.0]), ModelError::NotFinite { .. }));
    }
}
