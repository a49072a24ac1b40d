//! What two ends say to each other when their vocabularies turn out to differ, so that a person learns
//! where: behind a hello that refuses for that reason the cloud's hashes of blocks of ids, then the
//! edge's choice of a block, then the cloud's tokens of it.
//!
//! The edge alone learns the difference. What its cloud's ids mean is no secret: it holds the ticket.

use super::WireError;
use super::layout::Field;
use super::reader::Reader;
use super::writer::Writer;

/// Ids of a block.
pub const VOCABULARY_BLOCK: u32 = 256;

/// Ids of a vocabulary at most: far beyond any model's.
pub const VOCABULARY_MAX: u32 = 1 << 22;

/// Bytes that are sent of a token at most; of a longer one its beginning stands for it.
const TOKEN_BYTES_MAX: usize = 127;

/// None of the bodies of this exchange has more bytes: what is longer need not be read.
pub const VOCABULARY_BYTES_MAX: u32 = 4 + 8 * (VOCABULARY_MAX / VOCABULARY_BLOCK);

const SIZE: Field = Field("the size of the vocabulary");
const INDEX: Field = Field("the index of a block of ids");
const COUNT: Field = Field("the number of tokens in a block");
const LENGTH: Field = Field("the length of a token");

/// Hashes of the target's ids, a block of [`VOCABULARY_BLOCK`] each; the last may be shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VocabularyDigest {
    /// Ids.
    pub size: u32,
    /// A hash for each block; whoever makes it defines it, as that of [`Vocabulary`](super::Vocabulary).
    pub blocks: Vec<u64>,
}

/// What the ids of a block mean to the target, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VocabularyBlock {
    /// Which: its first id is `index` · [`VOCABULARY_BLOCK`].
    pub index: u32,
    /// A token for each id, [cut](Self::cut).
    pub tokens: Vec<Vec<u8>>,
}

impl VocabularyBlock {
    /// What is sent of a token.
    #[must_use]
    pub fn cut(token: &[u8]) -> &[u8] {
        &token[..token.len().min(TOKEN_BYTES_MAX)]
    }
}

fn index_max() -> u32 {
    VOCABULARY_MAX / VOCABULARY_BLOCK - 1
}

fn open(body: &[u8]) -> Result<Reader<'_>, WireError> {
    let (bytes, bytes_max) = (body.len() as u64, VOCABULARY_BYTES_MAX);
    if bytes > bytes_max.into() {
        return Err(WireError::TooLong { bytes, bytes_max });
    }
    Ok(Reader::new(body))
}

/// Appends the body of a digest to `out`.
///
/// # Panics
/// If it has not one hash for each block of its size, or more ids than [`VOCABULARY_MAX`].
pub fn encode_vocabulary_digest(digest: &VocabularyDigest, out: &mut Vec<u8>) {
    let VocabularyDigest { size, blocks } = digest;
    assert!((1..=VOCABULARY_MAX).contains(size), "a vocabulary has ids, and not too many");
    assert_eq!(blocks.len() as u32, size.div_ceil(VOCABULARY_BLOCK), "one hash for each block");
    let mut writer = Writer(out);
    writer.bytes(&size.to_le_bytes());
    for block in blocks {
        writer.bytes(&block.to_le_bytes());
    }
}

/// The digest of a body.
///
/// # Errors
/// What is wrong.
pub fn decode_vocabulary_digest(body: &[u8]) -> Result<VocabularyDigest, WireError> {
    let mut reader = open(body)?;
    let size = u32::from_le_bytes(reader.array()?);
    let size = SIZE.check(size.into(), 1, VOCABULARY_MAX)?;
    let count = size.div_ceil(VOCABULARY_BLOCK);
    reader.expect(count, 8)?;
    let mut blocks = Vec::with_capacity(count as usize);
    for _ in 0..count {
        blocks.push(u64::from_le_bytes(reader.array()?));
    }
    reader.finish()?;
    Ok(VocabularyDigest { size, blocks })
}

/// Appends the body that asks for a block to `out`.
pub fn encode_vocabulary_wanted(index: u32, out: &mut Vec<u8>) {
    Writer(out).bytes(&index.to_le_bytes());
}

/// The block that a body asks for.
///
/// # Errors
/// What is wrong.
pub fn decode_vocabulary_wanted(body: &[u8]) -> Result<u32, WireError> {
    let mut reader = open(body)?;
    let index = u32::from_le_bytes(reader.array()?);
    let index = INDEX.check(index.into(), 0, index_max())?;
    reader.finish()?;
    Ok(index)
}

/// Appends the body of a block to `out`; tokens are [cut](VocabularyBlock::cut).
///
/// # Panics
/// If it has more than [`VOCABULARY_BLOCK`] tokens.
pub fn encode_vocabulary_block(block: &VocabularyBlock, out: &mut Vec<u8>) {
    assert!(block.tokens.len() <= VOCABULARY_BLOCK as usize, "a block has so many ids");
    let mut writer = Writer(out);
    writer.bytes(&block.index.to_le_bytes());
    writer.number(block.tokens.len() as u64);
    for token in &block.tokens {
        let cut = VocabularyBlock::cut(token);
        writer.number(cut.len() as u64);
        writer.bytes(cut);
    }
}

/// The block of a body.
///
/// # Errors
/// What is wrong.
pub fn decode_vocabulary_block(body: &[u8]) -> Result<VocabularyBlock, WireError> {
    let mut reader = open(body)?;
    let index = u32::from_le_bytes(reader.array()?);
    let index = INDEX.check(index.into(), 0, index_max())?;
    let count = reader.number_in(COUNT, 0, VOCABULARY_BLOCK)?;
    reader.expect(count, 1)?;
    let mut tokens = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let length = reader.number_in(LENGTH, 0, TOKEN_BYTES_MAX as u32)?;
        tokens.push(reader.bytes(length)?.to_vec());
    }
    reader.finish()?;
    Ok(VocabularyBlock { index, tokens })
}
