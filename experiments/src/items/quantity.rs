//! What is not compared with what: errors of different quantities have no mean in common.

use super::Row;
use crate::figures::ENERGY;

/// The time per token.
pub(crate) const TIME: &str = "tpt_ms";

/// The kind of a row's figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quantity {
    Times,
    Rates,
    Energies,
}

impl Quantity {
    pub(crate) const ALL: [Self; 3] = [Self::Times, Self::Rates, Self::Energies];

    pub(crate) fn of(row: &Row) -> Self {
        if row.metric == TIME {
            Self::Times
        } else if row.metric.starts_with(ENERGY) || row.metric.starts_with(PER_ACCEPTED) {
            Self::Energies
        } else {
            Self::Rates
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Times => "times per token",
            Self::Rates => "lengths and rates",
            Self::Energies => "energies",
        }
    }
}

/// Table 2's second way of counting begins so.
const PER_ACCEPTED: &str = "energy_j_per_100_accepted_";
