//! Whether time per token has moved since the thresholds settled.

use std::collections::VecDeque;

use crate::time::{Duration, as_millis};

/// Compares the time per token of the last window with that of the first window after settling.
#[derive(Clone, Debug, Default)]
pub(super) struct Drift {
    reference: Option<Rate>,
    /// (ms, tokens) of each interval, the newest last.
    recent: VecDeque<(f64, u32)>,
    tokens: u32,
}

/// Time per token of a window, with its standard error \[ms\].
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    mean: f64,
    error: f64,
}

impl Rate {
    /// Ratio estimator over intervals taken as independent: with t and n their times and tokens and
    /// R = Σt/Σn, its variance is Σ(t - R·n)²/(Σn)².
    fn of(intervals: &VecDeque<(f64, u32)>) -> Self {
        let tokens: f64 = intervals.iter().map(|&(_, tokens)| f64::from(tokens)).sum();
        let mean = intervals.iter().map(|&(ms, _)| ms).sum::<f64>() / tokens;
        let squares = intervals.iter().map(|&(ms, tokens)| {
            let residual = ms - mean * f64::from(tokens);
            residual * residual
        });
        Self { mean, error: libm::sqrt(squares.sum::<f64>()) / tokens }
    }
}

impl Drift {
    /// Takes in an interval; the value before and now \[ms per token\] if TPT has moved by more than
    /// `share` and by more than `errors` standard errors of the difference.
    pub(super) fn on_interval(
        &mut self,
        took: Duration,
        tokens: u32,
        window: u32,
        (share, errors): (f64, f64),
    ) -> Option<[f64; 2]> {
        self.recent.push_back((as_millis(took), tokens));
        self.tokens += tokens;
        while let Some(&(_, oldest)) = self.recent.front()
            && self.tokens - oldest >= window
        {
            self.recent.pop_front();
            self.tokens -= oldest;
        }
        if self.tokens < window {
            return None;
        }
        let now = Rate::of(&self.recent);
        let Some(before) = self.reference else {
            // Windows that share an interval would be alike by that alone.
            *self = Self { reference: Some(now), ..Self::default() };
            return None;
        };
        let moved = (now.mean - before.mean).abs();
        let error = libm::hypot(now.error, before.error);
        (moved > share * before.mean && moved > errors * error).then_some([before.mean, now.mean])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Feeds intervals of two tokens with these times per token; after which one TPT has moved.
    fn moves_after(times: &[u32], share: f64, errors: f64) -> Option<(usize, [f64; 2])> {
        let mut drift = Drift::default();
        (1..).zip(times).find_map(|(count, &ms)| {
            Some((count, drift.on_interval(MS * (2 * ms), 2, 10, (share, errors))?))
        })
    }

    #[test]
    fn a_step_is_seen_once_enough_of_the_window_lies_behind_it() {
        // Five intervals for the reference, five more before the first comparison.
        let step = [[100; 10], [130; 10]].concat();
        let (count, [before, now]) = moves_after(&step, 0.2, 0.0).expect("30 % are more than 20 %");
        assert_eq!((count, before, now), (14, 100.0, 124.0));
        assert_eq!(moves_after(&[[100; 10], [119; 10]].concat(), 0.2, 0.0), None);
        assert!(moves_after(&[[100; 10], [70; 10]].concat(), 0.2, 0.0).is_some(), "down, too");
    }

    #[test]
    fn noise_as_large_as_the_step_hides_it_for_want_of_evidence() {
        // From 20 and 180 in turn to 80 and 240: 60 % more, but one standard error or so.
        let noisy: Vec<u32> = (0..30)
            .map(|i| if i % 2 == 0 { 20 } else { 180 } + if i < 10 { 0 } else { 60 })
            .collect();
        assert!(moves_after(&noisy, 0.2, 0.0).is_some());
        assert_eq!(moves_after(&noisy, 0.2, 3.0), None);
    }

    #[test]
    fn the_standard_error_is_that_of_independent_intervals() {
        // Ten intervals of one token, times 1..10: R = 5.5, Σ(t - R)² = 82.5.
        let intervals: VecDeque<(f64, u32)> = (1..=10).map(|t| (f64::from(t), 1)).collect();
        let rate = Rate::of(&intervals);
        assert_eq!(rate.mean, 5.5);
        assert!((rate.error - 82.5_f64.sqrt() / 10.0).abs() < 1e-12, "{rate:?}");
    }
}
