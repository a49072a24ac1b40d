//! The tuner's rules by hand: rounds are resolved as a test says, fits are answered as it likes.

use proptest::prelude::*;

use super::*;
use crate::method::Threshold;
use crate::time::Duration;
use crate::tuner::{Recommendation, TunerConfig};

const R1: f64 = 0.95;

fn threshold(value: f64) -> Threshold {
    Threshold::new(value).expect("a test's threshold lies in (0, 1)")
}

fn thresholds(r1: f64) -> Thresholds {
    Thresholds { sequence_threshold: Some(threshold(r1)), token_threshold: None }
}

/// A search of two candidates, six tokens each, that is never hopeless.
fn config() -> TuningConfig {
    let tuner = TunerConfig {
        evaluations: 2,
        recommendation: Recommendation::BestObserved,
        ..TunerConfig::paper()
    };
    TuningConfig {
        tuner,
        tokens_per_candidate: 6,
        drift_window: 10,
        ..TuningConfig::paper(Seed(1))
    }
}

/// A tuner in a test's hands.
struct Hand {
    tuning: Tuning,
    now: Instant,
    outputs: VecDeque<Output>,
}

impl Hand {
    /// One whose trigger has R1 alone, decoding.
    fn new(config: TuningConfig) -> Self {
        let trigger = TriggerConfig::SequenceThreshold { sequence_threshold: threshold(R1) };
        let tuning = Tuning::new(config, trigger);
        let mut hand = Self { tuning, now: Instant::ZERO, outputs: VecDeque::new() };
        hand.decode();
        hand
    }

    /// A session starts to decode.
    fn decode(&mut self) {
        self.now += Duration::from_secs(9);
        self.tuning.on_decoding_started(self.now);
    }

    fn setting(&self) -> Setting {
        self.tuning.setting()
    }

    /// A round begun under `setting` is resolved `ms` after the last one, with `tokens`.
    fn resolve(&mut self, setting: Setting, ms: u64, tokens: u32) {
        self.now += Duration::from_millis(ms);
        self.tuning.on_resolved(self.now, setting, tokens, &mut self.outputs);
    }

    /// The fit that is to be started.
    fn fit(&mut self) -> Option<Fit> {
        self.tuning.next_fit(&mut self.outputs)
    }

    fn answer(&mut self, fitted: &Fitted) {
        self.tuning.on_fitted(fitted, &mut self.outputs);
    }

    fn events(&mut self) -> Vec<TuningEvent> {
        let events = self.outputs.drain(..).map(|output| match output {
            Output::Event(Event::Tuning(event)) => event,
            other => panic!("the tuner only tells: {other:?}"),
        });
        events.collect()
    }

    /// Answers the fit that is wanted with a candidate at `r1`; the setting that tries it.
    fn try_at(&mut self, r1: f64) -> Setting {
        let fit = self.fit().expect("a candidate is wanted");
        assert_eq!(fit.question, Question::Candidate);
        let number = fit.search.observations().len() as u32;
        self.answer(&Fitted::Candidate(Candidate { number, point: Point::new(vec![r1]) }));
        self.setting()
    }

    /// Answers the recommendation that is wanted by the search itself.
    fn settle(&mut self) {
        let fit = self.fit().expect("a recommendation is wanted");
        assert_eq!(fit.question, Question::Recommendation);
        self.answer(&fit.run());
    }

    /// The whole first search; the candidate at .5 takes 50 ms a token and wins over 100 ms.
    fn search(&mut self) {
        for (r1, ms) in [(0.5, 50), (0.4, 100)] {
            let setting = self.try_at(r1);
            self.resolve(setting, 1, 1);
            self.resolve(setting, 6 * ms, 6);
        }
        self.settle();
    }
}

/// (value, tokens, hopeless) of each judged candidate.
fn judged(events: &[TuningEvent]) -> Vec<(f64, u32, bool)> {
    let judged = events.iter().filter_map(|event| match *event {
        TuningEvent::CandidateJudged { value, tokens, hopeless, .. } => {
            Some((value, tokens, hopeless))
        }
        _ => None,
    });
    judged.collect()
}

#[test]
fn a_candidate_is_judged_by_rounds_begun_under_it_alone() {
    let mut hand = Hand::new(config());
    let own = hand.setting();
    hand.resolve(own, 70, 2);
    let candidate = hand.try_at(0.5);
    assert_eq!(candidate.trigger.thresholds(), Some(thresholds(0.5)));
    // Begun before the switch; then one whose interval began at that round's end.
    hand.resolve(own, 500, 9);
    hand.resolve(candidate, 900, 9);
    hand.resolve(candidate, 200, 4);
    assert!(judged(&hand.events()).is_empty(), "four tokens are not six");
    hand.resolve(candidate, 100, 3);
    assert_eq!(judged(&hand.events()), [(300.0 / 7.0, 7, false)]);
    let best = hand.setting().trigger.thresholds();
    assert_eq!(best, Some(thresholds(R1)), "the best known serves again");
}

#[test]
fn a_sessions_first_interval_is_all_of_its_own_round() {
    // What another setting left behind ended with its session; prefill counts nowhere.
    let mut hand = Hand::new(config());
    let own = hand.setting();
    let candidate = hand.try_at(0.5);
    hand.resolve(own, 500, 9);
    hand.decode();
    hand.resolve(candidate, 120, 2);
    hand.resolve(candidate, 120, 4);
    assert_eq!(judged(&hand.events()), [(40.0, 6, false)]);
    // A candidate that is still tried when a session ends goes on in the next.
    let candidate = hand.try_at(0.4);
    hand.decode();
    hand.resolve(candidate, 60, 3);
    hand.decode();
    hand.resolve(candidate, 60, 3);
    assert_eq!(judged(&hand.events()), [(20.0, 6, false)]);
}

#[test]
fn rounds_of_a_candidate_that_is_over_count_for_no_one() {
    let mut hand = Hand::new(config());
    let first = hand.try_at(0.5);
    hand.decode();
    hand.resolve(first, 60, 6);
    let second = hand.try_at(0.4);
    hand.resolve(first, 10, 8);
    hand.resolve(second, 10, 8);
    assert_eq!(judged(&hand.events()), [(10.0, 6, false)], "the first's alone");
    hand.resolve(second, 180, 6);
    assert_eq!(judged(&hand.events()), [(30.0, 6, false)]);
}

#[test]
fn a_candidate_that_cannot_win_any_more_is_given_up() {
    let mut hand = Hand::new(TuningConfig { hopeless: Some(2.0), ..config() });
    let first = hand.try_at(0.5);
    hand.decode();
    hand.resolve(first, 600, 6);
    let second = hand.try_at(0.1);
    hand.decode();
    // The best needs 600 ms for its tokens: at 1200 ms there is hope, then there is none.
    hand.resolve(second, 1200, 2);
    hand.events();
    hand.resolve(second, 1, 1);
    assert_eq!(judged(&hand.events()), [(1201.0 / 3.0, 3, true)]);
    // Without an interval of its own it is told the one in which it came into force.
    let mut hand = Hand::new(TuningConfig { hopeless: Some(2.0), ..config() });
    let first = hand.try_at(0.5);
    hand.decode();
    hand.resolve(first, 600, 6);
    let second = hand.try_at(0.1);
    hand.resolve(second, 3000, 2);
    assert_eq!(judged(&hand.events())[1], (1500.0, 2, true));
}

#[test]
fn a_candidate_that_took_no_time_leaves_the_next_one_its_tokens() {
    // Verdicts may come at one instant: a best value of zero is no reason to judge by nothing.
    for hopeless in [None, Some(1.5)] {
        let mut hand = Hand::new(TuningConfig { hopeless, ..config() });
        let first = hand.try_at(0.5);
        hand.decode();
        hand.resolve(first, 0, 6);
        let second = hand.try_at(0.1);
        hand.events();
        hand.resolve(first, 10, 1);
        assert!(hand.events().is_empty(), "nothing was resolved under it");
        hand.decode();
        hand.resolve(second, 0, 6);
        assert_eq!(judged(&hand.events()), [(0.0, 6, false)]);
    }
}

#[test]
fn the_best_known_thresholds_serve_while_a_fit_is_under_way() {
    let mut hand = Hand::new(config());
    let fit = hand.fit().expect("the first candidate is wanted");
    assert_eq!(hand.fit(), None, "one fit at a time");
    assert_eq!(hand.setting().trigger.thresholds(), Some(thresholds(R1)));
    hand.answer(&fit.run());
    assert_eq!(hand.fit(), None, "the candidate is in force, nothing is to be fitted");
    let candidate = hand.setting();
    assert_ne!(candidate.trigger.thresholds(), Some(thresholds(R1)));
    hand.decode();
    hand.resolve(candidate, 60, 6);
    assert!(hand.fit().is_some());
    assert_eq!(hand.setting().trigger.thresholds(), Some(thresholds(R1)));
}

#[test]
fn the_recommendation_serves_and_a_moved_tpt_begins_a_new_search_with_other_numbers() {
    let mut hand = Hand::new(config());
    let first_search = {
        let mut other = Hand::new(config());
        other.fit().expect("the first fit").search
    };
    hand.search();
    let settled = TuningEvent::ThresholdsSettled { search: 0, thresholds: thresholds(0.5) };
    assert_eq!(hand.events().last(), Some(&settled));
    let best = hand.setting();
    assert_eq!(best.trigger.thresholds(), Some(thresholds(0.5)));
    hand.decode();
    (0..10).for_each(|_| hand.resolve(best, 200, 2));
    assert_eq!((hand.events(), hand.fit()), (vec![], None), "100 ms a token, and so it stays");
    (0..3).for_each(|_| hand.resolve(best, 260, 2));
    assert_eq!(hand.events(), [], "18 % are not 20 %");
    hand.resolve(best, 260, 2);
    let begun = TuningEvent::SearchBegun { search: 1, moved: Some([100.0, 124.0]) };
    assert_eq!(hand.events(), [begun]);
    let second_search = hand.fit().expect("a candidate is wanted").search;
    assert_ne!(second_search, first_search, "a seed of its own");
    assert_eq!(hand.setting().trigger.thresholds(), Some(thresholds(0.5)), "kept meanwhile");
}

#[test]
fn a_failed_fit_is_told_and_ends_the_search_with_the_best_known_thresholds() {
    let failure = FitFailure::NotPositiveDefinite { points: 2 };
    let outside = |fit: &Fit| {
        let number = fit.search.observations().len() as u32;
        Fitted::Candidate(Candidate { number, point: Point::new(vec![1.5]) })
    };
    for (answer, expected) in
        [(None, FitFailure::Refused), (Some(Fitted::Failed(failure)), failure)]
    {
        let mut hand = Hand::new(config());
        let candidate = hand.try_at(0.5);
        hand.decode();
        hand.resolve(candidate, 60, 6);
        let fit = hand.fit().expect("the next candidate is wanted");
        hand.events();
        hand.answer(&answer.unwrap_or_else(|| outside(&fit)));
        assert_eq!(hand.events(), [TuningEvent::FitFailed { search: 0, failure: expected }]);
        assert_eq!(hand.setting().trigger.thresholds(), Some(thresholds(R1)));
        assert_eq!(hand.tuning.counts().failures, 1);
        // It goes on as after any search: nothing until TPT moves, then the next one.
        let best = hand.setting();
        hand.decode();
        (0..20).for_each(|_| hand.resolve(best, 200, 2));
        assert_eq!((hand.events(), hand.fit()), (vec![], None));
        (0..5).for_each(|_| hand.resolve(best, 400, 2));
        assert!(hand.fit().is_some());
        assert!(matches!(hand.events()[..], [TuningEvent::SearchBegun { search: 1, .. }]));
    }
}

#[test]
fn exploring_waits_until_its_share_allows_it() {
    // The first search explores 14 of 14 tokens; a share of .2 allows the next one at 70.
    let mut hand = Hand::new(TuningConfig { explore_share: 0.2, ..config() });
    hand.search();
    hand.events();
    let best = hand.setting();
    hand.decode();
    (0..5).for_each(|_| hand.resolve(best, 200, 2));
    let restarts = (0..40).find(|_| {
        hand.resolve(best, 800, 2);
        !hand.events().is_empty()
    });
    let counts = hand.tuning.counts();
    assert!(restarts.is_some() && counts.explored == 14 && counts.output == 70, "{counts:?}");
}

#[test]
fn a_search_that_starts_from_the_best_tries_it_first_and_explores_nothing() {
    let mut hand = Hand::new(TuningConfig { starts_from_best: true, ..config() });
    assert_eq!(hand.fit(), None);
    let best = hand.setting();
    hand.decode();
    hand.resolve(best, 60, 6);
    assert_eq!(judged(&hand.events()), [(10.0, 6, false)]);
    assert_eq!(hand.tuning.counts().explored, 0);
    let told = hand.fit().expect("the next one is the search's").search.observations().to_vec();
    assert_eq!(told, [Observation { point: Point::new(vec![R1]), value: 10.0 }]);
}

/// Plays the four turns of a duel after a search; what is settled on. Each turn has these
/// milliseconds per token, and a first interval that is half another setting's.
fn duel(per_token: [u64; 4]) -> Thresholds {
    let mut hand = Hand::new(TuningConfig { duel_turns: 2, ..config() });
    hand.search();
    hand.events();
    let mut turns = Vec::new();
    for ms in per_token {
        let setting = hand.setting();
        turns.extend(
            setting.trigger.thresholds().map(|thresholds| thresholds == self::thresholds(R1)),
        );
        assert_eq!(hand.fit(), None);
        hand.resolve(setting, 5000, 7);
        hand.resolve(setting, 6 * ms, 6);
    }
    assert_eq!(turns, [true, false, true, false], "the best known begins");
    let events = hand.events();
    let [.., TuningEvent::ThresholdsSettled { search: 0, thresholds }] = events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(hand.setting().trigger.thresholds(), Some(thresholds));
    thresholds
}

#[test]
fn a_recommendation_proves_itself_in_turns_with_the_best_known() {
    assert_eq!(duel([100, 80, 100, 80]), thresholds(0.5), "faster");
    assert_eq!(duel([100, 120, 100, 120]), thresholds(R1), "slower");
    assert_eq!(duel([100, 100, 100, 100]), thresholds(R1), "no better");
    // A link that slows down in the middle slows both: 100 and 80, then 200 and 160.
    assert_eq!(duel([100, 80, 200, 160]), thresholds(0.5));
}

#[test]
fn what_cannot_be_tuned_is_refused() {
    let fixed = TriggerConfig::FixedLength { draft_length: 6 };
    assert_eq!(config().check(fixed), Err(TuningError::Trigger));
    let trigger = TriggerConfig::SequenceThreshold { sequence_threshold: threshold(R1) };
    assert_eq!(config().check(trigger), Ok(thresholds(R1)));
    for bad in [
        TuningConfig { tokens_per_candidate: 0, ..config() },
        TuningConfig { drift_window: TUNING_TOKENS_MAX + 1, ..config() },
        TuningConfig { drift_share: f64::NAN, ..config() },
        TuningConfig { hopeless: Some(0.5), ..config() },
        TuningConfig { explore_share: 1.5, ..config() },
        TuningConfig { duel_turns: DUEL_TURNS_MAX + 1, ..config() },
        TuningConfig { threshold_min: 1.0, ..config() },
        TuningConfig { tuner: TunerConfig { evaluations: 0, ..config().tuner }, ..config() },
    ] {
        assert!(bad.check(trigger).is_err(), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Rounds of any lengths and times; each begun before the last one was resolved (as ahead of a
    /// verdict) or after it; fits that take any number of rounds, and fail at times.
    #[test]
    fn exploring_and_fits_are_bounded_whatever_happens(
        rounds in prop::collection::vec((1_u64..2000, 1_u32..8, any::<bool>(), 0_u8..40), 1..400),
        share in 0.0..0.5_f64,
        hopeless in prop::option::of(1.0..3.0_f64),
        starts_from_best in any::<bool>(),
        duel_turns in 0_u32..3,
    ) {
        let limits = TuningConfig { explore_share: share, hopeless, duel_turns, ..config() };
        let config = TuningConfig { starts_from_best, ..limits };
        let mut hand = Hand::new(config);
        let mut before = hand.setting();
        let mut fit: Option<Fit> = None;
        for (ms, tokens, ahead, luck) in rounds {
            if let Some(wanted) = hand.fit() {
                prop_assert!(fit.replace(wanted).is_none(), "one fit at a time");
            }
            if luck % 4 == 0 && let Some(fit) = fit.take() {
                let failed = Fitted::Failed(FitFailure::NotFinite);
                hand.answer(&if luck == 0 { failed } else { fit.run() });
            }
            let setting = if ahead { before } else { hand.setting() };
            before = hand.setting();
            if luck == 1 {
                hand.decode();
            }
            hand.resolve(setting, ms, tokens);
            let counts = hand.tuning.counts();
            // A candidate's tokens, the round that passes them, one before them and one after.
            let search = (2 + duel_turns) * (config.tokens_per_candidate + 3 * 7);
            let most = share * counts.output as f64 + f64::from(search);
            prop_assert!(counts.explored as f64 <= most, "{counts:?}");
            prop_assert!(counts.candidates <= 2 * counts.searches, "{counts:?}");
            prop_assert!(counts.fits <= 3 * counts.searches, "{counts:?}");
        }
    }
}
