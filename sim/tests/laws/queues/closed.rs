//! Edges that draft, ask, and wait for the verdict: the machine-repairman model, in which N machines
//! break down after exponential times and one repairman mends them, one by one or some at once.

use pipesd_core::event::{Endpoint, Event, Stamped};
use pipesd_core::time::{Duration, Instant, as_millis};
use pipesd_sim::distribution::Latency;
use pipesd_sim::link::{LinkConfig, Rate};
use pipesd_sim::profile::{DraftLatency, Profile, TextModel, VerificationLatency};
use pipesd_sim::text::Process;
use pipesd_sim::world::Setup;

use super::Estimate;
use crate::support;

/// Mean draft step and mean forward pass \[ms\].
const THINK_MS: f64 = 80.0;
const SERVE_MS: f64 = 20.0;

/// Stationary figures of N edges at one target.
#[derive(Clone, Copy, Debug)]
struct Repairman {
    /// NAVs per ms.
    throughput: f64,
    /// Share of time with a pass under way.
    utilisation: f64,
    /// Time from a NAV's arrival to the end of its pass \[ms\].
    response_ms: f64,
    /// NAVs that most passes leave waiting behind them.
    usual_left: u32,
}

/// Exact figures with up to `batch` NAVs in a pass, whose length does not depend on how many they are:
/// the Markov chain over (NAVs in the pass, NAVs waiting), solved by elimination without subtraction
/// (Grassmann, Taksar, Heyman 1985).
fn repairman(edges: u32, batch: u32) -> Repairman {
    let busy = (1..=batch.min(edges)).flat_map(|m| (0..=edges - m).map(move |w| (m, w)));
    let states: Vec<(u32, u32)> = [(0, 0)].into_iter().chain(busy).collect();
    let index = |state: (u32, u32)| {
        states.iter().position(|of| *of == state).expect("a state of the chain")
    };
    let mut rates = vec![vec![0.0; states.len()]; states.len()];
    for (from, &(m, w)) in states.iter().enumerate() {
        let drafting = edges - m - w;
        if drafting > 0 {
            let to = index(if m == 0 { (1, 0) } else { (m, w + 1) });
            rates[from][to] += f64::from(drafting) / THINK_MS;
        }
        if m > 0 {
            let next = w.min(batch);
            rates[from][index((next, w - next))] += 1.0 / SERVE_MS;
        }
    }
    let shares = stationary(rates);
    let mean = |of: &dyn Fn(u32, u32) -> f64| -> f64 {
        states.iter().zip(&shares).map(|(&(m, w), share)| share * of(m, w)).sum()
    };
    let throughput = mean(&|m, _| f64::from(m)) / SERVE_MS;
    let left = |k: u32| mean(&|m, w| f64::from(u8::from(m > 0 && w == k)));
    Repairman {
        throughput,
        utilisation: 1.0 - shares[0],
        response_ms: mean(&|m, w| f64::from(m + w)) / throughput,
        usual_left: (0..edges).max_by(|&a, &b| left(a).total_cmp(&left(b))).expect("an edge"),
    }
}

/// The stationary distribution of a chain with these rates between its states.
fn stationary(mut rates: Vec<Vec<f64>>) -> Vec<f64> {
    let states = rates.len();
    for last in (1..states).rev() {
        let out: f64 = rates[last][..last].iter().sum();
        for from in 0..last {
            rates[from][last] /= out;
            for to in 0..last {
                let through = rates[from][last] * rates[last][to];
                rates[from][to] += if from == to { 0.0 } else { through };
            }
        }
    }
    let mut shares = vec![1.0];
    while shares.len() < states {
        let into = shares.iter().zip(&rates).map(|(share, from)| share * from[shares.len()]);
        shares.push(into.sum());
    }
    let total: f64 = shares.iter().sum();
    shares.iter().map(|share| share / total).collect()
}

/// M/M/1//N by mean value analysis: Rₙ = S (1 + Qₙ₋₁), Xₙ = n / (Z + Rₙ), Qₙ = Xₙ Rₙ (Reiser and
/// Lavenberg 1980). Gives X and R.
fn mean_value_analysis(edges: u32) -> [f64; 2] {
    (1..=edges).fold([0.0, 0.0], |[throughput, response], n| {
        let response = SERVE_MS * (1.0 + throughput * response);
        [f64::from(n) / (THINK_MS + response), response]
    })
}

#[test]
fn the_exact_chain_is_the_recursion_one_by_one_and_erlangs_loss_for_one_edge() {
    for edges in 1..=12 {
        let [throughput, response_ms] = mean_value_analysis(edges);
        let exact = repairman(edges, 1);
        assert!((exact.throughput / throughput - 1.0).abs() < 1e-12, "{edges}: {exact:?}");
        assert!((exact.response_ms / response_ms - 1.0).abs() < 1e-12, "{edges}: {exact:?}");
        assert!((exact.utilisation - throughput * SERVE_MS).abs() < 1e-12, "{edges}: {exact:?}");
        // Each edge either drafts or waits: Z + R is its whole round.
        let round = f64::from(edges) / repairman(edges, 3).throughput;
        assert!((THINK_MS + repairman(edges, 3).response_ms - round).abs() < 1e-9);
    }
    assert!((repairman(1, 1).utilisation - SERVE_MS / (SERVE_MS + THINK_MS)).abs() < 1e-12);
    // More room in a pass raises the throughput of this chain, as long as it can be filled: one edge
    // at least is in the pass before.
    for batch in 1..7 {
        let [less, more] = [batch, batch + 1].map(|batch| repairman(8, batch).throughput);
        assert!(less < more, "{batch}: {less} {more}");
    }
    assert!((repairman(8, 7).throughput / repairman(8, 8).throughput - 1.0).abs() < 1e-12);
}

/// The whole world as that model: vanilla, one draft token a round, and whatever else takes time set
/// to nothing. What is left of it are links of 10¹² bit/s: some ns for each round of 100 ms, and
/// latencies rounded to the ns.
fn world(edges: u32, batch: u32, rounds: u32, service: Latency) -> Setup {
    let entry = support::VANILLA
        .replace("draft_length = 6", "draft_length = 1")
        .replace("payload = 'full'", "payload = 'ids'");
    let surely = Process {
        prompt_share: 0.0,
        slow_share: 0.0,
        slow_correlation: 0.0,
        knots: vec![[-3.0, 0.1], [3.0, 4.0]],
        acceptance_intercept: 30.0,
        acceptance_slope: 0.0,
        vocabulary: support::VOCABULARY,
    };
    let profile = support::profile(TextModel::Process(surely));
    // Every draft is accepted: two tokens a round.
    let tokens = 2 * rounds;
    let draft = DraftLatency {
        step: Latency::Exponential { mean: THINK_MS },
        prefill_ms_per_token: 0.0,
        ..profile.draft
    };
    let verification =
        VerificationLatency { base: service, per_token_ms: 0.0, prefill_ms_per_token: 0.0 };
    let profile = Profile { output_tokens: tokens, draft, verification, ..profile };
    let setup = support::setup(support::method(&entry), profile, u64::from(tokens));
    let fast = Rate::Constant(1_000_000_000_000);
    let link = LinkConfig::Affine(support::affine(fast, Duration::ZERO, Duration::ZERO));
    let cloud = super::in_order(batch);
    Setup { edges, cloud, uplink: link.clone(), downlink: link, ..setup }
}

/// What is measured between two regenerations.
#[derive(Clone, Copy, Debug, Default)]
struct Cycle {
    length: f64,
    served: f64,
    busy: f64,
    /// Time integral of the NAVs at the cloud.
    area: f64,
}

/// Cycles between ends of passes that leave exactly `left` NAVs waiting: there the next pass begins,
/// and what is left of each draft step is exponential again, so that the past is of no matter.
/// From the first edge's end on, the system is another; it is left out.
fn cycles(events: &[Stamped], left: u32) -> Vec<Cycle> {
    let (mut waiting, mut served) = (0_u32, 0_u32);
    let mut before = Instant::ZERO;
    let mut cycles = Vec::new();
    let mut open: Option<Cycle> = None;
    for Stamped { at, endpoint, event } in events {
        let span = as_millis(*at - before);
        before = *at;
        if let Some(cycle) = &mut open {
            cycle.length += span;
            cycle.area += span * f64::from(waiting + served);
            cycle.busy += if served > 0 { span } else { 0.0 };
        }
        match event {
            Event::SessionEnded { .. } => break,
            Event::UploadReceived { nav: true, .. } => waiting += 1,
            Event::VerifyStarted { .. } => {
                waiting -= 1;
                served += 1;
            }
            Event::VerifyFinished { .. } => {
                assert_eq!(*endpoint, Endpoint::Cloud);
                served -= 1;
                if let Some(cycle) = &mut open {
                    cycle.served += 1.0;
                }
                if served == 0 && waiting == left {
                    cycles.extend(open.replace(Cycle::default()));
                }
            }
            _ => {}
        }
    }
    cycles
}

/// Throughput, utilisation and response of `edges` in the simulator, over about 16 000 NAVs.
fn measured(edges: u32, batch: u32, service: Latency) -> [Estimate; 3] {
    let events = support::record(&world(edges, batch, 16_000 / edges, service), 5).events;
    let cycles = cycles(&events, repairman(edges, batch).usual_left);
    assert!(cycles.len() > 1000, "cycles enough for a normal error: {}", cycles.len());
    let ratio = |amount: fn(&Cycle) -> f64, weight: fn(&Cycle) -> f64| {
        let pairs: Vec<(f64, f64)> = cycles.iter().map(|c| (amount(c), weight(c))).collect();
        Estimate::of(&pairs)
    };
    // The response by Little's law, which `shared` tests: cycles are independent, responses are not.
    [
        ratio(|c| c.served, |c| c.length),
        ratio(|c| c.busy, |c| c.length),
        ratio(|c| c.area, |c| c.served),
    ]
}

fn agree(measured: &[Estimate; 3], exact: &Repairman) -> bool {
    let exact = [exact.throughput, exact.utilisation, exact.response_ms];
    measured.iter().zip(exact).all(|(estimate, exact)| estimate.agrees_with(exact))
}

fn check(edges: u32, batch: u32) {
    let figures = measured(edges, batch, Latency::Exponential { mean: SERVE_MS });
    for figure in &figures {
        assert!(figure.relative_error() < 0.025, "{edges} edges, {batch} a pass: {figure:?}");
    }
    let exact = repairman(edges, batch);
    assert!(agree(&figures, &exact), "{edges} edges, {batch} a pass: {figures:?}, {exact:?}");
    // The comparison is sharp: one edge more would be noticed.
    assert!(!agree(&figures, &repairman(edges + 1, batch)), "{edges} edges: {figures:?}");
}

#[test]
fn one_by_one_edges_are_machines_and_the_cloud_their_repairman() {
    for edges in 1..=8 {
        check(edges, 1);
    }
}

#[test]
fn passes_that_are_shared_serve_as_the_chain_says() {
    for (edges, batch) in [(3, 2), (4, 2), (8, 2), (8, 3), (8, 8)] {
        check(edges, batch);
        let exact = repairman(edges, batch);
        assert!(exact.throughput > repairman(edges, 1).throughput, "{exact:?}");
    }
}

#[test]
fn a_wrong_closed_form_is_told_from_the_right_one() {
    // Constant passes are no exponential ones: their queue is shorter.
    let constant = measured(8, 1, Latency::Constant { mean: SERVE_MS });
    assert!(!agree(&constant, &repairman(8, 1)), "{constant:?}");
    let exponential = measured(8, 1, Latency::Exponential { mean: SERVE_MS });
    assert!(!agree(&exponential, &repairman(8, 2)), "{exponential:?}");
    assert!(!agree(&exponential, &repairman(7, 1)), "{exponential:?}");
}
