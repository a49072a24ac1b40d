//! Work that waits for the target, and whose turn it is.
//!
//! *Fair*: start-time fair queueing over clients (Goyal, Vin, Cheng 1996). Each piece of work has a start
//! tag, the larger of the queue's virtual time and the end of its client's work before; the least tag is
//! served next, and sets the virtual time. A client that asks for more than its share waits behind its own
//! work, and nobody else's; one that was away gains no credit. *Courteous* is the same, and holds back who
//! costs others too much of their time (`courtesy.rs`). *First come* is the order of arrival.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::courtesy::Books;
use crate::ids::SessionId;
use crate::time::Instant;

/// What a forward pass costs beside its tokens, in tokens. Arbitrary: on the recorded targets a pass takes as
/// long as some tens of tokens more in it.
pub(super) const PASS_COST: u64 = 32;

/// In which order waiting work is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueOrder {
    /// In order of arrival.
    FirstCome,
    /// Clients have equal shares of the target.
    Fair,
    /// The same, and none costs another more than a seventh of that one's time.
    #[default]
    Courteous,
}

/// Work of a session.
pub(super) trait OfSession {
    fn session(&self) -> SessionId;
}

/// A queue of `J`.
#[derive(Clone, Debug)]
pub(super) struct Queue<J> {
    order: QueueOrder,
    now: Instant,
    /// By start tag, then arrival; with its cost.
    ready: BTreeMap<(u64, u64), (J, u64)>,
    /// Not to be served before a time; with its cost.
    held: BTreeMap<(Instant, u64), (J, u64)>,
    arrivals: u64,
    virtual_time: u64,
    /// Where each client's last work ends in virtual time.
    ends: BTreeMap<u32, u64>,
    /// What they cost each other, if that matters.
    books: Option<Books>,
}

impl<J: OfSession> Queue<J> {
    pub(super) const fn new(order: QueueOrder) -> Self {
        Self {
            order,
            now: Instant::ZERO,
            ready: BTreeMap::new(),
            held: BTreeMap::new(),
            arrivals: 0,
            virtual_time: 0,
            ends: BTreeMap::new(),
            books: if matches!(order, QueueOrder::Courteous) { Some(Books::new()) } else { None },
        }
    }

    /// What follows happens at `now`.
    pub(super) const fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    /// Queues work that takes the target as long as `cost` tokens.
    pub(super) fn push(&mut self, job: J, cost: u64) {
        let client = job.session().client();
        let end = self.ends.entry(client).or_default();
        let start = match self.order {
            QueueOrder::FirstCome => 0,
            QueueOrder::Fair | QueueOrder::Courteous => self.virtual_time.max(*end),
        };
        *end = start + cost;
        self.ready.insert((start, self.arrivals), (job, cost));
        self.arrivals += 1;
        if let Some(books) = &mut self.books {
            books.waits(client, self.now);
        }
    }

    /// Queues work that is not to be served before `due`.
    pub(super) fn hold(&mut self, due: Instant, job: J, cost: u64) {
        self.held.insert((due, self.arrivals), (job, cost));
        self.arrivals += 1;
    }

    /// Queues what was held and is due. Returns when the next is.
    pub(super) fn release(&mut self) -> Option<Instant> {
        while let Some(first) = self.held.first_entry() {
            let due = first.key().0;
            if due > self.now {
                return Some(due);
            }
            let (job, cost) = first.remove();
            self.push(job, cost);
        }
        None
    }

    /// Takes the work whose turn it is, if `wanted` wants it: it goes to the target now, with what else is
    /// taken now.
    pub(super) fn pop_if(&mut self, wanted: impl FnOnce(&J) -> bool) -> Option<J> {
        let first = match &mut self.books {
            None => self.ready.iter().next(),
            Some(books) => {
                let is_held = books.held(self.now);
                self.ready.iter().find(|(_, (job, _))| !is_held(job.session().client()))
            }
        };
        let key = *first.filter(|(_, (job, _))| wanted(job))?.0;
        let (job, cost) = self.ready.remove(&key).expect("found above");
        self.virtual_time = self.virtual_time.max(key.0);
        if let Some(books) = &mut self.books {
            books.served(job.session().client(), cost.saturating_sub(PASS_COST), self.now);
        }
        Some(job)
    }

    /// The target is done with what was taken last.
    pub(super) fn finished(&mut self) {
        if let Some(books) = &mut self.books {
            books.finished(PASS_COST, self.now);
        }
    }

    /// When to try again, if nothing could be taken though something waits.
    pub(super) fn relief(&self) -> Option<Instant> {
        let books = self.books.as_ref().filter(|_| !self.ready.is_empty())?;
        Some(books.relief(self.now))
    }

    /// Drops what is not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&J) -> bool) {
        self.ready.retain(|_, (job, _)| {
            let stays = keep(job);
            if let Some(books) = self.books.as_mut().filter(|_| !stays) {
                books.dropped(job.session().client(), self.now);
            }
            stays
        });
        self.held.retain(|_, (job, _)| keep(job));
    }

    /// A client has no session left. Forgets the clients that nothing has to be remembered of.
    pub(super) fn left(&mut self, client: u32) {
        self.ends.retain(|_, end| *end > self.virtual_time);
        if let Some(books) = &mut self.books {
            books.left(client, self.now);
        }
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
        core::iter::from_fn(|| queue.pop_if(|_| true)).take(most).map(|job| job.0).collect()
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
        queue.set_time(at(19));
        assert_eq!(queue.release(), Some(at(20)));
        assert!(served(&mut queue, 9).is_empty());
        queue.set_time(at(20));
        assert_eq!(queue.release(), Some(at(50)));
        assert_eq!(served(&mut queue, 9), [2]);
        queue.set_time(at(60));
        assert_eq!(queue.release(), None);
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
            while let Some(Job(client, cost)) = queue.pop_if(|_| true) {
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
