//! An exhaustive search over actions, to test the bound against, with event semantics of its own:
//! what the edge may do at any event, and what link, cloud and verdicts then do. It knows nothing of
//! labels, chains or batches, and tries what the bound's argument rules out: resting, wrong drafts,
//! wrong guesses, NAV requests in a message of their own, later rounds' tokens first. Where it matters
//! what a draft step is for, it also tries to hold NAV requests back while a guess is under way, lest
//! the verdict overtakes it.

mod cases;

use std::collections::BTreeMap;

use pipesd_core::device::{Device, DraftKind};
use pipesd_core::time::{Duration, nanos};

use super::instance::{Instance, Testbed};
use super::search::Search;
use super::wire::Wire;
use super::{EmptyNavs, Moves};
use crate::distribution::Latency;
use crate::link::{AffineConfig, ExchangeFloor, Rate};
use crate::profile::VerificationLatency;

/// A link in ns and bytes, its rate in bit/s for each `step` ns.
#[derive(Clone, Debug)]
struct Line {
    startup: u64,
    propagation: u64,
    rates: Vec<u64>,
    step: u64,
    offset: u64,
    /// For how long a message occupies its sender at the least, and by how much longer for each byte.
    floor: [u64; 2],
}

impl Line {
    /// When a message of `bytes` has left.
    fn end(&self, start: u64, bytes: u64) -> u64 {
        self.carried(start, bytes).max(start + self.floor[0] + self.floor[1] * bytes)
    }

    /// When `bytes` have gone over the link; where the rate changes, ns by ns.
    fn carried(&self, start: u64, bytes: u64) -> u64 {
        let mut left = bytes * 8_000_000_000;
        let mut now = start + self.startup;
        if let [rate] = self.rates[..] {
            return now + left.div_ceil(rate);
        }
        while left > 0 {
            let index = (now + self.offset) / self.step;
            left = left.saturating_sub(self.rates[index as usize % self.rates.len()]);
            now += 1;
        }
        now
    }

    fn config(&self) -> AffineConfig {
        let rate = match self.rates[..] {
            [rate] => Rate::Constant(rate),
            _ => Rate::Trace {
                step: Duration::from_nanos(self.step),
                rates: self.rates.clone(),
                offset: Duration::from_nanos(self.offset),
                random_offset: false,
            },
        };
        let [startup, propagation] = [self.startup, self.propagation].map(Duration::from_nanos);
        let floor = [self.floor[0], self.floor[1] * 1_000_000].map(Duration::from_nanos);
        let floor = ExchangeFloor { base: floor[0], per_megabyte: floor[1] };
        AffineConfig { rate, startup, propagation, abortable: false, floor }
    }
}

const REQUEST_BYTES: u64 = 2;
const REPLY_BYTES: u64 = 3;

#[derive(Clone, Debug)]
struct Case {
    /// Whether the draft is right, its own step, and the base of a NAV from there, by position.
    text: Vec<(bool, u64, u64)>,
    device: Device,
    /// Added to a NAV by each draft.
    per_token: u64,
    token_bytes: u64,
    up: Line,
    down: Line,
    empty_navs: bool,
    guesses: bool,
    early_uploads: bool,
    begin: u64,
}

impl Case {
    fn bound(&self, moves: Moves) -> u64 {
        self.bound_of(&self.instance(), moves)
    }

    fn instance(&self) -> Instance {
        let steps = |kind| (0..self.text.len()).map(move |position| self.step(position, kind));
        Instance {
            matches: self.text.iter().map(|&(right, _, _)| right).collect(),
            steps: DraftKind::ALL.map(|kind| steps(kind).collect()),
            passes: self.text.iter().map(|&(_, _, base)| (0, base as f64 / 1e6)).collect(),
        }
    }

    fn step(&self, position: usize, kind: DraftKind) -> u64 {
        nanos(self.device.step(Duration::from_nanos(self.text[position].1), kind))
    }

    fn bound_of(&self, instance: &Instance, moves: Moves) -> u64 {
        let up = Wire::new(&self.up.config(), REQUEST_BYTES, self.token_bytes, 8);
        let down = Wire::new(&self.down.config(), REPLY_BYTES, 0, 0);
        let verification = VerificationLatency {
            base: Latency::Constant { mean: 0.0 },
            per_token_ms: self.per_token as f64 / 1e6,
            prefill_ms_per_token: 0.0,
        };
        let testbed = Testbed { uplink: up, downlink: down, verification, fetch: None };
        Search::default().run(instance, &testbed, moves, self.begin).end
    }

    fn is_steady(&self) -> bool {
        self.up.rates.len() == 1 && self.down.rates.len() == 1
    }

    /// Leaves these freedoms alone.
    fn freedoms(&mut self, moves: Moves) {
        let Moves { empty_navs, guesses, early_uploads } = moves;
        (self.empty_navs, self.guesses, self.early_uploads) = (empty_navs, guesses, early_uploads);
    }

    fn moves(&self) -> Moves {
        let navs = if self.empty_navs { EmptyNavs::Allowed } else { EmptyNavs::Forbidden };
        navs.into()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Round {
    start: usize,
    /// Whether all before it is right.
    founded: bool,
    /// A guess has opened it.
    ahead: bool,
    /// Drafts, and how many of them are right from the first on.
    drafted: usize,
    right: usize,
    closed: bool,
    sent: usize,
    nav_sent: bool,
    arrived: usize,
    nav_arrived: bool,
    verified: bool,
}

impl Round {
    const fn new(start: usize, founded: bool, ahead: bool, closed: bool) -> Self {
        let (drafted, right, sent, arrived) = (0, 0, 0, 0);
        let (nav_sent, nav_arrived, verified) = (false, false, false);
        Self {
            start,
            founded,
            ahead,
            drafted,
            right,
            closed,
            sent,
            nav_sent,
            arrived,
            nav_arrived,
            verified,
        }
    }

    const fn full(&self) -> bool {
        self.founded && self.right == self.drafted
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Draft,
    Guess,
    Stale,
}

/// All times are from `now` on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    known: usize,
    model: Option<(u64, Task)>,
    uplink: u64,
    downlink: u64,
    /// (when, round, tokens, NAV). Rounds by place; those that are dropped take theirs along.
    flying: Vec<(u64, usize, usize, bool)>,
    cloud: Option<(u64, usize)>,
    /// Verdicts on their way, in order.
    verdicts: Vec<u64>,
    rounds: Vec<Round>,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Draft,
    Guess,
    OpenEmpty,
    Send { round: usize, tokens: usize, nav: bool },
}

/// A search that grows beyond this is given up, and its case not counted.
const STATES_MAX: usize = 400_000;

struct Brute<'a> {
    case: &'a Case,
    /// Leaves out what can lead nowhere: steps past a wrong one, NAV requests in a message of their
    /// own after the round's tokens, later rounds' tokens first.
    frugal: bool,
    seen: BTreeMap<(State, u64), u64>,
    best: u64,
    /// From a NAV request to its verdict, at the least.
    least: u64,
}

impl<'a> Brute<'a> {
    /// A search for an end before `limit`.
    fn new(case: &'a Case, frugal: bool, limit: u64) -> Self {
        let bases = case.text.iter().map(|&(_, _, base)| base);
        let fastest = |line: &Line, bytes: u64| {
            let rate = line.rates.iter().max().expect("a rate");
            let carried = line.startup + bytes * 8_000_000_000 / rate;
            carried.max(line.floor[0] + line.floor[1] * bytes) + line.propagation
        };
        let least = fastest(&case.up, REQUEST_BYTES)
            + bases.min().expect("a text")
            + fastest(&case.down, REPLY_BYTES);
        Self { case, frugal, seen: BTreeMap::new(), best: limit, least }
    }

    fn run(&mut self) {
        let state = State {
            known: 0,
            model: None,
            uplink: 0,
            downlink: 0,
            flying: Vec::new(),
            cloud: None,
            verdicts: Vec::new(),
            rounds: Vec::new(),
        };
        self.explore(&state, self.case.begin);
    }

    fn explore(&mut self, state: &State, now: u64) {
        if state.known == self.case.text.len() {
            self.best = self.best.min(now);
            return;
        }
        if now + self.at_least(state) >= self.best || self.seen.len() >= STATES_MAX {
            return;
        }
        // At constant rates only differences of times matter.
        let key = (state.clone(), if self.case.is_steady() { 0 } else { now });
        if self.seen.get(&key).is_some_and(|&before| before <= now) {
            return;
        }
        self.seen.insert(key, now);
        for action in self.actions(state) {
            let mut next = state.clone();
            self.apply(&mut next, action, now);
            self.explore(&next, now);
        }
        if let Some(wait) = next_event(state) {
            // A request that is held back may go up at any time.
            let wait = if self.may_hold(state) { wait.min(1) } else { wait };
            let mut next = state.clone();
            self.advance(&mut next, wait, now + wait);
            self.explore(&next, now + wait);
        }
    }

    /// Whether to send nothing for a while may be of use: a verdict that comes before the guess upon it
    /// is there makes the edge draft at the pace of a round that stands on committed text.
    fn may_hold(&self, state: &State) -> bool {
        let guesses = matches!(state.model, Some((_, Task::Guess)));
        let unsent = state.rounds.iter().any(|round| !round.nav_sent);
        matches!(self.case.device, Device::Padded(_)) && guesses && unsent && state.uplink == 0
    }

    /// What is still to come at the least: for each position beyond the one at hand a step, or the
    /// trip of a NAV during which no step is of use; and the trip of the last NAV, if it is not sent.
    fn at_least(&self, state: &State) -> u64 {
        let len = self.case.text.len();
        let last = state.rounds.last();
        let at_hand = last.map_or(state.known, |last| last.start + last.drafted);
        let steps = self.case.text.iter().take(len - 1).skip(at_hand + 1);
        let steps: u64 = steps.map(|&(_, step, _)| step.min(self.least)).sum();
        let asked = last.is_some_and(|last| last.nav_sent && (at_hand + 1 >= len));
        steps + if asked { 0 } else { self.least }
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let (len, empty) = (self.case.text.len(), self.case.empty_navs);
        let mut actions = Vec::new();
        let last = state.rounds.last();
        if last.is_none() && empty {
            actions.push(Action::OpenEmpty);
        }
        let hopeless = self.frugal && last.is_some_and(|last| !last.full());
        if state.model.is_none() && !hopeless {
            match last {
                None => actions.push(Action::Draft),
                Some(last) => {
                    let room = (len - 1).saturating_sub(last.start).max(1);
                    if !last.closed && last.drafted < room {
                        actions.push(Action::Draft);
                    }
                    let closes = last.closed || last.drafted > 0 || empty;
                    if self.case.guesses && closes && last.start + last.drafted + 1 < len {
                        actions.push(Action::Guess);
                    }
                }
            }
        }
        if state.uplink == 0 {
            let in_order = self.frugal || self.case.up.rates.len() > 1;
            let open = |(_, round): &(usize, &Round)| !round.nav_sent;
            let rounds = state.rounds.iter().enumerate().filter(open);
            for (place, round) in rounds.take(if in_order { 1 } else { usize::MAX }) {
                let unsent = round.drafted - round.sent;
                let early = if self.case.early_uploads { unsent } else { 0 };
                actions.extend((1..=early).map(|tokens| Action::Send {
                    round: place,
                    tokens,
                    nav: false,
                }));
                let drafting = matches!(state.model, Some((_, Task::Draft)));
                let last = place + 1 == state.rounds.len();
                let alone = self.frugal && round.drafted > 0 && unsent == 0;
                if (round.drafted > 0 || empty) && !(drafting && last) && !alone {
                    actions.push(Action::Send { round: place, tokens: unsent, nav: true });
                }
            }
        }
        actions
    }

    fn apply(&self, state: &mut State, action: Action, now: u64) {
        match action {
            Action::OpenEmpty => state.rounds.push(Round::new(state.known, true, false, true)),
            Action::Draft => {
                if state.rounds.is_empty() {
                    state.rounds.push(Round::new(state.known, true, false, false));
                }
                let last = state.rounds.last().expect("a round");
                let kind = match (last.ahead, last.drafted) {
                    (true, _) => DraftKind::Ahead,
                    (false, 0) if state.known > 0 => DraftKind::AfterVerdict,
                    (false, _) => DraftKind::Main,
                };
                let step = self.case.step(last.start + last.drafted, kind);
                state.model = Some((step, Task::Draft));
            }
            Action::Guess => {
                let last = state.rounds.last_mut().expect("a round");
                last.closed = true;
                let step = self.case.step(last.start + last.drafted, DraftKind::Guess);
                state.model = Some((step, Task::Guess));
            }
            Action::Send { round: place, tokens, nav } => {
                let round = &mut state.rounds[place];
                round.sent += tokens;
                round.nav_sent = nav;
                round.closed |= nav;
                let bytes = REQUEST_BYTES + tokens as u64 * self.case.token_bytes;
                state.uplink = self.case.up.end(now, bytes) - now;
                let arrives = state.uplink + self.case.up.propagation;
                state.flying.push((arrives, place, tokens, nav));
            }
        }
    }

    /// Moves on by `wait` to `now` and has happen what happens then.
    fn advance(&self, state: &mut State, wait: u64, now: u64) {
        let pass = |time: &mut u64| *time = time.saturating_sub(wait);
        pass(&mut state.uplink);
        pass(&mut state.downlink);
        state.model.iter_mut().for_each(|(at, _)| pass(at));
        state.cloud.iter_mut().for_each(|(at, _)| pass(at));
        state.verdicts.iter_mut().for_each(pass);
        state.flying.iter_mut().for_each(|(at, ..)| pass(at));
        if let Some((0, task)) = state.model {
            state.model = None;
            self.finish(state, task);
        }
        state.flying.retain(|&(at, place, tokens, nav)| {
            if at == 0 && place < state.rounds.len() {
                state.rounds[place].arrived += tokens;
                state.rounds[place].nav_arrived |= nav;
            }
            at > 0
        });
        if let Some((0, place)) = state.cloud {
            state.cloud = None;
            state.rounds[place].verified = true;
            state.downlink = self.case.down.end(now + state.downlink, REPLY_BYTES) - now;
            state.verdicts.push(state.downlink + self.case.down.propagation);
        }
        if state.cloud.is_none() {
            let next = state.rounds.iter().position(|round| !round.verified);
            if let Some(place) = next {
                let stands = place == 0 || state.rounds[place - 1].full();
                let Round { start, founded, drafted, arrived, nav_arrived, .. } =
                    state.rounds[place];
                if stands && founded && nav_arrived && arrived == drafted {
                    let took = self.case.text[start].2 + self.case.per_token * drafted as u64;
                    state.cloud = Some((took, place));
                }
            }
        }
        if state.verdicts.first() == Some(&0) {
            state.verdicts.remove(0);
            self.resolve(state);
        }
    }

    fn finish(&self, state: &mut State, task: Task) {
        let Some(last) = state.rounds.last_mut() else { return };
        let right = self.case.text[(last.start + last.drafted).min(self.case.text.len() - 1)].0;
        match task {
            Task::Draft => {
                last.right += usize::from(last.full() && right);
                last.drafted += 1;
            }
            Task::Guess => {
                let founded = last.full() && right;
                let start = last.start + last.drafted + 1;
                state.rounds.push(Round::new(start, founded, true, false));
            }
            Task::Stale => {}
        }
    }

    fn resolve(&self, state: &mut State) {
        let front = state.rounds.remove(0);
        state.known = (front.start + front.right + 1).min(self.case.text.len());
        let kept = front.full() && state.rounds.first().is_some_and(|child| child.founded);
        if kept {
            state.flying.iter_mut().for_each(|(_, place, ..)| *place -= 1);
            state.cloud.iter_mut().for_each(|(_, place)| *place -= 1);
        } else {
            state.rounds.clear();
            // What is under way runs to its end, and is of no use.
            state.flying.clear();
            state.cloud = None;
            state.model.iter_mut().for_each(|(_, task)| *task = Task::Stale);
        }
    }
}

/// The time to the next event, if anything is under way.
fn next_event(state: &State) -> Option<u64> {
    let model = state.model.map(|(at, _)| at);
    let cloud = state.cloud.map(|(at, _)| at);
    let uplink = (state.uplink > 0).then_some(state.uplink);
    let flying = state.flying.iter().map(|&(at, ..)| at);
    let verdicts = state.verdicts.iter().copied();
    model.into_iter().chain(cloud).chain(uplink).chain(flying).chain(verdicts).min()
}
