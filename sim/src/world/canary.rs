//! Saboteurs that the checkers must catch: each breaks one promise of the system, from outside.
//!
//! They change what passes between the machines, never the machines, so that production code holds
//! no branch for them.

use pipesd_core::ids::TokenId;
use pipesd_core::message::{Message, Upload};
use serde::{Deserialize, Serialize};

/// One way to cheat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Canary {
    /// The cloud accepts a token more than matched.
    AcceptOneTooMany,
    /// The edge goes on with a round whose parent was rejected.
    KeepStaleRound,
    /// The uplink delivers when a message has only begun.
    DeliverEarly,
    /// The extra token is the one after the target's in the vocabulary.
    ExtraOffByOne,
}

impl Canary {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::AcceptOneTooMany, Self::KeepStaleRound, Self::DeliverEarly, Self::ExtraOffByOne];

    /// Tampers with a message to the edge, which has lately sent the uploads `sent`.
    pub(super) fn tamper(self, message: &mut Message, sent: &[Upload]) {
        let Message::Verdict(verdict) = message else { return };
        let drafted = sent
            .iter()
            .filter(|upload| upload.session == verdict.session && upload.round == verdict.round)
            .find_map(|upload| upload.nav);
        match self {
            Self::AcceptOneTooMany => {
                if drafted.is_some_and(|drafted| verdict.accepted < drafted) {
                    verdict.accepted += 1;
                }
            }
            Self::KeepStaleRound => {
                let guess = sent
                    .iter()
                    .filter(|u| u.session == verdict.session && u.parent == Some(verdict.round))
                    .find_map(|upload| upload.guess);
                if let (Some(drafted), Some(guess)) = (drafted, guess)
                    && verdict.extra.is_some()
                {
                    verdict.accepted = drafted;
                    verdict.extra = Some(guess);
                }
            }
            Self::ExtraOffByOne => {
                verdict.extra = verdict.extra.map(|TokenId(id)| TokenId(id + 1));
            }
            Self::DeliverEarly => {}
        }
    }
}
