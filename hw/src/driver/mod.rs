//! Drives the core's machines in the real world, as the simulator does in its own: the only clock, and
//! the loop that turns what happens into inputs and carries out outputs.
//!
//! ```text
//!  link ────────► LinkEvent ──┐                                ┌─► Transmit, Cancel ─► link
//!  model thread ► Done ───────┼─► run loop: pipesd_core's drain ┼─► Start ────────────► model thread
//!  users ───────► Request ────┤   (one thread, one runtime)     ├─► Event ────────────► books, observer
//!  timers, clock ─────────────┘                                └─► WakeAt ───────────► timers
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`edge`], [`cloud`] | the two loops |
//! | [`clock`] | the clock, and precise waiting for threads |
//! | [`link`] | what is needed of a transport; QUIC |
//! | [`loopback`] | a transport within the process |
//! | `models` | models on their own threads; their failures and deaths |
//! | `sessions` | what edges call their sessions, and what the cloud does |
//!
//! **No wait without an end.** A model call has a limit, a session its patience (the core's timer), a
//! link its own time-outs; a thread's death and a link's end are told. Each ends a session or the run,
//! with a [`DriverError`] that says why.
//!
//! **Deliberately absent**: any knowledge of methods, triggers, uploads and verification rules.

mod books;
pub mod clock;
pub mod cloud;
pub mod edge;
pub mod link;
pub mod loopback;
mod models;
mod sessions;
mod timers;
mod watch;

use pipesd_core::account::Violation;
use pipesd_core::ids::WorkId;
use pipesd_core::time::Duration;

pub use self::books::Observer;
pub use self::clock::{Clock, Origin};
pub use self::cloud::{CloudReport, CloudSetup, drive_cloud};
pub use self::edge::{
    EdgeReport, EdgeSetup, Text, drive_edge, drive_roaming_edge, one_after_another,
};
pub use self::link::{
    Arrivals, Dial, Events, LinkEvent, Newcomer, OneLink, QuicDial, Transport, Unreached,
};
use crate::backend::ModelError;

/// How long the driver waits before it gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For one call of a model, or of the tuner.
    pub work: Duration,
    /// For what is still to be sent when all is done.
    pub farewell: Duration,
    /// For rounds under way when a cloud is told to close.
    pub grace: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            work: Duration::from_secs(60),
            farewell: Duration::from_secs(2),
            grace: Duration::from_secs(5),
        }
    }
}

/// Why a live run ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// An edge was told to stop: what it has decoded is not all that was asked for.
    #[error("interrupted before all requests were decoded")]
    Interrupted,
    /// The link is over while something was to be decoded.
    #[error("the link is over: {0}")]
    LinkClosed(String),
    /// A model has failed.
    #[error("the {model} model: {error}")]
    Model {
        /// Which.
        model: &'static str,
        /// How.
        error: ModelError,
    },
    /// A call of a model takes too long.
    #[error("{work} has not ended after {} s", .limit.as_secs_f64())]
    Overdue {
        /// Which.
        work: WorkId,
        /// How long it might have taken.
        limit: Duration,
    },
    /// An invariant does not hold, or a session went wrong.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The log cannot be written, or the system has no thread left.
    #[error(transparent)]
    System(#[from] std::io::Error),
}
