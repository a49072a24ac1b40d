//! What an edge tells about the search for its thresholds.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::Tokens;
use crate::trigger::Thresholds;
use crate::tuner::FitFailure;

/// A step of a search for thresholds. Searches are numbered from 0 over an edge's life, candidates
/// from 0 in each search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum TuningEvent {
    /// A search begins.
    SearchBegun {
        /// Its number.
        search: u32,
        /// Why, if it is not the first: TPT went from one value to the other \[ms\].
        moved: Option<[f64; 2]>,
    },
    /// Rounds begun from here on try a candidate.
    CandidateBegun {
        /// Of which search.
        search: u32,
        /// Which.
        number: u32,
        /// Where it is.
        thresholds: Thresholds,
    },
    /// A candidate has its value, and rounds begun from here on use the best known thresholds.
    CandidateJudged {
        /// Of which search.
        search: u32,
        /// Which.
        number: u32,
        /// Where it is.
        thresholds: Thresholds,
        /// What the search is told \[ms per output token\].
        value: f64,
        /// Over how many output tokens it was measured.
        tokens: u32,
        /// Whether it was given up before it had all its tokens.
        hopeless: bool,
    },
    /// The recommendation and the best known thresholds take turns; this one is for rounds begun from
    /// here on.
    TurnBegun {
        /// Of which search.
        search: u32,
        /// Which turn, from 0; the best known thresholds have the even ones.
        turn: u32,
        /// Whose turn it is.
        thresholds: Thresholds,
    },
    /// The search is over: these are the best known thresholds from here on.
    ThresholdsSettled {
        /// Which search.
        search: u32,
        /// Its recommendation, or what was best before, if that has won their turns.
        thresholds: Thresholds,
    },
    /// The search is over without a recommendation: the best known thresholds stay.
    FitFailed {
        /// Which search.
        search: u32,
        /// Why.
        failure: FitFailure,
    },
}

/// One line, as [`super::Event`]'s.
impl fmt::Display for TuningEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SearchBegun { search, moved: None } => write!(f, "begins search {search}"),
            Self::SearchBegun { search, moved: Some([from, to]) } => {
                write!(f, "begins search {search}: {to:.1} ms a token, {from:.1} before")
            }
            Self::CandidateBegun { number, thresholds, .. } => {
                write!(f, "tries candidate {number}: {thresholds}")
            }
            Self::CandidateJudged { number, value, tokens, hopeless, .. } => {
                let how = if hopeless { ", hopeless" } else { "" };
                let tokens = Tokens(tokens);
                write!(f, "judges candidate {number}: {value:.3} ms a token over {tokens}{how}")
            }
            Self::TurnBegun { turn, thresholds, .. } => write!(f, "turn {turn}: {thresholds}"),
            Self::ThresholdsSettled { search, thresholds } => {
                write!(f, "ends search {search}: settles on {thresholds}")
            }
            Self::FitFailed { search, failure } => write!(f, "ends search {search}: {failure}"),
        }
    }
}
