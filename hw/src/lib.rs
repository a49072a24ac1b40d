//! The live testbed: what carries out the outputs of `pipesd_core`'s machines in the real world, as
//! the simulator does in its own.
//!
//! | room | what |
//! |---|---|
//! | [`backend`] | models: emulated, tiny tables; llama.cpp and libtorch are to come |
//! | [`driver`] | the only clock and the loops that drive edge and cloud |
//! | [`net`] | emulation of a network under the UDP socket |
//! | [`pair`] | which draft stands for which target; prompts, tokens, vocabularies |
//! | [`record`] | the run log, its replay, latency samples, two ends side by side |
//! | [`transport`] | messages over QUIC: tickets, limits, `Sent`, cancel |
//!
//! It depends on `pipesd-core` alone.

#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this room owns the clock, the sockets and the threads"
)]

pub mod backend;
pub mod driver;
pub mod net;
pub mod pair;
pub mod record;
pub mod transport;
