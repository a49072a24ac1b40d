//! Whether a text decoded with draft tokens has the distribution of the target's own.

use serde::{Deserialize, Serialize};

use super::{Drafting, Terms, Verification};
use crate::payload::Payload;

/// What the text's distribution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exactness {
    /// The target's own.
    Exact,
    /// Another one, close to it where the models agree. At temperature 0 it is the target's all the
    /// same.
    Approximate,
}

impl Terms {
    /// Whether the text has the target's own distribution, at any temperature.
    ///
    /// It does not where the p/q rule is told that an argmax draft was drawn from a distribution of
    /// more than one id, as in the paper's code.
    #[must_use]
    pub const fn exactness(&self) -> Exactness {
        match (self.verification, self.drafting, self.payload) {
            // The most probable id alone is what an argmax draft is drawn from.
            (Verification::Rejection, Drafting::Argmax, Payload::TopK(0 | 1)) => Exactness::Exact,
            (
                Verification::Rejection,
                Drafting::Argmax,
                Payload::Full | Payload::Lazy | Payload::TopK(_),
            ) => Exactness::Approximate,
            (Verification::Match, _, _)
            | (Verification::Rejection, Drafting::Sampled | Drafting::Coupled, _)
            | (Verification::Rejection, Drafting::Argmax, Payload::Ids) => Exactness::Exact,
        }
    }
}
