//! Online tuning: each law read from the recording alone, none of the tuner's own books is asked.

use std::collections::BTreeMap;

use pipesd_core::contract::{Input, Output, Work, WorkResult};
use pipesd_core::edge::TuningConfig;
use pipesd_core::event::{Endpoint, Event, NavCause, Outcome, Stamped, TuningEvent};
use pipesd_core::ids::{RoundId, SessionId};
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant, as_millis};
use pipesd_core::trigger::Thresholds;
use pipesd_sim::distribution::Latency;
use pipesd_sim::profile::Profile;
use pipesd_sim::world::{Setup, run};

use crate::support::{self, PIPESD};

/// What the log says of a round that is open.
#[derive(Clone, Copy)]
struct Open {
    /// How many changes of the thresholds lay before it.
    setting: u32,
    thresholds: Thresholds,
    product: f64,
    /// What its newest token must make it fire with, by its own thresholds.
    due: Option<NavCause>,
}

/// Follows one edge's log: which thresholds each round has, and whose each interval is.
struct Reader {
    setting: u32,
    best: Thresholds,
    in_force: Thresholds,
    rounds: BTreeMap<(SessionId, RoundId), Open>,
    /// Start of the interval, and the setting of the round that was resolved there.
    mark: (Instant, Option<u32>),
    /// Time and tokens of the candidate in force: its own, and with its first interval.
    own: (Duration, u32),
    all: (Duration, u32),
    judged: u32,
    switched_while_drafting: u32,
}

impl Reader {
    fn new(best: Thresholds) -> Self {
        Self {
            setting: 0,
            best,
            in_force: best,
            rounds: BTreeMap::new(),
            mark: (Instant::ZERO, None),
            own: (Duration::ZERO, 0),
            all: (Duration::ZERO, 0),
            judged: 0,
            switched_while_drafting: 0,
        }
    }

    fn enforce(&mut self, thresholds: Thresholds) {
        let drafting = self.rounds.values().filter(|open| open.due.is_none()).count();
        self.switched_while_drafting += u32::from(drafting > 0 && thresholds != self.in_force);
        self.setting += 1;
        self.in_force = thresholds;
        self.own = (Duration::ZERO, 0);
        self.all = (Duration::ZERO, 0);
    }

    fn open(&mut self, session: SessionId, round: RoundId) -> &mut Open {
        let (setting, thresholds) = (self.setting, self.in_force);
        let opened = Open { setting, thresholds, product: 1.0, due: None };
        self.rounds.entry((session, round)).or_insert(opened)
    }

    fn read(&mut self, &Stamped { at, event, .. }: &Stamped) {
        match event {
            Event::DecodingStarted { .. } => self.mark = (at, None),
            Event::DraftStarted { session, round, kind, .. } if !kind.is_guess() => {
                self.open(session, round);
            }
            Event::Guessed { session, round, .. } => {
                self.open(session, round);
            }
            Event::Drafted { session, round, confidence, .. } => {
                let open = self.open(session, round);
                open.product *= confidence;
                let [r1, r2] = open.thresholds.coordinates()[..] else { panic!("two thresholds") };
                let sequence = (open.product <= r1).then_some(NavCause::Sequence);
                open.due = if confidence <= r2 { Some(NavCause::Token) } else { sequence };
            }
            Event::NavFired { session, round, cause, .. } => {
                let open = self.open(session, round);
                if matches!(cause, NavCause::Token | NavCause::Sequence) {
                    assert_eq!(Some(cause), open.due, "{round} fires by its own thresholds");
                }
                open.due = Some(cause);
            }
            Event::RoundResolved { session, round, accepted, extra, .. } => {
                let open = self.rounds.remove(&(session, round)).expect("a round was opened");
                let (from, before) = std::mem::replace(&mut self.mark, (at, Some(open.setting)));
                if open.setting == self.setting {
                    let add = |sum: &mut (Duration, u32)| {
                        sum.0 += at - from;
                        sum.1 += accepted + u32::from(extra);
                    };
                    add(&mut self.all);
                    if before.is_none_or(|before| before == open.setting) {
                        add(&mut self.own);
                    }
                }
            }
            Event::RoundDiscarded { session, round, .. } => {
                self.rounds.remove(&(session, round));
            }
            Event::Tuning(event) => self.read_tuning(event),
            _ => {}
        }
    }

    fn read_tuning(&mut self, event: TuningEvent) {
        match event {
            TuningEvent::CandidateBegun { thresholds, .. }
            | TuningEvent::TurnBegun { thresholds, .. } => self.enforce(thresholds),
            TuningEvent::CandidateJudged { value, tokens, thresholds, .. } => {
                assert_eq!(thresholds, self.in_force);
                let (took, count) = if self.own.1 > 0 { self.own } else { self.all };
                assert_eq!((as_millis(took) / f64::from(count), count), (value, tokens), "{event}");
                self.judged += 1;
                self.enforce(self.best);
            }
            TuningEvent::ThresholdsSettled { thresholds, .. } => {
                self.best = thresholds;
                self.enforce(thresholds);
            }
            TuningEvent::SearchBegun { .. } | TuningEvent::FitFailed { .. } => {}
        }
    }
}

/// The edges' events in order.
fn of_edge(events: &[Stamped], edge: u32) -> impl Iterator<Item = &Stamped> {
    events.iter().filter(move |stamped| stamped.endpoint == Endpoint::Edge(edge))
}

fn tuning_of(events: &[Stamped], edge: u32) -> Vec<TuningEvent> {
    let events = of_edge(events, edge).filter_map(|stamped| match stamped.event {
        Event::Tuning(event) => Some(event),
        _ => None,
    });
    events.collect()
}

#[test]
fn rounds_keep_their_thresholds_and_candidates_are_judged_by_their_own_rounds() {
    // Latencies differ by round, so that a credit too many or too few changes the value.
    for tuning in support::tunings() {
        for seed in 0..4 {
            let setup = support::tuned(support::dynamic(support::method(PIPESD), 1300), tuning);
            let own = setup.edge.method.trigger.thresholds().expect("R1 and R2");
            let mut reader = Reader::new(own);
            let events = support::record(&setup, seed).events;
            of_edge(&events, 0).for_each(|stamped| reader.read(stamped));
            assert!(reader.judged >= 16, "{} candidates", reader.judged);
            assert!(reader.switched_while_drafting > 5, "{}", reader.switched_while_drafting);
        }
    }
}

#[test]
fn drafting_goes_on_while_a_fit_is_under_way_and_fits_come_one_at_a_time() {
    let [_, tuning] = support::tunings();
    let setup = support::tuned(support::paper(support::method(PIPESD), 2600), tuning);
    // Ten seconds of S1 are some seventy tokens.
    let fit = Latency::Constant { mean: 10_000.0 };
    let profile = Profile { fit, ..Profile::clone(&setup.profile) }.into();
    let recording = support::record(&Setup { profile, ..setup }, 1);
    let mut fits = BTreeMap::new();
    for (_, at, output) in &recording.outputs {
        if let Output::Start { id, work: Work::Fit(_) } = output {
            fits.insert(*id, *at);
        }
    }
    let mut spans = Vec::new();
    for (_, at, input) in &recording.inputs {
        if let Input::Finished { work, result: WorkResult::Fitted(_) } = input {
            spans.push((fits[work], *at));
        }
    }
    assert!(spans.len() > 10, "{} fits", spans.len());
    let (count, mut committed_in_all) = (spans.len(), 0);
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "one at a time");
    for (from, to) in spans {
        let during = |stamped: &&Stamped| from < stamped.at && stamped.at < to;
        let events: Vec<_> = recording.events.iter().filter(during).collect();
        let drafted = events.iter().filter(|s| matches!(s.event, Event::Drafted { .. })).count();
        let committed =
            events.iter().filter(|s| matches!(s.event, Event::Committed { .. })).count();
        assert!(drafted > 20 && committed > 5, "{drafted} drafted, {committed} committed");
        committed_in_all += committed;
        assert!(!events.iter().any(|s| matches!(s.event, Event::Tuning(_))));
    }
    assert!(committed_in_all > 40 * count, "{committed_in_all} tokens during {count} fits");
}

#[test]
fn in_s4_the_tuner_restarts_keeps_serving_and_ends() {
    for tuning in support::tunings() {
        let mut restarts = 0;
        for seed in 0..3 {
            let setup = support::tuned(support::dynamic(support::method(PIPESD), 2600), tuning);
            let result = run(&Setup { record: true, ..setup }, Seed(seed)).expect("a sound run");
            let events = &result.recording.as_ref().expect("asked for").events;
            let ends = |s: &&Stamped| {
                matches!(s.event, Event::SessionEnded { outcome: Outcome::Budget, .. })
            };
            assert_eq!(events.iter().filter(ends).count(), 20, "each prompt is served to its end");
            let counts = result.tuning[0].expect("a tuned edge");
            assert_eq!(counts.output, 2600);
            restarts += counts.searches - 1;
            let again = tuning_of(events, 0).into_iter();
            let again =
                again.filter(|e| matches!(e, TuningEvent::SearchBegun { moved: Some(_), .. }));
            assert_eq!(again.count() as u32, counts.searches - 1);
            // A share of all tokens and one search: candidates' tokens, and a round or two beside.
            let candidates = f64::from(tuning.tuner.evaluations + tuning.duel_turns);
            let search = candidates * (f64::from(tuning.tokens_per_candidate) + 20.0);
            let most = tuning.explore_share * counts.output as f64 + search;
            assert!(counts.explored as f64 <= most, "{counts:?}");
            assert!(counts.candidates <= counts.searches * tuning.tuner.evaluations);
        }
        assert!(restarts > 0, "S4 moves TPT");
    }
}

#[test]
fn tuning_is_determined_by_the_runs_seed_and_differs_by_edge() {
    let [paper, _] = support::tunings();
    let setup = Setup { edges: 2, ..support::paper(support::method(PIPESD), 390) };
    let setup = support::tuned(setup, paper);
    let events = |seed| support::record(&setup, seed).events;
    let one = events(3);
    assert_eq!(one, events(3));
    let candidates = |events: &[Stamped], edge| -> Vec<Thresholds> {
        let begun = tuning_of(events, edge).into_iter().filter_map(|event| match event {
            TuningEvent::CandidateBegun { thresholds, .. } => Some(thresholds),
            _ => None,
        });
        begun.collect()
    };
    let [first, second] = [0, 1].map(|edge| candidates(&one, edge));
    assert!(first.len() > 5 && second.len() > 5);
    assert_ne!(first[0], second[0], "two edges do not try the same points");
    assert_ne!(first[0], candidates(&events(4), 0)[0], "nor do two runs");
    let config = |edge| setup.edge_config(Seed(3), edge).tuning.map(|tuning| tuning.seed);
    let expected = |edge| Some(TuningConfig::for_edge(paper, Seed(3), edge).seed);
    assert_eq!([config(0), config(1)], [expected(0), expected(1)]);
}
