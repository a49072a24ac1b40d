//! A method is a point on five axes: trigger, upload, what to do while waiting, verification,
//! payload. Presets, baselines and ablations are entries of data, not classes.
//!
//! [`MethodSpec`] is what a file or a `--set` says; [`MethodSpec::resolve`] turns it into a
//! [`Method`] that is valid by construction.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::payload::Payload;
use crate::trigger::TriggerConfig;
use crate::upload::{UploadPolicy, WINDOW_MAX};

/// A confidence threshold: strictly between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Threshold(f64);

impl Threshold {
    /// None unless 0 < `value` < 1 (NaN is refused).
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (0.0 < value && value < 1.0).then_some(Self(value))
    }

    /// The threshold as a number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Threshold {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        Self::new(value)
            .ok_or_else(|| format!("a threshold lies strictly between 0 and 1, not {value}"))
    }
}

impl From<Threshold> for f64 {
    fn from(threshold: Threshold) -> Self {
        threshold.0
    }
}

/// How the cloud decides on a draft token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// The target draws its own token; accept iff the draft's is the same. Exact for any draft.
    Match,
}

/// What the edge does while a NAV is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// Nothing.
    Idle,
    /// Drafts ahead; uploads once the verdict has confirmed the drafts.
    Draft {
        /// Proactive rounds ahead of the pending one.
        depth: u32,
    },
    /// Drafts and uploads ahead; a proactive round requests its own NAV.
    DraftAndUpload {
        /// Proactive rounds ahead of the pending one.
        depth: u32,
        /// How proactive rounds are uploaded.
        upload: UploadPolicy,
    },
}

impl Waiting {
    /// Proactive rounds ahead of the one whose NAV is pending.
    #[must_use]
    pub const fn depth(self) -> u32 {
        match self {
            Self::Idle => 0,
            Self::Draft { depth } | Self::DraftAndUpload { depth, .. } => depth,
        }
    }
}

/// A valid method.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// When to ask for verification.
    pub trigger: TriggerConfig,
    /// How a round is uploaded that stands on committed text.
    pub upload: UploadPolicy,
    /// What to do while a NAV is pending.
    pub waiting: Waiting,
    /// How the cloud decides.
    pub verification: Verification,
    /// What is sent for each token.
    pub payload: Payload,
    /// N̂ before the first verdict \[tokens\].
    pub window: u32,
}

impl Method {
    /// Whether some upload follows a DP plan, so that the link must be measured.
    #[must_use]
    pub const fn plans(&self) -> bool {
        self.upload.plans()
            || matches!(self.waiting, Waiting::DraftAndUpload { upload, .. } if upload.plans())
    }
}

/// Proactive rounds at most: each is a guess upon a guess.
const DEPTH_MAX: u32 = 8;
/// N̂ before the first verdict (paper §3).
const WINDOW_DEFAULT: u32 = 20;
/// Draft lengths beyond this are surely a mistake; a request's budget bounds a round anyway.
const DRAFT_LENGTH_MAX: u32 = WINDOW_MAX;

/// Names of the trigger axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "documented at TriggerConfig")]
pub enum TriggerName {
    FixedLength,
    TokenThreshold,
    SequenceThreshold,
    AdaptiveSequence,
    Dual,
}

/// Names of the upload axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "documented at UploadPolicy")]
pub enum UploadName {
    AtNav,
    Immediate,
    FixedBatch,
    Window,
    Dp,
    WorkConserving,
}

/// Names of the waiting axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "documented at Waiting")]
pub enum WaitingName {
    Idle,
    Draft,
    DraftAndUpload,
}

/// Names of the payload axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "documented at Payload")]
pub enum PayloadName {
    Full,
    Lazy,
    TopK,
    Ids,
}

/// A method as data: the flat keys of a TOML entry or of `--set`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodSpec {
    /// The trigger.
    pub trigger: TriggerName,
    /// Tokens in a round, for `fixed_length`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_length: Option<u32>,
    /// R2, for `token_threshold` and `dual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_threshold: Option<Threshold>,
    /// R1, for `sequence_threshold`, `adaptive_sequence` (where it starts) and `dual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_threshold: Option<Threshold>,
    /// Factor on full acceptance, for `adaptive_sequence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay: Option<Threshold>,
    /// The upload policy.
    pub upload: UploadName,
    /// Tokens in a batch, for `fixed_batch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// What to do while a NAV is pending.
    pub waiting: WaitingName,
    /// Proactive rounds ahead, for `draft` and `draft_and_upload`; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_depth: Option<u32>,
    /// Upload policy of proactive rounds, for `draft_and_upload`; default: as `upload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_upload: Option<UploadName>,
    /// The verification rule.
    pub verification: Verification,
    /// The payload.
    pub payload: PayloadName,
    /// Entries kept, for `top_k`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// N̂ before the first verdict \[tokens\]; default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
}

/// What is wrong with a method, by the key to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {problem}")]
pub struct MethodError {
    /// The key.
    pub key: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl MethodError {
    fn new(key: &'static str, problem: impl fmt::Display) -> Self {
        Self { key, problem: problem.to_string() }
    }
}

impl MethodSpec {
    /// The method that the keys describe.
    ///
    /// # Errors
    /// If a key is missing that an axis needs, is given where no axis uses it (a contradiction: the
    /// user believes in an effect that it does not have), or is out of range.
    pub fn resolve(&self) -> Result<Method, MethodError> {
        let trigger = self.trigger()?;
        let (upload, waiting) = self.uploads()?;
        let payload = match (self.payload, self.top_k) {
            (PayloadName::TopK, k) => {
                Payload::TopK(in_range("top_k", k, 1..=1_000_000, "payload = \"top_k\"")?)
            }
            (_, Some(_)) => return Err(unused("top_k", "payload = \"top_k\"")),
            (PayloadName::Full, None) => Payload::Full,
            (PayloadName::Lazy, None) => Payload::Lazy,
            (PayloadName::Ids, None) => Payload::Ids,
        };
        let window = self.window.unwrap_or(WINDOW_DEFAULT);
        let window = in_range("window", Some(window), 1..=WINDOW_MAX, "")?;
        let verification = self.verification;
        Ok(Method { trigger, upload, waiting, verification, payload, window })
    }

    fn trigger(&self) -> Result<TriggerConfig, MethodError> {
        use TriggerName as Name;
        let name = self.trigger;
        let uses_token = matches!(name, Name::TokenThreshold | Name::Dual);
        let uses_sequence =
            matches!(name, Name::SequenceThreshold | Name::AdaptiveSequence | Name::Dual);
        if self.draft_length.is_some() && name != Name::FixedLength {
            return Err(unused("draft_length", "trigger = \"fixed_length\""));
        }
        if self.token_threshold.is_some() && !uses_token {
            return Err(unused("token_threshold", "trigger = \"token_threshold\" or \"dual\""));
        }
        if self.sequence_threshold.is_some() && !uses_sequence {
            return Err(unused(
                "sequence_threshold",
                "trigger = \"sequence_threshold\", \"adaptive_sequence\" or \"dual\"",
            ));
        }
        if self.decay.is_some() && name != Name::AdaptiveSequence {
            return Err(unused("decay", "trigger = \"adaptive_sequence\""));
        }
        let needed = |key, value: Option<Threshold>| {
            value.ok_or_else(|| MethodError::new(key, "missing: this trigger needs it"))
        };
        let token = || needed("token_threshold", self.token_threshold);
        let sequence = || needed("sequence_threshold", self.sequence_threshold);
        Ok(match name {
            Name::FixedLength => TriggerConfig::FixedLength {
                draft_length: in_range(
                    "draft_length",
                    self.draft_length,
                    1..=DRAFT_LENGTH_MAX,
                    "trigger = \"fixed_length\"",
                )?,
            },
            Name::TokenThreshold => TriggerConfig::TokenThreshold { token_threshold: token()? },
            Name::SequenceThreshold => {
                TriggerConfig::SequenceThreshold { sequence_threshold: sequence()? }
            }
            Name::AdaptiveSequence => TriggerConfig::AdaptiveSequence {
                sequence_threshold: sequence()?,
                decay: needed("decay", self.decay)?,
            },
            Name::Dual => {
                TriggerConfig::Dual { sequence_threshold: sequence()?, token_threshold: token()? }
            }
        })
    }

    fn uploads(&self) -> Result<(UploadPolicy, Waiting), MethodError> {
        let waiting_upload = self.waiting_upload.unwrap_or(self.upload);
        let fixed = UploadName::FixedBatch;
        if self.batch_size.is_some() && self.upload != fixed && waiting_upload != fixed {
            return Err(unused("batch_size", "upload or waiting_upload = \"fixed_batch\""));
        }
        if self.waiting_upload.is_some() && self.waiting != WaitingName::DraftAndUpload {
            return Err(unused("waiting_upload", "waiting = \"draft_and_upload\""));
        }
        if self.waiting_depth.is_some() && self.waiting == WaitingName::Idle {
            return Err(unused("waiting_depth", "waiting = \"draft\" or \"draft_and_upload\""));
        }
        let depth = self.waiting_depth.unwrap_or(1);
        let depth = in_range("waiting_depth", Some(depth), 1..=DEPTH_MAX, "")?;
        let policy = |name| {
            Ok(match name {
                UploadName::AtNav => UploadPolicy::AtNav,
                UploadName::Immediate => UploadPolicy::Immediate,
                UploadName::FixedBatch => UploadPolicy::FixedBatch(in_range(
                    "batch_size",
                    self.batch_size,
                    1..=WINDOW_MAX,
                    "upload = \"fixed_batch\"",
                )?),
                UploadName::Window => UploadPolicy::Window,
                UploadName::Dp => UploadPolicy::Dp,
                UploadName::WorkConserving => UploadPolicy::WorkConserving,
            })
        };
        let waiting = match self.waiting {
            WaitingName::Idle => Waiting::Idle,
            WaitingName::Draft => Waiting::Draft { depth },
            WaitingName::DraftAndUpload => {
                Waiting::DraftAndUpload { depth, upload: policy(waiting_upload)? }
            }
        };
        Ok((policy(self.upload)?, waiting))
    }
}

fn unused(key: &'static str, needs: &str) -> MethodError {
    MethodError::new(key, format!("contradicts the other keys: it needs {needs}"))
}

fn in_range(
    key: &'static str,
    value: Option<u32>,
    range: core::ops::RangeInclusive<u32>,
    needed_by: &str,
) -> Result<u32, MethodError> {
    let value =
        value.ok_or_else(|| MethodError::new(key, format!("missing: {needed_by} needs it")))?;
    if range.contains(&value) {
        Ok(value)
    } else {
        let (min, max) = (range.start(), range.end());
        Err(MethodError::new(key, format!("{value} is out of range: it must be {min} to {max}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipesd() -> MethodSpec {
        MethodSpec {
            trigger: TriggerName::Dual,
            draft_length: None,
            token_threshold: Threshold::new(0.9),
            sequence_threshold: Threshold::new(0.95),
            decay: None,
            upload: UploadName::Dp,
            batch_size: None,
            waiting: WaitingName::DraftAndUpload,
            waiting_depth: None,
            waiting_upload: None,
            verification: Verification::Match,
            payload: PayloadName::Full,
            top_k: None,
            window: None,
        }
    }

    #[test]
    fn defaults_are_the_papers() {
        let method = pipesd().resolve().expect("a valid preset");
        assert_eq!(method.window, 20);
        let waiting = Waiting::DraftAndUpload { depth: 1, upload: UploadPolicy::Dp };
        assert_eq!(method.waiting, waiting);
        assert!(method.plans());
    }

    #[test]
    fn contradictions_and_ranges_name_the_key() {
        let key = |spec: MethodSpec| spec.resolve().expect_err("a contradiction").key;
        assert_eq!(key(MethodSpec { draft_length: Some(6), ..pipesd() }), "draft_length");
        assert_eq!(key(MethodSpec { decay: Threshold::new(0.5), ..pipesd() }), "decay");
        assert_eq!(key(MethodSpec { token_threshold: None, ..pipesd() }), "token_threshold");
        assert_eq!(key(MethodSpec { batch_size: Some(2), ..pipesd() }), "batch_size");
        assert_eq!(key(MethodSpec { top_k: Some(2), ..pipesd() }), "top_k");
        assert_eq!(key(MethodSpec { window: Some(0), ..pipesd() }), "window");
        assert_eq!(key(MethodSpec { window: Some(1_000_000), ..pipesd() }), "window");
        assert_eq!(key(MethodSpec { waiting_depth: Some(9), ..pipesd() }), "waiting_depth");
        let idle = MethodSpec { waiting: WaitingName::Idle, ..pipesd() };
        assert_eq!(key(MethodSpec { waiting_depth: Some(1), ..idle.clone() }), "waiting_depth");
        let upload = Some(UploadName::Dp);
        assert_eq!(key(MethodSpec { waiting_upload: upload, ..idle }), "waiting_upload");
    }

    #[test]
    fn thresholds_lie_strictly_between_zero_and_one() {
        for bad in [0.0, 1.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Threshold::new(bad), None, "{bad}");
        }
        assert!(Threshold::new(0.5).is_some());
    }
}
