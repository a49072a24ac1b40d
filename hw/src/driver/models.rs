//! Model threads: each model on its own, one piece of work after another, off the endpoint's loop.
//!
//! Whatever happens to a thread is told through the one channel of [`Done`]: an answer, a failed
//! session, or its death. A call that takes longer than it may is found by the loop's watchdog
//! ([`Models::overdue`]).

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc as std_mpsc;

use pipesd_core::contract::{Work, WorkResult};
use pipesd_core::ids::{SessionId, TokenId, WorkId};
use pipesd_core::time::{Duration, Instant};
use pipesd_core::verification::Decision;
use tokio::sync::mpsc;

use crate::backend::{DraftModel, ModelError, TargetModel};

/// What came of a piece of work, or of a thread.
#[derive(Debug)]
pub(super) enum Done {
    /// It is done.
    Work {
        /// Which.
        id: WorkId,
        /// Time that the model took.
        took: Duration,
        /// The answer.
        answer: Answer,
    },
    /// A thread has died, and why.
    Died {
        /// Its name.
        thread: &'static str,
        /// Why.
        error: ModelError,
    },
}

/// A result, and the sessions that have failed. In the place of a failed session's part stands
/// something that is of no effect once the session is closed.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) result: WorkResult,
    /// Of the time that it took, what an emulated device has added.
    pub(super) added: Duration,
    pub(super) failed: Vec<(SessionId, ModelError)>,
}

impl From<WorkResult> for Answer {
    fn from(result: WorkResult) -> Self {
        Self { result, added: Duration::ZERO, failed: Vec::new() }
    }
}

/// How long a thread looks out for its next job before it sleeps. To be woken takes it longer than the loop
/// takes to ask for the next draft (bench `overhead`: a third of the cost of a drafted token). Twice as long
/// brings nothing more, and takes a core from whoever needs it.
const LINGER: Duration = Duration::from_micros(10);

/// A model on its thread.
pub(super) trait Serve {
    /// Does a piece of work.
    fn serve(&mut self, work: Work) -> Result<Answer, ModelError>;

    /// Forgets a session.
    fn close(&mut self, session: SessionId);
}

/// Makes a model, on the thread that it will live on: what it holds need not move between threads.
pub(super) type Build = Box<dyn FnOnce() -> Result<Box<dyn Serve>, ModelError> + Send>;

enum Job {
    Work(WorkId, Work),
    Close(SessionId),
}

/// A thread, as the loop sees it. Dropping it ends the thread after the call under way.
struct Thread {
    jobs: std_mpsc::Sender<Job>,
}

impl Thread {
    fn spawn(
        name: &'static str,
        build: Build,
        done: mpsc::UnboundedSender<Done>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = std_mpsc::channel();
        std::thread::Builder::new().name(name.into()).spawn(move || {
            // The model is dropped on its thread, also after a panic in it.
            let end = catch_unwind(AssertUnwindSafe(|| live(build, &queue, &done)));
            let error = match end {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(panic) => ModelError::Broken(format!("it panicked: {}", words(&*panic))),
            };
            // An error: the endpoint has ended.
            let _ = done.send(Done::Died { thread: name, error });
        })?;
        Ok(Self { jobs })
    }

    fn put(&self, job: Job) {
        // An error: the thread has died, which it has told.
        let _ = self.jobs.send(job);
    }
}

fn live(
    build: Build,
    queue: &std_mpsc::Receiver<Job>,
    done: &mpsc::UnboundedSender<Done>,
) -> Result<(), ModelError> {
    let mut model = build()?;
    let mut next = queue.recv().ok();
    while let Some(job) = next {
        match job {
            Job::Work(id, work) => {
                let start = std::time::Instant::now();
                let answer = model.serve(work)?;
                let took = start.elapsed();
                if done.send(Done::Work { id, took, answer }).is_err() {
                    return Ok(());
                }
            }
            Job::Close(session) => model.close(session),
        }
        next = soon(queue).or_else(|| queue.recv().ok());
    }
    Ok(())
}

/// A job that comes within [`LINGER`]: after a draft step the next one mostly does.
fn soon(queue: &std_mpsc::Receiver<Job>) -> Option<Job> {
    let start = std::time::Instant::now();
    while start.elapsed() < LINGER {
        if let Ok(job) = queue.try_recv() {
            return Some(job);
        }
        core::hint::spin_loop();
    }
    None
}

/// What a panic says.
fn words(panic: &(dyn core::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

/// The model threads of an endpoint.
pub(super) struct Models {
    model: Thread,
    /// The tuner's, from its first fit on.
    fit: Option<Thread>,
    done: mpsc::UnboundedSender<Done>,
    limit: Duration,
    /// What is under way, and when it must be done.
    running: BTreeMap<WorkId, Instant>,
}

impl Models {
    /// Starts the model's thread. A call may take as long as `limit`.
    pub(super) fn spawn(
        name: &'static str,
        build: Build,
        limit: Duration,
    ) -> std::io::Result<(Self, mpsc::UnboundedReceiver<Done>)> {
        let (done, results) = mpsc::unbounded_channel();
        let model = Thread::spawn(name, build, done.clone())?;
        Ok((Self { model, fit: None, done, limit, running: BTreeMap::new() }, results))
    }

    pub(super) fn start(&mut self, now: Instant, id: WorkId, work: Work) {
        self.running.insert(id, now + self.limit);
        let beside = matches!(work, Work::Fit(_));
        let job = Job::Work(id, work);
        if !beside {
            return self.model.put(job);
        }
        if self.fit.is_none() {
            let build: Build = Box::new(|| Ok(Box::new(Tuner)));
            match Thread::spawn("fit", build, self.done.clone()) {
                Ok(thread) => self.fit = Some(thread),
                Err(error) => {
                    let error = ModelError::Broken(error.to_string());
                    // The receiver is the loop that this is called from.
                    let _ = self.done.send(Done::Died { thread: "fit", error });
                }
            }
        }
        if let Some(fit) = &self.fit {
            fit.put(job);
        }
    }

    /// Has the model forget a session, after what is under way.
    pub(super) fn close(&self, session: SessionId) {
        self.model.put(Job::Close(session));
    }

    pub(super) fn on_done(&mut self, id: WorkId) {
        self.running.remove(&id);
    }

    /// Whether no work is under way.
    pub(super) fn are_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// When the first piece of work that is under way must be done.
    pub(super) fn next_limit(&self) -> Option<Instant> {
        self.running.values().min().copied()
    }

    /// A piece of work that takes longer than it may.
    pub(super) fn overdue(&self, now: Instant) -> Option<WorkId> {
        self.running.iter().find(|(_, limit)| **limit <= now).map(|(id, _)| *id)
    }
}

/// The draft model's thread.
pub(super) struct Draft(pub(super) Box<dyn DraftModel>);

/// The target model's thread.
pub(super) struct Target(pub(super) Box<dyn TargetModel>);

/// The tuner's thread.
struct Tuner;

fn misplaced(work: &Work) -> ModelError {
    ModelError::Broken(format!("an edge drafts and tunes, a cloud verifies: {work:?}"))
}

/// An answer of one session: a failure that is the session's own leaves `stand_in` in its place.
fn of_session(
    session: SessionId,
    result: Result<WorkResult, ModelError>,
    stand_in: WorkResult,
) -> Result<Answer, ModelError> {
    match result {
        Ok(result) => Ok(result.into()),
        Err(error @ ModelError::Broken(_)) => Err(error),
        Err(error) => {
            let failed = vec![(session, error)];
            Ok(Answer { failed, ..stand_in.into() })
        }
    }
}

impl Serve for Draft {
    fn serve(&mut self, work: Work) -> Result<Answer, ModelError> {
        match work {
            Work::Prefill { session, prompt, sampling } => {
                let done = self.0.prefill(session, &prompt, &sampling);
                of_session(session, done.map(|()| WorkResult::Prefilled), WorkResult::Prefilled)
            }
            Work::Draft(step) => {
                let (proposal, claim) = self.0.step(&step).map_err(|error| match error {
                    // Nothing else can end a session at the edge: the driver gives up.
                    ModelError::Broken(_) | ModelError::PastRollout { .. } => error,
                    other => ModelError::Broken(format!("{}: {other}", step.session)),
                })?;
                // A log could not hold it otherwise.
                if !(0.0..=1.0).contains(&proposal.confidence) {
                    let problem = format!("{} as a probability", proposal.confidence);
                    return Err(ModelError::Broken(problem));
                }
                let result = WorkResult::Drafted { proposal, claim: claim.map(Box::new) };
                Ok(Answer { added: self.0.added_by_device(), ..result.into() })
            }
            other => Err(misplaced(&other)),
        }
    }

    fn close(&mut self, session: SessionId) {
        self.0.close(session);
    }
}

impl Serve for Target {
    fn serve(&mut self, work: Work) -> Result<Answer, ModelError> {
        match work {
            Work::Prefill { session, prompt, sampling } => {
                let done = self.0.prefill(session, &prompt, &sampling);
                of_session(session, done.map(|()| WorkResult::Prefilled), WorkResult::Prefilled)
            }
            Work::Verify(blocks) => {
                let results = self.0.verify(&blocks);
                if results.len() != blocks.len() {
                    let (got, want) = (results.len(), blocks.len());
                    let problem = format!("{got} decisions on {want} blocks");
                    return Err(ModelError::Broken(problem));
                }
                let mut failed = Vec::new();
                let mut decisions = Vec::with_capacity(blocks.len());
                for (block, result) in blocks.iter().zip(results) {
                    match result {
                        Ok(decision) => decisions.push(decision),
                        Err(error @ ModelError::Broken(_)) => return Err(error),
                        Err(error) => {
                            failed.push((block.session, error));
                            decisions.push(Decision::of(Vec::new()));
                        }
                    }
                }
                Ok(Answer { failed, ..WorkResult::Verified(decisions).into() })
            }
            Work::Replace { session, round, position, distribution } => {
                let done = self.0.replace(session, round, position, &distribution);
                let stand_in = WorkResult::Replaced(TokenId::default());
                of_session(session, done.map(WorkResult::Replaced), stand_in)
            }
            other => Err(misplaced(&other)),
        }
    }

    fn close(&mut self, session: SessionId) {
        self.0.close(session);
    }
}

impl Serve for Tuner {
    fn serve(&mut self, work: Work) -> Result<Answer, ModelError> {
        match work {
            Work::Fit(fit) => Ok(WorkResult::Fitted(fit.run()).into()),
            other => Err(misplaced(&other)),
        }
    }

    fn close(&mut self, _session: SessionId) {}
}
