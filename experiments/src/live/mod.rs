//! The live testbed from the command line: two ends over QUIC, a link and a device that are emulated,
//! and the comparison with the simulator.
//!
//! | file | what |
//! |---|---|
//! | [`scene`] | from a configuration to models, requests, and the emulated link |
//! | [`models`] | the models of a pair, as far as an end needs them |
//! | [`edge`] | one edge in this process |
//! | [`cloud`] | one cloud in this process |
//! | [`journal`] | what an edge has committed, kept for when it is killed |
//! | [`child`] | a cloud in a process of its own |
//! | [`restarts`] | ... which a plan of faults kills and starts anew |
//! | [`pair`] | an edge here and a cloud as a child |
//! | [`report`] | what a live run is summed up as |
//! | [`recording`] | a folder of run logs, and the profile that is made of it |
//! | [`fidelity`] | live against simulated |
//! | [`edge_only`] | both models in one place, measured |
//! | [`modes`] | all methods and all ways to deploy, in one table |
//! | [`tune`] | thresholds found by live runs |
//! | [`lossless`] | every text of a pair against the target's own |
//! | [`shared`] | edges that share a cloud, live and simulated |
//! | [`table`] | cells of the paper's Table 1, live |
//! | [`virtual_time`] | real models behind the simulator's links |
//!
//! Only what is here depends on `pipesd-hw`; without the feature `live` none of it is built.

pub(crate) mod child;
pub(crate) mod cloud;
pub(crate) mod edge;
pub(crate) mod edge_only;
pub(crate) mod fidelity;
pub(crate) mod journal;
pub(crate) mod lossless;
pub(crate) mod models;
pub(crate) mod modes;
pub(crate) mod pair;
pub(crate) mod recording;
pub(crate) mod report;
pub(crate) mod restarts;
pub(crate) mod scene;
pub(crate) mod shared;
pub(crate) mod table;
pub(crate) mod tune;
pub(crate) mod virtual_time;

use std::path::Path;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use pipesd_hw::energy::{Meter, Reading};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::input::bad_input;

/// The one-thread runtime that a process drives its end on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the system gives no event loop")
}

/// Counters of a processor begin anew after minutes at full load: they are looked at more often.
const METER_EVERY: Duration = Duration::from_secs(30);

/// What `run` gives, and what the machine's counters say that it took meanwhile.
pub(crate) async fn metered<T>(run: impl Future<Output = T>) -> (T, Vec<Reading>) {
    let mut meter = Meter::start();
    let mut run = std::pin::pin!(run);
    loop {
        tokio::select! {
            given = &mut run => return (given, meter.read()),
            () = tokio::time::sleep(METER_EVERY) => drop(meter.read()),
        }
    }
}

/// Waits until the program is told to stop; forever if the system cannot tell.
pub(crate) async fn interrupted() {
    if stop_signal().subscribe().wait_for(|told| *told).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What a file keeps of runs that are done; nothing, where there is none. `remedy` begins anew.
pub(crate) fn kept<T: DeserializeOwned>(path: &Path, remedy: &str) -> Result<Vec<T>> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("{}: cannot be read", path.display())),
        Ok(text) => {
            let kept = serde_json::from_str(&text);
            let file = path.display();
            Ok(kept.map_err(|error| bad_input!("{file}: {error}; to begin anew: {remedy}"))?)
        }
    }
}

/// Fails if the program was told to stop: between two runs nobody else would notice.
pub(crate) fn ensure_not_interrupted() -> Result<()> {
    anyhow::ensure!(!*stop_signal().borrow(), "interrupted");
    Ok(())
}

/// From now on the end of standard input tells the program to stop, as a signal does: whoever has started it
/// has gone.
pub(crate) fn stop_with_stdin() -> Result<()> {
    let stop = stop_signal();
    thread::Builder::new().name("stdin".to_owned()).spawn(|| {
        // An error is an end as well.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        stop.send_replace(true);
    })?;
    Ok(())
}

/// Whether the program was told to stop. From the first call on the first signal (Ctrl-C, SIGTERM) ends a
/// run in good order, and the second the program at once.
fn stop_signal() -> &'static watch::Sender<bool> {
    static STOP: OnceLock<watch::Sender<bool>> = OnceLock::new();
    STOP.get_or_init(|| {
        let stop = watch::Sender::new(false);
        let tell = stop.clone();
        let (ready, listens) = mpsc::channel();
        // A thread of its own, as a run's event loop ends with the run. Errors: nobody listens, and a
        // signal does what it does by default.
        let listener = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let Ok(runtime) = runtime() else { return };
            let _ = runtime.block_on(listen(&tell, ready));
        });
        if listener.is_ok() {
            let _ = listens.recv();
        }
        stop
    })
}

#[cfg(unix)]
async fn listen(tell: &watch::Sender<bool>, ready: mpsc::Sender<()>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let _ = ready.send(());
    for told_before in [false, true] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if told_before {
            std::process::exit(1);
        }
        tell.send_replace(true);
    }
    Ok(())
}

#[cfg(not(unix))]
async fn listen(tell: &watch::Sender<bool>, ready: mpsc::Sender<()>) -> std::io::Result<()> {
    let _ = ready.send(());
    tokio::signal::ctrl_c().await?;
    tell.send_replace(true);
    tokio::signal::ctrl_c().await?;
    std::process::exit(1)
}
