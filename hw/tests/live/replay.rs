//! Recorded runs: replayed bit for bit, refused when they are not whole, and read for their times.

use std::sync::Arc;

use pipesd_core::contract::{Input, Output, WorkResult};
use pipesd_core::device::{Device, DraftKind};
use pipesd_core::edge::{EdgeConfig, TuningConfig};
use pipesd_core::event::Event;
use pipesd_core::time::Duration;
use pipesd_hw::backend::emulated::{Latencies, Playback};
use pipesd_hw::record::samples::DraftSample;
use pipesd_hw::record::{Line, RunLog, replay, samples};

use crate::support::{
    DUAL, FIXED, SEED, TOKEN, VOCABULARY, edge, edge_with, playback, recorded, trace,
};

#[test]
fn a_recorded_run_replays_bit_for_bit_at_both_ends() {
    let playback = playback(&[90, 40]);
    for config in [edge(FIXED), edge(TOKEN), edge(DUAL), edge_with(DUAL, "full")] {
        let (_, edge_log, cloud_log) = recorded(config, &playback);
        for log in [&edge_log, &cloud_log] {
            assert!(log.lines.len() > 200, "{} has {} lines", log.name, log.lines.len());
            replay(log).expect("the recorded outputs");
        }
    }
}

#[test]
fn a_tuned_run_replays_bit_for_bit() {
    // Fits run on a thread of their own, beside decoding; their answers are part of the log.
    let playback = playback(&[1500; 4]);
    let tuning = Some(TuningConfig::paper(SEED));
    let config = EdgeConfig { tuning, ..edge(DUAL) };
    let (report, edge_log, _) = recorded(config, &playback);
    assert_eq!(report.texts[3].tokens, playback.truth(3));
    let fitted = |line: &&Line| {
        matches!(line, Line::In(_, Input::Finished { result: WorkResult::Fitted(_), .. }))
    };
    assert!(edge_log.lines.iter().filter(fitted).count() > 0, "the tuner was at work");
    replay(&edge_log).expect("the recorded outputs");
}

#[test]
fn a_log_that_was_changed_does_not_replay() {
    let playback = playback(&[40]);
    let (_, log, _) = recorded(edge(FIXED), &playback);
    let refused = |change: &dyn Fn(&mut RunLog)| {
        let mut changed = log.clone();
        change(&mut changed);
        assert_ne!(changed, log, "the change was made");
        let error = replay(&changed).expect_err("it is not what was recorded");
        assert!(error.to_string().starts_with("edge.log:"), "{error}");
    };
    refused(&|log| {
        // One bit of one confidence.
        let drafted = log.lines.iter_mut().find_map(|line| match line {
            Line::In(_, Input::Finished { result: WorkResult::Drafted { proposal, .. }, .. }) => {
                Some(proposal)
            }
            _ => None,
        });
        let drafted = drafted.expect("something was drafted");
        drafted.confidence = drafted.confidence.next_up();
    });
    refused(&|log| {
        let is_event = |line: &Line| matches!(line, Line::Out(_, Output::Event(_)));
        let index = log.lines.iter().rposition(is_event).expect("an event");
        log.lines.remove(index);
    });
    refused(&|log| {
        // Cut after an input, before what came of it.
        let followed = |pair: &[Line]| matches!(pair, [Line::In(..), Line::Out(..)]);
        let index = log.lines.windows(2).rposition(followed).expect("an input with an output");
        log.lines.truncate(index + 1);
    });
}

#[test]
fn what_is_no_log_is_refused_by_file_and_line() {
    let playback = playback(&[10]);
    let (_, log, _) = recorded(edge(FIXED), &playback);
    let header = serde_json::to_string(&log.header).expect("plain data");
    let refused = |text: &str, want: &str| {
        let error = RunLog::read("some.log", text.as_bytes()).expect_err("no log");
        assert!(error.to_string().contains(want), "{error}");
    };
    refused("", "some.log:0: the file is empty");
    refused("{}\n", "some.log:1: no header");
    refused("{\"format\":\"pipesd-run-9\"}\n", "some.log:1: format is `pipesd-run-9`");
    refused(&format!("{header}\nnonsense\n"), "some.log:2: ");
    refused(&format!("{header}\n{{\"in\":[1"), "some.log:2: the line is cut short");
}

#[test]
fn a_log_tells_how_long_the_models_took() {
    let playback = playback(&[40]);
    let (report, edge_log, cloud_log) = recorded(edge(FIXED), &playback);
    let (edge, cloud) = (samples(&edge_log), samples(&cloud_log));
    let steps = report.counts.drafted + report.counts.guesses;
    assert!((steps - edge.draft.len() as u64) <= 1, "one may be under way at the end");
    assert_eq!((edge.prefill.len(), cloud.prefill.len()), (1, 1));
    assert_eq!(cloud.prefill[0].tokens, 5);
    assert_eq!(cloud.verify.len() as u64, report.counts.navs_answered);
    assert!(cloud.verify.iter().all(|sample| sample.blocks == 1 && sample.drafts > 0));
    let first = cloud.verify[0];
    assert_eq!((first.position, first.drafts, first.context), (0, 6, 5));
    let of_events =
        edge_log.events().filter(|stamped| matches!(stamped.event, Event::Committed { .. }));
    assert_eq!(of_events.count(), 40);
}

#[test]
fn a_log_tells_what_a_device_has_added_to_steps_of_each_kind() {
    // Own steps of 1 ms, those on committed text padded to 12; a NAV takes as long as some steps.
    let ms = Duration::from_millis;
    let latencies = Latencies { step: ms(1), verify: ms(5), ..Latencies::default() };
    let played = Playback::new(trace(&[60]), VOCABULARY, latencies).expect("a sound trace");
    let played = Arc::new(played.on_device(Device::Padded(ms(12))));
    let (_, log, _) = recorded(edge(TOKEN), &played);
    let mut seen = [0; 4];
    for DraftSample { kind, own, took, .. } in samples(&log).draft {
        seen[kind as usize] += 1;
        let padded = matches!(kind, DraftKind::Main | DraftKind::AfterVerdict);
        let added = if padded { ms(11) } else { ms(0) };
        assert_eq!(took - own, added, "a {kind:?} step of {took:?}");
        assert!(own >= ms(1), "{own:?}");
    }
    assert!(seen.iter().all(|&count| count > 0), "steps of each kind: {seen:?}");
}
