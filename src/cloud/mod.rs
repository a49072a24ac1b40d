//! The cloud: collects uploads, verifies rounds, and answers each NAV once.
//!
//! One piece of target work runs at a time; which sessions share a forward pass is decided here. A
//! NAV is held until its positions have arrived and its parent is verified. Whether a round stands on
//! the committed text is decided by its prefix hash, never by the order in which messages arrive:
//! correctness does not depend on a cancel coming through.
//!
//! Deliberately absent: triggers, upload policies, and anything else of the edge's choices.

mod session;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use self::session::{Arrival, Session};
use crate::blob::Blob;
use crate::contract::{Input, Machine, Output, Work, WorkResult};
use crate::event::Event;
use crate::ids::{MessageId, RoundId, SessionId, TokenId, WorkId};
use crate::message::{Message, Request, Upload, UploadReport, Verdict};
use crate::time::{Duration, Instant};
use crate::verification::{Decision, Terms};

/// How a cloud is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudConfig {
    /// Blocks of different sessions in one forward pass at most; 1 as in the paper's code.
    pub verify_batch_max: u32,
}

/// Sessions at most. Arbitrary, beyond what one target model serves; it bounds the memory.
const SESSIONS_MAX: usize = 1 << 16;

/// The cloud's state machine.
#[derive(Clone, Debug)]
pub struct Cloud {
    config: CloudConfig,
    sessions: BTreeMap<SessionId, Session>,
    ready: VecDeque<Job>,
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

impl Job {
    const fn session(&self) -> SessionId {
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
            ready: VecDeque::new(),
            running: None,
            outputs: VecDeque::new(),
            work_count: 0,
            message_count: 0,
        }
    }

    fn on_message(&mut self, message: Message, transfer: Duration) {
        match message {
            Message::Open { request, terms } => self.on_open(request, terms),
            Message::Probe { session, tokens } => {
                let report = UploadReport { tokens, transfer };
                self.transmit(Message::Probed { session, report });
            }
            Message::Upload(upload) => self.on_upload(upload, transfer),
            Message::Distribution { session, round, distribution } => {
                self.on_distribution(session, round, distribution);
            }
            Message::Close { session } => {
                self.sessions.remove(&session);
                self.ready.retain(|job| job.session() != session);
                if let Some(running) = &mut self.running
                    && running.pass.is_of(session)
                    && !running.closed.contains(&session)
                {
                    running.closed.push(session);
                }
            }
            // A cloud sends these; to receive one is a peer's mistake and changes nothing here.
            Message::Opened { .. }
            | Message::Probed { .. }
            | Message::DistributionRequest { .. }
            | Message::Verdict(_) => {}
        }
    }

    fn on_open(&mut self, request: Request, terms: Terms) {
        let id = request.session;
        if self.sessions.len() == SESSIONS_MAX {
            return; // The edge hears nothing and gives up in its own time.
        }
        // A session that exists is left alone: a peer cannot reset its neighbour.
        if let std::collections::btree_map::Entry::Vacant(place) = self.sessions.entry(id) {
            place.insert(Session::new(request, terms));
            self.ready.push_back(Job::Prefill(id));
        }
    }

    fn on_upload(&mut self, upload: Upload, transfer: Duration) {
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
            Arrival::Held => self.queue_ready(session),
        }
    }

    /// Queues the session's next round if all of it is there and its parent is verified and answered.
    fn queue_ready(&mut self, session: SessionId) {
        if let Some(state) = self.sessions.get_mut(&session)
            && state.withheld.is_none()
            && let Some(round) = state.take_ready()
        {
            self.ready.push_back(Job::Verify(session, round));
        }
    }

    fn on_finished(&mut self, work: WorkId, result: WorkResult) {
        let running = self.running.take().expect("a result answers a start");
        assert_eq!(running.work, work, "one piece of work at a time");
        let closed = |session: &SessionId| running.closed.contains(session);
        match (running.pass, result) {
            (Pass::Prefill(session), WorkResult::Prefilled) => {
                let finished = Event::PrefillFinished { session };
                self.outputs.push_back(Output::Event(finished));
                if !closed(&session) {
                    self.transmit(Message::Opened { session });
                }
            }
            (Pass::Verify(blocks), WorkResult::Verified(decisions)) => {
                assert_eq!(blocks.len(), decisions.len(), "a result for each block");
                for (verifying, decision) in blocks.into_iter().zip(decisions) {
                    let Verifying { session, round, drafts: tokens } = verifying;
                    let finished = Event::VerifyFinished { session, round, tokens };
                    self.outputs.push_back(Output::Event(finished));
                    if !closed(&session) {
                        self.on_verified(verifying, &decision);
                    }
                }
            }
            (Pass::Replace(session, round, mut tokens), WorkResult::Replaced(token)) => {
                tokens.push(token);
                if !closed(&session) {
                    self.on_replaced(session, round, &tokens);
                }
            }
            (pass, result) => panic!("{result:?} does not answer {pass:?}"),
        }
    }

    fn on_verified(&mut self, verifying: Verifying, decision: &Decision) {
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
            self.queue_ready(session);
        }
    }

    fn on_distribution(&mut self, session: SessionId, round: RoundId, distribution: Option<Blob>) {
        let Some(state) = self.sessions.get_mut(&session) else { return };
        if let Some(verdict) = state.withheld.take_if(|verdict| verdict.round == round) {
            self.send_verdict(verdict);
            self.queue_ready(session);
        } else if let Some(distribution) = distribution
            && let Some(tokens) = state.take_awaiting(round)
        {
            // An edge that asked for lazy rejection and shows nothing waits until it gives up.
            let replacement = Replacement { round, tokens, distribution };
            self.ready.push_back(Job::Replace(session, replacement));
        }
    }

    fn on_replaced(&mut self, session: SessionId, round: RoundId, tokens: &[TokenId]) {
        let verdict = self.judge(session, round, tokens);
        self.send_verdict(verdict);
        self.queue_ready(session);
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

    fn pump(&mut self) {
        if self.running.is_some() {
            return;
        }
        let (pass, work) = match self.ready.pop_front() {
            None => return,
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
                while batch.len() < self.config.verify_batch_max as usize
                    && let Some(&Job::Verify(session, round)) = self.ready.front()
                {
                    batch.push((session, round));
                    self.ready.pop_front();
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
    fn handle(&mut self, _now: Instant, input: Input) {
        match input {
            Input::Received { message, transfer } => self.on_message(message, transfer),
            Input::Finished { work, result } => self.on_finished(work, result),
            // Replies are small and never cancelled: nothing waits for the downlink.
            Input::Sent(_) => {}
            Input::Submit(_) | Input::Wake(_) => {
                panic!("a cloud takes no requests and sets no timer")
            }
        }
        self.pump();
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}
