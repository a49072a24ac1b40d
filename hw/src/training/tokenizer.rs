//! The tokenizer of the shipped pair: byte-level BPE, digits one by one, learned from the corpus.

use pipesd_core::seed::Seed;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, Tokenizer};

use super::TrainingError;
use super::corpus::{Family, Split, document};

/// Ends a text.
pub const END: &str = "<|end|>";

/// Documents of each family that it is learned from.
const DOCUMENTS: u64 = 4000;

/// Learns a tokenizer of `vocabulary` tokens, bytes and [`END`] (id 0) among them.
///
/// # Errors
/// If the library fails.
pub fn train(seed: Seed, vocabulary: usize) -> Result<Tokenizer, TrainingError> {
    let mut tokenizer = Tokenizer::new(BPE::default());
    // Quantities are learned digit by digit, and what llama.cpp calls `smollm` splits so.
    let parts: Vec<PreTokenizerWrapper> =
        vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()];
    tokenizer.with_pre_tokenizer(Some(Sequence::new(parts)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    let trainer = BpeTrainer::builder()
        .vocab_size(vocabulary)
        .show_progress(false)
        .special_tokens(vec![AddedToken::from(END, true)])
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let texts = (0..DOCUMENTS).flat_map(|index| {
        Family::ALL.map(|family| {
            let document = document(seed, family, Split::Train, index);
            document.prompt + &document.completion
        })
    });
    let mut trainer = TrainerWrapper::from(trainer);
    tokenizer.train(&mut trainer, texts).map_err(TrainingError::tokenizer)?;
    Ok(tokenizer)
}

/// The ids of a text.
///
/// # Errors
/// If the library fails.
pub fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Vec<i64>, TrainingError> {
    let encoding = tokenizer.encode(text, false).map_err(TrainingError::tokenizer)?;
    Ok(encoding.get_ids().iter().map(|&id| i64::from(id)).collect())
}
