//! What one client can do to another at a shared cloud: a polite one drafts and waits for its verdicts, a
//! greedy one asks for whatever it may, in as many sessions as it may.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use pipesd_core::cloud::{Cloud, CloudConfig, CloudLimits, QueueOrder};
use pipesd_core::contract::{Input, Output, Reason, VerifyBlock, Work, WorkResult, drain};
use pipesd_core::ids::{PrefixHash, RoundId, SessionId, TokenId, WorkId};
use pipesd_core::message::{Message, Request, Upload};
use pipesd_core::payload::Payload;
use pipesd_core::time::{Duration, Instant};
use pipesd_core::verification::{Decision, Drafting, Temperature, Terms, Verification};
use proptest::prelude::*;

const TOKEN: TokenId = TokenId(5);
const TERMS: Terms =
    Terms { verification: Verification::Match, drafting: Drafting::Argmax, payload: Payload::Ids };
/// What a pass takes, with so much for each token of a block and of a prompt.
const PASS: Duration = Duration::from_millis(45);
const PASS_PER_TOKEN: Duration = Duration::from_millis(1);
const PASS_PER_PROMPT_TOKEN: Duration = Duration::from_micros(200);
/// How long each run is.
const RUN: Duration = Duration::from_secs(300);

/// What a client asks for, over and over.
#[derive(Clone, Copy, Debug)]
struct Habit {
    sessions: u32,
    /// Drafts of a round.
    drafts: u32,
    /// From a verdict to the next NAV.
    thinks: Duration,
    /// Tokens of a prompt, and after how many rounds there is another.
    prompt: u32,
    rounds: u32,
}

/// Eight drafts of 44 ms, as in S1.
const POLITE: Habit = polite(8);
/// A NAV of each of its sessions always waits.
const GREEDY: Habit =
    Habit { sessions: 8, drafts: 8, thinks: Duration::ZERO, prompt: 1, rounds: u32::MAX };

const fn polite(drafts: u32) -> Habit {
    let thinks = Duration::from_millis(44 * drafts as u64);
    Habit { sessions: 1, drafts, thinks, prompt: 1, rounds: u32::MAX }
}

fn pass(drafts: u32) -> Duration {
    PASS + PASS_PER_TOKEN * drafts
}

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
    habits: Vec<Habit>,
    queue: BinaryHeap<Reverse<(Instant, u64, Next)>>,
    scheduled: u64,
    places: BTreeMap<SessionId, Place>,
    running: Option<(WorkId, Work)>,
    /// Rounds of each client that were verified, and time that the target worked for it alone.
    verified: Vec<u64>,
    worked: Vec<Duration>,
    /// Time in which the target did nothing though work waited.
    rested: Duration,
}

impl World {
    fn new(config: CloudConfig, habits: &[Habit]) -> Self {
        Self {
            cloud: Cloud::new(config),
            habits: habits.to_vec(),
            queue: BinaryHeap::new(),
            scheduled: 0,
            places: BTreeMap::new(),
            running: None,
            verified: vec![0; habits.len()],
            worked: vec![Duration::ZERO; habits.len()],
            rested: Duration::ZERO,
        }
    }

    fn run(&mut self) {
        // The first client comes last.
        for client in (0..self.habits.len()).rev() {
            for number in 0..self.habits[client].sessions {
                self.open(Instant::ZERO, SessionId::of(client as u32, number));
            }
        }
        let mut before = Instant::ZERO;
        while let Some(Reverse((now, _, next))) = self.queue.pop()
            && now < Instant::ZERO + RUN
        {
            if self.running.is_none() && self.cloud.load().1 > 0 {
                self.rested += now - before;
            }
            before = now;
            match next {
                Next::Drafted(session) => self.upload(now, session),
                Next::Passed => self.finish(now),
                Next::Wake(reason) => self.feed(now, Input::Wake(reason)),
            }
        }
    }

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
                Output::Start { id, work } => self.start(now, id, work),
                Output::Transmit { message, .. } => self.hear(now, &message),
                Output::WakeAt(at, reason) => self.push(at, Next::Wake(reason)),
                _ => {}
            }
        }
    }

    fn start(&mut self, now: Instant, id: WorkId, work: Work) {
        let (takes, clients): (_, Vec<u32>) = match &work {
            Work::Verify(blocks) => (
                pass(blocks.iter().map(|block| block.drafts.len() as u32).sum()),
                blocks.iter().map(|block| block.session.client()).collect(),
            ),
            Work::Prefill { session, prompt, .. } => {
                (PASS + PASS_PER_PROMPT_TOKEN * prompt.len() as u32, vec![session.client()])
            }
            other => panic!("{other:?}"),
        };
        if clients.iter().all(|client| *client == clients[0]) {
            self.worked[clients[0] as usize] += takes;
        }
        self.running = Some((id, work));
        self.push(now + takes, Next::Passed);
    }

    fn open(&mut self, now: Instant, session: SessionId) {
        let request = Request {
            session,
            prompt: vec![TOKEN; self.habits[session.client() as usize].prompt as usize],
            budget: 1 << 20,
            stop_ids: vec![],
            temperature: Temperature::default(),
            seed: 0,
            text: vec![],
        };
        let (parent, prefix) = (None, PrefixHash::EMPTY);
        self.places.insert(session, Place { round: 0, parent, start: 0, prefix });
        self.receive(now, Message::Open { request, terms: TERMS, opening: 0 });
    }

    /// A client hears a reply: it drafts its next round, or has another prompt.
    fn hear(&mut self, now: Instant, message: &Message) {
        let session = message.session();
        let client = session.client() as usize;
        let habit = self.habits[client];
        match message {
            Message::Opened { .. } => {}
            Message::Verdict(verdict) => {
                let place = self.places.get_mut(&session).expect("it was opened");
                place.parent = Some(verdict.round);
                place.start += verdict.accepted + 1;
                place.prefix = place.prefix.extend(&vec![TOKEN; habit.drafts as usize + 1]);
                self.verified[client] += 1;
                if place.round == habit.rounds {
                    self.receive(now, Message::Close { session });
                    return self.open(now, session);
                }
            }
            other => panic!("{other:?}"),
        }
        self.push(now + habit.thinks, Next::Drafted(session));
    }

    fn upload(&mut self, now: Instant, session: SessionId) {
        let drafts = self.habits[session.client() as usize].drafts;
        let place = self.places.get_mut(&session).expect("it was opened");
        let round = RoundId(place.round);
        place.round += 1;
        let Place { parent, start, prefix, .. } = *place;
        let tokens = vec![TOKEN; drafts as usize];
        let (guess, offset, evidence, nav) = (None, 0, vec![], Some(drafts));
        let upload =
            Upload { session, round, parent, start, prefix, guess, offset, tokens, evidence, nav };
        self.receive(now, Message::Upload(upload));
    }

    fn finish(&mut self, now: Instant) {
        let (work, what) = self.running.take().expect("the target is busy");
        let result = match what {
            Work::Verify(blocks) => {
                let decide =
                    |block: &VerifyBlock| Decision::of(vec![TOKEN; block.drafts.len() + 1]);
                WorkResult::Verified(blocks.iter().map(decide).collect())
            }
            _ => WorkResult::Prefilled,
        };
        self.feed(now, Input::Finished { work, result });
    }
}

/// What a client has had of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Had {
    rounds: f64,
    /// \[ms\]
    per_token: f64,
    /// Share of the target, for it alone.
    target: f64,
}

/// Clients of these habits share a cloud.
fn run(config: CloudConfig, habits: &[Habit]) -> Vec<Had> {
    let mut world = World::new(config, habits);
    world.run();
    let had = habits.iter().zip(world.verified).zip(world.worked);
    had.map(|((habit, rounds), worked)| Had {
        rounds: rounds as f64,
        per_token: RUN.as_secs_f64() * 1000.0 / (rounds * u64::from(habit.drafts + 1)) as f64,
        target: worked.as_secs_f64() / RUN.as_secs_f64(),
    })
    .collect()
}

fn ordered(queue: QueueOrder, verify_batch_max: u32) -> CloudConfig {
    CloudConfig { queue, ..CloudConfig::batching(verify_batch_max) }
}

/// By how much a polite client's time per token grows beside another, in percent.
fn grows(config: CloudConfig, polite: Habit, greedy: Habit) -> (f64, Had) {
    let alone = run(config, &[polite])[0];
    let beside = run(config, &[polite, greedy]);
    (100.0 * (beside[0].per_token / alone.per_token - 1.0), beside[1])
}

#[test]
fn a_greedy_client_costs_another_less_than_a_fifth_of_its_time_per_token() {
    let long = Habit { drafts: 1000, ..GREEDY };
    let prompts = Habit { prompt: 5000, rounds: 1, ..GREEDY };
    let habits = [("8 drafts", GREEDY), ("1000 drafts", long), ("5000 prompt tokens", prompts)];
    println!("growth of a polite client's time per token [%]:");
    for (name, greedy) in habits {
        for drafts in [8, 6, 4] {
            for verify_batch_max in [1, 4] {
                let of = |queue| grows(ordered(queue, verify_batch_max), polite(drafts), greedy);
                let [(first, _), (fair, more), (courteous, had)] =
                    [QueueOrder::FirstCome, QueueOrder::Fair, QueueOrder::Courteous].map(of);
                println!(
                    "beside rounds of {name:<18}, its own {drafts} drafts, passes of \
                     {verify_batch_max}: first_come {first:6.1}, fair {fair:6.1}, courteous \
                     {courteous:4.1}; the other has {:4.0} rounds, and {:4.0}",
                    more.rounds, had.rounds
                );
                assert!(courteous < 20.0, "{name}, {drafts}, {verify_batch_max}: {courteous}");
                assert!(first > 1.5 * courteous, "what it would be: {first}");
                assert!(had.target > 0.1, "{had:?}");
            }
        }
    }
    // Where it costs little, whoever has use for more than its share has what nobody else wants.
    let (_, had) = grows(ordered(QueueOrder::Courteous, 1), POLITE, GREEDY);
    assert!(had.target > 0.7, "{had:?}");
    for verify_batch_max in [1, 4] {
        let had = run(ordered(QueueOrder::Courteous, verify_batch_max), &[POLITE, GREEDY]);
        assert!(had[1].rounds > 3.0 * had[0].rounds, "passes of {verify_batch_max}: {had:?}");
    }
    // In order of arrival it stands behind all that the greedy one has waiting.
    let (growth, _) = grows(ordered(QueueOrder::FirstCome, 1), POLITE, GREEDY);
    assert!(growth > 50.0, "{growth}");
}

#[test]
fn a_client_that_is_held_to_a_rate_has_no_more_than_that() {
    let limits = CloudLimits { client_navs_per_second: 3, ..CloudLimits::DEFAULT };
    let config = CloudConfig { limits, ..CloudConfig::DEFAULT };
    let (growth, greedy) = grows(config, POLITE, GREEDY);
    assert!((880.0..920.0).contains(&greedy.rounds), "three a second: {greedy:?}");
    assert!(growth < 10.0, "{growth}");
}

fn habit() -> impl Strategy<Value = Habit> {
    let drafts = prop_oneof![1_u32..20, 20_u32..1000, 1000_u32..4000];
    let thinks = prop_oneof![Just(0), 0_u64..200, 0_u64..20_000].prop_map(Duration::from_millis);
    let prompt = prop_oneof![1_u32..100, 1_u32..10_000];
    let rounds = prop_oneof![Just(u32::MAX), 1_u32..10];
    (1_u32..=8, drafts, thinks, prompt, rounds).prop_map(
        |(sessions, drafts, thinks, prompt, rounds)| Habit {
            sessions,
            drafts,
            thinks,
            prompt,
            rounds,
        },
    )
}

/// Needs no more than a seventh of the target.
fn modest() -> impl Strategy<Value = Habit> {
    (1_u32..16, 0_u64..600).prop_map(|(drafts, more)| {
        let thinks = 6 * pass(drafts) + Duration::from_millis(more);
        Habit { sessions: 1, drafts, thinks, prompt: 1, rounds: u32::MAX }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever the other asks for: a seventh of its time, and one pass, as none is broken off.
    #[test]
    fn who_needs_no_more_than_a_seventh_of_the_target_loses_no_more_of_its_time(
        modest in modest(),
        other in habit(),
        verify_batch_max in 1_u32..=8,
    ) {
        let (growth, had) = grows(ordered(QueueOrder::Courteous, verify_batch_max), modest, other);
        let longest = pass(other.drafts * verify_batch_max.min(other.sessions) + modest.drafts);
        // While nothing is known of either, and for purses that are full.
        let beginning = Duration::from_secs(1);
        let left = RUN.mul_f64(6.0 / 7.0).saturating_sub(longest + beginning);
        let most = 100.0 * (RUN.as_secs_f64() / left.as_secs_f64() - 1.0);
        prop_assert!(growth < most, "{growth} %, at most {most}; the other: {had:?}");
    }

    /// And the other is not shut out: what it asks of the target takes seven times as long at most.
    #[test]
    fn who_is_held_back_has_a_seventh_of_the_target_while_it_wants_it(
        modest in modest(),
        other in habit(),
    ) {
        let config = ordered(QueueOrder::Courteous, 1);
        let wants = run(config, &[other])[0].target;
        let (_, had) = grows(config, modest, other);
        prop_assert!(had.target > 0.85 * wants / (1.0 + 6.0 * wants), "{had:?} of {wants}");
    }

    /// Courtesy is no concern of clients that are alike, however many there are, once they are known. Each
    /// has one session, as edges have: what those need that have several, depends on how they fall
    /// together. Their rounds are short against the memory of them.
    #[test]
    fn clients_that_are_alike_do_not_hold_each_other_back(
        habit in habit(),
        drafts in 1_u32..500,
        thinks in 0_u64..2000,
        clients in 1_usize..12,
        verify_batch_max in 1_u32..=8,
    ) {
        let thinks = Duration::from_millis(thinks);
        let habit = Habit { sessions: 1, drafts, thinks, prompt: habit.prompt.min(1000), ..habit };
        let config = ordered(QueueOrder::Courteous, verify_batch_max);
        let mut world = World::new(config, &vec![habit; clients]);
        world.run();
        prop_assert!(world.rested < RUN.mul_f64(0.03), "{:?}", world.rested);
    }
}
