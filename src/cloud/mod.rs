//! The cloud: takes sessions in, collects uploads, verifies rounds, and answers each NAV once.
//!
//! One piece of target work runs at a time; which sessions share a forward pass is decided here, and whose
//! turn it is (`queue.rs`). A NAV is held until its positions have arrived and its parent is verified.
//! Whether a round stands on the committed text is decided by its prefix hash, never by the order in which
//! messages arrive: correctness does not depend on a cancel coming through.
//!
//! A cloud knows of no links. An edge whose link is over opens its session again, behind the text that it has
//! seen committed: a cloud that knows the session goes back to there, one that has been started anew or has
//! evicted it begins there. So a cloud may forget any session at any time (`admission.rs`).
//!
//! Deliberately absent: triggers, upload policies, and anything else of the edge's choices.

mod admission;
mod courtesy;
mod limits;
mod queue;
mod session;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use self::limits::Clients;
pub use self::limits::CloudLimits;
pub use self::queue::QueueOrder;
use self::queue::{OfSession, PASS_COST, Queue};
use self::session::{Arrival, Session};
use crate::blob::Blob;
use crate::contract::{Input, Machine, Output, Reason, Work, WorkResult};
use crate::event::Event;
use crate::ids::{MessageId, RoundId, SessionId, TokenId, WorkId};
use crate::message::{Denial, Message, Upload, UploadReport, Verdict};
use crate::time::{Duration, Instant};
use crate::verification::Decision;

/// How a cloud is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudConfig {
    /// Blocks of different sessions in one forward pass at most; 1 as in the paper's code.
    pub verify_batch_max: u32,
    /// In which order they have their turn.
    pub queue: QueueOrder,
    /// What is granted.
    pub limits: CloudLimits,
}

impl CloudConfig {
    /// One block a pass, fair shares with courtesy, no limits to speak of.
    pub const DEFAULT: Self =
        Self { verify_batch_max: 1, queue: QueueOrder::Courteous, limits: CloudLimits::DEFAULT };

    /// The same with up to `verify_batch_max` blocks in a pass.
    #[must_use]
    pub const fn batching(verify_batch_max: u32) -> Self {
        Self { verify_batch_max, ..Self::DEFAULT }
    }
}

/// The cloud's state machine.
#[derive(Clone, Debug)]
pub struct Cloud {
    config: CloudConfig,
    sessions: BTreeMap<SessionId, Session>,
    clients: Clients,
    queue: Queue<Job>,
    /// Tokens that the sessions may grow to.
    reserved: u64,
    /// When the queue is looked at next, for who is held to a rate, and for who is held back for another's
    /// sake; when the idle sessions are.
    paced: Option<Instant>,
    relief: Option<Instant>,
    idle: Option<Instant>,
    closing: bool,
    running: Option<Running>,
    outputs: VecDeque<Output>,
    work_count: u64,
    message_count: u64,
}

/// Work that waits for the target, first come, first served.
#[derive(Clone, Debug)]
enum Job {
    Prefill(SessionId),
    Verify(SessionId, RoundId),
    Replace(SessionId, Replacement),
}

impl OfSession for Job {
    fn session(&self) -> SessionId {
        match self {
            Self::Prefill(session) | Self::Verify(session, _) | Self::Replace(session, _) => {
                *session
            }
        }
    }
}

/// A rejected draft whose replacement is to be drawn, and the target's tokens before it.
#[derive(Clone, Debug)]
struct Replacement {
    round: RoundId,
    tokens: Vec<TokenId>,
    distribution: Blob,
}

/// A round in a forward pass.
#[derive(Clone, Copy, Debug)]
struct Verifying {
    session: SessionId,
    round: RoundId,
    drafts: u32,
}

/// What the target is doing.
#[derive(Clone, Debug)]
enum Pass {
    Prefill(SessionId),
    Verify(Vec<Verifying>),
    Replace(SessionId, RoundId, Vec<TokenId>),
}

impl Pass {
    fn is_of(&self, session: SessionId) -> bool {
        match self {
            Self::Prefill(own) | Self::Replace(own, ..) => *own == session,
            Self::Verify(blocks) => blocks.iter().any(|block| block.session == session),
        }
    }
}

/// The work under way.
#[derive(Clone, Debug)]
struct Running {
    work: WorkId,
    pass: Pass,
    /// Sessions of the pass that were closed since it began: what is found of them is of no use, whether or
    /// not another was opened under the same number.
    closed: Vec<SessionId>,
}

impl Cloud {
    /// A cloud without sessions.
    #[must_use]
    pub const fn new(config: CloudConfig) -> Self {
        Self {
            config,
            sessions: BTreeMap::new(),
            clients: Clients::new(),
            queue: Queue::new(config.queue),
            reserved: 0,
            paced: None,
            relief: None,
            idle: None,
            closing: false,
            running: None,
            outputs: VecDeque::new(),
            work_count: 0,
            message_count: 0,
        }
    }

    /// Whether no session is left.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Sessions that are open, and pieces of work that wait for the target.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        (self.sessions.len(), self.queue.len())
    }

    fn on_message(&mut self, now: Instant, message: Message, transfer: Duration) {
        if let Some(state) = self.sessions.get_mut(&message.session()) {
            state.heard = now;
        }
        match message {
            Message::Open { request, terms, opening } => self.on_open(now, request, terms, opening),
            Message::Probe { session, tokens } => {
                let report = UploadReport { tokens, transfer };
                self.transmit(Message::Probed { session, report });
            }
            Message::Upload(upload) => self.on_upload(now, upload, transfer),
            Message::Distribution { session, round, distribution } => {
                self.on_distribution(now, session, round, distribution);
            }
            Message::Close { session } => self.drop_session(session, None),
            // A cloud sends these; to receive one is a peer's mistake and changes nothing here.
            Message::Opened { .. }
            | Message::Denied { .. }
            | Message::Probed { .. }
            | Message::DistributionRequest { .. }
            | Message::Verdict(_) => {}
        }
    }

    fn on_upload(&mut self, now: Instant, upload: Upload, transfer: Duration) {
        let (session, round) = (upload.session, upload.round);
        let (tokens, nav) = (upload.tokens.len() as u32, upload.nav.is_some());
        let offset = upload.offset;
        let received = Event::UploadReceived { session, round, offset, tokens, nav };
        self.outputs.push_back(Output::Event(received));
        let Some(state) = self.sessions.get_mut(&session) else {
            return self.outputs.push_back(Output::Event(Event::StaleDropped {
                session,
                round,
                nav,
            }));
        };
        state.report(UploadReport { tokens, transfer });
        match state.on_upload(upload) {
            Arrival::Stale => {
                let dropped = Event::StaleDropped { session, round, nav };
                self.outputs.push_back(Output::Event(dropped));
            }
            Arrival::Held if self.has_too_many_tokens(session.client()) => {
                self.deny_session(session, Denial::Tokens);
            }
            Arrival::Held => self.queue_ready(now, session),
        }
    }

    /// Queues the session's next round if all of it is there and its parent is verified and answered.
    fn queue_ready(&mut self, now: Instant, session: SessionId) {
        if let Some(state) = self.sessions.get_mut(&session)
            && state.withheld.is_none()
            && let Some((round, tokens)) = state.take_ready()
        {
            let (job, cost) = (Job::Verify(session, round), PASS_COST + u64::from(tokens));
            let turn = self.clients.nav_turn(&self.config.limits, session.client(), now);
            if turn > now { self.queue.hold(turn, job, cost) } else { self.queue.push(job, cost) }
        }
    }

    fn on_finished(&mut self, now: Instant, work: WorkId, result: WorkResult) {
        let running = self.running.take().expect("a result answers a start");
        assert_eq!(running.work, work, "one piece of work at a time");
        self.queue.finished();
        let closed = |session: &SessionId| running.closed.contains(session);
        match (running.pass, result) {
            (Pass::Prefill(session), WorkResult::Prefilled) => {
                let finished = Event::PrefillFinished { session };
                self.outputs.push_back(Output::Event(finished));
                if !closed(&session)
                    && let Some(state) = self.sessions.get_mut(&session)
                {
                    state.prefilled = true;
                    let opened = state.opened();
                    self.transmit(opened);
                }
            }
            (Pass::Verify(blocks), WorkResult::Verified(decisions)) => {
                assert_eq!(blocks.len(), decisions.len(), "a result for each block");
                for (verifying, decision) in blocks.into_iter().zip(decisions) {
                    let Verifying { session, round, drafts: tokens } = verifying;
                    let finished = Event::VerifyFinished { session, round, tokens };
                    self.outputs.push_back(Output::Event(finished));
                    if !closed(&session) {
                        self.on_verified(now, verifying, &decision);
                    }
                }
            }
            (Pass::Replace(session, round, mut tokens), WorkResult::Replaced(token)) => {
                tokens.push(token);
                if !closed(&session) {
                    self.on_replaced(now, session, round, &tokens);
                }
            }
            (pass, result) => panic!("{result:?} does not answer {pass:?}"),
        }
    }

    fn on_verified(&mut self, now: Instant, verifying: Verifying, decision: &Decision) {
        let Verifying { session, round, drafts: tokens } = verifying;
        let state = self.sessions.get_mut(&session).expect("closing ends its part of a pass");
        if let Some(index) = state.await_distribution(round, decision) {
            self.transmit(Message::DistributionRequest { session, round, index });
            return;
        }
        let verdict = self.judge(session, round, &decision.tokens);
        let state = self.sessions.get_mut(&session).expect("looked up above");
        if state.fetches(&verdict, tokens) {
            let index = verdict.accepted;
            // Until it is sent no other round is looked at.
            state.withheld = Some(verdict);
            self.transmit(Message::DistributionRequest { session, round, index });
        } else {
            self.send_verdict(verdict);
            self.go_on(now, session);
        }
    }

    /// A verdict was sent: the session's next round may have its turn; a cloud that is closing lets go.
    fn go_on(&mut self, now: Instant, session: SessionId) {
        self.queue_ready(now, session);
        if self.closing && !self.sessions[&session].is_busy() {
            self.deny_session(session, Denial::Closing);
        }
    }

    fn on_distribution(
        &mut self,
        now: Instant,
        session: SessionId,
        round: RoundId,
        distribution: Option<Blob>,
    ) {
        let Some(state) = self.sessions.get_mut(&session) else { return };
        if let Some(verdict) = state.withheld.take_if(|verdict| verdict.round == round) {
            self.send_verdict(verdict);
            self.go_on(now, session);
        } else if let Some(distribution) = distribution
            && let Some(tokens) = state.take_awaiting(round)
        {
            // An edge that asked for lazy rejection and shows nothing waits until it gives up.
            let replacement = Replacement { round, tokens, distribution };
            self.queue.push(Job::Replace(session, replacement), 1);
        }
    }

    fn on_replaced(
        &mut self,
        now: Instant,
        session: SessionId,
        round: RoundId,
        tokens: &[TokenId],
    ) {
        let verdict = self.judge(session, round, tokens);
        self.send_verdict(verdict);
        self.go_on(now, session);
    }

    /// Applies the target's tokens to a round of a session that exists.
    fn judge(&mut self, session: SessionId, round: RoundId, tokens: &[TokenId]) -> Verdict {
        let state = self.sessions.get_mut(&session).expect("the caller has looked it up");
        let verdict = state.judge(round, tokens);
        for (round, nav) in state.drop_stale() {
            self.outputs.push_back(Output::Event(Event::StaleDropped { session, round, nav }));
        }
        verdict
    }

    fn send_verdict(&mut self, mut verdict: Verdict) {
        let (session, round, accepted) = (verdict.session, verdict.round, verdict.accepted);
        if let Some(state) = self.sessions.get_mut(&session) {
            verdict.reports = core::mem::take(&mut state.reports);
        }
        self.outputs.push_back(Output::Event(Event::VerdictSent { session, round, accepted }));
        self.transmit(Message::Verdict(verdict));
    }

    fn transmit(&mut self, message: Message) {
        let id = MessageId(self.message_count);
        self.message_count += 1;
        self.outputs.push_back(Output::Transmit { id, message });
    }

    /// Nothing can be done. If only because all that waits is held back, sets a timer, unless one is set.
    fn look_again(&mut self, now: Instant) {
        if let Some(at) = self.queue.relief()
            && self.relief.is_none_or(|set| set <= now || at < set)
        {
            self.relief = Some(at);
            self.outputs.push_back(Output::WakeAt(at, Reason::Paced));
        }
    }

    fn pump(&mut self, now: Instant) {
        let next = self.queue.release();
        if next.is_some() && next != self.paced {
            self.outputs.extend(next.map(|at| Output::WakeAt(at, Reason::Paced)));
        }
        self.paced = next;
        if self.running.is_some() {
            return;
        }
        let (pass, work) = match self.queue.pop_if(|_| true) {
            None => return self.look_again(now),
            Some(Job::Prefill(session)) => {
                let prompt = self.sessions[&session].prompt().to_vec();
                let tokens = prompt.len() as u32;
                let sampling = self.sessions[&session].sampling();
                self.outputs.push_back(Output::Event(Event::PrefillStarted { session, tokens }));
                (Pass::Prefill(session), Work::Prefill { session, prompt, sampling })
            }
            Some(Job::Verify(session, round)) => {
                let mut batch = vec![(session, round)];
                // A session has at most one round under way, so the blocks are of different sessions.
                let is_block = |job: &Job| matches!(job, Job::Verify(..));
                while batch.len() < self.config.verify_batch_max as usize
                    && let Some(Job::Verify(session, round)) = self.queue.pop_if(is_block)
                {
                    batch.push((session, round));
                }
                let (mut blocks, mut rounds) = (Vec::new(), Vec::new());
                for (session, round) in batch {
                    let state = self.sessions.get_mut(&session).expect("closing drops its jobs");
                    let block = state.block(round);
                    let drafts = block.drafts.len() as u32;
                    let started = Event::VerifyStarted { session, round, tokens: drafts };
                    self.outputs.push_back(Output::Event(started));
                    blocks.push(block);
                    rounds.push(Verifying { session, round, drafts });
                }
                (Pass::Verify(rounds), Work::Verify(blocks))
            }
            Some(Job::Replace(session, Replacement { round, tokens, distribution })) => {
                let position = self.sessions[&session].start(round) + tokens.len() as u32;
                let work = Work::Replace { session, round, position, distribution };
                (Pass::Replace(session, round, tokens), work)
            }
        };
        let id = WorkId(self.work_count);
        self.work_count += 1;
        self.running = Some(Running { work: id, pass, closed: Vec::new() });
        self.outputs.push_back(Output::Start { id, work });
    }
}

impl Machine for Cloud {
    fn handle(&mut self, now: Instant, input: Input) {
        self.queue.set_time(now);
        match input {
            Input::Received { message, transfer } => self.on_message(now, message, transfer),
            Input::Finished { work, result } => self.on_finished(now, work, result),
            // Replies are small and never cancelled: nothing waits for the downlink.
            Input::Sent(_) => {}
            Input::Wake(Reason::Idle) => self.evict_idle(now),
            // The queue is looked at in any case.
            Input::Wake(_) => {}
            Input::Shutdown => self.shut_down(),
            Input::Submit(_) | Input::Linked | Input::Unlinked => {
                panic!("a cloud takes no requests and knows of no links")
            }
        }
        self.pump(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}
