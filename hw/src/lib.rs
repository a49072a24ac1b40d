//! The live testbed: what carries out the outputs of `pipesd_core`'s machines in the real world, as
//! the simulator does in its own.
//!
//! | room | what |
//! |---|---|
//! | [`backend`] | models: emulated, tiny tables, llama.cpp, libtorch |
//! | [`doctor`] | what was built in, and what this machine has |
//! | [`driver`] | the only clock and the loops that drive edge and cloud |
//! | [`energy`] | the machine's energy counters |
//! | [`gguf`] | a writer of llama.cpp's model files |
//! | [`net`] | emulation of a network under the UDP socket |
//! | [`pair`] | which draft stands for which target; prompts, tokens, vocabularies |
//! | [`record`] | the run log, its replay, latency samples, two ends side by side |
//! | [`training`] | the pair of models that ships: corpus; with libtorch tokenizer and training, too |
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
pub mod doctor;
pub mod driver;
pub mod energy;
pub mod gguf;
pub mod net;
pub mod pair;
pub mod record;
pub mod training;
pub mod transport;
