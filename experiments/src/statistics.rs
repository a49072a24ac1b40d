//! Mean, standard deviation and confidence interval over independent runs.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A figure over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statistic {
    /// Mean.
    pub(crate) mean: f64,
    /// Sample standard deviation; a single run has none.
    pub(crate) sd: Option<f64>,
    /// 95 % confidence interval of the mean (Student's t); a single run has none.
    pub(crate) ci95: Option<[f64; 2]>,
}

impl Statistic {
    /// Over the values of one figure, one for each seed.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn of(values: &[f64]) -> Self {
        assert!(!values.is_empty(), "a figure needs a run");
        let mut moments = Moments::default();
        values.iter().for_each(|&value| moments.add(value));
        moments.statistic(Moments::interval_factor(moments.count))
    }

    /// Standard deviation and interval for people; empty for a single run.
    pub(crate) fn spread(&self, digits: usize) -> [String; 2] {
        let sd = self.sd.map(|sd| format!("{sd:.digits$}"));
        let interval = self.ci95.map(|[low, high]| format!("{low:.digits$} to {high:.digits$}"));
        [sd.unwrap_or_default(), interval.unwrap_or_default()]
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
        if self.count < 2 {
            return Statistic { mean: self.mean, sd: None, ci95: None };
        }
        let sd = (self.squares / (self.count as f64 - 1.0)).sqrt();
        let half = interval_factor * sd;
        let ci95 = Some([self.mean - half, self.mean + half]);
        Statistic { mean: self.mean, sd: Some(sd), ci95 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        let statistic = Statistic::of(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(statistic.mean, 2.5);
        let (sd, [low, high]) = statistic.sd.zip(statistic.ci95).expect("four runs have a spread");
        assert!((sd - 1.290_994_449).abs() < 1e-9);
        // t(0.975, 3) = 3.18245, times sd over the root of 4.
        let half = 3.182_446_305 * sd / 2.0;
        assert!((high - 2.5 - half).abs() < 1e-6 && (2.5 - low - half).abs() < 1e-6);
    }

    #[test]
    fn a_single_run_has_no_spread() {
        let statistic = Statistic::of(&[7.0]);
        assert_eq!(statistic, Statistic { mean: 7.0, sd: None, ci95: None });
        assert_eq!(statistic.spread(1), ["", ""]);
    }
}
