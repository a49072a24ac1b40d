//! One session at the cloud: its committed text and the rounds that have (partly) arrived.

use crate::contract::VerifyBlock;
use crate::ids::{PrefixHash, RoundId, TokenId};
use crate::message::{Message, ROUND_TOKENS_MAX, Request, Upload, UploadReport, Verdict};
use crate::payload::Payload;
use crate::time::Instant;
use crate::verification::{Decision, Evidence, Sampling, Terms};

/// Rounds held unverified at most: the pending one, proactive ones, and stale ones not yet known to
/// be so. An edge that goes beyond has its uploads dropped.
const ROUNDS_MAX: usize = 32;

/// Evidence held of a session's rounds at most \[bytes\], beyond its small tokens. The paper's
/// payload has 290 kB for each draft: 231 drafts of it, several of its longest rounds. A peer could
/// otherwise fill the memory of all with rounds that it never completes.
const EVIDENCE_BYTES_MAX: u64 = 64 << 20;

/// Measurements kept for the next verdict at most: as many as an edge's monitor remembers.
const REPORTS_MAX: usize = 100;

/// What became of an upload.
pub(super) enum Arrival {
    /// It belongs to a round that can never be verified, contradicts what is held of its round, or
    /// is more than may be held.
    Stale,
    /// It is kept.
    Held,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Its text is `text` below.
    request: Request,
    terms: Terms,
    /// How often the edge had opened it before.
    opening: u32,
    /// The target has evaluated the prompt.
    pub(super) prefilled: bool,
    /// When something was last heard of it.
    pub(super) heard: Instant,
    /// A decision that waits for the distribution of the draft that it rejects (lazy rejection).
    awaiting: Option<Awaiting>,
    /// A verdict on a rejection that the lazy payload has the edge show its distribution for, though
    /// the decision did not need it: the exchange is carried out so that it is timed and counted.
    pub(super) withheld: Option<Verdict>,
    /// Uploads measured since the last verdict.
    pub(super) reports: Vec<UploadReport>,
    text: Vec<TokenId>,
    prefix: PrefixHash,
    /// Output tokens that the target's cache holds validly.
    evaluated: u32,
    last_verified: Option<RoundId>,
    ended: bool,
    /// A round is ready, being verified, or waits for a distribution: no other can be until then,
    /// whatever a peer sends.
    busy: bool,
    /// In order of id.
    rounds: Vec<Round>,
}

/// A decision that waits for the distribution of the draft that it rejects.
#[derive(Clone, Debug)]
pub(super) struct Awaiting {
    round: RoundId,
    /// The target's tokens before it.
    tokens: Vec<TokenId>,
}

/// A round as far as it has arrived.
#[derive(Clone, Debug)]
struct Round {
    id: RoundId,
    parent: Option<RoundId>,
    start: u32,
    prefix: PrefixHash,
    /// By index in the round, each with what came with it; batches may arrive in any order.
    tokens: Vec<Option<(TokenId, Option<Evidence>)>>,
    nav: Option<u32>,
    /// Of the evidence above.
    evidence_bytes: u64,
}

impl Round {
    fn is_complete(&self) -> bool {
        self.nav.is_some_and(|count| {
            self.tokens.len() == count as usize && self.tokens.iter().all(Option::is_some)
        })
    }

    /// Whether a batch contradicts nothing of what is held. A complete round takes nothing more: it
    /// may be with the target, and what is judged must be what was verified.
    fn takes(&self, first: usize, tokens: &[TokenId], nav: Option<u32>) -> bool {
        let most = self.nav.or(nav).map_or(usize::MAX, |count| count as usize);
        let held = self.tokens.iter().skip(first).zip(tokens);
        !self.is_complete()
            && nav.is_none_or(|count| self.nav.is_none_or(|known| known == count))
            && self.tokens.len().max(first + tokens.len()) <= most
            && held.into_iter().all(|(held, token)| held.as_ref().is_none_or(|(t, _)| t == token))
    }

    /// Keeps a batch that it takes. What is held already stays as it is.
    fn put(&mut self, first: usize, tokens: Vec<TokenId>, evidence: Vec<Evidence>) {
        let end = first + tokens.len();
        if self.tokens.len() < end {
            self.tokens.resize(end, None);
        }
        let mut evidence = evidence.into_iter();
        for (place, token) in self.tokens[first..end].iter_mut().zip(tokens) {
            let evidence = evidence.next();
            if place.is_none() {
                self.evidence_bytes += evidence.as_ref().map_or(0, Evidence::bytes);
                *place = Some((token, evidence));
            }
        }
    }
}

/// Tokens that a request's session may grow to.
pub(super) fn reserved(request: &Request) -> u64 {
    request.prompt.len() as u64 + u64::from(request.budget)
}

impl Session {
    pub(super) fn new(now: Instant, mut request: Request, terms: Terms, opening: u32) -> Self {
        let text = core::mem::take(&mut request.text);
        Self {
            prefix: PrefixHash::EMPTY.extend(&text),
            text,
            request,
            terms,
            opening,
            prefilled: false,
            heard: now,
            awaiting: None,
            withheld: None,
            reports: Vec::new(),
            evaluated: 0,
            last_verified: None,
            ended: false,
            busy: false,
            rounds: Vec::new(),
        }
    }

    /// What the edge is told of the opening that is in force.
    pub(super) const fn opened(&self) -> Message {
        Message::Opened { session: self.request.session, opening: self.opening }
    }

    pub(super) const fn opening(&self) -> u32 {
        self.opening
    }

    /// Tokens that it may grow to.
    pub(super) fn reserved(&self) -> u64 {
        reserved(&self.request)
    }

    /// Draft tokens that are held.
    pub(super) fn held_tokens(&self) -> u32 {
        self.rounds.iter().map(|round| round.tokens.len() as u32).sum()
    }

    /// Whether a round of it is with the target, or waits for it or for a distribution.
    pub(super) const fn is_busy(&self) -> bool {
        self.busy || self.withheld.is_some()
    }

    /// Whether it was begun with the same request, and its text begins with that of `request`.
    pub(super) fn continues(&self, request: &Request, terms: Terms) -> bool {
        let Request { session: _, prompt, budget, stop_ids, temperature, seed, text } = request;
        let own = &self.request;
        self.terms == terms
            && (&own.prompt, own.budget, &own.stop_ids, own.temperature, own.seed)
                == (prompt, *budget, stop_ids, *temperature, *seed)
            && self.text.starts_with(text)
    }

    /// Goes back to the first `committed` tokens of its text, as a new opening wants it: verdicts that
    /// committed more have not arrived, and what has arrived of rounds will come again.
    pub(super) fn take_up(&mut self, committed: usize, opening: u32) {
        self.opening = opening;
        self.text.truncate(committed);
        self.prefix = PrefixHash::EMPTY.extend(&self.text);
        self.evaluated = self.evaluated.min(committed as u32);
        (self.awaiting, self.withheld, self.last_verified) = (None, None, None);
        (self.ended, self.busy) = (false, false);
        self.rounds.clear();
        self.reports.clear();
    }

    pub(super) fn prompt(&self) -> &[TokenId] {
        &self.request.prompt
    }

    /// Keeps a measured upload for the next verdict.
    pub(super) fn report(&mut self, report: UploadReport) {
        if self.reports.len() == REPORTS_MAX {
            self.reports.remove(0);
        }
        self.reports.push(report);
    }

    /// Whether a round of this parent, start and prefix stands on the committed text.
    fn stands(&self, parent: Option<RoundId>, start: u32, prefix: PrefixHash) -> bool {
        parent == self.last_verified && start as usize == self.text.len() && prefix == self.prefix
    }

    /// Whether such a round can never be verified, as far as can be told yet.
    fn is_stale(
        &self,
        id: RoundId,
        parent: Option<RoundId>,
        start: u32,
        prefix: PrefixHash,
    ) -> bool {
        self.ended
            || self.last_verified.is_some_and(|last| id <= last)
            || (parent <= self.last_verified && !self.stands(parent, start, prefix))
    }

    /// Whether so much more evidence may be held.
    fn has_room(&self, evidence: &[Evidence]) -> bool {
        let held: u64 = self.rounds.iter().map(|round| round.evidence_bytes).sum();
        held + evidence.iter().map(Evidence::bytes).sum::<u64>() <= EVIDENCE_BYTES_MAX
    }

    pub(super) fn on_upload(&mut self, upload: Upload) -> Arrival {
        let Upload { round: id, parent, start, prefix, offset, tokens, nav, .. } = upload;
        let evidence = if self.terms.need_evidence() { upload.evidence } else { Vec::new() };
        let (first, end) = (offset as usize, offset as usize + tokens.len());
        if self.is_stale(id, parent, start, prefix) || end > ROUND_TOKENS_MAX as usize {
            return Arrival::Stale;
        }
        let found = self.rounds.binary_search_by_key(&id, |round| round.id);
        let fits = match found {
            Ok(index) => {
                let round = &self.rounds[index];
                (round.parent, round.start, round.prefix) == (parent, start, prefix)
                    && round.takes(first, &tokens, nav)
            }
            Err(_) => {
                self.rounds.len() < ROUNDS_MAX && nav.is_none_or(|count| end <= count as usize)
            }
        };
        if !fits || !self.has_room(&evidence) {
            return Arrival::Stale;
        }
        let index = found.unwrap_or_else(|index| {
            let (tokens, nav, evidence_bytes) = (Vec::with_capacity(end), None, 0);
            let round = Round { id, parent, start, prefix, tokens, nav, evidence_bytes };
            self.rounds.insert(index, round);
            index
        });
        self.rounds[index].put(first, tokens, evidence);
        self.rounds[index].nav = self.rounds[index].nav.or(nav);
        Arrival::Held
    }

    /// The round that can be verified now, once, and how many tokens there are to evaluate for it.
    pub(super) fn take_ready(&mut self) -> Option<(RoundId, u32)> {
        if self.busy {
            return None;
        }
        let stands = |r: &&Round| r.is_complete() && self.stands(r.parent, r.start, r.prefix);
        let unevaluated = self.text.len() as u32 - self.evaluated;
        let of = |round: &Round| (round.id, unevaluated + round.tokens.len() as u32);
        let ready = self.rounds.iter().find(stands).map(of);
        self.busy = ready.is_some();
        ready
    }

    /// The block to verify for a round that was ready.
    pub(super) fn block(&mut self, id: RoundId) -> VerifyBlock {
        let round = self.rounds.iter().find(|round| round.id == id).expect("a ready round is held");
        let tokens = round.tokens.iter().flatten();
        VerifyBlock {
            session: self.request.session,
            round: id,
            keep: self.evaluated,
            feed: self.text[self.evaluated as usize..].to_vec(),
            drafts: tokens.clone().map(|(token, _)| *token).collect(),
            evidence: tokens
                .map(|(_, evidence)| evidence.clone())
                .collect::<Option<_>>()
                .unwrap_or_default(),
        }
    }

    /// How this request's tokens are proposed and judged.
    pub(super) const fn sampling(&self) -> Sampling {
        Sampling {
            terms: self.terms,
            temperature: self.request.temperature,
            seed: self.request.seed,
        }
    }

    /// Keeps a decision back that rejects a draft and needs its distribution: the index of that draft
    /// in its round.
    pub(super) fn await_distribution(&mut self, id: RoundId, decision: &Decision) -> Option<u32> {
        let round = self.rounds.iter().find(|round| round.id == id).expect("verified: held");
        let drafts = round.tokens.iter().flatten().map(|(token, _)| *token);
        let (accepted, ends) = self.accepted(drafts, &decision.tokens);
        if !decision.withheld || ends || accepted == round.tokens.len() {
            return None;
        }
        self.awaiting = Some(Awaiting { round: id, tokens: decision.tokens.clone() });
        Some(accepted as u32)
    }

    /// The target's tokens on `round` that waited for a distribution, which has come.
    pub(super) fn take_awaiting(&mut self, round: RoundId) -> Option<Vec<TokenId>> {
        Some(self.awaiting.take_if(|awaiting| awaiting.round == round)?.tokens)
    }

    /// Whether the edge is to show the distribution of a draft that `verdict` rejects.
    pub(super) fn fetches(&self, verdict: &Verdict, drafts: u32) -> bool {
        let lazy = matches!(self.terms.payload, Payload::Lazy);
        lazy && verdict.accepted < drafts && verdict.extra.is_some()
    }

    /// Output position of the first token of a round that is held.
    pub(super) fn start(&self, id: RoundId) -> u32 {
        self.rounds.iter().find(|round| round.id == id).expect("it is held").start
    }

    /// How many drafts are accepted, and whether the text ends with the last of them.
    fn accepted(
        &self,
        drafts: impl Iterator<Item = TokenId>,
        targets: &[TokenId],
    ) -> (usize, bool) {
        let room = (self.request.budget as usize).saturating_sub(self.text.len());
        let matching =
            drafts.zip(targets).take_while(|(draft, target)| draft == *target).take(room);
        let mut accepted = 0;
        for (draft, _) in matching {
            accepted += 1;
            if self.request.stop_ids.contains(&draft) {
                return (accepted, true);
            }
        }
        (accepted, accepted == room)
    }

    /// Applies the target's own tokens to a round: accepts the drafts that match, up to the end of
    /// the text, and commits them and the target's next token.
    pub(super) fn judge(&mut self, id: RoundId, targets: &[TokenId]) -> Verdict {
        let index = self.rounds.iter().position(|round| round.id == id).expect("verified: held");
        let round = self.rounds.remove(index);
        let drafts: Vec<TokenId> = round.tokens.into_iter().flatten().map(|(t, _)| t).collect();
        let (accepted, ends) = self.accepted(drafts.iter().copied(), targets);
        let extra = targets.get(accepted).copied().filter(|_| !ends);
        self.prefix = self.prefix.extend(&drafts[..accepted]);
        self.text.extend(&drafts[..accepted]);
        self.evaluated = self.text.len() as u32;
        if let Some(extra) = extra {
            self.prefix = self.prefix.push(extra);
            self.text.push(extra);
        }
        self.ended = extra.is_none_or(|token| self.request.stop_ids.contains(&token))
            || self.text.len() >= self.request.budget as usize;
        self.last_verified = Some(id);
        self.busy = false;
        let session = self.request.session;
        let accepted = accepted as u32;
        Verdict { session, round: id, accepted, extra, reports: Vec::new() }
    }

    /// Drops the rounds that the last verdict has made stale, and those that stand on them. Returns
    /// them, each with whether its NAV had been requested.
    pub(super) fn drop_stale(&mut self) -> Vec<(RoundId, bool)> {
        let mut dropped: Vec<(RoundId, bool)> = Vec::new();
        for round in core::mem::take(&mut self.rounds) {
            let orphan = dropped.iter().any(|&(id, _)| round.parent == Some(id));
            if orphan || self.is_stale(round.id, round.parent, round.start, round.prefix) {
                dropped.push((round.id, round.nav.is_some()));
            } else {
                self.rounds.push(round);
            }
        }
        dropped
    }
}
