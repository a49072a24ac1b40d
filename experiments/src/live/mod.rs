//! The live testbed from the command line: two ends over QUIC, a link and a device that are emulated,
//! and the comparison with the simulator.
//!
//! | file | what |
//! |---|---|
//! | [`scene`] | from a configuration to texts, requests, and the emulated link |
//! | [`edge`] | one edge in this process |
//! | [`cloud`] | one cloud in this process |
//! | [`pair`] | an edge here and a cloud in a process of its own |
//! | [`report`] | what a live run is summed up as |
//! | [`recording`] | a folder of run logs, and the profile that is made of it |
//! | [`fidelity`] | live against simulated |
//! | [`table`] | cells of the paper's Table 1, live |
//!
//! Only what is here depends on `pipesd-hw`; without the feature `live` none of it is built.

pub(crate) mod cloud;
pub(crate) mod edge;
pub(crate) mod fidelity;
pub(crate) mod pair;
pub(crate) mod recording;
pub(crate) mod report;
pub(crate) mod scene;
pub(crate) mod table;

use anyhow::{Context, Result};

/// The one-thread runtime that a process drives its end on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the system gives no event loop")
}

/// Waits for Ctrl-C; forever if the system cannot tell.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
