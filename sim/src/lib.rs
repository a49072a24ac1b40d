//! Discrete-event simulation of edges, links and a cloud around the core's state machines.

#![forbid(unsafe_code)]

pub mod link;
