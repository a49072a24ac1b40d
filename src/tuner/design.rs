//! Points laid out in the unit box: space-filling, uniform, gridded. Each is a function of a stream
//! of the seed, so that a layout is the same whenever it is asked for.

use crate::seed::Stream;

/// The R_d sequence with a random shift: fills the box evenly from its first points on.
///
/// Point n is the fractional part of shift + n·(1/φ, 1/φ², ..), φ the root of φ^(d+1) = φ + 1
/// (Roberts, *The unreasonable effectiveness of quasirandom sequences*, 2018); the shift (Cranley and
/// Patterson 1976) makes each point uniform. Chosen over Sobol points because it needs no tables and
/// has no preferred lengths: 5 points are as well spread as 4 or 8.
#[derive(Clone, Debug)]
pub(super) struct SpaceFilling {
    shift: Vec<f64>,
    step: Vec<f64>,
}

impl SpaceFilling {
    /// A sequence for `dimensions`, shifted by what `stream` draws.
    pub(super) fn new(dimensions: usize, mut stream: Stream) -> Self {
        let exponent = 1.0 / (dimensions as f64 + 1.0);
        // The map contracts by more than a half: 64 rounds reach the fixed point of f64.
        let ratio = (0..64).fold(1.5, |phi: f64, _| libm::pow(1.0 + phi, exponent));
        let step = (1..=dimensions).map(|j| libm::pow(ratio, -(j as f64))).collect();
        let shift = (0..dimensions as u64).map(|j| stream.at(j).uniform()).collect();
        Self { shift, step }
    }

    /// Point `n` of the sequence.
    pub(super) fn point(&self, n: usize) -> Vec<f64> {
        let wrapped = |(shift, step): (&f64, &f64)| {
            let x = shift + n as f64 * step;
            x - libm::floor(x)
        };
        self.shift.iter().zip(&self.step).map(wrapped).collect()
    }
}

/// Point `n` of independent uniform points.
pub(super) fn uniform(dimensions: usize, stream: &mut Stream, n: usize) -> Vec<f64> {
    // One key holds eight draws: as many as a box has dimensions.
    let mut draws = stream.at(n as u64);
    (0..dimensions).map(|_| draws.uniform()).collect()
}

/// Point `n` of the grid with `per_dimension` points a side, cell centres or from end to end, in an order
/// that `stream` shuffles: stopped early, it has seen no corner before the others.
pub(super) fn grid(
    dimensions: usize,
    per_dimension: u32,
    ends: bool,
    stream: &mut Stream,
    n: usize,
) -> Vec<f64> {
    let side = per_dimension as usize;
    let cells = side.pow(dimensions as u32);
    let mut order: Vec<(u64, usize)> =
        (0..cells).map(|cell| (stream.at(cell as u64).bits(), cell)).collect();
    order.sort_unstable();
    let mut cell = order[n].1;
    let coordinate = |_| {
        let index = (cell % side) as f64;
        cell /= side;
        // A single point has no two ends to lie at.
        if ends && side > 1 { index / (side - 1) as f64 } else { (index + 0.5) / side as f64 }
    };
    (0..dimensions).map(coordinate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn space_filling_points_are_farther_apart_than_uniform_ones() {
        // Least distance of 16 points in 2 to 8 dimensions, mean over 20 seeds.
        let least = |points: &[Vec<f64>]| {
            let mut best = f64::INFINITY;
            for (i, a) in points.iter().enumerate() {
                for b in &points[..i] {
                    let squared: f64 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
                    best = best.min(squared.sqrt());
                }
            }
            best
        };
        for dimensions in 2..=8 {
            let (mut filled, mut random) = (0.0, 0.0);
            for seed in 0..20 {
                let sequence = SpaceFilling::new(dimensions, Seed(seed).stream("test", 0));
                filled += least(&(0..16).map(|n| sequence.point(n)).collect::<Vec<_>>());
                let mut stream = Seed(seed).stream("test", 1);
                let points: Vec<_> = (0..16).map(|n| uniform(dimensions, &mut stream, n)).collect();
                random += least(&points);
            }
            assert!(filled > 1.2 * random, "{dimensions} dimensions: {filled} against {random}");
        }
    }

    #[test]
    fn the_first_ratio_of_one_dimension_is_the_golden_one() {
        let sequence = SpaceFilling::new(1, Seed(0).stream("test", 0));
        assert!((sequence.step[0] - 0.618_033_988_749_894_8).abs() < 1e-15);
    }

    #[test]
    fn a_grid_visits_every_cell_once() {
        let mut stream = Seed(5).stream("test", 0);
        let mut cells: Vec<Vec<u64>> = (0..64)
            .map(|n| grid(3, 4, false, &mut stream, n).iter().map(|x| (x * 8.0) as u64).collect())
            .collect();
        cells.sort();
        cells.dedup();
        assert_eq!(cells.len(), 64);
        assert_eq!((cells[0].as_slice(), cells[63].as_slice()), (&[1, 1, 1][..], &[7, 7, 7][..]));
        let mut points: Vec<_> = (0..9).map(|n| grid(2, 3, true, &mut stream, n)).collect();
        points.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
        assert_eq!(
            (&points[0], &points[4], &points[8]),
            (&vec![0.0; 2], &vec![0.5; 2], &vec![1.0; 2])
        );
        assert_eq!(grid(1, 1, true, &mut stream, 0), [0.5]);
    }
}
