//! Bytes too bulky for a log: an encoded distribution. The state machines pass them on and never look
//! inside, so that a recording holds their hash and length and still replays bit for bit.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A handle to bytes, compared and serialised by hash and length.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Blob {
    hash: u64,
    len: u32,
    /// Absent in what was read back from a log.
    #[serde(skip)]
    bytes: Option<Arc<[u8]>>,
}

impl Blob {
    /// A handle to `bytes`.
    ///
    /// # Panics
    /// If there are 4 GiB or more: a distribution has a few hundred kilobytes.
    #[must_use]
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let len = u32::try_from(bytes.len()).expect("less than 4 GiB");
        Self { hash: hash(&bytes), len, bytes: Some(bytes) }
    }

    /// The bytes; None for a handle read from a log.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    /// Length \[bytes\].
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Self) -> bool {
        (self.hash, self.len) == (other.hash, other.len)
    }
}

impl Eq for Blob {}

/// Eight bytes at a time: a distribution is hashed for every token at both ends. No defence against
/// an adversary, who could only harm their own log.
fn hash(bytes: &[u8]) -> u64 {
    let mix =
        |hash: u64, word: u64| (hash.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let words = bytes.chunks_exact(8);
    let mut tail = [0; 8];
    tail[..words.remainder().len()].copy_from_slice(words.remainder());
    let hash = words.fold(bytes.len() as u64, |hash, word| {
        mix(hash, u64::from_le_bytes(word.try_into().expect("eight bytes")))
    });
    let last = mix(hash, u64::from_le_bytes(tail));
    last ^ (last >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_read_from_a_log_equals_the_one_written() {
        let blob = Blob::new((0..=255_u8).collect::<Vec<_>>());
        let text = serde_json::to_string(&blob).expect("plain data");
        assert!(text.len() < 60, "{text}");
        let read: Blob = serde_json::from_str(&text).expect("as written");
        assert_eq!(read, blob);
        assert_eq!((read.bytes(), read.len()), (None, 256));
    }

    #[test]
    fn content_length_and_order_are_told_apart() {
        let of = |bytes: &[u8]| Blob::new(bytes);
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
        assert_ne!(of(&[0]), of(&[0, 0]));
        assert_ne!(of(&[0; 8]), of(&[0; 16]));
        assert_ne!(of(b"12345678abcdefgh"), of(b"abcdefgh12345678"));
        assert_eq!(of(&[7; 20]), of(&[7; 20]));
    }
}
