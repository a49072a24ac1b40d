//! The edge: drafts, uploads, asks for verification, and drafts on while it waits.
//!
//! One request is decoded at a time; further ones queue. Three things go on at once and are pumped
//! after every input: the draft model (one step at a time), the uplink (one message unsent at a
//! time) and the session's rounds. A round is the text drafted for one NAV; the front round stands on
//! committed text, the rounds behind it (proactive ones) each stand on their parent's drafts and on
//! a guess of its extra token.
//!
//! Rules of the paper (§3) and where they are: NAV cuts the plan and flushes (`uplink.rs`), drafting
//! and uploading go on while NAV is pending (by the paper's rule 2, or as the authors' edge does it, with
//! the NAV request of a proactive round held back: [`Waiting`]), a proactive round
//! is reused only if its parent is wholly accepted and the guess was right, else all of it is dropped
//! (`session.rs`). Thresholds are tuned beside all of this, if asked for (`tuning/`, paper §5).
//!
//! Deliberately absent: any knowledge of which method is running beyond its five axes, any model,
//! clock or link, and any message that carries an absolute time.

mod away;
mod round;
mod session;
mod tuning;
mod uplink;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use self::away::LinkState;
pub use self::away::{Offline, Outage};
use self::session::{Session, Step};
use self::tuning::Tuning;
pub use self::tuning::{
    DUEL_TURNS_MAX, THRESHOLD_MARGIN, TUNING_TOKENS_MAX, TuningConfig, TuningCounts, TuningError,
};
use self::uplink::Uplink;
use crate::contract::{Input, Machine, Output, Proposal, Reason, Work, WorkResult};
use crate::event::{Event, Outcome, Suspension};
use crate::ids::{SessionId, WorkId};
use crate::message::{Denial, Message, Request, Verdict};
use crate::method::{Method, Waiting};
use crate::monitor::{Estimates, Monitor};
use crate::script::Script;
use crate::time::{Duration, Instant};
use crate::trigger::TriggerConfig;
use crate::upload::{Planner, UploadPolicy};
use crate::verification::{Claim, Terms};

/// How an edge is set up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeConfig {
    /// The method.
    pub method: Method,
    /// Whether and how its thresholds are tuned while it decodes.
    pub tuning: Option<TuningConfig>,
    /// A session in which nothing happens for this long is given up.
    pub patience: Duration,
    /// What it does while the cloud is away.
    pub outage: Outage,
}

impl EdgeConfig {
    /// What it agrees on with the cloud.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        self.method.terms()
    }

    /// The same edge under plain speculative decoding: rounds of a fixed length, uploaded with their
    /// NAV request, and nothing to do but wait. Payload and verification stay.
    #[must_use]
    pub fn serial(self, draft_length: u32) -> Self {
        let trigger = TriggerConfig::FixedLength { draft_length };
        let (upload, waiting) = (UploadPolicy::AtNav, Waiting::Idle);
        Self { method: Method { trigger, upload, waiting, ..self.method }, ..self }
    }
}

/// Probes of 1 to this many tokens measure the uplink before the first planned upload (paper §3).
const PROBE_TOKENS_MAX: u32 = 8;

/// A session that is evicted so often without a token between is given up: the cloud has no patience for it.
const EVICTIONS_MAX: u32 = 8;

/// The edge's state machine.
#[derive(Clone, Debug)]
pub struct Edge {
    config: EdgeConfig,
    monitor: Monitor,
    planner: Planner,
    queued: VecDeque<Request>,
    session: Option<Session>,
    running: Option<Running>,
    tuning: Option<Tuning>,
    /// The tuner's fit that is under way.
    fitting: Option<WorkId>,
    link: LinkState,
    uplink: Uplink,
    outputs: VecDeque<Output>,
    work_count: u64,
    probed: bool,
    script: Script,
}

/// What the draft model is doing.
#[derive(Clone, Copy, Debug)]
struct Running {
    work: WorkId,
    session: SessionId,
    started: Instant,
    /// None: the prompt.
    step: Option<Step>,
    /// The result is of no use any more.
    stale: bool,
}

impl Edge {
    /// An idle edge.
    ///
    /// # Panics
    /// If the method's trigger cannot be tuned as asked for: see [`TuningConfig::check`].
    #[must_use]
    pub fn new(config: EdgeConfig) -> Self {
        Self {
            config,
            monitor: Monitor::new(config.method.window),
            planner: Planner::default(),
            queued: VecDeque::new(),
            session: None,
            running: None,
            tuning: config.tuning.map(|tuning| Tuning::new(tuning, config.method.trigger)),
            fitting: None,
            link: LinkState::Up,
            uplink: Uplink::default(),
            outputs: VecDeque::new(),
            work_count: 0,
            probed: false,
            script: Script::default(),
        }
    }

    /// An idle edge that follows a script. It measures no link: a script is no plan of its own.
    #[must_use]
    pub fn scripted(config: EdgeConfig, script: Script) -> Self {
        let (upload, waiting) = (UploadPolicy::AtNav, Waiting::Idle);
        let method = Method { upload, waiting, ..config.method };
        Self { script, ..Self::new(EdgeConfig { method, ..config }) }
    }

    /// Whether there is nothing to do: no session and no request.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.session.is_none() && self.queued.is_empty()
    }

    /// What the monitor believes about link and draft model.
    #[must_use]
    pub fn estimates(&self) -> Estimates {
        self.monitor.estimates()
    }

    /// What tuning has done so far; None: the edge is not tuned.
    #[must_use]
    pub fn tuning_counts(&self) -> Option<TuningCounts> {
        self.tuning.as_ref().map(Tuning::counts)
    }

    fn on_message(&mut self, now: Instant, message: Message) {
        let Some(session) = self.session.as_mut().filter(|s| s.id() == message.session()) else {
            return; // The session is over: what was under way for it is of no use.
        };
        match message {
            Message::Opened { opening, .. } => session.on_opened(opening, &mut self.outputs),
            Message::Denied { opening, denial, retry, .. } => {
                self.on_denied(now, opening, denial, retry);
            }
            Message::Probed { report, .. } => {
                session.probes_pending = session.probes_pending.saturating_sub(1);
                self.monitor.on_upload(report);
                self.replan();
            }
            Message::DistributionRequest { session: id, round, index } => {
                let distribution = session.distribution(round, index);
                let message = Message::Distribution { session: id, round, distribution };
                self.uplink.queue_control(message);
            }
            Message::Verdict(verdict) => {
                verdict.reports.iter().for_each(|&report| self.monitor.on_upload(report));
                self.on_verdict(now, verdict);
            }
            // An edge sends these; to receive one is a peer's mistake and changes nothing here.
            Message::Open { .. }
            | Message::Probe { .. }
            | Message::Upload(_)
            | Message::Distribution { .. }
            | Message::Close { .. } => {}
        }
    }

    fn on_verdict(&mut self, now: Instant, verdict: Verdict) {
        let mut next = Some(verdict);
        while let (Some(verdict), Some(session)) = (next.take(), self.session.as_mut()) {
            match session.on_verdict(&verdict, &mut self.outputs) {
                session::Resolution::Ignored => {}
                session::Resolution::Refused => self.end_session(now, Outcome::Refused),
                session::Resolution::Resolved(resolved) => {
                    next = session.take_early();
                    self.monitor.on_draft_length(resolved.drafted);
                    if let (Some(tuning), Some(setting)) = (&mut self.tuning, resolved.setting) {
                        tuning.on_resolved(now, setting, resolved.tokens, &mut self.outputs);
                    }
                    if !resolved.successors_kept {
                        self.drop_stale_work();
                    }
                    if let Some(outcome) = resolved.outcome {
                        next = None;
                        self.end_session(now, outcome);
                    } else {
                        self.replan();
                    }
                }
            }
        }
    }

    /// After a rollback nothing that is being drafted or uploaded ahead is of use.
    fn drop_stale_work(&mut self) {
        if let Some(running) = &mut self.running
            && running.step.is_some()
        {
            running.stale = true;
        }
        let keep_through = self.session.as_ref().and_then(Session::last_resolved);
        self.uplink.cancel_after(keep_through, &mut self.outputs);
    }

    fn on_finished(&mut self, now: Instant, work: WorkId, result: WorkResult) {
        if self.fitting == Some(work) {
            self.fitting = None;
            let (Some(tuning), WorkResult::Fitted(fitted)) = (&mut self.tuning, result) else {
                panic!("a fit is answered by another work's result")
            };
            tuning.on_fitted(&fitted, &mut self.outputs);
            return;
        }
        let running = self.running.take().expect("a result answers a start");
        assert_eq!(running.work, work, "one piece of work at a time");
        match (running.step, result) {
            (None, WorkResult::Prefilled) => {
                if let Some(session) = self.session.as_mut().filter(|s| s.id() == running.session) {
                    session.prefilled = true;
                }
            }
            (Some(step), WorkResult::Drafted { proposal, claim }) => {
                self.monitor.on_draft_step(now.saturating_since(running.started));
                if self.config.method.plans() && self.planner.batches().is_empty() {
                    self.replan();
                }
                self.on_drafted(&running, step, proposal, claim.map(|claim| *claim));
            }
            (step, result) => panic!("{result:?} does not answer {step:?}"),
        }
    }

    fn on_drafted(
        &mut self,
        running: &Running,
        step: Step,
        proposal: Proposal,
        claim: Option<Claim>,
    ) {
        if running.stale {
            let (session, Step { round, position, kind }) = (running.session, step);
            let stale = Event::DraftStale { session, round, position, guess: kind.is_guess() };
            self.outputs.push_back(Output::Event(stale));
            return;
        }
        let session = self.session.as_mut().expect("a step that is not stale has a session");
        session.on_drafted(step, proposal, claim, &mut self.outputs);
    }

    fn replan(&mut self) {
        if !self.config.method.plans() {
            return;
        }
        let window = self.monitor.window();
        if let Some(costs) = self.planner.update(&self.monitor.estimates(), window) {
            self.outputs.push_back(Output::Event(Event::Planned {
                window,
                startup: costs.startup,
                per_token: costs.per_token,
                draft: costs.draft,
            }));
        }
    }

    fn on_wake(&mut self, now: Instant, reason: Reason) {
        match reason {
            Reason::Stalled(id) => {
                let Some(session) = self.session.as_ref().filter(|s| s.id() == id) else { return };
                // Without a link, and while it is denied, a session has a patience of its own.
                let waits = !self.link.is_up() || session.denied_since.is_some();
                let since = if waits { now } else { session.last_progress };
                let due = since + self.config.patience;
                if now < due {
                    self.outputs.push_back(Output::WakeAt(due, reason));
                } else {
                    self.end_session(now, Outcome::TimedOut);
                }
            }
            Reason::Reconnect if !self.link.is_up() => self.outputs.push_back(Output::Connect),
            Reason::Readmission(id) => {
                let session = self.session.as_ref().filter(|s| s.id() == id && !s.opened);
                if session.is_some() && self.link.is_up() {
                    self.open_session();
                }
            }
            // The link is back, or these are a cloud's.
            Reason::Reconnect | Reason::Paced | Reason::Idle => {}
        }
    }

    /// The link is over, or a try has failed.
    fn on_unlinked(&mut self, now: Instant) {
        let LinkState::Down { since, attempts } = self.link else {
            self.link = LinkState::Down { since: now, attempts: 0 };
            self.outputs.push_back(Output::Event(Event::LinkLost));
            self.uplink.lose();
            self.suspend(Suspension::LinkLost);
            self.outputs.push_back(Output::Connect);
            return;
        };
        let attempt = attempts + 1;
        self.link = LinkState::Down { since, attempts: attempt };
        if let Some(session) = &self.session
            && now >= since.max(session.began()) + self.config.outage.patience
        {
            self.end_session(now, Outcome::Unreachable);
        }
        let wait = LinkState::pause(since, now);
        self.outputs.push_back(Output::Event(Event::LinkTried { attempt, wait }));
        self.outputs.push_back(Output::WakeAt(now + wait, Reason::Reconnect));
    }

    fn on_linked(&mut self, now: Instant) {
        let LinkState::Down { since, attempts } = core::mem::replace(&mut self.link, LinkState::Up)
        else {
            return;
        };
        let away = now.saturating_since(since);
        self.outputs.push_back(Output::Event(Event::LinkBack { attempts, away }));
        if self.session.is_some() {
            self.open_session();
        }
    }

    fn on_denied(&mut self, now: Instant, opening: u32, denial: Denial, retry: Duration) {
        let Some(session) = self.session.as_mut().filter(|s| s.opening() == Some(opening)) else {
            return; // It was opened anew since.
        };
        let since = *session.denied_since.get_or_insert(now);
        session.evictions += u32::from(denial == Denial::Evicted);
        let in_vain = session.evictions > EVICTIONS_MAX;
        let gives_up = in_vain || now >= since + self.config.outage.patience;
        let id = session.id();
        self.suspend(Suspension::Denied(denial));
        if gives_up || denial == Denial::Unserveable {
            self.end_session(now, Outcome::Denied);
        } else if retry.is_zero() {
            self.open_session();
        } else {
            self.outputs.push_back(Output::WakeAt(now + retry, Reason::Readmission(id)));
        }
    }

    /// Nothing of the session is verified for now: what of it was on its way is void.
    fn suspend(&mut self, cause: Suspension) {
        if let Some(session) = &mut self.session {
            session.suspend();
            let suspended = Event::SessionSuspended { session: session.id(), cause };
            self.outputs.push_back(Output::Event(suspended));
        }
    }

    /// Asks the cloud for the session, from its committed text on.
    fn open_session(&mut self) {
        let session = self.session.as_mut().expect("the caller has one");
        let (request, opening) = session.open();
        let (id, probes) = (request.session, session.probes_pending > 0);
        self.uplink.queue_control(Message::Open { request, terms: self.config.terms(), opening });
        if probes {
            session.probes_pending = PROBE_TOKENS_MAX;
            for tokens in 1..=PROBE_TOKENS_MAX {
                self.uplink.queue_control(Message::Probe { session: id, tokens });
            }
        }
    }

    /// Whether the edge goes on without the cloud.
    fn is_alone(&self) -> bool {
        !self.link.is_up() && self.config.outage.offline == Offline::Draft
    }

    fn begin_session(&mut self, now: Instant, request: Request) {
        let id = request.session;
        let probes = if self.config.method.plans() && !self.probed { PROBE_TOKENS_MAX } else { 0 };
        self.probed |= probes > 0;
        let text = request.text.len() as u32;
        self.outputs.push_back(Output::Event(Event::SessionStarted { session: id, text }));
        let wake = Output::WakeAt(now + self.config.patience, Reason::Stalled(id));
        self.outputs.push_back(wake);
        let mut session = Session::new(now, request, &self.config.method, probes);
        session.follow(self.script.session(id));
        self.session = Some(session);
        if self.link.is_up() {
            self.open_session();
        }
    }

    fn end_session(&mut self, now: Instant, outcome: Outcome) {
        let session = self.session.as_mut().expect("only a session that exists ends");
        let id = session.id();
        session.discard_all(&mut self.outputs);
        let output_tokens = session.committed();
        self.session = None;
        self.drop_stale_work();
        let ended = Event::SessionEnded { session: id, outcome, output_tokens };
        self.outputs.push_back(Output::Event(ended));
        self.uplink.queue_control(Message::Close { session: id });
        if let Some(request) = self.queued.pop_front() {
            self.begin_session(now, request);
        }
    }

    fn pump(&mut self, now: Instant) {
        self.begin_decoding(now);
        self.pump_tuning();
        self.pump_model(now);
        if self.link.is_up() {
            self.uplink.pump(
                &self.config.method,
                self.monitor.window(),
                self.planner.batches(),
                self.session.as_mut().filter(|session| session.opened),
                &mut self.outputs,
            );
        }
    }

    /// Decoding begins when both ends have evaluated the prompt and the link has been measured; alone,
    /// when this end has.
    fn begin_decoding(&mut self, now: Instant) {
        let is_alone = self.is_alone();
        if let Some(session) = &mut self.session
            && !session.decoding
            && session.prefilled
            && (is_alone || session.opened && session.probes_pending == 0)
        {
            session.decoding = true;
            let started = Event::DecodingStarted { session: session.id() };
            self.outputs.push_back(Output::Event(started));
            if let Some(tuning) = &mut self.tuning {
                tuning.on_decoding_started(now);
            }
        }
    }

    /// Starts the fit that the tuner wants, and has rounds begun from now on use its thresholds.
    fn pump_tuning(&mut self) {
        let Some(tuning) = &mut self.tuning else { return };
        let fit = tuning.next_fit(&mut self.outputs);
        if let Some(session) = &mut self.session {
            session.setting = Some(tuning.setting());
        }
        if let Some(fit) = fit {
            let id = self.next_work();
            self.fitting = Some(id);
            self.outputs.push_back(Output::Start { id, work: Work::Fit(Box::new(fit)) });
        }
    }

    const fn next_work(&mut self) -> WorkId {
        let id = WorkId(self.work_count);
        self.work_count += 1;
        id
    }

    fn pump_model(&mut self, now: Instant) {
        let is_alone = self.is_alone();
        let Some(session) = self.session.as_mut().filter(|_| self.running.is_none()) else {
            return;
        };
        let (step, work) = if session.decoding {
            let depth = if is_alone { u32::MAX } else { self.config.method.waiting.depth() };
            let Some((step, work)) = session.next_step(depth, &mut self.outputs) else { return };
            let Step { round, position, kind } = step;
            if is_alone && !session.alone {
                session.alone = true;
                let (session, position) = (session.id(), session.committed());
                self.outputs.push_back(Output::Event(Event::WentAlone { session, position }));
            }
            let started = Event::DraftStarted { session: session.id(), round, position, kind };
            self.outputs.push_back(Output::Event(started));
            (Some(step), Work::Draft(work))
        } else if session.prefilled {
            return;
        } else {
            let prompt = session.prompt().to_vec();
            let sampling = session.sampling(self.config.terms());
            (None, Work::Prefill { session: session.id(), prompt, sampling })
        };
        let session = session.id();
        let id = self.next_work();
        self.running = Some(Running { work: id, session, started: now, step, stale: false });
        self.outputs.push_back(Output::Start { id, work });
    }
}

impl Machine for Edge {
    fn handle(&mut self, now: Instant, input: Input) {
        // A fit's answer says nothing of the session.
        let of_fit = matches!(input, Input::Finished { work, .. } if self.fitting == Some(work));
        if !matches!(input, Input::Wake(_))
            && !of_fit
            && let Some(session) = &mut self.session
        {
            session.last_progress = now;
        }
        match input {
            Input::Submit(request) => {
                let text = request.text.len();
                assert!(text < request.budget as usize, "a request asks for at least one token");
                if self.is_idle() {
                    self.begin_session(now, request);
                } else {
                    self.queued.push_back(request);
                }
            }
            Input::Received { message, .. } => self.on_message(now, message),
            Input::Finished { work, result } => self.on_finished(now, work, result),
            Input::Sent(id) => self.uplink.on_sent(id, &mut self.outputs),
            Input::Wake(reason) => self.on_wake(now, reason),
            Input::Linked => self.on_linked(now),
            Input::Unlinked => self.on_unlinked(now),
            Input::Shutdown => panic!("an edge ends with its requests"),
        }
        self.pump(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}
