//! Everything of the world but the state machines: queue, links, models, books. It is the sink of
//! the core's drain loop.

use std::collections::VecDeque;
use std::sync::Arc;

use pipesd_core::account::{Ledger, Violation};
use pipesd_core::contract::{Input, Output, Reason, Sink, Work, WorkResult};
use pipesd_core::event::{Endpoint, Event, Stamped};
use pipesd_core::fault::FaultPlan;
use pipesd_core::ids::{MessageId, RoundId, SessionId, WorkId};
use pipesd_core::message::{Message, Request, Upload};
use pipesd_core::payload::WireFormat;
use pipesd_core::seed::{Seed, Stream};
use pipesd_core::sharing::CloudLedger;
use pipesd_core::time::{Duration, Instant};
use pipesd_core::tuner::Fit;

use super::answers::{Answers, End};
use super::outages::{Connection, Outage, Outages};
use super::{Canary, Recording, RunError, Setup, ends_session, link_in_run, session_id};
use crate::energy::Usage;
use crate::link::{Link, LinkAccount, LinkConfig, LinkEvent};
use crate::profile::Profile;
use crate::queue::EventQueue;

/// Where something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Edge(u32),
    Cloud,
}

impl At {
    pub(super) const fn endpoint(self) -> Endpoint {
        match self {
            Self::Edge(edge) => Endpoint::Edge(edge),
            Self::Cloud => Endpoint::Cloud,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// What the engine schedules.
#[derive(Clone, Copy, Debug)]
pub(super) enum Occurrence {
    /// An edge's user comes with the next request, or has none left.
    Submit(u32),
    /// A link has something to tell.
    Link(u32, Direction),
    /// A model is done; a cloud's, if it is still the cloud of this life.
    Model(At, u32),
    /// An edge's tuner is done.
    Fit(u32),
    /// A timer is due.
    Wake(At, Reason),
    /// The early canary's delivery.
    Early(u32, MessageId),
    /// What a fault has made late, over the link of this epoch.
    Late(u32, Direction, MessageId, u32),
    /// What a plan of faults has happen.
    Outage(Outage),
    /// A message that was handed to no link.
    Unheard(MessageId),
}

/// One edge's surroundings.
pub(super) struct Node {
    pub(super) uplink: Wire,
    pub(super) downlink: Wire,
    pub(super) connection: Connection,
    model: Option<(WorkId, WorkResult)>,
    /// The tuner's work runs beside the model's.
    fit: Option<(WorkId, WorkResult)>,
    draft_busy: Duration,
    pub(super) ledger: Ledger,
    pub(super) requests: u64,
    /// Draft tokens that have reached the cloud and were not verified yet, by round.
    pub(super) arrived: Vec<(SessionId, RoundId, u32)>,
    /// The uploads of the last rounds, kept for a canary only.
    sent: Vec<Upload>,
    decoding_bytes: u64,
}

/// One direction: the link and the messages that are on it.
pub(super) struct Wire {
    pub(super) link: Link,
    pub(super) config: LinkConfig,
    pub(super) scheduled: Option<Instant>,
    pub(super) carried: Vec<Carried>,
    /// Messages that have not left.
    pub(super) unsent: Vec<MessageId>,
    /// What is in order arrives no earlier.
    pub(super) in_order: Instant,
    /// The books of links that are over, and what was lost with them, by theirs and by ours.
    pub(super) past: LinkAccount,
    pub(super) lost_by_link: u64,
    pub(super) lost: u64,
    offered: u64,
    received: u64,
}

pub(super) struct Carried {
    pub(super) id: MessageId,
    pub(super) message: Message,
    pub(super) bytes: u64,
    offered: Instant,
    /// A fault has it arrive twice.
    pub(super) twice: bool,
    /// First byte to last byte, of one that a fault has made late.
    pub(super) transfer: Duration,
}

impl Wire {
    fn take(&mut self, id: MessageId) -> Option<Carried> {
        let index = self.carried.iter().position(|carried| carried.id == id)?;
        Some(self.carried.swap_remove(index))
    }
}

pub(super) struct Stage<'a> {
    pub(super) queue: EventQueue<Occurrence>,
    pub(super) nodes: Vec<Node>,
    pub(super) cloud_ledger: CloudLedger,
    pub(super) recording: Option<Recording>,
    pub(super) failure: Option<RunError>,
    /// What arrives a second time, right after the first.
    pub(super) duplicates: VecDeque<Input>,
    /// What an edge has said over a link that is over, and that it does not know to be.
    pub(super) unheard: VecDeque<MessageId>,
    /// Edges whose user has not gone home yet.
    pub(super) edges_busy: u32,
    pub(super) faults: FaultPlan,
    pub(super) fault_stream: Stream,
    pub(super) fault_draws: u64,
    pub(super) outages: Outages,
    pub(super) cloud_is_up: bool,
    /// How often it was started anew.
    pub(super) cloud_life: u32,
    pub(super) cloud_model: Option<(WorkId, WorkResult)>,
    pub(super) seed: Seed,
    resumed: f64,
    profile: Arc<Profile>,
    answers: Answers<'a>,
    format: WireFormat,
    canary: Option<Canary>,
    navs_started: u64,
    nav_tokens: u64,
    nav_gpu: Duration,
    prefill_gpu: Duration,
}

impl<'a> Stage<'a> {
    pub(super) fn new(setup: &Setup, seed: Seed, answers: Answers<'a>) -> Self {
        let wire = |config: &LinkConfig, name: &str, edge: u32| {
            let config = link_in_run(config, seed);
            Wire {
                link: Link::new(&config, seed.stream(name, u64::from(edge))),
                config,
                scheduled: None,
                carried: Vec::new(),
                unsent: Vec::new(),
                in_order: Instant::ZERO,
                past: LinkAccount::default(),
                lost_by_link: 0,
                lost: 0,
                offered: 0,
                received: 0,
            }
        };
        let node = |edge| Node {
            uplink: wire(&setup.uplink, "uplink", edge),
            downlink: wire(&setup.downlink, "downlink", edge),
            connection: Connection::FIRST,
            model: None,
            fit: None,
            draft_busy: Duration::ZERO,
            ledger: Ledger::default(),
            requests: 0,
            arrived: Vec::new(),
            sent: Vec::new(),
            decoding_bytes: 0,
        };
        let vocabulary = setup.profile.vocabulary;
        let mut stage = Self {
            queue: EventQueue::default(),
            nodes: (0..setup.edges).map(node).collect(),
            cloud_ledger: CloudLedger::default(),
            recording: setup.record.then(Recording::default),
            failure: None,
            duplicates: VecDeque::new(),
            unheard: VecDeque::new(),
            edges_busy: setup.edges,
            faults: setup.faults.clone(),
            fault_stream: Seed(setup.faults.seed ^ seed.0).stream("weather", 0),
            fault_draws: 0,
            outages: Outages::default(),
            cloud_is_up: true,
            cloud_life: 0,
            profile: Arc::clone(&setup.profile),
            answers,
            format: WireFormat { payload: setup.edge.method.payload, vocabulary },
            seed,
            resumed: setup.resumed,
            canary: setup.canary,
            cloud_model: None,
            navs_started: 0,
            nav_tokens: 0,
            nav_gpu: Duration::ZERO,
            prefill_gpu: Duration::ZERO,
        };
        stage.schedule_outages();
        stage
    }

    pub(super) const fn at(&mut self, at: At) -> StageSink<'_, 'a> {
        StageSink { stage: self, at }
    }

    fn node(&mut self, edge: u32) -> &mut Node {
        &mut self.nodes[edge as usize]
    }

    pub(super) fn wire(&mut self, edge: u32, direction: Direction) -> &mut Wire {
        let node = self.node(edge);
        match direction {
            Direction::Up => &mut node.uplink,
            Direction::Down => &mut node.downlink,
        }
    }

    pub(super) fn next_request(&mut self, edge: u32) -> Request {
        let node = self.node(edge);
        let index = node.requests;
        node.requests += 1;
        node.tell_links_of_request();
        // All edges draw from one list of prompts, each beginning at its own.
        let number = index + u64::from(edge);
        self.answers.begin(session_id(edge, index), number, self.seed, self.resumed)
    }

    /// What a model will answer, if it is running.
    fn model(&mut self, at: At) -> &mut Option<(WorkId, WorkResult)> {
        match at {
            At::Edge(edge) => &mut self.node(edge).model,
            At::Cloud => &mut self.cloud_model,
        }
    }

    pub(super) fn finish_work(&mut self, at: At) -> (WorkId, WorkResult) {
        self.model(at).take().expect("a model that finishes has been started")
    }

    pub(super) fn finish_fit(&mut self, edge: u32) -> (WorkId, WorkResult) {
        self.node(edge).fit.take().expect("a fit that finishes has been started")
    }

    // Links.

    /// Whether this wake-up is the one that the link waits for; others are overtaken by events.
    pub(super) fn is_due(&mut self, now: Instant, edge: u32, direction: Direction) -> bool {
        self.wire(edge, direction).scheduled.take_if(|at| *at == now).is_some()
    }

    pub(super) fn schedule_link(&mut self, now: Instant, edge: u32, direction: Direction) {
        let wire = self.wire(edge, direction);
        let next = wire.link.next_wake().map(|at| at.max(now));
        if next != wire.scheduled {
            wire.scheduled = next;
            if let Some(at) = next {
                self.queue.push(at, Occurrence::Link(edge, direction));
            }
        }
    }

    pub(super) fn poll_link(
        &mut self,
        now: Instant,
        edge: u32,
        direction: Direction,
    ) -> Option<(At, Input)> {
        loop {
            let (sender, receiver) = match direction {
                Direction::Up => (At::Edge(edge), At::Cloud),
                Direction::Down => (At::Cloud, At::Edge(edge)),
            };
            match self.wire(edge, direction).link.poll(now)? {
                LinkEvent::Sent(id) => {
                    self.wire(edge, direction).unsent.retain(|unsent| *unsent != id);
                    return Some((sender, Input::Sent(id)));
                }
                LinkEvent::Delivered { id, transfer } => {
                    // A cloud that was killed hears nothing, and nobody hears it.
                    if self.is_dead(edge) || self.is_late(now, edge, direction, (id, transfer)) {
                        continue;
                    }
                    if let Some(input) = self.deliver(now, edge, direction, id, transfer) {
                        return Some((receiver, input));
                    }
                }
            }
        }
    }

    /// A message arrives, unless the early canary has delivered it before.
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        edge: u32,
        direction: Direction,
        id: MessageId,
        transfer: Duration,
    ) -> Option<Input> {
        let carried = self.wire(edge, direction).take(id)?;
        let again = carried.twice.then(|| carried.message.clone());
        let input = self.arrive(now, edge, direction, carried, transfer);
        if let Some(message) = again {
            self.duplicates.push_back(Input::Received { message, transfer });
        }
        Some(input)
    }

    /// Books an arrival and makes the receiver's input of it.
    fn arrive(
        &mut self,
        now: Instant,
        edge: u32,
        direction: Direction,
        carried: Carried,
        transfer: Duration,
    ) -> Input {
        let Carried { id, mut message, bytes, offered, .. } = carried;
        let wire = self.wire(edge, direction);
        wire.received += bytes;
        let earliest = offered + wire.config.least_time(bytes);
        if now < earliest {
            let detail = format!("{id} arrives at {now}, at the earliest possible at {earliest}");
            self.fail(Violation::Total { law: 7, detail }.into());
        }
        match &message {
            Message::Upload(upload) => {
                let (session, round) = (upload.session, upload.round);
                let count = upload.tokens.len() as u32;
                let arrived = &mut self.node(edge).arrived;
                match arrived.iter_mut().find(|(s, r, _)| (*s, *r) == (session, round)) {
                    Some((_, _, tokens)) => *tokens += count,
                    None => arrived.push((session, round, count)),
                }
            }
            Message::Close { session } => {
                let session = *session;
                self.node(edge).arrived.retain(|(s, _, _)| *s != session);
                self.cloud_ledger.close(session);
                self.answers.end(session);
            }
            _ => {}
        }
        if let Some(canary) = self.canary
            && direction == Direction::Down
        {
            canary.tamper(&mut message, &self.node(edge).sent);
        }
        Input::Received { message, transfer }
    }

    // Outputs.

    fn transmit(&mut self, now: Instant, from: At, id: MessageId, message: Message) {
        let (edge, direction) = match from {
            At::Edge(edge) => (edge, Direction::Up),
            At::Cloud => (message.session().client(), Direction::Down),
        };
        if !self.is_linked(edge) {
            return match from {
                At::Cloud => self.queue.push(now, Occurrence::Unheard(id)),
                At::Edge(_) => self.unheard.push_back(id),
            };
        }
        let bytes = self.format.message_bytes(&message);
        if direction == Direction::Up {
            self.on_upload(now, edge, id, &message, bytes);
        }
        let wire = self.wire(edge, direction);
        wire.offered += bytes;
        let (twice, transfer) = (false, Duration::ZERO);
        wire.carried.push(Carried { id, message, bytes, offered: now, twice, transfer });
        wire.unsent.push(id);
        wire.link.offer(now, id, bytes);
        self.schedule_link(now, edge, direction);
    }

    fn on_upload(&mut self, now: Instant, edge: u32, id: MessageId, message: &Message, bytes: u64) {
        if matches!(message, Message::Upload(_) | Message::Distribution { .. }) {
            self.node(edge).decoding_bytes += bytes;
        }
        let (Some(canary), Message::Upload(upload)) = (self.canary, message) else { return };
        let sent = &mut self.node(edge).sent;
        // Enough for the pending round and the proactive ones.
        if sent.len() == 256 {
            sent.drain(..128);
        }
        sent.push(upload.clone());
        if canary == Canary::DeliverEarly {
            self.queue.push(now, Occurrence::Early(edge, id));
        }
    }

    fn cancel(&mut self, now: Instant, edge: u32, id: MessageId) {
        let wire = self.wire(edge, Direction::Up);
        let before = wire.link.account().cancelled;
        wire.link.cancel(now, id);
        if wire.link.account().cancelled > before {
            wire.take(id).expect("a message called off was on the wire");
        }
        self.schedule_link(now, edge, Direction::Up);
    }

    fn start(&mut self, now: Instant, at: At, id: WorkId, work: &Work) {
        if let (At::Edge(edge), Work::Fit(fit)) = (at, work) {
            return self.start_fit(now, edge, id, fit);
        }
        match self.answer(at, work) {
            Ok((result, took)) => {
                let before = self.model(at).replace((id, result));
                assert!(before.is_none(), "one piece of work at a time");
                let end = match at {
                    At::Edge(_) => now + took,
                    At::Cloud => self.faults.stalled_end(now, took),
                };
                self.queue.push(end, Occurrence::Model(at, self.life(at)));
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// Of its lives, which an endpoint is in.
    pub(super) const fn life(&self, at: At) -> u32 {
        match at {
            At::Edge(_) => 0,
            At::Cloud => self.cloud_life,
        }
    }

    /// What comes of a model's work, and when.
    fn answer(&mut self, at: At, work: &Work) -> Result<(WorkResult, Duration), RunError> {
        Ok(match (at, work) {
            (At::Edge(_), Work::Prefill { session, prompt, sampling }) => {
                let took = self.answers.prefill(End::Draft, *session, prompt, sampling)?;
                (WorkResult::Prefilled, took)
            }
            (At::Edge(edge), Work::Draft(step)) => {
                let (proposal, claim, took) = self.answers.draft(step)?;
                self.node(edge).draft_busy += took;
                (WorkResult::Drafted { proposal, claim: claim.map(Box::new) }, took)
            }
            (At::Cloud, Work::Prefill { session, prompt, sampling }) => {
                let took = self.answers.prefill(End::Target, *session, prompt, sampling)?;
                self.prefill_gpu += took;
                (WorkResult::Prefilled, took)
            }
            (At::Cloud, Work::Verify(blocks)) => {
                let (decisions, took) = self.answers.verify(blocks)?;
                self.nav_gpu += took.gpu;
                for block in blocks {
                    self.navs_started += 1;
                    self.nav_tokens += block.drafts.len() as u64;
                    self.check_arrived(block.session, block.round, block.drafts.len() as u32);
                }
                (WorkResult::Verified(decisions), took.whole)
            }
            (At::Cloud, Work::Replace { session, round, position, distribution }) => {
                let token = self.answers.replace(*session, *round, *position, distribution)?;
                (WorkResult::Replaced(token), Duration::ZERO)
            }
            (At::Edge(_), Work::Verify(_) | Work::Replace { .. } | Work::Fit(_))
            | (At::Cloud, Work::Draft(_) | Work::Fit(_)) => {
                panic!("an edge drafts and tunes, a cloud verifies: {work:?}")
            }
        })
    }

    /// The answer is the tuner's own; only its latency is the profile's.
    fn start_fit(&mut self, now: Instant, edge: u32, id: WorkId, fit: &Fit) {
        let before = self.node(edge).fit.replace((id, WorkResult::Fitted(fit.run())));
        assert!(before.is_none(), "one fit at a time");
        let u = self.seed.stream("fit latency", u64::from(edge)).at(id.0).uniform();
        self.queue.push(now + self.profile.fit.at(u), Occurrence::Fit(edge));
    }

    /// Causality: nothing is verified before it has arrived.
    fn check_arrived(&mut self, session: SessionId, round: RoundId, tokens: u32) {
        let arrived = &mut self.node(session.client()).arrived;
        let index = arrived.iter().position(|(s, r, _)| (*s, *r) == (session, round));
        let count = index.map_or(0, |index| arrived[index].2);
        // What came before it is verified or stale.
        arrived.retain(|(s, r, _)| *s != session || *r > round);
        if count < tokens {
            let detail = format!("{round}: {tokens} tokens verified, {count} have arrived");
            self.fail(Violation::Law { law: 7, session, detail }.into());
        }
    }

    fn on_event(&mut self, now: Instant, at: At, event: Event) {
        if let Some(recording) = &mut self.recording {
            recording.events.push(Stamped { at: now, endpoint: at.endpoint(), event });
        }
        if let Event::SessionAdmitted { session, .. } = event {
            // What had arrived of its rounds is void.
            self.node(session.client()).arrived.retain(|(s, _, _)| *s != session);
        }
        let At::Edge(edge) = at else { return self.cloud_ledger.record(now, &event) };
        self.node(edge).ledger.record(now, &event);
        self.outages.record(&event);
        if let Event::Committed { session, position, token } = event
            && let Some(truth) = self.answers.truth(session, position)
            && truth != token
        {
            self.node(edge).ledger.on_wrong_text(session, position, token, truth);
        }
        if ends_session(&event) {
            self.queue.push(now, Occurrence::Submit(edge));
        }
    }

    fn fail(&mut self, failure: RunError) {
        self.failure.get_or_insert(failure);
    }

    // Results.

    pub(super) fn usage(&self, now: Instant) -> Usage {
        Usage {
            total: now - Instant::ZERO,
            navs: self.navs_started,
            nav_tokens: self.nav_tokens,
            nav_gpu: self.nav_gpu,
            prefill_gpu: self.prefill_gpu,
            edges: self.nodes.len() as u32,
            drafting: self.nodes.iter().map(|node| node.draft_busy).sum(),
            uplink_bytes: self.nodes.iter().map(|node| node.decoding_bytes).sum(),
        }
    }
}

impl Node {
    pub(super) fn link_accounts(&self) -> [LinkAccount; 2] {
        [&self.uplink, &self.downlink].map(|wire| wire.past + *wire.link.account())
    }

    /// Bytes: what was offered is delivered, called off or in flight, by the link's book and ours.
    pub(super) fn check_bytes(&self) -> Result<(), Violation> {
        for (name, wire) in [("uplink", &self.uplink), ("downlink", &self.downlink)] {
            let account = wire.past + *wire.link.account();
            let on_the_way = wire.link.bytes_in_flight();
            let carried: u64 = wire.carried.iter().map(|carried| carried.bytes).sum();
            let by_link = account.delivered + account.cancelled + wire.lost_by_link + on_the_way;
            let by_us = wire.received + account.cancelled + wire.lost + carried;
            if account.offered != wire.offered || by_link != wire.offered || by_us != wire.offered {
                let detail = format!(
                    "{name}: {} bytes offered, {by_link} by the link's book, {by_us} by ours",
                    wire.offered
                );
                return Err(Violation::Total { law: 4, detail });
            }
        }
        Ok(())
    }
}

/// The stage as one endpoint's sink.
pub(super) struct StageSink<'s, 'a> {
    stage: &'s mut Stage<'a>,
    at: At,
}

impl Sink for StageSink<'_, '_> {
    fn accept(&mut self, now: Instant, output: Output) {
        if let Some(recording) = &mut self.stage.recording {
            recording.outputs.push((self.at.endpoint(), now, output.clone()));
        }
        match (output, self.at) {
            (Output::Transmit { id, message }, at) => self.stage.transmit(now, at, id, message),
            (Output::Cancel(id), At::Edge(edge)) => self.stage.cancel(now, edge, id),
            (Output::Cancel(_), At::Cloud) => panic!("replies are not cancelled"),
            (Output::Start { id, work }, at) => self.stage.start(now, at, id, &work),
            (Output::Event(event), at) => self.stage.on_event(now, at, event),
            (Output::Connect, At::Edge(edge)) => self.stage.connect(now, edge),
            (Output::Connect, At::Cloud) => panic!("a cloud is found"),
            (Output::WakeAt(when, reason), at) => {
                self.stage.queue.push(when, Occurrence::Wake(at, reason));
            }
        }
    }
}
