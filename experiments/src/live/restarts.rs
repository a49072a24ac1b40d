//! Carries out what a plan of faults says of the cloud itself: this process starts another one that serves,
//! kills it (`kill -9`) when the plan says so, and starts the next at the same address, with the same key.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use pipesd_core::time::Instant;

use super::child::{Cloud, glance};
use super::ensure_not_interrupted;
use super::scene::Scene;
use crate::cli;
use crate::input::{BadInput, bad_input};
use crate::output;

/// Serves as `options` say, until that ends by itself or is told to. `announce` is told the ticket. What
/// is printed in the end is said by the cloud that was started last: the others took theirs along.
pub(crate) fn serve(
    scene: &Scene,
    options: &cli::Cloud,
    announce: &dyn Fn(&str) -> Result<()>,
) -> Result<()> {
    if let Some(folder) = &options.run.record {
        return Err(unrecordable(folder).into());
    }
    let own = tempfile::tempdir()?;
    let identity = options.identity.clone().unwrap_or_else(|| own.path().join("identity"));
    let mut listen = options.listen;
    let start = |listen| Cloud::start(words(scene, options, listen, &identity));
    let (mut cloud, ticket) = start(listen)?;
    announce(&ticket.to_string())?;
    if listen.port() == 0 {
        listen.set_port(ticket.address.port());
    }
    let told = |what: &str| eprintln!("{:>10.3} ms  {what}", now(scene).as_millis_f64());
    for (begin, over) in scene.setup.faults.restarts() {
        if !serves_until(scene, &mut cloud, Some(begin))? {
            return finish(cloud);
        }
        cloud.kill()?;
        told("the cloud is killed");
        while now(scene) < over {
            if ensure_not_interrupted().is_err() {
                return Ok(());
            }
            glance();
        }
        (cloud, _) = start(listen)?;
        told("another cloud serves");
    }
    serves_until(scene, &mut cloud, None)?;
    finish(cloud)
}

/// Why a run whose cloud is killed goes into no folder.
pub(super) fn unrecordable(folder: &Path) -> BadInput {
    let folder = folder.display();
    bad_input!(
        "{folder}: the plan of faults restarts the cloud, and one that is killed leaves no whole log: such \
         a run cannot be recorded"
    )
}

/// How far into its plan the run is.
fn now(scene: &Scene) -> Instant {
    scene.since.until_now()
}

/// Waits until that time; false: the cloud has ended before, or is to.
fn serves_until(scene: &Scene, cloud: &mut Cloud, until: Option<Instant>) -> Result<bool> {
    while until.is_none_or(|until| now(scene) < until) {
        if cloud.has_ended()? || ensure_not_interrupted().is_err() {
            return Ok(false);
        }
        glance();
    }
    Ok(true)
}

/// Lets rounds finish, and passes on what the cloud has to say.
fn finish(mut cloud: Cloud) -> Result<()> {
    cloud.close();
    output::print(&cloud.last_words()?)
}

/// What the serving process is told.
fn words(
    scene: &Scene,
    options: &cli::Cloud,
    listen: SocketAddr,
    identity: &Path,
) -> Vec<std::ffi::OsString> {
    let cli::Cloud { advertise, metrics, log, once, run, .. } = options;
    let mut words = scene.words();
    let mut say = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    say("--listen", listen.to_string());
    say("--faults-began-ms", (now(scene).as_nanos() / 1_000_000).to_string());
    if let Some(address) = advertise {
        say("--advertise", address.to_string());
    }
    if let Some(address) = metrics {
        say("--metrics", address.to_string());
    }
    if let Some(form) = log {
        let form = form.to_possible_value().expect("none is hidden");
        say("--log", form.get_name().to_owned());
    }
    for (flag, given) in [("--once", *once), ("--json", run.json)] {
        words.extend(given.then(|| flag.to_owned()));
    }
    let words = words.into_iter().map(Into::into);
    words.chain(["--identity".into(), identity.as_os_str().to_owned()]).collect()
}
