//! The live testbed: what carries out the outputs of `pipesd_core`'s machines in the real world, as
//! the simulator does in its own.
//!
//! | room | what |
//! |---|---|
//! | [`net`] | emulation of a network under the UDP socket |
//! | [`transport`] | messages over QUIC: tickets, limits, `Sent`, cancel |
//!
//! To come: the driver that owns the only clock, backends (emulated, llama.cpp, libtorch), and the
//! recorder whose traces the simulator replays. It depends on `pipesd-core` alone.

#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this room owns the clock, the sockets and the threads"
)]

pub mod net;
pub mod transport;
