//! The transport as its users see it: messages both ways, `Sent`, cancel, strangers, loss.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real time is what is measured here"
)]

mod again;
mod exchange;
mod moved;
mod outside;
#[path = "../relay/mod.rs"]
mod relay;
mod sent;
mod strangers;
mod support;
mod vocabulary;
