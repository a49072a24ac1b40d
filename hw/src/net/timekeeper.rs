//! A thread that does things at their time.
//!
//! tokio's timers tick in milliseconds; a packet at 80 Mbit/s takes an eighth of one. This thread
//! sleeps until shortly before a deadline and yields until it has come, which keeps within about
//! 0.1 ms on an idle machine. Deadlines are ideal times, so that lateness never adds up.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use pipesd_core::time::{Duration, Instant};

/// The thread sleeps until this long before a deadline: a sleeper is woken up to that late.
const EARLY: Duration = Duration::from_micros(120);

/// What is done at a deadline. It must be short, and must not own the timekeeper.
type Action = Box<dyn FnOnce() + Send>;

/// The clock of a socket, and the thread that waits for it. Dropping it ends the thread; what was not
/// due by then is never done.
pub struct Timekeeper {
    epoch: std::time::Instant,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    due: BinaryHeap<Reverse<Entry>>,
    entered: u64,
    stopping: bool,
}

struct Entry {
    at: Instant,
    /// First in, first out at equal times.
    number: u64,
    action: Action,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, epoch: std::time::Instant) {
        let mut state = self.lock();
        while !state.stopping {
            let Some(Reverse(first)) = state.due.peek() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = first.at.saturating_since(since(epoch));
            if left > EARLY {
                let sleep = self.changed.wait_timeout(state, left - EARLY);
                state = sleep.unwrap_or_else(PoisonError::into_inner).0;
            } else if left.is_zero() {
                let Some(Reverse(Entry { action, .. })) = state.due.pop() else { continue };
                drop(state);
                action();
                state = self.lock();
            } else {
                drop(state);
                std::thread::yield_now();
                state = self.lock();
            }
        }
        // Actions may hold sockets: they end with the thread.
        let rest = std::mem::take(&mut state.due);
        drop(state);
        drop(rest);
    }
}

fn since(epoch: std::time::Instant) -> Instant {
    Instant::ZERO + epoch.elapsed()
}

impl Timekeeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start() -> std::io::Result<Self> {
        let epoch = std::time::Instant::now();
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let own = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("timekeeper".into());
        let thread = Some(builder.spawn(move || own.run(epoch))?);
        Ok(Self { epoch, shared, thread })
    }

    /// The time on this clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        since(self.epoch)
    }

    /// Does `action` at `deadline`, on the timekeeper's thread. It must be short.
    pub fn at(&self, deadline: Instant, action: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.lock();
        let number = state.entered;
        state.entered += 1;
        // The thread needs to hear of it only if it comes before what it waits for.
        let first = state.due.peek().is_none_or(|Reverse(first)| deadline < first.at);
        state.due.push(Reverse(Entry { at: deadline, number, action: Box::new(action) }));
        drop(state);
        if first {
            self.shared.changed.notify_one();
        }
    }

    /// Waits until `deadline`, more precisely than the runtime's timers.
    pub async fn sleep_until(&self, deadline: Instant) {
        let (wake, woken) = tokio::sync::oneshot::channel();
        self.at(deadline, move || {
            // An error: the sleeper has gone.
            let _ = wake.send(());
        });
        // An error: the timekeeper is being dropped, and nobody waits any more.
        drop(woken.await);
    }
}

impl Drop for Timekeeper {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            drop(thread.join());
        }
    }
}

impl core::fmt::Debug for Timekeeper {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Timekeeper").field("waiting", &self.shared.lock().due.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn things_are_done_in_order_of_their_times_and_never_early() {
        let keeper = Timekeeper::start().expect("a thread");
        let (done, seen) = mpsc::channel();
        let start = keeper.now();
        let epoch = keeper.epoch;
        for ms in [9, 3, 6, 3] {
            let deadline = start + Duration::from_millis(ms);
            let done = done.clone();
            keeper.at(deadline, move || {
                done.send((ms, since(epoch) >= deadline)).expect("the test listens");
            });
        }
        drop(done);
        let order: Vec<(u64, bool)> = seen.iter().collect();
        assert_eq!(order, [(3, true), (3, true), (6, true), (9, true)]);
    }

    #[test]
    fn dropping_it_ends_the_thread_and_drops_what_was_not_due() {
        let keeper = Timekeeper::start().expect("a thread");
        let held = Arc::new(());
        let own = Arc::clone(&held);
        keeper.at(keeper.now() + Duration::from_secs(3600), move || drop(own));
        drop(keeper);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    #[ignore = "timing: run alone"]
    fn deadlines_are_kept_to_a_tenth_of_a_millisecond_in_the_median() {
        let keeper = Timekeeper::start().expect("a thread");
        let (done, seen) = mpsc::channel();
        let (start, epoch) = (keeper.now(), keeper.epoch);
        for k in 1..=1000 {
            let deadline = start + Duration::from_micros(700 * k);
            let done = done.clone();
            keeper.at(deadline, move || {
                done.send(since(epoch).saturating_since(deadline)).expect("the test listens");
            });
        }
        drop(done);
        let mut late: Vec<Duration> = seen.iter().collect();
        late.sort();
        println!("late: median {:?}, 99 % {:?}, most {:?}", late[500], late[990], late[999]);
        assert!(late[500] < Duration::from_micros(100), "{:?}", late[500]);
    }
}
