//! What a pair can do on held-out tasks: exact match of greedy answers, and how the draft's confidence goes
//! with the target's acceptance.

use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::verification::Sampling;
use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

use super::TrainingError;
use super::corpus::Check;
use super::tokenizer::encode;
use crate::backend::{DraftModel, Logits, pending, write_alone};

/// A model that evaluations can step.
pub trait Model: DraftModel + Logits {}
impl<M: DraftModel + Logits> Model for M {}

/// A task to evaluate on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What the model is given.
    pub prompt: String,
    /// What its answer is checked by.
    pub check: Check,
}

/// Outcomes of draft tokens whose confidence is in a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// From this confidence on, up to the next bin's.
    pub from: f64,
    /// Draft tokens.
    pub tokens: u64,
    /// Of them the target's own.
    pub accepted: u64,
    /// Sum of their confidences.
    pub confidence_sum: f64,
}

/// What a pair can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Tasks.
    pub tasks: u64,
    /// Of them answered right by the target.
    pub target_right: u64,
    /// By the draft.
    pub draft_right: u64,
    /// Greedy draft tokens on the target's own texts.
    pub tokens: u64,
    /// Of them the target's own.
    pub accepted: u64,
    /// Of them with a confidence under .7.
    pub unsure: u64,
    /// By confidence.
    pub bins: Vec<Bin>,
}

/// Lower ends of the bins.
const BINS: [f64; 8] = [0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99];

impl Evaluation {
    /// Share of greedy draft tokens that are the target's own.
    #[must_use]
    pub fn acceptance(&self) -> f64 {
        self.accepted as f64 / self.tokens.max(1) as f64
    }

    /// Share of draft tokens with a confidence under .7.
    #[must_use]
    pub fn unsure_share(&self) -> f64 {
        self.unsure as f64 / self.tokens.max(1) as f64
    }
}

/// Decodes `tasks` with both models, token by token, the likeliest each time, up to `budget` tokens or
/// `end`.
///
/// # Errors
/// If a model or the tokenizer fails.
pub fn evaluate(
    [draft, target]: [&mut dyn Model; 2],
    tokenizer: &Tokenizer,
    tasks: &[Task],
    end: TokenId,
    budget: u32,
) -> Result<Evaluation, TrainingError> {
    let bins = BINS.iter().map(|&from| Bin { from, ..Bin::default() }).collect();
    let tasks_count = tasks.len() as u64;
    let mut result = Evaluation {
        tasks: tasks_count,
        target_right: 0,
        draft_right: 0,
        tokens: 0,
        accepted: 0,
        unsure: 0,
        bins,
    };
    for task in tasks {
        let prompt: Vec<TokenId> =
            encode(tokenizer, &task.prompt)?.into_iter().map(|id| TokenId(id as u32)).collect();
        let text = greedy(target, &prompt, end, budget)?;
        let own = greedy(draft, &prompt, end, budget)?;
        let right = |text: &[TokenId]| -> Result<u64, TrainingError> {
            let ids: Vec<u32> = text.iter().filter(|id| **id != end).map(|id| id.0).collect();
            let answer = tokenizer.decode(&ids, true).map_err(TrainingError::tokenizer)?;
            Ok(u64::from(task.check.passes(&task.prompt, &answer)))
        };
        result.target_right += right(&text)?;
        result.draft_right += right(&own)?;
        result.follow(draft, &prompt, &text)?;
    }
    Ok(result)
}

const SESSION: SessionId = SessionId(0);

fn greedy(
    model: &mut dyn Model,
    prompt: &[TokenId],
    end: TokenId,
    budget: u32,
) -> Result<Vec<TokenId>, TrainingError> {
    let sampling = Sampling::greedy();
    model.prefill(SESSION, prompt, &sampling)?;
    let request = Request {
        session: SESSION,
        prompt: prompt.to_vec(),
        budget,
        stop_ids: vec![end],
        temperature: sampling.temperature,
        seed: sampling.seed,
        text: Vec::new(),
    };
    let text = write_alone(model, &request, &sampling, |_| {})?;
    model.close(SESSION);
    Ok(text)
}

impl Evaluation {
    /// The draft's proposals along the target's text.
    fn follow(
        &mut self,
        draft: &mut dyn Model,
        prompt: &[TokenId],
        text: &[TokenId],
    ) -> Result<(), TrainingError> {
        draft.prefill(SESSION, prompt, &Sampling::greedy())?;
        for (position, token) in text.iter().enumerate() {
            let (keep, feed) = pending(&text[..position]);
            let logits = draft.logits(SESSION, keep, feed)?;
            let (proposal, _) = Sampling::greedy().propose(position as u32, &logits);
            let accepted = u64::from(proposal.token == *token);
            self.tokens += 1;
            self.accepted += accepted;
            self.unsure += u64::from(proposal.confidence < 0.7);
            let bin = self.bins.iter_mut().rev().find(|bin| bin.from <= proposal.confidence);
            let bin = bin.expect("the first bin begins at 0");
            bin.tokens += 1;
            bin.accepted += accepted;
            bin.confidence_sum += proposal.confidence;
        }
        draft.close(SESSION);
        Ok(())
    }
}
