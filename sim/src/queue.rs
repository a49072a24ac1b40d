//! The event queue: earliest first, first in first out at equal times.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use pipesd_core::time::Instant;

/// A queue of `T`s by time. Events at equal times leave in the order in which they were scheduled.
#[derive(Clone, Debug)]
pub struct EventQueue<T> {
    heap: BinaryHeap<Entry<T>>,
    scheduled: u64,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    at: Instant,
    sequence: u64,
    item: T,
}

impl<T> Entry<T> {
    /// One number to compare: time first, then the order of scheduling.
    const fn key(&self) -> u128 {
        (self.at.as_nanos() as u128) << 64 | self.sequence as u128
    }
}

impl<T> Ord for Entry<T> {
    /// Reversed: the standard heap gives its greatest entry first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> Default for EventQueue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), scheduled: 0 }
    }
}

impl<T> EventQueue<T> {
    /// Schedules `item` at `at`.
    pub fn push(&mut self, at: Instant, item: T) {
        self.heap.push(Entry { at, sequence: self.scheduled, item });
        self.scheduled += 1;
    }

    /// The earliest item.
    pub fn pop(&mut self) -> Option<(Instant, T)> {
        self.heap.pop().map(|entry| (entry.at, entry.item))
    }

    /// Items scheduled and not yet taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing is scheduled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a stable sort: many equal times, any order of pushes.
        #[test]
        fn equal_times_leave_first_in_first_out(times in prop::collection::vec(0_u64..5, 0..100)) {
            let mut queue = EventQueue::default();
            for (index, &at) in times.iter().enumerate() {
                queue.push(Instant::from_nanos(at), index);
            }
            let mut expected: Vec<(u64, usize)> = times.iter().copied().zip(0..).collect();
            expected.sort_by_key(|&(at, _)| at);
            let popped: Vec<(u64, usize)> =
                std::iter::from_fn(|| queue.pop()).map(|(at, i)| (at.as_nanos(), i)).collect();
            prop_assert_eq!(popped, expected);
        }
    }
}
