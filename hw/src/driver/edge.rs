//! The loop of an edge: one link, one draft model, one request after another.

use core::future::Future;
use std::io::Write;

use pipesd_core::account::{Counts, Ledger};
use pipesd_core::contract::{Input, Output, Sink, drain};
use pipesd_core::edge::{Edge, EdgeConfig, TuningCounts};
use pipesd_core::event::{Endpoint, Event, Outcome};
use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::message::{Message, Request};
use pipesd_core::monitor::Estimates;
use pipesd_core::payload::WireFormat;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant};
use tokio::sync::mpsc;

use super::books::{Alarm, Books, Opening};
use super::link::{Events, LinkEvent, Transport};
use super::models::{Build, Done, Draft};
use super::{DriverError, Observer, Patience};
use crate::backend::{DraftModel, ModelError};
use crate::record::Config;

/// How an edge is run.
pub struct EdgeSetup {
    /// Its number, as it introduces itself.
    pub number: u32,
    /// Its machine.
    pub config: EdgeConfig,
    /// Entries of the models' vocabulary.
    pub vocabulary: u32,
    /// The run's seed, for the log.
    pub seed: Seed,
    /// How long it waits.
    pub patience: Patience,
    /// Where its log goes.
    pub record: Option<Box<dyn Write + Send>>,
    /// Who is told its events.
    pub observer: Option<Observer>,
}

impl EdgeSetup {
    /// An edge without a log.
    #[must_use]
    pub fn new(number: u32, config: EdgeConfig, vocabulary: u32, seed: Seed) -> Self {
        let patience = Patience::default();
        Self { number, config, vocabulary, seed, patience, record: None, observer: None }
    }
}

/// What a run gives.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeReport {
    /// Totals.
    pub counts: Counts,
    /// What was decoded, in order.
    pub texts: Vec<Text>,
    /// What the monitor believed last.
    pub estimates: Estimates,
    /// What the tuner did; None: not tuned.
    pub tuning: Option<TuningCounts>,
    /// Bytes of uploads and distributions handed to the link, as the wire format counts them.
    pub uplink_bytes: u64,
    /// How long it ran.
    pub elapsed: Duration,
}

/// A decoded text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The session that decoded it.
    pub session: SessionId,
    /// Its tokens.
    pub tokens: Vec<TokenId>,
    /// How it ended; None: it had not.
    pub outcome: Option<Outcome>,
}

/// A queue of requests that are all known beforehand.
#[must_use]
pub fn one_after_another(requests: Vec<Request>) -> mpsc::Receiver<Request> {
    let (queue, taken) = mpsc::channel(requests.len().max(1));
    for request in requests {
        queue.try_send(request).expect("there is room for all");
    }
    taken
}

/// Runs an edge until `requests` are closed and all of them decoded, or until `shutdown`, which is an
/// error while one is under way or waits. The next request is taken when the one before is done. Must be
/// called on a tokio runtime with time enabled; `build` makes the draft model on its thread.
///
/// # Errors
/// See [`DriverError`]. The link is closed and the log written in any case.
pub async fn drive_edge<T: Transport, E: Events>(
    setup: EdgeSetup,
    build: impl FnOnce() -> Result<Box<dyn DraftModel>, ModelError> + Send + 'static,
    (transport, mut events): (T, E),
    requests: mpsc::Receiver<Request>,
    shutdown: impl Future<Output = ()>,
) -> Result<EdgeReport, DriverError> {
    let build: Build = Box::new(move || Ok(Box::new(Draft(build()?))));
    let (books, done) = Books::open(Opening {
        endpoint: Endpoint::Edge(setup.number),
        config: Config::Edge(setup.config),
        seed: setup.seed,
        patience: setup.patience,
        record: setup.record,
        observer: setup.observer,
        model: "draft",
        build,
    })?;
    let format = WireFormat { payload: setup.config.method.payload, vocabulary: setup.vocabulary };
    let stage = Stage {
        books,
        transport,
        format,
        ledger: Ledger::default(),
        texts: Vec::new(),
        unsent: 0,
        uplink_bytes: 0,
    };
    let farewell = setup.patience.farewell;
    let edge = Edge::new(setup.config);
    let mut driver = Driver { edge, stage, requests_over: false, farewell };
    let (outcome, why) = match driver.run(done, &mut events, requests, shutdown).await {
        Ok(()) => (Ok(()), "done".to_owned()),
        Err(error) => {
            let why = error.to_string();
            (Err(error), why)
        }
    };
    driver.stage.transport.close(&why);
    // So that the peer hears of it even if the runtime ends right after. An error: it hears nothing.
    let _ = tokio::time::timeout(farewell, until_closed(&mut events)).await;
    driver.stage.books.close()?;
    outcome?;
    driver.report()
}

async fn until_closed(events: &mut impl Events) {
    while !matches!(events.next().await, LinkEvent::Closed(_)) {}
}

struct Driver<T> {
    edge: Edge,
    stage: Stage<T>,
    requests_over: bool,
    farewell: Duration,
}

/// Everything of an edge but its machine: the sink of the core's loop.
struct Stage<T> {
    books: Books,
    transport: T,
    format: WireFormat,
    ledger: Ledger,
    texts: Vec<Text>,
    /// Messages that have not been answered by `Sent`.
    unsent: u32,
    uplink_bytes: u64,
}

impl<T: Transport> Driver<T> {
    fn feed(&mut self, input: Input) {
        let now = self.stage.books.clock.now();
        self.stage.books.record_input(now, &input);
        drain(&mut self.edge, now, input, &mut self.stage);
    }

    async fn run(
        &mut self,
        mut done: mpsc::UnboundedReceiver<Done>,
        events: &mut impl Events,
        mut requests: mpsc::Receiver<Request>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), DriverError> {
        let mut shutdown = core::pin::pin!(shutdown);
        let mut alarm = Alarm::new();
        while !(self.requests_over && self.edge.is_idle()) {
            alarm.set(&self.stage.books.clock, self.stage.books.next_deadline());
            tokio::select! {
                event = events.next() => self.on_link(event)?,
                Some(done) = done.recv() => self.on_done(done)?,
                request = requests.recv(), if self.edge.is_idle() => match request {
                    Some(request) => self.feed(Input::Submit(request)),
                    None => self.requests_over = true,
                },
                () = alarm.ring() => {
                    self.stage.books.check_limit()?;
                    while let Some(reason) = self.stage.books.due() {
                        self.feed(Input::Wake(reason));
                    }
                }
                () = &mut shutdown => {
                    let all_decoded = self.edge.is_idle() && requests.is_empty();
                    return if all_decoded { Ok(()) } else { Err(DriverError::Interrupted) };
                }
            }
        }
        self.say_farewell(events).await;
        Ok(())
    }

    /// Waits until what is to be sent has left: the last session's end, as a rule.
    async fn say_farewell(&mut self, events: &mut impl Events) {
        let patience = self.farewell;
        let farewell = async {
            while self.stage.unsent > 0 {
                match events.next().await {
                    LinkEvent::Closed(_) => return,
                    event => drop(self.on_link(event)),
                }
            }
        };
        // An error: the link is closed without it, which ends its sessions at the cloud as well.
        let _ = tokio::time::timeout(patience, farewell).await;
    }

    fn on_link(&mut self, event: LinkEvent) -> Result<(), DriverError> {
        match event {
            LinkEvent::Received { message, transfer } => {
                self.feed(Input::Received { message, transfer });
            }
            LinkEvent::Sent(id) => {
                self.stage.unsent = self.stage.unsent.saturating_sub(1);
                self.feed(Input::Sent(id));
            }
            LinkEvent::Closed(why) => return Err(DriverError::LinkClosed(why)),
        }
        Ok(())
    }

    fn on_done(&mut self, done: Done) -> Result<(), DriverError> {
        match done {
            Done::Work { id, took, answer } => {
                if let Some((_, error)) = answer.failed.into_iter().next() {
                    return Err(DriverError::Model { model: "draft", error });
                }
                self.stage.books.on_done(id, took);
                self.feed(Input::Finished { work: id, result: answer.result });
                Ok(())
            }
            Done::Died { thread, error } => Err(DriverError::Model { model: thread, error }),
        }
    }

    fn report(self) -> Result<EdgeReport, DriverError> {
        self.stage.ledger.check()?;
        Ok(EdgeReport {
            counts: *self.stage.ledger.counts(),
            estimates: self.edge.estimates(),
            tuning: self.edge.tuning_counts(),
            uplink_bytes: self.stage.uplink_bytes,
            elapsed: self.stage.books.clock.now() - Instant::ZERO,
            texts: self.stage.texts,
        })
    }
}

impl<T: Transport> Sink for Stage<T> {
    fn accept(&mut self, now: Instant, output: Output) {
        self.books.record_output(now, &output);
        match output {
            Output::Transmit { id, message } => {
                if matches!(message, Message::Upload(_) | Message::Distribution { .. }) {
                    self.uplink_bytes += self.format.message_bytes(&message);
                }
                self.unsent += 1;
                self.transport.send(id, &message);
            }
            Output::Cancel(id) => self.transport.cancel(id),
            Output::Start { id, work } => self.books.start(now, id, work),
            Output::Event(event) => self.on_event(now, &event),
            Output::WakeAt(at, reason) => self.books.wake_at(at, reason),
        }
    }
}

impl<T> Stage<T> {
    fn on_event(&mut self, now: Instant, event: &Event) {
        self.ledger.record(now, event);
        match *event {
            Event::SessionStarted { session } => {
                self.texts.push(Text { session, tokens: Vec::new(), outcome: None });
            }
            Event::Committed { token, .. } => {
                if let Some(text) = self.texts.last_mut() {
                    text.tokens.push(token);
                }
            }
            Event::SessionEnded { session, outcome, .. } => {
                if let Some(text) = self.texts.last_mut() {
                    text.outcome = Some(outcome);
                }
                self.books.models.close(session);
            }
            _ => {}
        }
        self.books.observe(now, event);
    }
}
