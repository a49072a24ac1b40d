//! The optimal batch boundaries for a window of N tokens (paper §2, Theorem 4.1).
//!
//! Model: token j is drafted at γ·j; an upload of m tokens occupies the uplink for α + β·m; a batch
//! starts when its last token is drafted and the previous upload has ended. Minimised is the time at
//! which the last upload ends.
//!
//! Recursion: `best[0] = 0`, `best[j] = min over 0 ≤ i < j of max(best[i], γ·j) + α + β·(j - i)`.
//!
//! Proof sketch. Let the last batch of a partition of the first j tokens be i+1..=j. It starts at
//! max(end of the upload of the first i, γ·j) and takes α + β·(j - i). This is non-decreasing in the
//! end of the first i tokens' upload, and nothing else of how these were split matters; so some
//! optimal partition of j uses an optimal partition of i (exchange argument), and minimising over i
//! is exact. Induction over j. O(N²) time, O(N) space. All arithmetic is in whole nanoseconds, so
//! "optimal" means equal, not close. ∎
//!
//! Optimal plans tie often (1,1,4,14 and 1,2,3,14 for the paper's example); the smallest i that
//! attains the minimum is taken, i.e. the largest last batch.

use serde::{Deserialize, Serialize};

use crate::time::{Duration, nanos};
use crate::upload::WINDOW_MAX;

/// The three constants of the timing model, as measured or given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadCosts {
    /// α: start-up of one upload.
    pub startup: Duration,
    /// β: upload time of one token.
    pub per_token: Duration,
    /// γ: draft time of one token.
    pub draft: Duration,
}

/// No cost may exceed this, so that no sum overflows: 4096 tokens at an hour each fit 64 bits of
/// nanoseconds a hundred times over.
pub const COST_MAX: Duration = Duration::from_secs(3600);

/// Batch sizes for a window, in order, with the completion time of the last upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Tokens of each upload; they sum to the window.
    pub batches: Vec<u32>,
    /// T(B): when the last upload ends, counted from the start of drafting.
    pub completion: Duration,
}

/// Why there is no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The window is zero or too large.
    #[error("a window of {0} tokens cannot be planned: it must be 1 to {WINDOW_MAX}")]
    Window(u32),
    /// A cost is beyond [`COST_MAX`].
    #[error("a cost of {} s is out of range: at most {} s", .0.as_secs_f64(), COST_MAX.as_secs())]
    Cost(Duration),
}

/// One upload of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Tokens it carries.
    pub tokens: u32,
    /// When its last token is drafted.
    pub drafted: Duration,
    /// When it starts: τ_c(k).
    pub start: Duration,
    /// When it ends: τ_c(k) + t_c(k).
    pub end: Duration,
}

impl UploadCosts {
    fn checked_nanos(&self) -> Result<[u64; 3], PlanError> {
        let costs = [self.startup, self.per_token, self.draft];
        match costs.iter().find(|&&cost| cost > COST_MAX) {
            Some(&cost) => Err(PlanError::Cost(cost)),
            None => Ok(costs.map(nanos)),
        }
    }
}

/// The optimal plan for a window of `tokens`.
///
/// # Errors
/// If the window is not 1..=[`WINDOW_MAX`], or a cost exceeds [`COST_MAX`].
pub fn plan(costs: &UploadCosts, tokens: u32) -> Result<Plan, PlanError> {
    if !(1..=WINDOW_MAX).contains(&tokens) {
        return Err(PlanError::Window(tokens));
    }
    let [startup, per_token, draft] = costs.checked_nanos()?;
    let count = tokens as usize;
    let mut best = vec![0_u64; count + 1];
    let mut from = vec![0_usize; count + 1];
    for j in 1..=count {
        let drafted = draft * j as u64;
        let mut least = u64::MAX;
        for (i, &before) in best[..j].iter().enumerate() {
            let end = before.max(drafted) + startup + per_token * (j - i) as u64;
            if end < least {
                least = end;
                from[j] = i;
            }
        }
        best[j] = least;
    }
    let mut batches = Vec::new();
    let mut end = count;
    while end > 0 {
        batches.push((end - from[end]) as u32);
        end = from[end];
    }
    batches.reverse();
    Ok(Plan { batches, completion: Duration::from_nanos(best[count]) })
}

/// When each upload of a given partition starts and ends under the timing model of paper §2.
///
/// # Errors
/// If a cost exceeds [`COST_MAX`], or the batches hold no token or more than [`WINDOW_MAX`].
pub fn schedule(costs: &UploadCosts, batches: &[u32]) -> Result<Vec<Span>, PlanError> {
    let [startup, per_token, draft] = costs.checked_nanos()?;
    let total = batches.iter().fold(0_u32, |sum, &tokens| sum.saturating_add(tokens));
    if !(1..=WINDOW_MAX).contains(&total) || batches.contains(&0) {
        return Err(PlanError::Window(total));
    }
    let mut done = 0;
    let mut free = 0;
    Ok(batches
        .iter()
        .map(|&tokens| {
            done += u64::from(tokens);
            let drafted = draft * done;
            let start = drafted.max(free);
            free = start + startup + per_token * u64::from(tokens);
            let [drafted, start, end] = [drafted, start, free].map(Duration::from_nanos);
            Span { tokens, drafted, start, end }
        })
        .collect())
}

/// The partition of `tokens` that sending all that is ready whenever the link is free gives.
///
/// # Errors
/// As [`plan`].
pub fn work_conserving(costs: &UploadCosts, tokens: u32) -> Result<Vec<u32>, PlanError> {
    if !(1..=WINDOW_MAX).contains(&tokens) {
        return Err(PlanError::Window(tokens));
    }
    let [startup, per_token, draft] = costs.checked_nanos()?;
    let (mut sent, mut free) = (0_u64, 0_u64);
    let mut batches = Vec::new();
    while sent < u64::from(tokens) {
        // At least one more token must be drafted before there is anything to send.
        let start = free.max(draft * (sent + 1));
        let ready =
            start.checked_div(draft).map_or(u64::from(tokens), |n| n.min(u64::from(tokens)));
        batches.push((ready - sent) as u32);
        free = start + startup + per_token * (ready - sent);
        sent = ready;
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::{as_millis, from_millis};

    fn costs(startup_ms: f64, per_token_ms: f64, draft_ms: f64) -> UploadCosts {
        UploadCosts {
            startup: from_millis(startup_ms),
            per_token: from_millis(per_token_ms),
            draft: from_millis(draft_ms),
        }
    }

    fn completion(costs: &UploadCosts, batches: &[u32]) -> Duration {
        schedule(costs, batches).expect("valid batches").last().expect("at least one").end
    }

    /// The least completion over all 2^(N-1) partitions.
    fn brute_force(costs: &UploadCosts, tokens: u32) -> Duration {
        (0..1_u32 << (tokens - 1))
            .map(|cuts| {
                let mut batches = vec![1];
                for token in 1..tokens {
                    if cuts >> (token - 1) & 1 == 1 {
                        batches.push(1);
                    } else {
                        *batches.last_mut().expect("never empty") += 1;
                    }
                }
                completion(costs, &batches)
            })
            .min()
            .expect("at least one partition")
    }

    #[test]
    fn the_papers_check_values_hold() {
        // paper.md §2: α, β, γ, N, T of the optimum.
        for (alpha, beta, gamma, tokens, total, batches) in [
            (25.0, 116.1, 36.0, 20, 2458.0, &[1, 1, 4, 14][..]),
            (25.0, 116.1, 44.5, 6, 816.1, &[1, 1, 4]),
            (100.0, 29.0, 36.0, 6, 446.0, &[2, 4]),
        ] {
            let costs = costs(alpha, beta, gamma);
            let plan = plan(&costs, tokens).expect("a valid window");
            assert_eq!(as_millis(plan.completion), total);
            assert_eq!(as_millis(completion(&costs, batches)), total, "the published plan ties");
            assert_eq!(completion(&costs, &plan.batches), plan.completion);
        }
        let costs = costs(25.0, 116.1, 44.5);
        assert_eq!(as_millis(completion(&costs, &[6])), 988.6);
        assert_eq!(as_millis(completion(&costs, &[1; 6])), 891.1);
    }

    #[test]
    fn ties_prefer_the_largest_last_batch() {
        // With α = β = γ = 0 every partition ties.
        assert_eq!(plan(&costs(0.0, 0.0, 0.0), 9).expect("valid").batches, [9]);
        let plan = plan(&costs(25.0, 116.1, 36.0), 20).expect("valid");
        assert_eq!(plan.batches.last(), Some(&14));
    }

    #[test]
    fn windows_and_costs_out_of_range_are_refused() {
        let fine = costs(25.0, 116.1, 36.0);
        assert_eq!(plan(&fine, 0), Err(PlanError::Window(0)));
        assert_eq!(plan(&fine, 1_000_000), Err(PlanError::Window(1_000_000)));
        assert!(plan(&fine, WINDOW_MAX).is_ok());
        let slow = UploadCosts { draft: Duration::from_secs(3601), ..fine };
        assert_eq!(plan(&slow, 4), Err(PlanError::Cost(Duration::from_secs(3601))));
        assert!(schedule(&fine, &[]).is_err());
        assert!(schedule(&fine, &[2, 0]).is_err());
    }

    proptest! {
        /// Optimality: no partition of at most 12 tokens ends earlier. Small costs make ties likely.
        #[test]
        fn no_partition_beats_the_plan(
            startup in 0_u64..200, per_token in 0_u64..200, draft in 0_u64..200, tokens in 1_u32..=12,
        ) {
            let costs = UploadCosts {
                startup: Duration::from_millis(startup),
                per_token: Duration::from_millis(per_token),
                draft: Duration::from_millis(draft),
            };
            let plan = plan(&costs, tokens).expect("a valid window");
            prop_assert_eq!(plan.batches.iter().sum::<u32>(), tokens);
            prop_assert_eq!(completion(&costs, &plan.batches), plan.completion);
            prop_assert_eq!(brute_force(&costs, tokens), plan.completion);
        }

        /// The other policies' partitions cover the window and are never better.
        #[test]
        fn the_plan_is_at_least_as_good_as_work_conserving(
            startup in 0_u64..200, per_token in 0_u64..200, draft in 0_u64..200, tokens in 1_u32..=200,
        ) {
            let costs = UploadCosts {
                startup: Duration::from_millis(startup),
                per_token: Duration::from_millis(per_token),
                draft: Duration::from_millis(draft),
            };
            let greedy = work_conserving(&costs, tokens).expect("a valid window");
            prop_assert_eq!(greedy.iter().sum::<u32>(), tokens);
            let plan = plan(&costs, tokens).expect("a valid window");
            prop_assert!(plan.completion <= completion(&costs, &greedy));
        }
    }
}
