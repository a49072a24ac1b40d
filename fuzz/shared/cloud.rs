//! A cloud that gets whatever bytes decode to: it may drop what they say, and never falls.
//!
//! ```text
//! input:  step, step, ...
//! step:   what the target says and when (1 byte), length of a body (1 byte), the body
//! ```
//! The target answers at once or only at a later step, as a real one does. What it says is of its own
//! choice, which a fuzzer steers by the first byte of a step:
//!
//! | bits | |
//! |---|---|
//! | 0 | it answers what it was asked before the message comes |
//! | 1 | it answers all that it is asked, once the message has come |
//! | 2, 3 | a decision: all drafts are right; none is; the second is withheld; the last is wrong |

use std::collections::{BTreeMap, BTreeSet};

use pipesd_core::cloud::{Cloud, CloudConfig};
use pipesd_core::contract::{Input, Machine, Output, VerifyBlock, Work, WorkResult};
use pipesd_core::ids::{RoundId, SessionId, TokenId, WorkId};
use pipesd_core::message::Message;
use pipesd_core::time::{Duration, Instant};
use pipesd_core::verification::Decision;
use pipesd_core::wire::{Limits, decode};

/// What the target adds when it accepts.
pub(crate) const EXTRA: TokenId = TokenId(2);
/// What it says instead of a draft.
const OTHER: TokenId = TokenId(9);

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// Messages that decoded.
    pub(crate) received: u64,
    /// Rounds that were answered.
    pub(crate) verdicts: u64,
    /// Distributions that were asked for.
    pub(crate) asked: u64,
}

/// A cloud, its target, and what both have said.
struct Bench {
    cloud: Cloud,
    asked: Option<(WorkId, Work)>,
    /// Drafts of each round as the target got them.
    verified: BTreeMap<(SessionId, RoundId), u32>,
    answered: BTreeSet<(SessionId, RoundId)>,
    /// Names of sessions that are over. The driver gives each session a name never used before.
    closed: BTreeSet<SessionId>,
    done: Done,
}

/// Plays `input` to a cloud. Panics where the cloud does, and where it breaks what it promises: one
/// piece of work at a time, a verdict on each round at most, on what the target was asked.
pub(crate) fn play(mut input: &[u8]) -> Done {
    let mut bench = Bench {
        cloud: Cloud::new(CloudConfig::batching(4)),
        asked: None,
        verified: BTreeMap::new(),
        answered: BTreeSet::new(),
        closed: BTreeSet::new(),
        done: Done::default(),
    };
    while let [how, length, rest @ ..] = input {
        let (body, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        input = rest;
        if how & 1 != 0 {
            bench.answer(*how);
        }
        if let Ok(message) = decode(body, &Limits::default()) {
            bench.receive(message);
        }
        while how & 2 != 0 && bench.asked.is_some() {
            bench.answer(*how);
        }
    }
    bench.done
}

impl Bench {
    fn receive(&mut self, message: Message) {
        match message {
            Message::Close { session } => _ = self.closed.insert(session),
            Message::Open { ref request, .. } if self.closed.contains(&request.session) => return,
            _ => {}
        }
        self.done.received += 1;
        self.feed(Input::Received { message, transfer: Duration::ZERO });
    }

    fn answer(&mut self, how: u8) {
        let Some((work, asked)) = self.asked.take() else { return };
        let result = match asked {
            Work::Prefill { .. } => WorkResult::Prefilled,
            Work::Verify(blocks) => {
                WorkResult::Verified(blocks.iter().map(|block| decision(block, how)).collect())
            }
            Work::Replace { .. } => WorkResult::Replaced(OTHER),
            work => panic!("a cloud does not ask for {work:?}"),
        };
        self.feed(Input::Finished { work, result });
    }

    fn feed(&mut self, input: Input) {
        self.cloud.handle(Instant::ZERO, input);
        while let Some(output) = self.cloud.poll_output() {
            match output {
                Output::Start { id, work } => {
                    if let Work::Verify(blocks) = &work {
                        blocks.iter().for_each(|block| self.note(block));
                    }
                    let busy = self.asked.replace((id, work));
                    assert_eq!(busy, None, "one piece of work at a time");
                }
                Output::Transmit { message, .. } => self.hear(&message),
                _ => {}
            }
        }
    }

    fn note(&mut self, block: &VerifyBlock) {
        let drafts = block.drafts.len();
        assert!([0, drafts].contains(&block.evidence.len()), "evidence for all or none: {block:?}");
        let before = self.verified.insert((block.session, block.round), drafts as u32);
        assert_eq!(before, None, "a round is verified once");
    }

    fn hear(&mut self, message: &Message) {
        match message {
            Message::DistributionRequest { session, round, index } => {
                self.done.asked += 1;
                let drafts = self.verified.get(&(*session, *round));
                assert!(drafts.is_some_and(|drafts| index < drafts), "{message:?} of {drafts:?}");
            }
            Message::Verdict(verdict) => {
                self.done.verdicts += 1;
                let round = (verdict.session, verdict.round);
                assert!(self.answered.insert(round), "a round is answered once: {verdict:?}");
                let drafts = self.verified.get(&round);
                let most = drafts.is_some_and(|drafts| verdict.accepted <= *drafts);
                assert!(most, "{verdict:?} of {drafts:?} drafts");
            }
            _ => {}
        }
    }
}

fn decision(block: &VerifyBlock, how: u8) -> Decision {
    let mut tokens = block.drafts.clone();
    match how >> 2 & 3 {
        0 => tokens.push(EXTRA),
        1 => tokens = vec![OTHER],
        2 if tokens.len() > 1 => {
            tokens.truncate(1);
            return Decision { tokens, withheld: true };
        }
        _ => {
            tokens.pop();
            tokens.push(OTHER);
        }
    }
    Decision::of(tokens)
}
