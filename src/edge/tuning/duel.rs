//! The recommendation against the thresholds that were best before it, in turns.
//!
//! Candidates are tried one after the other, so that where the link changes meanwhile the search has
//! compared times of different links. Short turns by the two meet the same link nearly as often.

use super::trial::{Interval, Sum};
use crate::trigger::Thresholds;

#[derive(Clone, Debug)]
pub(super) struct Duel {
    /// The best known thresholds, which begin, and the recommendation.
    sides: [Thresholds; 2],
    sums: [Sum; 2],
    /// Turns that are over.
    pub(super) turn: u32,
    /// Number of the setting of the turn under way.
    setting: u32,
    /// Its tokens so far \[tokens\].
    tokens: u32,
}

impl Duel {
    pub(super) fn new(best: Thresholds, recommended: Thresholds) -> Self {
        let sides = [best, recommended];
        Self { sides, sums: <_>::default(), turn: 0, setting: 0, tokens: 0 }
    }

    const fn side(&self) -> usize {
        (self.turn % 2) as usize
    }

    /// Whose turn it is.
    pub(super) const fn thresholds(&self) -> Thresholds {
        self.sides[self.side()]
    }

    pub(super) const fn begin_turn(&mut self, setting: u32) {
        self.setting = setting;
        self.tokens = 0;
    }

    /// Takes in an interval of which the rule is [`super::trial::Trial`]'s; whether the turn is over,
    /// with `wanted` tokens of its own.
    pub(super) fn credit(&mut self, interval: &Interval, wanted: u32) -> bool {
        if interval.setting.number != self.setting || !interval.pure {
            return false;
        }
        self.sums[self.side()].add(interval);
        self.tokens += interval.tokens;
        let over = self.tokens >= wanted;
        self.turn += u32::from(over);
        over
    }

    /// The side with the lesser time per token over all its turns; at a tie what was known before.
    pub(super) fn winner(&self) -> Thresholds {
        let [best, recommended] = self.sums.map(Sum::per_token);
        self.sides[usize::from(recommended < best)]
    }
}
