//! What both directions of the codec agree on: kinds, flags, widths, and names for error messages.

use super::WireError;
use crate::ids::TokenId;

/// The first byte of a message's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Open = 0x01,
    Probe = 0x02,
    Upload = 0x03,
    Distribution = 0x04,
    Close = 0x05,
    Opened = 0x11,
    Probed = 0x12,
    DistributionRequest = 0x13,
    Verdict = 0x14,
    Denied = 0x15,
}

impl Kind {
    pub(super) const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::Open,
            0x02 => Self::Probe,
            0x03 => Self::Upload,
            0x04 => Self::Distribution,
            0x05 => Self::Close,
            0x11 => Self::Opened,
            0x12 => Self::Probed,
            0x13 => Self::DistributionRequest,
            0x14 => Self::Verdict,
            0x15 => Self::Denied,
            _ => return None,
        })
    }
}

/// Bytes of each token id of a body: as many as the largest takes, at least two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdWidth {
    Two,
    Three,
    Four,
}

impl IdWidth {
    /// Where it stands in a flags byte.
    pub(super) const MASK: u8 = 0b11;

    pub(super) fn of(ids: impl Iterator<Item = TokenId>) -> Self {
        match ids.map(|id| id.0).max().unwrap_or_default() {
            0..=0xffff => Self::Two,
            0x1_0000..=0xff_ffff => Self::Three,
            _ => Self::Four,
        }
    }

    pub(super) const fn from_flags(flags: u8) -> Option<Self> {
        match flags & Self::MASK {
            0 => Some(Self::Two),
            1 => Some(Self::Three),
            2 => Some(Self::Four),
            _ => None,
        }
    }

    pub(super) const fn flags(self) -> u8 {
        match self {
            Self::Two => 0,
            Self::Three => 1,
            Self::Four => 2,
        }
    }

    pub(super) const fn bytes(self) -> u8 {
        2 + self.flags()
    }
}

/// Flags of an open: the id's width, then what the terms are.
pub(super) mod open {
    pub(in crate::wire) const VERIFICATION_SHIFT: u8 = 2;
    pub(in crate::wire) const DRAFTING_SHIFT: u8 = 3;
    pub(in crate::wire) const PAYLOAD_SHIFT: u8 = 5;
    /// The session was opened before, or has text: both follow.
    pub(in crate::wire) const RESUMES: u8 = 1 << 7;
}

/// Flags of an upload: the id's width, what is there, and the kind of evidence.
pub(super) mod upload {
    pub(in crate::wire) const PARENT: u8 = 1 << 2;
    pub(in crate::wire) const GUESS: u8 = 1 << 3;
    pub(in crate::wire) const NAV: u8 = 1 << 4;
    pub(in crate::wire) const EVIDENCE_SHIFT: u8 = 5;
    pub(in crate::wire) const NO_EVIDENCE: u8 = 0;
    pub(in crate::wire) const PROBABILITIES: u8 = 1;
    pub(in crate::wire) const DISTRIBUTIONS: u8 = 2;
    pub(in crate::wire) const UNUSED: u8 = 0b1000_0000;
}

/// Flags of a verdict: the id's width, and whether there is an extra token.
pub(super) mod verdict {
    pub(in crate::wire) const EXTRA: u8 = 1 << 2;
    pub(in crate::wire) const UNUSED: u8 = 0b1111_1000;
}

/// Entries of a top-k payload at most: as for a method.
pub(super) const TOP_K_MAX: u32 = 1_000_000;

/// A number of a body, named for error messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field(pub(super) &'static str);

impl Field {
    /// `value` if it is `min` to `max`.
    pub(super) fn check(self, value: u64, min: u32, max: u32) -> Result<u32, WireError> {
        let out_of_range = || {
            let (field, min, max) = (self.0, u64::from(min), u64::from(max));
            WireError::OutOfRange { field, value, min, max }
        };
        let fits = u32::try_from(value).ok().filter(|value| (min..=max).contains(value));
        fits.ok_or_else(out_of_range)
    }
}

pub(super) const SESSION: Field = Field("a half of the session's number");
pub(super) const ROUND: Field = Field("the round's number");
pub(super) const PARENT_DISTANCE: Field = Field("the distance to the parent round");
pub(super) const START: Field = Field("the round's first position");
pub(super) const OFFSET: Field = Field("the index of the upload's first token");
pub(super) const TOKENS: Field = Field("the number of draft tokens");
pub(super) const END: Field = Field("the position after the last token");
pub(super) const INDEX: Field = Field("the index of the rejected token");
pub(super) const ACCEPTED: Field = Field("the number of accepted tokens");
pub(super) const TOKEN_ID: Field = Field("a token's id");
pub(super) const PROMPT: Field = Field("the number of prompt tokens");
pub(super) const BUDGET: Field = Field("the budget");
pub(super) const OPENING: Field = Field("the number of openings before");
pub(super) const TEXT: Field = Field("the number of tokens committed before");
pub(super) const RETRY: Field = Field("the time to the next try");
pub(super) const STOP_IDS: Field = Field("the number of stop ids");
pub(super) const TOP_K: Field = Field("the number of entries of a top-k payload");
pub(super) const DISTRIBUTION: Field = Field("the length of a distribution");
pub(super) const REPORTS: Field = Field("the number of measurements");
pub(super) const VOCABULARY: Field = Field("the size of the vocabulary");
