//! `pipesd cloud`, `pipesd edge` and `pipesd testbed`: the live testbed's two ends, and both at once.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin, stdout};
use std::time::Duration;

use anyhow::{Context, Result};
use pipesd_hw::driver::Observer;
use pipesd_hw::net::Beginning;
use pipesd_hw::record::texts::ROLLOUT_STEPS_MIN;
use pipesd_hw::transport::Ticket;

use crate::cli::{Cloud, Edge, LiveRun, Testbed};
use crate::input::{Choice, bad_input, live_command};
use crate::live::models::End;
use crate::live::report::Report;
use crate::live::scene::Scene;
use crate::live::{
    cloud as serving, edge as decoding, fidelity, lossless, modes, pair, recording, restarts,
    shared, stop_with_stdin,
};
use crate::output;

/// A cloud that serves once waits so long for its edge.
const ONCE_PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn cloud(options: &Cloud) -> Result<()> {
    let choice = Choice::from(&options.configuration);
    let mut scene = load(&choice, &options.run, End::Cloud)?;
    if options.ends_with_stdin {
        stop_with_stdin()?;
    }
    let announce = |ticket: &str| {
        if !options.run.json && !options.ends_with_stdin {
            eprintln!("this is the ticket; an edge connects with: pipesd edge --connect -");
        }
        output::print(&format!("{ticket}\n"))
    };
    match options.faults_began_ms {
        Some(ms) => scene.since = Beginning::before_now(Duration::from_millis(ms)),
        None if scene.restarts_cloud() => return restarts::serve(&scene, options, &announce),
        None => {}
    }
    let log = options.run.record.as_ref().map(|folder| folder.join(pair::CLOUD_LOG));
    if let Some(form) = options.log {
        serving::log_to_stderr(form);
    }
    let served = serving::serve(
        &scene,
        &serving::Options {
            listen: options.listen,
            advertise: options.advertise,
            identity: options.identity.as_deref(),
            once: options.once.then_some(ONCE_PATIENCE),
            log: log.as_deref(),
            metrics: options.metrics,
            announce: &announce,
        },
    )?;
    let nobody = options.once && served.links == 0;
    anyhow::ensure!(!nobody, "no edge has come within {} s", ONCE_PATIENCE.as_secs());
    for (edge, why) in &served.ended {
        eprintln!("edge {edge} was cut off: {why}");
    }
    if options.run.json {
        return output::print_json(&served);
    }
    let (links, navs) = (served.links, served.counts.navs);
    output::print(&format!("{links} links, {navs} NAVs in {} passes\n", served.counts.passes))
}

pub(crate) fn edge(options: &Edge) -> Result<()> {
    let ticket = ticket(&options.connect)?;
    let mut choice = Choice::from(&options.configuration);
    // Whoever has no wish for the paper's payload sends what is needed.
    if !choice.sets.iter().any(|set| set.starts_with("payload=")) {
        choice.sets.push("payload=ids".to_owned());
    }
    choice.sets.extend(options.offline.iter().map(|offline| format!("offline={offline}")));
    let mut scene = load(&choice, &options.run, End::Edge)?;
    scene.become_edge(options.edge);
    let log = options.run.record.as_ref().map(|folder| folder.join(pair::EDGE_LOG));
    let emulate = !options.plain;
    let observer = observer(&scene, options.run.json);
    let decoded = decoding::decode(
        &scene,
        &ticket,
        decoding::Options {
            emulate,
            log: log.as_deref(),
            journal: options.journal.as_deref(),
            observer,
        },
    )?;
    let number = if scene.edge == 0 { String::new() } else { format!(" --edge {}", scene.edge) };
    let command = format!("edge --connect @FILE{number}");
    let command = live_command(&command, &choice, &options.run, options.plain);
    let report = Report {
        scene: &scene,
        command: &command,
        decoded: &decoded,
        served: None,
        emulated_link: emulate,
    };
    print(&report, options.run.json)
}

/// A ticket has no more characters.
const TICKET_MAX: u64 = 1000;

/// The ticket that `--connect` tells of. It holds a secret: no message repeats it.
fn ticket(connect: &str) -> Result<Ticket> {
    let read = |from: &mut dyn BufRead| {
        let mut line = String::new();
        from.take(TICKET_MAX).read_line(&mut line).map(|_| line)
    };
    let text = match connect.strip_prefix('@') {
        Some(path) => File::open(path)
            .and_then(|file| read(&mut BufReader::new(file)))
            .map_err(|error| bad_input!("--connect @{path}: cannot be read: {error}"))?,
        None if connect == "-" => {
            read(&mut stdin().lock()).map_err(|error| bad_input!("--connect -: {error}"))?
        }
        None => connect.to_owned(),
    };
    Ok(text.trim().parse().map_err(|error| bad_input!("--connect: {error}"))?)
}

pub(crate) fn testbed(options: &Testbed) -> Result<()> {
    if options.fidelity {
        return fidelity::run(options);
    }
    if options.lossless {
        return lossless::run(options);
    }
    if options.modes {
        return modes::run(options);
    }
    if options.shared {
        return shared::run(options);
    }
    let choice = Choice::from(&options.configuration);
    let scene = load(&choice, &options.run, End::Edge)?;
    let emulate = !options.plain;
    let observer = observer(&scene, options.run.json);
    let paired = match options.run.record.as_deref() {
        None => pair::run(&scene, None, emulate, observer)?,
        Some(folder) => {
            let steps = ROLLOUT_STEPS_MIN;
            let paired = recording::record(folder, &scene, steps, emulate, observer)?;
            eprintln!("recorded to {}", folder.display());
            paired
        }
    };
    let command = live_command("testbed", &choice, &options.run, options.plain);
    let report = Report {
        scene: &scene,
        command: &command,
        decoded: &paired.decoded,
        served: paired.served.as_ref(),
        emulated_link: emulate,
    };
    if let Some(folder) = &options.out {
        let document = output::json(&report.document()?);
        output::write_file(&folder.join("summary.json"), &document)
            .with_context(|| format!("--out {}", folder.display()))?;
    }
    print(&report, options.run.json)
}

/// The scene of a run.
fn load(choice: &Choice, run: &LiveRun, end: End) -> Result<Scene> {
    Scene::load(choice, &run.models, run.seed, run.tokens(), end)
}

/// What is committed streams to stdout, unless that is to be one document.
fn observer(scene: &Scene, json: bool) -> Option<Observer> {
    (!json).then(|| decoding::stream(scene, stdout()))
}

fn print(report: &Report<'_>, json: bool) -> Result<()> {
    if json { output::print_json(&report.document()?) } else { output::print(&report.table()?) }
}
