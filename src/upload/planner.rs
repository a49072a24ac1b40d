//! Keeps the plan in step with the environment: the replan gate of paper §3.

use crate::monitor::Estimates;
use crate::time::{Duration, nanos};
use crate::upload::dp::{self, COST_MAX, UploadCosts};

/// A plan is made anew when an estimate moves by more than this share of what it was (paper §3).
const REPLAN_SHARE: f64 = 0.2;
/// ... and by more than this: below it no schedule changes, and an estimate near zero would
/// otherwise never rest. Our choice.
const REPLAN_FLOOR: Duration = Duration::from_micros(10);

/// The current plan and what it was made for.
#[derive(Clone, Debug, Default)]
pub struct Planner {
    basis: Option<(UploadCosts, u32)>,
    batches: Vec<u32>,
}

impl Planner {
    /// Batch sizes of the current plan; empty before the first.
    #[must_use]
    pub fn batches(&self) -> &[u32] {
        &self.batches
    }

    /// Plans anew if the window or an estimate has moved enough. Returns what the new plan is for.
    pub fn update(&mut self, estimates: &Estimates, window: u32) -> Option<UploadCosts> {
        let costs = UploadCosts {
            startup: estimates.startup?.min(COST_MAX),
            per_token: estimates.per_token?.min(COST_MAX),
            draft: estimates.draft?.min(COST_MAX),
        };
        if let Some((basis, planned_window)) = &self.basis
            && *planned_window == window
            && !moved(basis.startup, costs.startup)
            && !moved(basis.per_token, costs.per_token)
            && !moved(basis.draft, costs.draft)
        {
            return None;
        }
        self.batches =
            dp::plan(&costs, window).expect("the monitor's window and costs are in range").batches;
        self.basis = Some((costs, window));
        Some(costs)
    }
}

fn moved(from: Duration, to: Duration) -> bool {
    let change = from.abs_diff(to);
    change > REPLAN_FLOOR && nanos(change) as f64 > REPLAN_SHARE * nanos(from) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimates(startup: u64, per_token: u64, draft: u64) -> Estimates {
        Estimates {
            startup: Some(Duration::from_millis(startup)),
            per_token: Some(Duration::from_millis(per_token)),
            draft: Some(Duration::from_millis(draft)),
        }
    }

    #[test]
    fn the_gate_opens_beyond_a_fifth_or_on_a_new_window() {
        let mut planner = Planner::default();
        assert!(planner.update(&estimates(25, 100, 40), 6).is_some(), "the first plan");
        assert!(planner.update(&estimates(25, 100, 40), 6).is_none(), "nothing moved");
        assert!(planner.update(&estimates(25, 120, 40), 6).is_none(), "moved by exactly 20 %");
        assert!(planner.update(&estimates(25, 121, 40), 6).is_some(), "moved by 21 %");
        assert!(planner.update(&estimates(25, 121, 40), 7).is_some(), "the window moved");
        assert_eq!(planner.batches().iter().sum::<u32>(), 7);
    }

    #[test]
    fn without_estimates_there_is_no_plan() {
        let mut planner = Planner::default();
        let unknown = Estimates { draft: None, ..estimates(25, 100, 40) };
        assert!(planner.update(&unknown, 6).is_none());
        assert!(planner.batches().is_empty());
    }
}
