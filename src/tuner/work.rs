//! A search's next computation as a piece of work: it carries all that it needs, so that it can be
//! run elsewhere, beside decoding, and its answer is an input like any other.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::error::{ModelError, TunerError};
use super::{Candidate, Point, Tuner};

/// What is asked of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// The next candidate, see [`Tuner::propose`].
    Candidate,
    /// The point believed best, see [`Tuner::recommend`].
    Recommendation,
}

/// A question together with the whole search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// The search as it stands.
    pub search: Tuner,
    /// What to compute.
    pub question: Question,
}

/// The answer to a [`Fit`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fitted {
    /// To [`Question::Candidate`].
    Candidate(Candidate),
    /// To [`Question::Recommendation`].
    Recommendation(Point),
    /// Neither could be computed.
    Failed(FitFailure),
}

/// Why a fit has no answer: what of a [`TunerError`] fits an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FitFailure {
    /// The covariance of so many points has no Cholesky factor.
    NotPositiveDefinite {
        /// Points.
        points: u32,
    },
    /// A number on the way is infinite or none.
    NotFinite,
    /// The question cannot be put to this search, or its answer is not of the search's box.
    Refused,
}

impl fmt::Display for FitFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPositiveDefinite { points } => {
                write!(f, "the covariance of {points} points has no Cholesky factor")
            }
            Self::NotFinite => write!(f, "a number is not finite"),
            Self::Refused => write!(f, "the search and its answer do not fit together"),
        }
    }
}

impl From<&TunerError> for FitFailure {
    fn from(error: &TunerError) -> Self {
        match error {
            TunerError::Model(ModelError::NotPositiveDefinite { size, .. }) => {
                Self::NotPositiveDefinite { points: *size as u32 }
            }
            TunerError::Model(ModelError::NotFinite { .. }) | TunerError::NotFinite { .. } => {
                Self::NotFinite
            }
            TunerError::Model(ModelError::Shape { .. })
            | TunerError::Dimensions { .. }
            | TunerError::Side { .. }
            | TunerError::Setting { .. }
            | TunerError::BudgetSpent { .. }
            | TunerError::NotOutstanding { .. }
            | TunerError::OutsideBox { .. }
            | TunerError::NoObservations => Self::Refused,
        }
    }
}

impl Fit {
    /// Computes the answer: a pure function, cubic in the values told. Whatever drives an edge calls
    /// this where it does not hold up decoding.
    #[must_use]
    pub fn run(&self) -> Fitted {
        let answer = match self.question {
            Question::Candidate => self.search.propose().map(Fitted::Candidate),
            Question::Recommendation => self.search.recommend().map(Fitted::Recommendation),
        };
        answer.unwrap_or_else(|error| Fitted::Failed(FitFailure::from(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, TunerConfig};
    use super::*;
    use crate::seed::Seed;

    /// A search that was told `values`, one after the other.
    fn told(values: &[f64]) -> Tuner {
        let bounds = Bounds::new(vec![[0.0, 1.0]; 2]).expect("a box");
        let mut search = Tuner::new(TunerConfig::bayes(16), bounds, Seed(1)).expect("a search");
        for &value in values {
            let candidate = search.ask().expect("a candidate");
            search.tell(&candidate, value).expect("its value");
        }
        search
    }

    #[test]
    fn a_fit_answers_as_the_search_itself_also_after_a_round_trip_through_text() {
        let search = told(&[3.0, 2.0, 4.0, 1.5, 2.5, 2.2]);
        for question in [Question::Candidate, Question::Recommendation] {
            let fit = Fit { search: search.clone(), question };
            let text = serde_json::to_string(&fit).expect("plain data");
            let read: Fit = serde_json::from_str(&text).expect("what was written can be read");
            assert_eq!(read, fit);
            let expected = match question {
                Question::Candidate => Fitted::Candidate(search.propose().expect("a candidate")),
                Question::Recommendation => {
                    Fitted::Recommendation(search.recommend().expect("a point"))
                }
            };
            assert_eq!(read.run(), expected);
        }
    }

    #[test]
    fn failures_of_the_algebra_are_answers_that_say_so() {
        // Values whose spread is no finite number: there is no model of them.
        let search = told(&[f64::MAX, -f64::MAX, 1.0, 2.0, 3.0]);
        for question in [Question::Candidate, Question::Recommendation] {
            let answer = Fit { search: search.clone(), question }.run();
            assert_eq!(answer, Fitted::Failed(FitFailure::NotFinite), "{question:?}");
        }
        let question = Question::Recommendation;
        let answer = Fit { search: told(&[]), question }.run();
        assert_eq!(answer, Fitted::Failed(FitFailure::Refused), "nothing is known yet");
    }
}
