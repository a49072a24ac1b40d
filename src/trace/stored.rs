//! Trace files as they are written: this version, and the one before, whose draft steps contained what
//! an emulated device had added to them.

use serde::Deserialize;

use super::check::DURATION_MS_MAX;
use super::{TextTiming, Trace, TraceText, TraceTiming};
use crate::time::{from_millis, nanos};

/// The version before: `timing.device_added_ms` is contained in each draft step.
const BEFORE: &str = "pipesd-trace-1";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    format: String,
    source: String,
    #[serde(default)]
    timing: Option<StoredTiming>,
    texts: Vec<TraceText>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTiming {
    verify_per_token_ms: f64,
    #[serde(default)]
    device_added_ms: Option<f64>,
}

impl TryFrom<Stored> for Trace {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored { mut format, source, timing, mut texts } = stored;
        let added = timing.and_then(|timing| timing.device_added_ms);
        if format == BEFORE {
            if let Some(timing) = timing {
                let added_ms = timing.device_added_ms.ok_or("missing field `device_added_ms`")?;
                if !(0.0..=DURATION_MS_MAX).contains(&added_ms) {
                    let range = format!("it lies between 0 and {DURATION_MS_MAX} ms");
                    return Err(format!("`timing.device_added_ms` is {added_ms}: {range}"));
                }
                let added_ns = nanos(from_millis(added_ms));
                let timings = texts.iter_mut().filter_map(|text| text.timing.as_mut());
                timings.for_each(|timing| take_off(timing, added_ns));
            }
            Self::FORMAT.clone_into(&mut format);
        } else if added.is_some() {
            return Err(format!(
                "`timing.device_added_ms` is a field of `{BEFORE}`: the steps of later traces are the \
                 models' own"
            ));
        }
        let timing = timing
            .map(|StoredTiming { verify_per_token_ms, .. }| TraceTiming { verify_per_token_ms });
        Ok(Self { format, source, timing, texts })
    }
}

/// Takes what the device has added off each draft step.
fn take_off(timing: &mut TextTiming, added_ns: u64) {
    let steps = timing.steps_ns.iter_mut();
    for step in steps.chain(timing.rollout_steps_ns.values_mut().flatten()) {
        *step = step.saturating_sub(added_ns);
    }
}
