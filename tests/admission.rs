//! Whom a cloud serves, whom it lets go, and how a session goes on that it has lost sight of.

use pipesd_core::cloud::{Cloud, CloudConfig, CloudLimits};
use pipesd_core::contract::{Input, Output, Reason, VerifyBlock, Work, WorkResult, drain};
use pipesd_core::ids::{PrefixHash, RoundId, SessionId, TokenId, WorkId};
use pipesd_core::message::{Denial, Message, Request, Upload, Verdict};
use pipesd_core::payload::Payload;
use pipesd_core::time::{Duration, Instant};
use pipesd_core::verification::{Decision, Drafting, Temperature, Terms, Verification};

const TERMS: Terms =
    Terms { verification: Verification::Match, drafting: Drafting::Argmax, payload: Payload::Ids };

/// A cloud by hand: its target's work is finished when the test says so.
struct Hand {
    cloud: Cloud,
    running: Option<(WorkId, Work)>,
    said: Vec<Message>,
}

impl Hand {
    fn new(limits: CloudLimits) -> Self {
        let cloud = Cloud::new(CloudConfig { limits, ..CloudConfig::DEFAULT });
        Self { cloud, running: None, said: Vec::new() }
    }

    fn feed(&mut self, s: u64, input: Input) {
        let mut outputs = Vec::new();
        drain(&mut self.cloud, Instant::from_nanos(s * 1_000_000_000), input, &mut outputs);
        for (_, output) in outputs {
            match output {
                Output::Start { id, work } => self.running = Some((id, work)),
                Output::Transmit { message, .. } => self.said.push(message),
                _ => {}
            }
        }
    }

    fn hear(&mut self, s: u64, message: Message) {
        self.feed(s, Input::Received { message, transfer: Duration::ZERO });
    }

    /// Ends the work under way: the target says what the position is, counting from 1. Returns its blocks.
    fn finish(&mut self, s: u64) -> Vec<VerifyBlock> {
        let (work, what) = self.running.take().expect("the target is busy");
        let (result, blocks) = match what {
            Work::Verify(blocks) => {
                let decide = |block: &VerifyBlock| {
                    let start = block.keep + block.feed.len() as u32;
                    Decision::of(text(start, block.drafts.len() as u32 + 1))
                };
                (WorkResult::Verified(blocks.iter().map(decide).collect()), blocks)
            }
            _ => (WorkResult::Prefilled, Vec::new()),
        };
        self.feed(s, Input::Finished { work, result });
        blocks
    }

    fn open(&mut self, s: u64, session: SessionId, committed: u32, opening: u32) {
        let request = Request {
            session,
            prompt: vec![TokenId(9); 3],
            budget: 20,
            stop_ids: vec![],
            temperature: Temperature::default(),
            seed: 0,
            text: text(0, committed),
        };
        self.hear(s, Message::Open { request, terms: TERMS, opening });
    }

    /// A session that is open and has nothing to do.
    fn opened(&mut self, s: u64, session: SessionId) {
        self.open(s, session, 0, 0);
        self.finish(s);
        assert_eq!(self.said.pop(), Some(Message::Opened { session, opening: 0 }));
    }

    fn upload(&mut self, s: u64, session: SessionId, round: u32, parent: Option<u32>, start: u32) {
        let tokens = text(start, 2);
        let prefix = PrefixHash::EMPTY.extend(&text(0, start));
        let (parent, round) = (parent.map(RoundId), RoundId(round));
        let (guess, offset, evidence, nav) = (None, 0, vec![], Some(2));
        let upload =
            Upload { session, round, parent, start, prefix, guess, offset, tokens, evidence, nav };
        self.hear(s, Message::Upload(upload));
    }
}

/// The target's tokens from `start` on.
fn text(start: u32, count: u32) -> Vec<TokenId> {
    (start..start + count).map(|position| TokenId(position + 1)).collect()
}

fn session(client: u32) -> SessionId {
    SessionId::of(client, 0)
}

fn verdict(session: SessionId, round: u32, extra: u32) -> Message {
    let (round, extra) = (RoundId(round), Some(TokenId(extra)));
    Message::Verdict(Verdict { session, round, accepted: 2, extra, reports: vec![] })
}

fn without_reports(message: Message) -> Message {
    match message {
        Message::Verdict(verdict) => Message::Verdict(Verdict { reports: vec![], ..verdict }),
        other => other,
    }
}

fn denied(session: SessionId, opening: u32, denial: Denial, retry_s: u64) -> Message {
    Message::Denied { session, opening, denial, retry: Duration::from_secs(retry_s) }
}

#[test]
fn a_full_cloud_lets_go_of_who_was_idle_for_longest_and_else_says_so() {
    let settled = Duration::from_secs(10);
    let mut hand = Hand::new(CloudLimits { sessions: 2, settled, ..CloudLimits::DEFAULT });
    hand.opened(0, session(0));
    hand.opened(5, session(1));
    hand.open(8, session(2), 0, 0);
    assert_eq!(hand.said.pop(), Some(denied(session(2), 0, Denial::Full, 1)));
    // The first is heard of again: then the second is the one to go.
    hand.hear(9, Message::Probe { session: session(0), tokens: 1 });
    hand.said.clear();
    hand.open(16, session(2), 0, 1);
    assert_eq!(hand.said, [denied(session(1), 0, Denial::Evicted, 0)]);
    hand.finish(16);
    assert_eq!(hand.said.pop(), Some(Message::Opened { session: session(2), opening: 1 }));
    // Who was evicted is as welcome as anybody, behind its text; it must be evaluated anew.
    hand.said.clear();
    hand.open(30, session(1), 5, 1);
    assert_eq!(hand.said, [denied(session(0), 0, Denial::Evicted, 0)]);
    hand.finish(30);
    hand.upload(30, session(1), 3, None, 5);
    let blocks = hand.finish(30);
    assert_eq!((blocks[0].keep, &blocks[0].feed), (0, &text(0, 5)));
    assert_eq!(hand.said.pop().map(without_reports), Some(verdict(session(1), 3, 8)));
}

#[test]
fn limits_are_each_clients_own_and_the_caches_size_is_bounded() {
    let limits = CloudLimits { client_sessions: 1, tokens: 50, ..CloudLimits::DEFAULT };
    let mut hand = Hand::new(limits);
    hand.opened(0, SessionId::of(1, 0));
    hand.open(0, SessionId::of(1, 1), 0, 0);
    assert_eq!(hand.said.pop(), Some(denied(SessionId::of(1, 1), 0, Denial::Sessions, 1)));
    // 23 tokens each: two have room, a third has not.
    hand.opened(0, session(2));
    hand.open(1, session(3), 0, 0);
    assert_eq!(hand.said.pop(), Some(denied(session(3), 0, Denial::Full, 1)));
    hand.hear(1, Message::Close { session: session(2) });
    hand.opened(1, session(3));
    // More than there will ever be room for, and a text that is whole.
    let mut hand = Hand::new(CloudLimits { tokens: 22, ..limits });
    hand.open(0, session(4), 0, 0);
    assert_eq!(hand.said.pop(), Some(denied(session(4), 0, Denial::Unserveable, 0)));
    let mut hand = Hand::new(limits);
    hand.open(0, session(4), 20, 0);
    assert_eq!(hand.said.pop(), Some(denied(session(4), 0, Denial::Unserveable, 0)));
}

#[test]
fn drafts_that_nobody_asks_to_verify_cost_their_own_session() {
    let mut hand = Hand::new(CloudLimits { client_tokens: 5, ..CloudLimits::DEFAULT });
    hand.opened(0, session(1));
    for round in 0..3 {
        // Each waits for a parent that never comes.
        hand.upload(0, session(1), 10 + round, Some(9), 6);
    }
    assert_eq!(hand.said.pop(), Some(denied(session(1), 0, Denial::Tokens, 1)));
    assert!(hand.cloud.is_idle());
}

#[test]
fn a_session_goes_on_where_its_edge_has_seen_it_and_what_it_had_is_kept() {
    let mut hand = Hand::new(CloudLimits::DEFAULT);
    hand.opened(0, session(1));
    hand.upload(0, session(1), 0, None, 0);
    hand.finish(0);
    hand.said.clear();
    // The verdict was lost, and so is the next round's pass: all of it goes on from the beginning.
    hand.upload(1, session(1), 1, Some(0), 3);
    hand.open(2, session(1), 0, 1);
    assert_eq!(hand.said, [Message::Opened { session: session(1), opening: 1 }]);
    hand.finish(2);
    // An opening that comes twice is one, and so is an older one.
    hand.open(2, session(1), 0, 1);
    hand.open(2, session(1), 0, 0);
    assert_eq!(hand.said.len(), 1);
    hand.upload(3, session(1), 0, None, 0);
    let blocks = hand.finish(3);
    assert_eq!((blocks[0].keep, blocks[0].feed.len()), (0, 0));
    assert_eq!(hand.said.pop().map(without_reports), Some(verdict(session(1), 0, 3)));
    // Without a loss the target keeps what it has evaluated.
    hand.open(4, session(1), 3, 2);
    hand.upload(4, session(1), 1, None, 3);
    let blocks = hand.finish(4);
    assert_eq!((blocks[0].keep, &blocks[0].feed), (2, &text(2, 1)));
    assert_eq!(hand.said.pop().map(without_reports), Some(verdict(session(1), 1, 6)));
}

#[test]
fn a_cloud_that_closes_lets_rounds_finish_and_takes_nothing_new() {
    let mut hand = Hand::new(CloudLimits::DEFAULT);
    hand.opened(0, session(1));
    hand.opened(0, session(2));
    hand.upload(0, session(1), 0, None, 0);
    hand.upload(0, session(1), 1, Some(0), 3);
    hand.feed(1, Input::Shutdown);
    assert_eq!(hand.said, [denied(session(2), 0, Denial::Closing, 1)]);
    hand.said.clear();
    hand.open(1, session(3), 0, 0);
    assert_eq!(hand.said.pop(), Some(denied(session(3), 0, Denial::Closing, 1)));
    hand.finish(2);
    // The next was complete as well.
    hand.finish(3);
    let said: Vec<Message> = hand.said.drain(..).map(without_reports).collect();
    let closing = denied(session(1), 0, Denial::Closing, 1);
    assert_eq!(said, [verdict(session(1), 0, 3), verdict(session(1), 1, 6), closing]);
    assert!(hand.cloud.is_idle());
}

#[test]
fn who_is_not_heard_of_for_too_long_is_evicted() {
    let idle = Duration::from_secs(60);
    let mut hand = Hand::new(CloudLimits { idle, ..CloudLimits::DEFAULT });
    hand.opened(0, session(1));
    hand.opened(30, session(2));
    hand.feed(60, Input::Wake(Reason::Idle));
    assert_eq!(hand.said, [denied(session(1), 0, Denial::Evicted, 0)]);
    hand.feed(90, Input::Wake(Reason::Idle));
    assert!(hand.cloud.is_idle());
}
