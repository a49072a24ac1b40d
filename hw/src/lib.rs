//! The live testbed: nothing is here yet.
//!
//! This room will hold the driver that owns the only clock and the only sockets and carries out the
//! outputs of `pipesd_core`'s machines as the simulator does: QUIC transport (quinn), draft and
//! target backends (emulated, llama.cpp, libtorch), emulation of devices and networks, and the
//! recorder whose traces the simulator replays. It will depend on `pipesd-core` alone.

#![forbid(unsafe_code)]
