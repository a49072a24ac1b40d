//! An affine link as the bound sees it: when a message that starts now has left.

use pipesd_core::time::{Instant, nanos};

use crate::link::{AffineConfig, Rate};

/// One direction. All times in ns.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    config: AffineConfig,
    /// Bytes of a message of no, one, two, ... tokens: the first and the step.
    bytes: [u64; 2],
    /// At a constant rate: time of a message on the link by its tokens, start-up included.
    constant: Vec<u64>,
}

impl Wire {
    /// A wire for messages of `request` bytes and `token` bytes for each of at most `tokens` tokens.
    pub(super) fn new(config: &AffineConfig, request: u64, token: u64, tokens: u32) -> Self {
        let constant = match config.rate {
            Rate::Constant(_) => (0..=u64::from(tokens))
                .map(|n| config.occupied_until(Instant::ZERO, request + n * token).as_nanos())
                .collect(),
            Rate::Trace { .. } | Rate::PerRequest { .. } => Vec::new(),
        };
        Self { config: config.clone(), bytes: [request, token], constant }
    }

    /// When a message of `tokens` has left that finds the link free at `start`. Rises with both (no
    /// message overtakes another, none gains by starting later).
    pub(super) fn end(&self, start: u64, tokens: u32) -> u64 {
        match self.constant.get(tokens as usize) {
            Some(took) => start + took,
            None => self.end_of(start, self.bytes[0] + u64::from(tokens) * self.bytes[1]),
        }
    }

    /// The same for a message of so many bytes.
    pub(super) fn end_of(&self, start: u64, bytes: u64) -> u64 {
        self.config.occupied_until(Instant::from_nanos(start), bytes).as_nanos()
    }

    /// When a message that has left at `end` arrives.
    pub(super) fn arrival(&self, end: u64) -> u64 {
        end + nanos(self.config.propagation)
    }

    /// The least time from the start of a message of `tokens` to its arrival.
    pub(super) fn least(&self, tokens: u32) -> u64 {
        let bytes = self.bytes[0] + u64::from(tokens) * self.bytes[1];
        nanos(self.config.least_occupied(bytes) + self.config.propagation)
    }

    /// Whether each byte takes the same whole number of ns: with a floor under an exchange the first
    /// bytes of a message may take other times than its last.
    pub(super) fn is_even(&self) -> bool {
        let even = matches!(self.config.rate, Rate::Constant(rate) if 8_000_000_000 % rate == 0);
        even && self.config.floor.is_none()
    }
}
