//! How draft tokens are chosen and judged: what both ends agree on for a session, and what a draft
//! model says of its tokens so that they can be judged. The rules themselves are [`Sampling::propose`],
//! [`Sampling::decide`] and [`Sampling::replace`]; [`Terms::exactness`] says which terms keep the text
//! the target's own.

mod encoding;
mod exactness;
mod noise;
mod rules;
mod tempered;

use serde::{Deserialize, Serialize};

use crate::blob::Blob;
use crate::payload::Payload;

pub use self::encoding::EvidenceError;
pub use self::exactness::Exactness;

/// How the cloud decides on a draft token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// The target draws its own token; accept iff the draft's is the same. Exact for any draft.
    #[default]
    Match,
    /// Accept with probability min(1, p/q), else draw from max(0, p - q), q being what the draft was
    /// drawn from, as it stands on the wire.
    Rejection,
}

/// How the draft model chooses a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drafting {
    /// The most probable one; of several the lowest id.
    #[default]
    Argmax,
    /// Drawn from the draft distribution, by noise of its own.
    Sampled,
    /// Drawn by the noise that the target draws by (Daliri, Musco, Suresh 2024).
    Coupled,
}

/// A sampling temperature: 0 (argmax) or more, finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Temperature(f64);

impl Temperature {
    /// The highest that is accepted: beyond it every distribution is flat.
    pub const MAX: f64 = 100.0;

    /// None unless 0 ≤ `value` ≤ [`Self::MAX`] (NaN is refused).
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=Self::MAX).contains(&value).then_some(Self(value))
    }

    /// The temperature as a number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Temperature {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        Self::new(value).ok_or_else(|| format!("a temperature is 0 to {}, not {value}", Self::MAX))
    }
}

impl From<Temperature> for f64 {
    fn from(temperature: Temperature) -> Self {
        temperature.0
    }
}

/// What both ends agree on for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// How the cloud decides.
    pub verification: Verification,
    /// How the draft model chooses.
    pub drafting: Drafting,
    /// What is sent for each token.
    pub payload: Payload,
}

/// All that a model's backend needs to propose or judge tokens of a session: it is handed to it with
/// the prompt, and the backend hands it back to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// The terms.
    pub terms: Terms,
    /// The request's temperature.
    pub temperature: Temperature,
    /// The request's seed: noise is keyed by it and by position.
    pub seed: u64,
}

/// What a draft model says of a token that it proposes, besides the token: see [`Evidence`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The probability q of the token in the distribution below.
    pub probability: f64,
    /// The distribution that it was drawn from, encoded as the payload says.
    pub distribution: Blob,
}

/// The part of a [`Claim`] that goes up with a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Evidence {
    /// The token's probability (the lazy payload).
    Probability(f64),
    /// The whole distribution, as encoded (full and top-k).
    Distribution(Blob),
}

impl Evidence {
    /// What it weighs in memory besides itself \[bytes\].
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        match self {
            Self::Probability(_) => 0,
            Self::Distribution(distribution) => distribution.len() as u64,
        }
    }
}

impl Terms {
    /// Whether the cloud looks at the evidence that goes up with a token. By [`Verification::Match`]
    /// it decides without, whatever the payload carries.
    #[must_use]
    pub const fn need_evidence(&self) -> bool {
        matches!(self.verification, Verification::Rejection)
            && !matches!(self.payload, Payload::Ids)
    }
}

impl Claim {
    /// What of the claim goes up with its token; nothing if ids alone do.
    #[must_use]
    pub fn evidence(&self, payload: Payload) -> Option<Evidence> {
        match payload {
            Payload::Full | Payload::TopK(_) => {
                Some(Evidence::Distribution(self.distribution.clone()))
            }
            Payload::Lazy => Some(Evidence::Probability(self.probability)),
            Payload::Ids => None,
        }
    }
}

/// What the target decides on a block of drafts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Its token at each drafted position, from the first on, and at the one after the last; a draft
    /// is accepted iff it is the same and those before it are accepted. It may end with the first
    /// token that differs: what would follow is of no consequence.
    pub tokens: Vec<crate::ids::TokenId>,
    /// The position after the last token above was rejected, and its replacement can only be drawn
    /// with the draft's distribution, which the lazy payload withheld.
    pub withheld: bool,
}

impl Decision {
    /// A decision that withholds nothing.
    #[must_use]
    pub const fn of(tokens: Vec<crate::ids::TokenId>) -> Self {
        Self { tokens, withheld: false }
    }
}
