//! Sessions as sequences of one llama.cpp context, and one decode for what several of them need.
//!
//! Each sequence has cells of its own, as many as a session may have tokens. What is cut is cut from the
//! end, so that a token's cell is its position, whatever was cut before: a session's logits do not
//! depend on the other sessions or on its own history.

use std::collections::{BTreeMap, BTreeSet};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::verification::Sampling;

use super::ModelError;

/// What is asked of a session: cut to `keep` output tokens, evaluate `feed` and `drafts`, and tell the
/// logits at each draft and after the last.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) session: SessionId,
    pub(super) keep: u32,
    pub(super) feed: Vec<TokenId>,
    pub(super) drafts: Vec<TokenId>,
}

/// Logits, one row for each position asked for.
type Rows = Vec<Vec<f32>>;

/// A context and its sessions.
#[derive(Debug)]
pub(super) struct Engine {
    context: LlamaContext<'static>,
    batch: LlamaBatch<'static>,
    limits: Limits,
    open: BTreeMap<SessionId, Open>,
    /// Sequences that no session has.
    free: BTreeSet<u32>,
    decodes: u64,
}

/// What a context was made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Ids below are the session's; the rest of the model's logits is not looked at.
    pub(super) vocabulary: u32,
    /// Tokens of a session.
    pub(super) context: u32,
    pub(super) sessions: u32,
    /// Tokens in one decode.
    pub(super) batch: u32,
}

#[derive(Debug)]
struct Open {
    sequence: u32,
    sampling: Sampling,
    /// Length of the prompt.
    prompt: usize,
    /// Prompt and output, as far as evaluated.
    text: Vec<TokenId>,
    /// Logits of the first output token.
    first: Vec<f32>,
    /// An output position whose replacement is still to be drawn, and its logits.
    withheld: Option<(u32, Vec<f32>)>,
}

/// A token to be decoded.
struct Item {
    /// Whose it is, as an index of the asks.
    of: usize,
    sequence: u32,
    position: usize,
    token: TokenId,
    /// Whether the logits after it are asked for.
    wanted: bool,
}

impl Engine {
    pub(super) fn new(context: LlamaContext<'static>, limits: Limits) -> Self {
        let batch = LlamaBatch::new(limits.batch as usize, 1);
        let free = (0..limits.sessions).collect();
        Self { context, batch, limits, open: BTreeMap::new(), free, decodes: 0 }
    }

    pub(super) const fn vocabulary(&self) -> u32 {
        self.limits.vocabulary
    }

    pub(super) const fn decodes(&self) -> u64 {
        self.decodes
    }

    pub(super) fn sampling(&self, session: SessionId) -> Result<Sampling, ModelError> {
        let open = self.open.get(&session).ok_or(ModelError::UnknownSession(session))?;
        Ok(open.sampling)
    }

    pub(super) fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        self.check(prompt)?;
        self.fits(prompt.len())?;
        if prompt.is_empty() {
            let problem = "an empty prompt: llama.cpp needs a token to begin with";
            return Err(ModelError::Refused(problem.into()));
        }
        self.close(session);
        let Some(sequence) = self.free.pop_first() else {
            let sessions = self.limits.sessions;
            let problem = format!("the model has room for {sessions} sessions, and all are taken");
            return Err(ModelError::Refused(problem));
        };
        let item = |(position, &token)| {
            let wanted = position + 1 == prompt.len();
            Item { of: 0, sequence, position, token, wanted }
        };
        let items: Vec<Item> = prompt.iter().enumerate().map(item).collect();
        let mut rows = vec![Rows::new()];
        if let Err(error) = self.cut(sequence, 0).and_then(|()| self.decode(&items, &mut rows)) {
            self.free.insert(sequence);
            return Err(error);
        }
        let first = rows[0].pop().expect("the last token's logits were asked for");
        let (sampling, text) = (*sampling, prompt.to_vec());
        let prompt = prompt.len();
        self.open.insert(session, Open { sequence, sampling, prompt, text, first, withheld: None });
        Ok(())
    }

    pub(super) fn close(&mut self, session: SessionId) {
        if let Some(open) = self.open.remove(&session) {
            // Whoever gets the sequence cuts it first.
            self.free.insert(open.sequence);
        }
    }

    pub(super) fn logits(
        &mut self,
        session: SessionId,
        keep: u32,
        feed: &[TokenId],
    ) -> Result<Vec<f32>, ModelError> {
        let ask = Ask { session, keep, feed: feed.to_vec(), drafts: Vec::new() };
        let mut rows = self.evaluate(&[ask]).remove(0)?;
        Ok(rows.pop().expect("there is a row after the last token"))
    }

    /// Evaluates what is asked, all in one decode as far as it fits, and returns the rows of each in
    /// their order: `drafts.len() + 1` of them. What is wrong with one does no harm to the others.
    pub(super) fn evaluate(&mut self, asks: &[Ask]) -> Vec<Result<Rows, ModelError>> {
        let mut seen = BTreeSet::new();
        let mut items = Vec::new();
        let mut results: Vec<Result<Rows, ModelError>> = Vec::with_capacity(asks.len());
        for (of, ask) in asks.iter().enumerate() {
            results.push(if seen.insert(ask.session) {
                self.plan(of, ask, &mut items)
            } else {
                let session = ask.session;
                Err(ModelError::Refused(format!("{session} has two blocks in one verification")))
            });
        }
        let mut rows: Vec<Rows> = vec![Rows::new(); asks.len()];
        match self.decode(&items, &mut rows) {
            Ok(()) => {
                for (result, rows) in results.iter_mut().zip(rows) {
                    if let Ok(known) = result {
                        known.extend(rows);
                    }
                }
            }
            // What is in the cache now is not known: every session that took part is over.
            Err(error) => {
                for (ask, result) in asks.iter().zip(&mut results).filter(|(_, r)| r.is_ok()) {
                    *result = Err(error.clone());
                    self.close(ask.session);
                }
            }
        }
        results
    }

    /// Cuts a session back and appends to `items` what is to be decoded for it. Returns the row that is
    /// known already, if one is.
    fn plan(&mut self, of: usize, ask: &Ask, items: &mut Vec<Item>) -> Result<Rows, ModelError> {
        let Ask { session, keep, feed, drafts } = ask;
        self.check(feed)?;
        self.check(drafts)?;
        let open = self.open.get(session).ok_or(ModelError::UnknownSession(*session))?;
        let (sequence, kept) = (open.sequence, open.prompt + *keep as usize);
        if kept > open.text.len() {
            let have = open.text.len() - open.prompt;
            let problem = format!("{keep} output tokens are to be kept, {have} are evaluated");
            return Err(ModelError::Refused(problem));
        }
        self.fits(kept + feed.len() + drafts.len())?;
        // Without anything to feed, the logits of the first position are known from prefill. Those of
        // another are not: its last token is evaluated again.
        let again = feed.is_empty() && *keep > 0;
        let from = kept - usize::from(again);
        self.cut(sequence, from)?;
        let open = self.open.get_mut(session).expect("it was there");
        open.withheld = None;
        open.text.truncate(kept);
        open.text.extend(feed.iter().chain(drafts));
        let before_drafts = kept + feed.len();
        items.extend((from..).zip(&open.text[from..]).map(|(position, &token)| {
            let wanted = position + 1 >= before_drafts;
            Item { of, sequence, position, token, wanted }
        }));
        let known = feed.is_empty() && !again;
        Ok(if known { vec![open.first.clone()] } else { Rows::new() })
    }

    /// Keeps the logits by which a replacement is to be drawn.
    pub(super) fn withhold(&mut self, session: SessionId, position: u32, logits: Vec<f32>) {
        if let Some(open) = self.open.get_mut(&session) {
            open.withheld = Some((position, logits));
        }
    }

    /// The logits kept for `position`.
    pub(super) fn withheld(&self, session: SessionId, at: u32) -> Result<&[f32], ModelError> {
        let open = self.open.get(&session).ok_or(ModelError::UnknownSession(session))?;
        match &open.withheld {
            Some((position, logits)) if *position == at => Ok(logits),
            _ => Err(ModelError::Refused(format!("nothing was withheld at position {at}"))),
        }
    }

    fn check(&self, tokens: &[TokenId]) -> Result<(), ModelError> {
        let size = self.limits.vocabulary;
        match tokens.iter().find(|token| token.0 >= size) {
            None => Ok(()),
            Some(token) => {
                Err(ModelError::Refused(format!("{token} is beyond a vocabulary of {size}")))
            }
        }
    }

    fn fits(&self, tokens: usize) -> Result<(), ModelError> {
        let context = self.limits.context;
        if tokens <= context as usize {
            return Ok(());
        }
        let problem = format!("{tokens} tokens do not fit into a context of {context}");
        Err(ModelError::Refused(problem))
    }

    /// Removes a sequence's cells from position `from` on.
    fn cut(&mut self, sequence: u32, from: usize) -> Result<(), ModelError> {
        match self.context.clear_kv_cache_seq(Some(sequence), Some(from as u32), None) {
            Ok(true) => Ok(()),
            Ok(false) => Err(ModelError::Broken("its cache cannot be cut back".into())),
            Err(error) => Err(ModelError::Broken(error.to_string())),
        }
    }

    /// Decodes `items`, and appends the rows that they want to `rows`, by whose they are.
    fn decode(&mut self, items: &[Item], rows: &mut [Rows]) -> Result<(), ModelError> {
        let broken = |problem: String| ModelError::Broken(problem);
        for chunk in items.chunks(self.limits.batch as usize) {
            self.batch.clear();
            for Item { sequence, position, token, wanted, .. } in chunk {
                // Below the vocabulary, the context and the sessions: all of them fit.
                let (id, position) = (LlamaToken::new(token.0 as i32), *position as i32);
                self.batch
                    .add(id, position, &[*sequence as i32], *wanted)
                    .map_err(|error| broken(error.to_string()))?;
            }
            self.decodes += 1;
            self.context.decode(&mut self.batch).map_err(|error| broken(error.to_string()))?;
            for (index, item) in (0..).zip(chunk).filter(|(_, item)| item.wanted) {
                let logits = self.context.get_logits_ith(index);
                rows[item.of].push(logits[..self.limits.vocabulary as usize].to_vec());
            }
        }
        Ok(())
    }
}
