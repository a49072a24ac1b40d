//! What goes wrong, and when: plans of faults that the simulator and the network emulator both carry out.
//!
//! A plan is data: it says what the network is like for a packet or a message at some time, and what happens
//! to the cloud. Times are counted from the beginning of a run. The emulator applies it to packets of QUIC,
//! which repairs most of it; the simulator to messages, which are late, come twice, or are lost with their
//! link. Who carries a plan out knows no more than what is asked here.

use serde::{Deserialize, Serialize};

use crate::seed::Seed;
use crate::time::{Duration, Instant};

/// A direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Edge to cloud.
    Up,
    /// Cloud to edge.
    Down,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum FaultKind {
    /// Nothing passes, either way.
    Cut,
    /// Nothing passes one way.
    BlackHole {
        /// Which.
        way: Way,
    },
    /// Everything is later by a time.
    Delay {
        /// \[ms\].
        by_ms: u32,
    },
    /// Everything is later by a time of its own, so that it overtakes: up to this one.
    Reorder {
        /// \[ms\].
        by_ms: u32,
    },
    /// A part of what is sent comes twice.
    Duplicate {
        /// 0 to 1.
        share: f64,
    },
    /// A part of what is sent comes with a byte that is wrong.
    Corrupt {
        /// 0 to 1.
        share: f64,
    },
    /// The edge gets another address, at once.
    Move,
    /// The cloud is killed, and started anew when the fault is over.
    RestartCloud,
    /// The target makes no progress.
    StallBackend,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins, from the beginning of the run \[ms\].
    pub at_ms: u64,
    /// How long it lasts \[ms\].
    #[serde(default)]
    pub lasts_ms: u64,
    /// The edge whose link it is about; None: all. Of no meaning for a fault of the cloud.
    #[serde(default)]
    pub edge: Option<u32>,
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
}

impl Fault {
    /// When it begins and is over.
    #[must_use]
    pub const fn span(&self) -> (Instant, Instant) {
        let end = self.at_ms.saturating_add(self.lasts_ms);
        (instant(self.at_ms), instant(end))
    }

    fn is_on(&self, now: Instant) -> bool {
        let (begin, end) = self.span();
        begin <= now && now < end
    }

    const fn is_of(&self, edge: u32) -> bool {
        match self.edge {
            None => true,
            Some(own) => own == edge,
        }
    }
}

const fn instant(ms: u64) -> Instant {
    Instant::from_nanos(ms.saturating_mul(1_000_000))
}

/// What the network does to a packet or message.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// It does not pass before this time, if at all.
    pub closed_until: Option<Instant>,
    /// It is later by this time.
    pub delay: Duration,
    /// And by up to this time, at random.
    pub spread: Duration,
    /// It comes twice with this probability.
    pub duplicate: f64,
    /// It is corrupted with this probability.
    pub corrupt: f64,
}

/// Faults of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// Of all chance in carrying it out.
    #[serde(default)]
    pub seed: u64,
    /// In any order.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
}

/// Faults of a plan at most: each packet is held against each of them.
pub const FAULTS_MAX: usize = 1000;

impl FaultPlan {
    /// Nothing goes wrong.
    pub const NONE: Self = Self { seed: 0, faults: Vec::new() };

    /// Whether nothing goes wrong.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Whether its values are in range.
    ///
    /// # Errors
    /// What is wrong, and with which fault.
    pub fn check(&self) -> Result<(), String> {
        let count = self.faults.len();
        if count > FAULTS_MAX {
            return Err(format!("{count} faults, there may be {FAULTS_MAX}"));
        }
        for (number, fault) in (1..).zip(&self.faults) {
            match fault.kind {
                FaultKind::Duplicate { share } | FaultKind::Corrupt { share }
                    if !(0.0..=1.0).contains(&share) =>
                {
                    return Err(format!("fault {number}: `share` is {share}, it must be 0 to 1"));
                }
                FaultKind::Delay { by_ms } | FaultKind::Reorder { by_ms } if by_ms > 60_000 => {
                    return Err(format!(
                        "fault {number}: `by_ms` is {by_ms}, it must be 0 to 60000"
                    ));
                }
                FaultKind::Move => {}
                _ if fault.lasts_ms == 0 => {
                    return Err(format!("fault {number}: `lasts_ms` is missing or 0"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What the network does to what is on its way from or to an edge at `now`.
    #[must_use]
    pub fn weather(&self, edge: u32, way: Way, now: Instant) -> Weather {
        let mut weather = Weather::default();
        for fault in self.faults.iter().filter(|fault| fault.is_of(edge) && fault.is_on(now)) {
            match fault.kind {
                FaultKind::Cut => weather.close(fault),
                FaultKind::BlackHole { way: own } if own == way => weather.close(fault),
                FaultKind::Delay { by_ms } => weather.delay += millis(by_ms),
                FaultKind::Reorder { by_ms } => weather.spread += millis(by_ms),
                FaultKind::Duplicate { share } => weather.duplicate = weather.duplicate.max(share),
                FaultKind::Corrupt { share } => weather.corrupt = weather.corrupt.max(share),
                FaultKind::BlackHole { .. }
                | FaultKind::Move
                | FaultKind::RestartCloud
                | FaultKind::StallBackend => {}
            }
        }
        weather
    }

    /// Times at which an edge and the cloud cannot hear each other, one way or both, in order and apart.
    #[must_use]
    pub fn silences(&self, edge: u32) -> Vec<(Instant, Instant)> {
        let is_silence =
            |fault: &&Fault| matches!(fault.kind, FaultKind::Cut | FaultKind::BlackHole { .. });
        joined(self.faults.iter().filter(|fault| fault.is_of(edge)).filter(is_silence))
    }

    /// Times at which the cloud is away, in order and apart.
    #[must_use]
    pub fn restarts(&self) -> Vec<(Instant, Instant)> {
        joined(self.faults.iter().filter(|fault| matches!(fault.kind, FaultKind::RestartCloud)))
    }

    /// Times at which the target makes no progress, in order and apart.
    #[must_use]
    pub fn stalls(&self) -> Vec<(Instant, Instant)> {
        joined(self.faults.iter().filter(|fault| matches!(fault.kind, FaultKind::StallBackend)))
    }

    /// When an edge gets other addresses, in order.
    #[must_use]
    pub fn moves(&self, edge: u32) -> Vec<Instant> {
        let own = self.faults.iter().filter(|fault| fault.is_of(edge));
        let moves = own.filter(|fault| matches!(fault.kind, FaultKind::Move));
        let mut moves: Vec<Instant> = moves.map(|fault| fault.span().0).collect();
        moves.sort_unstable();
        moves
    }

    /// When the last of them is over.
    #[must_use]
    pub fn end(&self) -> Instant {
        self.faults.iter().map(|fault| fault.span().1).max().unwrap_or(Instant::ZERO)
    }

    /// When work that begins at `from` and takes `took` ends, with what stalls it on the way.
    #[must_use]
    pub fn stalled_end(&self, from: Instant, took: Duration) -> Instant {
        let mut end = from + took;
        for (begin, over) in self.stalls() {
            if begin < end && over > from {
                end += over - begin.max(from);
            }
        }
        end
    }

    /// A plan by chance: about one fault in `every`, of all kinds, for `edges` edges over `horizon`.
    ///
    /// Each fault lasts up to `longest`; with the cloud's own ones (`cloud`) among them.
    #[must_use]
    pub fn random(
        seed: Seed,
        edges: u32,
        horizon: Duration,
        every: Duration,
        longest: Duration,
        cloud: bool,
    ) -> Self {
        let mut stream = seed.stream("faults", 0);
        let mut faults = Vec::new();
        let mut at = Duration::ZERO;
        for key in 0..FAULTS_MAX as u64 {
            let mut draws = stream.at(key);
            at += every.mul_f64(-libm::log(draws.uniform()));
            if at >= horizon {
                break;
            }
            let lasts = longest.mul_f64(draws.uniform());
            let edge = (draws.bits() % u64::from(edges.max(1))) as u32;
            let of_all = draws.uniform() < 0.1;
            let by_ms = (draws.uniform() * 300.0) as u32;
            let share = 0.3 * draws.uniform();
            let choice = draws.bits() % if cloud { 10 } else { 8 };
            let kind = match choice {
                0 => FaultKind::Cut,
                1 => FaultKind::BlackHole { way: Way::Up },
                2 => FaultKind::BlackHole { way: Way::Down },
                3 => FaultKind::Delay { by_ms },
                4 => FaultKind::Reorder { by_ms },
                5 => FaultKind::Duplicate { share },
                6 => FaultKind::Corrupt { share },
                7 => FaultKind::Move,
                8 => FaultKind::RestartCloud,
                _ => FaultKind::StallBackend,
            };
            let edge = Some(edge).filter(|_| !of_all && choice < 8);
            let (at_ms, lasts_ms) = (at.as_millis() as u64, lasts.as_millis() as u64 + 1);
            faults.push(Fault { at_ms, lasts_ms, edge, kind });
        }
        Self { seed: seed.0, faults }
    }
}

impl Weather {
    fn close(&mut self, fault: &Fault) {
        self.closed_until = self.closed_until.max(Some(fault.span().1));
    }
}

const fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms as u64)
}

/// Spans in order; those that touch are one.
fn joined<'a>(faults: impl Iterator<Item = &'a Fault>) -> Vec<(Instant, Instant)> {
    let mut spans: Vec<_> = faults.map(Fault::span).collect();
    spans.sort_unstable();
    let mut apart: Vec<(Instant, Instant)> = Vec::new();
    for (begin, end) in spans {
        match apart.last_mut() {
            Some(last) if begin <= last.1 => last.1 = last.1.max(end),
            _ => apart.push((begin, end)),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(at_ms: u64, lasts_ms: u64, edge: Option<u32>, kind: FaultKind) -> Fault {
        Fault { at_ms, lasts_ms, edge, kind }
    }

    fn plan() -> FaultPlan {
        let faults = vec![
            fault(100, 50, Some(1), FaultKind::Cut),
            fault(140, 60, None, FaultKind::BlackHole { way: Way::Up }),
            fault(120, 100, Some(1), FaultKind::Delay { by_ms: 30 }),
            fault(500, 100, None, FaultKind::StallBackend),
            fault(550, 100, None, FaultKind::StallBackend),
            fault(300, 0, Some(1), FaultKind::Move),
        ];
        FaultPlan { seed: 1, faults }
    }

    #[test]
    fn the_weather_is_what_is_on_at_the_time_for_the_edge_and_the_way() {
        let plan = plan();
        let at = |edge, way, ms| plan.weather(edge, way, instant(ms));
        assert_eq!(at(1, Way::Down, 99), Weather::default());
        assert_eq!(at(1, Way::Down, 100).closed_until, Some(instant(150)));
        assert_eq!(at(1, Way::Up, 145).closed_until, Some(instant(200)));
        assert_eq!(at(0, Way::Down, 145), Weather::default());
        assert_eq!(at(0, Way::Up, 145).closed_until, Some(instant(200)));
        assert_eq!(at(1, Way::Down, 219).delay, Duration::from_millis(30));
        assert_eq!(at(1, Way::Down, 220), Weather::default());
        assert_eq!(plan.silences(1), [(instant(100), instant(200))]);
        assert_eq!(plan.silences(0), [(instant(140), instant(200))]);
        assert_eq!((plan.moves(1), plan.moves(0)), (vec![instant(300)], vec![]));
        assert_eq!(plan.end(), instant(650));
    }

    #[test]
    fn stalled_work_takes_as_much_longer_as_the_stall_leaves_of_it() {
        let plan = plan();
        let end = |from, took| plan.stalled_end(instant(from), Duration::from_millis(took));
        assert_eq!(end(400, 100), instant(500));
        assert_eq!(end(400, 101), instant(651));
        assert_eq!(end(600, 10), instant(660));
        assert_eq!(end(650, 10), instant(660));
    }

    #[test]
    fn a_random_plan_is_the_seeds_and_in_range() {
        let random = |seed| {
            let [horizon, every, longest] = [60, 1, 5].map(Duration::from_secs);
            FaultPlan::random(Seed(seed), 4, horizon, every, longest, true)
        };
        assert_eq!(random(1), random(1));
        assert_ne!(random(1), random(2));
        for seed in 0..20 {
            let plan = random(seed);
            assert_eq!(plan.check(), Ok(()));
            assert!((30..100).contains(&plan.faults.len()), "{}", plan.faults.len());
        }
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let of =
            |kind, lasts_ms| FaultPlan { seed: 0, faults: vec![fault(0, lasts_ms, None, kind)] };
        for (plan, problem) in [
            (of(FaultKind::Cut, 0), "fault 1: `lasts_ms` is missing or 0"),
            (
                of(FaultKind::Corrupt { share: 1.5 }, 1),
                "fault 1: `share` is 1.5, it must be 0 to 1",
            ),
            (
                of(FaultKind::Delay { by_ms: 60_001 }, 1),
                "fault 1: `by_ms` is 60001, it must be 0 to 60000",
            ),
        ] {
            assert_eq!(plan.check(), Err(problem.to_owned()));
        }
    }
}
