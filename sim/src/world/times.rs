//! How long the models take on one text: drawn from the profile, or as recorded. Either way by
//! position, so that all methods meet the same times.

use std::sync::Arc;

use pipesd_core::device::DraftKind;
use pipesd_core::ids::SessionId;
use pipesd_core::seed::{Seed, Stream};
use pipesd_core::time::{Duration, from_millis};
use pipesd_core::trace::{TextTiming, Trace};

use crate::profile::{Profile, TextModel};

/// Where a draft step happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It proposes this position, its context being the target's text.
    OnPath(u32),
    /// It proposes the position `offset` ≥ 1 after the mistake at `mismatch`.
    OffPath { mismatch: u32, offset: u32 },
}

impl Place {
    /// The key of what is drawn for a step; off the path far beyond any position.
    fn key(self) -> u64 {
        const OFF_PATH_KEYS: u64 = 1 << 32;
        match self {
            Self::OnPath(position) => u64::from(position),
            Self::OffPath { mismatch, offset } => {
                OFF_PATH_KEYS * (1 + u64::from(mismatch)) + u64::from(offset)
            }
        }
    }
}

/// The times of one text.
#[derive(Debug)]
pub(super) enum Times {
    /// Drawn from the profile's distributions.
    Drawn(Box<Drawn>),
    /// Those of the text numbered `number` of a trace.
    Recorded { trace: Arc<Trace>, number: usize },
}

/// What is needed to draw.
#[derive(Debug)]
pub(super) struct Drawn {
    draft_prompt_effect: f64,
    draft_draws: Stream,
    verify_draws: Stream,
}

impl Times {
    /// The times of `session`, whose text is the one numbered `number`.
    pub(super) fn new(profile: &Profile, seed: Seed, session: SessionId, number: usize) -> Self {
        match &profile.text {
            TextModel::Trace(trace) if trace.timing.is_some() => {
                Self::Recorded { trace: Arc::clone(trace), number }
            }
            TextModel::Trace(_) | TextModel::Process(_) => {
                let u = seed.stream("draft prompt", session.0).at(0).uniform();
                Self::Drawn(Box::new(Drawn {
                    draft_prompt_effect: crate::normal::quantile(u),
                    draft_draws: seed.stream("draft latency", session.0),
                    verify_draws: seed.stream("verification latency", session.0),
                }))
            }
        }
    }

    /// A draft step of some kind at `place`, on the profile's device. None: not recorded.
    pub(super) fn step(
        &mut self,
        profile: &Profile,
        place: Place,
        kind: DraftKind,
    ) -> Option<Duration> {
        Some(profile.draft.device.step(self.own_step(profile, place)?, kind))
    }

    /// The draft step at `place`, on the reference device: what a step is for has no part in it. None:
    /// not recorded.
    pub(super) fn own_step(&mut self, profile: &Profile, place: Place) -> Option<Duration> {
        match self {
            Self::Drawn(drawn) => {
                let u = drawn.draft_draws.at(place.key()).uniform();
                Some(profile.draft.own(u, drawn.draft_prompt_effect))
            }
            Self::Recorded { trace, number } => {
                let timing = timing(trace, *number);
                match place {
                    Place::OnPath(position) => timing.step(position),
                    Place::OffPath { mismatch, offset } => timing.rollout_step(mismatch, offset),
                }
            }
        }
    }

    /// Of a pass over a block that begins at `start`: the server's overhead, and the GPU's base
    /// \[ms\].
    pub(super) fn pass(&mut self, profile: &Profile, start: u32) -> (Duration, f64) {
        match self {
            Self::Drawn(drawn) => {
                let mut draws = drawn.verify_draws.at(u64::from(start));
                let overhead = profile.overhead.at(draws.uniform());
                (overhead, profile.verification.base.millis_at(draws.uniform()))
            }
            Self::Recorded { trace, number } => timing(trace, *number).pass(start),
        }
    }

    /// Prefill of a prompt of `tokens`, by the draft and by the target.
    pub(super) fn prefill(&self, profile: &Profile, tokens: usize) -> [Duration; 2] {
        match self {
            Self::Drawn(_) => {
                let Profile { draft, verification, .. } = profile;
                [draft.prefill_ms_per_token, verification.prefill_ms_per_token]
                    .map(|per_token| from_millis(per_token * tokens as f64))
            }
            Self::Recorded { trace, number } => {
                let timing = timing(trace, *number);
                [timing.draft_prefill_ns, timing.verify_prefill_ns].map(Duration::from_nanos)
            }
        }
    }
}

fn timing(trace: &Trace, number: usize) -> &TextTiming {
    trace.text(number).timing.as_ref().expect("all texts of a timed trace have timings")
}
