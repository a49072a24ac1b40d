//! What the endpoints tell about themselves. Summaries, ledgers, timelines and golden logs are made
//! of these and of nothing else, in the simulator and live alike.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{MessageId, RoundId, SessionId, TokenId};
use crate::time::{Duration, Instant};

/// Which endpoint tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// An edge, by its number.
    Edge(u32),
    /// The cloud.
    Cloud,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edge(number) => write!(f, "edge {number}"),
            Self::Cloud => write!(f, "cloud"),
        }
    }
}

/// Why a NAV was requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NavCause {
    /// The draft has its fixed length.
    Length,
    /// The last token's confidence is at or below the token threshold.
    Token,
    /// The product of the round's confidences is at or below the sequence threshold.
    Sequence,
    /// The draft ended the text.
    EndOfText,
    /// Drafting more would pass the token budget.
    Budget,
}

impl NavCause {
    /// The word for it in tables and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Token => "token threshold",
            Self::Sequence => "sequence threshold",
            Self::EndOfText => "end of text",
            Self::Budget => "budget",
        }
    }
}

/// What became of a guess of an extra token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuessFate {
    /// It was the target's extra token: the round drafted upon it is kept.
    Confirmed,
    /// The parent was wholly accepted, but the extra token was another.
    Missed,
    /// The parent was not wholly accepted, or ended the text, or was itself dropped; or the verdict
    /// came before the guess was drafted.
    Discarded,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A stop id was committed.
    EndOfText,
    /// The token budget is used up.
    Budget,
    /// Nothing happened for longer than the edge waits.
    TimedOut,
    /// The cloud's answer contradicts the round it is about.
    Refused,
}

/// Something that happened at an endpoint. Spans come as a start and an end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[expect(missing_docs, reason = "fields are the identities and counts that their names say")]
pub enum Event {
    /// Edge: a request was taken up.
    SessionStarted { session: SessionId },
    /// Edge: both ends have prefilled; decoding time runs from here.
    DecodingStarted { session: SessionId },
    /// Edge: the draft model began a step for `position`.
    DraftStarted { session: SessionId, round: RoundId, position: u32, guess: bool },
    /// Edge: a draft token joined its round.
    Drafted { session: SessionId, round: RoundId, position: u32, token: TokenId, confidence: f64 },
    /// Edge: the guess of a parent's extra token opened a proactive round.
    Guessed { session: SessionId, round: RoundId, position: u32, token: TokenId, confidence: f64 },
    /// Edge: a step's result came too late to be of use. `guess` says what it would have been.
    DraftStale { session: SessionId, round: RoundId, position: u32, guess: bool },
    /// Edge: the trigger fired; the round has all its tokens.
    NavFired { session: SessionId, round: RoundId, cause: NavCause, drafted: u32 },
    /// Edge: an upload went to the link.
    UploadStarted {
        session: SessionId,
        round: RoundId,
        message: MessageId,
        offset: u32,
        tokens: u32,
        nav: bool,
    },
    /// Edge: the link is free again after that upload, cancelled or not.
    UploadSent { message: MessageId },
    /// Edge: an upload under way was called off.
    UploadCancelled { message: MessageId },
    /// Edge: a verdict resolved a round. Committed: accepted, and one more if `extra`.
    RoundResolved {
        session: SessionId,
        round: RoundId,
        drafted: u32,
        accepted: u32,
        extra: bool,
        /// Whether the round was begun while its parent's NAV was pending.
        proactive: bool,
    },
    /// Edge: what became of the guess that opened `round`, which held `drafted` tokens by then.
    GuessResolved { session: SessionId, round: RoundId, fate: GuessFate, drafted: u32 },
    /// Edge: a proactive round was dropped unverified.
    RoundDiscarded { session: SessionId, round: RoundId, drafted: u32, nav_requested: bool },
    /// Edge: a token became part of the text.
    Committed { session: SessionId, position: u32, token: TokenId },
    /// Edge: the upload plan was made anew.
    Planned { window: u32, startup: Duration, per_token: Duration, draft: Duration },
    /// Edge: the session is over.
    SessionEnded { session: SessionId, outcome: Outcome, output_tokens: u32 },
    /// Cloud: an upload arrived.
    UploadReceived { session: SessionId, round: RoundId, offset: u32, tokens: u32, nav: bool },
    /// Cloud: a block entered a forward pass.
    VerifyStarted { session: SessionId, round: RoundId, tokens: u32 },
    /// Cloud: the pass is over.
    VerifyFinished { session: SessionId, round: RoundId, tokens: u32 },
    /// Cloud: a round was dropped as stale.
    StaleDropped { session: SessionId, round: RoundId, nav: bool },
    /// Cloud: a verdict was sent.
    VerdictSent { session: SessionId, round: RoundId, accepted: u32 },
    /// Cloud: a prompt's prefill began or ended.
    PrefillStarted { session: SessionId, tokens: u32 },
    /// Cloud: a prompt's prefill ended.
    PrefillFinished { session: SessionId },
}

/// An event with its time and place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// When, on the endpoint's clock.
    pub at: Instant,
    /// Where.
    pub endpoint: Endpoint,
    /// What.
    pub event: Event,
}
