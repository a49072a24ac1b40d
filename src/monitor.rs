//! The environment monitor (paper §3): what an edge can know of its link, its draft model and its
//! own rounds, from recent measurements.
//!
//! α and β are the intercept and slope of upload durations over tokens, by least squares over the
//! last 100 uploads, as measured from first to last byte on the receiver's clock. γ is the mean of
//! the last 100 draft steps. N̂ is the mean of the last 100 draft lengths, rounded, at least 1.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::message::UploadReport;
use crate::time::{Duration, nanos};
use crate::upload::WINDOW_MAX;

/// Measurements kept of each kind (paper §3).
const HISTORY: usize = 100;

/// What the monitor believes; None where nothing was measured yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimates {
    /// α: start-up of one upload.
    pub startup: Option<Duration>,
    /// β: upload time of one token.
    pub per_token: Option<Duration>,
    /// γ: draft time of one token.
    pub draft: Option<Duration>,
}

/// The monitor. It outlives prompts.
#[derive(Clone, Debug)]
pub struct Monitor {
    uploads: Regression,
    draft_steps: Mean,
    draft_lengths: Mean,
    initial_window: u32,
    link: Option<(Duration, Duration)>,
}

impl Monitor {
    /// A monitor that has seen nothing; `initial_window` is N̂ until the first verdict.
    #[must_use]
    pub fn new(initial_window: u32) -> Self {
        Self {
            uploads: Regression::default(),
            draft_steps: Mean::default(),
            draft_lengths: Mean::default(),
            initial_window,
            link: None,
        }
    }

    /// Takes in a measured upload.
    pub fn on_upload(&mut self, report: UploadReport) {
        self.uploads.push(u64::from(report.tokens), nanos(report.transfer));
        self.link = self.uploads.fit(self.link);
    }

    /// Takes in the duration of a draft step.
    pub fn on_draft_step(&mut self, took: Duration) {
        self.draft_steps.push(nanos(took));
    }

    /// Takes in the length of a verified round's draft \[tokens\].
    pub fn on_draft_length(&mut self, tokens: u32) {
        self.draft_lengths.push(u64::from(tokens));
    }

    /// N̂ \[tokens\], in 1..=[`WINDOW_MAX`].
    #[must_use]
    pub fn window(&self) -> u32 {
        self.draft_lengths
            .rounded()
            .map_or(self.initial_window, |mean| mean.clamp(1, u64::from(WINDOW_MAX)) as u32)
    }

    /// The estimates now.
    #[must_use]
    pub fn estimates(&self) -> Estimates {
        Estimates {
            startup: self.link.map(|(startup, _)| startup),
            per_token: self.link.map(|(_, per_token)| per_token),
            draft: self.draft_steps.rounded().map(Duration::from_nanos),
        }
    }
}

/// The mean of the last [`HISTORY`] whole numbers, exact.
#[derive(Clone, Debug, Default)]
struct Mean {
    values: VecDeque<u64>,
    sum: u64,
}

impl Mean {
    fn push(&mut self, value: u64) {
        if self.values.len() == HISTORY {
            self.sum -= self.values.pop_front().expect("a full history");
        }
        self.values.push_back(value);
        self.sum += value;
    }

    /// The mean, halves rounded up.
    fn rounded(&self) -> Option<u64> {
        let count = self.values.len() as u64;
        (2 * self.sum + count).checked_div(2 * count)
    }
}

/// Least squares over the last [`HISTORY`] points, with exact integer sums that never drift.
#[derive(Clone, Debug, Default)]
struct Regression {
    points: VecDeque<(u64, u64)>,
    sum_x: u64,
    sum_y: u64,
    sum_xx: u64,
    sum_xy: u128,
}

impl Regression {
    fn push(&mut self, x: u64, y: u64) {
        if self.points.len() == HISTORY {
            let (x, y) = self.points.pop_front().expect("a full history");
            self.sum_x -= x;
            self.sum_y -= y;
            self.sum_xx -= x * x;
            self.sum_xy -= u128::from(x) * u128::from(y);
        }
        self.points.push_back((x, y));
        self.sum_x += x;
        self.sum_y += y;
        self.sum_xx += x * x;
        self.sum_xy += u128::from(x) * u128::from(y);
    }

    /// Intercept and slope \[ns, ns per token\], neither negative. While all points have one size the
    /// line through them is unknown: the last intercept is kept and the slope takes the rest.
    fn fit(&self, last: Option<(Duration, Duration)>) -> Option<(Duration, Duration)> {
        let count = self.points.len() as f64;
        if self.points.is_empty() {
            return last;
        }
        let [sum_x, sum_y, sum_xx] = [self.sum_x, self.sum_y, self.sum_xx].map(|sum| sum as f64);
        let spread = count * sum_xx - sum_x * sum_x;
        let (startup, per_token) = if spread > 0.0 {
            let slope = (count * self.sum_xy as f64 - sum_x * sum_y) / spread;
            if slope < 0.0 {
                (sum_y / count, 0.0)
            } else {
                ((sum_y - slope * sum_x) / count, slope)
            }
        } else {
            let startup = last.map_or(0.0, |(startup, _)| nanos(startup) as f64);
            let rest = (sum_y - count * startup).max(0.0);
            (startup, if sum_x > 0.0 { rest / sum_x } else { 0.0 })
        };
        // A negative intercept: the best line through the origin instead.
        let (startup, per_token) =
            if startup < 0.0 { (0.0, self.sum_xy as f64 / sum_xx) } else { (startup, per_token) };
        let span = |ns: f64| Duration::from_nanos((ns + 0.5) as u64);
        Some((span(startup), span(per_token)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affine(tokens: u32) -> UploadReport {
        let transfer = Duration::from_millis(25) + Duration::from_micros(116_100) * tokens;
        UploadReport { tokens, transfer }
    }

    #[test]
    fn probes_of_one_to_eight_tokens_recover_the_affine_link() {
        let mut monitor = Monitor::new(20);
        assert_eq!(monitor.estimates(), Estimates::default());
        (1..=8).for_each(|tokens| monitor.on_upload(affine(tokens)));
        let estimates = monitor.estimates();
        assert_eq!(estimates.startup, Some(Duration::from_millis(25)));
        assert_eq!(estimates.per_token, Some(Duration::from_micros(116_100)));
    }

    #[test]
    fn uploads_of_one_size_keep_the_known_startup() {
        let mut monitor = Monitor::new(20);
        (1..=2).for_each(|tokens| monitor.on_upload(affine(tokens)));
        // The rate halves, and only single tokens are uploaded until all else is forgotten.
        let slow = Duration::from_millis(25) + Duration::from_micros(232_200);
        (0..100).for_each(|_| monitor.on_upload(UploadReport { tokens: 1, transfer: slow }));
        let estimates = monitor.estimates();
        let total = estimates.startup.expect("known") + estimates.per_token.expect("known");
        assert!(total.abs_diff(slow) < Duration::from_micros(1), "{estimates:?}");
    }

    #[test]
    fn estimates_are_never_negative() {
        // Longer uploads that took less time: noise, not physics.
        let mut monitor = Monitor::new(20);
        for (tokens, ms) in [(1, 50), (8, 10)] {
            monitor.on_upload(UploadReport { tokens, transfer: Duration::from_millis(ms) });
        }
        assert_eq!(monitor.estimates().per_token, Some(Duration::ZERO));
        // Convex in size: the line would start below zero.
        let mut monitor = Monitor::new(20);
        for (tokens, ms) in [(1, 1), (8, 800)] {
            monitor.on_upload(UploadReport { tokens, transfer: Duration::from_millis(ms) });
        }
        assert_eq!(monitor.estimates().startup, Some(Duration::ZERO));
    }

    #[test]
    fn the_window_is_the_rounded_mean_of_the_last_hundred_draft_lengths() {
        let mut monitor = Monitor::new(20);
        assert_eq!(monitor.window(), 20);
        monitor.on_draft_length(2);
        monitor.on_draft_length(3);
        assert_eq!(monitor.window(), 3, "2.5 rounds up");
        (0..100).for_each(|_| monitor.on_draft_length(7));
        assert_eq!(monitor.window(), 7, "older lengths are forgotten");
        (0..100).for_each(|_| monitor.on_draft_length(0));
        assert_eq!(monitor.window(), 1, "at least one");
    }
}
