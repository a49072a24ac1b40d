//! The constant thresholds of a trigger as a point that a tuner moves.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::TriggerConfig;
use crate::method::Threshold;

/// The thresholds that a trigger compares with and never changes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// The paper's R1, if the trigger has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_threshold: Option<Threshold>,
    /// The paper's R2, if the trigger has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_threshold: Option<Threshold>,
}

impl Thresholds {
    /// Their values in order, R1 first: one or two numbers.
    #[must_use]
    pub fn coordinates(self) -> Vec<f64> {
        [self.sequence_threshold, self.token_threshold]
            .into_iter()
            .flatten()
            .map(f64::from)
            .collect()
    }

    /// The same thresholds at other values; None if these are not as many, or one is no threshold.
    #[must_use]
    pub fn at(self, coordinates: &[f64]) -> Option<Self> {
        let mut left = coordinates.iter();
        let mut next = |has: Option<Threshold>| match has {
            None => Some(None),
            Some(_) => Some(Some(Threshold::new(*left.next()?)?)),
        };
        let sequence_threshold = next(self.sequence_threshold)?;
        let token_threshold = next(self.token_threshold)?;
        left.next().is_none().then_some(Self { sequence_threshold, token_threshold })
    }
}

/// `R1 0.950, R2 0.900`.
impl fmt::Display for Thresholds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [("R1", self.sequence_threshold), ("R2", self.token_threshold)];
        let given = named.iter().filter_map(|(name, value)| Some((name, (*value)?.value())));
        for (index, (name, value)) in given.enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name} {value:.3}")?;
        }
        Ok(())
    }
}

impl TriggerConfig {
    /// Its constant thresholds; None if it has none: a fixed length has no threshold, and an adaptive
    /// one is moved by its own rule already.
    #[must_use]
    pub const fn thresholds(self) -> Option<Thresholds> {
        let (sequence_threshold, token_threshold) = match self {
            Self::FixedLength { .. } | Self::AdaptiveSequence { .. } => return None,
            Self::TokenThreshold { token_threshold } => (None, Some(token_threshold)),
            Self::SequenceThreshold { sequence_threshold } => (Some(sequence_threshold), None),
            Self::Dual { sequence_threshold, token_threshold } => {
                (Some(sequence_threshold), Some(token_threshold))
            }
        };
        Some(Thresholds { sequence_threshold, token_threshold })
    }

    /// The same trigger at other thresholds; those that it does not have change nothing.
    #[must_use]
    pub fn at(self, thresholds: Thresholds) -> Self {
        let Thresholds { sequence_threshold: sequence, token_threshold: token } = thresholds;
        match self {
            Self::TokenThreshold { token_threshold } => {
                Self::TokenThreshold { token_threshold: token.unwrap_or(token_threshold) }
            }
            Self::SequenceThreshold { sequence_threshold } => Self::SequenceThreshold {
                sequence_threshold: sequence.unwrap_or(sequence_threshold),
            },
            Self::Dual { sequence_threshold, token_threshold } => Self::Dual {
                sequence_threshold: sequence.unwrap_or(sequence_threshold),
                token_threshold: token.unwrap_or(token_threshold),
            },
            other @ (Self::FixedLength { .. } | Self::AdaptiveSequence { .. }) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(value: f64) -> Threshold {
        Threshold::new(value).expect("a test's threshold lies in (0, 1)")
    }

    #[test]
    fn a_trigger_moves_to_any_point_of_its_own_dimensions_and_to_no_other() {
        let (r1, r2) = (threshold(0.95), threshold(0.9));
        let dual = TriggerConfig::Dual { sequence_threshold: r1, token_threshold: r2 };
        let token = TriggerConfig::TokenThreshold { token_threshold: r2 };
        let sequence = TriggerConfig::SequenceThreshold { sequence_threshold: r1 };
        for (trigger, point) in
            [(dual, &[0.2, 0.3][..]), (token, &[0.3][..]), (sequence, &[0.2][..])]
        {
            let thresholds = trigger.thresholds().expect("constant thresholds");
            let moved = trigger.at(thresholds.at(point).expect("as many numbers"));
            assert_eq!(moved.thresholds().map(Thresholds::coordinates), Some(point.to_vec()));
            for bad in [&[][..], &[0.5, 0.5, 0.5], &[0.0, 0.5][..point.len()], &[1.0; 2]] {
                assert_eq!(thresholds.at(bad), None, "{bad:?}");
            }
        }
        assert_eq!(TriggerConfig::FixedLength { draft_length: 4 }.thresholds(), None);
    }

    #[test]
    fn they_read_as_the_papers_symbols() {
        let both = Thresholds {
            sequence_threshold: Some(threshold(0.95)),
            token_threshold: Some(threshold(0.9)),
        };
        assert_eq!(both.to_string(), "R1 0.950, R2 0.900");
        assert_eq!(Thresholds { sequence_threshold: None, ..both }.to_string(), "R2 0.900");
    }
}
