//! What both loops keep: clock, log, timers, models.

use core::pin::Pin;
use std::io::Write;

use pipesd_core::contract::{Input, Output, Reason, Work};
use pipesd_core::event::{Endpoint, Event, Stamped};
use pipesd_core::ids::{SessionId, WorkId};
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::clock::Clock;
use super::models::{Build, Done, Models};
use super::timers::Timers;
use super::{DriverError, Patience};
use crate::record::{Config, Header, Line, Recorder};

/// Is told each event when it happens, on the loop's thread: it must be short.
pub type Observer = Box<dyn FnMut(&Stamped) + Send>;

pub(super) struct Books {
    pub(super) clock: Clock,
    endpoint: Endpoint,
    observer: Option<Observer>,
    recorder: Option<Recorder>,
    timers: Timers,
    pub(super) models: Models,
    limit: Duration,
}

/// What [`Books`] are opened with.
pub(super) struct Opening {
    pub(super) endpoint: Endpoint,
    pub(super) config: Config,
    pub(super) seed: Seed,
    pub(super) patience: Patience,
    pub(super) record: Option<Box<dyn Write + Send>>,
    pub(super) observer: Option<Observer>,
    /// The model's name.
    pub(super) model: &'static str,
    pub(super) build: Build,
}

impl Books {
    pub(super) fn open(
        opening: Opening,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Done>), DriverError> {
        let Opening { endpoint, config, seed, patience, record, observer, model, build } = opening;
        let clock = Clock::start();
        let limit = patience.work;
        let (models, done) = Models::spawn(model, build, limit)?;
        let header = Header::new(endpoint, config, seed, clock.origin());
        let recorder = record.map(|to| Recorder::new(to, &header)).transpose()?;
        let timers = Timers::default();
        Ok((Self { clock, endpoint, observer, recorder, timers, models, limit }, done))
    }

    pub(super) fn record_input(&mut self, now: Instant, input: &Input) {
        if let Some(recorder) = &mut self.recorder {
            recorder.put(Line::In(now, input.clone()));
        }
    }

    pub(super) fn record_output(&mut self, now: Instant, output: &Output) {
        if let Some(recorder) = &mut self.recorder {
            recorder.put(Line::Out(now, output.clone()));
        }
    }

    pub(super) fn record_session(&mut self, session: SessionId, edge: u32, theirs: SessionId) {
        if let Some(recorder) = &mut self.recorder {
            recorder.put(Line::Session { session, edge, theirs });
        }
    }

    /// A model is done: it may be given more, and the log has its time.
    pub(super) fn on_done(&mut self, work: WorkId, took: Duration, added: Duration) {
        self.models.on_done(work);
        if let Some(recorder) = &mut self.recorder {
            recorder.put(Line::Took { work, took, added });
        }
    }

    pub(super) fn start(&mut self, now: Instant, id: WorkId, work: Work) {
        self.models.start(now, id, work);
    }

    pub(super) fn wake_at(&mut self, at: Instant, reason: Reason) {
        self.timers.set(at, reason);
    }

    pub(super) fn observe(&mut self, at: Instant, event: &Event) {
        if let Some(observer) = &mut self.observer {
            observer(&Stamped { at, endpoint: self.endpoint, event: *event });
        }
    }

    /// The timer that is due, if any.
    pub(super) fn due(&mut self) -> Option<Reason> {
        self.timers.pop(self.clock.now())
    }

    /// When the loop must look again, whatever happens.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let (timer, limit) = (self.timers.next(), self.models.next_limit());
        timer.into_iter().chain(limit).min()
    }

    /// Whether a model takes longer than it may.
    pub(super) fn check_limit(&self) -> Result<(), DriverError> {
        let limit = self.limit;
        let overdue = self.models.overdue(self.clock.now());
        overdue.map_or(Ok(()), |work| Err(DriverError::Overdue { work, limit }))
    }

    /// Ends the log.
    pub(super) fn close(&mut self) -> std::io::Result<()> {
        self.recorder.take().map_or(Ok(()), Recorder::finish)
    }
}

/// The runtime's one timer for all deadlines of a loop. It is set anew only for an earlier deadline, not
/// for the later ones that come with every model call.
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    armed: Option<Instant>,
}

impl Alarm {
    /// Must be called on a runtime.
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), armed: None }
    }

    /// Sees to it that [`Self::ring`] ends at `deadline`, or earlier.
    pub(super) fn set(&mut self, clock: &Clock, deadline: Option<Instant>) {
        if let Some(deadline) = deadline
            && self.armed.is_none_or(|armed| deadline < armed)
        {
            self.armed = Some(deadline);
            self.sleep.as_mut().reset(clock.as_std(deadline).into());
        }
    }

    /// Waits for the deadline, if there is one; else for ever.
    pub(super) async fn ring(&mut self) {
        if self.armed.is_none() {
            core::future::pending::<()>().await;
        }
        self.sleep.as_mut().await;
        self.armed = None;
    }
}
