//! Whether two models mean the same by an id: a hash of what their ids mean, and where they differ.

use core::fmt;

use pipesd_core::wire::{VOCABULARY_BLOCK, Vocabulary, VocabularyBlock, VocabularyDigest};
use ring::digest::{SHA256, digest};

/// What the ids 0, 1, ... of a model mean, in bytes: as far as both models of a pair use them, without a
/// padded tail.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenBytes {
    entries: Vec<Vec<u8>>,
}

impl fmt::Debug for TokenBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBytes").field("ids", &self.entries.len()).finish_non_exhaustive()
    }
}

/// Ids of a block, in the exchange that tells where two vocabularies differ.
pub const BLOCK: u32 = VOCABULARY_BLOCK;

/// The first id of which two vocabularies say different things.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "id {id} is {} to the draft, {} to the target: they are not a pair",
    shown(.draft), shown(.target)
)]
pub struct Difference {
    /// The id.
    pub id: u32,
    /// What it means to the draft; None: nothing, its vocabulary is smaller.
    pub draft: Option<Vec<u8>>,
    /// What it means to the target.
    pub target: Option<Vec<u8>>,
}

/// Bytes of a token that are shown, at most.
const SHOWN_MAX: usize = 40;

/// A token as people read it, escaped: it may come from a peer.
fn shown(token: &Option<Vec<u8>>) -> String {
    let Some(token) = token else { return "nothing".into() };
    let cut = &token[..token.len().min(SHOWN_MAX)];
    let more = if cut.len() < token.len() { "..." } else { "" };
    format!("\"{}\"{more}", cut.escape_ascii())
}

impl TokenBytes {
    /// What ids from 0 on mean.
    ///
    /// # Panics
    /// If there are more than 2^32 - 1.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let entries: Vec<Vec<u8>> = entries.into_iter().collect();
        assert!(u32::try_from(entries.len()).is_ok(), "ids are 32 bits");
        Self { entries }
    }

    /// Ids.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.entries.len() as u32
    }

    /// What an id means.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&[u8]> {
        self.entries.get(id as usize).map(Vec::as_slice)
    }

    /// The id that means `token`; of several the lowest.
    #[must_use]
    pub fn id_of(&self, token: &[u8]) -> Option<u32> {
        self.entries.iter().position(|entry| entry == token).map(|id| id as u32)
    }

    /// The first ids alone; `size` beyond them changes nothing.
    #[must_use]
    pub fn truncated(mut self, size: u32) -> Self {
        self.entries.truncate(size as usize);
        self
    }

    /// What is said of it when two ends meet.
    ///
    /// # Panics
    /// If it is empty.
    #[must_use]
    pub fn hello(&self) -> Vocabulary {
        assert!(!self.entries.is_empty(), "a model has a vocabulary");
        Vocabulary { size: self.size(), hash: hash(&self.entries) }
    }

    /// Hashes of its blocks of [`BLOCK`] ids.
    #[must_use]
    pub fn blocks(&self) -> VocabularyDigest {
        let blocks = self.entries.chunks(BLOCK as usize).map(hash).collect();
        VocabularyDigest { size: self.size(), blocks }
    }

    /// The tokens of a block; none, if there is no such block.
    #[must_use]
    pub fn block(&self, index: u32) -> VocabularyBlock {
        let tokens = self.entries.chunks(BLOCK as usize).nth(index as usize).unwrap_or_default();
        let tokens = tokens.iter().map(|token| VocabularyBlock::cut(token).to_vec()).collect();
        VocabularyBlock { index, tokens }
    }

    /// The first block whose hash is another than in `theirs`, or which only one of both has.
    #[must_use]
    pub fn other_block(&self, theirs: &VocabularyDigest) -> Option<u32> {
        let ours = self.blocks().blocks;
        let longest = ours.len().max(theirs.blocks.len());
        (0..longest).find(|&at| ours.get(at) != theirs.blocks.get(at)).map(|at| at as u32)
    }

    /// Where this draft's vocabulary differs from the target's in a block. None: not there, or only
    /// beyond the bytes that are sent of a token.
    #[must_use]
    pub fn difference_in(&self, theirs: &VocabularyBlock) -> Option<Difference> {
        let first = theirs.index.saturating_mul(BLOCK);
        let ours = |id: u32| self.get(id);
        let longest = theirs.tokens.len().max(self.block(theirs.index).tokens.len());
        (0..longest).find_map(|at| {
            let id = first + at as u32;
            let (draft, target) = (ours(id), theirs.tokens.get(at));
            let same = draft.map(VocabularyBlock::cut) == target.map(Vec::as_slice);
            let difference =
                || Difference { id, draft: draft.map(<[u8]>::to_vec), target: target.cloned() };
            (!same).then(difference)
        })
    }

    /// Where this draft's vocabulary differs from the `target`'s.
    #[must_use]
    pub fn difference(&self, target: &Self) -> Option<Difference> {
        let longest = self.entries.len().max(target.entries.len());
        let id = (0..longest).find(|&id| self.entries.get(id) != target.entries.get(id))?;
        let [draft, theirs] = [self, target].map(|all| all.entries.get(id).cloned());
        Some(Difference { id: id as u32, draft, target: theirs })
    }
}

/// The first 64 bits of SHA-256 over the tokens, each after its length (`u32`, little-endian).
fn hash(tokens: &[Vec<u8>]) -> u64 {
    let mut bytes = Vec::new();
    for token in tokens {
        bytes.extend((token.len() as u32).to_le_bytes());
        bytes.extend(token);
    }
    let digest = digest(&SHA256, &bytes);
    let first = digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes");
    u64::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(size: u32) -> TokenBytes {
        TokenBytes::new((0..size).map(|id| format!("token {id}").into_bytes()))
    }

    fn changed(size: u32, id: usize, to: &[u8]) -> TokenBytes {
        let mut tokens = numbered(size);
        tokens.entries[id] = to.to_vec();
        tokens
    }

    #[test]
    fn a_padded_tail_is_of_no_consequence() {
        let padded = TokenBytes::new(numbered(300).entries.into_iter().chain([b"[PAD]".to_vec()]));
        assert_ne!(padded.hello().hash, numbered(300).hello().hash);
        assert_eq!(padded.truncated(300).hello(), numbered(300).hello());
    }

    #[test]
    fn tokens_do_not_run_into_each_other() {
        let split = |one: &str, other: &str| TokenBytes::new([one.into(), other.into()]).hello();
        assert_ne!(split("ab", "c"), split("a", "bc"));
    }

    #[test]
    fn the_first_difference_is_found_by_blocks_as_in_full() {
        let draft = numbered(1000);
        for id in [0, 255, 256, 700, 999] {
            let target = changed(1000, id, b"other");
            let block = draft.other_block(&target.blocks()).expect("they differ");
            assert_eq!(block, id as u32 / BLOCK);
            let found = draft.difference_in(&target.block(block)).expect("they differ");
            assert_eq!(Some(&found), draft.difference(&target).as_ref());
            assert_eq!(
                found.to_string(),
                format!(
                    "id {id} is \"token {id}\" to the draft, \"other\" to the target: they are not a pair"
                )
            );
        }
        assert_eq!(draft.other_block(&draft.blocks()), None);
        assert_eq!(draft.difference(&draft), None);
    }

    #[test]
    fn a_smaller_vocabulary_differs_where_it_ends() {
        for (ours, theirs) in [(300, 301), (301, 300), (512, 513), (513, 512)] {
            let (draft, target) = (numbered(ours), numbered(theirs));
            let block = draft.other_block(&target.blocks()).expect("they differ");
            let found = draft.difference_in(&target.block(block));
            assert_eq!(found, draft.difference(&target));
            assert_eq!(found.expect("they differ").id, ours.min(theirs));
        }
    }

    #[test]
    fn what_a_peer_calls_a_token_does_no_harm_to_a_terminal() {
        let difference = Difference { id: 1, draft: None, target: Some(b"\x1b[2J\"\xff".to_vec()) };
        let told = difference.to_string();
        assert_eq!(
            told,
            r#"id 1 is nothing to the draft, "\x1b[2J\"\xff" to the target: they are not a pair"#
        );
    }
}
