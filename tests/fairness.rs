//! What one client can do to another at a shared cloud: a polite one drafts and waits for its verdicts, a
//! greedy one has as many sessions as it may, and a NAV of each always waits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use pipesd_core::cloud::{Cloud, CloudConfig, CloudLimits, QueueOrder};
use pipesd_core::contract::{Input, Output, Reason, Work, WorkResult, drain};
use pipesd_core::ids::{PrefixHash, RoundId, SessionId, TokenId, WorkId};
use pipesd_core::message::{Message, Request, Upload};
use pipesd_core::payload::Payload;
use pipesd_core::time::{Duration, Instant};
use pipesd_core::verification::{Decision, Drafting, Temperature, Terms, Verification};

const POLITE: u32 = 1;
const GREEDY: u32 = 2;
const TOKEN: TokenId = TokenId(5);
/// Drafts of a round, and what they and a pass take.
const DRAFTS: u32 = 8;
const STEP: Duration = Duration::from_millis(44);
const PASS: Duration = Duration::from_millis(45);
const PASS_PER_TOKEN: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Drafted(SessionId),
    Passed,
    Wake(Reason),
}

/// Where a session's next round stands.
#[derive(Clone, Copy)]
struct Place {
    round: u32,
    parent: Option<RoundId>,
    start: u32,
    prefix: PrefixHash,
}

struct World {
    cloud: Cloud,
    queue: BinaryHeap<Reverse<(Instant, u64, Next)>>,
    scheduled: u64,
    places: BTreeMap<SessionId, Place>,
    running: Option<(WorkId, Work)>,
    /// Rounds of each client that were verified.
    verified: BTreeMap<u32, u64>,
}

impl World {
    fn push(&mut self, at: Instant, next: Next) {
        self.queue.push(Reverse((at, self.scheduled, next)));
        self.scheduled += 1;
    }

    fn receive(&mut self, now: Instant, message: Message) {
        self.feed(now, Input::Received { message, transfer: Duration::ZERO });
    }

    fn feed(&mut self, now: Instant, input: Input) {
        let mut outputs = Vec::new();
        drain(&mut self.cloud, now, input, &mut outputs);
        for (_, output) in outputs {
            match output {
                Output::Start { id, work } => {
                    let tokens = match &work {
                        Work::Verify(blocks) => blocks.iter().map(|b| b.drafts.len() as u32).sum(),
                        _ => 0,
                    };
                    self.running = Some((id, work));
                    self.push(now + PASS + PASS_PER_TOKEN * tokens, Next::Passed);
                }
                Output::Transmit { message, .. } => self.hear(now, &message),
                Output::WakeAt(at, reason) => self.push(at, Next::Wake(reason)),
                _ => {}
            }
        }
    }

    /// An edge hears a reply, and drafts its next round; the greedy one has it drafted already.
    fn hear(&mut self, now: Instant, message: &Message) {
        let session = message.session();
        match message {
            Message::Opened { .. } => {}
            Message::Verdict(verdict) => {
                let place = self.places.get_mut(&session).expect("it was opened");
                place.parent = Some(verdict.round);
                place.start += verdict.accepted + 1;
                place.prefix = place.prefix.extend(&[TOKEN; DRAFTS as usize + 1]);
                *self.verified.entry(session.client()).or_default() += 1;
            }
            other => panic!("{other:?}"),
        }
        let drafting = if session.client() == POLITE { DRAFTS * STEP } else { Duration::ZERO };
        self.push(now + drafting, Next::Drafted(session));
    }

    fn upload(&mut self, now: Instant, session: SessionId) {
        let place = self.places.get_mut(&session).expect("it was opened");
        let round = RoundId(place.round);
        place.round += 1;
        let Place { parent, start, prefix, .. } = *place;
        let tokens = vec![TOKEN; DRAFTS as usize];
        let (guess, offset, evidence, nav) = (None, 0, vec![], Some(DRAFTS));
        let upload =
            Upload { session, round, parent, start, prefix, guess, offset, tokens, evidence, nav };
        self.receive(now, Message::Upload(upload));
    }

    fn finish(&mut self, now: Instant) {
        let (work, what) = self.running.take().expect("the target is busy");
        let decide = |_| Decision::of(vec![TOKEN; DRAFTS as usize + 1]);
        let result = match what {
            Work::Verify(blocks) => WorkResult::Verified(blocks.iter().map(decide).collect()),
            _ => WorkResult::Prefilled,
        };
        self.feed(now, Input::Finished { work, result });
    }
}

/// Time per token of the polite client beside a greedy one with so many sessions \[ms\], and the greedy
/// one's rounds for each of the polite one's.
fn polite(config: CloudConfig, greedy_sessions: u32) -> (f64, f64) {
    let mut world = World {
        cloud: Cloud::new(config),
        queue: BinaryHeap::new(),
        scheduled: 0,
        places: BTreeMap::new(),
        running: None,
        verified: BTreeMap::new(),
    };
    let greedy = (0..greedy_sessions).map(|number| SessionId::of(GREEDY, number));
    for session in greedy.chain([SessionId::of(POLITE, 0)]) {
        let request = Request {
            session,
            prompt: vec![TOKEN],
            budget: 1 << 20,
            stop_ids: vec![],
            temperature: Temperature::default(),
            seed: 0,
            text: vec![],
        };
        let (verification, drafting) = (Verification::Match, Drafting::Argmax);
        let terms = Terms { verification, drafting, payload: Payload::Ids };
        let (parent, prefix) = (None, PrefixHash::EMPTY);
        world.places.insert(session, Place { round: 0, parent, start: 0, prefix });
        world.receive(Instant::ZERO, Message::Open { request, terms, opening: 0 });
    }
    let end = Instant::ZERO + Duration::from_secs(300);
    while let Some(Reverse((now, _, next))) = world.queue.pop()
        && now < end
    {
        match next {
            Next::Drafted(session) => world.upload(now, session),
            Next::Passed => world.finish(now),
            Next::Wake(reason) => world.feed(now, Input::Wake(reason)),
        }
    }
    let rounds = |client| world.verified.get(&client).copied().unwrap_or_default() as f64;
    let tokens = rounds(POLITE) * f64::from(DRAFTS + 1);
    (300_000.0 / tokens, rounds(GREEDY) / rounds(POLITE))
}

#[test]
fn a_greedy_client_costs_another_less_than_a_fifth_of_its_time_per_token() {
    let (alone, _) = polite(CloudConfig::DEFAULT, 0);
    for verify_batch_max in [1, 4] {
        let config = CloudConfig::batching(verify_batch_max);
        let (beside, more) = polite(config, 8);
        println!(
            "passes of {verify_batch_max}: {alone:.1} ms per token alone, {beside:.1} beside a greedy \
             client, which has {more:.1} rounds for each of the other's"
        );
        assert!(beside < 1.2 * alone, "passes of {verify_batch_max}: {beside} against {alone}");
        // Whoever has use for more than its share has what nobody else wants.
        assert!(more > 3.0, "{more}");
    }
    // In order of arrival it stands behind all that the greedy one has waiting.
    let in_order = CloudConfig { queue: QueueOrder::FirstCome, ..CloudConfig::DEFAULT };
    let (behind, _) = polite(in_order, 8);
    println!("in order of arrival: {behind:.1} ms");
    assert!(behind > 1.5 * alone, "{behind} against {alone}");
}

#[test]
fn a_client_that_is_held_to_a_rate_has_no_more_than_that() {
    let limits = CloudLimits { client_navs_per_second: 3, ..CloudLimits::DEFAULT };
    let config = CloudConfig { limits, ..CloudConfig::DEFAULT };
    let (alone, _) = polite(config, 0);
    let (beside, more) = polite(config, 8);
    // 300 s, 9 tokens a round.
    let greedy = more * 300_000.0 / (9.0 * beside);
    assert!((880.0..920.0).contains(&greedy), "three a second: {greedy}");
    assert!(beside < 1.1 * alone, "{beside} against {alone}");
}
