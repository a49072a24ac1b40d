//! Messages over QUIC: one connection for each edge, drafts on streams of their own, control apart
//! and first.
//!
//! ```text
//!  edge                                                   cloud
//!  connect(ticket) ── TLS 1.3, key pinned, ALPN ────────► accepts
//!                  ── control stream: ClientHello ──────► version, secret (constant time)
//!                  ◄─ ServerHello ───────────────────────  only now may streams be opened
//!  Open, Close, Distribution ── control stream ─────────►
//!  Upload, Probe ── a one-way stream each ──────────────►
//!                  ◄─ control stream ── all replies
//! ```
//! A frame is the length of its body (`u32`, little-endian) and the body, encoded by the core.
//!
//! **`Sent`.** A link serves one message at a time, as in the simulator. `Sent` comes when the last
//! byte has left: on an emulated link, the bottleneck; else, the program. quinn does not tell when
//! stream data goes out first, so it is reckoned: bytes that the connection has sent since the
//! message began, less headers, less what was lost and goes out again, less what the emulated
//! bottleneck still holds. It is never later than the acknowledgement of an upload. A small
//! `send_window` would not do: it tells of acknowledgements, a round trip after the fact, and at
//! 80 Mbit/s and 50 ms more than a whole distribution is on its way. Measured at 10, 20 and 80 Mbit/s,
//! round trips of 5 and 50 ms, 290 kB and 1.16 MB, two busy cores: 0.994 to 1.008 of size/rate in the
//! median, at most 1.10 in the worst of 11 (tests/transport/sent.rs, ignored tests).
//!
//! **Distrust.** Nothing is served before the hello. Until then a peer has one stream and a few kB of
//! flow control; each length is checked before memory is taken; of what comes in a bounded number of
//! bytes is kept until the owner takes it, and then the peer waits; what is refused closes its own
//! connection with the reason, and no other.

mod connect;
mod frame;
mod handshake;
mod identity;
mod link;
mod sender;
mod server;
mod settings;
mod tls;
mod vocabulary;

use std::net::SocketAddr;

use pipesd_core::ids::MessageId;
use pipesd_core::message::Message;
use pipesd_core::time::Duration;
use pipesd_core::wire;

pub(crate) use self::connect::Caller;
pub use self::connect::connect;
pub use self::identity::{
    ClientName, Fingerprint, Identity, IdentityError, Secret, Ticket, TicketError,
};
pub(crate) use self::link::{CLOSING, FAILED};
pub use self::link::{Link, LinkEvents, LinkSender, LinkStats};
pub use self::server::{Arrival, Server};
pub use self::settings::{Congestion, Settings};

/// What the handshake agrees on: another version has another name.
const ALPN: &[u8] = b"pipesd/2";
/// The name in the certificate. Nobody checks it: the key is pinned.
const SERVER_NAME: &str = "pipesd";

/// Why a connection is closed, as the peer is told: done, a [`wire::Refusal`], or ended later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Code {
    Done = 0,
    Secret = wire::Refusal::Secret as u32,
    Version = wire::Refusal::Version as u32,
    Malformed = wire::Refusal::Malformed as u32,
    Busy = wire::Refusal::Busy as u32,
    TooSlow = wire::Refusal::TooSlow as u32,
    Vocabulary = wire::Refusal::Vocabulary as u32,
    /// Later than any hello, for the reason that goes with it.
    Ended = 64,
    /// The cloud goes away, and may come back.
    Away = 65,
}

impl Code {
    const fn value(self) -> quinn::VarInt {
        quinn::VarInt::from_u32(self as u32)
    }
}

/// What a link tells.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// A message has arrived whole.
    Received {
        /// The message.
        message: Message,
        /// First byte to last byte on this end's clock.
        transfer: Duration,
    },
    /// The last byte of a message has left, or the message was dropped: exactly once for each
    /// [`LinkSender::send`], cancelled or not.
    Sent(MessageId),
    /// The connection is over for good, and why. The last event; each message sent has had its `Sent`.
    Closed(String),
    /// The connection is lost, and why: the peer may be reached over another. The last event, like
    /// [`Self::Closed`].
    Lost(String),
}

impl LinkEvent {
    /// Whether it is the last one.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        matches!(self, Self::Closed(_) | Self::Lost(_))
    }
}

/// Why there is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The system refuses: no socket, no thread, no permission; or a setting is out of range.
    #[error("{0}")]
    System(String),
    /// Nothing answers there.
    #[error("{0} does not answer: is `pipesd cloud` running there, and is UDP let through?")]
    NoAnswer(SocketAddr),
    /// Somebody else answers there.
    #[error(
        "the key shown at {0} is not the ticket's: the cloud was started anew, or it is another"
    )]
    Fingerprint(SocketAddr),
    /// The peer refuses, and says why.
    #[error("refused: {0}")]
    Refused(String),
    /// The draft's vocabulary is not the target's, and where.
    #[error("the vocabularies differ: {0}")]
    Vocabulary(String),
    /// The peer says something else than it should.
    #[error("no sense: {0}")]
    Protocol(String),
}
