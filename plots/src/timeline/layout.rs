//! From events to marks. Spans that the log leaves open end with it.

use std::collections::BTreeMap;

use pipesd_core::event::{Event, GuessFate, Stamped};
use pipesd_core::ids::{MessageId, RoundId, SessionId};
use pipesd_core::time::Instant;

use super::fates::{Key, Run};
use super::{Kind, Mark, TokenFate};

/// What a mark belongs to.
type Place = (SessionId, Option<RoundId>);

/// All marks of a run.
pub(crate) fn marks(run: &Run, events: &[Stamped]) -> Vec<Mark> {
    let mut layout = Layout { marks: round_marks(run), ..Layout::empty(run) };
    for stamped in events {
        if stamped.endpoint == run.edge {
            layout.on_drafting(stamped);
            layout.on_uplink(stamped);
        } else {
            layout.on_cloud(stamped);
        }
    }
    layout.close()
}

/// A mark for each round; rounds that overlap get rows of their own, the topmost that is free.
fn round_marks(run: &Run) -> Vec<Mark> {
    let mut rows_free_from: Vec<Instant> = Vec::new();
    let mut in_order: Vec<_> = run.rounds.iter().collect();
    in_order.sort_by_key(|(key, round)| (round.started, **key));
    let mut marks = Vec::with_capacity(in_order.len());
    for (&(session, id), round) in in_order {
        let end = round.ended.unwrap_or(run.end);
        let free = rows_free_from.iter().position(|&from| from <= round.started);
        let row = free.unwrap_or(rows_free_from.len());
        rows_free_from.resize(rows_free_from.len().max(row + 1), end);
        rows_free_from[row] = end;
        let guessed_until = round.guess.map(|guess| {
            let until = guess.resolved.map_or(end, |(at, _)| at);
            run.since_origin(until)
        });
        marks.push(Mark {
            kind: Kind::Round { guessed_until, fate: round.fate, row },
            session,
            round: Some(id),
            start: run.since_origin(round.started),
            end: run.since_origin(end),
            label: id.0.to_string(),
        });
    }
    marks
}

/// Marks so far, and the spans that have begun.
struct Layout<'a> {
    run: &'a Run,
    marks: Vec<Mark>,
    /// The draft model's step under way.
    step: Option<Instant>,
    /// Draft tokens of each round so far, to number them.
    drafted: BTreeMap<Key, u32>,
    /// Likewise upload batches.
    batches: BTreeMap<Key, u32>,
    /// Uploads under way, each as the mark that it will be.
    uploads: BTreeMap<MessageId, Mark>,
    /// NAVs under way.
    passes: BTreeMap<Key, Instant>,
    /// Draft tokens of NAVs that are over.
    verified: BTreeMap<Key, u32>,
    prefill: Option<Instant>,
}

impl<'a> Layout<'a> {
    const fn empty(run: &'a Run) -> Self {
        Self {
            run,
            marks: Vec::new(),
            step: None,
            drafted: BTreeMap::new(),
            batches: BTreeMap::new(),
            uploads: BTreeMap::new(),
            passes: BTreeMap::new(),
            verified: BTreeMap::new(),
            prefill: None,
        }
    }

    fn mark(&self, kind: Kind, place: Place, span: (Instant, Instant), label: String) -> Mark {
        let (start, end) = (self.run.since_origin(span.0), self.run.since_origin(span.1));
        Mark { kind, session: place.0, round: place.1, start, end, label }
    }

    fn push(&mut self, kind: Kind, place: Place, span: (Instant, Instant), label: String) {
        self.marks.push(self.mark(kind, place, span, label));
    }

    fn on_drafting(&mut self, stamped: &Stamped) {
        let at = stamped.at;
        match stamped.event {
            Event::DraftStarted { .. } => self.step = Some(at),
            Event::Drafted { session, round, .. } => {
                let key = (session, round);
                let drafted = self.drafted.entry(key).or_default();
                let fate = self.run.rounds[&key].token_fate(*drafted);
                *drafted += 1;
                self.end_step(Kind::Draft(fate), key, at);
            }
            Event::Guessed { session, round, .. } => {
                let key = (session, round);
                let guess = self.run.rounds[&key].guess.and_then(|guess| guess.resolved);
                self.end_step(Kind::Guess(guess.map(|(_, fate)| fate)), key, at);
            }
            Event::DraftStale { session, round, guess, .. } => {
                let kind = if guess {
                    Kind::Guess(Some(GuessFate::Discarded))
                } else {
                    Kind::Draft(TokenFate::Discarded)
                };
                self.end_step(kind, (session, round), at);
            }
            Event::NavFired { session, round, cause, .. } => {
                let word = cause.word();
                let letter = word[..1].to_uppercase();
                self.push(Kind::NavFired(cause), (session, Some(round)), (at, at), letter);
            }
            Event::SessionEnded { session, .. } => {
                let label = "end of prompt".to_owned();
                self.push(Kind::PromptEnd, (session, None), (at, at), label);
            }
            _ => {}
        }
    }

    fn end_step(&mut self, kind: Kind, key: Key, at: Instant) {
        let start = self.step.take().unwrap_or(at);
        self.push(kind, (key.0, Some(key.1)), (start, at), String::new());
    }

    fn on_uplink(&mut self, stamped: &Stamped) {
        match stamped.event {
            Event::UploadStarted { session, round, message, tokens, nav, .. } => {
                let key = (session, round);
                let batch = self.batches.entry(key).or_default();
                *batch += 1;
                let label = format!("{}.{batch}", round.0);
                let kind = Kind::Upload { tokens, nav, cancelled: false };
                let place = (session, Some(round));
                let mark = self.mark(kind, place, (stamped.at, stamped.at), label);
                self.uploads.insert(message, mark);
            }
            // Where a link cannot be aborted it stays occupied: the mark goes on until it is free.
            Event::UploadCancelled { message } => {
                if let Some(Mark { kind: Kind::Upload { cancelled, .. }, .. }) =
                    self.uploads.get_mut(&message)
                {
                    *cancelled = true;
                }
            }
            Event::UploadSent { message } => {
                if let Some(mut mark) = self.uploads.remove(&message) {
                    mark.end = self.run.since_origin(stamped.at);
                    self.marks.push(mark);
                }
            }
            _ => {}
        }
    }

    fn on_cloud(&mut self, stamped: &Stamped) {
        let at = stamped.at;
        let ours = |session| self.run.sessions.contains(session);
        match stamped.event {
            Event::PrefillStarted { session, .. } if ours(&session) => self.prefill = Some(at),
            Event::PrefillFinished { session } if ours(&session) => {
                let start = self.prefill.take().unwrap_or(at);
                self.push(Kind::Prefill, (session, None), (start, at), "prefill".to_owned());
            }
            Event::VerifyStarted { session, round, .. } if ours(&session) => {
                self.passes.insert((session, round), at);
            }
            Event::VerifyFinished { session, round, tokens } if ours(&session) => {
                let key = (session, round);
                let start = self.passes.remove(&key).unwrap_or(at);
                self.verified.insert(key, tokens);
                self.push(Kind::Verify, (session, Some(round)), (start, at), String::new());
            }
            Event::VerdictSent { session, round, accepted } if ours(&session) => {
                let key = (session, round);
                let ended = self.run.rounds.get(&key).and_then(|round| round.ended);
                // A verdict that the edge had no more use for is a point.
                let end = ended.map_or(at, |ended| ended.max(at));
                let drafted = self.verified.get(&key);
                let label = drafted.map_or_else(String::new, |n| format!("{accepted}/{n}"));
                self.push(Kind::Verdict, (session, Some(round)), (at, end), label);
            }
            _ => {}
        }
    }

    /// Ends what is still under way when the log does.
    fn close(mut self) -> Vec<Mark> {
        let end = self.run.end;
        for (_, mut mark) in core::mem::take(&mut self.uploads) {
            mark.end = self.run.since_origin(end);
            self.marks.push(mark);
        }
        for ((session, round), start) in core::mem::take(&mut self.passes) {
            self.push(Kind::Verify, (session, Some(round)), (start, end), String::new());
        }
        self.marks
    }
}
