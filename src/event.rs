//! What the endpoints tell about themselves. Summaries, ledgers, timelines and golden logs are made
//! of these and of nothing else, in the simulator and live alike.

mod tuning;

use core::fmt;

use serde::{Deserialize, Serialize};

pub use self::tuning::TuningEvent;
use crate::device::DraftKind;
use crate::ids::{MessageId, RoundId, SessionId, TokenId};
use crate::message::Denial;
use crate::time::{Duration, Instant, as_millis};

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
    /// Drafting more would pass the token budget, or a round's greatest length.
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

impl GuessFate {
    /// The word for it in tables and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Missed => "missed",
            Self::Discarded => "discarded",
        }
    }
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
    /// The cloud was not reached for longer than the edge waits.
    Unreachable,
    /// The cloud does not serve the session, for longer than the edge waits.
    Denied,
}

impl Outcome {
    /// The words for it in tables and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::EndOfText => "end of text",
            Self::Budget => "budget",
            Self::TimedOut => "timed out",
            Self::Refused => "refused",
            Self::Unreachable => "the cloud is out of reach",
            Self::Denied => "denied",
        }
    }

    /// Whether the text is whole.
    #[must_use]
    pub const fn is_complete(self) -> bool {
        matches!(self, Self::EndOfText | Self::Budget)
    }
}

/// Why an edge cannot have its rounds verified for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspension {
    /// There is no link to the cloud.
    LinkLost,
    /// The cloud does not serve the session.
    Denied(Denial),
}

impl Suspension {
    /// The words for it in tables and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LinkLost => "the link is lost",
            Self::Denied(denial) => denial.word(),
        }
    }
}

/// Something that happened at an endpoint. Spans come as a start and an end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[expect(missing_docs, reason = "fields are the identities and counts that their names say")]
pub enum Event {
    /// Edge: a request was taken up, behind `text` tokens that were committed before.
    SessionStarted { session: SessionId, text: u32 },
    /// Edge: both ends have prefilled; decoding time runs from here.
    DecodingStarted { session: SessionId },
    /// Edge: the draft model began a step for `position`.
    DraftStarted { session: SessionId, round: RoundId, position: u32, kind: DraftKind },
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
    /// Edge: a step of the search for thresholds.
    Tuning(TuningEvent),
    /// Edge: the link to the cloud is over.
    LinkLost,
    /// Edge: the cloud was not found; the next try is in `wait`.
    LinkTried { attempt: u32, wait: Duration },
    /// Edge: there is a link again, after `away`.
    LinkBack { attempts: u32, away: Duration },
    /// Edge: nothing of the session is verified for now. What of its rounds was on its way is void; the
    /// rounds are kept.
    SessionSuspended { session: SessionId, cause: Suspension },
    /// Edge: the session drafts on alone; from `position` on nothing is verified.
    WentAlone { session: SessionId, position: u32 },
    /// Edge: the cloud serves the session again, behind `committed` tokens; `unverified` more are to be
    /// verified.
    SessionResumed { session: SessionId, committed: u32, unverified: u32 },
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
    /// Cloud: a session was taken in, behind `text` tokens; `known`: it was there already.
    SessionAdmitted { session: SessionId, text: u32, known: bool },
    /// Cloud: a session is not there any longer: closed by its edge, or for this reason.
    SessionDropped { session: SessionId, denial: Option<Denial> },
    /// Cloud: a session was not taken in.
    SessionDenied { session: SessionId, denial: Denial },
}

/// A number of tokens, as people say it.
struct Tokens(u32);

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} token{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// One line without time and place, as golden logs and people read it: `#3` is an output position,
/// `r1[2..5]` the third to fifth draft token of round 1. An edge decodes one session at a time, so
/// only the cloud names the session of a round.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_nav = |nav: bool| if nav { " + NAV" } else { "" };
        match *self {
            Self::DecodingStarted { session } => write!(f, "begins to decode {session}"),
            Self::DraftStarted { round, position, kind, .. } => match kind {
                DraftKind::Main => write!(f, "drafts #{position} in {round}"),
                DraftKind::Guess => write!(f, "guesses #{position} before {round}"),
                DraftKind::Ahead => write!(f, "drafts #{position} ahead in {round}"),
                DraftKind::AfterVerdict => {
                    write!(f, "drafts #{position} in {round}, first after a verdict")
                }
            },
            Self::Drafted { round, position, token, confidence, .. } => {
                write!(f, "drafted #{position} {token} ({confidence:.2}) in {round}")
            }
            Self::Guessed { round, position, token, confidence, .. } => {
                write!(f, "guessed #{position} {token} ({confidence:.2}) before {round}")
            }
            Self::DraftStale { round, position, guess: false, .. } => {
                write!(f, "drafted #{position} in {round}, too late")
            }
            Self::DraftStale { round, position, .. } => {
                write!(f, "guessed #{position} before {round}, too late")
            }
            Self::NavFired { round, cause, drafted, .. } => {
                write!(f, "fires {round} with {}: {}", Tokens(drafted), cause.word())
            }
            Self::UploadStarted { round, message, offset, tokens, nav, .. } => {
                let (end, nav) = (offset + tokens, with_nav(nav));
                write!(f, "uploads {round}[{offset}..{end}]{nav} as {message}")
            }
            Self::UploadSent { message } => write!(f, "sent {message}"),
            Self::UploadCancelled { message } => write!(f, "calls off {message}"),
            Self::RoundResolved { round, drafted, accepted, extra, proactive, .. } => {
                let extra = if extra { " and the extra token" } else { "" };
                let ahead = if proactive { ", begun ahead" } else { "" };
                write!(f, "resolves {round}: {accepted} of {drafted}{extra}{ahead}")
            }
            Self::GuessResolved { round, fate, drafted, .. } => {
                write!(f, "guess before {round} {}, {} upon it", fate.word(), Tokens(drafted))
            }
            Self::RoundDiscarded { round, drafted, nav_requested, .. } => {
                let nav = with_nav(nav_requested);
                write!(f, "discards {round}: {}{nav}", Tokens(drafted))
            }
            Self::Committed { position, token, .. } => write!(f, "commits #{position} {token}"),
            Self::Planned { window, startup, per_token, draft } => {
                let [startup, per_token, draft] = [startup, per_token, draft].map(as_millis);
                write!(
                    f,
                    "plans {}: {startup:.3} + {per_token:.3} ms a token, \
                     draft {draft:.3} ms",
                    Tokens(window)
                )
            }
            Self::Tuning(event) => write!(f, "{event}"),
            Self::SessionEnded { session, outcome, output_tokens } => {
                write!(f, "ends {session} with {}: {}", Tokens(output_tokens), outcome.word())
            }
            Self::UploadReceived { session, round, offset, tokens, nav } => {
                let (end, nav) = (offset + tokens, with_nav(nav));
                write!(f, "receives {session} {round}[{offset}..{end}]{nav}")
            }
            Self::VerifyStarted { session, round, tokens } => {
                write!(f, "verifies {session} {round}: {}", Tokens(tokens))
            }
            Self::VerifyFinished { session, round, .. } => write!(f, "verified {session} {round}"),
            Self::StaleDropped { session, round, nav } => {
                write!(f, "drops stale {session} {round}{}", with_nav(nav))
            }
            Self::VerdictSent { session, round, accepted } => {
                write!(f, "answers {session} {round}: {accepted} accepted")
            }
            Self::PrefillStarted { session, tokens } => {
                write!(f, "prefills {session}: {}", Tokens(tokens))
            }
            Self::PrefillFinished { session } => write!(f, "prefilled {session}"),
            _ => self.tell_of_service(f),
        }
    }
}

impl Event {
    /// Of sessions that begin, and of links and a cloud that come and go.
    fn tell_of_service(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SessionStarted { session, text: 0 } => write!(f, "begins {session}"),
            Self::SessionStarted { session, text } => {
                write!(f, "begins {session} behind {}", Tokens(text))
            }
            Self::LinkLost => write!(f, "loses the link"),
            Self::LinkTried { attempt, wait } => {
                let wait = as_millis(wait);
                write!(f, "does not reach the cloud (try {attempt}), waits {wait:.0} ms")
            }
            Self::LinkBack { attempts, away } => {
                let away = as_millis(away);
                write!(f, "has a link again after {away:.0} ms (tries: {attempts})")
            }
            Self::SessionSuspended { session, cause } => {
                write!(f, "suspends {session}: {}", cause.word())
            }
            Self::WentAlone { session, position } => {
                write!(f, "drafts {session} alone from #{position} on")
            }
            Self::SessionResumed { session, committed, unverified } => {
                let unverified = Tokens(unverified);
                write!(f, "resumes {session} at #{committed}, {unverified} unverified")
            }
            Self::SessionAdmitted { session, text, known: false } => {
                write!(f, "admits {session} behind {}", Tokens(text))
            }
            Self::SessionAdmitted { session, text, .. } => {
                write!(f, "takes up {session} at {}", Tokens(text))
            }
            Self::SessionDropped { session, denial: None } => write!(f, "closes {session}"),
            Self::SessionDropped { session, denial: Some(denial) } => {
                write!(f, "drops {session}: {}", denial.word())
            }
            Self::SessionDenied { session, denial } => {
                write!(f, "denies {session}: {}", denial.word())
            }
            _ => unreachable!("told elsewhere"),
        }
    }
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

/// One line of a log, aligned by time and place.
impl fmt::Display for Stamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, endpoint, event } = self;
        let place = endpoint.to_string();
        write!(f, "{:>10.3} ms  {place:<7} {event}", at.as_millis_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamped_event_reads_as_one_aligned_line() {
        let (session, round) = (SessionId(0), RoundId(1));
        let line = |endpoint, event| {
            Stamped { at: Instant::from_nanos(12_000_000), endpoint, event }.to_string()
        };
        let (token, confidence) = (TokenId(17), 0.98);
        let drafted = Event::Drafted { session, round, position: 3, token, confidence };
        let edge = line(Endpoint::Edge(0), drafted);
        assert_eq!(edge, "    12.000 ms  edge 0  drafted #3 t17 (0.98) in r1");
        let received = Event::UploadReceived { session, round, offset: 1, tokens: 3, nav: true };
        let cloud = line(Endpoint::Cloud, received);
        assert_eq!(cloud, "    12.000 ms  cloud   receives s0 r1[1..4] + NAV");
    }
}
