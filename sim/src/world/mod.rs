//! The simulated world: edges, their links, one cloud, and the event loop that drives them.
//!
//! It carries out what the state machines ask for and knows nothing of methods: no branch here (or
//! anywhere in sim) looks at a trigger, an upload policy or a verification rule.

mod answers;
mod canary;
mod models;
mod outages;
mod stage;
mod times;

use std::sync::Arc;

use pipesd_core::account::{Counts, Violation};
use pipesd_core::cloud::{Cloud, CloudConfig};
use pipesd_core::contract::{Input, Output, drain};
use pipesd_core::edge::{Edge, EdgeConfig, TuningCounts};
use pipesd_core::event::{Endpoint, Event, Stamped};
use pipesd_core::fault::FaultPlan;
use pipesd_core::ids::SessionId;
use pipesd_core::message::Request;
use pipesd_core::script::Script;
use pipesd_core::seed::Seed;
use pipesd_core::summary::Summary;
use pipesd_core::time::{Duration, Instant};
use pipesd_core::trace::TraceText;
use pipesd_core::verification::Temperature;

pub use self::answers::RealModels;
use self::answers::{Answers, Real};
pub use self::canary::Canary;
use self::models::Texts;
pub(crate) use self::models::Truth;
pub use self::outages::{Outages, SILENCE};
use self::stage::{At, Direction, Occurrence, Stage};
use crate::energy::{self, Usage};
use crate::link::{LinkAccount, LinkConfig};
use crate::profile::Profile;

/// What to simulate.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// Edges, all alike.
    pub edges: u32,
    /// Each edge; if it is tuned, its seed is made of the run's: see [`Self::edge_config`].
    pub edge: EdgeConfig,
    /// The cloud.
    pub cloud: CloudConfig,
    /// From each edge to the cloud.
    pub uplink: LinkConfig,
    /// Back.
    pub downlink: LinkConfig,
    /// Models and testbed.
    pub profile: Arc<Profile>,
    /// Output tokens that each edge asks for, rounded up to whole requests.
    pub tokens: u64,
    /// Whether to keep every event, input and output.
    pub record: bool,
    /// What goes wrong with links and cloud.
    pub faults: FaultPlan,
    /// Share of requests that begin behind a part of their text, as of an edge that was started anew in
    /// their midst. 0 to 1.
    pub resumed: f64,
    /// A saboteur, to test the checkers.
    pub canary: Option<Canary>,
}

impl Setup {
    /// The edge numbered `edge` in the run with `seed`: all alike but for the tuner's random numbers.
    #[must_use]
    pub fn edge_config(&self, seed: Seed, edge: u32) -> EdgeConfig {
        let tuning = self.edge.tuning.map(|tuning| tuning.for_edge(seed, edge));
        EdgeConfig { tuning, ..self.edge }
    }
}

/// All that went in and out of one endpoint, and what it told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// Events of all endpoints in order.
    pub events: Vec<Stamped>,
    /// Inputs of all endpoints in order.
    pub inputs: Vec<(Endpoint, Instant, Input)>,
    /// Outputs of all endpoints in order.
    pub outputs: Vec<(Endpoint, Instant, Output)>,
}

/// What a run gives.
#[derive(Clone, Debug, PartialEq)]
pub struct RunResult {
    /// Figures over all edges.
    pub summary: Summary,
    /// What it used.
    pub usage: Usage,
    /// Totals of each edge.
    pub counts: Vec<Counts>,
    /// Uplink and downlink of each edge.
    pub links: Vec<[LinkAccount; 2]>,
    /// What each edge's tuner did; None: not tuned.
    pub tuning: Vec<Option<TuningCounts>>,
    /// How often they had to do without the cloud.
    pub outages: Outages,
    /// Tokens that requests began behind.
    pub tokens_before: u64,
    /// Events that the engine processed.
    pub occurrences: u64,
    /// If asked for.
    pub recording: Option<Recording>,
}

/// Why a run gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// An invariant does not hold, or a session went wrong.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// A recorded text was run past its end.
    #[error(
        "{session}: the trace has no proposal for position {position}: its rollout is too short"
    )]
    PastRollout {
        /// The session.
        session: SessionId,
        /// Where.
        position: u32,
    },
    /// A model from outside has no answer.
    #[error("{session}: the model does not answer: {problem}")]
    Model {
        /// The session.
        session: SessionId,
        /// Why.
        problem: String,
    },
    /// The event loop did not come to an end.
    #[error("no end after {occurrences} events; the last was {actor}'s")]
    Endless {
        /// Events processed.
        occurrences: u64,
        /// Who was busy last.
        actor: String,
    },
    /// Nothing is scheduled, yet an edge waits.
    #[error("edge {edge} waits at {at} and nothing is under way")]
    Stuck {
        /// Which.
        edge: u32,
        /// When.
        at: Instant,
    },
}

/// Engine events for each output token at most; real runs take about ten, small batches over lossy
/// links some more. Beyond it something is going round in circles.
const OCCURRENCES_PER_TOKEN_MAX: u64 = 100_000;

/// Simulates one run.
///
/// # Errors
/// See [`RunError`]; every invariant is checked, whatever the build.
pub fn run(setup: &Setup, seed: Seed) -> Result<RunResult, RunError> {
    World::new(setup, seed, None, texts(setup, seed)).run()
}

/// Simulates one run and tells its events, also if it comes to nothing: up to where it did.
pub fn run_told(setup: &Setup, seed: Seed) -> (Result<RunResult, RunError>, Vec<Stamped>) {
    let setup = Setup { record: true, ..setup.clone() };
    let mut world = World::new(&setup, seed, None, texts(&setup, seed));
    let ended = world.drive();
    let recording = world.stage.recording.take().unwrap_or_default();
    let result = ended.map(|(now, occurrences)| world.result(now, occurrences));
    (result, recording.events)
}

/// Simulates one run in which `models` answer in the place of the profile's texts: their tokens, and the
/// profile's times. The profile's `vocabulary` is what messages are sized by.
///
/// # Errors
/// As [`run`], and if a model cannot answer.
pub fn run_real(
    setup: &Setup,
    seed: Seed,
    models: &mut dyn RealModels,
) -> Result<RunResult, RunError> {
    let answers = Answers::Real(Real::new(models, Arc::clone(&setup.profile), seed));
    World::new(setup, seed, None, answers).run()
}

fn texts<'a>(setup: &Setup, seed: Seed) -> Answers<'a> {
    Answers::Simulated(Texts::new(Arc::clone(&setup.profile), seed))
}

/// Simulates one run in which every edge follows a script in the place of its method's trigger,
/// upload policies and waiting.
///
/// # Errors
/// As [`run`].
pub fn run_scripted(setup: &Setup, seed: Seed, script: &Script) -> Result<RunResult, RunError> {
    World::new(setup, seed, Some(script), texts(setup, seed)).run()
}

/// The link as it is in the run with this seed: a bandwidth trace, or a sequence of one rate for each
/// request, begins where the seed says.
#[must_use]
pub fn link_in_run(config: &LinkConfig, seed: Seed) -> LinkConfig {
    config.at_phase(seed.stream("bandwidth phase", 0).at(0).uniform())
}

/// The truth about each request of the first edge, in order.
pub(crate) fn truths(setup: &Setup, seed: Seed) -> impl Iterator<Item = Truth> {
    truths_of(setup, seed, 0)
}

/// The truth about each request of one edge, in order.
pub(crate) fn truths_of(setup: &Setup, seed: Seed, edge: u32) -> impl Iterator<Item = Truth> {
    let mut texts = Texts::new(Arc::clone(&setup.profile), seed);
    (0..requests(setup)).map(move |index| {
        // As the stage numbers them: each edge begins at its own prompt of a list.
        texts.whole(session_id(edge, index), index as usize + edge as usize)
    })
}

/// All that can happen to the first edge's first `requests` requests, whatever the method.
pub(crate) fn recorded(
    profile: &Arc<Profile>,
    seed: Seed,
    requests: u32,
    rollout_steps_min: u32,
) -> Vec<TraceText> {
    let mut texts = Texts::new(Arc::clone(profile), seed);
    let record = |index: u32| {
        texts.record(session_id(0, u64::from(index)), index as usize, rollout_steps_min)
    };
    (0..requests).map(record).collect()
}

struct World<'a> {
    setup: &'a Setup,
    edges: Vec<Edge>,
    cloud: Cloud,
    stage: Stage<'a>,
    /// Output tokens of each edge's requests at most.
    tokens: u64,
    requests_left: Vec<u64>,
    tokens_before: u64,
}

impl<'a> World<'a> {
    fn new(setup: &'a Setup, seed: Seed, script: Option<&Script>, answers: Answers<'a>) -> Self {
        let (requests, tokens) = match &answers {
            Answers::Simulated(_) => (requests(setup), whole_tokens(setup)),
            Answers::Real(real) => (real.models.requests(), real.models.tokens()),
        };
        let edge = |number| {
            let config = setup.edge_config(seed, number);
            match script {
                Some(script) => Edge::scripted(config, script.clone()),
                None => Edge::new(config),
            }
        };
        let mut world = Self {
            setup,
            edges: (0..setup.edges).map(edge).collect(),
            cloud: Cloud::new(setup.cloud),
            stage: Stage::new(setup, seed, answers),
            tokens,
            requests_left: vec![requests; setup.edges as usize],
            tokens_before: 0,
        };
        for edge in 0..setup.edges {
            world.stage.queue.push(Instant::ZERO, Occurrence::Submit(edge));
        }
        world
    }

    fn run(mut self) -> Result<RunResult, RunError> {
        let (now, occurrences) = self.drive()?;
        Ok(self.result(now, occurrences))
    }

    /// Runs to the end: when that is, and how many events it took.
    fn drive(&mut self) -> Result<(Instant, u64), RunError> {
        let limit = OCCURRENCES_PER_TOKEN_MAX
            .saturating_mul(self.tokens.max(1))
            .saturating_mul(u64::from(self.setup.edges));
        let mut occurrences = 0;
        let mut now = Instant::ZERO;
        while self.stage.edges_busy > 0 {
            let Some((at, occurrence)) = self.stage.queue.pop() else {
                let edge = self.edges.iter().position(|e| !e.is_idle()).unwrap_or_default() as u32;
                self.check()?;
                return Err(RunError::Stuck { edge, at: now });
            };
            now = at;
            occurrences += 1;
            if occurrences > limit {
                return Err(RunError::Endless { occurrences, actor: format!("{occurrence:?}") });
            }
            self.step(now, occurrence);
            if let Some(failure) = self.stage.failure.take() {
                return Err(failure);
            }
        }
        self.check()?;
        Ok((now, occurrences))
    }

    fn step(&mut self, now: Instant, occurrence: Occurrence) {
        match occurrence {
            Occurrence::Submit(edge) => self.submit(now, edge),
            Occurrence::Link(edge, direction) => self.poll_link(now, edge, direction),
            Occurrence::Model(at, life) if life != self.stage.life(at) => {}
            Occurrence::Model(at, _) => {
                let (work, result) = self.stage.finish_work(at);
                self.feed(now, at, Input::Finished { work, result });
            }
            Occurrence::Fit(edge) => {
                let (work, result) = self.stage.finish_fit(edge);
                self.feed(now, At::Edge(edge), Input::Finished { work, result });
            }
            Occurrence::Wake(at, reason) => self.feed(now, at, Input::Wake(reason)),
            Occurrence::Early(edge, id) => {
                let up = Direction::Up;
                if let Some(input) = self.stage.deliver(now, edge, up, id, Duration::ZERO) {
                    self.feed(now, At::Cloud, input);
                }
            }
            Occurrence::Late(edge, direction, id, epoch) => {
                let late = self.stage.deliver_late(now, (edge, epoch), direction, id);
                if let Some(input) = late {
                    let at = match direction {
                        Direction::Up => At::Cloud,
                        Direction::Down => At::Edge(edge),
                    };
                    self.feed(now, at, input);
                }
            }
            Occurrence::Outage(outage) => self.outage(now, outage),
            Occurrence::Unheard(id) => self.feed(now, At::Cloud, Input::Sent(id)),
        }
    }

    fn submit(&mut self, now: Instant, edge: u32) {
        let left = &mut self.requests_left[edge as usize];
        if *left == 0 {
            self.stage.edges_busy -= 1;
            return;
        }
        *left -= 1;
        let request = self.stage.next_request(edge);
        self.tokens_before += request.text.len() as u64;
        self.feed(now, At::Edge(edge), Input::Submit(request));
    }

    fn poll_link(&mut self, now: Instant, edge: u32, direction: Direction) {
        if !self.stage.is_due(now, edge, direction) {
            return;
        }
        while let Some((at, input)) = self.stage.poll_link(now, edge, direction) {
            self.feed(now, at, input);
        }
        self.stage.schedule_link(now, edge, direction);
    }

    /// Feeds one input to a machine and carries out what it asks for.
    fn feed(&mut self, now: Instant, at: At, input: Input) {
        if let Some(recording) = &mut self.stage.recording {
            recording.inputs.push((at.endpoint(), now, input.clone()));
        }
        let mut sink = self.stage.at(at);
        match at {
            At::Edge(edge) => drain(&mut self.edges[edge as usize], now, input, &mut sink),
            At::Cloud => drain(&mut self.cloud, now, input, &mut sink),
        }
        if let Some(again) = self.stage.duplicates.pop_front() {
            self.feed(now, at, again);
        }
    }

    fn check(&self) -> Result<(), RunError> {
        for node in &self.stage.nodes {
            node.ledger.check()?;
            node.check_bytes()?;
        }
        Ok(())
    }

    fn result(self, now: Instant, occurrences: u64) -> RunResult {
        let counts: Vec<Counts> = self.stage.nodes.iter().map(|n| *n.ledger.counts()).collect();
        let cloud = self.stage.cloud_ledger.counts(now);
        let usage = self.stage.usage(now);
        let energy = energy::of(&self.setup.profile, &usage);
        RunResult {
            summary: Summary::new(&counts, &cloud, usage.total, usage.uplink_bytes, &energy),
            usage,
            counts,
            links: self.stage.nodes.iter().map(stage::Node::link_accounts).collect(),
            tuning: self.edges.iter().map(Edge::tuning_counts).collect(),
            outages: self.stage.outages,
            tokens_before: self.tokens_before,
            occurrences,
            recording: self.stage.recording,
        }
    }
}

/// Requests that each edge decodes one after another.
#[must_use]
pub fn requests(setup: &Setup) -> u64 {
    use crate::profile::TextModel;
    match &setup.profile.text {
        TextModel::Process(_) => setup.tokens.div_ceil(u64::from(setup.profile.output_tokens)),
        TextModel::Trace(trace) => {
            let mut left = setup.tokens;
            let lengths = trace.texts.iter().cycle().map(|text| text.positions.len() as u64);
            lengths
                .take_while(|length| {
                    let more = left > 0;
                    left = left.saturating_sub(*length);
                    more
                })
                .count() as u64
        }
    }
}

/// Output tokens of each edge's requests, which are whole prompts, however few tokens were asked for.
fn whole_tokens(setup: &Setup) -> u64 {
    use crate::profile::TextModel;
    let requests = requests(setup);
    match &setup.profile.text {
        TextModel::Process(_) => requests.saturating_mul(u64::from(setup.profile.output_tokens)),
        TextModel::Trace(trace) => {
            let lengths = trace.texts.iter().cycle().map(|text| text.positions.len() as u64);
            lengths.take(requests as usize).sum()
        }
    }
}

/// The session of an edge's request numbered `index`.
#[must_use]
pub fn session_id(edge: u32, index: u64) -> SessionId {
    SessionId::of(edge, u32::try_from(index).expect("fewer requests than numbers"))
}

/// Whether an event ends a session: the edge may then take its next request.
const fn ends_session(event: &Event) -> bool {
    matches!(event, Event::SessionEnded { .. })
}

fn request(
    session: SessionId,
    prompt_tokens: u32,
    (budget, stop_ids): (u32, Vec<pipesd_core::ids::TokenId>),
    seed: Seed,
) -> Request {
    let prompt = (1..=prompt_tokens).map(pipesd_core::ids::TokenId).collect();
    let temperature = Temperature::default();
    Request { session, prompt, budget, stop_ids, temperature, seed: seed.0, text: vec![] }
}
