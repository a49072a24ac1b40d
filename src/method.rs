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
use crate::verification::Terms;
pub use crate::verification::{Drafting, Verification};

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
        /// See [`MethodSpec::waiting_resume`].
        resume: bool,
    },
    /// Drafts and uploads ahead; a proactive round requests its own NAV.
    DraftAndUpload {
        /// Proactive rounds ahead of the pending one.
        depth: u32,
        /// See [`MethodSpec::waiting_resume`].
        resume: bool,
        /// How proactive rounds are uploaded.
        upload: UploadPolicy,
    },
    /// Drafts and uploads ahead, and holds the NAV request of a proactive round until the verdict on
    /// its parent has confirmed the guess (what the authors' edge does; the paper's text, rule 2, is
    /// [`Self::DraftAndUpload`]). A confirmed round that the trigger has not ended yet is drafted and
    /// uploaded on as one that is ahead; when it ends, the rest goes up as one batch with the request.
    DraftAndHold {
        /// Proactive rounds ahead of the pending one.
        depth: u32,
        /// See [`MethodSpec::waiting_resume`].
        resume: bool,
        /// How proactive rounds are uploaded until their NAV request.
        upload: UploadPolicy,
    },
}

impl Waiting {
    /// Proactive rounds ahead of the one whose NAV is pending.
    #[must_use]
    pub const fn depth(self) -> u32 {
        match self {
            Self::Idle => 0,
            Self::Draft { depth, .. }
            | Self::DraftAndUpload { depth, .. }
            | Self::DraftAndHold { depth, .. } => depth,
        }
    }

    /// The upload policy of rounds that the cloud is told of while it verifies their parent.
    #[must_use]
    pub const fn upload_ahead(self) -> Option<UploadPolicy> {
        match self {
            Self::Idle | Self::Draft { .. } => None,
            Self::DraftAndUpload { upload, .. } | Self::DraftAndHold { upload, .. } => Some(upload),
        }
    }

    /// Whether a proactive round asks for verification only once its guess is confirmed.
    #[must_use]
    pub const fn holds_nav(self) -> bool {
        matches!(self, Self::DraftAndHold { .. })
    }

    /// Whether a proactive round that fired early is succeeded once it stands on committed text.
    #[must_use]
    pub const fn resumes(self) -> bool {
        match self {
            Self::Idle => false,
            Self::Draft { resume, .. }
            | Self::DraftAndUpload { resume, .. }
            | Self::DraftAndHold { resume, .. } => resume,
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
    /// How the draft model chooses.
    pub drafting: Drafting,
    /// What is sent for each token.
    pub payload: Payload,
    /// N̂ before the first verdict \[tokens\].
    pub window: u32,
}

impl Method {
    /// What both ends must agree on.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        let Self { verification, drafting, payload, .. } = *self;
        Terms { verification, drafting, payload }
    }

    /// Whether some upload follows a DP plan, so that the link must be measured.
    #[must_use]
    pub fn plans(&self) -> bool {
        self.upload.plans() || self.waiting.upload_ahead().is_some_and(UploadPolicy::plans)
    }
}

/// Proactive rounds at most: each is a guess upon a guess.
const DEPTH_MAX: u32 = 8;
/// N̂ before the first verdict (paper §3).
const WINDOW_DEFAULT: u32 = 20;
/// Entries of a top-k payload: arbitrary, enough to hold nearly all of a sure draft's mass.
const TOP_K_DEFAULT: u32 = 8;
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
    DraftAndHold,
}

impl WaitingName {
    /// Whether rounds are uploaded ahead of their parent's verdict.
    const fn uploads_ahead(self) -> bool {
        matches!(self, Self::DraftAndUpload | Self::DraftAndHold)
    }
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
    /// One sentence for people.
    #[serde(default, skip_serializing)]
    pub description: Option<String>,
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
    /// Upper bound of the threshold, at least 1, for `adaptive_sequence`; absent: none. The paper
    /// clips at 1, the authors' code at 1.99.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_threshold_max: Option<f64>,
    /// The upload policy.
    pub upload: UploadName,
    /// Tokens in a batch, for `fixed_batch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// What to do while a NAV is pending.
    pub waiting: WaitingName,
    /// Proactive rounds ahead, for all values of `waiting` but `idle`; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_depth: Option<u32>,
    /// Whether the edge speculates again once a proactive round that has already fired is confirmed;
    /// default true. The authors' edge does not: it rests until that round's own verdict (their
    /// EdgeLLM rounds show it, see the README). For all values of `waiting` but `idle`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_resume: Option<bool>,
    /// Upload policy of proactive rounds: for `draft_and_upload`, by default as `upload`; for
    /// `draft_and_hold`, by default `immediate`, a message for each token (paper.md §12).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_upload: Option<UploadName>,
    /// The verification rule.
    pub verification: Verification,
    /// How the draft model chooses; default `argmax`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafting: Option<Drafting>,
    /// The payload.
    pub payload: PayloadName,
    /// Entries kept, for `top_k`; default 8.
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
        if let Some((key, needs)) = self.unused_keys().next() {
            let problem = format!("contradicts the other keys: it needs {needs}");
            return Err(MethodError::new(key, problem));
        }
        let trigger = self.trigger()?;
        let (upload, waiting) = self.uploads()?;
        let payload = match (self.payload, self.top_k) {
            (PayloadName::TopK, k) => {
                let k = Some(k.unwrap_or(TOP_K_DEFAULT));
                Payload::TopK(in_range("top_k", k, 1..=1_000_000, "")?)
            }
            (PayloadName::Full, _) => Payload::Full,
            (PayloadName::Lazy, _) => Payload::Lazy,
            (PayloadName::Ids, _) => Payload::Ids,
        };
        let window = self.window.unwrap_or(WINDOW_DEFAULT);
        let window = in_range("window", Some(window), 1..=WINDOW_MAX, "")?;
        let verification = self.verification;
        let drafting = self.drafting.unwrap_or_default();
        Ok(Method { trigger, upload, waiting, verification, drafting, payload, window })
    }

    /// Keys that are given though no axis uses them, each with what would use it.
    fn unused_keys(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        use TriggerName as Trigger;
        let uses_sequence = matches!(
            self.trigger,
            Trigger::SequenceThreshold | Trigger::AdaptiveSequence | Trigger::Dual
        );
        let uses_token = matches!(self.trigger, Trigger::TokenThreshold | Trigger::Dual);
        let adaptive = self.trigger == Trigger::AdaptiveSequence;
        let waits = self.waiting != WaitingName::Idle;
        let uploads_ahead = self.waiting.uploads_ahead();
        let fixed_batch = self.upload == UploadName::FixedBatch
            || (uploads_ahead && self.waiting_upload == Some(UploadName::FixedBatch));
        let fixed_length = self.trigger == Trigger::FixedLength;
        let top_k = self.payload == PayloadName::TopK;
        let any_sequence = "trigger = \"sequence_threshold\", \"adaptive_sequence\" or \"dual\"";
        let any_token = "trigger = \"token_threshold\" or \"dual\"";
        let any_waiting = "waiting = \"draft\", \"draft_and_upload\" or \"draft_and_hold\"";
        [
            (
                "draft_length",
                self.draft_length.is_some(),
                fixed_length,
                "trigger = \"fixed_length\"",
            ),
            ("token_threshold", self.token_threshold.is_some(), uses_token, any_token),
            ("sequence_threshold", self.sequence_threshold.is_some(), uses_sequence, any_sequence),
            ("decay", self.decay.is_some(), adaptive, "trigger = \"adaptive_sequence\""),
            (
                "sequence_threshold_max",
                self.sequence_threshold_max.is_some(),
                adaptive,
                "trigger = \"adaptive_sequence\"",
            ),
            (
                "batch_size",
                self.batch_size.is_some(),
                fixed_batch,
                "upload or waiting_upload = \"fixed_batch\"",
            ),
            ("waiting_depth", self.waiting_depth.is_some(), waits, any_waiting),
            ("waiting_resume", self.waiting_resume.is_some(), waits, any_waiting),
            (
                "waiting_upload",
                self.waiting_upload.is_some(),
                uploads_ahead,
                "waiting = \"draft_and_upload\" or \"draft_and_hold\"",
            ),
            ("top_k", self.top_k.is_some(), top_k, "payload = \"top_k\""),
        ]
        .into_iter()
        .filter_map(|(key, given, used, needs)| (given && !used).then_some((key, needs)))
    }

    /// Drops keys that no axis uses, except those in `chosen`: what an entry inherits from another
    /// is no contradiction, what a user wrote is.
    pub fn drop_inherited(&mut self, chosen: &[&str]) {
        let unused: Vec<&str> = self.unused_keys().map(|(key, _)| key).collect();
        for key in unused.into_iter().filter(|key| !chosen.contains(key)) {
            match key {
                "draft_length" => self.draft_length = None,
                "token_threshold" => self.token_threshold = None,
                "sequence_threshold" => self.sequence_threshold = None,
                "decay" => self.decay = None,
                "sequence_threshold_max" => self.sequence_threshold_max = None,
                "batch_size" => self.batch_size = None,
                "waiting_depth" => self.waiting_depth = None,
                "waiting_resume" => self.waiting_resume = None,
                "waiting_upload" => self.waiting_upload = None,
                "top_k" => self.top_k = None,
                other => unreachable!("`{other}` is a key of unused_keys"),
            }
        }
    }

    fn trigger(&self) -> Result<TriggerConfig, MethodError> {
        use TriggerName as Name;
        if let Some(max) = self.sequence_threshold_max
            && (max.is_nan() || max < 1.0)
        {
            let problem = format!("{max} is out of range: it must be at least 1");
            return Err(MethodError::new("sequence_threshold_max", problem));
        }
        let needed = |key, value: Option<Threshold>| {
            value.ok_or_else(|| MethodError::new(key, "missing: this trigger needs it"))
        };
        let token = || needed("token_threshold", self.token_threshold);
        let sequence = || needed("sequence_threshold", self.sequence_threshold);
        Ok(match self.trigger {
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
                threshold_max: self.sequence_threshold_max,
            },
            Name::Dual => {
                TriggerConfig::Dual { sequence_threshold: sequence()?, token_threshold: token()? }
            }
        })
    }

    fn uploads(&self) -> Result<(UploadPolicy, Waiting), MethodError> {
        let resume = self.waiting_resume.unwrap_or(true);
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
            WaitingName::Draft => Waiting::Draft { depth, resume },
            WaitingName::DraftAndUpload => {
                let upload = policy(self.waiting_upload.unwrap_or(self.upload))?;
                Waiting::DraftAndUpload { depth, resume, upload }
            }
            WaitingName::DraftAndHold => {
                let upload = policy(self.waiting_upload.unwrap_or(UploadName::Immediate))?;
                Waiting::DraftAndHold { depth, resume, upload }
            }
        };
        Ok((policy(self.upload)?, waiting))
    }
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
            description: None,
            trigger: TriggerName::Dual,
            draft_length: None,
            token_threshold: Threshold::new(0.9),
            sequence_threshold: Threshold::new(0.95),
            decay: None,
            sequence_threshold_max: None,
            upload: UploadName::Dp,
            batch_size: None,
            waiting: WaitingName::DraftAndUpload,
            waiting_depth: None,
            waiting_resume: None,
            waiting_upload: None,
            verification: Verification::Match,
            drafting: None,
            payload: PayloadName::Full,
            top_k: None,
            window: None,
        }
    }

    #[test]
    fn defaults_are_the_papers() {
        let method = pipesd().resolve().expect("a valid preset");
        assert_eq!(method.window, 20);
        let waiting = Waiting::DraftAndUpload { depth: 1, resume: true, upload: UploadPolicy::Dp };
        assert_eq!(method.waiting, waiting);
        assert_eq!(method.drafting, Drafting::Argmax);
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
    fn inherited_keys_give_way_and_chosen_ones_do_not() {
        let mut spec = MethodSpec { trigger: TriggerName::TokenThreshold, ..pipesd() };
        assert_eq!(spec.resolve().expect_err("inherited").key, "sequence_threshold");
        spec.drop_inherited(&["trigger", "sequence_threshold"]);
        assert_eq!(spec.resolve().expect_err("chosen").key, "sequence_threshold");
        spec.drop_inherited(&["trigger"]);
        assert!(spec.resolve().is_ok());
    }

    #[test]
    fn thresholds_lie_strictly_between_zero_and_one() {
        for bad in [0.0, 1.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Threshold::new(bad), None, "{bad}");
        }
        assert!(Threshold::new(0.5).is_some());
    }
}
