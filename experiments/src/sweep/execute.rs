//! Runs rows in parallel and hands them over in order, each as soon as those before it are there.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Result, anyhow};
use pipesd_sim::world::Setup;

use super::points::Point;
use super::rows::Rows;
use crate::runner::pool;

/// Runs of each worker that may be done before an earlier one is: a kill loses these at most, and
/// with fewer a long run would leave the other workers idle.
const AHEAD_PER_JOB: u64 = 64;

/// A point with its setup, built by the first worker that needs it.
struct Prepared {
    number: u64,
    point: Point,
    setup: OnceLock<Result<Setup, String>>,
}

/// What workers share.
struct Queue {
    next: u64,
    handed_over: u64,
    stopped: bool,
    /// The point of the last row that was taken: its next run likely follows.
    current: Option<Arc<Prepared>>,
}

struct Shared<'a> {
    rows: &'a Rows,
    end: u64,
    ahead: u64,
    queue: Mutex<Queue>,
    moved: Condvar,
}

/// Rows that are done, by number; an error takes the place of its row.
type Done = (u64, Result<String>);

/// Runs the rows from `first` on and gives them to `write` in order: as many at a time as are there.
pub(crate) fn execute(
    rows: &Rows,
    first: u64,
    jobs: Option<u32>,
    mut write: impl FnMut(&[String]) -> Result<()>,
) -> Result<()> {
    let pool = pool(jobs)?;
    let jobs = pool.current_num_threads();
    let queue = Queue { next: first, handed_over: first, stopped: false, current: None };
    let shared = Shared {
        rows,
        end: rows.count(),
        ahead: AHEAD_PER_JOB * jobs as u64,
        queue: Mutex::new(queue),
        moved: Condvar::new(),
    };
    pool.in_place_scope(|scope| {
        let (sender, done) = channel();
        for _ in 0..jobs {
            let (shared, sender) = (&shared, sender.clone());
            scope.spawn(move |_| shared.work(&sender));
        }
        drop(sender);
        let _stop = StopOnPanic(&shared);
        let result = shared.hand_over(first, &done, &mut write);
        shared.stop();
        result
    })
}

/// Stops the workers when one of them, or who writes their rows, panics: they would wait for ever.
struct StopOnPanic<'a, 'b>(&'a Shared<'b>);

impl Drop for StopOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

impl Shared<'_> {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.moved.notify_all();
    }

    /// The next row to run, with its point; None: there is no more.
    fn take(&self) -> Option<(u64, Arc<Prepared>)> {
        let mut queue = self.lock();
        while !queue.stopped
            && queue.next < self.end
            && queue.next - queue.handed_over >= self.ahead
        {
            queue = self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.stopped || queue.next == self.end {
            return None;
        }
        let row = queue.next;
        queue.next += 1;
        let number = self.rows.run(row).point;
        match &queue.current {
            Some(current) if current.number == number => Some((row, Arc::clone(current))),
            _ => {
                let point = self.rows.points.point(number);
                let prepared = Arc::new(Prepared { number, point, setup: OnceLock::new() });
                queue.current = Some(Arc::clone(&prepared));
                Some((row, prepared))
            }
        }
    }

    fn work(&self, done: &Sender<Done>) {
        let _stop = StopOnPanic(self);
        while let Some((row, prepared)) = self.take() {
            let load = || self.rows.points.setup(prepared.number).map_err(|e| format!("{e:#}"));
            let result = match prepared.setup.get_or_init(load) {
                Ok(setup) => self.rows.simulate(self.rows.run(row), &prepared.point, setup),
                Err(problem) => Err(anyhow!("{problem}")),
            };
            if done.send((row, result)).is_err() {
                return;
            }
        }
    }

    fn hand_over(
        &self,
        first: u64,
        done: &Receiver<Done>,
        write: &mut impl FnMut(&[String]) -> Result<()>,
    ) -> Result<()> {
        let mut next = first;
        let mut waiting = BTreeMap::new();
        let mut ready = Vec::new();
        while next < self.end {
            // An end before the last row: a worker panicked, and the scope will say so.
            let Ok((row, result)) = done.recv() else { return Ok(()) };
            waiting.insert(row, result);
            waiting.extend(done.try_iter());
            let mut failure = None;
            while let Some(result) = waiting.remove(&next) {
                match result {
                    Ok(row) => ready.push(row),
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                }
                next += 1;
            }
            if !ready.is_empty() {
                write(&ready)?;
                ready.clear();
                self.lock().handed_over = next;
                self.moved.notify_all();
            }
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::sweep::{Overrides, Plan, Points, Shard};

    #[test]
    fn a_panic_of_who_writes_the_rows_ends_the_workers_too() {
        let content = "seeds = 1000\ntokens = 20";
        let plan = Plan::parse("plan", content, Overrides::default()).expect("a plan");
        let points = Points::new(plan).expect("points");
        let rows = Rows { points, shard: Shard::WHOLE };
        // The workers would get as far ahead of the writer as they may, and wait.
        let write = |_: &[String]| -> Result<()> { panic!("no more room") };
        let run = AssertUnwindSafe(|| execute(&rows, 0, Some(2), write));
        catch_unwind(run).expect_err("the panic comes through");
    }
}
