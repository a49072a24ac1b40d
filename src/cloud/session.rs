//! One session at the cloud: its committed text and the rounds that have (partly) arrived.

use crate::contract::VerifyBlock;
use crate::ids::{PrefixHash, RoundId, TokenId};
use crate::message::{ROUND_TOKENS_MAX, Request, Upload, UploadReport, Verdict};

/// Rounds held unverified at most: the pending one, proactive ones, and stale ones not yet known to
/// be so. An edge that goes beyond has its uploads dropped.
const ROUNDS_MAX: usize = 32;

/// Measurements kept for the next verdict at most: as many as an edge's monitor remembers.
const REPORTS_MAX: usize = 100;

/// What became of an upload.
pub(super) enum Arrival {
    /// It belongs to a round that can never be verified.
    Stale,
    /// It is kept.
    Held,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    request: Request,
    pub(super) fetch_distribution: bool,
    /// A verdict that waits for a distribution (lazy payload).
    pub(super) withheld: Option<Verdict>,
    /// Uploads measured since the last verdict.
    pub(super) reports: Vec<UploadReport>,
    text: Vec<TokenId>,
    prefix: PrefixHash,
    /// Output tokens that the target's cache holds validly.
    evaluated: u32,
    last_verified: Option<RoundId>,
    ended: bool,
    /// In order of id.
    rounds: Vec<Round>,
}

/// A round as far as it has arrived.
#[derive(Clone, Debug)]
struct Round {
    id: RoundId,
    parent: Option<RoundId>,
    start: u32,
    prefix: PrefixHash,
    /// By index in the round; batches may arrive in any order.
    tokens: Vec<Option<TokenId>>,
    nav: Option<u32>,
    queued: bool,
}

impl Round {
    fn is_complete(&self) -> bool {
        self.nav.is_some_and(|count| {
            self.tokens.len() == count as usize && self.tokens.iter().all(Option::is_some)
        })
    }
}

impl Session {
    pub(super) fn new(request: Request, fetch_distribution: bool) -> Self {
        Self {
            request,
            fetch_distribution,
            withheld: None,
            reports: Vec::new(),
            text: Vec::new(),
            prefix: PrefixHash::EMPTY,
            evaluated: 0,
            last_verified: None,
            ended: false,
            rounds: Vec::new(),
        }
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

    pub(super) fn on_upload(&mut self, upload: Upload) -> Arrival {
        let Upload { round: id, parent, start, prefix, offset, tokens, nav, .. } = upload;
        let end = offset as usize + tokens.len();
        if self.is_stale(id, parent, start, prefix) || end > ROUND_TOKENS_MAX as usize {
            return Arrival::Stale;
        }
        let index = match self.rounds.binary_search_by_key(&id, |round| round.id) {
            Ok(index) => index,
            Err(_) if self.rounds.len() == ROUNDS_MAX => return Arrival::Stale,
            Err(index) => {
                let (tokens, nav) = (Vec::with_capacity(end), None);
                let round = Round { id, parent, start, prefix, tokens, nav, queued: false };
                self.rounds.insert(index, round);
                index
            }
        };
        let round = &mut self.rounds[index];
        if round.tokens.len() < end {
            round.tokens.resize(end, None);
        }
        for (place, token) in round.tokens[offset as usize..].iter_mut().zip(tokens) {
            *place = Some(token);
        }
        round.nav = round.nav.or(nav);
        Arrival::Held
    }

    /// The round that can be verified now, once.
    pub(super) fn take_ready(&mut self) -> Option<RoundId> {
        let index = self
            .rounds
            .iter()
            .position(|r| r.is_complete() && self.stands(r.parent, r.start, r.prefix))?;
        let round = &mut self.rounds[index];
        (!core::mem::replace(&mut round.queued, true)).then_some(round.id)
    }

    /// The block to verify for a round that was ready.
    pub(super) fn block(&mut self, id: RoundId) -> VerifyBlock {
        let round = self.rounds.iter().find(|round| round.id == id).expect("a ready round is held");
        let drafts = round.tokens.iter().map(|token| token.expect("a ready round is complete"));
        VerifyBlock {
            session: self.request.session,
            round: id,
            keep: self.evaluated,
            feed: self.text[self.evaluated as usize..].to_vec(),
            drafts: drafts.collect(),
        }
    }

    /// Applies the target's own tokens to a round: accepts the drafts that match, up to the end of
    /// the text, and commits them and the target's next token.
    pub(super) fn judge(&mut self, id: RoundId, targets: &[TokenId]) -> Verdict {
        let index = self.rounds.iter().position(|round| round.id == id).expect("verified: held");
        let round = self.rounds.remove(index);
        let drafts: Vec<TokenId> = round.tokens.into_iter().flatten().collect();
        let room = (self.request.budget as usize).saturating_sub(self.text.len());
        let matching = drafts.iter().zip(targets).take_while(|(d, t)| d == t).count().min(room);
        let stop = drafts[..matching].iter().position(|d| self.request.stop_ids.contains(d));
        let accepted = stop.map_or(matching, |index| index + 1);
        let extra = targets.get(accepted).copied().filter(|_| stop.is_none() && accepted < room);
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
