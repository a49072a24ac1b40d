//! What can go wrong in a search: bad input, an answer to a question not asked, failed algebra.

/// Why the tuner cannot go on. Its state is as it was before the call.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TunerError {
    /// See [`super::DIMENSIONS_MAX`].
    #[error("a search has 1 to 8 dimensions, not {found}")]
    Dimensions {
        /// How many were given.
        found: usize,
    },
    /// A side of the box that holds no interval.
    #[error("dimension {dimension}: {lower} to {upper} is no finite interval")]
    Side {
        /// Which side, from 0.
        dimension: usize,
        /// Its lower bound.
        lower: f64,
        /// Its upper bound.
        upper: f64,
    },
    /// A value of the configuration outside its range.
    #[error("{name} is {expected}, not {found}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What would be valid.
        expected: &'static str,
        /// What was given.
        found: f64,
    },
    /// Every evaluation of the budget is done.
    #[error("all {evaluations} evaluations are done")]
    BudgetSpent {
        /// The budget.
        evaluations: u32,
    },
    /// A value for a candidate that is not the outstanding one.
    #[error("candidate {found} is not outstanding (expected {expected:?})")]
    NotOutstanding {
        /// The number of the outstanding candidate, if there is one.
        expected: Option<u32>,
        /// The number that was told.
        found: u32,
    },
    /// A candidate whose point has other dimensions than the box, or lies outside.
    #[error("candidate {number} does not lie in the box")]
    OutsideBox {
        /// Its number.
        number: u32,
    },
    /// A value that is infinite or no number.
    #[error("the value {value} of candidate {number} is not finite")]
    NotFinite {
        /// Its number.
        number: u32,
        /// The value.
        value: f64,
    },
    /// A recommendation without any evaluation.
    #[error("nothing is evaluated yet, so that nothing can be recommended")]
    NoObservations,
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Why a Gaussian process gives no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The covariance has no Cholesky factor, whatever was added to its diagonal.
    #[error("the covariance of {size} points has no Cholesky factor, even with jitter {jitter:e}")]
    NotPositiveDefinite {
        /// Rows of the matrix.
        size: usize,
        /// The last jitter tried, relative to the mean of the diagonal.
        jitter: f64,
    },
    /// An input or a result is infinite or no number.
    #[error("{what} is not finite")]
    NotFinite {
        /// What it is.
        what: &'static str,
    },
    /// Points and values do not belong together.
    #[error("{points} points of {dimensions} dimensions do not fit {values} values")]
    Shape {
        /// Number of points.
        points: usize,
        /// Dimensions that each should have.
        dimensions: usize,
        /// Number of values.
        values: usize,
    },
}
