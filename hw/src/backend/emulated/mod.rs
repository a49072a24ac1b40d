//! Models that play recorded texts with their latencies, in real time: a whole testbed without a model.
//!
//! Draft and target know the truth, as the simulator's models do, and by the same rules: the draft
//! proposes what was recorded as long as its context is the target's text, and follows the rollout of
//! its mistake from there on. Each call takes the recorded time, to an absolute deadline.
//!
//! Which text a session is about is said by its prompt, see [`prompt`]: the one thing that both ends
//! are told alike.

mod draft;
mod target;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pipesd_core::blob::Blob;
use pipesd_core::device::Device;
use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::payload::{Payload, WireFormat};
use pipesd_core::time::Duration;
use pipesd_core::trace::{Trace, TraceText};
use pipesd_core::verification::{Claim, Temperature};

pub use self::draft::EmulatedDraft;
pub use self::target::EmulatedTarget;
use crate::driver::clock::wait_until;

/// Times of models on texts that were recorded without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// The draft's prefill of a prompt token.
    pub draft_prefill_per_token: Duration,
    /// A draft step.
    pub step: Duration,
    /// The target's prefill of a prompt token.
    pub verify_prefill_per_token: Duration,
    /// A verification, whatever its length.
    pub verify: Duration,
    /// More for each draft token in it.
    pub verify_per_token: Duration,
}

/// Recorded texts and how they are played; shared by the models that play them.
#[derive(Debug)]
pub struct Playback {
    trace: Trace,
    /// Entries of the vocabulary: how much a distribution weighs.
    vocabulary: u32,
    latencies: Latencies,
    /// The device that draft steps are played on.
    device: Device,
    /// Real time for a unit of recorded time; 1 but in tests.
    pace: f64,
    past_rollouts: AtomicU64,
    late: Mutex<Vec<Duration>>,
}

/// Overshoots kept at most.
const LATE_MAX: usize = 1 << 20;

impl Playback {
    /// Texts played in real time. `latencies` are for texts that were recorded without.
    ///
    /// # Errors
    /// What is wrong with the trace.
    pub fn new(
        trace: Trace,
        vocabulary: u32,
        latencies: Latencies,
    ) -> Result<Self, pipesd_core::trace::TraceError> {
        trace.validate()?;
        let (past_rollouts, late) = (AtomicU64::new(0), Mutex::default());
        let (device, pace) = (Device::REFERENCE, 1.0);
        Ok(Self { trace, vocabulary, latencies, device, pace, past_rollouts, late })
    }

    /// The same on another device than the one that the recorded times are of.
    #[must_use]
    pub fn on_device(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// The same at another pace: recorded times are multiplied by `pace`. For tests.
    #[must_use]
    pub fn at_pace(self, pace: f64) -> Self {
        Self { pace, ..self }
    }

    /// The texts.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// How often a draft model was asked for more than a rollout holds: zero in a sound run.
    #[must_use]
    pub fn past_rollouts(&self) -> u64 {
        self.past_rollouts.load(Ordering::Relaxed)
    }

    /// How late calls ended, in order of size: what the emulation adds to recorded times.
    #[must_use]
    pub fn overshoots(&self) -> Vec<Duration> {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner).clone();
        late.sort_unstable();
        late
    }

    /// The request for the text numbered `number`, counting round.
    #[must_use]
    pub fn request(&self, session: SessionId, number: usize, seed: u64) -> Request {
        let number = number % self.trace.texts.len();
        let text = self.trace.text(number);
        Request {
            session,
            prompt: prompt(number, text.prompt_tokens),
            budget: text.budget(),
            stop_ids: text.stop_ids(),
            temperature: Temperature::default(),
            seed,
            text: Vec::new(),
        }
    }

    /// What the text numbered `number` is, whatever the method.
    #[must_use]
    pub fn truth(&self, number: usize) -> Vec<TokenId> {
        let positions = &self.trace.text(number).positions;
        positions.iter().map(|&(_, target, _)| TokenId(target)).collect()
    }

    fn text(&self, number: usize) -> &TraceText {
        self.trace.text(number)
    }

    fn count_past_rollout(&self) {
        self.past_rollouts.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends a call that began at `start` when its recorded time is over.
    fn finish(&self, start: std::time::Instant, recorded: Duration) {
        let late = wait_until(start + recorded.mul_f64(self.pace));
        let mut all = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < LATE_MAX {
            all.push(late);
        }
    }
}

/// The prompt of the text numbered `number`: its first token is the number, the others stand for nothing.
#[must_use]
pub fn prompt(number: usize, tokens: u32) -> Vec<TokenId> {
    let number = TokenId(number as u32);
    core::iter::once(number).chain((1..tokens.max(1)).map(TokenId)).collect()
}

/// The number that a prompt says.
fn number(prompt: &[TokenId]) -> Option<usize> {
    prompt.first().map(|token| token.0 as usize)
}

/// What stands for a draft's distribution on the wire: as many bytes as one, and no sense. Built once
/// for a payload and shared; None if ids are all that goes up.
fn filler(payload: Payload, vocabulary: u32) -> Option<Blob> {
    let format = WireFormat { payload, vocabulary };
    let id = size_of::<TokenId>() as u64;
    let bytes = match payload {
        Payload::Ids => return None,
        Payload::Full | Payload::Lazy => format.distribution_bytes(),
        Payload::TopK(_) => format.token_bytes() - id,
    };
    // Not all the same, lest something on the way thinks to save on them.
    let mut state = 0x9e37_79b9_u32;
    let noise = (0..bytes).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    Some(Blob::new(noise.collect::<Vec<u8>>()))
}

/// What a draft claims under a payload that carries distributions.
fn claim(filler: Option<&Blob>, probability: f64) -> Option<Claim> {
    filler.map(|distribution| Claim { probability, distribution: distribution.clone() })
}

/// A playback for several models.
pub type Shared = Arc<Playback>;
