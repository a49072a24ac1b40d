//! Speed of the engine. `cargo bench -p pipesd-sim --bench engine` measures each piece with criterion
//! and then prints the ratios, from rounds in which the rivals take turns.
//!
//! The hold model: 64 entities, each with one pending event; a step takes the earliest event and
//! schedules its entity's next one. All rivals draw the same delays from a table made beforehand, and
//! handle the same events in the same order (checked).

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark reads the clock"
)]

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant as WallClock};

use criterion::{Criterion, Throughput};
use pipesd_core::cloud::CloudConfig;
use pipesd_core::edge::{EdgeConfig, Outage};
use pipesd_core::fault::FaultPlan;
use pipesd_core::method::MethodSpec;
use pipesd_core::seed::Seed;
use pipesd_core::time::Instant;
use pipesd_sim::profile::ProfileSpec;
use pipesd_sim::queue::EventQueue;
use pipesd_sim::scenario::{ScenarioSpec, Way};
use pipesd_sim::world::{Setup, run};
use serde::Serialize;

const ENTITIES: usize = 64;

/// Whole numbers of nanoseconds, exponential with a mean of a millisecond; 64 for each entity.
fn delays() -> Vec<u64> {
    let mut draws = Seed(1).stream("hold model", 0);
    let delay = |key| (-1e6 * libm::log(draws.at(key).uniform())).round() as u64;
    (0..64 * ENTITIES as u64).map(delay).collect()
}

/// Walks the table of delays from an entity's own place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cursor(usize);

impl Cursor {
    const fn of(entity: usize) -> Self {
        Self(64 * entity)
    }

    fn next<T: Copy>(&mut self, delays: &[T]) -> T {
        let delay = delays[self.0 % delays.len()];
        self.0 += 1;
        delay
    }
}

/// A way to run the hold model.
trait Rival {
    fn steps(&mut self, count: u64);

    /// How far each entity has come: equal for rivals that handled the same events.
    fn cursors(&self) -> Vec<Cursor>;
}

struct OurQueue {
    delays: Vec<u64>,
    cursors: Vec<Cursor>,
    queue: EventQueue<u32>,
}

impl OurQueue {
    fn new() -> Self {
        let delays = delays();
        let mut cursors: Vec<Cursor> = (0..ENTITIES).map(Cursor::of).collect();
        let mut queue = EventQueue::default();
        for (entity, cursor) in (0..).zip(&mut cursors) {
            queue.push(Instant::from_nanos(cursor.next(&delays)), entity);
        }
        Self { delays, cursors, queue }
    }
}

impl Rival for OurQueue {
    fn steps(&mut self, count: u64) {
        for _ in 0..count {
            let (now, entity) = self.queue.pop().expect("each entity has an event");
            let delay = self.cursors[entity as usize].next(&self.delays);
            self.queue.push(Instant::from_nanos(now.as_nanos() + delay), entity);
        }
    }

    fn cursors(&self) -> Vec<Cursor> {
        self.cursors.clone()
    }
}

struct BareHeap {
    delays: Vec<u64>,
    cursors: Vec<Cursor>,
    /// Time, order of scheduling, entity.
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    scheduled: u64,
}

impl BareHeap {
    fn new() -> Self {
        let delays = delays();
        let mut cursors: Vec<Cursor> = (0..ENTITIES).map(Cursor::of).collect();
        let mut heap = BinaryHeap::new();
        for (entity, cursor) in (0..).zip(&mut cursors) {
            heap.push(Reverse((cursor.next(&delays), u64::from(entity), entity)));
        }
        Self { delays, cursors, heap, scheduled: ENTITIES as u64 }
    }
}

impl Rival for BareHeap {
    fn steps(&mut self, count: u64) {
        for _ in 0..count {
            let Reverse((now, _, entity)) = self.heap.pop().expect("each entity has an event");
            let delay = self.cursors[entity as usize].next(&self.delays);
            self.heap.push(Reverse((now + delay, self.scheduled, entity)));
            self.scheduled += 1;
        }
    }

    fn cursors(&self) -> Vec<Cursor> {
        self.cursors.clone()
    }
}

/// `simcore` as its documentation says to use it: entities are event handlers, events are boxed, and
/// an entity emits its next one when it handles one. Unlike the other two it cannot be had without
/// the dispatch to a handler.
struct SimCore {
    simulation: simcore::Simulation,
    entities: Vec<Rc<RefCell<Entity>>>,
}

struct Entity {
    delays: Rc<[f64]>,
    cursor: Cursor,
    context: simcore::SimulationContext,
}

#[derive(Clone, Serialize)]
struct Tick {}

impl Entity {
    fn schedule(&mut self) {
        let delay = self.cursor.next(&self.delays);
        self.context.emit_self(Tick {}, delay);
    }
}

impl simcore::EventHandler for Entity {
    fn on(&mut self, event: simcore::Event) {
        simcore::cast!(match event.data {
            Tick {} => {
                self.schedule();
            }
        });
    }
}

impl SimCore {
    fn new() -> Self {
        // As floating-point numbers of nanoseconds, which are exact, so that the order is the same.
        let delays: Rc<[f64]> = delays().into_iter().map(|delay| delay as f64).collect();
        let mut simulation = simcore::Simulation::new(1);
        let entity = |index| {
            let name = format!("entity {index}");
            let context = simulation.create_context(&name);
            let (cursor, delays) = (Cursor::of(index), Rc::clone(&delays));
            let entity = Rc::new(RefCell::new(Entity { delays, cursor, context }));
            simulation.add_handler(&name, entity.clone());
            entity.borrow_mut().schedule();
            entity
        };
        let entities = (0..ENTITIES).map(entity).collect();
        Self { simulation, entities }
    }
}

impl Rival for SimCore {
    fn steps(&mut self, count: u64) {
        assert!(self.simulation.steps(count), "each entity has an event");
    }

    fn cursors(&self) -> Vec<Cursor> {
        self.entities.iter().map(|entity| entity.borrow().cursor).collect()
    }
}

/// PipeSD on humaneval in scenario S1, full payload (as byte counts); the books and invariants are
/// always kept, events are not recorded.
fn full_model() -> Setup {
    let profile: ProfileSpec =
        toml::from_str(include_str!("../../traces/profiles/humaneval.toml")).expect("a profile");
    let scenario: ScenarioSpec =
        toml::from_str(include_str!("../../traces/scenarios/s1-laptop.toml")).expect("a scenario");
    let mut methods: toml::Table =
        include_str!("../../experiments/methods.toml").parse().expect("a table of methods");
    let mut method = methods.remove("pipesd").expect("the preset is shipped");
    let keys = method.as_table_mut().expect("a method is a table");
    // For people, and for the other profile.
    keys.remove("description");
    keys.remove("for");
    let method: MethodSpec = method.try_into().expect("a method");
    Setup {
        edges: 1,
        edge: EdgeConfig {
            method: method.resolve().expect("a valid method"),
            tuning: None,
            patience: Duration::from_secs(24 * 3600),
            outage: Outage::DEFAULT,
        },
        cloud: CloudConfig::batching(1),
        uplink: scenario.uplink.resolve(Way::Up, None).expect("a valid uplink"),
        downlink: scenario.downlink.resolve(Way::Down, None).expect("a valid downlink"),
        profile: Arc::new(
            profile
                .resolve(scenario.device.resolve().expect("a valid device"), None)
                .expect("a valid profile"),
        ),
        tokens: 10_000,
        record: false,
        faults: FaultPlan::NONE,
        resumed: 0.0,
        canary: None,
    }
}

/// Output tokens of one run.
fn simulate(setup: &Setup, seed: u64) -> u64 {
    let result = run(black_box(setup), Seed(seed)).expect("a run without violations");
    result.counts.iter().map(|counts| counts.output).sum()
}

fn criterion_groups(criterion: &mut Criterion) {
    const STEPS: u64 = 10_000;
    let rivals: [(&str, Box<dyn Rival>); 3] = [
        ("pipesd", Box::new(OurQueue::new())),
        ("bare heap", Box::new(BareHeap::new())),
        ("simcore", Box::new(SimCore::new())),
    ];
    let mut group = criterion.benchmark_group("hold model, 64 entities");
    group.throughput(Throughput::Elements(STEPS));
    for (name, mut rival) in rivals {
        group.bench_function(name, |bencher| bencher.iter(|| rival.steps(STEPS)));
    }
    group.finish();

    let setup = full_model();
    let mut group = criterion.benchmark_group("full model, output tokens");
    group.throughput(Throughput::Elements(simulate(&setup, 1)));
    group.bench_function("pipesd, humaneval, S1", |bencher| bencher.iter(|| simulate(&setup, 1)));
    group.finish();
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = WallClock::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Lowest, median and highest.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}

/// The results: in each round every rival runs once, so that a slow moment of the machine falls on
/// all; ratios are within rounds.
fn summary() {
    const ROUNDS: u64 = 15;
    const STEPS: u64 = 1_000_000;
    let mut rivals: [Box<dyn Rival>; 3] =
        [Box::new(OurQueue::new()), Box::new(SimCore::new()), Box::new(BareHeap::new())];
    let setup = full_model();
    let (mut to_simcore, mut to_heap, mut tokens_per_s) = (Vec::new(), Vec::new(), Vec::new());
    let mut per_step: [Vec<f64>; 3] = Default::default();
    for round in 0..=ROUNDS {
        let times = rivals.each_mut().map(|rival| seconds(|| rival.steps(STEPS)));
        let cursors = rivals.each_ref().map(|rival| rival.cursors());
        assert!(cursors.iter().all(|all| *all == cursors[0]), "all handle the same events");
        let mut tokens = 0;
        let took = seconds(|| tokens = simulate(&setup, round));
        // The first round warms up.
        if round > 0 {
            let [ours, simcore, heap] = times;
            to_simcore.push(simcore / ours);
            to_heap.push(heap / ours);
            tokens_per_s.push(tokens as f64 / took / 1e6);
            for (all, time) in per_step.iter_mut().zip(times) {
                all.push(time / STEPS as f64 * 1e9);
            }
        }
    }
    let [ours, simcore, heap] = per_step.map(|times| spread(times)[1]);
    println!("{ROUNDS} interleaved rounds; hold model, median ns a step:");
    println!("pipesd {ours:.1}, simcore {simcore:.1}, bare heap {heap:.1}\n");
    println!("{:<36}{:>8}{:>8}{:>8}  required", "", "median", "lowest", "highest");
    for (name, values, required) in [
        ("queue: speed over simcore's", to_simcore, 1.0),
        ("queue: speed over a bare heap's", to_heap, 0.5),
        ("full model: output tokens/s [M]", tokens_per_s, 0.5),
    ] {
        let [lowest, median, highest] = spread(values);
        println!("{name:<36}{median:>8.2}{lowest:>8.2}{highest:>8.2}  >= {required}");
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    criterion_groups(&mut criterion);
    criterion.final_summary();
    // `cargo test --all-targets` only tries each piece once.
    if std::env::args().any(|argument| argument == "--bench") {
        summary();
    }
}
