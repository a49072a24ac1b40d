//! A decoder as draft and as target: sessions with a cache each, several in one forward pass.
//!
//! The tokens of all sessions of a pass lie one behind the other, with no padding between them; only in
//! attention does each session's part meet its own cache. How many tokens lie together changes the order
//! of libtorch's sums, and with it the last bits of the logits. Where not even those may differ,
//! [`Options::fixed_block`] makes every product of the same shape.

use std::collections::{BTreeMap, BTreeSet};

use pipesd_core::blob::Blob;
use pipesd_core::contract::{DraftStep, Proposal, VerifyBlock};
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::verification::{Claim, Decision, Sampling};
use tch::{Device, TchError, Tensor};

use super::cache::{Cache, Span};
use super::decoder::Decoder;
use crate::backend::{DraftModel, Logits, ModelError, TargetModel};

/// Tokens of a prompt that go through the decoder together at most: attention's scores take memory by
/// their number times the keys'.
const PREFILL: usize = 512;

/// Tokens that a new session's cache has room for.
const ROOM: i64 = 256;

/// How a decoder is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads of libtorch, which are the process's.
    pub threads: i32,
    /// Rows of every pass, so that logits do not depend, to the last bit, on how many tokens are
    /// evaluated together: sessions are run one by one, in blocks that begin at multiples of this and are
    /// filled up with padding, against keys filled up to the context. Slow; for tests of exactness.
    pub fixed_block: Option<u32>,
    /// Tokens of a session at most, prompt and output; the model's own bound holds besides.
    pub context: u32,
    /// Ids that logits are told of, from 0 on; the rest is a padded tail. None: all.
    pub vocabulary: Option<u32>,
}

/// What draft and target have in common.
#[derive(Debug)]
pub(super) struct Sessions {
    decoder: Decoder,
    fixed_block: Option<i64>,
    context: i64,
    vocabulary: u32,
    open: BTreeMap<SessionId, Open>,
}

#[derive(Debug)]
struct Open {
    sampling: Sampling,
    /// Length of the prompt.
    prompt: usize,
    /// Prompt and output, as far as evaluated: the cache's length is this one's.
    text: Vec<TokenId>,
    cache: Cache,
    /// Logits of what follows the prompt.
    first: Vec<f32>,
    /// The block that was verified last.
    judged: Option<Judged>,
}

/// Logits of output positions from `start` on, one row after another.
#[derive(Debug)]
struct Judged {
    start: u32,
    rows: Vec<f32>,
}

/// What one session wants of a pass.
#[derive(Debug)]
pub(super) struct Part {
    session: SessionId,
    /// Position of the first token to be evaluated.
    from: usize,
    tokens: Vec<TokenId>,
    /// The last so many rows are those whose logits are wanted.
    wanted: usize,
    /// Whether the logits that follow the prompt come first, which are known.
    first: bool,
}

impl Sessions {
    pub(super) fn new(decoder: Decoder, options: Options) -> Result<Self, ModelError> {
        let Options { threads, fixed_block, context, vocabulary } = options;
        let config = decoder.config();
        let ids = config.vocab_size as u32;
        let vocabulary = vocabulary.unwrap_or(ids);
        if threads < 1 || context < 1 || fixed_block == Some(0) {
            let problem = format!("{options:?}: threads, context and fixed block are 1 or more");
            return Err(ModelError::Refused(problem));
        }
        if !(1..=ids).contains(&vocabulary) {
            let problem = format!("a vocabulary of {vocabulary}; the model has 1 to {ids} ids");
            return Err(ModelError::Refused(problem));
        }
        tch::set_num_threads(threads);
        let context = i64::from(context).min(config.max_position_embeddings);
        let fixed_block = fixed_block.map(i64::from);
        Ok(Self { decoder, fixed_block, context, vocabulary, open: BTreeMap::new() })
    }

    fn check(&self, tokens: &[TokenId]) -> Result<(), ModelError> {
        match tokens.iter().find(|token| token.0 >= self.vocabulary) {
            None => Ok(()),
            Some(token) => {
                let size = self.vocabulary;
                Err(ModelError::Refused(format!("{token} is beyond a vocabulary of {size}")))
            }
        }
    }

    fn fits(&self, length: usize) -> Result<(), ModelError> {
        if length as i64 <= self.context {
            return Ok(());
        }
        let most = self.context;
        Err(ModelError::Refused(format!("{length} tokens are beyond a context of {most}")))
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
            return Err(ModelError::Refused("a prompt has at least one token".into()));
        }
        let room = if self.fixed_block.is_some() { self.context } else { ROOM.min(self.context) };
        let (kind, device) = (self.decoder.kind(), self.decoder.device());
        let cache = Cache::new(self.decoder.config(), kind, device, room).map_err(broken)?;
        let open = Open {
            sampling: *sampling,
            prompt: prompt.len(),
            text: Vec::new(),
            cache,
            first: Vec::new(),
            judged: None,
        };
        self.open.insert(session, open);
        let mut first = Vec::new();
        for chunk in prompt.chunks(PREFILL) {
            let from = self.open[&session].text.len();
            let last = from + chunk.len() == prompt.len();
            let (tokens, wanted) = (chunk.to_vec(), usize::from(last));
            let part = Part { session, from, tokens, wanted, first: false };
            first.append(&mut self.evaluate(&[&part])?.concat());
        }
        self.known(session)?.first = first;
        Ok(())
    }

    fn known(&mut self, session: SessionId) -> Result<&mut Open, ModelError> {
        self.open.get_mut(&session).ok_or(ModelError::UnknownSession(session))
    }

    /// What is to be evaluated for the logits at the positions of `drafts` and at the one after them.
    pub(super) fn plan(
        &self,
        session: SessionId,
        keep: u32,
        feed: &[TokenId],
        drafts: &[TokenId],
    ) -> Result<Part, ModelError> {
        self.check(feed)?;
        self.check(drafts)?;
        let open = self.open.get(&session).ok_or(ModelError::UnknownSession(session))?;
        let kept = open.prompt + keep as usize;
        if kept > open.text.len() {
            let have = open.text.len() - open.prompt;
            let problem = format!("{keep} output tokens are to be kept, {have} are evaluated");
            return Err(ModelError::Refused(problem));
        }
        self.fits(kept + feed.len() + drafts.len())?;
        let first = feed.is_empty() && keep == 0;
        // Logits are of the last token evaluated; where there is none, one is evaluated anew.
        let again = usize::from(feed.is_empty() && keep > 0);
        let from = kept - again;
        let tokens = [&open.text[from..kept], feed, drafts].concat();
        let wanted = drafts.len() + usize::from(!first);
        Ok(Part { session, from, tokens, wanted, first })
    }

    /// Cuts each session back, evaluates its tokens, and returns the logits that it wants.
    pub(super) fn evaluate(&mut self, parts: &[&Part]) -> Result<Vec<Vec<f32>>, ModelError> {
        for part in parts {
            let most = self.context;
            let open = self.known(part.session)?;
            let length = part.from + part.tokens.len();
            open.cache.reserve(length as i64, most).map_err(broken)?;
            open.text.truncate(part.from);
            open.text.extend(&part.tokens);
        }
        let mut rows = tch::no_grad(|| match self.fixed_block {
            None => self.together(parts),
            Some(block) => parts.iter().map(|part| self.alone(part, block)).collect(),
        })?;
        for (part, rows) in parts.iter().zip(&mut rows).filter(|(part, _)| part.first) {
            let first = &self.open[&part.session].first;
            rows.splice(0..0, first.iter().copied());
        }
        Ok(rows)
    }

    /// One pass over the tokens of all.
    fn together(&mut self, parts: &[&Part]) -> Result<Vec<Vec<f32>>, ModelError> {
        let (config, device) = (self.decoder.config(), self.decoder.device());
        let tokens = parts.iter().flat_map(|part| &part.tokens);
        let ids: Vec<i64> = tokens.map(|token| i64::from(token.0)).collect();
        if ids.is_empty() {
            return Ok(vec![Vec::new(); parts.len()]);
        }
        let mut positions = Vec::with_capacity(ids.len());
        let mut wanted = Vec::new();
        let mut spans = Vec::new();
        for part in parts.iter().filter(|part| !part.tokens.is_empty()) {
            let (from, length) = (part.from as i64, part.tokens.len() as i64);
            positions.extend(from..from + length);
            let end = positions.len() as i64;
            wanted.extend(end - part.wanted as i64..end);
            let span = Span::tight(config, device, from, length);
            spans.push((part.session, span));
        }
        let hidden = pass(&self.decoder, &mut self.open, &ids, &positions, &spans);
        if wanted.is_empty() {
            return Ok(vec![Vec::new(); parts.len()]);
        }
        let judged = hidden.index_select(0, &Tensor::from_slice(&wanted).to_device(device));
        let mut rows = numbers(&self.decoder.logits(&judged), self.vocabulary)?;
        let size = self.vocabulary as usize;
        // From the back, so that each takes the end of what is left.
        let mut taken: Vec<Vec<f32>> = Vec::new();
        for part in parts.iter().rev() {
            taken.push(rows.split_off(rows.len() - part.wanted * size));
        }
        taken.reverse();
        Ok(taken)
    }

    /// The same for one session, whatever is asked in passes of the same shape. A token's row within its
    /// pass is by its position: not even that depends on what else is evaluated.
    fn alone(&mut self, part: &Part, block: i64) -> Result<Vec<f32>, ModelError> {
        let (from, end) = (part.from as i64, (part.from + part.tokens.len()) as i64);
        let mut rows = Vec::new();
        let mut at = from;
        while at < end {
            let start = at - at % block;
            let stop = end.min(start + block);
            let mut ids = vec![0; block as usize];
            for position in at..stop {
                let token = part.tokens[(position - from) as usize];
                ids[(position - start) as usize] = i64::from(token.0);
            }
            let (config, device) = (self.decoder.config(), self.decoder.device());
            let place = [at - start, block];
            let span = Span::padded(config, device, [at, stop - at], place, self.context);
            let positions: Vec<i64> = (start..start + block).collect();
            let spans = [(part.session, span)];
            let hidden = pass(&self.decoder, &mut self.open, &ids, &positions, &spans);
            let first = at.max(end - part.wanted as i64);
            if first < stop {
                let logits = self.decoder.logits(&hidden);
                let judged = logits.narrow(0, first - start, stop - first);
                rows.append(&mut numbers(&judged, self.vocabulary)?);
            }
            at = stop;
        }
        Ok(rows)
    }

    /// The logits at the end, for whom one row is enough.
    fn last(
        &mut self,
        session: SessionId,
        keep: u32,
        feed: &[TokenId],
    ) -> Result<Vec<f32>, ModelError> {
        let part = self.plan(session, keep, feed, &[])?;
        Ok(self.evaluate(&[&part])?.concat())
    }
}

/// One pass of the decoder: the last hidden states of all rows `[rows, hidden]`, each session's in its
/// span.
fn pass(
    decoder: &Decoder,
    open: &mut BTreeMap<SessionId, Open>,
    ids: &[i64],
    positions: &[i64],
    spans: &[(SessionId, Span)],
) -> Tensor {
    let device = decoder.device();
    let [ids, positions] =
        [ids, positions].map(|numbers| Tensor::from_slice(numbers).to_device(device));
    decoder.hidden(&ids, &positions, &mut |heads| {
        let mut at = 0;
        let mut found = Vec::new();
        for (session, span) in spans {
            let rows = heads.rows(at, span.rows());
            let open = open.get_mut(session).expect("a part is of a session that is open");
            found.push(open.cache.attend(span, &rows));
            at += span.rows();
        }
        Tensor::cat(&found, 0)
    })
}

/// Logits `[rows, vocabulary]` as numbers, the padded tail of the vocabulary left out.
fn numbers(logits: &Tensor, vocabulary: u32) -> Result<Vec<f32>, ModelError> {
    let told = logits.narrow(1, 0, i64::from(vocabulary)).to_device(Device::Cpu);
    Vec::try_from(told.contiguous().view(-1)).map_err(broken)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: TchError) -> ModelError {
    ModelError::Broken(format!("libtorch: {error}"))
}

/// A decoder as draft.
#[derive(Debug)]
pub struct TorchDraft(Sessions);

impl TorchDraft {
    /// A model without sessions.
    ///
    /// # Errors
    /// If the options make no sense, or not with this decoder.
    pub fn new(decoder: Decoder, options: Options) -> Result<Self, ModelError> {
        Sessions::new(decoder, options).map(Self)
    }
}

impl DraftModel for TorchDraft {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        self.0.prefill(session, prompt, sampling)
    }

    fn step(&mut self, step: &DraftStep) -> Result<(Proposal, Option<Claim>), ModelError> {
        let logits = self.0.last(step.session, step.keep, &step.feed)?;
        let sampling = self.0.known(step.session)?.sampling;
        Ok(sampling.propose(step.position(), &logits))
    }

    fn close(&mut self, session: SessionId) {
        self.0.open.remove(&session);
    }
}

impl Logits for TorchDraft {
    fn logits(
        &mut self,
        session: SessionId,
        keep: u32,
        feed: &[TokenId],
    ) -> Result<Vec<f32>, ModelError> {
        self.0.last(session, keep, feed)
    }
}

/// A decoder as target.
#[derive(Debug)]
pub struct TorchTarget(Sessions);

impl TorchTarget {
    /// A model without sessions.
    ///
    /// # Errors
    /// If the options make no sense, or not with this decoder.
    pub fn new(decoder: Decoder, options: Options) -> Result<Self, ModelError> {
        Sessions::new(decoder, options).map(Self)
    }

    fn decide(&mut self, block: &VerifyBlock, rows: Vec<f32>) -> Result<Decision, ModelError> {
        let size = self.0.vocabulary as usize;
        let start = block.keep + block.feed.len() as u32;
        let open = self.0.known(block.session)?;
        let judged = open.judged.insert(Judged { start, rows });
        let logits = |index: usize| &judged.rows[index * size..(index + 1) * size];
        Ok(open.sampling.decide(start, &block.drafts, &block.evidence, logits))
    }
}

impl TargetModel for TorchTarget {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        self.0.prefill(session, prompt, sampling)
    }

    fn verify(&mut self, blocks: &[VerifyBlock]) -> Vec<Result<Decision, ModelError>> {
        let mut seen = BTreeSet::new();
        let plan = |block: &VerifyBlock| {
            let VerifyBlock { session, keep, feed, drafts, .. } = block;
            if !seen.insert(*session) {
                let problem = format!("{session} has two blocks in one forward pass");
                return Err(ModelError::Refused(problem));
            }
            self.0.plan(*session, *keep, feed, drafts)
        };
        let plans: Vec<Result<Part, ModelError>> = blocks.iter().map(plan).collect();
        let parts: Vec<&Part> = plans.iter().flatten().collect();
        let mut rows = match self.0.evaluate(&parts) {
            Ok(rows) => rows.into_iter(),
            Err(error) => return vec![Err(error); blocks.len()],
        };
        let decide = |(block, plan): (&VerifyBlock, &Result<Part, ModelError>)| match plan {
            Err(error) => Err(error.clone()),
            Ok(_) => self.decide(block, rows.next().expect("rows for each part")),
        };
        blocks.iter().zip(&plans).map(decide).collect()
    }

    fn replace(
        &mut self,
        session: SessionId,
        _round: RoundId,
        position: u32,
        distribution: &Blob,
    ) -> Result<TokenId, ModelError> {
        let size = self.0.vocabulary as usize;
        let open = self.0.known(session)?;
        let row = open.judged.as_ref().and_then(|judged| {
            let index = position.checked_sub(judged.start)? as usize;
            judged.rows.get(index.checked_mul(size)?..)?.get(..size)
        });
        let Some(row) = row else {
            let problem = format!("output position {position} was not judged in the last block");
            return Err(ModelError::Refused(problem));
        };
        let replaced = open.sampling.replace(position, row, distribution);
        let token = replaced.map_err(|error| ModelError::Refused(error.to_string()))?;
        // What was drafted from there on is gone.
        open.text.truncate(open.prompt + position as usize);
        Ok(token)
    }

    fn close(&mut self, session: SessionId) {
        self.0.open.remove(&session);
    }
}

impl Logits for TorchTarget {
    fn logits(
        &mut self,
        session: SessionId,
        keep: u32,
        feed: &[TokenId],
    ) -> Result<Vec<f32>, ModelError> {
        self.0.last(session, keep, feed)
    }
}
