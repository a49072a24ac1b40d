//! One edge in this process: connects, decodes its requests, and tells what it commits as it comes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use pipesd_core::event::{Event, Outcome, Stamped};
use pipesd_core::ids::TokenId;
use pipesd_core::seed::Seed;
use pipesd_core::time::Duration;
use pipesd_hw::driver::{
    DriverError, EdgeReport, EdgeSetup, Observer, QuicDial, Text, drive_roaming_edge,
    one_after_another,
};
use pipesd_hw::energy::Reading;
use pipesd_hw::net::Ways;
use pipesd_hw::transport::{Ticket, TransportError, connect};

use super::journal::Journal;
use super::scene::Scene;
use super::{interrupted, metered};

/// What a live edge gives.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    pub(crate) report: EdgeReport,
    /// What the emulated link has done, if there was one.
    pub(crate) ways: Option<Ways>,
    /// How much later than recorded the emulated draft steps ended, in the median.
    pub(crate) overshoot: Option<Duration>,
    /// What this machine's counters say.
    pub(crate) energy: Vec<Reading>,
}

/// How an edge is run.
pub(crate) struct Options<'a> {
    /// Whether the scenario's link is emulated.
    pub(crate) emulate: bool,
    /// Where the log goes.
    pub(crate) log: Option<&'a Path>,
    /// Where what is committed is kept.
    pub(crate) journal: Option<&'a Path>,
    /// Who is told each event.
    pub(crate) observer: Option<Observer>,
}

/// Decodes the scene's requests at the cloud of `ticket`.
///
/// # Errors
/// If there is no link, it is lost, the run is interrupted, or a played text is not the trace's own:
/// every pair of verification and payload that a trace can play is exact.
pub(crate) fn decode(scene: &Scene, ticket: &Ticket, options: Options<'_>) -> Result<Decoded> {
    super::runtime()?.block_on(decode_async(scene, ticket, options))
}

pub(crate) async fn decode_async(
    scene: &Scene,
    ticket: &Ticket,
    options: Options<'_>,
) -> Result<Decoded> {
    let emulation = options.emulate.then(|| scene.emulation());
    let settings = scene.settings();
    let link = tokio::select! {
        link = connect(ticket, &settings, emulation.as_ref()) => link.map_err(explained)?,
        () = interrupted() => return Err(DriverError::Interrupted.into()),
    };
    let (transport, events) = link.split();
    let stats = transport.clone();
    let (vocabulary, seed) = (scene.setup.profile.vocabulary, Seed(scene.seed));
    let config = scene.setup.edge_config(seed, scene.edge);
    let mut setup = EdgeSetup::new(scene.edge, config, vocabulary, seed);
    setup.record = options.log.map(log_file).transpose()?;
    let all = scene.requests();
    let (rest, observer) = match options.journal {
        None => (all.into_iter().enumerate().collect::<Vec<_>>(), options.observer),
        Some(path) => {
            let journal = Journal::open(path, &all)?;
            let rest = journal.rest(all);
            let numbers = rest.iter().map(|(number, _)| *number).collect();
            (rest, Some(journal.observer(numbers, options.observer)))
        }
    };
    setup.observer = Some(telling_of_outages(observer));
    setup.patience = scene.patience();
    let begun: Vec<(usize, usize)> =
        rest.iter().map(|(number, request)| (*number, request.text.len())).collect();
    let requests = one_after_another(rest.into_iter().map(|(_, request)| request).collect());
    let link = (transport, events);
    let dial = QuicDial::new(ticket.clone(), settings, emulation.clone());
    let run = drive_roaming_edge(setup, scene.draft(), link, &dial, requests, interrupted());
    let (report, energy) = metered(run).await;
    if let Some(emulation) = &emulation {
        // The link's end is on the emulated link, too: whoever left now would take it along, and the
        // cloud would wait for the edge until its patience ends.
        tokio::time::sleep(emulation.uplink.propagation + LAST_PACKET).await;
    }
    let report = report?;
    check_texts(scene, &begun, &report.texts)?;
    let late = scene.playback().map(|playback| playback.overshoots());
    let overshoot = late.and_then(|late| late.get(late.len() / 2).copied());
    Ok(Decoded { report, ways: stats.stats().emulated, overshoot, energy })
}

/// Says on stderr when the cloud is away and when it is back; `other` is told everything.
fn telling_of_outages(mut other: Option<Observer>) -> Observer {
    Box::new(move |stamped: &Stamped| {
        let is_told = match stamped.event {
            // Of the tries fewer and fewer.
            Event::LinkTried { attempt, .. } => attempt.is_power_of_two(),
            Event::LinkLost
            | Event::LinkBack { .. }
            | Event::SessionSuspended { .. }
            | Event::WentAlone { .. }
            | Event::SessionResumed { .. } => true,
            _ => false,
        };
        if is_told {
            eprintln!("{stamped}");
        }
        if let Some(other) = &mut other {
            other(stamped);
        }
    })
}

/// More than the last packet takes through the bottleneck's queue: 64 kB at 10 Mbit/s.
const LAST_PACKET: Duration = Duration::from_millis(60);

/// A new log, buffered.
pub(crate) fn log_file(path: &Path) -> Result<Box<dyn Write + Send>> {
    if let Some(folder) = path.parent() {
        crate::output::make_folder(folder)?;
    }
    let file = File::create(path).with_context(|| format!("{}: no log there", path.display()))?;
    Ok(Box::new(BufWriter::new(file)))
}

/// A refusal in the words of this program's options.
fn explained(error: TransportError) -> anyhow::Error {
    let other_texts = matches!(&error, TransportError::Refused(why) if why.contains("vocabulary"));
    let error = anyhow::Error::new(error);
    if other_texts {
        error.context(
            "the cloud does not play the same texts: give both ends the same --profile, \
                       --seed and --tokens",
        )
    } else {
        error
    }
}

/// What was committed must be what the target alone would have written: each text, and all of it. What a
/// pair's target writes is not known here.
///
/// `begun`: each text's number, and how many of its tokens were there before.
fn check_texts(scene: &Scene, begun: &[(usize, usize)], texts: &[Text]) -> Result<()> {
    let requests = begun.len();
    anyhow::ensure!(texts.len() == requests, "{} of {requests} texts were decoded", texts.len());
    for (&(number, before), text) in begun.iter().zip(texts) {
        let session = text.session;
        let whole = text.outcome.is_some_and(Outcome::is_complete);
        anyhow::ensure!(whole, "{session} has not come to its end");
        let Some(playback) = scene.playback() else { continue };
        let truth = playback.truth(number).split_off(before);
        let wrong = text.tokens.iter().zip(&truth).position(|(ours, truth)| ours != truth);
        if let Some(position) = wrong {
            anyhow::bail!(
                "{session}, position {position}: the committed text is not the trace's: does the \
                 cloud play the same profile, seed and tokens?"
            );
        }
        let (ours, all) = (text.tokens.len(), truth.len());
        anyhow::ensure!(ours == all, "{session}: {ours} tokens of a text of {all} were committed");
    }
    Ok(())
}

/// Writes what is committed as it comes: of a pair its text, each letter when it is whole, below its
/// prompt; else ids, a line for each text.
pub(crate) fn stream(scene: &Scene, to: impl Write + Send + 'static) -> Observer {
    match scene.pair() {
        None => stream_ids(to),
        Some(pair) => stream_text(std::sync::Arc::clone(pair), to),
    }
}

fn stream_ids(mut to: impl Write + Send + 'static) -> Observer {
    Box::new(move |stamped: &Stamped| {
        // Who has closed the pipe has read enough.
        let _ = match stamped.event {
            Event::Committed { token: TokenId(id), .. } => {
                write!(to, "{id} ").and_then(|()| to.flush())
            }
            Event::SessionEnded { .. } => writeln!(to),
            _ => Ok(()),
        };
    })
}

fn stream_text(
    pair: std::sync::Arc<super::models::PairModels>,
    mut to: impl Write + Send + 'static,
) -> Observer {
    let mut text = pair.tokenizer().stream();
    let mut number = 0;
    Box::new(move |stamped: &Stamped| {
        // Who has closed the pipe has read enough.
        let _ = match stamped.event {
            Event::SessionStarted { .. } => {
                let prompt = pair.prompt(number);
                number += 1;
                writeln!(to, "[{}] {}", prompt.id, prompt.prompt.trim_end())
            }
            Event::Committed { token, .. } => {
                write!(to, "{}", text.push(token)).and_then(|()| to.flush())
            }
            Event::SessionEnded { .. } => writeln!(to, "{}\n", text.finish()),
            _ => Ok(()),
        };
    })
}
