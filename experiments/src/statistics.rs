//! Mean, standard deviation and confidence interval over independent runs.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A figure over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Statistic {
    /// Mean.
    pub(crate) mean: f64,
    /// Sample standard deviation; 0 for a single run.
    pub(crate) sd: f64,
    /// 95 % confidence interval of the mean (Student's t); the mean itself for a single run.
    pub(crate) ci95: [f64; 2],
}

impl Statistic {
    /// Over the values of one figure, one for each seed.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn of(values: &[f64]) -> Self {
        assert!(!values.is_empty(), "a figure needs a run");
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        if values.len() == 1 {
            return Self { mean, sd: 0.0, ci95: [mean, mean] };
        }
        let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
        let sd = (squares / (n - 1.0)).sqrt();
        let t = StudentsT::new(0.0, 1.0, n - 1.0).expect("freedom is positive").inverse_cdf(0.975);
        let half = t * sd / n.sqrt();
        Self { mean, sd, ci95: [mean - half, mean + half] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        let statistic = Statistic::of(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(statistic.mean, 2.5);
        // t(0.975, 3) = 3.18245, sd = 1.29099, over the root of 4.
        let half = 3.182_446_305 * 1.290_994_449 / 2.0;
        assert!((statistic.ci95[1] - 2.5 - half).abs() < 1e-6, "{statistic:?}");
        assert_eq!(Statistic::of(&[7.0]).ci95, [7.0, 7.0]);
    }
}
