//! What crosses the uplink for each drafted token, in bytes.
//!
//! The paper's code sends the whole draft distribution as msgpack float64 (paper §7): nine bytes for
//! each entry of the vocabulary and five for the array, 290 309 bytes at a vocabulary of 32 256.
//!
//! These sizes model the paper's code and, for ids alone, a format of fixed width. What is sent live
//! is encoded by [`wire`](crate::wire), a little smaller; a test holds the two together.

use serde::{Deserialize, Serialize};

use crate::message::Message;

/// What an upload carries for each drafted token: the payload axis of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// Id and whole draft distribution (what the paper's code sends).
    Full,
    /// Id and probability of the drafted id; the whole distribution of the rejected position is
    /// fetched by one more exchange.
    Lazy,
    /// Id and the `k` most probable entries (id and probability each).
    TopK(u32),
    /// The id alone.
    Ids,
}

/// Bytes of one msgpack float64, its type byte included.
const FLOAT_BYTES: u64 = 9;
/// Bytes of one token id (msgpack uint16 or uint32 in the paper's code; at most 4 in ours, 2 or 3 with
/// the usual vocabularies).
const ID_BYTES: u64 = 4;
/// Array header of a distribution.
const ARRAY_BYTES: u64 = 5;
/// A lazy token: id and one probability (measured by a reproduction: 12 B).
const LAZY_BYTES: u64 = 12;
/// Metadata of a request in the paper's code (paper §7).
const REQUEST_BYTES: u64 = 183;
/// Metadata of a request of our own, which the ids payload uses: session, round, parent, start, prefix
/// hash, guess, count and NAV flag at fixed width. The real encoding has 16 to 20 bytes.
const COMPACT_REQUEST_BYTES: u64 = 36;
/// A reply: published as 130-350 B, we take the middle (paper §7).
const REPLY_BYTES: u64 = 240;

/// Sizes of messages under one payload and vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireFormat {
    /// What is sent for each drafted token.
    pub payload: Payload,
    /// Entries of a full distribution \[tokens\].
    pub vocabulary: u32,
}

impl WireFormat {
    /// Bytes of one full draft distribution.
    #[must_use]
    pub const fn distribution_bytes(&self) -> u64 {
        FLOAT_BYTES * self.vocabulary as u64 + ARRAY_BYTES
    }

    /// Bytes that each drafted token adds to an upload.
    #[must_use]
    pub const fn token_bytes(&self) -> u64 {
        match self.payload {
            Payload::Full => self.distribution_bytes(),
            Payload::Lazy => LAZY_BYTES,
            Payload::TopK(k) => ID_BYTES + k as u64 * (ID_BYTES + FLOAT_BYTES),
            Payload::Ids => ID_BYTES,
        }
    }

    /// Bytes that every upload carries besides its tokens.
    #[must_use]
    pub const fn request_bytes(&self) -> u64 {
        match self.payload {
            Payload::Ids => COMPACT_REQUEST_BYTES,
            Payload::Full | Payload::Lazy | Payload::TopK(_) => REQUEST_BYTES,
        }
    }

    /// Bytes of `message` on the wire.
    #[must_use]
    pub fn message_bytes(&self, message: &Message) -> u64 {
        match message {
            Message::Open { request, .. } => {
                let ids = request.prompt.len() + request.text.len();
                self.request_bytes() + ID_BYTES * ids as u64
            }
            Message::Probe { tokens, .. } => {
                self.request_bytes() + u64::from(*tokens) * self.token_bytes()
            }
            Message::Upload(upload) => {
                self.request_bytes() + upload.tokens.len() as u64 * self.token_bytes()
            }
            Message::Distribution { .. } => self.request_bytes() + self.distribution_bytes(),
            Message::Close { .. } => self.request_bytes(),
            Message::Opened { .. }
            | Message::Denied { .. }
            | Message::Probed { .. }
            | Message::DistributionRequest { .. }
            | Message::Verdict(_) => REPLY_BYTES,
        }
    }

    /// Bytes of downlink messages, which no payload changes.
    #[must_use]
    pub const fn reply_bytes() -> u64 {
        REPLY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_token_has_the_published_size() {
        let format = |payload| WireFormat { payload, vocabulary: 32_256 };
        assert_eq!(format(Payload::Full).token_bytes(), 290_309);
        assert_eq!(format(Payload::Lazy).token_bytes(), 12);
        assert_eq!(format(Payload::Ids).token_bytes(), 4);
        assert_eq!(format(Payload::TopK(8)).token_bytes(), 108);
    }
}
