//! Laws of the cloud's queue that hold on every sample path: first come, first served, never idle
//! while something waits, passes within their bound, and Little's law.

use std::collections::{BTreeMap, VecDeque};

use pipesd_core::cloud::Cloud;
use pipesd_core::contract::{Input, Output, Work, drain};
use pipesd_core::event::{Endpoint, Event};
use pipesd_core::ids::{RoundId, SessionId, WorkId};
use pipesd_core::message::{Message, Upload};
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant, as_millis, nanos};
use pipesd_sim::world::{Recording, Setup, run};
use proptest::prelude::*;

use crate::conservation::any;
use crate::support::{self, PRESETS};

/// What waits for the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    Prefill(SessionId),
    Verify(SessionId, RoundId),
}

impl Job {
    const fn session(self) -> SessionId {
        match self {
            Self::Prefill(session) | Self::Verify(session, _) => session,
        }
    }
}

/// A round as far as the cloud has it.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    parent: Option<RoundId>,
    tokens: u32,
    nav: Option<u32>,
}

impl Held {
    fn is_complete(&self) -> bool {
        self.nav == Some(self.tokens)
    }
}

/// A second opinion on the cloud's queue, from the messages that it receives: one queue for prompts
/// and NAVs, in the order in which they can be served.
#[derive(Debug, Default)]
struct Reference {
    queue: VecDeque<(Job, Instant)>,
    running: Option<(WorkId, Vec<Job>)>,
    held: BTreeMap<(SessionId, RoundId), Held>,
    verified: BTreeMap<SessionId, Option<RoundId>>,
    navs: u64,
    passes: u64,
    waited: Duration,
    busy: Duration,
    busy_since: Instant,
}

impl Reference {
    /// What an input brings, given what the cloud then said to be stale.
    fn take(&mut self, now: Instant, input: &Input, stale: &[(SessionId, RoundId)]) {
        match input {
            Input::Received { message: Message::Open { request, .. }, .. } => {
                self.verified.insert(request.session, None);
                self.queue.push_back((Job::Prefill(request.session), now));
            }
            Input::Received { message: Message::Upload(upload), .. }
                if !stale.contains(&(upload.session, upload.round)) =>
            {
                self.hold(now, upload);
            }
            Input::Received { message: Message::Close { session }, .. } => {
                self.verified.remove(session);
                self.held.retain(|(of, _), _| of != session);
                self.queue.retain(|(job, _)| job.session() != *session);
            }
            Input::Finished { work, .. } => {
                let (id, jobs) = self.running.take().expect("a result answers a start");
                assert_eq!(id, *work);
                self.busy += now - self.busy_since;
                self.held.retain(|round, _| !stale.contains(round));
                for job in jobs {
                    self.finish(now, job);
                }
            }
            _ => {}
        }
    }

    fn hold(&mut self, now: Instant, upload: &Upload) {
        let (session, round) = (upload.session, upload.round);
        let held = self.held.entry((session, round)).or_default();
        held.parent = upload.parent;
        held.tokens += upload.tokens.len() as u32;
        held.nav = held.nav.or(upload.nav);
        if held.is_complete() && self.verified.get(&session) == Some(&held.parent) {
            self.queue.push_back((Job::Verify(session, round), now));
        }
    }

    fn finish(&mut self, now: Instant, job: Job) {
        let Job::Verify(session, round) = job else { return };
        self.held.remove(&(session, round));
        let Some(verified) = self.verified.get_mut(&session) else { return };
        *verified = Some(round);
        let next = self.held.iter().find(|((of, _), held)| {
            *of == session && held.parent == Some(round) && held.is_complete()
        });
        if let Some(((_, next), _)) = next {
            self.queue.push_back((Job::Verify(session, *next), now));
        }
    }

    /// The work that is next by rights: the first in the queue and, if that is a NAV, the NAVs right
    /// behind it as far as a pass has room.
    fn start(&mut self, now: Instant, id: WorkId, work: &Work, batch: usize) {
        assert!(self.running.is_none(), "one piece of work at a time");
        let jobs: Vec<Job> = match work {
            Work::Prefill { session, .. } => vec![Job::Prefill(*session)],
            Work::Verify(blocks) => {
                blocks.iter().map(|b| Job::Verify(b.session, b.round)).collect()
            }
            Work::Replace { .. } => panic!("a simulated target withholds nothing"),
            Work::Draft(_) | Work::Fit(_) => panic!("a cloud neither drafts nor tunes"),
        };
        let navs = self.queue.iter().take_while(|(job, _)| matches!(job, Job::Verify(..))).count();
        let expected = navs.clamp(1, batch);
        let taken: Vec<(Job, Instant)> = self.queue.drain(..expected).collect();
        assert!(jobs.iter().eq(taken.iter().map(|(job, _)| job)), "{jobs:?} before {taken:?}");
        let mut sessions: Vec<SessionId> = jobs.iter().map(|job| job.session()).collect();
        sessions.sort_unstable();
        sessions.dedup();
        assert_eq!(sessions.len(), jobs.len(), "blocks of different sessions: {jobs:?}");
        for (job, since) in taken {
            if matches!(job, Job::Verify(..)) {
                self.navs += 1;
                self.waited += now - since;
            }
        }
        self.passes += u64::from(matches!(work, Work::Verify(_)));
        self.busy_since = now;
        self.running = Some((id, jobs));
    }
}

/// Replays the cloud beside the reference, which must agree at every step.
fn compare(setup: &Setup, recording: &Recording) -> Reference {
    let batch = setup.cloud.verify_batch_max as usize;
    let mut cloud = Cloud::new(setup.cloud);
    let mut reference = Reference::default();
    for (_, now, input) in recording.inputs.iter().filter(|(of, ..)| *of == Endpoint::Cloud) {
        let mut outputs = Vec::new();
        drain(&mut cloud, *now, input.clone(), &mut outputs);
        let stale = outputs.iter().filter_map(|(_, output)| match output {
            Output::Event(Event::StaleDropped { session, round, .. }) => Some((*session, *round)),
            _ => None,
        });
        reference.take(*now, input, &stale.collect::<Vec<_>>());
        for (_, output) in &outputs {
            if let Output::Start { id, work } = output {
                reference.start(*now, *id, work, batch);
            }
        }
        // Never idle while something waits; so each job is served after those before it, and as
        // each takes a bounded time, none waits for ever.
        assert!(reference.running.is_some() || reference.queue.is_empty(), "{reference:?}");
    }
    reference
}

/// Little's law on one sample path, L = λ·W: the time integral of how many NAVs are at the cloud, by a
/// counter that knows no names, is the sum of the times that each of them spent there, by name. To
/// the nanosecond; λ and T cancel.
fn check_little(recording: &Recording, end: Instant) {
    let mut present: BTreeMap<(SessionId, RoundId), (Instant, bool)> = BTreeMap::new();
    let (mut number, mut area, mut sojourns, mut before) = (0_u64, 0_u64, 0_u64, Instant::ZERO);
    let spent = |from: Instant, to: Instant| nanos(to - from);
    let closes = recording.inputs.iter().filter_map(|(endpoint, at, input)| match input {
        Input::Received { message: Message::Close { session }, .. } => {
            assert_eq!(*endpoint, Endpoint::Cloud);
            Some((*at, *session))
        }
        _ => None,
    });
    let mut closes = closes.peekable();
    let mut step = |number: u64, at: Instant| {
        area += number * spent(before, at);
        before = at;
    };
    for stamped in &recording.events {
        let now = stamped.at;
        while let Some((at, session)) = closes.next_if(|(at, _)| *at < now) {
            step(number, at);
            // What is in a pass goes on to its end.
            let gone: Vec<_> = present
                .extract_if(.., |(of, _), (_, in_pass)| *of == session && !*in_pass)
                .collect();
            number -= gone.len() as u64;
            sojourns += gone.iter().map(|(_, (since, _))| spent(*since, at)).sum::<u64>();
        }
        step(number, now);
        match stamped.event {
            Event::UploadReceived { session, round, nav: true, .. } => {
                number += 1;
                let before = present.insert((session, round), (now, false));
                assert!(before.is_none(), "{session} {round} asks once");
            }
            Event::VerifyStarted { session, round, .. } => {
                let nav = present.get_mut(&(session, round)).expect("what is verified has arrived");
                nav.1 = true;
            }
            Event::VerifyFinished { session, round, .. }
            | Event::StaleDropped { session, round, nav: true } => {
                number -= 1;
                let (since, _) = present.remove(&(session, round)).expect("leaves once");
                sojourns += spent(since, now);
            }
            _ => {}
        }
    }
    step(number, end);
    // At the end some may still be there.
    sojourns += present.values().map(|(since, _)| spent(*since, end)).sum::<u64>();
    assert_eq!(area, sojourns);
}

fn check(setup: &Setup, seed: u64) -> Reference {
    let setup = Setup { record: true, ..setup.clone() };
    let result = run(&setup, Seed(seed)).expect("a sound run");
    let recording = result.recording.as_ref().expect("asked for");
    let end = recording.events.last().expect("events").at;
    let reference = compare(&setup, recording);
    check_little(recording, end);
    assert!(reference.passes <= reference.navs);
    if setup.cloud.verify_batch_max == 1 {
        assert_eq!(reference.passes, reference.navs);
    }
    // The summary's figures are the reference's: Little's law for those that wait, L = λ·W with
    // L·T = `waited`, and the utilisation by the time that work took.
    let summary = &result.summary;
    let waited = summary.nav_wait_ms * reference.navs as f64;
    assert!((waited - as_millis(reference.waited)).abs() < 1e-6, "{summary:?}, {reference:?}");
    let under_way = match reference.running {
        Some(_) => end - reference.busy_since,
        None => Duration::ZERO,
    };
    let busy = summary.cloud_utilisation * as_millis(end - Instant::ZERO);
    assert!((busy - as_millis(reference.busy + under_way)).abs() < 1e-6, "{busy} {reference:?}");
    let fairness = summary.fairness_jain.expect("links take time");
    assert!((1.0 / f64::from(setup.edges)..=1.0 + 1e-12).contains(&fairness), "{fairness}");
    reference
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn any_run_serves_in_order_and_obeys_littles_law(
        (setup, seed) in any::setup(),
        edges in 1_u32..=8,
        verify_batch_max in 1_u32..=8,
    ) {
        check(&Setup { edges, cloud: super::in_order(verify_batch_max), ..setup }, seed);
    }
}

#[test]
fn the_presets_share_passes_only_where_they_may_and_a_single_edge_never_waits() {
    for (name, entry) in PRESETS {
        let paper = support::paper(support::method(entry), 260);
        let alone = check(&paper, 1);
        assert_eq!(alone.waited, Duration::ZERO, "{name}: {alone:?}");
        let crowd = |verify_batch_max| {
            let cloud = super::in_order(verify_batch_max);
            check(&Setup { edges: 16, cloud, ..paper.clone() }, 1)
        };
        let [one_by_one, shared] = [1, 8].map(crowd);
        assert!(one_by_one.waited > Duration::ZERO, "{name}: {one_by_one:?}");
        assert!(shared.passes < shared.navs, "{name}: {shared:?}");
    }
}
