//! A cloud among peers that keep no rules: it may drop what they say, and never falls.

use std::sync::Arc;

use pipesd_core::blob::Blob;
use pipesd_core::cloud::{Cloud, CloudConfig};
use pipesd_core::contract::{Input, Machine, Output, Work, WorkResult};
use pipesd_core::event::Event;
use pipesd_core::ids::{PrefixHash, RoundId, SessionId, TokenId, WorkId};
use pipesd_core::message::{Message, Request, Upload, Verdict};
use pipesd_core::payload::Payload;
use pipesd_core::time::{Duration, Instant};
use pipesd_core::verification::{Decision, Drafting, Evidence, Temperature, Terms, Verification};

const SESSION: SessionId = SessionId(7);
const DRAFT: TokenId = TokenId(1);

fn terms(payload: Payload) -> Terms {
    Terms { verification: Verification::Rejection, drafting: Drafting::Sampled, payload }
}

/// Feeds `message`; models answer at once, the target with `decision`. Returns what is sent.
fn feed(cloud: &mut Cloud, message: Message, decision: &Decision) -> Vec<Message> {
    let mut inputs = vec![Input::Received { message, transfer: Duration::ZERO }];
    let mut said = Vec::new();
    while let Some(input) = inputs.pop() {
        cloud.handle(Instant::ZERO, input);
        while let Some(output) = cloud.poll_output() {
            match output {
                Output::Transmit { message, .. } => said.push(message),
                Output::Start { id, work } => {
                    let result = match work {
                        Work::Verify(blocks) => {
                            WorkResult::Verified(vec![decision.clone(); blocks.len()])
                        }
                        Work::Replace { .. } => WorkResult::Replaced(TokenId(9)),
                        _ => WorkResult::Prefilled,
                    };
                    inputs.insert(0, Input::Finished { work: id, result });
                }
                _ => {}
            }
        }
    }
    said
}

fn request() -> Request {
    Request {
        session: SESSION,
        prompt: vec![TokenId(3)],
        budget: 100,
        stop_ids: vec![],
        temperature: Temperature::default(),
        seed: 0,
        text: Vec::new(),
    }
}

fn open(cloud: &mut Cloud, payload: Payload) {
    let request = request();
    let said = feed(
        cloud,
        Message::Open { request, terms: terms(payload), opening: 0 },
        &Decision::of(vec![]),
    );
    assert_eq!(said, [Message::Opened { session: SESSION, opening: 0 }]);
}

/// A complete round of one draft upon nothing.
fn first_round(round: u32) -> Message {
    Message::Upload(first_upload(round))
}

fn first_upload(round: u32) -> Upload {
    Upload {
        session: SESSION,
        round: RoundId(round),
        parent: None,
        start: 0,
        prefix: PrefixHash::EMPTY,
        guess: None,
        offset: 0,
        tokens: vec![DRAFT],
        evidence: vec![],
        nav: Some(1),
    }
}

fn verdicts(said: &[Message]) -> Vec<&Verdict> {
    said.iter().filter_map(|m| if let Message::Verdict(v) = m { Some(v) } else { None }).collect()
}

/// Two rounds on the same text, the later one first: one is verified, the other is stale, whether it
/// comes while the target is busy or while the verdict waits for a distribution.
#[test]
fn rounds_that_contradict_each_other_are_verified_once() {
    let accepts = Decision::of(vec![DRAFT, TokenId(2)]);
    for between in [true, false] {
        let mut cloud = Cloud::new(CloudConfig::batching(1));
        open(&mut cloud, Payload::Ids);
        let mut said = Vec::new();
        if between {
            // Both arrive before the target is done with the first.
            for message in [first_round(1), first_round(0)] {
                cloud.handle(Instant::ZERO, Input::Received { message, transfer: Duration::ZERO });
            }
            let mut work = None;
            while let Some(output) = cloud.poll_output() {
                if let Output::Start { id, .. } = output {
                    assert!(work.replace(id).is_none(), "one piece of work at a time");
                }
            }
            let result = WorkResult::Verified(vec![accepts.clone()]);
            cloud.handle(Instant::ZERO, Input::Finished { work: work.expect("busy"), result });
            while let Some(output) = cloud.poll_output() {
                if let Output::Transmit { message, .. } = output {
                    said.push(message);
                }
            }
        } else {
            said.extend(feed(&mut cloud, first_round(1), &accepts));
            said.extend(feed(&mut cloud, first_round(0), &accepts));
        }
        assert_eq!(verdicts(&said).len(), 1, "{said:?}");
    }
}

/// Feeds messages and leaves the target to think. Returns what it was asked to do, and how many
/// uploads were dropped.
fn arrive(cloud: &mut Cloud, uploads: Vec<Upload>) -> (Vec<Work>, usize) {
    let (mut started, mut dropped) = (Vec::new(), 0);
    for upload in uploads {
        let (message, transfer) = (Message::Upload(upload), Duration::ZERO);
        cloud.handle(Instant::ZERO, Input::Received { message, transfer });
        while let Some(output) = cloud.poll_output() {
            match output {
                Output::Start { work, .. } => started.push(work),
                Output::Event(Event::StaleDropped { .. }) => dropped += 1,
                _ => {}
            }
        }
    }
    (started, dropped)
}

/// What the target was given of the only round.
fn drafts(started: &[Work]) -> &[TokenId] {
    match started {
        [Work::Verify(blocks)] => &blocks[0].drafts,
        other => panic!("one verification, not {other:?}"),
    }
}

/// A round that the target has is judged by the drafts that it was given, whatever comes meanwhile.
#[test]
fn a_complete_round_takes_nothing_more() {
    let mut cloud = Cloud::new(CloudConfig::batching(1));
    open(&mut cloud, Payload::Ids);
    let first = first_upload(0);
    let overwritten = Upload { tokens: vec![TokenId(5)], ..first.clone() };
    let longer = Upload { offset: 1, tokens: vec![TokenId(5)], nav: Some(2), ..first.clone() };
    let late = Upload { offset: 1, tokens: vec![TokenId(5)], nav: None, ..first.clone() };
    let again = first.clone();
    let (started, dropped) = arrive(&mut cloud, vec![first, overwritten, longer, late, again]);
    assert_eq!((drafts(&started), dropped), (&[DRAFT][..], 4));
    let result = WorkResult::Verified(vec![Decision::of(vec![DRAFT, TokenId(2)])]);
    // The prefill was the first piece of work.
    cloud.handle(Instant::ZERO, Input::Finished { work: WorkId(1), result });
    let mut said = Vec::new();
    while let Some(output) = cloud.poll_output() {
        if let Output::Transmit { message, .. } = output {
            said.push(message);
        }
    }
    let judged: Vec<_> = verdicts(&said).iter().map(|v| (v.accepted, v.extra)).collect();
    assert_eq!(judged, [(1, Some(TokenId(2)))]);
}

/// Batches that contradict what is held of their round are dropped, and the round goes on without them.
#[test]
fn batches_of_a_round_agree_with_each_other() {
    let first = Upload { nav: None, ..first_upload(3) };
    let last = Upload { offset: 2, nav: Some(3), ..first_upload(3) };
    let middle = Upload { offset: 1, ..first.clone() };
    let bad = vec![
        Upload { tokens: vec![TokenId(5)], ..first.clone() },
        Upload { tokens: vec![DRAFT, TokenId(5), TokenId(5)], ..first.clone() },
        Upload { parent: Some(RoundId(2)), ..middle.clone() },
        Upload { parent: Some(RoundId(2)), start: 1, ..middle.clone() },
        Upload { parent: Some(RoundId(2)), prefix: PrefixHash::from_bits(9), ..middle.clone() },
        Upload { nav: Some(2), ..middle.clone() },
        Upload { nav: Some(4), ..middle.clone() },
        Upload { offset: 3, ..middle.clone() },
    ];
    for bad in bad {
        let mut cloud = Cloud::new(CloudConfig::batching(1));
        open(&mut cloud, Payload::Ids);
        let uploads = vec![first.clone(), last.clone(), bad.clone(), first.clone(), middle.clone()];
        let (started, dropped) = arrive(&mut cloud, uploads);
        assert_eq!((drafts(&started), dropped), (&[DRAFT; 3][..], 1), "{bad:?}");
    }
    // A count that its own batch or what came before it exceeds.
    let mut cloud = Cloud::new(CloudConfig::batching(1));
    open(&mut cloud, Payload::Ids);
    let short = |offset, count| Upload { offset, nav: Some(count), ..first_upload(3) };
    let (started, dropped) =
        arrive(&mut cloud, vec![short(2, 2), middle, short(0, 1), short(0, 2)]);
    assert_eq!((drafts(&started), dropped), (&[DRAFT; 2][..], 2));
}

/// Opens a session on `terms` and sends round after round, none of them complete, each draft with
/// `bytes` of evidence. Returns the bytes that are held in the end, and the uploads that were dropped.
fn flood(terms: Terms, bytes: usize) -> (usize, usize) {
    let mut cloud = Cloud::new(CloudConfig::batching(1));
    let request = request();
    feed(&mut cloud, Message::Open { request, terms, opening: 0 }, &Decision::of(vec![]));
    let memory: Arc<[u8]> = vec![0; bytes].into();
    let blob = Blob::new(Arc::clone(&memory));
    let (mut uploads, mut tokens) = (Vec::new(), 0);
    for round in 0..10 {
        for offset in 0..100 {
            let evidence = vec![Evidence::Distribution(blob.clone())];
            tokens += 1;
            uploads.push(Upload { offset, evidence, nav: None, ..first_upload(round) });
        }
    }
    drop(blob);
    let (started, dropped) = arrive(&mut cloud, uploads);
    assert!(started.is_empty());
    let held = Arc::strong_count(&memory) - 1;
    assert!(held == 0 || held + dropped == tokens);
    (held * bytes, dropped)
}

/// A peer cannot have the cloud hold distributions without end, nor any that nobody will look at.
#[test]
fn evidence_that_is_held_is_bounded() {
    let bytes = 1 << 20;
    let (held, dropped) = flood(terms(Payload::Full), bytes);
    assert_eq!((held, dropped), (64 << 20, 1000 - 64));
    assert_eq!(flood(terms(Payload::Ids), bytes), (0, 0));
    let matches = Terms { verification: Verification::Match, ..terms(Payload::Full) };
    assert_eq!(flood(matches, bytes), (0, 0));
}

/// While a rejection waits for its distribution nothing else of the session is verified; an answer to
/// the wrong round, or twice, changes nothing.
#[test]
fn a_withheld_rejection_waits_for_its_own_distribution() {
    let rejects = Decision { tokens: vec![], withheld: true };
    let mut cloud = Cloud::new(CloudConfig::batching(1));
    open(&mut cloud, Payload::Lazy);
    let said = feed(&mut cloud, first_round(1), &rejects);
    let asked = Message::DistributionRequest { session: SESSION, round: RoundId(1), index: 0 };
    assert_eq!(said, [asked]);
    assert_eq!(feed(&mut cloud, first_round(0), &rejects), []);
    let answer = |round| {
        let distribution = Some(Blob::new(vec![0; 8]));
        Message::Distribution { session: SESSION, round: RoundId(round), distribution }
    };
    assert_eq!(feed(&mut cloud, answer(0), &rejects), []);
    let said = feed(&mut cloud, answer(1), &rejects);
    let extra: Vec<_> = verdicts(&said).iter().map(|v| (v.accepted, v.extra)).collect();
    assert_eq!(extra, [(0, Some(TokenId(9)))]);
    assert_eq!(feed(&mut cloud, answer(1), &rejects), []);
}

/// What the target was given to do, and what was said.
fn heard(cloud: &mut Cloud) -> (Vec<(WorkId, Work)>, Vec<Message>) {
    let (mut started, mut said) = (Vec::new(), Vec::new());
    while let Some(output) = cloud.poll_output() {
        match output {
            Output::Start { id, work } => started.push((id, work)),
            Output::Transmit { message, .. } => said.push(message),
            _ => {}
        }
    }
    (started, said)
}

/// A session is closed and another opened under its number while the target works for it, whatever it
/// does: the new one is prefilled and hears nothing of the old.
#[test]
fn a_session_that_is_opened_anew_during_a_pass_begins_anew() {
    let open_it = || Message::Open { request: request(), terms: terms(Payload::Lazy), opening: 0 };
    let rejects = Decision { tokens: vec![], withheld: true };
    let distribution = Some(Blob::new(vec![0; 8]));
    let shown = Message::Distribution { session: SESSION, round: RoundId(0), distribution };
    let passes = [
        (vec![], open_it(), WorkResult::Prefilled),
        (vec![open_it()], first_round(0), WorkResult::Verified(vec![rejects.clone()])),
        (vec![open_it(), first_round(0)], shown, WorkResult::Replaced(TokenId(9))),
    ];
    for (before, last, result) in passes {
        let mut cloud = Cloud::new(CloudConfig::batching(1));
        for message in before {
            feed(&mut cloud, message, &rejects);
        }
        let receive = |cloud: &mut Cloud, message| {
            cloud.handle(Instant::ZERO, Input::Received { message, transfer: Duration::ZERO });
        };
        receive(&mut cloud, last);
        let (mut started, _) = heard(&mut cloud);
        let (work, _) = started.pop().expect("the target works");
        receive(&mut cloud, Message::Close { session: SESSION });
        receive(&mut cloud, open_it());
        assert_eq!(heard(&mut cloud), (vec![], vec![]), "after {result:?}");
        cloud.handle(Instant::ZERO, Input::Finished { work, result });
        let (started, said) = heard(&mut cloud);
        assert_eq!(said, []);
        let [(work, Work::Prefill { .. })] = started[..] else { panic!("{started:?}") };
        let result = WorkResult::Prefilled;
        cloud.handle(Instant::ZERO, Input::Finished { work, result });
        assert_eq!(heard(&mut cloud).1, [Message::Opened { session: SESSION, opening: 0 }]);
        let accepts = Decision::of(vec![DRAFT, TokenId(2)]);
        assert_eq!(verdicts(&feed(&mut cloud, first_round(0), &accepts)).len(), 1);
    }
}
