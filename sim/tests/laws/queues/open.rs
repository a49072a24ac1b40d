//! NAVs that arrive at the cloud's state machine from outside, whatever became of those before: a
//! Poisson stream against the formula of Pollaczek and Khinchine.

use std::collections::{BTreeMap, VecDeque};

use pipesd_core::cloud::Cloud;
use pipesd_core::contract::{Input, Output, Work, WorkResult, drain};
use pipesd_core::event::Event;
use pipesd_core::ids::{PrefixHash, RoundId, SessionId, TokenId, WorkId};
use pipesd_core::message::{Message, Request, Upload};
use pipesd_core::payload::Payload;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant, as_millis};
use pipesd_core::verification::{Decision, Drafting, Temperature, Terms, Verification};
use pipesd_sim::distribution::Latency;
use proptest::prelude::*;

use super::Estimate;

/// When a NAV arrived, entered a pass and left it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Visit {
    arrived: Instant,
    started: Instant,
    finished: Instant,
}

/// What a session has to say in its next upload.
#[derive(Clone, Copy, Debug)]
struct Next {
    parent: Option<RoundId>,
    start: u32,
    prefix: PrefixHash,
}

impl Next {
    const fn round(&self) -> RoundId {
        match self.parent {
            None => RoundId(0),
            Some(RoundId(before)) => RoundId(before + 1),
        }
    }
}

/// The draft of each round; the target agrees, and [`EXTRA`] follows.
const DRAFT: TokenId = TokenId(1);
const EXTRA: TokenId = TokenId(2);
const TERMS: Terms =
    Terms { verification: Verification::Match, drafting: Drafting::Argmax, payload: Payload::Ids };

/// Sessions that take turns: more than ever wait at once, so that one is free for each arrival.
const SESSIONS: u64 = 1000;

/// A cloud in a world of its own: arrivals come when they come, and passes take what they are told.
struct Counter<F> {
    cloud: Cloud,
    service: F,
    running: Option<(Instant, WorkId, WorkResult)>,
    free: VecDeque<SessionId>,
    next: BTreeMap<SessionId, Next>,
    /// The arrival that each session stands for.
    visitor: BTreeMap<SessionId, usize>,
    visits: Vec<Visit>,
}

impl<F: FnMut(&[SessionId]) -> Duration> Counter<F> {
    fn new(verify_batch_max: u32, service: F) -> Self {
        let mut counter = Self {
            cloud: Cloud::new(super::in_order(verify_batch_max)),
            service,
            running: None,
            free: VecDeque::new(),
            next: BTreeMap::new(),
            visitor: BTreeMap::new(),
            visits: Vec::new(),
        };
        for session in (0..SESSIONS).map(|client| SessionId::of(client as u32, 0)) {
            let (prompt, stop_ids) = (vec![DRAFT], vec![]);
            let temperature = Temperature::default();
            let request = Request {
                session,
                prompt,
                budget: 1 << 20,
                stop_ids,
                temperature,
                seed: 0,
                text: vec![],
            };
            let open = Message::Open { request, terms: TERMS, opening: 0 };
            counter.receive(Instant::ZERO, open);
            counter.finish();
            let (parent, start, prefix) = (None, 0, PrefixHash::EMPTY);
            counter.next.insert(session, Next { parent, start, prefix });
            counter.free.push_back(session);
        }
        counter
    }

    fn receive(&mut self, now: Instant, message: Message) {
        self.feed(now, Input::Received { message, transfer: Duration::ZERO });
    }

    /// Lets the target's work come to its end.
    fn finish(&mut self) {
        let (at, work, result) = self.running.take().expect("the target is busy");
        self.feed(at, Input::Finished { work, result });
    }

    fn feed(&mut self, now: Instant, input: Input) {
        let mut outputs = Vec::new();
        drain(&mut self.cloud, now, input, &mut outputs);
        for (_, output) in outputs {
            match output {
                Output::Start { id, work: Work::Prefill { .. } } => {
                    self.running = Some((now, id, WorkResult::Prefilled));
                }
                Output::Start { id, work: Work::Verify(blocks) } => {
                    let sessions: Vec<SessionId> = blocks.iter().map(|b| b.session).collect();
                    let end = now + (self.service)(&sessions);
                    let decisions = vec![Decision::of(vec![DRAFT, EXTRA]); blocks.len()];
                    self.running = Some((end, id, WorkResult::Verified(decisions)));
                }
                Output::Event(Event::VerifyStarted { session, .. }) => {
                    self.visits[self.visitor[&session]].started = now;
                }
                Output::Event(Event::VerifyFinished { session, .. }) => {
                    self.visits[self.visitor[&session]].finished = now;
                    let next = self.next.get_mut(&session).expect("an open session");
                    next.parent = Some(next.round());
                    next.start += 2;
                    next.prefix = next.prefix.extend(&[DRAFT, EXTRA]);
                    self.free.push_back(session);
                }
                _ => {}
            }
        }
    }

    fn arrive(&mut self, now: Instant) {
        let session = self.free.pop_front().expect("a session is free for each arrival");
        self.visitor.insert(session, self.visits.len());
        self.visits.push(Visit { arrived: now, ..Visit::default() });
        let next = self.next[&session];
        self.receive(
            now,
            Message::Upload(Upload {
                session,
                round: next.round(),
                parent: next.parent,
                start: next.start,
                prefix: next.prefix,
                guess: None,
                offset: 0,
                tokens: vec![DRAFT],
                evidence: vec![],
                nav: Some(1),
            }),
        );
    }

    /// The visits of all arrivals, in the order of these.
    fn serve(mut self, arrivals: impl Iterator<Item = Instant>) -> Vec<Visit> {
        for now in arrivals {
            while self.running.as_ref().is_some_and(|(end, ..)| *end <= now) {
                self.finish();
            }
            self.arrive(now);
        }
        while self.running.is_some() {
            self.finish();
        }
        self.visits
    }
}

/// A Poisson stream: independent exponential gaps.
fn poisson(mean_gap_ms: f64, count: u64) -> impl Iterator<Item = Instant> {
    let gap = Latency::Exponential { mean: mean_gap_ms };
    let mut draws = Seed(7).stream("arrivals", 0);
    (0..count).scan(Instant::ZERO, move |now, key| {
        *now += gap.at(draws.at(key).uniform());
        Some(*now)
    })
}

/// Mean wait and share of those that do not wait, with `count` arrivals at utilisation `load`. A
/// cycle begins with each arrival at an idle target.
fn waits(load: f64, service: &Latency, count: u64) -> [Estimate; 2] {
    let mut draws = Seed(8).stream("service", 0);
    let mut passes = 0;
    let counter = Counter::new(1, |_: &[SessionId]| {
        passes += 1;
        service.at(draws.at(passes).uniform())
    });
    let visits = counter.serve(poisson(service.mean() / load, count));
    assert_eq!(visits.len() as u64, count);
    let mut cycles: Vec<[f64; 2]> = Vec::new();
    for visit in &visits {
        let wait = as_millis(visit.started - visit.arrived);
        if wait == 0.0 {
            cycles.push([0.0, 0.0]);
        }
        let [waited, served] = cycles.last_mut().expect("the first arrival does not wait");
        *waited += wait;
        *served += 1.0;
    }
    cycles.pop(); // The last one was cut off.
    let waited: Vec<(f64, f64)> =
        cycles.iter().map(|[waited, served]| (*waited, *served)).collect();
    let first: Vec<(f64, f64)> = cycles.iter().map(|[_, served]| (1.0, *served)).collect();
    [Estimate::of(&waited), Estimate::of(&first)]
}

/// Pollaczek and Khinchine: λ·E S² / (2 (1 - ρ)) with λ = ρ/E S; `spread` is (sd/mean)² of S.
fn pollaczek_khinchine(load: f64, mean: f64, spread: f64) -> f64 {
    load * mean * (1.0 + spread) / (2.0 * (1.0 - load))
}

/// ρ with the number of arrivals that brings the standard error of the mean wait below 2.5 %: what one
/// arrival says of the mean falls as (1 - ρ)².
const LOADS: [(f64, u64); 4] = [(0.2, 40_000), (0.5, 40_000), (0.8, 150_000), (0.9, 400_000)];

#[test]
fn one_by_one_with_constant_service_it_is_an_m_d_1_queue() {
    let service = Latency::Constant { mean: 20.0 };
    for (load, count) in LOADS {
        let [wait, no_wait] = waits(load, &service, count);
        // ρ / (2 μ (1 - ρ)).
        let exact = pollaczek_khinchine(load, 20.0, 0.0);
        assert!(wait.relative_error() < 0.025, "enough arrivals to tell: ρ = {load}, {wait:?}");
        assert!(wait.agrees_with(exact), "ρ = {load}: {wait:?}, {exact} expected");
        // Arrivals of a Poisson stream see what time sees: 1 - ρ of them find the target idle.
        assert!(no_wait.agrees_with(1.0 - load), "ρ = {load}: {no_wait:?}");
        assert!(no_wait.relative_error() < 0.025, "enough arrivals to tell: {no_wait:?}");
        // The comparison is sharp: neither M/M/1's wait nor a load that is 5 % higher would pass.
        assert!(!wait.agrees_with(pollaczek_khinchine(load, 20.0, 1.0)), "ρ = {load}: {wait:?}");
        let busier = pollaczek_khinchine(1.05 * load, 20.0, 0.0);
        assert!(load < 0.8 || !wait.agrees_with(busier), "ρ = {load}: {wait:?} not {busier}");
    }
}

#[test]
fn one_by_one_with_exponential_service_it_is_an_m_m_1_queue() {
    let service = Latency::Exponential { mean: 20.0 };
    for (load, count) in [(0.3, 40_000), (0.7, 150_000)] {
        let [wait, no_wait] = waits(load, &service, count);
        let exact = pollaczek_khinchine(load, 20.0, 1.0);
        assert!(wait.relative_error() < 0.025, "enough arrivals to tell: ρ = {load}, {wait:?}");
        assert!(wait.agrees_with(exact), "ρ = {load}: {wait:?}, {exact} expected");
        assert!(no_wait.agrees_with(1.0 - load), "ρ = {load}: {no_wait:?}");
        assert!(!wait.agrees_with(pollaczek_khinchine(load, 20.0, 0.0)), "ρ = {load}: {wait:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Where a pass takes the same time whatever is in it, sharing makes no NAV later than it would
    /// be one by one. With dₙ the departures in order: the first of a pass leaves at
    /// max(aₙ, dₙ₋₁) + S, as one by one, and the others leave with it, at dₙ₋₁; by induction each is
    /// at most what it was. (Edges that react to their verdicts may overtake one another: there, or
    /// with passes of other lengths, it holds in the mean at best.)
    #[test]
    fn sharing_passes_of_one_length_makes_no_nav_later(
        gaps in prop::collection::vec(0_u64..60, 1..150),
        verify_batch_max in 2_u32..9,
    ) {
        let arrivals = || {
            let spans = gaps.iter().map(|&gap| Duration::from_millis(gap));
            spans.scan(Instant::ZERO, |now, gap| {
                *now += gap;
                Some(*now)
            })
        };
        let service = |_: &[SessionId]| Duration::from_millis(30);
        let alone = Counter::new(1, service).serve(arrivals());
        let mut largest = 0;
        let shared = Counter::new(verify_batch_max, |sessions: &[SessionId]| {
            largest = largest.max(sessions.len());
            service(sessions)
        });
        let shared = shared.serve(arrivals());
        prop_assert!(largest <= verify_batch_max as usize);
        for (index, (alone, shared)) in alone.iter().zip(&shared).enumerate() {
            prop_assert!(shared.finished <= alone.finished, "{}: {:?} {:?}", index, shared, alone);
        }
        // First come, first served.
        prop_assert!(shared.is_sorted_by_key(|visit| visit.started));
        prop_assert!(alone.windows(2).all(|pair| pair[0].started < pair[1].started));
    }
}
