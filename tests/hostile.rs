//! A cloud among peers that keep no rules: it may drop what they say, and never falls.

use pipesd_core::cloud::{Cloud, CloudConfig};
use pipesd_core::contract::{Input, Machine, Output, Work, WorkResult};
use pipesd_core::ids::{PrefixHash, RoundId, SessionId, TokenId};
use pipesd_core::message::{Message, Request, Upload, Verdict};
use pipesd_core::payload::Payload;
use pipesd_core::time::{Duration, Instant};
use pipesd_core::verification::{Decision, Drafting, Temperature, Terms, Verification};

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

fn open(cloud: &mut Cloud, payload: Payload) {
    let request = Request {
        session: SESSION,
        prompt: vec![TokenId(3)],
        budget: 100,
        stop_ids: vec![],
        temperature: Temperature::default(),
        seed: 0,
    };
    let said = feed(cloud, Message::Open { request, terms: terms(payload) }, &Decision::of(vec![]));
    assert_eq!(said, [Message::Opened { session: SESSION }]);
}

/// A complete round of one draft upon nothing.
fn first_round(round: u32) -> Message {
    Message::Upload(Upload {
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
    })
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
        let mut cloud = Cloud::new(CloudConfig { verify_batch_max: 1 });
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

/// While a rejection waits for its distribution nothing else of the session is verified; an answer to
/// the wrong round, or twice, changes nothing.
#[test]
fn a_withheld_rejection_waits_for_its_own_distribution() {
    let rejects = Decision { tokens: vec![], withheld: true };
    let mut cloud = Cloud::new(CloudConfig { verify_batch_max: 1 });
    open(&mut cloud, Payload::Lazy);
    let said = feed(&mut cloud, first_round(1), &rejects);
    let asked = Message::DistributionRequest { session: SESSION, round: RoundId(1), index: 0 };
    assert_eq!(said, [asked]);
    assert_eq!(feed(&mut cloud, first_round(0), &rejects), []);
    let answer = |round| {
        let distribution = Some(pipesd_core::blob::Blob::new(vec![0; 8]));
        Message::Distribution { session: SESSION, round: RoundId(round), distribution }
    };
    assert_eq!(feed(&mut cloud, answer(0), &rejects), []);
    let said = feed(&mut cloud, answer(1), &rejects);
    let extra: Vec<_> = verdicts(&said).iter().map(|v| (v.accepted, v.extra)).collect();
    assert_eq!(extra, [(0, Some(TokenId(9)))]);
    assert_eq!(feed(&mut cloud, answer(1), &rejects), []);
}
