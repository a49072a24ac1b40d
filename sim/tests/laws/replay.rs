//! A list of (now, Input) is the whole run of an endpoint: fed to a fresh machine, also after a
//! round trip through text, it gives the recorded outputs.

use pipesd_core::cloud::Cloud;
use pipesd_core::contract::{Input, Machine, Output, WorkResult, drain};
use pipesd_core::edge::Edge;
use pipesd_core::event::Endpoint;
use pipesd_core::seed::Seed;
use pipesd_core::time::Instant;
use pipesd_sim::world::{Recording, Setup};
use proptest::prelude::*;

use crate::conservation::any;
use crate::support::{self, PIPESD, PRESETS};

type Inputs = Vec<(Endpoint, Instant, Input)>;

fn outputs_of(
    machine: &mut impl Machine,
    endpoint: Endpoint,
    inputs: &Inputs,
) -> Vec<(Instant, Output)> {
    let mut outputs = Vec::new();
    for (_, now, input) in inputs.iter().filter(|(of, ..)| *of == endpoint) {
        drain(machine, *now, input.clone(), &mut outputs);
    }
    outputs
}

/// Replays each endpoint alone. Floats are compared by their text as well, which tells all bits.
fn check(setup: &Setup, seed: Seed, recording: &Recording, inputs: &Inputs) {
    let edges = (0..setup.edges).map(Endpoint::Edge);
    for endpoint in edges.chain([Endpoint::Cloud]) {
        let replayed = match endpoint {
            Endpoint::Edge(edge) => {
                let mut edge = Edge::new(setup.edge_config(seed, edge));
                outputs_of(&mut edge, endpoint, inputs)
            }
            Endpoint::Cloud => outputs_of(&mut Cloud::new(setup.cloud), endpoint, inputs),
        };
        let recorded = recording.outputs.iter().filter(|(of, ..)| *of == endpoint);
        let recorded: Vec<_> = recorded.map(|(_, now, output)| (*now, output.clone())).collect();
        assert!(!recorded.is_empty(), "{endpoint} has something to replay");
        for (index, (one, other)) in replayed.iter().zip(&recorded).enumerate() {
            assert_eq!(one, other, "{endpoint}, output {index}");
        }
        assert_eq!(replayed.len(), recorded.len(), "{endpoint}");
        let text = |outputs| serde_json::to_string(outputs).expect("outputs are plain data");
        assert_eq!(text(&replayed), text(&recorded), "{endpoint}");
    }
}

fn check_both(setup: &Setup, seed: u64) -> Recording {
    let recording = support::record(setup, seed);
    check(setup, Seed(seed), &recording, &recording.inputs);
    let text = serde_json::to_string(&recording.inputs).expect("inputs are plain data");
    let read: Inputs = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(read, recording.inputs);
    check(setup, Seed(seed), &recording, &read);
    recording
}

#[test]
fn the_presets_replay_bit_for_bit() {
    for (_, entry) in PRESETS {
        let setup = Setup { edges: 2, ..support::paper(support::method(entry), 260) };
        check_both(&setup, 2);
    }
}

#[test]
fn tuned_runs_replay_bit_for_bit() {
    // Fits and their answers are part of the list: nothing of the tuner is outside it.
    for tuning in support::tunings() {
        let setup = Setup { edges: 2, ..support::paper(support::method(PIPESD), 780) };
        let recording = check_both(&support::tuned(setup, tuning), 2);
        let answered = |(_, _, input): &&(_, _, Input)| {
            matches!(input, Input::Finished { result: WorkResult::Fitted(_), .. })
        };
        let fits = recording.inputs.iter().filter(answered).count();
        assert!(fits >= 2 * 16, "each edge ends a search of 16: {fits} fits");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_run_replays_bit_for_bit((setup, seed) in any::setup()) {
        check_both(&setup, seed);
    }
}
