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
        let half = Moments::interval_factor(values.len() as u64) * sd;
        Self { mean, sd, ci95: [mean - half, mean + half] }
    }
}

/// A figure over seeds that come one by one (Welford's method: no seed is kept).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Half the 95 % confidence interval of a mean, in standard deviations: Student's quantile over
    /// the root of `count`; 0 for a single run.
    pub(crate) fn interval_factor(count: u64) -> f64 {
        if count < 2 {
            return 0.0;
        }
        let freedom = count as f64 - 1.0;
        let student = StudentsT::new(0.0, 1.0, freedom).expect("freedom is positive");
        student.inverse_cdf(0.975) / (count as f64).sqrt()
    }

    /// The figure, with the factor of its count.
    pub(crate) fn statistic(&self, interval_factor: f64) -> Statistic {
        let freedom = self.count.saturating_sub(1).max(1) as f64;
        let sd = (self.squares / freedom).sqrt();
        let half = interval_factor * sd;
        Statistic { mean: self.mean, sd, ci95: [self.mean - half, self.mean + half] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_one_by_one_give_the_same() {
        let values = [3.5, -1.25, 8.0, 8.0, 2.75];
        let mut moments = Moments::default();
        values.iter().for_each(|value| moments.add(*value));
        let (one, all) = (moments.statistic(Moments::interval_factor(5)), Statistic::of(&values));
        assert!((one.mean - all.mean).abs() < 1e-12 && (one.sd - all.sd).abs() < 1e-12);
        assert!((one.ci95[0] - all.ci95[0]).abs() < 1e-12);
    }

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
