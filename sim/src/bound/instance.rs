//! One request with everything that is fixed about it, in whole nanoseconds.

use pipesd_core::device::{Device, DraftKind};
use pipesd_core::time::nanos;

use super::wire::Wire;
use crate::profile::VerificationLatency;
use crate::world::Truth;

/// What all requests of a run share.
#[derive(Clone, Debug)]
pub(super) struct Testbed {
    pub(super) uplink: Wire,
    pub(super) downlink: Wire,
    pub(super) verification: VerificationLatency,
    /// Bytes of the distribution that a rejection fetches over the uplink (lazy payload).
    pub(super) fetch: Option<u64>,
}

/// A request's text and latencies, by position; as many as the text has tokens.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    /// Whether the draft is right.
    pub(super) matches: Vec<bool>,
    /// Draft step \[ns\], by kind in the order of [`DraftKind::ALL`].
    pub(super) steps: [Vec<u64>; 4],
    /// Of a NAV whose round begins here: the server's overhead \[ns\] and the GPU's base \[ms\].
    pub(super) passes: Vec<(u64, f64)>,
}

impl Instance {
    pub(super) fn new(truth: &Truth, device: Device) -> Self {
        let on_device = |kind| truth.steps.iter().map(move |&own| nanos(device.step(own, kind)));
        Self {
            matches: truth.matches.clone(),
            steps: DraftKind::ALL.map(|kind| on_device(kind).collect()),
            passes: truth.passes.iter().map(|&(overhead, base)| (nanos(overhead), base)).collect(),
        }
    }

    /// The draft step of a kind that proposes `position` \[ns\].
    pub(super) fn step(&self, kind: DraftKind, position: usize) -> u64 {
        self.steps[kind as usize][position]
    }

    /// Whether it matters what a step is for.
    pub(super) fn tells_kinds_apart(&self) -> bool {
        let [main, others @ ..] = &self.steps;
        others.iter().any(|steps| steps != main)
    }

    /// Output tokens.
    pub(super) fn len(&self) -> usize {
        self.matches.len()
    }

    /// How long a NAV over `tokens` drafts from `start` takes at the cloud \[ns\].
    pub(super) fn verify(&self, testbed: &Testbed, start: usize, tokens: usize) -> u64 {
        let (overhead, base) = self.passes[start];
        nanos(testbed.verification.pass(base, tokens as u64)) + overhead
    }
}
