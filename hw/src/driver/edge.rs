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
use super::link::{Dial, Events, LinkEvent, OneLink, Transport, Unreached};
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
    /// Links that it had, one after another.
    pub links: u32,
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
    /// What was drafted behind them and never verified; none of a text that is whole.
    pub unverified: Vec<TokenId>,
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
pub async fn drive_edge<T: Transport + 'static, E: Events>(
    setup: EdgeSetup,
    build: impl FnOnce() -> Result<Box<dyn DraftModel>, ModelError> + Send + 'static,
    link: (T, E),
    requests: mpsc::Receiver<Request>,
    shutdown: impl Future<Output = ()>,
) -> Result<EdgeReport, DriverError> {
    drive_roaming_edge(setup, build, link, &OneLink::default(), requests, shutdown).await
}

/// The same for an edge that outlives its link: when it is lost, `dial` looks for the cloud as often as the
/// machine wants it to.
///
/// # Errors
/// As [`drive_edge`]; the link's loss is one only where no other can be had.
pub async fn drive_roaming_edge<D: Dial>(
    setup: EdgeSetup,
    build: impl FnOnce() -> Result<Box<dyn DraftModel>, ModelError> + Send + 'static,
    (transport, mut events): (D::Transport, D::Events),
    dial: &D,
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
        wants_link: false,
        request: None,
        links: 1,
        speculated: Vec::new(),
        behind: 0,
    };
    let farewell = setup.patience.farewell;
    let edge = Edge::new(setup.config);
    let mut driver = Driver { edge, stage, requests_over: false, farewell };
    let (outcome, why) = match driver.run(done, &mut events, dial, requests, shutdown).await {
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

/// What is under way; for ever, if nothing is.
async fn pending<F: Future>(future: core::pin::Pin<&mut Option<F>>) -> F::Output {
    match future.as_pin_mut() {
        Some(future) => future.await,
        None => core::future::pending().await,
    }
}

async fn until_closed(events: &mut impl Events) {
    while !events.next().await.is_last() {}
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
    /// The machine has asked for another link.
    wants_link: bool,
    /// The number of the request that was taken last.
    request: Option<u32>,
    links: u32,
    /// The session's tokens behind those that it began with, committed and then speculated.
    speculated: Vec<TokenId>,
    behind: u32,
}

impl<T: Transport> Driver<T> {
    fn feed(&mut self, input: Input) {
        let now = self.stage.books.clock.now();
        self.stage.books.record_input(now, &input);
        drain(&mut self.edge, now, input, &mut self.stage);
    }

    fn submit(&mut self, request: Request) {
        let number = request.session.request();
        self.stage.request = Some(number);
        self.stage.transport.begin_request(number);
        self.feed(Input::Submit(request));
    }

    async fn run<D: Dial<Transport = T>>(
        &mut self,
        mut done: mpsc::UnboundedReceiver<Done>,
        events: &mut D::Events,
        dial: &D,
        mut requests: mpsc::Receiver<Request>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), DriverError> {
        let mut shutdown = core::pin::pin!(shutdown);
        let mut alarm = Alarm::new();
        let mut linked = true;
        let mut dialling = core::pin::pin!(None);
        while !(self.requests_over && self.edge.is_idle()) {
            alarm.set(&self.stage.books.clock, self.stage.books.next_deadline());
            tokio::select! {
                event = events.next(), if linked => match event {
                    LinkEvent::Lost(_) if dial.can_redial() => {
                        linked = false;
                        self.stage.unsent = 0;
                        self.feed(Input::Unlinked);
                    }
                    event => self.on_link(event)?,
                },
                tried = pending(dialling.as_mut()) => {
                    dialling.set(None);
                    match tried {
                        Ok((transport, new_events)) => {
                            (self.stage.transport, *events, linked) = (transport, new_events, true);
                            self.stage.links += 1;
                            if let Some(request) = self.stage.request {
                                self.stage.transport.begin_request(request);
                            }
                            self.feed(Input::Linked);
                        }
                        Err(Unreached { may_yet: true, .. }) => self.feed(Input::Unlinked),
                        Err(Unreached { why, .. }) => return Err(DriverError::LinkClosed(why)),
                    }
                }
                Some(done) = done.recv() => self.on_done(done)?,
                request = requests.recv(), if self.edge.is_idle() => match request {
                    Some(request) => self.submit(request),
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
            if core::mem::take(&mut self.stage.wants_link) {
                dialling.set(Some(dial.dial()));
            }
        }
        if linked {
            self.say_farewell(events).await;
        }
        Ok(())
    }

    /// Waits until what is to be sent has left: the last session's end, as a rule.
    async fn say_farewell(&mut self, events: &mut impl Events) {
        let patience = self.farewell;
        let farewell = async {
            while self.stage.unsent > 0 {
                match events.next().await {
                    event if event.is_last() => return,
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
            LinkEvent::Closed(why) | LinkEvent::Lost(why) => {
                return Err(DriverError::LinkClosed(why));
            }
        }
        Ok(())
    }

    fn on_done(&mut self, done: Done) -> Result<(), DriverError> {
        match done {
            Done::Work { id, took, answer } => {
                if let Some((_, error)) = answer.failed.into_iter().next() {
                    return Err(DriverError::Model { model: "draft", error });
                }
                self.stage.books.on_done(id, took, answer.added);
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
            links: self.stage.links,
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
            Output::Connect => self.wants_link = true,
        }
    }
}

impl<T> Stage<T> {
    fn on_event(&mut self, now: Instant, event: &Event) {
        self.ledger.record(now, event);
        match *event {
            Event::SessionStarted { session, text } => {
                let (tokens, unverified) = (Vec::new(), Vec::new());
                (self.speculated, self.behind) = (Vec::new(), text);
                self.texts.push(Text { session, tokens, outcome: None, unverified });
            }
            Event::Drafted { position, token, .. } | Event::Guessed { position, token, .. } => {
                self.speculated.truncate((position - self.behind) as usize);
                self.speculated.push(token);
            }
            Event::Committed { position, token, .. } => {
                let place = (position - self.behind) as usize;
                if self.speculated.get(place) != Some(&token) {
                    self.speculated.truncate(place);
                    self.speculated.push(token);
                }
                if let Some(text) = self.texts.last_mut() {
                    text.tokens.push(token);
                }
            }
            Event::SessionEnded { session, outcome, .. } => {
                if let Some(text) = self.texts.last_mut() {
                    text.outcome = Some(outcome);
                    if !outcome.is_complete() {
                        text.unverified = self.speculated.split_off(text.tokens.len());
                    }
                }
                self.books.models.close(session);
            }
            _ => {}
        }
        self.books.observe(now, event);
    }
}
