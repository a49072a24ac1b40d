//! How edges share one cloud: the target's own book (who waits for it, how busy it is), and how even
//! the edges' shares are. Kept from events, the same for simulated and live runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::ids::{RoundId, SessionId};
use crate::time::{Duration, Instant};

/// Totals of the target over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudCounts {
    /// NAVs that entered a forward pass.
    pub navs: u64,
    /// Forward passes; less than `navs` where passes are shared.
    pub passes: u64,
    /// Time that these NAVs, complete and their parents verified, waited for the target, added up.
    pub waited: Duration,
    /// Time with prefill or a forward pass under way, server overhead included.
    pub busy: Duration,
}

/// The book of the target. Feed it the cloud's events in order.
///
/// A NAV waits from the moment at which it could be verified (its last token is there and its parent
/// is verified) to the start of its forward pass: what is left is the target being busy, with this
/// session's prefill or with other sessions. Alone at the cloud, an edge never waits.
#[derive(Clone, Debug, Default)]
pub struct CloudLedger {
    counts: CloudCounts,
    sessions: BTreeMap<SessionId, Arrivals>,
    in_service: u32,
    busy_since: Instant,
}

/// What the cloud holds of a session.
#[derive(Clone, Debug, Default)]
struct Arrivals {
    /// When its last verified round left the target.
    verified: Instant,
    /// When the last upload of each round arrived that was neither verified nor dropped.
    rounds: BTreeMap<RoundId, Instant>,
}

impl CloudLedger {
    /// The totals at `now`, a pass under way counted up to then.
    #[must_use]
    pub fn counts(&self, now: Instant) -> CloudCounts {
        let under_way = match self.in_service {
            0 => Duration::ZERO,
            _ => now.saturating_since(self.busy_since),
        };
        CloudCounts { busy: self.counts.busy + under_way, ..self.counts }
    }

    /// Takes in an event; those of edges change nothing.
    pub fn record(&mut self, now: Instant, event: &Event) {
        match *event {
            Event::UploadReceived { session, round, .. } => {
                self.sessions.entry(session).or_default().rounds.insert(round, now);
            }
            Event::StaleDropped { session, round, .. } => {
                if let Some(arrivals) = self.sessions.get_mut(&session) {
                    arrivals.rounds.remove(&round);
                }
            }
            Event::VerifyStarted { session, round, .. } => {
                let arrivals = self.sessions.entry(session).or_default();
                let arrived = arrivals.rounds.remove(&round).unwrap_or(now);
                self.counts.navs += 1;
                self.counts.waited += now.saturating_since(arrived.max(arrivals.verified));
                // The blocks of one pass start together.
                self.counts.passes += u64::from(self.in_service == 0);
                self.begin(now);
            }
            Event::VerifyFinished { session, .. } => {
                if let Some(arrivals) = self.sessions.get_mut(&session) {
                    arrivals.verified = now;
                }
                self.finish(now);
            }
            Event::PrefillStarted { .. } => self.begin(now),
            Event::PrefillFinished { .. } => self.finish(now),
            _ => {}
        }
    }

    /// The cloud was started anew: it holds nothing, and what it was doing is over.
    pub fn restart(&mut self, now: Instant) {
        self.counts = self.counts(now);
        self.in_service = 0;
        self.sessions.clear();
    }

    /// Forgets a session that its edge has closed, and what of it was not verified.
    pub fn close(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    fn begin(&mut self, now: Instant) {
        if self.in_service == 0 {
            self.busy_since = now;
        }
        self.in_service += 1;
    }

    fn finish(&mut self, now: Instant) {
        self.in_service = self.in_service.saturating_sub(1);
        if self.in_service == 0 {
            self.counts.busy += now.saturating_since(self.busy_since);
        }
    }
}

/// Jain's index of fairness of some shares, (Σx)² / (n·Σx²): 1 if all are equal, 1/n if one has all.
/// None without shares, or if they are all zero or one of them has no size.
///
/// Jain, Chiu, Hawe (1984): A quantitative measure of fairness and discrimination for resource
/// allocation in shared computer systems, DEC-TR-301.
#[must_use]
pub fn jain_index(shares: &[f64]) -> Option<f64> {
    // Relative to the largest, so that no square leaves the range of numbers.
    let largest = shares.iter().copied().fold(0.0, f64::max);
    let valid = |share: &f64| share.is_finite() && *share >= 0.0;
    if largest == 0.0 || !shares.iter().all(valid) {
        return None;
    }
    let relative = shares.iter().map(|share| share / largest);
    let (sum, squares) = relative.fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
    Some(sum * sum / (shares.len() as f64 * squares))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn received(session: u64, round: u32) -> Event {
        let (session, round) = (SessionId(session), RoundId(round));
        Event::UploadReceived { session, round, offset: 0, tokens: 1, nav: true }
    }

    fn started(session: u64, round: u32) -> Event {
        Event::VerifyStarted { session: SessionId(session), round: RoundId(round), tokens: 1 }
    }

    fn finished(session: u64, round: u32) -> Event {
        Event::VerifyFinished { session: SessionId(session), round: RoundId(round), tokens: 1 }
    }

    #[test]
    fn a_nav_waits_from_when_it_could_be_verified() {
        let mut ledger = CloudLedger::default();
        for (ms, event) in [
            (0, received(0, 0)),
            (0, started(0, 0)),
            (10, received(0, 1)), // Complete, but its parent is being verified: no wait yet.
            (20, received(1, 0)),
            (30, finished(0, 0)),
            (30, started(1, 0)), // It waited 10 ms.
            (50, finished(1, 0)),
            (50, started(0, 1)), // 20 ms since its parent's verdict.
        ] {
            ledger.record(at(ms), &event);
        }
        let counts = ledger.counts(at(57));
        assert_eq!((counts.navs, counts.passes), (3, 3));
        assert_eq!(counts.waited, Duration::from_millis(30));
        assert_eq!(counts.busy, Duration::from_millis(57));
    }

    #[test]
    fn a_shared_pass_is_one_pass_and_busy_once() {
        let mut ledger = CloudLedger::default();
        for (ms, event) in [
            (0, Event::PrefillStarted { session: SessionId(2), tokens: 1 }),
            (1, received(0, 0)),
            (4, received(1, 0)),
            (5, Event::PrefillFinished { session: SessionId(2) }),
            (5, started(0, 0)),
            (5, started(1, 0)),
            (15, finished(0, 0)),
            (15, finished(1, 0)),
        ] {
            ledger.record(at(ms), &event);
        }
        let counts = ledger.counts(at(100));
        assert_eq!((counts.navs, counts.passes), (2, 1));
        assert_eq!(counts.waited, Duration::from_millis(4 + 1));
        assert_eq!(counts.busy, Duration::from_millis(15));
    }

    #[test]
    fn jain_of_the_extremes_and_of_the_example_in_the_report() {
        assert_eq!(jain_index(&[3.0]), Some(1.0));
        assert_eq!(jain_index(&[2.0; 7]), Some(1.0));
        assert_eq!(jain_index(&[0.0, 5.0, 0.0, 0.0]), Some(0.25));
        // k of n share alike, the others have nothing: k/n.
        assert_eq!(jain_index(&[1.0, 1.0, 0.0, 0.0, 0.0]), Some(0.4));
        assert_eq!(jain_index(&[]), None);
        assert_eq!(jain_index(&[0.0, 0.0]), None);
        assert_eq!(jain_index(&[1.0, f64::INFINITY]), None);
        assert_eq!(jain_index(&[1.0, f64::NAN]), None);
        assert_eq!(jain_index(&[1.0, -1.0]), None);
    }

    proptest! {
        #[test]
        fn jain_lies_between_one_nth_and_one_and_has_no_unit(
            shares in prop::collection::vec(1e-3..1e3_f64, 1..20),
            exponent in -200..200_i32,
        ) {
            let index = jain_index(&shares).expect("positive shares");
            let n = shares.len() as f64;
            prop_assert!(1.0 / n - 1e-12 <= index && index <= 1.0 + 1e-12, "{}", index);
            // A power of ten that shares stay within the range of numbers under.
            let factor = libm::pow(10.0, f64::from(exponent));
            let scaled: Vec<f64> = shares.iter().map(|share| share * factor).collect();
            let moved = jain_index(&scaled).expect("positive shares");
            prop_assert!((moved - index).abs() < 1e-12, "{} {}", index, moved);
            // The order of the edges is of no matter.
            let mut turned = shares;
            turned.reverse();
            let again = jain_index(&turned).expect("positive shares");
            prop_assert!((again - index).abs() < 1e-12);
        }

        #[test]
        fn giving_from_the_richer_to_the_poorer_is_fairer(
            shares in prop::collection::vec(1e-3..1e3_f64, 2..20),
            pick in any::<prop::sample::Index>(),
            part in 0.01..1.0_f64,
        ) {
            let (poor, rich) = (pick.index(shares.len()), (pick.index(shares.len()) + 1) % shares.len());
            let mut after = shares.clone();
            let gift = part * 0.5 * (shares[rich] - shares[poor]);
            after[rich] -= gift;
            after[poor] += gift;
            let [before, after] = [shares, after].map(|shares| jain_index(&shares).expect("positive"));
            prop_assert!(after >= before - 1e-12, "{} {}", before, after);
        }
    }
}
