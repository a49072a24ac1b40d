//! Bad values made less bad before a model sees them.
//!
//! What is tuned often has cliffs: thresholds that reject everything, polynomials at the edge of their
//! box. One stationary length scale and one variance cannot describe both a cliff and the flat ground
//! around the minimum, and in standard deviations of all values the ground is noise. Only the ground
//! matters, so values above the knee y₀ become y₀ + c·ln(1 + (y - y₀)/c): increasing, with slope 1 at
//! the knee, hence the order of points and all that lies below stay as they are. (Output warping as in
//! Snelson, Rasmussen and Ghahramani, *Warped Gaussian processes*, 2004, with nothing to learn.)
//!
//! The knee is the median of the first values and c its height over their least: the worse half of a
//! layout over the box is compressed by the spread of its better half. Only the first values count, so
//! that the scale stays when later ones crowd at the minimum. On development seeds this took the
//! median regret of Branin from 0.46 to 0.14 and of the six-hump camel from 1.8 to 0.17, and left the
//! bowls as they were.

use serde::{Deserialize, Serialize};

/// How many of the first values set the scale, at most: as many as ours lays out over the box.
const ANCHORS: usize = 5;

/// What a model is fitted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The values as told.
    Plain,
    /// The values with the worse half compressed logarithmically.
    Compressed,
}

impl Response {
    /// What the model sees of `values`, in their order.
    pub(super) fn apply(self, values: Vec<f64>) -> Vec<f64> {
        if self == Self::Plain || values.is_empty() {
            return values;
        }
        let mut first = values[..values.len().min(ANCHORS)].to_vec();
        first.sort_by(f64::total_cmp);
        let knee = first[first.len() / 2];
        let scale = knee - first[0];
        // Equal values set no scale; infinite differences are the model's to refuse.
        if scale <= 0.0 || !scale.is_finite() {
            return values;
        }
        let compress = |y: f64| {
            if y > knee { knee + scale * libm::log1p((y - knee) / scale) } else { y }
        };
        values.into_iter().map(compress).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_half_stays_and_the_order_is_kept() {
        let values = vec![5.0, 1.0, 3.0, 400.0, 2.0, 0.5, 90.0, 3.1];
        let seen = Response::Compressed.apply(values.clone());
        // Of 5, 1, 3, 400, 2 the median is 3 and the least 1.
        let far = 3.0 + 2.0 * libm::log(1.0 + 397.0 / 2.0);
        assert!((seen[3] - far).abs() < 1e-12, "{seen:?}");
        for (i, y) in values.iter().enumerate() {
            assert!(*y > 3.0 || seen[i] == *y);
            for (j, other) in values.iter().enumerate() {
                assert_eq!(y < other, seen[i] < seen[j]);
            }
        }
        assert_eq!(Response::Plain.apply(values.clone()), values);
        assert_eq!(Response::Compressed.apply(vec![2.0; 6]), vec![2.0; 6]);
        assert_eq!(Response::Compressed.apply(vec![2.0]), vec![2.0]);
    }
}
