//! The llama.cpp backend and the writer of its files, on tiny random models.
#![cfg(feature = "llama")]
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests write files")]

mod blocks;
#[cfg(feature = "torch")]
mod engines;
mod golden;
mod refusals;
mod semantics;
mod support;
mod vocabularies;
