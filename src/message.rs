//! What the two ends say to each other. Sans-IO: encoding and transport are the driver's.

use serde::{Deserialize, Serialize};

use crate::blob::Blob;
use crate::ids::{PrefixHash, RoundId, SessionId, TokenId};
use crate::time::Duration;
use crate::verification::{Evidence, Temperature, Terms};

/// Draft tokens in a round at most: an edge fires NAV there, a cloud takes no more.
pub const ROUND_TOKENS_MAX: u32 = 4096;

/// A user's request: decode text after a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The session that will decode it; chosen by the caller, unique at the cloud.
    pub session: SessionId,
    /// Prompt ids.
    pub prompt: Vec<TokenId>,
    /// Most output tokens \[tokens\], at least 1.
    pub budget: u32,
    /// Ids that end the text; the id itself is the last token committed.
    pub stop_ids: Vec<TokenId>,
    /// Sampling temperature of the target, and of a draft model that samples.
    pub temperature: Temperature,
    /// Seed of the target's (and a coupled draft's) sampling noise.
    pub seed: u64,
    /// Output tokens that were committed before: the request goes on behind them. Fewer than `budget`, none
    /// of them a stop id. Empty, as a rule.
    pub text: Vec<TokenId>,
}

/// One upload: drafted tokens of one round, in order, and perhaps the request to verify the round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    /// The session.
    pub session: SessionId,
    /// The round that the tokens belong to.
    pub round: RoundId,
    /// The round before this one, if any; this round stands on its verdict.
    pub parent: Option<RoundId>,
    /// Output position of the round's first draft token.
    pub start: u32,
    /// Hash of the output text before `start`, as the edge believes it to be. For a proactive round
    /// it includes the parent's drafts and the guess.
    pub prefix: PrefixHash,
    /// A proactive round's guess of its parent's extra token (the expected prefix, not a draft).
    pub guess: Option<TokenId>,
    /// Index in the round of the first token below \[tokens\].
    pub offset: u32,
    /// The drafted ids of this batch.
    pub tokens: Vec<TokenId>,
    /// What else goes up with each of them; empty if ids suffice, or if the draft model claims nothing
    /// (simulated ones: [`WireFormat`](crate::payload::WireFormat) accounts for the bytes).
    pub evidence: Vec<Evidence>,
    /// Set on the round's last upload: the NAV request, with the number of tokens in the round.
    pub nav: Option<u32>,
}

/// The cloud's answer to a NAV.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The session.
    pub session: SessionId,
    /// The verified round.
    pub round: RoundId,
    /// How many of its draft tokens are accepted, from the first on \[tokens\].
    pub accepted: u32,
    /// The target's own next token: its replacement after a rejection, the bonus token after full
    /// acceptance. None if an accepted token ended the text.
    pub extra: Option<TokenId>,
    /// Uploads measured since the last reply.
    pub reports: Vec<UploadReport>,
}

/// How long an upload took, from first byte to last byte on the receiver's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadReport {
    /// Draft tokens that it carried \[tokens\].
    pub tokens: u32,
    /// First to last byte.
    pub transfer: Duration,
}

/// Why a cloud serves a session not, or not any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Denial {
    /// It serves as many sessions as it may, and none of them is idle.
    Full = 1,
    /// The client has as many sessions as it may.
    Sessions = 2,
    /// More of the client's drafts wait for verification than may.
    Tokens = 3,
    /// The session was idle, and its place was needed or its time was over: it can be taken up again
    /// from its text.
    Evicted = 4,
    /// The cloud is closing.
    Closing = 5,
    /// The request can never be served here.
    Unserveable = 6,
}

impl Denial {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Full, Self::Sessions, Self::Tokens, Self::Evicted, Self::Closing, Self::Unserveable];

    /// The words for it in tables and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "the cloud is full",
            Self::Sessions => "the client has too many sessions",
            Self::Tokens => "too many drafts wait for verification",
            Self::Evicted => "evicted",
            Self::Closing => "the cloud is closing",
            Self::Unserveable => "the request cannot be served",
        }
    }
}

/// Everything that is said, both ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// Edge to cloud: begin a session.
    Open {
        /// The request, prompt included.
        request: Request,
        /// What both ends do about drafts. The lazy payload has the cloud ask for the distribution of
        /// a rejected position before it answers.
        terms: Terms,
        /// How often the session was opened before: over links that are over, at a cloud that has
        /// forgotten it. A cloud that knows the session goes back to the request's text.
        opening: u32,
    },
    /// Edge to cloud: as many bytes as an upload of `tokens`, to measure the uplink.
    Probe {
        /// The session.
        session: SessionId,
        /// Size, in draft tokens.
        tokens: u32,
    },
    /// Edge to cloud: a batch of drafts, perhaps with the NAV request.
    Upload(Upload),
    /// Edge to cloud: the distribution that a lazy payload withheld.
    Distribution {
        /// The session.
        session: SessionId,
        /// The round.
        round: RoundId,
        /// The distribution; None if the draft model claimed nothing.
        distribution: Option<Blob>,
    },
    /// Edge to cloud: the session has ended at the edge.
    Close {
        /// The session.
        session: SessionId,
    },
    /// Cloud to edge: the prompt has been prefilled, rounds may come.
    Opened {
        /// The session.
        session: SessionId,
        /// The opening that is answered.
        opening: u32,
    },
    /// Cloud to edge: the session is not served, or not any longer.
    Denied {
        /// The session.
        session: SessionId,
        /// The opening that is answered, or that is over.
        opening: u32,
        /// Why.
        denial: Denial,
        /// When it may be opened again, from now.
        retry: Duration,
    },
    /// Cloud to edge: a probe has been measured.
    Probed {
        /// The session.
        session: SessionId,
        /// Its measurement.
        report: UploadReport,
    },
    /// Cloud to edge: a lazy payload's rejected position needs its distribution.
    DistributionRequest {
        /// The session.
        session: SessionId,
        /// The round.
        round: RoundId,
        /// Index of the rejected token in the round.
        index: u32,
    },
    /// Cloud to edge: the answer to a NAV.
    Verdict(Verdict),
}

impl Message {
    /// The session that the message belongs to.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        match self {
            Self::Open { request, .. } => request.session,
            Self::Upload(upload) => upload.session,
            Self::Verdict(verdict) => verdict.session,
            Self::Probe { session, .. }
            | Self::Distribution { session, .. }
            | Self::Close { session }
            | Self::Opened { session, .. }
            | Self::Denied { session, .. }
            | Self::Probed { session, .. }
            | Self::DistributionRequest { session, .. } => *session,
        }
    }
}
