//! A schedule for the edge to follow, in the place of trigger, upload policy and waiting.
//!
//! Made by someone who knows the future (the simulator's clairvoyant bound), it says for each round
//! how many tokens to draft, in which batches to upload them, and whether to guess on while the NAV
//! is pending. All else stays the edge's own work: sessions, rounds, verdicts, the uplink.
//!
//! Deliberately absent: times. The edge acts as soon as it can, as with any method.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::SessionId;

/// One round of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptedRound {
    /// Output position of the round's first draft token.
    pub start: u32,
    /// Tokens of each upload; the NAV request rides on the last. Empty: the round drafts nothing,
    /// its one upload is the NAV request alone, and the verdict brings the target's token at `start`.
    pub batches: Vec<u32>,
    /// Whether the edge guesses the extra token and goes on with the next round at once; if not, it
    /// waits for the verdict.
    pub guess: bool,
}

impl ScriptedRound {
    /// Draft tokens of the round.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.batches.iter().sum()
    }
}

/// A script for any number of sessions. A round that it does not name follows the method's trigger,
/// is uploaded with its NAV request, and the edge waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    sessions: BTreeMap<SessionId, BTreeMap<u32, ScriptedRound>>,
}

impl Script {
    /// Sets the rounds of a session, in any order; of two with the same start the later one holds.
    pub fn insert(&mut self, session: SessionId, rounds: impl IntoIterator<Item = ScriptedRound>) {
        let by_start = rounds.into_iter().map(|round| (round.start, round)).collect();
        self.sessions.insert(session, by_start);
    }

    /// The rounds of a session in order.
    pub fn rounds(&self, session: SessionId) -> impl Iterator<Item = &ScriptedRound> {
        self.sessions.get(&session).into_iter().flat_map(BTreeMap::values)
    }

    /// The rounds of a session, by start.
    pub(crate) fn session(&self, session: SessionId) -> BTreeMap<u32, ScriptedRound> {
        self.sessions.get(&session).cloned().unwrap_or_default()
    }
}
