//! One round at the edge: the tokens drafted for one NAV.

use super::tuning::Setting;
use crate::device::DraftKind;
use crate::event::NavCause;
use crate::ids::{PrefixHash, RoundId, TokenId};
use crate::script::ScriptedRound;

/// A round. Its tokens stand in the session's text from `start` on.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) id: RoundId,
    pub(super) parent: Option<RoundId>,
    /// Output position of the first draft token.
    pub(super) start: u32,
    /// Hash of the text before `start`, guess included.
    pub(super) prefix: PrefixHash,
    /// The guess that opened it, if it was begun while its parent's NAV was pending.
    pub(super) guess: Option<TokenId>,
    /// Its parent's verdict is still to come: whether the guess was right is not known.
    pub(super) awaits_parent: bool,
    /// How many guesses deep it was when it fired, or is now: 0 stands on committed text.
    pub(super) depth: u32,
    /// Tokens drafted.
    pub(super) drafted: u32,
    /// Of these handed to the link.
    pub(super) sent: u32,
    /// Uploads handed to the link.
    pub(super) batches: u32,
    /// Product of the confidences.
    pub(super) product: f64,
    /// Why the round is complete, if it is.
    pub(super) fired: Option<NavCause>,
    /// The NAV request is with the link.
    pub(super) nav_requested: bool,
    /// Nothing can be drafted here: the guess would end the text.
    pub(super) closed: bool,
    /// What a script wants of it, in the place of the method's axes.
    pub(super) scripted: Option<ScriptedRound>,
    /// The tuner's thresholds that it was opened under; None: the session's trigger decides.
    pub(super) setting: Option<Setting>,
}

impl Round {
    pub(super) const fn new(
        id: RoundId,
        parent: Option<RoundId>,
        start: u32,
        prefix: PrefixHash,
        guess: Option<TokenId>,
    ) -> Self {
        Self {
            id,
            parent,
            start,
            prefix,
            guess,
            awaits_parent: guess.is_some(),
            depth: 0,
            drafted: 0,
            sent: 0,
            batches: 0,
            product: 1.0,
            fired: None,
            nav_requested: false,
            closed: false,
            scripted: None,
            setting: None,
        }
    }

    /// Output position after the last draft token.
    pub(super) const fn end(&self) -> u32 {
        self.start + self.drafted
    }

    /// What its next draft step is for.
    pub(super) const fn draft_kind(&self) -> DraftKind {
        match (self.guess, self.parent) {
            (Some(_), _) => DraftKind::Ahead,
            (None, Some(_)) if self.drafted == 0 => DraftKind::AfterVerdict,
            (None, _) => DraftKind::Main,
        }
    }

    pub(super) const fn unsent(&self) -> u32 {
        self.drafted - self.sent
    }
}
