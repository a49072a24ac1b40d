//! The edge's device: how long a draft step takes on it, given how long the models' reference device
//! needs.
//!
//! Two emulations of a slow device differ in what they slow down. A *padded* device is the paper's: the
//! drafts of a round that stands on committed text are stretched to a fixed time; guesses and what is
//! drafted ahead of a verdict run at the reference device's own speed. A *slowed* device is slow at every
//! step, as a real one is.
//!
//! The authors' edge also evaluates the target's token after a verdict without padding, in a step of its
//! own that proposes nothing. Ours evaluates that token in the decode that proposes the next round's first
//! draft ([`DraftKind::AfterVerdict`]), which is a main draft and is padded as one; what the separate step
//! costs is in the profiles' overhead of a NAV, the intercept of the authors' round times, on any device.

use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// What a step of the draft model is for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DraftKind {
    /// A draft of a round that stands on committed text.
    #[default]
    Main,
    /// The guess of a parent's extra token, which opens a round ahead of the parent's verdict.
    Guess,
    /// A draft of a round that was opened by a guess, also after the guess has been confirmed.
    Ahead,
    /// The first draft of a round that stands on committed text, where a verdict has just brought the
    /// end of it: the step that evaluates the target's own token too.
    AfterVerdict,
}

impl DraftKind {
    /// All kinds, in order.
    pub const ALL: [Self; 4] = [Self::Main, Self::Guess, Self::Ahead, Self::AfterVerdict];

    /// Whether the step's token opens a round in the place of joining one.
    #[must_use]
    pub const fn is_guess(self) -> bool {
        matches!(self, Self::Guess)
    }
}

/// The time that a device needs for a draft step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// Every step takes so much longer.
    Added(Duration),
    /// A draft of a round on committed text takes so long at least, a guess and what is drafted ahead
    /// their own time.
    Padded(Duration),
    /// Every step takes so long at least.
    Slowed(Duration),
}

/// The longest time of a device's rule \[ms\].
pub const DEVICE_MS_MAX: f64 = 60_000.0;

impl Device {
    /// The reference device itself.
    pub const REFERENCE: Self = Self::Added(Duration::ZERO);

    /// How long a step of a kind takes that takes `own` on the reference device; never less.
    #[must_use]
    pub fn step(self, own: Duration, kind: DraftKind) -> Duration {
        match (self, kind) {
            (Self::Added(more), _) => own + more,
            (Self::Slowed(least), _)
            | (Self::Padded(least), DraftKind::Main | DraftKind::AfterVerdict) => own.max(least),
            (Self::Padded(_), DraftKind::Guess | DraftKind::Ahead) => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn device() -> impl Strategy<Value = Device> {
        let time = (0_u64..1000).prop_map(Duration::from_nanos);
        (0..3, time).prop_map(|(rule, time)| match rule {
            0 => Device::Added(time),
            1 => Device::Padded(time),
            _ => Device::Slowed(time),
        })
    }

    proptest! {
        #[test]
        fn no_device_is_faster_than_the_reference_and_a_longer_step_stays_longer(
            device in device(),
            kind in prop::sample::select(DraftKind::ALL.to_vec()),
            shorter in 0_u64..2000,
            more in 0_u64..500,
        ) {
            let [shorter, longer] = [shorter, shorter + more].map(Duration::from_nanos);
            prop_assert!(device.step(shorter, kind) >= shorter);
            prop_assert!(device.step(shorter, kind) <= device.step(longer, kind));
            prop_assert!(device.step(shorter, kind) <= device.step(shorter, DraftKind::Main));
        }
    }

    #[test]
    fn a_padded_device_stretches_what_is_not_drafted_ahead() {
        let [own, least] = [40, 84].map(Duration::from_millis);
        let [padded, slowed] = [Device::Padded(least), Device::Slowed(least)];
        assert_eq!(DraftKind::ALL.map(|kind| padded.step(own, kind)), [least, own, own, least]);
        assert_eq!(DraftKind::ALL.map(|kind| slowed.step(own, kind)), [least; 4]);
        assert_eq!(Device::REFERENCE.step(own, DraftKind::Main), own);
    }
}
