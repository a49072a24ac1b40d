//! From the latency samples of a live run to a profile whose distributions are those samples.
//!
//! A draft step is a sample as it is: what the step took the model itself, without what an emulated
//! device has added to it. A verification is taken apart into what its tokens add (the slope of a
//! least-squares line, never negative) and the rest, whose samples are the base. Nothing of a link is
//! in a profile: a live run and its simulation share the *configured* link.

use pipesd_core::trace::{Trace, TraceError};

use crate::distribution::Latency;
use crate::profile::{DraftSpec, EnergySpec, ProfileSpec, Sourced, Status, VerificationSpec};

/// One timed call of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Tokens of the call: those evaluated by a draft step or a prefill, the drafts of a verification.
    pub tokens: u32,
    /// Tokens in the cache before it.
    pub context: u32,
    /// How long it took \[ns\].
    pub ns: u64,
}

impl Sample {
    fn millis(&self) -> f64 {
        self.ns as f64 / 1e6
    }
}

/// What was measured in a live run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    /// The profile's name.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// From what the values are: the run, its machines, its models.
    pub source: String,
    /// Entries of the vocabulary \[tokens\].
    pub vocabulary: u32,
    /// Draft steps, without what an emulated device has added to them; at least one.
    pub draft_steps: Vec<Sample>,
    /// Prefills of the draft.
    pub draft_prefills: Vec<Sample>,
    /// Passes of the target over blocks of drafts, all the server does included; at least one.
    pub verifications: Vec<Sample>,
    /// Prefills of the target.
    pub verify_prefills: Vec<Sample>,
}

/// Why there is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeasuredError {
    /// A kind of sample without which there is no profile.
    #[error("there is no sample of a {0}")]
    Nothing(&'static str),
    /// The texts of the run are not valid.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A value is out of a profile's range.
    #[error("{0}")]
    Range(String),
}

/// The profile of a run whose texts are `trace`, to be written beside it as a file called
/// `trace_file`.
///
/// # Errors
/// If there is no draft step or no verification, or the result is not valid.
pub fn profile(
    measured: &Measurements,
    trace: &Trace,
    trace_file: &str,
) -> Result<ProfileSpec, MeasuredError> {
    trace.validate()?;
    trace.check_vocabulary(measured.vocabulary)?;
    let values = |value, what: &str| by(Status::Measured, value, &measured.source, what);
    let lengths = |of: fn(&pipesd_core::trace::TraceText) -> usize| {
        let total: usize = trace.texts.iter().map(of).sum();
        (total as f64 / trace.texts.len() as f64).round().max(1.0) as u32
    };
    let prompt_tokens = lengths(|text| text.prompt_tokens as usize);
    let output_tokens = lengths(|text| text.positions.len());
    let spec = ProfileSpec {
        name: measured.name.clone(),
        description: measured.description.clone(),
        vocabulary: by(Status::Measured, measured.vocabulary, &measured.source, "the models' own"),
        prompt_tokens: by(
            Status::Measured,
            prompt_tokens,
            &measured.source,
            "mean over the trace, whose texts have their own",
        ),
        output_tokens: by(
            Status::Measured,
            output_tokens,
            &measured.source,
            "mean over the trace, whose texts have their own",
        ),
        text: None,
        trace: Some(trace_file.to_owned()),
        draft: draft(measured)?,
        verification: verification(measured)?,
        overhead_ms: values(
            Latency::Constant { mean: 0.0 },
            "part of the verifications' samples, and so of `base_ms`",
        ),
        edge_only_ms: None,
        fit_ms: None,
        exchange: None,
        energy: EnergySpec::default(),
    };
    spec.check_ranges().map_err(MeasuredError::Range)?;
    Ok(spec)
}

fn draft(measured: &Measurements) -> Result<DraftSpec, MeasuredError> {
    let Measurements { draft_steps, source, .. } = measured;
    let steps = draft_steps.iter().map(Sample::millis);
    let step = samples(steps).ok_or(MeasuredError::Nothing("draft step"))?;
    let what = format!("{} draft steps, as long as they took the model itself", draft_steps.len());
    Ok(DraftSpec {
        step_ms: by(Status::Measured, step, source, &what),
        prompt_sd_ms: by(Status::Measured, 0.0, source, "part of the samples of `step_ms`"),
        prefill_ms_per_token: prefill(&measured.draft_prefills, source),
    })
}

fn verification(measured: &Measurements) -> Result<VerificationSpec, MeasuredError> {
    let Measurements { verifications, source, .. } = measured;
    let slope = slope_ms(verifications);
    let rest =
        verifications.iter().map(|sample| sample.millis() - slope * f64::from(sample.tokens));
    let base = samples(rest).ok_or(MeasuredError::Nothing("verification"))?;
    let count = verifications.len();
    let line = format!("slope of a least-squares line through {count} verifications, not below 0");
    let base_is = format!("what {count} verifications took, less `per_token_ms` for each draft");
    Ok(VerificationSpec {
        base_ms: by(Status::Measured, base, source, &base_is),
        per_token_ms: by(Status::Measured, slope, source, &line),
        prefill_ms_per_token: prefill(&measured.verify_prefills, source),
    })
}

/// Time over tokens of all prefills.
fn prefill(prefills: &[Sample], source: &str) -> Sourced<f64> {
    let tokens: u64 = prefills.iter().map(|sample| u64::from(sample.tokens)).sum();
    if tokens == 0 {
        let what = "no prefill was measured; it moves TTFT, not TPT";
        return by(Status::Assumed, 0.0, source, what);
    }
    let ms: f64 = prefills.iter().map(Sample::millis).sum();
    let what = format!("time over tokens of {} prefills", prefills.len());
    by(Status::Measured, ms / tokens as f64, source, &what)
}

/// What a token adds to a pass \[ms\]: 0 if all passes have as many.
fn slope_ms(passes: &[Sample]) -> f64 {
    let count = passes.len().max(1) as f64;
    let tokens_mean = passes.iter().map(|pass| f64::from(pass.tokens)).sum::<f64>() / count;
    let ms_mean = passes.iter().map(Sample::millis).sum::<f64>() / count;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for pass in passes {
        let tokens = f64::from(pass.tokens) - tokens_mean;
        covariance += tokens * (pass.millis() - ms_mean);
        variance += tokens * tokens;
    }
    if variance > 0.0 { (covariance / variance).max(0.0) } else { 0.0 }
}

/// The samples in order, none below zero, so that a quantile is one; None: there are none.
fn samples(values: impl Iterator<Item = f64>) -> Option<Latency> {
    let mut values: Vec<f64> = values.map(|ms| ms.max(0.0)).collect();
    values.sort_by(f64::total_cmp);
    if values.is_empty() { None } else { Some(Latency::Samples { values }) }
}

fn by<T>(status: Status, value: T, source: &str, what: &str) -> Sourced<T> {
    Sourced { value, status, source: format!("{source}: {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(of: &[(u32, f64)]) -> Vec<Sample> {
        let sample =
            |&(tokens, ms): &(u32, f64)| Sample { tokens, context: 9, ns: (ms * 1e6) as u64 };
        of.iter().map(sample).collect()
    }

    #[test]
    fn the_slope_is_that_of_a_line_and_never_negative() {
        assert!((slope_ms(&passes(&[(1, 10.5), (3, 11.5), (7, 13.5)])) - 0.5).abs() < 1e-9);
        assert!(slope_ms(&passes(&[(1, 12.0), (3, 11.0)])).abs() < f64::EPSILON);
        assert!(slope_ms(&passes(&[(4, 12.0), (4, 11.0)])).abs() < f64::EPSILON);
        assert!(slope_ms(&[]).abs() < f64::EPSILON);
    }

    #[test]
    fn a_prefill_that_was_not_measured_says_so() {
        let none = prefill(&[], "a test");
        assert_eq!((none.value, none.status), (0.0, Status::Assumed));
        let some = prefill(&passes(&[(10, 20.0), (30, 20.0)]), "a test");
        assert_eq!((some.value, some.status), (1.0, Status::Measured));
    }
}
