//! A plan of faults, as the packets of an edge meet it.

use std::sync::Arc;

use pipesd_core::fault::{FaultPlan, Way};
use pipesd_core::seed::{Seed, Stream};
use pipesd_core::time::{Duration, Instant};

use super::{Beginning, Emulation};

/// What becomes of a packet besides what its shaper says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meeting {
    /// It is gone.
    pub(super) lost: bool,
    /// It is later by this.
    pub(super) late: Duration,
    /// It comes twice.
    pub(super) twice: bool,
    /// It comes with this byte wrong.
    pub(super) wrong_byte: Option<usize>,
}

impl Meeting {
    /// Spoils a packet that is to be spoilt.
    pub(super) fn spoil(&self, packet: &mut [u8]) {
        if let Some(byte) = self.wrong_byte.and_then(|at| packet.get_mut(at)) {
            *byte ^= 0x55;
        }
    }
}

/// The plan of one edge, and how far it has come.
#[derive(Debug)]
pub(super) struct Faults {
    plan: Arc<FaultPlan>,
    since: Beginning,
    edge: u32,
    chances: [Stream; 2],
    packets: [u64; 2],
    moves: Vec<Instant>,
}

impl Faults {
    pub(super) fn new(emulation: &Emulation) -> Self {
        let plan = Arc::clone(&emulation.faults);
        let (since, edge) = (emulation.since, emulation.edge);
        let chance = |name| Seed(plan.seed).stream(name, u64::from(edge));
        let chances = ["packets up", "packets down"].map(chance);
        let mut faults =
            Self { moves: plan.moves(edge), plan, since, edge, chances, packets: [0; 2] };
        // A link that is made later has the address of its time.
        faults.must_move();
        faults
    }

    fn now(&self) -> Instant {
        self.since.until_now()
    }

    /// Whether the edge has another address from now on.
    pub(super) fn must_move(&mut self) -> bool {
        if self.moves.is_empty() {
            return false;
        }
        let now = self.now();
        let before = self.moves.len();
        self.moves.retain(|at| *at > now);
        self.moves.len() < before
    }

    /// What a packet of `bytes` meets.
    pub(super) fn meet(&mut self, way: Way, bytes: usize) -> Meeting {
        if self.plan.is_empty() {
            return Meeting::default();
        }
        let weather = self.plan.weather(self.edge, way, self.now());
        let index = way as usize;
        let mut draws = self.chances[index].at(self.packets[index]);
        self.packets[index] += 1;
        let spread = weather.spread.mul_f64(draws.uniform());
        let twice = draws.uniform() < weather.duplicate;
        let wrong = draws.uniform() < weather.corrupt;
        let at = draws.bits() as usize % bytes.max(1);
        Meeting {
            lost: weather.closed_until.is_some(),
            late: weather.delay + spread,
            twice,
            wrong_byte: wrong.then_some(at),
        }
    }
}
