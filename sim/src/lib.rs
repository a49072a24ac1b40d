//! Discrete-event simulation of edges, links and a cloud around the core's state machines.

#![forbid(unsafe_code)]

pub mod bound;
pub mod closed_form;
pub mod distribution;
pub mod energy;
pub mod export;
pub mod link;
pub mod measured;
mod normal;
pub mod profile;
pub mod queue;
pub mod reference;
pub mod replay;
pub mod scenario;
pub mod text;
pub mod world;
