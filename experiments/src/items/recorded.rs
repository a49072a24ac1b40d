//! What an edge measured in a recorded run.

use pipesd_core::contract::Input;
use pipesd_core::event::Event;
use pipesd_core::message::{Message, UploadReport};
use pipesd_core::time::{Duration, Instant};
use pipesd_sim::world::Recording;

/// The uploads that the receiver has reported, as the edge learned of them: after probes, which are
/// told apart by `true`, and with verdicts.
pub(super) fn upload_reports(recording: &Recording) -> Vec<(UploadReport, bool)> {
    let mut reports = Vec::new();
    for (_, _, input) in &recording.inputs {
        match input {
            Input::Received { message: Message::Probed { report, .. }, .. } => {
                reports.push((*report, true));
            }
            Input::Received { message: Message::Verdict(verdict), .. } => {
                reports.extend(verdict.reports.iter().map(|&report| (report, false)));
            }
            _ => {}
        }
    }
    reports
}

/// Output position and duration of each draft step, guesses and stale ones included.
pub(super) fn draft_steps(recording: &Recording) -> Vec<(u32, Duration)> {
    let mut steps = Vec::new();
    let mut started: Option<(u32, Instant)> = None;
    for stamped in &recording.events {
        match stamped.event {
            Event::DraftStarted { position, .. } => started = Some((position, stamped.at)),
            Event::Drafted { .. } | Event::Guessed { .. } | Event::DraftStale { .. } => {
                steps.extend(started.take().map(|(position, at)| (position, stamped.at - at)));
            }
            _ => {}
        }
    }
    steps
}
