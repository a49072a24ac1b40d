//! The earliest end of each upload of a round's tokens, over all ways to batch them: the recursion of
//! `pipesd_core::upload::dp` with draft times that vary and a rate that may change.
//!
//! `end[j] = min over i < j of leave(max(end[i], ready[j]), j - i)`, where `ready[j]` is when token j
//! is drafted and `leave(t, n)` when a message of n tokens has left that finds the link free at t.
//! `leave` rises with t, so the proof there holds here: some optimal upload of j tokens begins with an
//! optimal upload of i.
//!
//! Of the i only two can be best if each byte takes the same whole number of ns. `end` rises with j
//! (leave the last token out of its batch, or the batch away). Among the i with `end[i] ≤ ready[j]`
//! the message starts at `ready[j]` anyway: the largest i sends least. Among the others it starts at
//! `end[i]` and ends at `end[i] + α + β (j - i)`; and `end[i + 1] ≥ end[i] + β`, as i + 1 tokens less
//! the last one are sent β earlier: so the smallest i is best. Otherwise (rounding to ns breaks ties; a
//! bandwidth trace has no one β, nor has a link with a floor under its exchanges) all of the latter
//! are tried.

use super::wire::Wire;

/// Fills `ends` with the earliest end of the upload of the first 0, 1, ... tokens, the link being
/// free from `free` on and token j (from 1) drafted at `ready[j - 1]`. With `early` false nothing
/// is uploaded before the last token is drafted.
pub(super) fn ends(wire: &Wire, free: u64, ready: &[u64], early: bool, ends: &mut Vec<u64>) {
    ends.clear();
    ends.push(free);
    // How many of the ends so far are not after token j is drafted.
    let mut idle = 0;
    for (j, &drafted) in (1..).zip(ready) {
        if !early {
            ends.push(wire.end(free.max(drafted), j as u32));
            continue;
        }
        while idle < j && ends[idle] <= drafted {
            idle += 1;
        }
        let leave = |i: usize| wire.end(ends[i].max(drafted), (j - i) as u32);
        let mut least = u64::MAX;
        if idle > 0 {
            least = leave(idle - 1);
        }
        if idle < j {
            least = least.min(leave(idle));
        }
        if !wire.is_even() {
            least = (idle + 1..j).map(leave).fold(least, u64::min);
        }
        ends.push(least);
    }
}

/// Batch sizes that attain the earliest end of the upload of all of `ready`; of several the largest
/// last batch.
pub(super) fn sizes(wire: &Wire, free: u64, ready: &[u64], early: bool) -> Vec<u32> {
    let mut earliest = Vec::new();
    ends(wire, free, ready, early, &mut earliest);
    let mut batches = Vec::new();
    let mut j = ready.len();
    while j > 0 {
        let drafted = ready[j - 1];
        let attains =
            |&i: &usize| wire.end(earliest[i].max(drafted), (j - i) as u32) == earliest[j];
        let i =
            if early { (0..j).find(attains).expect("some batch attains the minimum") } else { 0 };
        batches.push((j - i) as u32);
        j = i;
    }
    batches.reverse();
    batches
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use pipesd_core::upload::dp;
    use proptest::prelude::*;

    use super::*;
    use crate::link::{AffineConfig, ExchangeFloor, Rate};

    fn wire(rate: Rate, startup: u64, floor: ExchangeFloor) -> Wire {
        let config = AffineConfig {
            rate,
            startup: Duration::from_nanos(startup),
            propagation: Duration::ZERO,
            abortable: false,
            floor,
        };
        Wire::new(&config, 3, 10, 64)
    }

    /// The recursion without its short cut.
    fn by_definition(wire: &Wire, free: u64, ready: &[u64]) -> Vec<u64> {
        let mut ends = vec![free];
        for (j, &drafted) in (1..).zip(ready) {
            let leave = |i: usize| wire.end(ends[i].max(drafted), (j - i) as u32);
            ends.push((0..j).map(leave).min().expect("at least one"));
        }
        ends
    }

    fn rate() -> impl Strategy<Value = Rate> {
        let bits = || 1_000_000_000_u64..80_000_000_000;
        let trace = (1_u64..300, prop::collection::vec(bits(), 1..4), 0_u64..100);
        let trace = trace.prop_map(|(step, rates, offset)| Rate::Trace {
            step: Duration::from_nanos(step),
            rates,
            offset: Duration::from_nanos(offset),
            random_offset: false,
        });
        prop_oneof![bits().prop_map(Rate::Constant), trace]
    }

    /// None, or one that short messages meet and long ones outgrow, or the other way round.
    fn floor() -> impl Strategy<Value = ExchangeFloor> {
        let floor = (0_u64..150, 0_u64..4_000_000).prop_map(|(base, per_megabyte)| ExchangeFloor {
            base: Duration::from_nanos(base),
            per_megabyte: Duration::from_nanos(per_megabyte),
        });
        prop_oneof![Just(ExchangeFloor::NONE), floor]
    }

    proptest! {
        #[test]
        fn the_short_cut_changes_nothing(
            (rate, floor) in (rate(), floor()),
            startup in 0_u64..60,
            free in 0_u64..200,
            steps in prop::collection::vec(0_u64..60, 1..24),
        ) {
            let wire = wire(rate, startup, floor);
            let ready: Vec<u64> = steps
                .iter()
                .scan(0, |at, step| { *at += step; Some(*at) })
                .collect();
            let mut short = Vec::new();
            ends(&wire, free, &ready, true, &mut short);
            prop_assert_eq!(&short, &by_definition(&wire, free, &ready));
            let batches = sizes(&wire, free, &ready, true);
            let (mut sent, mut end) = (0, free);
            for batch in batches {
                sent += batch as usize;
                end = wire.end(end.max(ready[sent - 1]), batch);
            }
            prop_assert_eq!(sent, ready.len());
            prop_assert_eq!(end, short[sent]);
        }
    }

    #[test]
    fn rounding_to_a_nanosecond_is_minded() {
        // A token takes 7.39 ns: of the two candidates of the short cut neither is best.
        let wire = wire(Rate::Constant(10_823_529_412), 12, ExchangeFloor::NONE);
        let ready = [52, 80, 85, 109];
        let mut earliest = Vec::new();
        ends(&wire, 94, &ready, true, &mut earliest);
        assert_eq!(earliest, [94, 116, 123, 131, 152]);
        assert_eq!(earliest, by_definition(&wire, 94, &ready));
    }

    #[test]
    fn constant_draft_times_give_the_plan_of_the_core() {
        // α, β, γ = 25, 116.1, 36 ms: the paper's example.
        let config = AffineConfig {
            rate: Rate::Constant(20_000_000),
            startup: Duration::from_millis(25),
            propagation: Duration::ZERO,
            abortable: false,
            floor: ExchangeFloor::NONE,
        };
        let wire = Wire::new(&config, 0, 290_250, 20);
        let ready: Vec<u64> = (1..=20).map(|j| j * 36_000_000).collect();
        let costs = dp::UploadCosts {
            startup: Duration::from_millis(25),
            per_token: Duration::from_micros(116_100),
            draft: Duration::from_millis(36),
        };
        let plan = dp::plan(&costs, 20).expect("in range");
        assert_eq!(sizes(&wire, 0, &ready, true), plan.batches);
        let mut earliest = Vec::new();
        ends(&wire, 0, &ready, true, &mut earliest);
        assert_eq!(Duration::from_nanos(earliest[20]), plan.completion);
    }
}
