//! From a profile to a trace: all that the simulator would draw for some requests, written down, so
//! that others (the live testbed's emulated models) play the same texts in the same times.
//!
//! Law: the trace simulated in the place of the profile, with the same seed, gives the same events.
//! It holds for one edge; each further edge draws its own texts from a profile, and takes its turns
//! at a trace's.

use std::sync::Arc;

use pipesd_core::seed::Seed;
use pipesd_core::trace::{Trace, TraceError, TraceTiming};

use crate::profile::{Profile, TextModel};
use crate::world;

/// Steps of a rollout, where the text's end would allow for fewer.
pub const ROLLOUT_STEPS_MIN: u32 = 64;

/// Why there is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The profile's texts are recorded.
    #[error("the profile `{0}` is a trace already")]
    Recorded(String),
    /// A profile at the edge of its ranges draws what no trace may hold.
    #[error(transparent)]
    Trace(#[from] TraceError),
}

/// The trace of the first `requests` requests of the run with `seed`, with the times of the reference
/// device: what the edge's own makes of them depends on the method. Rollouts go to the end of the text,
/// and have `rollout_steps_min` steps at least.
///
/// # Errors
/// If the profile's texts are not drawn from a process, or a time is too long for a trace.
pub fn trace(
    profile: &Arc<Profile>,
    seed: Seed,
    requests: u32,
    rollout_steps_min: u32,
) -> Result<Trace, ExportError> {
    if let TextModel::Trace(_) = profile.text {
        return Err(ExportError::Recorded(profile.name.clone()));
    }
    let trace = Trace {
        format: Trace::FORMAT.into(),
        source: format!(
            "exported from the profile `{}` with seed {}, draft steps as on the reference device",
            profile.name, seed.0
        ),
        timing: Some(TraceTiming { verify_per_token_ms: profile.verification.per_token_ms }),
        texts: world::recorded(profile, seed, requests, rollout_steps_min),
    };
    trace.validate()?;
    Ok(trace)
}

/// The profile with its texts and times replaced by those of `trace`.
///
/// # Errors
/// If the trace is not valid, or has ids beyond the profile's vocabulary.
pub fn replaced(profile: &Profile, trace: Arc<Trace>) -> Result<Profile, TraceError> {
    trace.validate()?;
    trace.check_vocabulary(profile.vocabulary)?;
    let mut profile = profile.clone();
    if let Some(timing) = trace.timing {
        profile.verification.per_token_ms = timing.verify_per_token_ms;
    }
    profile.text = TextModel::Trace(trace);
    Ok(profile)
}
