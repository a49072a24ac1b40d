//! The run log of one live endpoint: all that went in and out of its machine, so that the run can be
//! replayed bit for bit, its latencies sampled, and both ends laid side by side.
//!
//! | file | what |
//! |---|---|
//! | [`writer`] | writes a log beside the run |
//! | [`reader`] | reads one; errors name file and line |
//! | [`mod@replay`] | feeds the inputs to a fresh machine and compares its outputs |
//! | [`mod@samples`] | measured times of draft steps, verifications and prefills |
//! | [`mod@texts`] | what two models say to prompts, as a trace that any method is replayed on |
//! | [`mod@align`] | brings the clocks of several logs together |
//!
//! A log is JSON lines: one [`Header`], then a [`Line`] each for every input, the outputs that it led
//! to, times of model calls, and at a cloud the names that its edges give their sessions. Bulky
//! distributions stand in it by hash and length.

pub mod align;
pub mod reader;
pub mod replay;
pub mod samples;
pub mod texts;
pub mod writer;

use pipesd_core::cloud::CloudConfig;
use pipesd_core::contract::{Input, Output};
use pipesd_core::edge::EdgeConfig;
use pipesd_core::event::Endpoint;
use pipesd_core::ids::{SessionId, WorkId};
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant};
use serde::{Deserialize, Serialize};

pub use self::align::{AlignError, Joint, align};
pub use self::reader::{LogError, RunLog};
pub use self::replay::{Mismatch, replay};
pub use self::samples::{Samples, samples};
pub use self::writer::Recorder;
use crate::driver::clock::Origin;

/// The name and version of the format.
pub const FORMAT: &str = "pipesd-run-2";

/// A log's first line: what, with the inputs, makes up the whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always [`FORMAT`].
    pub format: String,
    /// Version of the program that ran.
    pub version: String,
    /// Whose log it is.
    pub endpoint: Endpoint,
    /// How the machine was set up.
    pub config: Config,
    /// The run's seed, for the record: all chance of the machine is in its configuration.
    pub seed: Seed,
    /// When its clock was started, where the system tells.
    pub origin: Option<Origin>,
}

impl Header {
    /// The header of a run that begins now.
    #[must_use]
    pub fn new(endpoint: Endpoint, config: Config, seed: Seed, origin: Option<Origin>) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT.into(), version, endpoint, config, seed, origin }
    }
}

/// How an endpoint's machine is set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Config {
    /// An edge.
    Edge(EdgeConfig),
    /// A cloud.
    Cloud(CloudConfig),
}

/// One line of a log after its header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// Something was fed to the machine.
    In(Instant, Input),
    /// It wanted something done, in answer to the last input.
    Out(Instant, Output),
    /// A model has done a piece of work.
    Took {
        /// Which.
        work: WorkId,
        /// On the model's own thread.
        took: Duration,
        /// Of this, what an emulated device has added to the model's own time.
        #[serde(default, skip_serializing_if = "Duration::is_zero")]
        added: Duration,
    },
    /// The cloud's name for an edge's session: names of different edges may be the same.
    Session {
        /// The cloud's.
        session: SessionId,
        /// The edge's number, as it introduced itself.
        edge: u32,
        /// The edge's.
        theirs: SessionId,
    },
}
