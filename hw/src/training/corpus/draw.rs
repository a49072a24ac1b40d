//! Draws of one document.

use pipesd_core::seed::{Seed, Stream};

/// A row of draws that does not end.
pub(super) struct Draw {
    stream: Stream,
    key: u64,
}

impl Draw {
    /// The draws of the document numbered `index`.
    pub(super) fn new(seed: Seed, name: &str, index: u64) -> Self {
        Self { stream: seed.stream(name, index), key: 0 }
    }

    /// A number of `low..=high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = (high - low + 1) as u64;
        let bits = self.stream.at(self.key).bits();
        self.key += 1;
        low + (bits % width) as i64
    }

    /// One of `choices`.
    pub(super) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.between(0, choices.len() as i64 - 1) as usize].clone()
    }
}
