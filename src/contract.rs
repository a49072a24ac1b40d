//! The contract between the state machines and whatever drives them: closed, serialisable sets of
//! inputs and outputs, and the one drain loop.
//!
//! A run is (version, configuration, seed, initial state) and a list of `(now, Input)` for each
//! endpoint. Replayed, it gives the recorded outputs bit for bit: there is no hidden input.

use serde::{Deserialize, Serialize};

use crate::blob::Blob;
use crate::device::DraftKind;
use crate::event::Event;
use crate::ids::{MessageId, RoundId, SessionId, TokenId, WorkId};
use crate::message::{Message, Request};
use crate::time::{Duration, Instant};
use crate::tuner::{Fit, Fitted};
use crate::verification::{Claim, Decision, Evidence, Sampling};

/// What happens to an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A user asks for text (edge only).
    Submit(Request),
    /// A message has arrived whole.
    Received {
        /// The message.
        message: Message,
        /// First byte to last byte on this endpoint's clock.
        transfer: Duration,
    },
    /// A piece of model work is done.
    Finished {
        /// Which.
        work: WorkId,
        /// Its result.
        result: WorkResult,
    },
    /// The link is ready for the next message. Every [`Output::Transmit`] is answered by exactly one
    /// `Sent`, cancelled or not.
    Sent(MessageId),
    /// A timer set by [`Output::WakeAt`] is due.
    Wake(Reason),
    /// There is a link to the cloud again (edge only; an edge begins with one).
    Linked,
    /// The link is over, or [`Output::Connect`] has not found the cloud (edge only). Every message handed
    /// to a link that is over has had its [`Self::Sent`] before, arrived or not.
    Unlinked,
    /// Take nothing new and let rounds finish (cloud only).
    Shutdown,
}

/// What an endpoint wants done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// Send a message. An edge has at most one message unsent at any time.
    Transmit {
        /// Names the message in [`Input::Sent`] and [`Output::Cancel`].
        id: MessageId,
        /// The message.
        message: Message,
    },
    /// The message is of no use any more: drop what can still be dropped.
    Cancel(MessageId),
    /// Run a model.
    Start {
        /// Names the work in [`Input::Finished`].
        id: WorkId,
        /// What to run.
        work: Work,
    },
    /// Something worth telling: metrics, timelines and logs are made of these.
    Event(Event),
    /// Call back with [`Input::Wake`] at the given time, not earlier.
    WakeAt(Instant, Reason),
    /// Try to reach the cloud over a new link: answered by one [`Input::Linked`] or [`Input::Unlinked`].
    Connect,
}

/// Why an endpoint asked to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// The session may have made no progress for too long.
    Stalled(SessionId),
    /// It is time to look for the cloud again.
    Reconnect,
    /// A session that was denied may ask again.
    Readmission(SessionId),
    /// NAVs beyond a client's rate may have their turn (cloud).
    Paced,
    /// Sessions may have been idle for too long (cloud).
    Idle,
}

/// A piece of work that takes time. Started work runs to its end; a stale result is dropped by the core.
///
/// An endpoint has one piece of model work under way at a time; a [`Self::Fit`] runs beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Work {
    /// Evaluate a prompt.
    Prefill {
        /// The session.
        session: SessionId,
        /// Prompt ids.
        prompt: Vec<TokenId>,
        /// How this session's tokens are proposed and judged.
        sampling: Sampling,
    },
    /// One decode of the draft model.
    Draft(DraftStep),
    /// One forward pass of the target over blocks of one or more sessions.
    Verify(Vec<VerifyBlock>),
    /// Draw the replacement of a rejected draft whose distribution was withheld; see
    /// [`Decision::withheld`].
    Replace {
        /// The session.
        session: SessionId,
        /// The round.
        round: RoundId,
        /// Output position of the rejected draft.
        position: u32,
        /// The draft's distribution.
        distribution: Blob,
    },
    /// One computation of the edge's tuner, to be answered by [`Fit::run`]. At most one is under way,
    /// and decoding does not wait for it.
    Fit(Box<Fit>),
}

/// One decode of the draft model: cut the cache back to `keep` output tokens, evaluate `feed`,
/// propose the token after it (output position `keep + feed.len()`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftStep {
    /// The session.
    pub session: SessionId,
    /// The round that asks.
    pub round: RoundId,
    /// What it is for: an emulated device is not as slow at all of them.
    pub kind: DraftKind,
    /// Output tokens whose cache entries stay valid.
    pub keep: u32,
    /// Tokens to evaluate: pending ones and the extra token in one decode. Empty only right after
    /// prefill, whose last logits then serve.
    pub feed: Vec<TokenId>,
}

impl DraftStep {
    /// The output position that the step proposes a token for.
    #[must_use]
    pub fn position(&self) -> u32 {
        self.keep + self.feed.len() as u32
    }
}

/// A block of one session to be verified in a forward pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifyBlock {
    /// The session.
    pub session: SessionId,
    /// The round.
    pub round: RoundId,
    /// Output tokens whose cache entries stay valid.
    pub keep: u32,
    /// Committed tokens not evaluated yet (the last extra token).
    pub feed: Vec<TokenId>,
    /// The drafts, from output position `keep + feed.len()` on.
    pub drafts: Vec<TokenId>,
    /// What went up with each of them; empty if nothing did.
    pub evidence: Vec<Evidence>,
}

/// The result of a [`Work`] of the same kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum WorkResult {
    /// The prompt is evaluated.
    Prefilled,
    /// The draft's proposal.
    Drafted {
        /// The token.
        proposal: Proposal,
        /// What the payload needs besides; None: nothing, or a simulated model.
        claim: Option<Box<Claim>>,
    },
    /// What the target decides on each block.
    Verified(Vec<Decision>),
    /// A rejected draft's replacement.
    Replaced(TokenId),
    /// What the tuner asked for, or why there is no such thing.
    Fitted(Fitted),
}

/// A drafted token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The token.
    pub token: TokenId,
    /// The draft's largest probability at temperature 1: the trigger's confidence, in \[0, 1\].
    pub confidence: f64,
}

/// A sans-IO state machine.
pub trait Machine {
    /// Reacts to `input` at `now`. `now` never runs backwards.
    fn handle(&mut self, now: Instant, input: Input);

    /// The next thing to be done, if any.
    fn poll_output(&mut self) -> Option<Output>;
}

/// Whatever carries out outputs: the simulated world, the live driver, a recorder.
pub trait Sink {
    /// Carries out `output`. Its consequences come back as later inputs, never from within.
    fn accept(&mut self, now: Instant, output: Output);
}

impl Sink for Vec<(Instant, Output)> {
    fn accept(&mut self, now: Instant, output: Output) {
        self.push((now, output));
    }
}

/// Feeds one input and drains every output: the only loop that drives a machine, in the simulator,
/// in tests and live.
pub fn drain(machine: &mut impl Machine, now: Instant, input: Input, sink: &mut impl Sink) {
    machine.handle(now, input);
    while let Some(output) = machine.poll_output() {
        sink.accept(now, output);
    }
}
