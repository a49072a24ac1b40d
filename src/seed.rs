//! One seed, many independent streams, each draw addressed by what it is for.
//!
//! A draw is a function of (seed, stream, key), never of the order in which draws are taken: two
//! policies that reach the same position see the same random numbers there (common random numbers),
//! and a new draw in one place disturbs no other.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The seed of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

/// Words that one key owns in its stream: one ChaCha block.
const WORDS_PER_KEY: u128 = 16;
/// Words that the generator makes at a time: four blocks.
const WORDS_BUFFERED: usize = 64;

impl Seed {
    /// The stream called `name` (a literal of the program) and numbered `index` (an edge, a session).
    #[must_use]
    pub fn stream(self, name: &str, index: u64) -> Stream {
        // FNV-1a over the name: names are few literals, told apart by a test where it matters.
        let name_hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        });
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        key[8..16].copy_from_slice(&name_hash.to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        Stream { generator: ChaCha8Rng::from_seed(key) }
    }
}

/// An addressable stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    generator: ChaCha8Rng,
}

impl Stream {
    /// The draws that belong to `key`: up to eight numbers, the same whenever they are asked for.
    pub fn at(&mut self, key: u64) -> Draws<'_> {
        let word = u128::from(key) * WORDS_PER_KEY;
        // A jump makes the generator fill its buffer anew; words that it has are skipped instead.
        match word.checked_sub(self.generator.get_word_pos()) {
            Some(gap) if gap < WORDS_BUFFERED as u128 => {
                let mut skipped = [0; 4 * WORDS_BUFFERED];
                self.generator.fill_bytes(&mut skipped[..4 * gap as usize]);
            }
            _ => self.generator.set_word_pos(word),
        }
        Draws { generator: &mut self.generator, left: 8 }
    }
}

/// The numbers of one key of a [`Stream`].
#[derive(Debug)]
pub struct Draws<'a> {
    generator: &'a mut ChaCha8Rng,
    left: u8,
}

impl Draws<'_> {
    /// 64 random bits.
    ///
    /// # Panics
    /// If the key's eight numbers are used up: its neighbour's would be next.
    pub fn bits(&mut self) -> u64 {
        self.left = self.left.checked_sub(1).expect("at most eight draws for each key");
        self.generator.next_u64()
    }

    /// A uniform number in the open interval (0, 1), so that quantile functions stay finite.
    pub fn uniform(&mut self) -> f64 {
        open_unit(self.bits())
    }
}

/// The top 53 bits as a number in the open interval (0, 1): the last one of them would round to 1.
pub(crate) fn open_unit(bits: u64) -> f64 {
    let middle = ((bits >> 11) as f64 + 0.5) * (1.0 / (1_u64 << 53) as f64);
    middle.min(1.0 - f64::EPSILON / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_its_key_and_not_on_call_order() {
        let seed = Seed(7);
        let mut forwards = seed.stream("confidence", 0);
        let mut backwards = seed.stream("confidence", 0);
        let ahead: Vec<u64> = (0..50).map(|key| forwards.at(key).bits()).collect();
        let mut back: Vec<u64> = (0..50).rev().map(|key| backwards.at(key).bits()).collect();
        back.reverse();
        assert_eq!(ahead, back);
    }

    #[test]
    fn streams_differ_by_seed_name_and_index() {
        let first = |seed: u64, name: &str, index: u64| Seed(seed).stream(name, index).at(0).bits();
        let all = [first(1, "a", 0), first(2, "a", 0), first(1, "b", 0), first(1, "a", 1)];
        for (i, x) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|y| x != y), "{all:?}");
        }
    }

    #[test]
    fn the_ends_of_the_unit_interval_are_never_drawn() {
        assert!(0.0 < open_unit(0) && open_unit(u64::MAX) < 1.0);
    }

    #[test]
    fn uniform_numbers_have_the_mean_and_variance_of_the_unit_interval() {
        // 4 standard errors of 20 000 draws.
        let mut stream = Seed(3).stream("test", 0);
        let n = 20_000;
        let draws: Vec<f64> = (0..n).map(|key| stream.at(key).uniform()).collect();
        let mean = draws.iter().sum::<f64>() / n as f64;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64;
        assert!((mean - 0.5).abs() < 4.0 * (1.0 / 12.0_f64 / n as f64).sqrt());
        assert!((variance - 1.0 / 12.0).abs() < 0.003);
        assert!(draws.iter().all(|&x| 0.0 < x && x < 1.0));
    }
}
