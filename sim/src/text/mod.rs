//! The truth about a text: what the target says at each position, what the draft proposes there, and
//! how the draft goes on after a mistake. Only the simulated models look at it; edge and cloud speak
//! token ids.

pub mod likelihood;
mod process;
mod recorded;
pub mod strata;

use pipesd_core::contract::Proposal;
use pipesd_core::ids::TokenId;

pub use self::process::{Process, ProcessText};
pub use self::recorded::Recorded;

/// One position where the draft's context is the target's own text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnPath {
    /// The target's token: what will be committed here, by any method.
    pub target: TokenId,
    /// What the draft proposes.
    pub draft: Proposal,
}

/// The text of one session.
#[derive(Clone, Debug)]
pub enum Text {
    /// Drawn from a profile's process.
    Process(Box<ProcessText>),
    /// Recorded.
    Recorded(Recorded),
}

impl Text {
    /// The position `position` of the text.
    pub fn on_path(&mut self, position: u32) -> OnPath {
        match self {
            Self::Process(text) => text.on_path(position),
            Self::Recorded(text) => text.on_path(position),
        }
    }

    /// What the draft proposes `offset` ≥ 1 positions after its mistake at `mismatch`, having
    /// followed its own proposals since. None: the recording does not go that far.
    pub fn off_path(&mut self, mismatch: u32, offset: u32) -> Option<Proposal> {
        match self {
            Self::Process(text) => Some(text.off_path(mismatch, offset)),
            Self::Recorded(text) => text.off_path(mismatch, offset),
        }
    }
}
