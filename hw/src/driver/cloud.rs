//! The loop of a cloud: one target model, and links as they come. An edge that misbehaves, fails or goes
//! away ends its own sessions and link, and no other's.

use core::future::Future;
use std::collections::{BTreeMap, VecDeque};
use std::io::Write;

use pipesd_core::cloud::{Cloud, CloudConfig};
use pipesd_core::contract::{Input, Output, Sink, drain};
use pipesd_core::event::{Endpoint, Event};
use pipesd_core::ids::{MessageId, SessionId};
use pipesd_core::message::Message;
use pipesd_core::seed::Seed;
use pipesd_core::sharing::{CloudCounts, CloudLedger};
use pipesd_core::time::{Duration, Instant};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::books::{Alarm, Books, Opening};
use super::link::{Arrivals, Events, LinkEvent, Newcomer, Transport};
use super::models::{Answer, Build, Done, Target};
use super::sessions::{Inbound, LinkId, Sessions};
use super::watch::{Load, Watch};
use super::{DriverError, Observer, Patience};
use crate::backend::{ModelError, TargetModel};
use crate::record::Config;
use crate::transport::{CLOSING, FAILED};

/// How a cloud is run.
pub struct CloudSetup {
    /// Its machine.
    pub config: CloudConfig,
    /// The run's seed, for the log.
    pub seed: Seed,
    /// How long it waits.
    pub patience: Patience,
    /// Where its log goes.
    pub record: Option<Box<dyn Write + Send>>,
    /// Who is told its events.
    pub observer: Option<Observer>,
}

impl CloudSetup {
    /// A cloud without a log.
    #[must_use]
    pub fn new(config: CloudConfig, seed: Seed) -> Self {
        let patience = Patience::default();
        Self { config, seed, patience, record: None, observer: None }
    }
}

/// What a run gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudReport {
    /// The target's totals.
    pub counts: CloudCounts,
    /// How long it ran.
    pub elapsed: Duration,
    /// Links that it served.
    pub links: u64,
    /// Links that were ended from here, each with its edge's number and the reason; the last
    /// [`ENDED_MAX`] of them.
    pub ended: Vec<(u32, String)>,
    /// Peers that were refused before they had a link.
    pub refused: u64,
}

/// Reasons kept at most.
pub const ENDED_MAX: usize = 100;
/// What came over links and was not looked at yet, at most; then the edges wait. Few: each may be a
/// whole frame, and a link counts its bytes no longer.
const WAITING_MAX: usize = 16;

/// Runs a cloud until nobody will come any more and all links are over, or until `shutdown`. Must be
/// called on a tokio runtime with time enabled; `build` makes the target model on its thread.
///
/// # Errors
/// See [`DriverError`]: the target has failed. All links are closed and the log written in any case.
pub async fn drive_cloud<A: Arrivals>(
    setup: CloudSetup,
    build: impl FnOnce() -> Result<Box<dyn TargetModel>, ModelError> + Send + 'static,
    arrivals: &mut A,
    shutdown: impl Future<Output = ()>,
) -> Result<CloudReport, DriverError> {
    let build: Build = Box::new(move || Ok(Box::new(Target(build()?))));
    let (books, done) = Books::open(Opening {
        endpoint: Endpoint::Cloud,
        config: Config::Cloud(setup.config),
        seed: setup.seed,
        patience: setup.patience,
        record: setup.record,
        observer: setup.observer,
        model: "target",
        build,
    })?;
    let stage = Stage {
        books,
        links: BTreeMap::new(),
        sessions: Sessions::default(),
        ledger: CloudLedger::default(),
        watch: Watch::default(),
        undelivered: VecDeque::new(),
        unsent: 0,
        closed: Vec::new(),
    };
    let (ended, links, farewell) = (VecDeque::new(), 0, setup.patience.farewell);
    let grace = setup.patience.grace;
    let mut driver = Driver { cloud: Cloud::new(setup.config), stage, links, ended, grace };
    let (tell, mut heard) = mpsc::channel(WAITING_MAX);
    let outcome = driver.run(done, arrivals, &tell, &mut heard, shutdown).await;
    drop(tell);
    let why = match &outcome {
        Ok(()) => CLOSING,
        // Of a model's failure an edge is told no more than that.
        Err(_) => FAILED,
    };
    for link in driver.stage.links.values_mut() {
        link.transport.close(why);
    }
    // So that the edges hear of it even if the runtime ends right after: the channel is over when all
    // links are. An error: some hear nothing.
    let all_over = async { while heard.recv().await.is_some() {} };
    let _ = tokio::time::timeout(farewell, all_over).await;
    driver.stage.books.close()?;
    outcome?;
    let now = driver.stage.books.clock.now();
    Ok(CloudReport {
        counts: driver.stage.ledger.counts(now),
        elapsed: now - Instant::ZERO,
        links: driver.links,
        ended: driver.ended.into(),
        refused: arrivals.refused(),
    })
}

struct Driver<T> {
    cloud: Cloud,
    stage: Stage<T>,
    /// Links so far; the next one's number.
    links: LinkId,
    ended: VecDeque<(u32, String)>,
    /// How long rounds may take to finish when it closes.
    grace: Duration,
}

/// Everything of a cloud but its machine: the sink of the core's loop.
struct Stage<T> {
    books: Books,
    links: BTreeMap<LinkId, Served<T>>,
    sessions: Sessions,
    ledger: CloudLedger,
    watch: Watch,
    /// Messages that nobody wants any more: each is answered by `Sent` all the same.
    undelivered: VecDeque<MessageId>,
    /// Messages that have not been answered by `Sent`.
    unsent: u32,
    /// Sessions that the machine has dropped, to be forgotten.
    closed: Vec<SessionId>,
}

/// A link that is served.
struct Served<T> {
    edge: u32,
    transport: T,
}

impl<T: Transport> Driver<T> {
    fn feed(&mut self, input: Input) {
        self.feed_one(input);
        while let Some(id) = self.stage.undelivered.pop_front() {
            self.feed_one(Input::Sent(id));
        }
        for session in core::mem::take(&mut self.stage.closed) {
            self.stage.sessions.close(session);
            self.stage.ledger.close(session);
        }
    }

    fn show_load(&mut self) {
        let (sessions, queued) = self.cloud.load();
        let stage = &mut self.stage;
        let (links, idle) = (stage.links.len(), stage.books.models.are_idle());
        stage.watch.load(stage.books.clock.now(), Load { links, sessions, queued, idle });
    }

    fn feed_one(&mut self, input: Input) {
        let now = self.stage.books.clock.now();
        self.stage.books.record_input(now, &input);
        drain(&mut self.cloud, now, input, &mut self.stage);
    }

    async fn run<A: Arrivals<Transport = T>>(
        &mut self,
        mut done: mpsc::UnboundedReceiver<Done>,
        arrivals: &mut A,
        tell: &mpsc::Sender<(LinkId, LinkEvent)>,
        heard: &mut mpsc::Receiver<(LinkId, LinkEvent)>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), DriverError> {
        let mut shutdown = core::pin::pin!(shutdown);
        let mut alarm = Alarm::new();
        let mut arrivals_over = false;
        let mut closing = false;
        let grace = tokio::time::sleep(Duration::MAX);
        let mut grace = core::pin::pin!(grace);
        while !(self.stage.links.is_empty()
            && (arrivals_over || arrivals.ends_when_idle() && self.cloud.is_idle()))
        {
            if closing && self.cloud.is_idle() && self.stage.unsent == 0 {
                return Ok(());
            }
            self.show_load();
            alarm.set(&self.stage.books.clock, self.stage.books.next_deadline());
            tokio::select! {
                Some((link, event)) = heard.recv() => self.on_link(link, event),
                Some(done) = done.recv() => self.on_done(done)?,
                newcomer = arrivals.next(), if !arrivals_over => match newcomer {
                    Some(newcomer) => self.welcome(newcomer, tell),
                    None => arrivals_over = true,
                },
                () = alarm.ring() => {
                    self.stage.books.check_limit()?;
                    while let Some(reason) = self.stage.books.due() {
                        self.feed(Input::Wake(reason));
                    }
                }
                () = &mut shutdown, if !closing => {
                    closing = true;
                    info!(sessions = self.cloud.load().0, "closing: rounds finish, nothing new is taken");
                    grace.as_mut().reset(tokio::time::Instant::now() + self.grace);
                    self.feed(Input::Shutdown);
                }
                () = grace.as_mut(), if closing => {
                    warn!(sessions = self.cloud.load().0, "not all rounds have finished in time");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn welcome<E: Events>(
        &mut self,
        newcomer: Newcomer<T, E>,
        tell: &mpsc::Sender<(LinkId, LinkEvent)>,
    ) {
        let Newcomer { edge, client, transport, mut events } = newcomer;
        let (link, tell) = (self.links, tell.clone());
        self.links += 1;
        info!(link, edge, "an edge has come");
        self.stage.watch.link_came();
        self.stage.links.insert(link, Served { edge, transport });
        if let Some(before) = self.stage.sessions.add_link(link, client)
            && let Some(mut served) = self.stage.links.remove(&before)
        {
            info!(link = before, edge, "it has come over another link");
            served.transport.close("the edge has come over another link");
        }
        tokio::spawn(async move {
            loop {
                let event = events.next().await;
                let last = event.is_last();
                if tell.send((link, event)).await.is_err() || last {
                    return;
                }
            }
        });
    }

    fn on_link(&mut self, link: LinkId, event: LinkEvent) {
        match event {
            LinkEvent::Received { message, transfer } => {
                let message = match self.stage.sessions.inbound(link, message) {
                    Inbound::Known(message) => message,
                    Inbound::New { message, theirs } => {
                        if let Some(served) = self.stage.links.get(&link) {
                            let (session, edge) = (message.session(), served.edge);
                            self.stage.books.record_session(session, edge, theirs);
                        }
                        message
                    }
                    Inbound::Nothing => return,
                    Inbound::TooMany => return self.end_link(link, "too many sessions are open"),
                };
                match message {
                    Message::Close { session } => self.close(session),
                    message => self.feed(Input::Received { message, transfer }),
                }
            }
            LinkEvent::Sent(id) => {
                self.stage.unsent = self.stage.unsent.saturating_sub(1);
                self.feed(Input::Sent(id));
            }
            // The edge may come back for its sessions.
            LinkEvent::Lost(why) => {
                if let Some(served) = self.stage.links.remove(&link) {
                    info!(link, edge = served.edge, %why, "a link is lost");
                }
                self.stage.sessions.remove_link(link);
            }
            LinkEvent::Closed(why) => {
                if let Some(served) = self.stage.links.remove(&link) {
                    info!(link, edge = served.edge, %why, "an edge has gone");
                }
                self.forget_client(link);
            }
        }
    }

    /// Ends a session: its edge wants it, has gone away, or the target has failed it.
    fn close(&mut self, session: SessionId) {
        let (message, transfer) = (Message::Close { session }, Duration::ZERO);
        self.feed(Input::Received { message, transfer });
        // It may have been begun by no more than a probe.
        self.stage.sessions.close(session);
    }

    /// Ends a link from here. Its sessions end at once; what still comes over it means nothing.
    fn end_link(&mut self, link: LinkId, why: &str) {
        let Some(mut served) = self.stage.links.remove(&link) else { return };
        warn!(link, edge = served.edge, why, "an edge is cut off");
        self.stage.watch.cut_off();
        served.transport.close(why);
        if self.ended.len() == ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back((served.edge, why.to_owned()));
        self.forget_client(link);
    }

    /// A link's client will not come again: its sessions end at once.
    fn forget_client(&mut self, link: LinkId) {
        for session in self.stage.sessions.remove_client(link) {
            self.close(session);
        }
    }

    fn on_done(&mut self, done: Done) -> Result<(), DriverError> {
        match done {
            Done::Work { id, took, answer: Answer { result, added, failed } } => {
                // A session that is closed before its result comes feels nothing of it.
                for (session, error) in failed {
                    match self.stage.sessions.link_of(session) {
                        Some(link) => self.end_link(link, &error.to_string()),
                        None => self.close(session),
                    }
                }
                self.stage.books.on_done(id, took, added);
                self.stage.watch.worked(took);
                self.feed(Input::Finished { work: id, result });
                Ok(())
            }
            Done::Died { thread, error } => Err(DriverError::Model { model: thread, error }),
        }
    }
}

impl<T: Transport> Sink for Stage<T> {
    fn accept(&mut self, now: Instant, output: Output) {
        self.books.record_output(now, &output);
        match output {
            Output::Transmit { id, message } => match self.sessions.outbound(message) {
                Some((link, message)) if self.links.contains_key(&link) => {
                    if let Some(served) = self.links.get_mut(&link) {
                        self.unsent += 1;
                        served.transport.send(id, &message);
                    }
                }
                _ => self.undelivered.push_back(id),
            },
            // Replies are small and never called off.
            Output::Cancel(_) => {}
            Output::Start { id, work } => self.books.start(now, id, work),
            Output::Event(event) => self.on_event(now, &event),
            Output::WakeAt(at, reason) => self.books.wake_at(at, reason),
            Output::Connect => panic!("a cloud is found"),
        }
    }
}

impl<T> Stage<T> {
    fn on_event(&mut self, now: Instant, event: &Event) {
        self.ledger.record(now, event);
        self.watch.observe(event);
        if let Event::SessionDropped { session, .. } = *event {
            self.closed.push(session);
            self.books.models.close(session);
        }
        self.books.observe(now, event);
    }
}
