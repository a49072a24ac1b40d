//! The timeline's marks, from a short log written by hand, and its SVG.

mod log;

use log::{log, of_two_edges};
use pipesd_core::account::Ledger;
use pipesd_core::event::{Endpoint, GuessFate, NavCause, Stamped};
use pipesd_core::time::{Duration, as_millis};
use pipesd_plots::timeline::{Kind, Lane, NothingToShow, RoundFate, Timeline, TokenFate, Window};

fn window(from: u64, length: u64) -> Window {
    Window { from: Duration::from_millis(from), length: Duration::from_millis(length) }
}

fn timeline(from: u64, length: u64) -> Timeline {
    Timeline::from_events(&log(), window(from, length)).expect("there is something to show")
}

/// A lane's marks: start and end in ms, round, label, and what they are.
fn marks(timeline: &Timeline, lane: Lane) -> Vec<(u64, u64, Option<u32>, &str, Kind)> {
    let ms = |time| as_millis(time) as u64;
    let of_lane = timeline.marks.iter().filter(|mark| mark.kind.lane() == lane);
    of_lane
        .map(|mark| {
            let round = mark.round.map(|round| round.0);
            (ms(mark.start), ms(mark.end), round, mark.label.as_str(), mark.kind)
        })
        .collect()
}

/// Rounds last from their first step to their end; overlapping ones stand in different rows.
#[test]
fn rounds_are_shown_with_their_extents() {
    let round = |guessed_until: Option<u64>, fate, row| Kind::Round {
        guessed_until: guessed_until.map(Duration::from_millis),
        fate,
        row,
    };
    assert_eq!(
        marks(&timeline(0, 1000), Lane::Rounds),
        [
            (0, 373, Some(0), "0", round(None, RoundFate::Resolved, 0)),
            (80, 603, Some(1), "1", round(Some(373), RoundFate::Resolved, 1)),
            (460, 603, Some(2), "2", round(Some(603), RoundFate::Discarded, 0)),
            (620, 620, None, "end of prompt", Kind::PromptEnd),
        ]
    );
}

/// Each step of the draft model has the fate that the whole log gives it.
#[test]
fn draft_steps_are_shown_with_their_fates() {
    use TokenFate::{Accepted, Discarded, Rejected, Reused, Untested};
    let draft = |start, end, round, fate| (start, end, Some(round), "", Kind::Draft(fate));
    let guess = |start, end, round, fate| (start, end, Some(round), "", Kind::Guess(Some(fate)));
    let fired = |at, round, letter, cause| (at, at, Some(round), letter, Kind::NavFired(cause));
    let timeline = timeline(0, 1000);
    let mut shown = marks(&timeline, Lane::Drafting);
    shown.sort_by_key(|&(start, end, ..)| (start, end));
    assert_eq!(
        shown,
        [
            draft(0, 40, 0, Accepted),
            draft(40, 80, 0, Accepted),
            fired(80, 0, "S", NavCause::Sequence),
            guess(80, 120, 1, GuessFate::Confirmed),
            draft(120, 160, 1, Reused),
            draft(160, 380, 1, Accepted),
            draft(380, 420, 1, Rejected),
            draft(420, 460, 1, Untested),
            fired(460, 1, "T", NavCause::Token),
            guess(460, 500, 2, GuessFate::Discarded),
            draft(500, 540, 2, Discarded),
            draft(540, 610, 2, Discarded),
        ]
    );
}

/// Uploads are numbered within their round; NAVs and verdicts follow them.
#[test]
fn messages_and_navs_are_shown() {
    let upload = |tokens, nav, cancelled| Kind::Upload { tokens, nav, cancelled };
    let timeline = timeline(0, 1000);
    assert_eq!(
        marks(&timeline, Lane::Uplink),
        [
            (40, 180, Some(0), "0.1", upload(1, false, false)),
            (180, 320, Some(0), "0.2", upload(1, true, false)),
            (460, 550, Some(1), "1.1", upload(4, true, false)),
            (550, 640, Some(2), "2.1", upload(1, false, true)),
        ]
    );
    assert_eq!(
        marks(&timeline, Lane::Nav),
        [(322, 370, Some(0), "", Kind::Verify), (552, 600, Some(1), "", Kind::Verify)]
    );
    assert_eq!(
        marks(&timeline, Lane::Downlink),
        [(370, 373, Some(0), "2/2", Kind::Verdict), (600, 603, Some(1), "2/4", Kind::Verdict)]
    );
}

/// The figure and the run's accounts count the same tokens.
#[test]
fn fates_are_those_of_the_ledger() {
    let mut ledger = Ledger::default();
    let events = log();
    for stamped in events.iter().filter(|stamped| stamped.endpoint != Endpoint::Cloud) {
        ledger.record(stamped.at, &stamped.event);
    }
    let timeline = timeline(0, 1000);
    let count = |kind| timeline.marks.iter().filter(|mark| mark.kind == kind).count() as u64;
    let drafts = |fate| count(Kind::Draft(fate));
    let counts = ledger.counts();
    assert_eq!(drafts(TokenFate::Accepted) + drafts(TokenFate::Reused), counts.accepted);
    assert_eq!(drafts(TokenFate::Reused), counts.reused);
    assert_eq!(drafts(TokenFate::Rejected), counts.rejected);
    assert_eq!(drafts(TokenFate::Untested), counts.untested);
    assert_eq!(drafts(TokenFate::Discarded), counts.discarded);
    assert_eq!(count(Kind::Guess(Some(GuessFate::Confirmed))), counts.guesses_confirmed);
    assert_eq!(count(Kind::Guess(Some(GuessFate::Discarded))), counts.guesses_discarded);
}

/// A window keeps what lies partly within it, whole and with its fate.
#[test]
fn a_window_keeps_fates_decided_after_it() {
    let timeline = timeline(100, 50);
    assert_eq!(
        marks(&timeline, Lane::Drafting),
        [
            (80, 120, Some(1), "", Kind::Guess(Some(GuessFate::Confirmed))),
            (120, 160, Some(1), "", Kind::Draft(TokenFate::Reused)),
        ]
    );
    assert_eq!(marks(&timeline, Lane::Uplink).len(), 1);
    assert!(marks(&timeline, Lane::Nav).is_empty());
}

/// An empty window is an error that says what the run covers; so is a run without decoding.
#[test]
fn nothing_to_show_is_an_error() {
    let nothing = Timeline::from_events(&log(), window(5000, 1000)).unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "nothing happened from 5.000 s to 6.000 s: the run covers 0 s to 0.620 s"
    );
    assert_eq!(Timeline::from_events(&[], window(0, 1)), Err(NothingToShow::NoDecoding));
}

/// What the log leaves open ends with it: a run that was cut short can be drawn.
#[test]
fn a_log_that_ends_early_leaves_things_open() {
    let events: Vec<Stamped> =
        log().into_iter().take_while(|e| e.at.as_millis_f64() < 1350.).collect();
    let timeline = Timeline::from_events(&events, window(0, 1000)).expect("something to show");
    let open = Kind::Round { guessed_until: None, fate: RoundFate::Open, row: 0 };
    assert_eq!(marks(&timeline, Lane::Rounds)[0], (0, 322, Some(0), "0", open));
    assert_eq!(marks(&timeline, Lane::Nav), [(322, 322, Some(0), "", Kind::Verify)]);
    assert!(timeline.marks.iter().any(|mark| mark.kind == Kind::Draft(TokenFate::Open)));
}

/// Another edge's events at the same cloud are not mixed in.
#[test]
fn only_the_first_edge_is_shown() {
    let alone = Timeline::from_events(&log(), window(0, 1000));
    assert_eq!(Timeline::from_events(&of_two_edges(), window(0, 1000)), alone);
}

/// The SVG is one well-formed document that explains itself, and the same each time.
#[test]
fn the_svg_is_deterministic_and_has_a_legend() {
    let svg = timeline(0, 1000).to_svg().expect("it draws");
    assert_eq!(svg, timeline(0, 1000).to_svg().expect("it draws"));
    assert!(svg.starts_with("<svg width=\"180mm\" height=\""));
    assert!(svg.trim_end().ends_with("</svg>"));
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    let legend = [
        "on committed text",
        "proactive",
        "accepted",
        "reused",
        "rejected",
        "untested",
        "discarded",
        "confirmed",
        "missed",
        "length",
        "token threshold",
        "sequence threshold",
        "end of text",
        "budget",
        "batch 2",
        "with NAV request",
        "called off with its request",
        "no room for its name",
        "NAV",
        "verdict",
    ];
    for entry in legend {
        assert!(svg.contains(entry), "the legend lacks {entry}");
    }
    for lane in ["Rounds", "Drafting", "Uplink", "Downlink", "2/4"] {
        assert!(svg.contains(lane), "the figure lacks {lane}");
    }
}

/// A long window is cut into strips below each other, so that it gets higher and not denser.
#[test]
fn a_long_window_is_cut_into_strips() {
    let strips = |length| {
        let svg = timeline(0, length).to_svg().expect("it draws");
        svg.matches("\nDownlink\n").count()
    };
    assert_eq!((strips(3500), strips(3501), strips(10_000)), (1, 2, 3));
    let narrow = timeline(0, 3500).to_narrow_svg().expect("it draws");
    assert!(narrow.starts_with("<svg width=\"88mm\" height=\""));
    assert_eq!(narrow.matches("\nDownlink\n").count(), 3);
}
