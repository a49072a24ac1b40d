//! A list of (now, Input) is the whole run of an endpoint: fed to a fresh machine, also after a
//! round trip through text, it gives the recorded outputs.

use pipesd_core::cloud::Cloud;
use pipesd_core::contract::{Input, Machine, Output, drain};
use pipesd_core::edge::Edge;
use pipesd_core::event::Endpoint;
use pipesd_core::time::Instant;
use pipesd_sim::world::{Recording, Setup};
use proptest::prelude::*;

use crate::conservation::any;
use crate::support::{self, PRESETS};

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
fn check(setup: &Setup, recording: &Recording, inputs: &Inputs) {
    let edges = (0..setup.edges).map(Endpoint::Edge);
    for endpoint in edges.chain([Endpoint::Cloud]) {
        let replayed = match endpoint {
            Endpoint::Edge(_) => outputs_of(&mut Edge::new(setup.edge), endpoint, inputs),
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

fn check_both(setup: &Setup, recording: &Recording) {
    check(setup, recording, &recording.inputs);
    let text = serde_json::to_string(&recording.inputs).expect("inputs are plain data");
    let read: Inputs = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(read, recording.inputs);
    check(setup, recording, &read);
}

#[test]
fn the_presets_replay_bit_for_bit() {
    for (_, entry) in PRESETS {
        let setup = Setup { edges: 2, ..support::paper(support::method(entry), 260) };
        check_both(&setup, &support::record(&setup, 2));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_run_replays_bit_for_bit((setup, seed) in any::setup()) {
        check_both(&setup, &support::record(&setup, seed));
    }
}
