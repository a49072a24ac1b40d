//! Online tuning: the edge searches its trigger's thresholds while it decodes (paper §5).
//!
//! ```text
//!            ┌────────────────────── search ─────────────────────────────┐
//!  Serving ──┤  Fitting ── candidate ──► Trying ── its value ──► Fitting │
//!  the best  │     └── recommendation ──► Confirming                     ├──► Serving, and
//!  known     └───────────────────────────────────────────────────────────┘    drift is watched
//! ```
//!
//! - A round keeps the thresholds in force when it was opened: a change is for rounds begun afterwards.
//! - A candidate is judged by rounds begun under it alone; see [`trial::Trial`] for whose time is whose.
//!   It is finished after a number of output tokens, or when it has become hopeless.
//! - A recommendation may have to prove itself against what was best before it ([`duel::Duel`]).
//! - While a fit is under way, and between searches, the best known thresholds serve: the last
//!   recommendation, before the first one the method's own.
//! - After a search TPT is watched; if it moves, the next search begins ([`drift::Drift`]), unless too
//!   large a share of all tokens was spent on exploring already.
//! - A fit that fails ends its search, and the best known thresholds stay. The next search begins when
//!   TPT moves, as after any search.
//!
//! The tuner persists over prompts. It reads no clock: its randomness is the configuration's seed, and
//! what a fit finds comes back as an input, so that a tuned run replays.
//!
//! Deliberately absent: the cost of switching. A candidate is judged on the window N̂ and the upload plan
//! that the rounds before it have left; 100 draft lengths are longer than any candidate's trial.

mod config;
mod drift;
mod duel;
mod trial;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

pub use self::config::{
    DUEL_TURNS_MAX, THRESHOLD_MARGIN, TUNING_TOKENS_MAX, TuningConfig, TuningError,
};
use self::drift::Drift;
use self::duel::Duel;
use self::trial::{Interval, Trial};
use crate::contract::Output;
use crate::event::{Event, TuningEvent};
use crate::seed::Seed;
use crate::time::Instant;
use crate::trigger::{Thresholds, TriggerConfig};
use crate::tuner::{Candidate, Fit, FitFailure, Fitted, Observation, Point, Question, Tuner};

/// The thresholds in force from some time on. Numbers rise: two periods of equal thresholds differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Setting {
    pub(super) number: u32,
    /// The trigger at these thresholds.
    pub(super) trigger: TriggerConfig,
    /// Whether they are tried, not known to be best.
    explores: bool,
}

/// What tuning has done and cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TuningCounts {
    /// Searches begun.
    pub searches: u32,
    /// Fits started.
    pub fits: u32,
    /// Fits that failed.
    pub failures: u32,
    /// Candidates judged.
    pub candidates: u32,
    /// Of these given up as hopeless.
    pub hopeless: u32,
    /// Output tokens of resolved rounds \[tokens\].
    pub output: u64,
    /// Of these from rounds begun under candidates other than the best known thresholds \[tokens\].
    pub explored: u64,
}

#[derive(Clone, Debug)]
enum Phase {
    /// No search.
    Serving,
    /// A fit is wanted or, once `started`, under way.
    Fitting { search: Tuner, question: Question, started: bool },
    /// A candidate is in force.
    Trying { search: Tuner, trial: Trial },
    /// The recommendation and what was best before it take turns.
    Confirming { duel: Duel },
}

/// Where the interval under way began.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    /// Number of the setting of the round resolved there; None: decoding started there.
    setting: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Tuning {
    config: TuningConfig,
    best: Thresholds,
    setting: Setting,
    phase: Phase,
    mark: Option<Mark>,
    drift: Drift,
    counts: TuningCounts,
}

impl Tuning {
    /// # Panics
    /// If the trigger cannot be tuned so: see [`TuningConfig::check`].
    pub(super) fn new(config: TuningConfig, trigger: TriggerConfig) -> Self {
        let best = config.check(trigger).unwrap_or_else(|error| panic!("{error}"));
        Self {
            config,
            best,
            setting: Setting { number: 0, trigger, explores: false },
            phase: Phase::Serving,
            mark: None,
            drift: Drift::default(),
            counts: TuningCounts::default(),
        }
    }

    /// What rounds begun now are begun under.
    pub(super) const fn setting(&self) -> Setting {
        self.setting
    }

    pub(super) const fn counts(&self) -> TuningCounts {
        self.counts
    }

    pub(super) const fn on_decoding_started(&mut self, now: Instant) {
        self.mark = Some(Mark { at: now, setting: None });
    }

    /// A round begun under `setting` was resolved with so many output tokens.
    pub(super) fn on_resolved(
        &mut self,
        now: Instant,
        setting: Setting,
        tokens: u32,
        outputs: &mut VecDeque<Output>,
    ) {
        let mark = self.mark.replace(Mark { at: now, setting: Some(setting.number) });
        let mark = mark.expect("rounds are resolved while decoding");
        let pure = mark.setting.is_none_or(|before| before == setting.number);
        let interval = Interval { took: now - mark.at, tokens, setting, pure };
        self.counts.output += u64::from(tokens);
        self.counts.explored += if setting.explores { u64::from(tokens) } else { 0 };
        match &mut self.phase {
            Phase::Fitting { .. } => {}
            Phase::Trying { trial, .. } => {
                trial.credit(&interval);
                self.judge(outputs);
            }
            Phase::Confirming { duel } => {
                if duel.credit(&interval, self.config.tokens_per_candidate) {
                    let duel = duel.clone();
                    self.next_turn(duel, outputs);
                }
            }
            Phase::Serving => self.watch(&interval, outputs),
        }
    }

    /// The fit to start now, if one is wanted and none is under way.
    pub(super) fn next_fit(&mut self, outputs: &mut VecDeque<Output>) -> Option<Fit> {
        if self.counts.searches == 0 {
            self.begin_search(None, outputs);
        }
        match &mut self.phase {
            Phase::Fitting { search, question, started } if !*started => {
                *started = true;
                self.counts.fits += 1;
                Some(Fit { search: search.clone(), question: *question })
            }
            _ => None,
        }
    }

    /// # Panics
    /// If the answer is not to the question that was asked.
    pub(super) fn on_fitted(&mut self, fitted: &Fitted, outputs: &mut VecDeque<Output>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Serving);
        let Phase::Fitting { mut search, question, started: true } = phase else {
            panic!("a fit answers a start")
        };
        match (question, fitted) {
            (Question::Candidate, Fitted::Candidate(candidate)) => {
                let thresholds = self.best.at(candidate.point.coordinates());
                match (search.accept(candidate.clone()), thresholds) {
                    (Ok(()), Some(thresholds)) => {
                        self.try_candidate(search, candidate.clone(), thresholds, outputs);
                    }
                    _ => self.fail(FitFailure::Refused, outputs),
                }
            }
            (Question::Recommendation, Fitted::Recommendation(point)) => {
                let inside = search.bounds().contains(point);
                match self.best.at(point.coordinates()).filter(|_| inside) {
                    Some(thresholds) => self.confirm(thresholds, outputs),
                    None => self.fail(FitFailure::Refused, outputs),
                }
            }
            (_, Fitted::Failed(failure)) => self.fail(*failure, outputs),
            (question, other) => panic!("{other:?} does not answer {question:?}"),
        }
    }

    const fn search_number(&self) -> u32 {
        self.counts.searches - 1
    }

    fn tell(outputs: &mut VecDeque<Output>, event: TuningEvent) {
        outputs.push_back(Output::Event(Event::Tuning(event)));
    }

    fn begin_search(&mut self, moved: Option<[f64; 2]>, outputs: &mut VecDeque<Output>) {
        let number = self.counts.searches;
        self.counts.searches += 1;
        Self::tell(outputs, TuningEvent::SearchBegun { search: number, moved });
        let mut stream = self.config.seed.stream("tuning.search", u64::from(number));
        let seed = Seed(stream.at(0).bits());
        let bounds = self.config.bounds(self.best).expect("one or two thresholds");
        let mut search = Tuner::new(self.config.tuner, bounds, seed).expect("a search was checked");
        if self.config.starts_from_best {
            let sides = search.bounds().sides().iter().zip(self.best.coordinates());
            // The method's own thresholds may lie in the margin: the model sees the nearest point.
            let inside = sides.map(|(&[lower, upper], value)| value.clamp(lower, upper));
            let candidate = Candidate { number: 0, point: Point::new(inside.collect()) };
            search.accept(candidate.clone()).expect("the first candidate lies in the box");
            self.try_candidate(search, candidate, self.best, outputs);
        } else {
            self.ask(search);
        }
    }

    /// The next candidate or, at the end of the budget, the recommendation.
    fn ask(&mut self, search: Tuner) {
        let question =
            if search.is_done() { Question::Recommendation } else { Question::Candidate };
        self.phase = Phase::Fitting { search, question, started: false };
    }

    fn enforce(&mut self, thresholds: Thresholds) {
        self.setting = Setting {
            number: self.setting.number + 1,
            trigger: self.setting.trigger.at(thresholds),
            explores: thresholds != self.best,
        };
    }

    fn try_candidate(
        &mut self,
        search: Tuner,
        candidate: Candidate,
        thresholds: Thresholds,
        outputs: &mut VecDeque<Output>,
    ) {
        self.enforce(thresholds);
        let (search_number, number) = (self.search_number(), candidate.number);
        let begun = TuningEvent::CandidateBegun { search: search_number, number, thresholds };
        Self::tell(outputs, begun);
        let trial = Trial::new(candidate, thresholds, self.setting.number);
        self.phase = Phase::Trying { search, trial };
    }

    /// Ends the trial if the candidate has its value.
    fn judge(&mut self, outputs: &mut VecDeque<Output>) {
        let Phase::Trying { search, trial } = &mut self.phase else { return };
        let wanted = self.config.tokens_per_candidate;
        let least = |least: f64, told: &Observation| least.min(told.value);
        let best_value = search.observations().iter().fold(f64::INFINITY, least);
        let patience = self.config.hopeless.map(|factor| factor * best_value * f64::from(wanted));
        let Some(judgement) = trial.judgement(wanted, patience) else { return };
        let number = trial.candidate.number;
        search.tell(&trial.candidate, judgement.value).expect("a time for the outstanding one");
        let (search, thresholds) = (search.clone(), trial.thresholds);
        self.counts.candidates += 1;
        self.counts.hopeless += u32::from(judgement.hopeless);
        Self::tell(
            outputs,
            TuningEvent::CandidateJudged {
                search: self.search_number(),
                number,
                thresholds,
                value: judgement.value,
                tokens: judgement.tokens,
                hopeless: judgement.hopeless,
            },
        );
        self.enforce(self.best);
        self.ask(search);
    }

    /// Takes a recommendation, or has it prove itself first.
    fn confirm(&mut self, recommended: Thresholds, outputs: &mut VecDeque<Output>) {
        if self.config.duel_turns == 0 || recommended == self.best {
            self.settle(recommended, outputs);
        } else {
            self.next_turn(Duel::new(self.best, recommended), outputs);
        }
    }

    fn next_turn(&mut self, mut duel: Duel, outputs: &mut VecDeque<Output>) {
        if duel.turn == 2 * self.config.duel_turns {
            return self.settle(duel.winner(), outputs);
        }
        let (search, turn, thresholds) = (self.search_number(), duel.turn, duel.thresholds());
        self.enforce(thresholds);
        Self::tell(outputs, TuningEvent::TurnBegun { search, turn, thresholds });
        duel.begin_turn(self.setting.number);
        self.phase = Phase::Confirming { duel };
    }

    fn settle(&mut self, thresholds: Thresholds, outputs: &mut VecDeque<Output>) {
        self.best = thresholds;
        let search = self.search_number();
        Self::tell(outputs, TuningEvent::ThresholdsSettled { search, thresholds });
        self.serve();
    }

    fn fail(&mut self, failure: FitFailure, outputs: &mut VecDeque<Output>) {
        self.counts.failures += 1;
        let search = self.search_number();
        Self::tell(outputs, TuningEvent::FitFailed { search, failure });
        self.serve();
    }

    fn serve(&mut self) {
        self.enforce(self.best);
        self.drift = Drift::default();
        self.phase = Phase::Serving;
    }

    /// Begins the next search if TPT has moved and the exploring share allows it.
    fn watch(&mut self, interval: &Interval, outputs: &mut VecDeque<Output>) {
        if interval.setting.number != self.setting.number || !interval.pure {
            return;
        }
        let TuningConfig { drift_share, drift_window, drift_errors, explore_share, .. } =
            self.config;
        let guard = (drift_share, drift_errors);
        let moved = self.drift.on_interval(interval.took, interval.tokens, drift_window, guard);
        let (explored, output) = (self.counts.explored as f64, self.counts.output as f64);
        if moved.is_some() && explored <= explore_share * output {
            self.begin_search(moved, outputs);
        }
    }
}

#[cfg(test)]
mod tests;
