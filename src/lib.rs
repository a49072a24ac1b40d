//! The core of pipesd: cloud-edge speculative decoding as sans-IO state machines.
//!
//! A small draft model on an edge device proposes tokens, a large target model in the cloud verifies
//! them (NAV, non-autoregressive verification). [`edge::Edge`] and [`cloud::Cloud`] hold all
//! decisions of both ends; whatever drives them (the simulator's event loop, the live driver) only
//! carries out their outputs.
//!
//! ```text
//!               Input (closed, serialisable)             Output (closed, serialisable)
//!  network ──► Received(Message) ─┐                    ┌─► Transmit(Message) ──► link | QUIC
//!  models ───► Finished(Work) ────┼──► Edge or Cloud ──┼─► Start(Work) ────────► latency | model
//!  sender ───► Sent(MessageId) ───┤  (&mut self, no IO)├─► Cancel(MessageId) ──► drop | reset
//!  users ────► Submit(Request) ───┤                    ├─► Event(Event) ───────► metrics, logs
//!  the clock ► Wake(Reason) ──────┘                    └─► WakeAt(Instant, Reason)
//! ```
//!
//! # The run loop
//! 1. Something happens: make an [`contract::Input`] of it.
//! 2. [`contract::drain`] feeds it with the time and hands every output to a [`contract::Sink`].
//! 3. The sink starts work, sends, sets timers; what comes of it is a later input.
//!
//! # Deliberately absent
//! Clocks, IO, threads, global randomness, containers without order, methods by name, and the truth
//! about the environment: policies see what an edge can measure. A [`trace::Trace`] is here as data that
//! both kinds of models play; no state machine looks at one.
//!
//! # Panics and errors
//! A panic is a broken invariant: a bug here or in a driver. What comes from users is checked before
//! it becomes a [`method::Method`] or a [`message::Request`]; what comes from a peer is checked where
//! it is used, and a contradiction ends the session.

#![forbid(unsafe_code)]

pub mod account;
pub mod blob;
pub mod cloud;
pub mod contract;
pub mod edge;
pub mod event;
pub mod fault;
pub mod ids;
pub mod message;
pub mod method;
pub mod monitor;
pub mod payload;
pub mod rate;
pub mod recovery;
pub mod script;
pub mod seed;
pub mod sharing;
pub mod summary;
pub mod time;
pub mod trace;
pub mod trigger;
pub mod tuner;
pub mod upload;
pub mod verification;
pub mod wire;
