//! Timers that a machine has set.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pipesd_core::contract::Reason;
use pipesd_core::time::Instant;

/// Timers in order of their times; of equal ones in the order in which they were set.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64, Reason)>>,
    set: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Instant, reason: Reason) {
        self.heap.push(Reverse((at, self.set, reason)));
        self.set += 1;
    }

    /// When the first one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the first one if it is due at `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Reason> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse((.., reason))| reason)
    }
}

#[cfg(test)]
mod tests {
    use pipesd_core::ids::SessionId;

    use super::*;

    #[test]
    fn timers_come_in_order_and_never_early() {
        let at = Instant::from_nanos;
        let stalled = |id| Reason::Stalled(SessionId(id));
        let mut timers = Timers::default();
        for (ns, id) in [(5, 1), (3, 2), (5, 0), (9, 3)] {
            timers.set(at(ns), stalled(id));
        }
        assert_eq!(timers.pop(at(2)), None);
        let due: Vec<_> = core::iter::from_fn(|| timers.pop(at(8))).collect();
        assert_eq!(due, [2, 1, 0].map(stalled));
        assert_eq!(timers.next(), Some(at(9)));
    }
}
