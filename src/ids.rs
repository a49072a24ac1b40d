//! Identities. Each kind of number is a type of its own, so that they cannot be exchanged.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

identity!(
    /// One request being decoded, unique over all edges of a cloud.
    SessionId(u64), "s"
);
identity!(
    /// One round of a session: the tokens drafted for one verification. Ids rise within a session.
    RoundId(u32), "r"
);
identity!(
    /// One message, unique at the endpoint that sends it.
    MessageId(u64), "m"
);
identity!(
    /// One piece of model work, unique at the endpoint that starts it.
    WorkId(u64), "w"
);
identity!(
    /// A token of the vocabulary that draft and target share.
    TokenId(u32), "t"
);

/// A rolling hash of the committed text up to some position.
///
/// It lets the cloud decide, without trust in message order, whether a round was drafted upon the
/// text that has in fact been committed. It is no defence against an adversary, who could only harm
/// their own session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrefixHash(u64);

impl SessionId {
    /// The session numbered `request` of a client. A client is an edge, as a cloud knows it: in a simulation
    /// its number, live one that the cloud gives to whoever connects.
    #[must_use]
    pub const fn of(client: u32, request: u32) -> Self {
        Self((client as u64) << 32 | request as u64)
    }

    /// Whose session it is.
    #[must_use]
    pub const fn client(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The number of its request among the client's.
    #[must_use]
    pub const fn request(self) -> u32 {
        self.0 as u32
    }
}

impl PrefixHash {
    /// The hash of the empty output text.
    // The offset basis of FNV-1a; any odd constant would do.
    pub const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    /// The hash as a number, for the wire.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The hash that a number from the wire claims.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The hash of the text with `token` appended.
    #[must_use]
    pub const fn push(self, token: TokenId) -> Self {
        // SplitMix64's finaliser: every input bit moves every output bit.
        let mut x = self.0 ^ (token.0 as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(x ^ (x >> 31))
    }

    /// The hash of the text with `tokens` appended in order.
    #[must_use]
    pub fn extend(self, tokens: &[TokenId]) -> Self {
        tokens.iter().fold(self, |hash, &token| hash.push(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_hash_tells_order_and_length() {
        let of = |ids: &[u32]| {
            PrefixHash::EMPTY.extend(&ids.iter().map(|&id| TokenId(id)).collect::<Vec<_>>())
        };
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
        assert_ne!(of(&[0]), of(&[0, 0]));
        assert_eq!(of(&[1, 2, 3]), of(&[1, 2]).push(TokenId(3)));
    }
}
