//! The noise that tokens are drawn and judged by: a function of (seed, purpose, position, id), so that
//! both ends can know the same, and no draw depends on which others were taken.
//!
//! A token is drawn from log-weights by adding standard Gumbel noise to each and taking the largest
//! (the Gumbel-max trick): who adds the same noise to other weights mostly gets the same token.

use crate::seed::{Seed, open_unit};

/// What a draw is for. Purposes are independent of each other, on which exactness rests: see
/// [`super::rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The target's own token, and a coupled draft.
    Target,
    /// A sampled draft.
    Draft,
    /// Whether a draft is accepted.
    Acceptance,
    /// The replacement of a rejected draft.
    Replacement,
}

/// Noise of one purpose at one output position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    pub(super) seed: u64,
    pub(super) purpose: Purpose,
    pub(super) position: u32,
}

/// Ids that share a key of the stream, which has eight numbers.
const IDS_PER_KEY: u32 = 8;

impl Noise {
    fn stream(self) -> crate::seed::Stream {
        let name = match self.purpose {
            Purpose::Target => "target token",
            Purpose::Draft => "draft token",
            Purpose::Acceptance => "acceptance",
            Purpose::Replacement => "replacement",
        };
        Seed(self.seed).stream(name, u64::from(self.position))
    }

    /// A uniform number in (0, 1).
    pub(super) fn uniform(self) -> f64 {
        self.stream().at(0).uniform()
    }

    /// The id that is largest after noise; of equals the first. None if every weight is zero.
    ///
    /// An id's noise is computed only if it can win: its random bits bound it. Over 32 256 ids that takes
    /// 0.2 ms, of which most is ChaCha (`cargo run --release --example rule_time`, with all other rules).
    pub(super) fn draw(
        self,
        ids: impl Iterator<Item = u32>,
        log_weight: impl Fn(u32) -> f64,
    ) -> Option<u32> {
        let mut stream = self.stream();
        let (mut key, mut bits) = (u32::MAX, [0; IDS_PER_KEY as usize]);
        let (mut best, mut highest) = (None, f64::NEG_INFINITY);
        for id in ids {
            if id / IDS_PER_KEY != key {
                key = id / IDS_PER_KEY;
                let mut draws = stream.at(u64::from(key));
                bits.iter_mut().for_each(|bits| *bits = draws.bits());
            }
            let (weight, bits) = (log_weight(id), bits[(id % IDS_PER_KEY) as usize]);
            if weight + gumbel_bound(bits) > highest {
                let sum = weight + gumbel(bits);
                if sum > highest {
                    (best, highest) = (Some(id), sum);
                }
            }
        }
        best
    }
}

/// Standard Gumbel noise of random bits: large where the bits are small, so that its long upper tail
/// has all their precision.
fn gumbel(bits: u64) -> f64 {
    -libm::log(-libm::log1p(-open_unit(bits)))
}

/// At least as much as [`gumbel`]: with z leading zeros the uniform number u is at least 2^-(z + 1), and
/// -ln(-ln(1 - u)) ≤ -ln u ≤ (z + 1) ln 2. Rounding is covered by 0.7 > ln 2.
fn gumbel_bound(bits: u64) -> f64 {
    0.7 * f64::from(bits.leading_zeros() + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOISE: Noise = Noise { seed: 5, purpose: Purpose::Target, position: 3 };

    /// The noise of one id, asked for alone, up to a search in [`Noise::draw`]'s answers.
    fn beats(id: u32, handicap: f64, other: u32) -> bool {
        let weight = |asked| if asked == id { handicap } else { 0.0 };
        NOISE.draw([id.min(other), id.max(other)].into_iter(), weight) == Some(id)
    }

    #[test]
    fn an_ids_noise_does_not_depend_on_which_others_are_asked_for() {
        // The winner among all wins against every other one alone.
        for (seed, position) in [(0, 0), (1, 7), (u64::MAX, u32::MAX)] {
            let noise = Noise { seed, position, ..NOISE };
            let winner = noise.draw(0..1000, |_| 0.0).expect("a winner");
            for other in (0..1000).filter(|other| *other != winner) {
                let pair = [winner.min(other), winner.max(other)];
                assert_eq!(noise.draw(pair.into_iter(), |_| 0.0), Some(winner));
            }
        }
        assert!(beats(7, 50.0, 4_000_000_000) && beats(4_000_000_000, 50.0, 7));
    }

    #[test]
    fn purposes_positions_and_seeds_have_noise_of_their_own() {
        use Purpose::{Acceptance, Draft, Replacement, Target};
        let mut all = Vec::new();
        for purpose in [Target, Draft, Acceptance, Replacement] {
            for position in [0, 1, u32::MAX] {
                for seed in [0, 1] {
                    all.push(Noise { seed, purpose, position }.uniform().to_bits());
                }
            }
        }
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn without_any_weight_nothing_is_drawn() {
        assert_eq!(NOISE.draw(0..100, |_| f64::NEG_INFINITY), None);
        assert_eq!(NOISE.draw(0..0, |_| 0.0), None);
        let one = |id| if id == 42 { -700.0 } else { f64::NEG_INFINITY };
        assert_eq!(NOISE.draw(0..100, one), Some(42));
    }

    proptest! {
        #[test]
        fn the_bound_bounds_the_noise(bits: u64, zeros in 0_u32..64) {
            for bits in [bits >> zeros, 0, u64::MAX, (1 << 11) - 1, 1 << 11] {
                prop_assert!(gumbel(bits) <= gumbel_bound(bits));
                prop_assert!(gumbel(bits).is_finite());
            }
        }
    }
}
