//! The corpus as a model sees it: windows of ids, and which of them are to be learned.

use pipesd_core::seed::Seed;
use tch::Tensor;
use tokenizers::Tokenizer;

use super::TrainingError;
use super::corpus::{Family, Split, document};
use super::tokenizer::{END, encode};

/// Windows of a stream of documents, one after another.
pub(super) struct Windows<'a> {
    tokenizer: &'a Tokenizer,
    seed: Seed,
    split: Split,
    end: i64,
    /// The next document.
    next: u64,
    /// Ids that are not in a window yet, and whether each is part of an answer.
    ids: Vec<i64>,
    learned: Vec<bool>,
}

/// One batch.
#[derive(Debug)]
pub(super) struct Batch {
    /// `[batch, time]`: what is seen.
    pub(super) inputs: Tensor,
    /// `[batch, time]`: what comes next.
    pub(super) targets: Tensor,
    /// `[batch, time]`: 1 where it is to be learned (an answer and its end), else 0.
    pub(super) weights: Tensor,
}

impl<'a> Windows<'a> {
    pub(super) fn new(
        tokenizer: &'a Tokenizer,
        seed: Seed,
        split: Split,
    ) -> Result<Self, TrainingError> {
        let end = tokenizer.token_to_id(END).ok_or_else(|| TrainingError::no_end(END))?;
        let (ids, learned) = (Vec::new(), Vec::new());
        Ok(Self { tokenizer, seed, split, end: end.into(), next: 0, ids, learned })
    }

    /// The families take turns.
    fn more(&mut self) -> Result<(), TrainingError> {
        let family = Family::ALL[(self.next % 2) as usize];
        let document = document(self.seed, family, self.split, self.next / 2);
        self.next += 1;
        let prompt = encode(self.tokenizer, &document.prompt)?;
        let mut answer = encode(self.tokenizer, &document.completion)?;
        answer.push(self.end);
        self.learned.extend(prompt.iter().map(|_| false).chain(answer.iter().map(|_| true)));
        self.ids.extend(prompt.into_iter().chain(answer));
        Ok(())
    }

    /// Documents of each family that have been looked at.
    pub(super) const fn documents(&self) -> u64 {
        self.next.div_ceil(2)
    }

    /// The next batch.
    pub(super) fn batch(&mut self, batch: usize, time: usize) -> Result<Batch, TrainingError> {
        let needed = batch * time + 1;
        while self.ids.len() < needed {
            self.more()?;
        }
        let shape = [batch as i64, time as i64];
        let inputs = Tensor::from_slice(&self.ids[..needed - 1]).view(shape);
        let targets = Tensor::from_slice(&self.ids[1..needed]).view(shape);
        let weights: Vec<f32> =
            self.learned[1..needed].iter().map(|&learned| f32::from(learned)).collect();
        let weights = Tensor::from_slice(&weights).view(shape);
        self.ids.drain(..needed - 1);
        self.learned.drain(..needed - 1);
        Ok(Batch { inputs, targets, weights })
    }
}
