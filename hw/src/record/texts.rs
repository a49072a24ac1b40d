//! The recorder of texts: what two models say to a list of requests, with all that a trace keeps of it
//! (docs/trace-format.md), so that any method can be replayed on them.
//!
//! The draft is stepped by the calls that a live run makes: prefill, then at each position the one token
//! that has been committed since; where it is wrong, on by its own proposals for a rollout, and back to
//! the target's token by cutting its cache. The target decides one token at a time, as it would alone.
//!
//! One difference to a live run remains: there a draft may evaluate several pending tokens in one call,
//! which moves logits by rounding. Who compares texts looks at `target_gap`.

use pipesd_core::contract::DraftStep;
use pipesd_core::device::DraftKind;
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::trace::{DraftFeatures, Features, Rollout, Trace, TraceText};
use pipesd_core::verification::Sampling;

use crate::backend::{DraftModel, Logits, ModelError, TargetModel};

/// Steps of a rollout at least.
pub const ROLLOUT_STEPS_MIN: u32 = 64;

/// Records the texts of `requests`, which are sampled as `sampling` says, but each at its own temperature
/// and seed. Rollouts have `rollout` steps, at least [`ROLLOUT_STEPS_MIN`].
/// `told` hears of each text's number when it is done, and ends the recording by answering false.
///
/// # Errors
/// If a model fails, or its logits are not what a trace can keep. What is not judged by *match* is refused:
/// no trace replays it.
pub fn record_texts<D, T>(
    (draft, target): (&mut D, &mut T),
    requests: &[Request],
    sampling: &Sampling,
    rollout: u32,
    source: &str,
    mut told: impl FnMut(usize) -> bool,
) -> Result<Trace, ModelError>
where
    D: DraftModel + Logits + ?Sized,
    T: TargetModel + Logits + ?Sized,
{
    if !sampling.text_is_the_targets() {
        return Err(ModelError::Refused("a trace is of texts under match verification".into()));
    }
    let mut texts = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        let Request { temperature, seed, .. } = *request;
        let sampling = Sampling { temperature, seed, ..*sampling };
        let recorder = Recorder {
            session: request.session,
            sampling,
            rollout: rollout.max(ROLLOUT_STEPS_MIN),
            text: TraceText {
                prompt_tokens: request.prompt.len() as u32,
                stop_ids: request.stop_ids.iter().map(|id| id.0).collect(),
                ..TraceText::default()
            },
            features: Features::default(),
        };
        draft.prefill(request.session, &request.prompt, &sampling)?;
        target.prefill(request.session, &request.prompt, &sampling)?;
        let text = recorder.record(draft, target, request);
        draft.close(request.session);
        target.close(request.session);
        texts.push(text?);
        if !told(number) {
            return Err(ModelError::Refused("the recording was interrupted".into()));
        }
    }
    let trace = Trace { format: Trace::FORMAT.into(), source: source.into(), timing: None, texts };
    trace.validate().map_err(|error| ModelError::Refused(error.to_string()))?;
    Ok(trace)
}

/// One text under way.
struct Recorder {
    session: SessionId,
    sampling: Sampling,
    rollout: u32,
    text: TraceText,
    features: Features,
}

/// What a draft proposes, and all that is kept of it.
struct Step {
    token: TokenId,
    confidence: f64,
    probability: f64,
    entropy: f64,
    margin: f64,
    logits: Vec<f32>,
}

impl Recorder {
    fn record<D: Logits + ?Sized, T: Logits + ?Sized>(
        mut self,
        draft: &mut D,
        target: &mut T,
        request: &Request,
    ) -> Result<TraceText, ModelError> {
        // What is committed and in neither cache yet: the last token.
        let mut pending: Vec<TokenId> = Vec::new();
        let mut keep = 0;
        for position in 0..request.budget {
            let decided = target.logits(self.session, keep, &pending)?;
            let truth = self.sampling.target(position, &decided);
            let step = self.step(draft, keep, &pending)?;
            self.text.positions.push((step.token.0, truth.0, step.confidence));
            self.features.draft.push(&step);
            self.features.target_rank.push(rank(&step.logits, truth));
            self.features.target_gap.push(gap(&decided, position)?);
            if step.token != truth {
                self.roll_out(draft, position, step.token)?;
            }
            if request.stop_ids.contains(&truth) {
                self.text.budget = (request.budget > position + 1).then_some(request.budget);
                break;
            }
            keep = position;
            pending = vec![truth];
        }
        self.text.features = Some(self.features);
        Ok(self.text)
    }

    /// What the draft proposes after its mistake `token` at `position`, following itself.
    fn roll_out<D: Logits + ?Sized>(
        &mut self,
        draft: &mut D,
        position: u32,
        mut token: TokenId,
    ) -> Result<(), ModelError> {
        let mut steps = Rollout::new();
        let mut features = DraftFeatures::default();
        for keep in position..position.saturating_add(self.rollout) {
            let step = self.step(draft, keep, &[token])?;
            token = step.token;
            steps.push((token.0, step.confidence));
            features.push(&step);
        }
        self.text.rollouts.insert(position, steps);
        self.features.rollouts.insert(position, features);
        Ok(())
    }

    fn step<D: Logits + ?Sized>(
        &self,
        draft: &mut D,
        keep: u32,
        feed: &[TokenId],
    ) -> Result<Step, ModelError> {
        let call = DraftStep {
            session: self.session,
            round: RoundId::default(),
            kind: DraftKind::Main,
            keep,
            feed: feed.to_vec(),
        };
        let logits = draft.logits(self.session, keep, feed)?;
        let (proposal, claim) = self.sampling.claiming().propose(call.position(), &logits);
        let probability = claim.map_or(0.0, |claim| claim.probability);
        let (entropy, margin) = entropy_and_margin(&logits);
        let (token, confidence) = (proposal.token, proposal.confidence);
        Ok(Step { token, confidence, probability, entropy, margin, logits })
    }
}

trait Keep {
    fn push(&mut self, step: &Step);
}

impl Keep for DraftFeatures {
    fn push(&mut self, step: &Step) {
        self.probability.push(rounded(step.probability));
        self.entropy.push(rounded(step.entropy));
        self.margin.push(rounded(step.margin));
    }
}

/// To six decimals: nothing but analyses reads these, and a trace is a third as long.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// At temperature 1: the entropy \[nats\], and the largest less the second largest probability.
fn entropy_and_margin(logits: &[f32]) -> (f64, f64) {
    let known = |logit: &f32| !logit.is_nan();
    let highest = logits.iter().copied().filter(known).fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = logits
        .iter()
        .map(|&logit| match logit {
            logit if logit == highest => 1.0,
            logit if logit.is_nan() => 0.0,
            logit => libm::exp(f64::from(logit) - f64::from(highest)),
        })
        .collect();
    let total: f64 = weights.iter().sum();
    let (mut entropy, mut first, mut second) = (0.0, 0.0, 0.0);
    for probability in weights.into_iter().map(|weight| weight / total) {
        if probability > 0.0 {
            entropy -= probability * libm::log(probability);
        }
        if probability > first {
            (first, second) = (probability, first);
        } else if probability > second {
            second = probability;
        }
    }
    // Rounding may leave a certain draft a little below none.
    (entropy.max(0.0), first - second)
}

/// How many ids the draft would choose before `id`; of equals the lowest goes first.
fn rank(logits: &[f32], id: TokenId) -> u32 {
    let at = id.0 as usize;
    let of = |logit: f32| if logit.is_nan() { f32::NEG_INFINITY } else { logit };
    let Some(own) = logits.get(at).copied().map(of) else { return logits.len() as u32 };
    let before = logits.iter().enumerate().filter(|&(other, &logit)| {
        let logit = of(logit);
        logit > own || logit == own && other < at
    });
    before.count() as u32
}

/// The largest less the second largest logit.
#[must_use]
pub fn lead(logits: &[f32]) -> f64 {
    let (mut first, mut second) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
    for &logit in logits {
        if logit > first {
            (first, second) = (logit, first);
        } else if logit > second {
            second = logit;
        }
    }
    f64::from(first) - f64::from(second)
}

/// The target's lead at a position, as a trace keeps it.
fn gap(logits: &[f32], position: u32) -> Result<f64, ModelError> {
    let gap = lead(logits);
    if gap.is_finite() {
        Ok(rounded(gap))
    } else {
        let problem = format!("the target's logits at position {position} are not finite");
        Err(ModelError::Refused(problem))
    }
}

/// Where committed texts differ from recorded ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Departure {
    /// Which text.
    pub text: usize,
    /// The first position at which they differ.
    pub position: u32,
    /// How sure the target was there when it was recorded; None: one text goes on where the other ends.
    pub gap: Option<f64>,
}

/// Each committed text's first difference from the recorded one.
#[must_use]
pub fn departures(trace: &Trace, committed: &[Vec<TokenId>]) -> Vec<Departure> {
    let mut found = Vec::new();
    for (number, (recorded, ours)) in trace.texts.iter().zip(committed).enumerate() {
        let truth = recorded.positions.iter().map(|&(_, target, _)| target);
        let same = truth.zip(ours).take_while(|(truth, ours)| *truth == ours.0).count();
        if same < recorded.positions.len().max(ours.len()) {
            let in_both = same < recorded.positions.len().min(ours.len());
            let features = recorded.features.as_ref().filter(|_| in_both);
            let gap = features.and_then(|features| features.target_gap.get(same).copied());
            found.push(Departure { text: number, position: same as u32, gap });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_known_distributions() {
        let (entropy, margin) = entropy_and_margin(&[0.0; 4]);
        assert!((entropy - libm::log(4.0)).abs() < 1e-12 && margin == 0.0);
        let (entropy, margin) = entropy_and_margin(&[f32::NEG_INFINITY, 3.0, f32::NAN]);
        assert!(entropy == 0.0 && (margin - 1.0).abs() < 1e-12);
        let odds = [0.0, libm::log(3.0) as f32];
        let (_, margin) = entropy_and_margin(&odds);
        assert!((margin - 0.5).abs() < 1e-6);
        assert_eq!([0, 1].map(|id| rank(&odds, TokenId(id))), [1, 0]);
        assert_eq!([0, 1, 2].map(|id| rank(&[1.0, f32::NAN, 1.0], TokenId(id))), [0, 2, 1]);
        assert_eq!(gap(&[1.0, 4.0, 3.5], 0), Ok(0.5));
        assert!(gap(&[1.0, f32::INFINITY], 7).is_err());
    }
}
