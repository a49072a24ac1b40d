//! Accounts of a run, kept from its events: where every drafted token, guess and NAV went, and how
//! long it took. The same book serves the simulator and a live run.
//!
//! The conservation laws (README, "Invariants"):
//!
//! 1. drafted = accepted + rejected + untested + discarded + in flight;
//! 2. guesses = confirmed + missed + discarded + in flight (a guess is never counted as drafted);
//! 3. NAVs requested = answered + cancelled + in flight, each answered at most once.
//!
//! "In flight" is counted from what is open, not as the difference, so that the laws can fail.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{Event, GuessFate, Outcome};
use crate::ids::{RoundId, SessionId, TokenId};
use crate::time::{Duration, Instant};

/// Totals over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Draft steps begun, guesses apart \[tokens\].
    pub drafted: u64,
    /// Draft tokens that became text.
    pub accepted: u64,
    /// Draft tokens that the target replaced: the first mismatch of their round.
    pub rejected: u64,
    /// Draft tokens behind a rejected one of their round.
    pub untested: u64,
    /// Draft tokens dropped without verification, stale results included.
    pub discarded: u64,
    /// Draft tokens of rounds that were kept when their parent's verdict came, drafted by then.
    pub reused: u64,
    /// Guess steps begun.
    pub guesses: u64,
    /// Guesses that were the extra token.
    pub guesses_confirmed: u64,
    /// Guesses that were not, though the parent was wholly accepted.
    pub guesses_missed: u64,
    /// Guesses without effect.
    pub guesses_discarded: u64,
    /// NAVs requested.
    pub navs: u64,
    /// NAVs answered.
    pub navs_answered: u64,
    /// NAVs of rounds that were dropped.
    pub navs_cancelled: u64,
    /// Answered NAVs with a rejection.
    pub rollbacks: u64,
    /// Draft tokens of answered rounds.
    pub verified: u64,
    /// Tokens that became text: accepted ones and extra ones.
    pub output: u64,
    /// Uploads handed to the uplink.
    pub uploads: u64,
    /// Draft tokens in them.
    pub uploaded: u64,
    /// Sessions that ended.
    pub sessions: u64,
    /// Decoding time of these: from both ends ready to the last token.
    pub decoding: Duration,
    /// Time from each request to its first token, added up.
    pub first_token: Duration,
}

impl core::ops::Add for Counts {
    type Output = Self;

    /// Totals of two edges together.
    fn add(self, other: Self) -> Self {
        Self {
            drafted: self.drafted + other.drafted,
            accepted: self.accepted + other.accepted,
            rejected: self.rejected + other.rejected,
            untested: self.untested + other.untested,
            discarded: self.discarded + other.discarded,
            reused: self.reused + other.reused,
            guesses: self.guesses + other.guesses,
            guesses_confirmed: self.guesses_confirmed + other.guesses_confirmed,
            guesses_missed: self.guesses_missed + other.guesses_missed,
            guesses_discarded: self.guesses_discarded + other.guesses_discarded,
            navs: self.navs + other.navs,
            navs_answered: self.navs_answered + other.navs_answered,
            navs_cancelled: self.navs_cancelled + other.navs_cancelled,
            rollbacks: self.rollbacks + other.rollbacks,
            verified: self.verified + other.verified,
            output: self.output + other.output,
            uploads: self.uploads + other.uploads,
            uploaded: self.uploaded + other.uploaded,
            sessions: self.sessions + other.sessions,
            decoding: self.decoding + other.decoding,
            first_token: self.first_token + other.first_token,
        }
    }
}

/// A broken law, or a session that did not end as it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An event contradicts those before it.
    #[error("invariant {law}: {session}: {detail}")]
    Law {
        /// The law's number in the README.
        law: u8,
        /// The session.
        session: SessionId,
        /// What was seen.
        detail: String,
    },
    /// Totals do not add up.
    #[error("invariant {law}: {detail}")]
    Total {
        /// The law's number in the README.
        law: u8,
        /// What was seen.
        detail: String,
    },
    /// A session timed out or was refused.
    #[error("{session} {}, after {output_tokens} tokens", why(*outcome))]
    Ended {
        /// The session.
        session: SessionId,
        /// How.
        outcome: Outcome,
        /// Its text by then.
        output_tokens: u32,
    },
}

/// An unhappy end in words.
const fn why(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::TimedOut => "was given up: nothing happened for longer than an edge waits",
        Outcome::Refused => "was given up: the cloud's answer contradicts its round",
        Outcome::Unreachable => {
            "was given up: the cloud was not reached for longer than an edge waits"
        }
        Outcome::Denied => "was given up: the cloud does not serve it",
        Outcome::EndOfText | Outcome::Budget => "ended",
    }
}

/// The book of one edge. Feed it that edge's events in order.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    counts: Counts,
    now: Instant,
    running: Option<bool>,
    open: BTreeMap<(SessionId, RoundId), OpenRound>,
    session: Option<OpenSession>,
    violation: Option<Violation>,
}

#[derive(Clone, Copy, Debug, Default)]
struct OpenRound {
    drafted: u32,
    nav: bool,
    guess_open: bool,
}

#[derive(Clone, Copy, Debug)]
struct OpenSession {
    id: SessionId,
    started: Instant,
    decoding: Option<Instant>,
    /// Tokens that were committed before it began.
    resumed: u32,
    committed: u32,
}

impl Ledger {
    /// The totals so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Takes in an event of the edge.
    pub fn record(&mut self, now: Instant, event: &Event) {
        let before = self.now;
        if now < before {
            self.break_law(5, SessionId::default(), || format!("{now} comes after {before}"));
        }
        self.now = now;
        match *event {
            Event::SessionStarted { session, text } => {
                let (started, decoding, committed) = (now, None, text);
                let resumed = text;
                self.session =
                    Some(OpenSession { id: session, started, decoding, resumed, committed });
            }
            Event::DecodingStarted { .. } => {
                if let Some(session) = &mut self.session {
                    session.decoding = Some(now);
                }
            }
            Event::DraftStarted { kind, .. } => self.on_draft_started(kind.is_guess()),
            Event::Drafted { session, round, .. } => {
                self.running = None;
                self.open.entry((session, round)).or_default().drafted += 1;
            }
            Event::Guessed { session, round, .. } => {
                self.running = None;
                self.open.entry((session, round)).or_default().guess_open = true;
            }
            Event::DraftStale { guess, .. } => {
                self.running = None;
                if guess {
                    self.counts.guesses_discarded += 1;
                } else {
                    self.counts.discarded += 1;
                }
            }
            Event::UploadStarted { session, round, tokens, nav, .. } => {
                self.counts.uploads += 1;
                self.counts.uploaded += u64::from(tokens);
                if nav {
                    self.counts.navs += 1;
                    self.open.entry((session, round)).or_default().nav = true;
                }
            }
            Event::RoundResolved { session, round, drafted, accepted, .. } => {
                self.on_resolved(session, round, drafted, accepted);
            }
            Event::GuessResolved { session, round, fate, drafted } => {
                self.on_guess_resolved(session, round, fate, drafted);
            }
            Event::RoundDiscarded { session, round, drafted, nav_requested } => {
                let open = self.close_round(session, round, drafted);
                self.counts.discarded += u64::from(drafted);
                self.counts.navs_cancelled += u64::from(nav_requested);
                if open.nav != nav_requested {
                    self.break_law(3, session, || format!("{round} dropped: NAV {nav_requested}"));
                }
            }
            Event::SessionSuspended { session, .. } => self.on_suspended(session),
            Event::Committed { session, position, .. } => self.on_committed(session, position),
            Event::SessionEnded { session, outcome, output_tokens } => {
                self.on_session_ended(session, outcome, output_tokens);
            }
            // What is told of plans, links and the cloud moves no token.
            _ => {}
        }
    }

    /// Requests under way will not be answered; the rounds stay, and ask anew.
    fn on_suspended(&mut self, session: SessionId) {
        for (_, open) in self.open.iter_mut().filter(|((of, _), open)| *of == session && open.nav) {
            open.nav = false;
            self.counts.navs_cancelled += 1;
        }
    }

    fn on_draft_started(&mut self, guess: bool) {
        if self.running.replace(guess).is_some() {
            self.break_law(1, SessionId::default(), || "two draft steps at once".into());
        }
        if guess {
            self.counts.guesses += 1;
        } else {
            self.counts.drafted += 1;
        }
    }

    fn on_resolved(&mut self, session: SessionId, round: RoundId, drafted: u32, accepted: u32) {
        let open = self.close_round(session, round, drafted);
        if !open.nav {
            self.break_law(3, session, || format!("{round} answered without a request"));
        }
        let Some(failed) = drafted.checked_sub(accepted) else {
            return self.break_law(1, session, || {
                format!("{round} has {accepted} accepted of {drafted} drafted")
            });
        };
        let rejected = failed.min(1);
        self.counts.navs_answered += 1;
        self.counts.verified += u64::from(drafted);
        self.counts.accepted += u64::from(accepted);
        self.counts.rejected += u64::from(rejected);
        self.counts.untested += u64::from(failed - rejected);
        self.counts.rollbacks += u64::from(rejected);
    }

    fn on_guess_resolved(
        &mut self,
        session: SessionId,
        round: RoundId,
        fate: GuessFate,
        drafted: u32,
    ) {
        match self.open.get_mut(&(session, round)) {
            Some(open) if open.guess_open => open.guess_open = false,
            _ => self.break_law(2, session, || format!("{round}: no guess is open")),
        }
        match fate {
            GuessFate::Confirmed => {
                self.counts.guesses_confirmed += 1;
                self.counts.reused += u64::from(drafted);
            }
            GuessFate::Missed => self.counts.guesses_missed += 1,
            GuessFate::Discarded => self.counts.guesses_discarded += 1,
        }
    }

    fn on_committed(&mut self, session: SessionId, position: u32) {
        self.counts.output += 1;
        match self.session.as_mut().filter(|open| open.id == session && open.committed == position)
        {
            Some(open) => {
                open.committed += 1;
                if open.committed == open.resumed + 1 {
                    self.counts.first_token += self.now.saturating_since(open.started);
                }
            }
            None => self.break_law(6, session, || format!("position {position} out of turn")),
        }
    }

    fn on_session_ended(&mut self, session: SessionId, outcome: Outcome, output_tokens: u32) {
        let open = self.session.take();
        if open.is_none_or(|open| open.id != session || open.committed != output_tokens) {
            self.break_law(6, session, || format!("ended with {output_tokens} tokens"));
        }
        if let Some(decoding) = open.and_then(|open| open.decoding) {
            self.counts.decoding += self.now.saturating_since(decoding);
        }
        self.counts.sessions += 1;
        if !outcome.is_complete() {
            let ended = Violation::Ended { session, outcome, output_tokens };
            self.violation.get_or_insert(ended);
        }
    }

    fn close_round(&mut self, session: SessionId, round: RoundId, drafted: u32) -> OpenRound {
        let open = self.open.remove(&(session, round)).unwrap_or_default();
        if open.drafted != drafted {
            let seen = open.drafted;
            self.break_law(1, session, || {
                format!("{round} is said to hold {drafted} tokens, {seen} were drafted")
            });
        }
        open
    }

    fn break_law(&mut self, law: u8, session: SessionId, detail: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation::Law { law, session, detail: detail() });
        }
    }

    /// Reports text that is not the truth: the caller knows the truth, the book keeps the verdict.
    pub fn on_wrong_text(
        &mut self,
        session: SessionId,
        position: u32,
        got: TokenId,
        want: TokenId,
    ) {
        self.break_law(6, session, || format!("position {position} is {got}, should be {want}"));
    }

    /// The first broken law, or else whether the totals add up.
    ///
    /// # Errors
    /// The violation found.
    pub fn check(&self) -> Result<(), Violation> {
        if let Some(violation) = &self.violation {
            return Err(violation.clone());
        }
        let c = &self.counts;
        let in_rounds: u64 = self.open.values().map(|open| u64::from(open.drafted)).sum();
        let guesses_open = self.open.values().filter(|open| open.guess_open).count() as u64;
        let navs_open = self.open.values().filter(|open| open.nav).count() as u64;
        let running = |guess| u64::from(self.running == Some(guess));
        let fates = c.accepted + c.rejected + c.untested + c.discarded;
        let guess_fates = c.guesses_confirmed + c.guesses_missed + c.guesses_discarded;
        let laws = [
            (1, "drafted", c.drafted, fates + in_rounds + running(false)),
            (2, "guesses", c.guesses, guess_fates + guesses_open + running(true)),
            (3, "NAVs", c.navs, c.navs_answered + c.navs_cancelled + navs_open),
        ];
        for (law, what, total, parts) in laws {
            if total != parts {
                let detail = format!("{what}: {total} in all, {parts} accounted for");
                return Err(Violation::Total { law, detail });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DraftKind;
    use crate::event::NavCause;
    use crate::ids::MessageId;

    const SESSION: SessionId = SessionId(0);
    const ROUND: RoundId = RoundId(0);

    /// A round of two tokens, both accepted.
    fn good_round() -> Vec<Event> {
        let drafted = |position| Event::Drafted {
            session: SESSION,
            round: ROUND,
            position,
            token: TokenId(1),
            confidence: 0.9,
        };
        let started = |position| Event::DraftStarted {
            session: SESSION,
            round: ROUND,
            position,
            kind: DraftKind::Main,
        };
        vec![
            Event::SessionStarted { session: SESSION, text: 0 },
            started(0),
            drafted(0),
            started(1),
            drafted(1),
            Event::NavFired { session: SESSION, round: ROUND, cause: NavCause::Length, drafted: 2 },
            Event::UploadStarted {
                session: SESSION,
                round: ROUND,
                message: MessageId(0),
                offset: 0,
                tokens: 2,
                nav: true,
            },
            Event::RoundResolved {
                session: SESSION,
                round: ROUND,
                drafted: 2,
                accepted: 2,
                extra: true,
                proactive: false,
            },
        ]
    }

    fn check(events: &[Event]) -> Result<Counts, Violation> {
        let mut ledger = Ledger::default();
        events.iter().for_each(|event| ledger.record(Instant::ZERO, event));
        ledger.check().map(|()| *ledger.counts())
    }

    #[test]
    fn a_sound_round_adds_up_at_every_moment() {
        let events = good_round();
        for upto in 0..=events.len() {
            check(&events[..upto]).expect("laws hold in the middle of a round too");
        }
        assert_eq!(check(&events).expect("sound").accepted, 2);
    }

    #[test]
    fn each_law_can_fail() {
        let law = |events: &[Event]| match check(events).expect_err("a broken law") {
            Violation::Law { law, .. } | Violation::Total { law, .. } => law,
            Violation::Ended { .. } => panic!("the session did not end"),
        };
        let mut lost_token = good_round();
        lost_token.remove(4);
        assert_eq!(law(&lost_token), 1);
        let mut answered_twice = good_round();
        answered_twice.push(answered_twice[7]);
        assert!(matches!(law(&answered_twice), 1 | 3));
        let mut unasked = good_round();
        unasked.remove(6);
        assert_eq!(law(&unasked), 3);
        let guess = Event::GuessResolved {
            session: SESSION,
            round: ROUND,
            fate: GuessFate::Missed,
            drafted: 0,
        };
        assert_eq!(law(&[guess]), 2);
    }
}
