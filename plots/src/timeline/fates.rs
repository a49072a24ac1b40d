//! What became of each round of a run: read from all of its events before anything is laid out.

use std::collections::{BTreeMap, BTreeSet};

use pipesd_core::event::{Endpoint, Event, GuessFate, Stamped};
use pipesd_core::ids::{RoundId, SessionId};
use pipesd_core::time::{Duration, Instant};

use super::{RoundFate, TokenFate};

/// A round's name within a run.
pub(crate) type Key = (SessionId, RoundId);

/// What the layout must know beforehand.
#[derive(Debug)]
pub(crate) struct Run {
    /// The edge that is shown.
    pub(crate) edge: Endpoint,
    /// When its first prompt's decoding began.
    pub(crate) origin: Instant,
    /// The last event's time.
    pub(crate) end: Instant,
    /// The edge's sessions: the cloud may serve others.
    pub(crate) sessions: BTreeSet<SessionId>,
    pub(crate) rounds: BTreeMap<Key, Round>,
}

/// A round's life at the edge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// When its first step began, a guess included.
    pub(crate) started: Instant,
    pub(crate) ended: Option<Instant>,
    pub(crate) fate: RoundFate,
    /// Draft tokens accepted, once resolved.
    pub(crate) accepted: u32,
    /// Set for proactive rounds.
    pub(crate) guess: Option<Guess>,
}

/// The guess that a proactive round stands on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guess {
    pub(crate) resolved: Option<(Instant, GuessFate)>,
    /// Draft tokens that the round held when the guess was resolved.
    pub(crate) drafted: u32,
}

impl Round {
    const fn new(started: Instant, guess: Option<Guess>) -> Self {
        Self { started, ended: None, fate: RoundFate::Open, accepted: 0, guess }
    }

    /// What became of the round's draft token number `index`, counted from 0.
    pub(crate) fn token_fate(&self, index: u32) -> TokenFate {
        let ahead = self.guess.is_some_and(|guess| index < guess.drafted);
        match self.fate {
            RoundFate::Open => TokenFate::Open,
            RoundFate::Discarded => TokenFate::Discarded,
            RoundFate::Resolved if index < self.accepted && ahead => TokenFate::Reused,
            RoundFate::Resolved if index < self.accepted => TokenFate::Accepted,
            RoundFate::Resolved if index == self.accepted => TokenFate::Rejected,
            RoundFate::Resolved => TokenFate::Untested,
        }
    }
}

impl Run {
    /// Reads a run; none if no decoding ever began.
    pub(crate) fn read(events: &[Stamped]) -> Option<Self> {
        let first = events.iter().find(|e| matches!(e.event, Event::DecodingStarted { .. }))?;
        Some(Self::of_edge(events, first.endpoint, first.at))
    }

    /// Reads what an edge did; times count from `origin`.
    pub(crate) fn of_edge(events: &[Stamped], edge: Endpoint, origin: Instant) -> Self {
        let mut run = Self {
            edge,
            origin,
            end: events.last().map_or(origin, |last| last.at),
            sessions: BTreeSet::new(),
            rounds: BTreeMap::new(),
        };
        let mut step_started = origin;
        for stamped in events.iter().filter(|stamped| stamped.endpoint == edge) {
            run.on_edge_event(stamped, &mut step_started);
        }
        run
    }

    /// `at` as the timeline counts; zero if it was before the first decoding.
    pub(crate) const fn since_origin(&self, at: Instant) -> Duration {
        at.saturating_since(self.origin)
    }

    fn on_edge_event(&mut self, stamped: &Stamped, step_started: &mut Instant) {
        let at = stamped.at;
        match stamped.event {
            Event::SessionStarted { session, .. } | Event::DecodingStarted { session } => {
                self.sessions.insert(session);
            }
            Event::DraftStarted { .. } => *step_started = at,
            // A round begins with the first step that gave it something: the id of a guess that came
            // too late goes to the round that follows.
            Event::Guessed { session, round, .. } => {
                let opened = Round::new(*step_started, Some(Guess::default()));
                self.rounds.insert((session, round), opened);
            }
            Event::Drafted { session, round, .. } => {
                let opened = Round::new(*step_started, None);
                self.rounds.entry((session, round)).or_insert(opened);
            }
            Event::GuessResolved { session, round, fate, drafted } => {
                let round = self.rounds.get_mut(&(session, round));
                if let Some(guess) = round.and_then(|round| round.guess.as_mut()) {
                    *guess = Guess { resolved: Some((at, fate)), drafted };
                }
            }
            Event::RoundResolved { session, round, accepted, .. } => {
                self.close((session, round), at, RoundFate::Resolved, accepted);
            }
            Event::RoundDiscarded { session, round, .. } => {
                self.close((session, round), at, RoundFate::Discarded, 0);
            }
            _ => {}
        }
    }

    fn close(&mut self, key: Key, at: Instant, fate: RoundFate, accepted: u32) {
        if let Some(round) = self.rounds.get_mut(&key) {
            round.ended = Some(at);
            round.fate = fate;
            round.accepted = accepted;
        }
    }
}
