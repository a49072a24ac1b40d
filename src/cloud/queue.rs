//! Work that waits for the target, and whose turn it is.
//!
//! *Fair*: start-time fair queueing over clients (Goyal, Vin, Cheng 1996). Each piece of work has a start
//! tag, the larger of the queue's virtual time and the end of its client's work before; the least tag is
//! served next, and sets the virtual time. A client that asks for more than its share waits behind its own
//! work, and nobody else's; one that was away gains no credit. *First come* is the order of arrival.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::SessionId;
use crate::time::Instant;

/// In which order waiting work is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueOrder {
    /// In order of arrival.
    FirstCome,
    /// Clients have equal shares of the target.
    #[default]
    Fair,
}

/// Work of a session.
pub(super) trait OfSession {
    fn session(&self) -> SessionId;
}

/// A queue of `J`.
#[derive(Clone, Debug)]
pub(super) struct Queue<J> {
    order: QueueOrder,
    /// By start tag, then arrival.
    ready: BTreeMap<(u64, u64), J>,
    /// Not to be served before a time; with its cost.
    held: BTreeMap<(Instant, u64), (J, u64)>,
    arrivals: u64,
    virtual_time: u64,
    /// Where each client's last work ends in virtual time.
    ends: BTreeMap<u32, u64>,
}

impl<J: OfSession> Queue<J> {
    pub(super) const fn new(order: QueueOrder) -> Self {
        Self {
            order,
            ready: BTreeMap::new(),
            held: BTreeMap::new(),
            arrivals: 0,
            virtual_time: 0,
            ends: BTreeMap::new(),
        }
    }

    /// Queues work that takes the target about `cost`, in any unit.
    pub(super) fn push(&mut self, job: J, cost: u64) {
        let end = self.ends.entry(job.session().client()).or_default();
        let start = match self.order {
            QueueOrder::FirstCome => 0,
            QueueOrder::Fair => self.virtual_time.max(*end),
        };
        *end = start + cost;
        self.ready.insert((start, self.arrivals), job);
        self.arrivals += 1;
    }

    /// Queues work that is not to be served before `due`.
    pub(super) fn hold(&mut self, due: Instant, job: J, cost: u64) {
        self.held.insert((due, self.arrivals), (job, cost));
        self.arrivals += 1;
    }

    /// Queues what was held and is due. Returns when the next is.
    pub(super) fn release(&mut self, now: Instant) -> Option<Instant> {
        while let Some(first) = self.held.first_entry() {
            let due = first.key().0;
            if due > now {
                return Some(due);
            }
            let (job, cost) = first.remove();
            self.push(job, cost);
        }
        None
    }

    /// Whose turn it is.
    pub(super) fn peek(&self) -> Option<&J> {
        self.ready.first_key_value().map(|(_, job)| job)
    }

    pub(super) fn pop(&mut self) -> Option<J> {
        let ((start, _), job) = self.ready.pop_first()?;
        self.virtual_time = self.virtual_time.max(start);
        Some(job)
    }

    /// Drops what is not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&J) -> bool) {
        self.ready.retain(|_, job| keep(job));
        self.held.retain(|_, (job, _)| keep(job));
    }

    /// Forgets the clients that nothing has to be remembered of.
    pub(super) fn forget_clients(&mut self) {
        self.ends.retain(|_, end| *end > self.virtual_time);
    }

    /// Pieces of work that wait.
    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Job(u32, u64);

    impl OfSession for Job {
        fn session(&self) -> SessionId {
            SessionId::of(self.0, 0)
        }
    }

    fn served(queue: &mut Queue<Job>, most: usize) -> Vec<u32> {
        core::iter::from_fn(|| queue.pop()).take(most).map(|job| job.0).collect()
    }

    #[test]
    fn who_comes_with_one_is_served_before_a_crowds_second() {
        let mut queue = Queue::new(QueueOrder::Fair);
        for _ in 0..5 {
            queue.push(Job(7, 10), 10);
        }
        assert_eq!(served(&mut queue, 2), [7, 7]);
        queue.push(Job(1, 10), 10);
        // Client 1 starts where the target is: only what is served now goes before it.
        assert_eq!(served(&mut queue, 9), [1, 7, 7, 7]);
        let mut queue = Queue::new(QueueOrder::FirstCome);
        for client in [7, 7, 1, 7] {
            queue.push(Job(client, 10), 10);
        }
        assert_eq!(served(&mut queue, 9), [7, 7, 1, 7]);
    }

    #[test]
    fn what_is_held_comes_in_its_time() {
        let at = Instant::from_nanos;
        let mut queue = Queue::new(QueueOrder::Fair);
        queue.hold(at(50), Job(1, 1), 1);
        queue.hold(at(20), Job(2, 1), 1);
        assert_eq!(queue.release(at(19)), Some(at(20)));
        assert!(queue.peek().is_none());
        assert_eq!(queue.release(at(20)), Some(at(50)));
        assert_eq!(served(&mut queue, 9), [2]);
        assert_eq!(queue.release(at(60)), None);
        assert_eq!((served(&mut queue, 9), queue.len()), (vec![1], 0));
    }

    proptest! {
        /// Goyal's bound: while two clients both wait, what they have been served differs by no more than
        /// their largest pieces of work.
        #[test]
        fn clients_that_always_wait_are_served_alike(
            costs in prop::collection::vec((1_u64..50, 1_u64..50), 20..60),
        ) {
            let mut queue = Queue::new(QueueOrder::Fair);
            for &(one, other) in &costs {
                queue.push(Job(1, one), one);
                queue.push(Job(2, other), other);
            }
            let mut had = [0_u64; 2];
            let mut left = [costs.len(); 2];
            let largest = costs.iter().map(|&(a, b)| a + b).max().expect("some");
            let largest_of_each: u64 = costs.iter().map(|c| c.0).max().expect("some")
                + costs.iter().map(|c| c.1).max().expect("some");
            prop_assert!(largest <= largest_of_each);
            while let Some(Job(client, cost)) = queue.pop() {
                had[client as usize - 1] += cost;
                left[client as usize - 1] -= 1;
                if left.contains(&0) {
                    break;
                }
                prop_assert!(had[0].abs_diff(had[1]) <= largest_of_each, "{:?}", had);
            }
        }
    }
}
