//! Both ends of the testbed at work: driver, models, run logs; over a link within the process, or over
//! QUIC where the transport matters.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real time and threads are what is tested"
)]

mod align;
mod emulated;
mod exact;
mod failures;
mod greedy;
mod outside;
mod quic;
mod recorder;
#[path = "../relay/mod.rs"]
mod relay;
mod replay;
mod support;
mod texts;
mod told;
