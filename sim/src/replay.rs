//! Replays what went into an endpoint, wherever it ran: its inputs go through the simulator's own queue
//! and the core's drain loop into a fresh machine.

use pipesd_core::contract::{Input, Machine, Output, drain};
use pipesd_core::time::Instant;

use crate::queue::EventQueue;

/// The outputs of `machine` for `inputs`, which are in order of time.
pub fn outputs(
    machine: &mut impl Machine,
    inputs: impl IntoIterator<Item = (Instant, Input)>,
) -> Vec<(Instant, Output)> {
    let mut queue = EventQueue::default();
    for (at, input) in inputs {
        queue.push(at, input);
    }
    let mut outputs = Vec::new();
    while let Some((at, input)) = queue.pop() {
        drain(machine, at, input, &mut outputs);
    }
    outputs
}
