//! What can be wrong with bytes from the wire.

use thiserror::Error;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum WireError {
    /// The body is longer than the limit; nothing of it was read.
    #[error("the body has {bytes} bytes, at most {bytes_max} are taken")]
    TooLong {
        /// Its length.
        bytes: u64,
        /// The limit.
        bytes_max: u32,
    },
    /// The body ends before what it announces.
    #[error("the body ends too early: {needed} more bytes were announced, {left} are there")]
    Truncated {
        /// Bytes that must follow (a lower bound, where counts announce more).
        needed: u64,
        /// Bytes that follow.
        left: u64,
    },
    /// Bytes follow the end of the message.
    #[error("{0} bytes follow the end of the message, none should")]
    Trailing(u64),
    /// The first byte names no kind of message.
    #[error(
        "no message is of kind {0:#04x}: 0x01 to 0x05 come from an edge, 0x11 to 0x15 from a cloud"
    )]
    UnknownKind(u8),
    /// A hello does not begin as one.
    #[error("a hello begins with the bytes \"pips\"")]
    Magic,
    /// The peer speaks another version, so that nothing behind the version can be read.
    #[error("the peer speaks version {theirs} of the protocol, this end version {ours}")]
    Version {
        /// The peer's.
        theirs: u16,
        /// [`VERSION`](super::VERSION).
        ours: u16,
    },
    /// A byte of flags or choices has a value without a meaning.
    #[error("{field} are {bits:#04x}, which has no meaning")]
    Flags {
        /// Which byte.
        field: &'static str,
        /// Its value.
        bits: u8,
    },
    /// A number is written with more bytes than it takes: only the shortest form is taken.
    #[error("a number of variable length is not in its shortest form")]
    NotShortest,
    /// A number of variable length does not fit into 64 bits.
    #[error("a number of variable length exceeds 64 bits")]
    Overflow,
    /// Token ids are written wider than the largest of them takes.
    #[error("token ids have {width} bytes each, the largest of them takes {needed}")]
    WideIds {
        /// Bytes of each.
        width: u8,
        /// Bytes that would do.
        needed: u8,
    },
    /// A number is out of range.
    #[error("{field} is {value}, it must be {min} to {max}")]
    OutOfRange {
        /// What the number says.
        field: &'static str,
        /// The number.
        value: u64,
        /// The least that is taken.
        min: u64,
        /// The most that is taken.
        max: u64,
    },
    /// A probability is none, or is a negative zero.
    #[error("a draft token's probability is {0}, it must be 0 to 1")]
    Probability(f64),
    /// A temperature is none, or is a negative zero.
    #[error("the temperature is {0}, it must be 0 to 100")]
    Temperature(f64),
    /// A probe's padding holds something.
    #[error("the padding of a probe is zeros alone")]
    Padding,
}
