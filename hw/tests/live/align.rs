//! Two logs on one time line.

use pipesd_core::event::{Endpoint, Event};
use pipesd_core::time::{Duration, Instant};
use pipesd_hw::record::{AlignError, Line, RunLog, align};

use crate::support::{DUAL, TOKEN, edge, playback, recorded};

/// The same log by a clock that was started `early` before, on a machine that nobody knows.
fn by_another_clock(log: &RunLog, early: Duration) -> RunLog {
    let mut other = log.clone();
    other.header.origin = None;
    for line in &mut other.lines {
        if let Line::In(at, _) | Line::Out(at, _) = line {
            *at += early;
        }
    }
    other
}

#[test]
fn logs_of_one_machine_are_aligned_exactly() {
    let playback = playback(&[60, 30]);
    let (_, edge_log, cloud_log) = recorded(edge(DUAL), &playback);
    let joint = align(std::slice::from_ref(&edge_log), &cloud_log).expect("they go together");
    let [offset] = joint.offsets[..] else { panic!("one edge") };
    assert_eq!(offset.uncertainty, Duration::ZERO);
    let count = edge_log.events().count() + cloud_log.events().count();
    assert_eq!(joint.events.len(), count);
    assert_eq!(joint.events[0].at, Instant::ZERO);
    assert!(joint.events.is_sorted_by_key(|stamped| stamped.at));
    // Causality: a verdict is sent before it resolves its round.
    for stamped in &joint.events {
        let Event::RoundResolved { session, round, .. } = stamped.event else { continue };
        let sent = joint.events.iter().find(|other| {
            matches!(other.event, Event::VerdictSent { session: s, round: r, .. }
                if (s, r) == (session, round))
        });
        let sent = sent.expect("each verdict was sent");
        assert_eq!(sent.endpoint, Endpoint::Cloud);
        assert!(sent.at <= stamped.at, "{sent} after {stamped}");
    }
}

#[test]
fn logs_of_two_machines_are_aligned_by_their_messages() {
    let playback = playback(&[60, 30]);
    let (_, edge_log, cloud_log) = recorded(edge(TOKEN), &playback);
    let exact = align(std::slice::from_ref(&edge_log), &cloud_log).expect("they go together");
    let early = Duration::from_secs(1000);
    let other = by_another_clock(&edge_log, early);
    let joint = align(&[other], &cloud_log).expect("they go together");
    let (exact, found) = (exact.offsets[0], joint.offsets[0]);
    let apart = (found.ns + 1_000_000_000_000 - exact.ns).unsigned_abs();
    assert!(found.uncertainty > Duration::ZERO);
    // The exact offset is itself read off a clock.
    let most = found.uncertainty + Duration::from_micros(20);
    assert!(Duration::from_nanos(apart) <= most, "{apart} ns, {found:?}");
    // Scheduling of a loaded machine is part of a delay; the least one is short all the same.
    assert!(found.uncertainty < Duration::from_millis(20), "{found:?}");
}

#[test]
fn logs_that_do_not_go_together_are_refused() {
    let playback = playback(&[10]);
    let (_, edge_log, cloud_log) = recorded(edge(TOKEN), &playback);
    let misplaced = align(std::slice::from_ref(&cloud_log), &edge_log);
    assert!(matches!(misplaced, Err(AlignError::Misplaced { .. })), "{misplaced:?}");
    let twice = align(&[edge_log.clone(), edge_log.clone()], &cloud_log);
    assert_eq!(twice, Err(AlignError::Twice(Endpoint::Edge(0))));
    let mut silent = by_another_clock(&edge_log, Duration::ZERO);
    silent.lines.clear();
    let nothing = align(&[silent], &cloud_log);
    assert!(matches!(nothing, Err(AlignError::NothingInCommon { .. })), "{nothing:?}");
}
