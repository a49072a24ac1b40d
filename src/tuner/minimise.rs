//! Minimisation of a smooth function over a box: BFGS with the active bounds held fixed.
//!
//! Bertsekas, *Projected Newton methods for optimization problems with simple constraints*, SIAM J.
//! Control 1982, with a BFGS matrix for the inverse Hessian (Nocedal and Wright 2006, algorithm 6.1).
//! Own code of a page, because at most ten dimensions need nothing more and every step must be the same
//! on every machine.

use nalgebra::{DMatrix, DVector};

use super::error::ModelError;

/// Steps, at most; tens are usual.
const STEPS_MAX: u32 = 100;
/// Halvings of one step, at most: 2⁻⁴⁰ of it is below rounding.
const HALVINGS_MAX: u32 = 40;
/// Share of the promised decrease that a step must bring (Armijo; the usual value).
const DECREASE: f64 = 1e-4;
/// The first step's length, at most, as a share of the box: there is no curvature to go by yet.
const FIRST_STEP: f64 = 0.1;
/// A relative decrease below this is rounding.
const TOLERANCE: f64 = 1e-14;

/// Where a minimisation ended.
#[derive(Clone, Debug)]
pub(super) struct Minimum {
    pub(super) point: Vec<f64>,
    pub(super) value: f64,
}

/// A value and its slopes.
pub(super) type Evaluation = Result<(f64, Vec<f64>), ModelError>;

/// The local minimum of `function` over the box of `sides` that is reached from `start`.
///
/// # Errors
/// If `function` fails at `start`. Where it fails later the step is halved, as where it is too high.
pub(super) fn minimise(
    start: &[f64],
    sides: &[[f64; 2]],
    mut function: impl FnMut(&[f64]) -> Evaluation,
) -> Result<Minimum, ModelError> {
    let clamp =
        |x: DVector<f64>| DVector::from_fn(x.len(), |i, _| x[i].clamp(sides[i][0], sides[i][1]));
    let mut x = clamp(DVector::from_column_slice(start));
    let (mut value, slopes) = function(x.as_slice())?;
    let mut gradient = DVector::from_vec(slopes);
    let mut curvature = Curvature::unknown();
    for _ in 0..STEPS_MAX {
        let free: Vec<bool> = (0..x.len())
            .map(|i| {
                let held = x[i] <= sides[i][0] && gradient[i] > 0.0;
                !(held || x[i] >= sides[i][1] && gradient[i] < 0.0)
            })
            .collect();
        let direction = curvature.direction(&gradient, &free, sides);
        if direction.iter().all(|&step| step == 0.0) {
            break;
        }
        let mut length = 1.0;
        let mut taken = None;
        for _ in 0..HALVINGS_MAX {
            let next = clamp(&x + &direction * length);
            let promised = gradient.dot(&(&next - &x));
            if let Ok((next_value, slopes)) = function(next.as_slice())
                && next_value <= value + DECREASE * promised
                && next != x
            {
                taken = Some((next, next_value, DVector::from_vec(slopes)));
                break;
            }
            length *= 0.5;
        }
        let Some((next, next_value, next_gradient)) = taken else {
            if curvature.is_unknown() {
                break;
            }
            curvature = Curvature::unknown();
            continue;
        };
        curvature.learn(&(&next - &x), &(&next_gradient - &gradient));
        let gained = value - next_value;
        (x, value, gradient) = (next, next_value, next_gradient);
        if gained <= TOLERANCE * (value.abs() + TOLERANCE) {
            break;
        }
    }
    Ok(Minimum { point: x.as_slice().to_vec(), value })
}

/// The inverse Hessian, as far as it is known.
struct Curvature(Option<DMatrix<f64>>);

impl Curvature {
    const fn unknown() -> Self {
        Self(None)
    }

    const fn is_unknown(&self) -> bool {
        self.0.is_none()
    }

    /// Downhill in the free coordinates, 0 in the others.
    fn direction(
        &mut self,
        gradient: &DVector<f64>,
        free: &[bool],
        sides: &[[f64; 2]],
    ) -> DVector<f64> {
        let kept = DVector::from_fn(free.len(), |i, _| if free[i] { -gradient[i] } else { 0.0 });
        if let Some(inverse) = &self.0 {
            // Rows by hand: nalgebra's products may pick their instructions by processor.
            let direction = DVector::from_fn(free.len(), |i, _| {
                let row = |j| inverse[(i, j)] * kept[j];
                if free[i] { (0..free.len()).map(row).sum() } else { 0.0 }
            });
            if direction.dot(&kept) > 0.0 {
                return direction;
            }
            self.0 = None;
        }
        let share = |i: usize| kept[i].abs() / (sides[i][1] - sides[i][0]);
        let longest = (0..free.len()).map(share).fold(0.0, f64::max);
        if longest > FIRST_STEP { kept * (FIRST_STEP / longest) } else { kept }
    }

    /// Takes in how the slopes changed along a step; what says nothing of a minimum is left out.
    fn learn(&mut self, step: &DVector<f64>, change: &DVector<f64>) {
        let product = step.dot(change);
        if product <= 1e-12 * step.norm() * change.norm() {
            return;
        }
        let n = step.len();
        let scale = product / change.norm_squared();
        let inverse = self.0.take().unwrap_or_else(|| DMatrix::identity(n, n) * scale);
        let turned: Vec<f64> =
            (0..n).map(|i| (0..n).map(|j| inverse[(i, j)] * change[j]).sum()).collect();
        let along = (0..n).map(|i| change[i] * turned[i]).sum::<f64>();
        let updated = DMatrix::from_fn(n, n, |i, j| {
            inverse[(i, j)] + (1.0 + along / product) * step[i] * step[j] / product
                - (turned[i] * step[j] + step[i] * turned[j]) / product
        });
        self.0 = Some(updated);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley.
    fn rosenbrock(x: &[f64]) -> Evaluation {
        let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
        Ok((a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b]))
    }

    #[test]
    fn a_curved_valley_is_followed_to_its_minimum() {
        let minimum = minimise(&[-1.2, 1.0], &[[-2.0, 2.0]; 2], rosenbrock).expect("no failure");
        assert!(minimum.value < 1e-12, "{minimum:?}");
    }

    #[test]
    fn a_minimum_on_the_bound_is_found_and_the_bound_kept() {
        // With x ≤ 0.5 the least value is at (0.5, 0.25): 0.25.
        let minimum =
            minimise(&[-1.2, 1.0], &[[-2.0, 0.5], [-2.0, 2.0]], rosenbrock).expect("no failure");
        assert!((minimum.value - 0.25).abs() < 1e-9, "{minimum:?}");
        assert!(minimum.point[0] <= 0.5);
    }

    #[test]
    fn failures_are_stepped_around_but_not_at_the_start() {
        let failing = |x: &[f64]| {
            if x[0] > 1.05 { Err(ModelError::NotFinite { what: "x" }) } else { rosenbrock(x) }
        };
        let sides = [[-2.0, 2.0]; 2];
        let minimum = minimise(&[-1.2, 1.0], &sides, failing).expect("it starts well");
        assert!(minimum.value < 1e-9, "{minimum:?}");
        minimise(&[1.5, 1.0], &sides, failing).expect_err("it fails at the start");
    }
}
