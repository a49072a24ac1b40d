//! What to upload, and when: the upload axis of a method.
//!
//! A policy is asked whenever the uplink is free, the round is still being drafted and tokens are
//! unsent. When NAV fires the plan is cut: all unsent tokens go up as one batch with the request
//! (paper §3, rule 1), whatever the policy.

pub mod dp;
mod planner;

use serde::{Deserialize, Serialize};

pub use self::planner::Planner;

/// The largest scheduling window \[tokens\]: planning is quadratic in it.
pub const WINDOW_MAX: u32 = 4096;

/// An upload policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadPolicy {
    /// Nothing before the NAV request.
    AtNav,
    /// Each token in an upload of its own.
    Immediate,
    /// Batches of a fixed number of tokens \[tokens\].
    FixedBatch(u32),
    /// Batches as long as the scheduling window N̂ (EdgeLLM while it waits).
    Window,
    /// The batches of the optimal plan for the window, used cyclically (PipeSD).
    Dp,
    /// All that is unsent whenever the link is free (the paper's greedy).
    WorkConserving,
}

/// What an upload policy may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadObservation<'a> {
    /// Drafted and not yet handed to the link \[tokens\], at least 1.
    pub unsent: u32,
    /// Batches of this round already handed to the link.
    pub batches_sent: u32,
    /// The scheduling window N̂ \[tokens\].
    pub window: u32,
    /// Batch sizes of the current plan \[tokens\]; empty before there is one.
    pub plan: &'a [u32],
}

impl UploadPolicy {
    /// How many of the unsent tokens to upload now; none: wait for more.
    #[must_use]
    pub fn next_batch(self, seen: &UploadObservation<'_>) -> Option<u32> {
        let size = match self {
            Self::AtNav => return None,
            Self::Immediate => 1,
            Self::FixedBatch(size) => size,
            Self::Window => seen.window,
            Self::Dp => match seen.plan.len() {
                // Without estimates there is no plan yet: nothing is gained by holding back.
                0 => seen.unsent,
                batches => seen.plan[seen.batches_sent as usize % batches],
            },
            Self::WorkConserving => seen.unsent,
        };
        (seen.unsent >= size).then_some(size)
    }

    /// Whether the policy needs estimates of the link and of the draft model.
    #[must_use]
    pub const fn plans(self) -> bool {
        matches!(self, Self::Dp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_takes_what_its_name_says() {
        let plan = [1, 3];
        let next = |policy: UploadPolicy, unsent, batches_sent| {
            policy.next_batch(&UploadObservation { unsent, batches_sent, window: 4, plan: &plan })
        };
        assert_eq!(next(UploadPolicy::AtNav, 9, 0), None);
        assert_eq!(next(UploadPolicy::Immediate, 9, 0), Some(1));
        assert_eq!(next(UploadPolicy::FixedBatch(5), 4, 0), None);
        assert_eq!(next(UploadPolicy::FixedBatch(5), 9, 0), Some(5));
        assert_eq!(next(UploadPolicy::Window, 3, 0), None);
        assert_eq!(next(UploadPolicy::Window, 4, 0), Some(4));
        assert_eq!(next(UploadPolicy::WorkConserving, 9, 0), Some(9));
        // The plan is used cyclically: 1, 3, 1, 3, ... (paper §3).
        let sizes: Vec<_> = (0..4).map(|sent| next(UploadPolicy::Dp, 9, sent)).collect();
        assert_eq!(sizes, [Some(1), Some(3), Some(1), Some(3)]);
        assert_eq!(next(UploadPolicy::Dp, 2, 1), None);
    }
}
