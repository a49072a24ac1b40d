//! What goes wrong is told, and ends what it must and nothing else; nothing hangs.

use std::sync::Arc;
use std::time::Duration;

use pipesd_core::account::Violation;
use pipesd_core::blob::Blob;
use pipesd_core::contract::{DraftStep, Proposal, VerifyBlock};
use pipesd_core::event::Outcome;
use pipesd_core::ids::{MessageId, RoundId, SessionId, TokenId};
use pipesd_core::message::{Message, Request};
use pipesd_core::verification::{Claim, Decision, Sampling};
use pipesd_hw::backend::emulated::{EmulatedDraft, EmulatedTarget, Playback};
use pipesd_hw::backend::{DraftModel, ModelError, TargetModel};
use pipesd_hw::driver::link::{Events, LinkEvent, Transport};
use pipesd_hw::driver::loopback::{self, End};
use pipesd_hw::driver::{
    CloudReport, CloudSetup, DriverError, EdgeReport, EdgeSetup, Newcomer, Patience, drive_cloud,
    drive_edge, one_after_another,
};
use pipesd_hw::transport::ClientName;
use tokio::sync::mpsc;

use crate::support::{
    Arrived, Built, CLOUD, DUAL, FIXED, Pair, SEED, TOKEN, VOCABULARY, block_on, draft, edge,
    never, playback, requests, target,
};

/// What goes wrong in a model's call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Panic,
    Hang,
    Refuse,
    Broken,
}

impl Fault {
    fn strike(self) -> ModelError {
        match self {
            Self::Panic => panic!("a test's panic"),
            Self::Hang => {
                std::thread::sleep(Duration::from_secs(3));
                ModelError::Broken("woken up".into())
            }
            Self::Refuse => ModelError::Refused("a test's refusal".into()),
            Self::Broken => ModelError::Broken("a test's fault".into()),
        }
    }
}

/// A model that fails on its call numbered `at`, counted from 1, and every one after.
struct Faulty<M> {
    model: M,
    fault: Fault,
    calls_left: u32,
    /// Fails for this session only.
    only: Option<SessionId>,
}

impl<M> Faulty<M> {
    fn check(&mut self, session: SessionId) -> Result<(), ModelError> {
        if self.only.is_some_and(|only| only != session) {
            return Ok(());
        }
        self.calls_left = self.calls_left.saturating_sub(1);
        if self.calls_left == 0 { Err(self.fault.strike()) } else { Ok(()) }
    }
}

impl<M: DraftModel> DraftModel for Faulty<M> {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        self.model.prefill(session, prompt, sampling)
    }

    fn step(&mut self, step: &DraftStep) -> Result<(Proposal, Option<Claim>), ModelError> {
        self.check(step.session)?;
        self.model.step(step)
    }

    fn close(&mut self, session: SessionId) {
        self.model.close(session);
    }
}

impl<M: TargetModel> TargetModel for Faulty<M> {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        self.model.prefill(session, prompt, sampling)
    }

    fn verify(&mut self, blocks: &[VerifyBlock]) -> Vec<Result<Decision, ModelError>> {
        let checked: Vec<_> = blocks.iter().map(|block| self.check(block.session)).collect();
        let decided = self.model.verify(blocks);
        checked.into_iter().zip(decided).map(|(check, decision)| check.and(decision)).collect()
    }

    fn replace(
        &mut self,
        session: SessionId,
        round: RoundId,
        position: u32,
        distribution: &Blob,
    ) -> Result<TokenId, ModelError> {
        self.model.replace(session, round, position, distribution)
    }

    fn close(&mut self, session: SessionId) {
        self.model.close(session);
    }
}

fn faulty_draft(
    playback: &Arc<Playback>,
    fault: Fault,
) -> impl FnOnce() -> Built<dyn DraftModel> + use<> {
    let model = EmulatedDraft::new(Arc::clone(playback));
    move || Ok(Box::new(Faulty { model, fault, calls_left: 10, only: None }))
}

fn faulty_target(
    playback: &Arc<Playback>,
    fault: Fault,
    only: Option<SessionId>,
) -> impl FnOnce() -> Built<dyn TargetModel> + use<> {
    let model = EmulatedTarget::new(Arc::clone(playback));
    move || Ok(Box::new(Faulty { model, fault, calls_left: 3, only }))
}

fn edge_setup(number: u32) -> EdgeSetup {
    EdgeSetup::new(number, edge(TOKEN), VOCABULARY, SEED)
}

fn cloud_setup() -> CloudSetup {
    CloudSetup::new(CLOUD, SEED)
}

/// How long a call may take where it is to fail by this. A panic writes a backtrace, which is slow.
fn patience(fault: Fault) -> Patience {
    let work = Duration::from_millis(if fault == Fault::Hang { 500 } else { 30_000 });
    Patience { work, ..Patience::default() }
}

#[test]
fn a_draft_model_that_fails_ends_its_edge_and_the_cloud_goes_on() {
    for fault in [Fault::Panic, Fault::Refuse, Fault::Broken, Fault::Hang] {
        let playback = playback(&[60]);
        let pair = Pair {
            edge: EdgeSetup { patience: patience(fault), ..edge_setup(0) },
            cloud: cloud_setup(),
            draft: faulty_draft(&playback, fault),
            target: target(&playback),
            requests: requests(&playback),
        };
        let (report, cloud) = block_on(pair.run());
        let error = report.expect_err("the draft model has failed");
        match fault {
            Fault::Hang => assert!(matches!(error, DriverError::Overdue { .. }), "{error}"),
            _ => {
                assert!(matches!(error, DriverError::Model { model: "draft", .. }), "{error}");
                assert!(error.to_string().contains("a test's"), "{error}");
            }
        }
        assert_eq!(cloud.expect("the cloud only loses a link").links, 1);
    }
}

#[test]
fn a_target_that_fails_as_a_whole_ends_the_cloud_and_its_edges_hear_of_it() {
    for fault in [Fault::Panic, Fault::Broken, Fault::Hang] {
        let playback = playback(&[60]);
        let pair = Pair {
            edge: edge_setup(0),
            cloud: CloudSetup { patience: patience(fault), ..cloud_setup() },
            draft: draft(&playback),
            target: faulty_target(&playback, fault, None),
            requests: requests(&playback),
        };
        let (report, cloud) = block_on(pair.run());
        let error = cloud.expect_err("the target has failed");
        match fault {
            Fault::Hang => assert!(matches!(error, DriverError::Overdue { .. }), "{error}"),
            _ => assert!(matches!(error, DriverError::Model { model: "target", .. }), "{error}"),
        }
        let error = report.expect_err("there is no cloud any more");
        assert!(matches!(error, DriverError::LinkClosed(_)), "{error}");
        assert!(error.to_string().contains("the cloud has failed"), "{error}");
    }
}

#[test]
fn a_model_that_cannot_be_made_is_told() {
    let playback = playback(&[60]);
    let pair = Pair {
        edge: edge_setup(0),
        cloud: cloud_setup(),
        draft: || Err(ModelError::Broken("no such file".into())),
        target: target(&playback),
        requests: requests(&playback),
    };
    let (report, _) = block_on(pair.run());
    let error = report.expect_err("there is no draft model");
    assert_eq!(error.to_string(), "the draft model: the model does not work: no such file");
}

type Outcomes = (Vec<Result<EdgeReport, DriverError>>, Result<CloudReport, DriverError>);

/// Two edges, numbered 0 and 1, that call their sessions the same.
async fn two_edges(
    playback: &Arc<Playback>,
    target: impl FnOnce() -> Built<dyn TargetModel> + Send + 'static,
) -> Outcomes {
    let (door, mut arrivals) = mpsc::channel(2);
    let mut ends = Vec::new();
    for edge in 0..2 {
        let (one, (transport, events)) = loopback::pair();
        let newcomer: Arrived =
            Newcomer { edge, client: ClientName::numbered(edge.into()), transport, events };
        door.try_send(newcomer).expect("room for two");
        ends.push(one);
    }
    drop(door);
    let drive = |number: u32, end: End| {
        let setup = EdgeSetup { config: edge(DUAL), ..edge_setup(number) };
        let mut requests = requests(playback);
        if number == 1 {
            requests.reverse();
            for (id, request) in (0..).zip(&mut requests) {
                request.session = SessionId(id);
            }
        }
        drive_edge(setup, draft(playback), end, one_after_another(requests), never())
    };
    let mut ends = ends.into_iter();
    let [one, other] = [0, 1].map(|number| drive(number, ends.next().expect("two ends")));
    let cloud = drive_cloud(cloud_setup(), target, &mut arrivals, never());
    let (one, other, cloud) = tokio::join!(one, other, cloud);
    (vec![one, other], cloud)
}

#[test]
fn edges_that_call_their_sessions_the_same_do_not_disturb_each_other() {
    let playback = playback(&[80, 50, 70]);
    let (reports, cloud) = block_on(two_edges(&playback, target(&playback)));
    let cloud = cloud.expect("served");
    assert_eq!((cloud.links, cloud.ended), (2, Vec::new()));
    for (number, report) in reports.into_iter().enumerate() {
        let report = report.expect("decoded");
        let truths = (0..3).map(|text| if number == 0 { text } else { 2 - text });
        for (text, truth) in report.texts.iter().zip(truths) {
            assert_eq!(text.tokens, playback.truth(truth), "edge {number}");
        }
    }
}

#[test]
fn a_session_that_the_target_fails_ends_its_link_and_no_other() {
    let playback = playback(&[80, 50, 70]);
    // The cloud's first session is that of whoever came first.
    let target = faulty_target(&playback, Fault::Refuse, Some(SessionId(0)));
    let (mut reports, cloud) = block_on(two_edges(&playback, target));
    let cloud = cloud.expect("the cloud goes on");
    let [(failed, why)] = &cloud.ended[..] else { panic!("{:?}", cloud.ended) };
    assert_eq!(why, "a test's refusal");
    let unharmed = reports.swap_remove(1 - *failed as usize).expect("decoded");
    assert_eq!(unharmed.texts.len(), 3);
    let error = reports.pop().expect("two").expect_err("its session has failed");
    assert!(error.to_string().contains("a test's refusal"), "{error}");
}

#[test]
fn running_past_a_rollout_is_an_error_and_counted() {
    let mut trace = crate::support::trace(&[60]);
    trace.texts[0].rollouts.values_mut().for_each(|rollout| rollout.truncate(1));
    let latencies = pipesd_hw::backend::emulated::Latencies::default();
    let playback = Arc::new(Playback::new(trace, VOCABULARY, latencies).expect("sound"));
    let pair = Pair {
        edge: EdgeSetup { config: edge(FIXED), ..edge_setup(0) },
        cloud: cloud_setup(),
        draft: draft(&playback),
        target: target(&playback),
        requests: requests(&playback),
    };
    let (report, _) = block_on(pair.run());
    let error = report.expect_err("the recording does not go so far");
    assert!(error.to_string().contains("rollout is too short"), "{error}");
    assert_eq!(playback.past_rollouts(), 1);
}

/// A cloud that takes everything and answers nothing.
async fn swallow((transport, mut events): End) {
    while !events.next().await.is_last() {}
    drop(transport);
}

#[test]
fn a_cloud_that_does_not_answer_is_given_up() {
    let playback = playback(&[60]);
    let (one, other) = loopback::pair();
    let mut setup = edge_setup(0);
    setup.config.patience = Duration::from_millis(100);
    let requests = one_after_another(requests(&playback));
    let edge = drive_edge(setup, draft(&playback), one, requests, never());
    let (report, ()) = block_on(async { tokio::join!(edge, swallow(other)) });
    let error = report.expect_err("nobody answers");
    let DriverError::Violation(Violation::Ended { outcome, .. }) = error else { panic!("{error}") };
    assert_eq!(outcome, Outcome::TimedOut);
}

#[test]
fn a_cloud_that_goes_away_ends_the_edge_at_once() {
    let playback = playback(&[60]);
    let (one, other) = loopback::pair();
    let queue = one_after_another(requests(&playback));
    let edge = drive_edge(edge_setup(0), draft(&playback), one, queue, never());
    let go = async {
        let (transport, mut events) = other;
        events.next().await;
        drop(transport);
    };
    let (report, ()) = block_on(async { tokio::join!(edge, go) });
    assert!(matches!(report, Err(DriverError::LinkClosed(_))), "{report:?}");
}

#[test]
fn the_sessions_of_an_edge_that_goes_away_are_closed_at_the_cloud() {
    let playback = playback(&[60]);
    let log = crate::support::Log::default();
    let mut setup = cloud_setup();
    setup.record = log.writer();
    let (mut one, (transport, events)) = loopback::pair();
    let (door, mut arrivals) = mpsc::channel(1);
    let newcomer: Arrived =
        Newcomer { edge: 0, client: ClientName::numbered(0_u8.into()), transport, events };
    door.try_send(newcomer).expect("room for one");
    drop(door);
    let request: Request = playback.request(SessionId(3), 0, 1);
    one.0.send(MessageId(0), &Message::Open { request, terms: edge(TOKEN).terms(), opening: 0 });
    let cloud = drive_cloud(setup, target(&playback), &mut arrivals, never());
    let go = async {
        while !matches!(one.1.next().await, LinkEvent::Received { .. }) {}
        drop(one.0);
    };
    let (report, ()) = block_on(async { tokio::join!(cloud, go) });
    report.expect("the cloud only loses a link");
    let text = log.text();
    let last = text.lines().last().expect("a log");
    assert!(last.contains("session_dropped"), "the session was closed: {last}");
    pipesd_hw::record::replay(&log.read("cloud.log")).expect("whole");
}
