//! The box of a search and its points; inside the tuner every coordinate runs from 0 to 1.

use serde::{Deserialize, Serialize};

use super::error::TunerError;

/// Dimensions of a search, at most: the starts and candidates are laid out for few parameters.
pub const DIMENSIONS_MAX: usize = 8;

/// A point of the box, in the caller's units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Point(Vec<f64>);

impl Point {
    /// A point of these coordinates.
    #[must_use]
    pub const fn new(coordinates: Vec<f64>) -> Self {
        Self(coordinates)
    }

    /// One number for each dimension of the box.
    #[must_use]
    pub fn coordinates(&self) -> &[f64] {
        &self.0
    }
}

/// A box: for each dimension a finite lower bound below a finite upper bound, both inclusive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<[f64; 2]>", into = "Vec<[f64; 2]>")]
pub struct Bounds(Vec<[f64; 2]>);

impl Bounds {
    /// The box of these `[lower, upper]` pairs.
    ///
    /// # Errors
    /// If there are none or more than [`DIMENSIONS_MAX`], or one is empty, infinite or no number.
    pub fn new(sides: Vec<[f64; 2]>) -> Result<Self, TunerError> {
        if sides.is_empty() || sides.len() > DIMENSIONS_MAX {
            return Err(TunerError::Dimensions { found: sides.len() });
        }
        for (dimension, &[lower, upper]) in sides.iter().enumerate() {
            // The width must be finite too: the coordinates are scaled by it.
            if !(lower < upper && (upper - lower).is_finite()) {
                return Err(TunerError::Side { dimension, lower, upper });
            }
        }
        Ok(Self(sides))
    }

    /// How many parameters are searched.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.0.len()
    }

    /// The `[lower, upper]` pairs.
    #[must_use]
    pub fn sides(&self) -> &[[f64; 2]] {
        &self.0
    }

    /// Whether `point` has the box's dimensions and lies in it.
    #[must_use]
    pub fn contains(&self, point: &Point) -> bool {
        let coordinates = point.coordinates();
        coordinates.len() == self.0.len()
            && self.0.iter().zip(coordinates).all(|([lower, upper], x)| lower <= x && x <= upper)
    }

    /// From the unit box to this one; rounding cannot leave the box.
    pub(super) fn scale(&self, unit: &[f64]) -> Point {
        let from_unit = |(&[lower, upper], u): (&[f64; 2], &f64)| {
            (lower + u * (upper - lower)).clamp(lower, upper)
        };
        Point(self.0.iter().zip(unit).map(from_unit).collect())
    }

    /// From this box to the unit box.
    pub(super) fn unscale(&self, point: &Point) -> Vec<f64> {
        let to_unit = |(&[lower, upper], x): (&[f64; 2], &f64)| (x - lower) / (upper - lower);
        self.0.iter().zip(point.coordinates()).map(to_unit).collect()
    }
}

impl TryFrom<Vec<[f64; 2]>> for Bounds {
    type Error = TunerError;

    fn try_from(sides: Vec<[f64; 2]>) -> Result<Self, TunerError> {
        Self::new(sides)
    }
}

impl From<Bounds> for Vec<[f64; 2]> {
    fn from(bounds: Bounds) -> Self {
        bounds.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_that_bound_nothing_are_refused() {
        for side in [[1.0, 1.0], [2.0, 1.0], [f64::NAN, 1.0], [0.0, f64::INFINITY], [-1e308, 1e308]]
        {
            assert!(Bounds::new(vec![[0.0, 1.0], side]).is_err(), "{side:?}");
        }
        assert!(Bounds::new(vec![]).is_err());
        assert!(Bounds::new(vec![[0.0, 1.0]; DIMENSIONS_MAX + 1]).is_err());
    }

    #[test]
    fn scaling_and_back_is_the_identity_and_corners_stay_in_the_box() {
        let bounds = Bounds::new(vec![[-5.0, 10.0], [0.1, 0.3]]).expect("a box");
        let point = bounds.scale(&[0.25, 0.75]);
        let back = bounds.unscale(&point);
        assert!((back[0] - 0.25).abs() < 1e-15 && (back[1] - 0.75).abs() < 1e-15, "{back:?}");
        assert!(bounds.contains(&bounds.scale(&[1.0, 1.0])));
        assert!(!bounds.contains(&Point::new(vec![0.0])));
    }
}
