//! Network emulation under the UDP socket of an edge: rate, delay, jitter, loss and a bounded queue,
//! both ways, seeded, without root.
//!
//! | file | what |
//! |---|---|
//! | [`shaper`] | one direction as a sans-IO machine: what becomes of each packet |
//! | [`timekeeper`] | one thread that does things at their time, to about 0.1 ms |
//! | `weather` | what a plan of faults does to packets |
//! | [`socket`] | the wrapper under quinn's socket that applies two shapers |
//!
//! The conditions mean what they mean in the simulator's packet link, so that a scenario is the same
//! in both rooms. What a shaper decides about the k-th packet that enters it depends on
//! (seed, direction, k) alone; which packet of QUIC's that is depends on real time.

pub mod shaper;
pub mod socket;
pub mod timekeeper;
mod weather;

use std::sync::Arc;

use pipesd_core::fault::FaultPlan;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant, nanos};

pub use self::shaper::{Fate, Overflow, Shaper, ShaperConfig};
pub use self::socket::{WayAccount, Ways};
pub use self::timekeeper::Timekeeper;

/// Bytes that QUIC adds to the stream data of a full packet: short header (1 + 8), packet number (2),
/// stream frame (about 9) and authentication tag (16). A link that is to carry `size / rate` of
/// messages, like the paper's affine one, is charged this much less for each packet.
pub const QUIC_OVERHEAD: i64 = 36;

/// What an edge's link is made to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Emulation {
    /// From edge to cloud.
    pub uplink: ShaperConfig,
    /// Back.
    pub downlink: ShaperConfig,
    /// α: start-up of each message from the edge. The frame's length prefix goes out at once, the
    /// rest after this time.
    pub startup: Duration,
    /// Whether an upload under way can be cut short by a cancel.
    pub abortable: bool,
    /// All chance of both directions comes from here.
    pub seed: Seed,
    /// The edge's number: each has chances of its own.
    pub edge: u32,
    /// What goes wrong besides, counted from `since`.
    pub faults: Arc<FaultPlan>,
    /// When the run began.
    pub since: Beginning,
}

/// When a run began: its faults are counted from there, over all its links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning(std::time::Instant);

impl Beginning {
    /// It begins.
    #[must_use]
    pub fn now() -> Self {
        Self(std::time::Instant::now())
    }

    /// It began so long ago.
    #[must_use]
    pub fn before_now(ago: Duration) -> Self {
        let now = std::time::Instant::now();
        // A machine that has just been started knows no earlier time.
        Self(now.checked_sub(ago).unwrap_or(now))
    }

    /// How far the run is.
    #[must_use]
    pub fn until_now(self) -> Instant {
        self.until(std::time::Instant::now())
    }

    /// How far `at` is into the run.
    #[must_use]
    pub fn until(self, at: std::time::Instant) -> Instant {
        Instant::from_nanos(nanos(at.saturating_duration_since(self.0)))
    }

    /// The other way round.
    #[must_use]
    pub fn at(self, at: Instant) -> std::time::Instant {
        self.0 + Duration::from_nanos(at.as_nanos())
    }
}
