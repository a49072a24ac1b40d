//! One request at the edge: its text, committed and speculative, and its rounds.

use std::collections::{BTreeMap, VecDeque};

use super::round::Round;
use super::tuning::Setting;
use crate::blob::Blob;
use crate::contract::{DraftStep, Output, Proposal};
use crate::device::DraftKind;
use crate::event::{Event, GuessFate, NavCause, Outcome};
use crate::ids::{PrefixHash, RoundId, SessionId, TokenId};
use crate::message::{ROUND_TOKENS_MAX, Request, Verdict};
use crate::method::Method;
use crate::payload::Payload;
use crate::script::ScriptedRound;
use crate::time::Instant;
use crate::trigger::{DraftObservation, Trigger, VerdictObservation};
use crate::verification::{Claim, Evidence, Sampling, Terms};

/// What the draft model is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) round: RoundId,
    pub(super) position: u32,
    pub(super) kind: DraftKind,
}

/// What a verdict did.
pub(super) enum Resolution {
    /// It answers nothing that is pending.
    Ignored,
    /// It contradicts its round.
    Refused,
    /// It resolved the front round.
    Resolved(Resolved),
}

pub(super) struct Resolved {
    pub(super) drafted: u32,
    /// Output tokens: accepted and extra ones.
    pub(super) tokens: u32,
    /// What the round was begun under.
    pub(super) setting: Option<Setting>,
    /// Proactive rounds and the running step stay valid.
    pub(super) successors_kept: bool,
    /// The text is complete.
    pub(super) outcome: Option<Outcome>,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    request: Request,
    pub(super) prefilled: bool,
    /// The cloud serves the session.
    pub(super) opened: bool,
    /// How often the cloud was asked to.
    openings: u32,
    /// Since when the cloud says that it does not.
    pub(super) denied_since: Option<Instant>,
    /// How often it was evicted since the last token was committed.
    pub(super) evictions: u32,
    /// It has drafted without a link since it was suspended.
    pub(super) alone: bool,
    began: Instant,
    pub(super) probes_pending: u32,
    pub(super) decoding: bool,
    pub(super) last_progress: Instant,
    /// Committed text, then guesses and drafts of the rounds in order.
    text: Vec<TokenId>,
    committed: u32,
    /// What the draft model said of drafts that are not committed yet, by output position.
    claims: BTreeMap<u32, Claim>,
    /// Output tokens that the draft model's cache holds validly.
    evaluated: u32,
    rounds: VecDeque<Round>,
    /// Verdicts on proactive rounds that have overtaken their parents': at most one a round.
    early: Vec<Verdict>,
    round_count: u32,
    last_resolved: Option<RoundId>,
    /// Hash of the committed text.
    prefix: PrefixHash,
    trigger: Trigger,
    /// The tuner's thresholds for rounds begun now; None: `trigger` decides.
    pub(super) setting: Option<Setting>,
    /// Whether speculation goes on after a round that fired ahead of its parent's verdict.
    resumes: bool,
    /// Rounds that follow a script, by start.
    scripted: BTreeMap<u32, ScriptedRound>,
}

impl Session {
    pub(super) fn new(now: Instant, request: Request, method: &Method, probes: u32) -> Self {
        let mut text = Vec::with_capacity(request.budget.min(4096) as usize);
        text.extend_from_slice(&request.text);
        Self {
            committed: text.len() as u32,
            prefix: PrefixHash::EMPTY.extend(&text),
            text,
            request,
            prefilled: false,
            opened: false,
            openings: 0,
            denied_since: None,
            evictions: 0,
            alone: false,
            began: now,
            probes_pending: probes,
            decoding: false,
            last_progress: now,
            claims: BTreeMap::new(),
            evaluated: 0,
            rounds: VecDeque::new(),
            early: Vec::new(),
            round_count: 0,
            last_resolved: None,
            trigger: Trigger::new(method.trigger),
            setting: None,
            resumes: method.waiting.resumes(),
            scripted: BTreeMap::new(),
        }
    }

    /// Has the session follow a script, given by the starts of its rounds.
    pub(super) fn follow(&mut self, rounds: BTreeMap<u32, ScriptedRound>) {
        self.scripted = rounds;
    }

    pub(super) const fn id(&self) -> SessionId {
        self.request.session
    }

    pub(super) fn prompt(&self) -> &[TokenId] {
        &self.request.prompt
    }

    /// How this request's tokens are proposed and judged.
    pub(super) const fn sampling(&self, terms: Terms) -> Sampling {
        Sampling { terms, temperature: self.request.temperature, seed: self.request.seed }
    }

    pub(super) const fn committed(&self) -> u32 {
        self.committed
    }

    pub(super) const fn began(&self) -> Instant {
        self.began
    }

    /// The opening that was asked for last.
    pub(super) const fn opening(&self) -> Option<u32> {
        self.openings.checked_sub(1)
    }

    /// What is asked of the cloud: the request from here on, and how often it was asked before.
    pub(super) fn open(&mut self) -> (Request, u32) {
        let opening = self.openings;
        self.openings += 1;
        let text = self.text[..self.committed as usize].to_vec();
        (Request { text, ..self.request.clone() }, opening)
    }

    /// The cloud serves the session as it was asked to.
    pub(super) fn on_opened(&mut self, opening: u32, outputs: &mut VecDeque<Output>) {
        if self.opened || self.opening() != Some(opening) {
            return;
        }
        self.opened = true;
        self.denied_since = None;
        self.alone = false;
        if opening > 0 {
            let (session, committed) = (self.id(), self.committed);
            let unverified = self.text.len() as u32 - committed;
            let resumed = Event::SessionResumed { session, committed, unverified };
            outputs.push_back(Output::Event(resumed));
        }
    }

    /// The cloud does not serve the session for now: all of its rounds are to go up again, the first one
    /// without a parent.
    pub(super) fn suspend(&mut self) {
        self.opened = false;
        self.early.clear();
        self.last_resolved = None;
        for round in &mut self.rounds {
            (round.sent, round.batches, round.nav_requested) = (0, 0, false);
        }
        if let Some(front) = self.rounds.front_mut() {
            front.parent = None;
        }
    }

    pub(super) const fn last_resolved(&self) -> Option<RoundId> {
        self.last_resolved
    }

    /// The rounds, the one that stands on committed text first.
    pub(super) fn rounds_mut(&mut self) -> impl Iterator<Item = &mut Round> {
        self.rounds.iter_mut()
    }

    pub(super) fn tokens(&self, from: u32, count: u32) -> &[TokenId] {
        &self.text[from as usize..(from + count) as usize]
    }

    /// What goes up with these tokens; nothing unless something was claimed of each of them.
    pub(super) fn evidence(&self, from: u32, count: u32, payload: Payload) -> Vec<Evidence> {
        let claims = (from..from + count).map(|position| self.claims.get(&position));
        let evidence = claims.map(|claim| claim.and_then(|claim| claim.evidence(payload)));
        evidence.collect::<Option<Vec<Evidence>>>().unwrap_or_default()
    }

    /// The distribution that the draft numbered `index` of the pending round was drawn from.
    pub(super) fn distribution(&self, round: RoundId, index: u32) -> Option<Blob> {
        let front = self.rounds.front().filter(|front| front.id == round)?;
        let position = front.start.checked_add(index)?;
        self.claims.get(&position).map(|claim| claim.distribution.clone())
    }

    /// The next step of the draft model, at most `depth` proactive rounds ahead; none: it rests.
    pub(super) fn next_step(
        &mut self,
        depth: u32,
        outputs: &mut VecDeque<Output>,
    ) -> Option<(Step, DraftStep)> {
        if self.rounds.is_empty() {
            let id = RoundId(self.round_count);
            self.round_count += 1;
            let (parent, start) = (self.last_resolved, self.committed);
            self.begin_round(Round::new(id, parent, start, self.prefix, None), outputs);
        }
        let next_id = RoundId(self.round_count);
        let (round, kind) = match self.rounds.back() {
            None => return None,
            Some(last) if last.closed => return None,
            Some(last) => match last.fired {
                None => (last.id, last.draft_kind()),
                Some(NavCause::EndOfText) => return None,
                Some(_) => {
                    // A guess is worth its step only if a draft may follow it.
                    let room = last.end() + 1 < self.request.budget;
                    let rests = match &last.scripted {
                        Some(scripted) => !scripted.guess,
                        None => last.depth >= depth,
                    };
                    if rests || !room {
                        return None;
                    }
                    (next_id, DraftKind::Guess)
                }
            },
        };
        let position = self.text.len() as u32;
        let keep = self.evaluated;
        let feed = self.text[keep as usize..].to_vec();
        // The step evaluates its feed before anything else can be asked of the model.
        self.evaluated = position;
        let work = DraftStep { session: self.id(), round, kind, keep, feed };
        Some((Step { round, position, kind }, work))
    }

    /// Opens a round. One that a script wants without drafts is complete at once.
    fn begin_round(&mut self, mut round: Round, outputs: &mut VecDeque<Output>) {
        round.scripted = self.scripted.get(&round.start).cloned();
        round.setting = self.setting;
        if round.scripted.as_ref().is_some_and(|scripted| scripted.batches.is_empty()) {
            let (session, round_id, cause) = (self.id(), round.id, NavCause::Length);
            round.fired = Some(cause);
            let fired = Event::NavFired { session, round: round_id, cause, drafted: 0 };
            outputs.push_back(Output::Event(fired));
        }
        self.rounds.push_back(round);
    }

    pub(super) fn on_drafted(
        &mut self,
        step: Step,
        proposal: Proposal,
        claim: Option<Claim>,
        outputs: &mut VecDeque<Output>,
    ) {
        let Proposal { token, confidence } = proposal;
        let Step { round, position, .. } = step;
        assert_eq!(position as usize, self.text.len(), "a valid step extends the text");
        let session = self.id();
        let ends_text = self.request.stop_ids.contains(&token);
        if step.kind.is_guess() {
            let parent = self.rounds.back().expect("a guess follows a round");
            let drafts = self.tokens(parent.start, parent.drafted);
            let prefix = parent.prefix.extend(drafts).push(token);
            let mut opened = Round::new(round, Some(parent.id), position + 1, prefix, Some(token));
            opened.closed = ends_text;
            opened.depth = parent.depth + 1;
            self.text.push(token);
            self.round_count += 1;
            let guessed = Event::Guessed { session, round, position, token, confidence };
            outputs.push_back(Output::Event(guessed));
            self.begin_round(opened, outputs);
            return;
        }
        self.text.push(token);
        if let Some(claim) = claim {
            self.claims.insert(position, claim);
        }
        let last = self.rounds.back_mut().expect("a draft has a round");
        assert_eq!(last.id, round, "only the last round is drafted");
        last.drafted += 1;
        last.product *= confidence;
        let drafted = last.drafted;
        let drafted_event = Event::Drafted { session, round, position, token, confidence };
        outputs.push_back(Output::Event(drafted_event));
        // The budget's last token comes as the extra one; a round needs at least one draft.
        let room = self.request.budget.saturating_sub(last.start + 1).clamp(1, ROUND_TOKENS_MAX);
        let seen = DraftObservation { drafted, confidence, product: last.product };
        let cause = if ends_text {
            Some(NavCause::EndOfText)
        } else {
            let fires = match (&last.scripted, last.setting) {
                (Some(scripted), _) => (drafted >= scripted.tokens()).then_some(NavCause::Length),
                (None, Some(setting)) => Trigger::new(setting.trigger).on_draft(&seen),
                (None, None) => self.trigger.on_draft(&seen),
            };
            fires.or((drafted >= room).then_some(NavCause::Budget))
        };
        if let Some(cause) = cause {
            last.fired = Some(cause);
            let fired = Event::NavFired { session, round, cause, drafted };
            outputs.push_back(Output::Event(fired));
        }
    }

    pub(super) fn on_verdict(
        &mut self,
        verdict: &Verdict,
        outputs: &mut VecDeque<Output>,
    ) -> Resolution {
        let session = self.id();
        let Some(front) =
            self.rounds.front().filter(|front| front.id == verdict.round && front.nav_requested)
        else {
            self.keep_if_early(verdict);
            return Resolution::Ignored;
        };
        let Round { id, start, drafted, product, guess, setting, .. } = *front;
        let Verdict { accepted, extra, .. } = *verdict;
        if accepted > drafted {
            return Resolution::Refused;
        }
        let end = start + accepted;
        if extra.is_some() && end >= self.request.budget {
            return Resolution::Refused;
        }
        let last_accepted = accepted.checked_sub(1).map(|i| self.text[(start + i) as usize]);
        let ended = last_accepted.is_some_and(|token| self.request.stop_ids.contains(&token));
        let last = if ended && extra.is_some() { None } else { extra.or(last_accepted) };
        let Some(last) = last else { return Resolution::Refused };
        let outcome = if self.request.stop_ids.contains(&last) {
            Some(Outcome::EndOfText)
        } else {
            (end + u32::from(extra.is_some()) >= self.request.budget).then_some(Outcome::Budget)
        };
        if outcome.is_none() && extra.is_none() {
            return Resolution::Refused; // Only at the end of the text may the extra token lack.
        }
        let full = accepted == drafted;
        self.trigger.on_verdict(&VerdictObservation { drafted, accepted, product });
        outputs.push_back(Output::Event(Event::RoundResolved {
            session,
            round: id,
            drafted,
            accepted,
            extra: extra.is_some(),
            proactive: guess.is_some(),
        }));
        self.rounds.pop_front();
        self.last_resolved = Some(id);
        let kept = full && extra.is_some() && self.rounds.front().is_some_and(|r| r.guess == extra);
        if kept {
            let child = self.rounds.front_mut().expect("kept");
            child.awaits_parent = false;
            outputs.push_back(Output::Event(Event::GuessResolved {
                session,
                round: child.id,
                fate: GuessFate::Confirmed,
                drafted: child.drafted,
            }));
            // Without resumption a round that has fired keeps the depth that it fired at.
            for round in self.rounds.iter_mut().filter(|r| self.resumes || r.fired.is_none()) {
                round.depth -= 1;
            }
        } else {
            let first_fate =
                if full && extra.is_some() { GuessFate::Missed } else { GuessFate::Discarded };
            self.discard(first_fate, outputs);
            self.text.truncate(end as usize);
            self.claims.split_off(&end);
            self.text.extend(extra);
            self.evaluated = self.evaluated.min(end);
        }
        self.commit(end + u32::from(extra.is_some()), outputs);
        let tokens = accepted + u32::from(extra.is_some());
        Resolution::Resolved(Resolved { drafted, tokens, setting, successors_kept: kept, outcome })
    }

    /// Where messages overtake each other, so may verdicts: this one's turn comes with its round's.
    fn keep_if_early(&mut self, verdict: &Verdict) {
        let awaited = |round: &Round| round.id == verdict.round && round.nav_requested;
        let known = self.early.iter().any(|early| early.round == verdict.round);
        if self.rounds.iter().any(awaited) && !known {
            self.early.push(verdict.clone());
        }
    }

    /// The verdict on the front round, if it came before its time.
    pub(super) fn take_early(&mut self) -> Option<Verdict> {
        let front = self.rounds.front()?.id;
        let index = self.early.iter().position(|verdict| verdict.round == front)?;
        Some(self.early.swap_remove(index))
    }

    fn commit(&mut self, through: u32, outputs: &mut VecDeque<Output>) {
        let session = self.id();
        for position in self.committed..through {
            let token = self.text[position as usize];
            self.prefix = self.prefix.push(token);
            outputs.push_back(Output::Event(Event::Committed { session, position, token }));
        }
        self.committed = through;
        self.evictions = 0;
        self.claims = self.claims.split_off(&through);
    }

    /// Drops every round that is left, the first guess with the given fate.
    fn discard(&mut self, first_fate: GuessFate, outputs: &mut VecDeque<Output>) {
        let session = self.id();
        let mut fate = first_fate;
        self.early.clear();
        for round in self.rounds.drain(..) {
            let Round { id, drafted, nav_requested, awaits_parent, .. } = round;
            if awaits_parent {
                let resolved = Event::GuessResolved { session, round: id, fate, drafted };
                outputs.push_back(Output::Event(resolved));
            }
            let dropped = Event::RoundDiscarded { session, round: id, drafted, nav_requested };
            outputs.push_back(Output::Event(dropped));
            fate = GuessFate::Discarded;
        }
    }

    pub(super) fn discard_all(&mut self, outputs: &mut VecDeque<Output>) {
        self.discard(GuessFate::Discarded, outputs);
    }
}
