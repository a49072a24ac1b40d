//! Who answers what the machines ask of their models: the profile's texts, or models from outside whose
//! tokens are real and whose time is the profile's.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipesd_core::blob::Blob;
use pipesd_core::contract::{DraftStep, Proposal, VerifyBlock};
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::seed::Seed;
use pipesd_core::time::Duration;
use pipesd_core::verification::{Claim, Decision, Sampling};

use super::models::Texts;
use super::times::{Place, Times};
use super::{RunError, request};
use crate::profile::Profile;

/// Models that answer in real tokens. In virtual time they take none of their own: how long a step, a
/// pass or a prefill takes is drawn from the profile, as for its own texts.
///
/// Errors are in words, and end the run.
pub trait RealModels {
    /// How many requests there are; each edge decodes all of them, beginning at its own.
    fn requests(&self) -> u64;

    /// Output tokens of all of them together at most.
    fn tokens(&self) -> u64;

    /// The request numbered `number` (counting round) as `session`.
    fn request(&mut self, session: SessionId, number: u64) -> Request;

    /// The token that must be committed at `position`, if it is known.
    fn truth(&self, session: SessionId, position: u32) -> Option<TokenId>;

    /// The draft evaluates a prompt.
    ///
    /// # Errors
    /// If it cannot.
    fn prefill_draft(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), String>;

    /// The target evaluates a prompt.
    ///
    /// # Errors
    /// If it cannot.
    fn prefill_target(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), String>;

    /// One step of the draft.
    ///
    /// # Errors
    /// If it cannot.
    fn draft(&mut self, step: &DraftStep) -> Result<(Proposal, Option<Claim>), String>;

    /// One pass of the target.
    ///
    /// # Errors
    /// If it cannot.
    fn verify(&mut self, blocks: &[VerifyBlock]) -> Result<Vec<Decision>, String>;

    /// The replacement of a rejected draft whose distribution was withheld.
    ///
    /// # Errors
    /// If it cannot.
    fn replace(
        &mut self,
        session: SessionId,
        round: RoundId,
        position: u32,
        distribution: &Blob,
    ) -> Result<TokenId, String>;

    /// Both forget a session.
    fn close(&mut self, session: SessionId);
}

/// Which of a session's models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Draft,
    Target,
}

/// How long a pass takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassTime {
    /// Until its answer is there.
    pub(super) whole: Duration,
    /// The part of it on the GPU.
    pub(super) gpu: Duration,
}

/// The models of a world.
pub(super) enum Answers<'a> {
    Simulated(Texts),
    Real(Real<'a>),
}

pub(super) struct Real<'a> {
    pub(super) models: &'a mut dyn RealModels,
    profile: Arc<Profile>,
    seed: Seed,
    times: BTreeMap<SessionId, Times>,
}

impl<'a> Real<'a> {
    pub(super) fn new(models: &'a mut dyn RealModels, profile: Arc<Profile>, seed: Seed) -> Self {
        Self { models, profile, seed, times: BTreeMap::new() }
    }

    fn times(&mut self, session: SessionId) -> &mut Times {
        self.times.get_mut(&session).expect("models are asked of open sessions")
    }

    fn draft(&mut self, step: &DraftStep) -> Result<(Proposal, Option<Claim>, Duration), RunError> {
        let (proposal, claim) = self.models.draft(step).map_err(failed(step.session))?;
        let profile = Arc::clone(&self.profile);
        let place = Place::OnPath(step.position());
        let took = self.times(step.session).step(&profile, place, step.kind);
        let took = took.expect("drawn, not recorded");
        Ok((proposal, claim, took))
    }

    fn pass_time(&mut self, blocks: &[VerifyBlock]) -> PassTime {
        let profile = Arc::clone(&self.profile);
        let tokens: u64 = blocks.iter().map(|block| block.drafts.len() as u64).sum();
        let first = blocks.first().expect("a pass has a block");
        let start = first.keep + first.feed.len() as u32;
        let (overhead, base_ms) = self.times(first.session).pass(&profile, start);
        let gpu = profile.verification.pass(base_ms, tokens);
        PassTime { whole: gpu + overhead, gpu }
    }
}

fn failed(session: SessionId) -> impl FnOnce(String) -> RunError {
    move |problem| RunError::Model { session, problem }
}

impl Answers<'_> {
    /// Begins the request numbered `number` as `session`: with the probability `resumed` behind a part of
    /// its text.
    pub(super) fn begin(
        &mut self,
        session: SessionId,
        number: u64,
        seed: Seed,
        resumed: f64,
    ) -> Request {
        let mut request = self.begin_anew(session, number, seed);
        let mut stream = seed.stream("resumed requests", 0);
        let mut draws = stream.at(session.0);
        if draws.uniform() < resumed {
            let most = (draws.uniform() * f64::from(request.budget)) as u32;
            let text = (0..=most).map_while(|position| self.truth(session, position));
            request.text = text.collect();
            // Something is left to be decoded.
            request.text.pop();
        }
        request
    }

    fn begin_anew(&mut self, session: SessionId, number: u64, seed: Seed) -> Request {
        match self {
            Self::Simulated(texts) => {
                let number = number as usize;
                texts.begin(session, number);
                request(session, texts.prompt_tokens(number), texts.limits(number), seed)
            }
            Self::Real(real) => {
                let times = Times::new(&real.profile, real.seed, session, number as usize);
                real.times.insert(session, times);
                real.models.request(session, number)
            }
        }
    }

    pub(super) fn end(&mut self, session: SessionId) {
        match self {
            Self::Simulated(texts) => texts.end(session),
            Self::Real(real) => {
                real.times.remove(&session);
                real.models.close(session);
            }
        }
    }

    /// The token that every method must commit at `position`, if it is known.
    pub(super) fn truth(&mut self, session: SessionId, position: u32) -> Option<TokenId> {
        match self {
            Self::Simulated(texts) => texts.truth(session, position),
            Self::Real(real) => real.models.truth(session, position),
        }
    }

    pub(super) fn prefill(
        &mut self,
        end: End,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<Duration, RunError> {
        let [draft, target] = match self {
            Self::Simulated(texts) => texts.prefill(session, prompt.len()),
            Self::Real(real) => {
                let done = match end {
                    End::Draft => real.models.prefill_draft(session, prompt, sampling),
                    End::Target => real.models.prefill_target(session, prompt, sampling),
                };
                done.map_err(failed(session))?;
                let profile = Arc::clone(&real.profile);
                real.times(session).prefill(&profile, prompt.len())
            }
        };
        Ok(match end {
            End::Draft => draft,
            End::Target => target,
        })
    }

    /// The draft's answer and how long it takes.
    pub(super) fn draft(
        &mut self,
        step: &DraftStep,
    ) -> Result<(Proposal, Option<Claim>, Duration), RunError> {
        match self {
            Self::Simulated(texts) => {
                let (session, position) = (step.session, step.position());
                let answer = texts.draft(step).ok_or(RunError::PastRollout { session, position });
                answer.map(|(proposal, took)| (proposal, None, took))
            }
            Self::Real(real) => real.draft(step),
        }
    }

    pub(super) fn verify(
        &mut self,
        blocks: &[VerifyBlock],
    ) -> Result<(Vec<Decision>, PassTime), RunError> {
        match self {
            Self::Simulated(texts) => {
                let (whole, gpu) = texts.verify_time(blocks);
                let decide = |block| Decision::of(texts.verify(block));
                Ok((blocks.iter().map(decide).collect(), PassTime { whole, gpu }))
            }
            Self::Real(real) => {
                let first = blocks.first().expect("a pass has a block").session;
                let decisions = real.models.verify(blocks).map_err(failed(first))?;
                assert_eq!(decisions.len(), blocks.len(), "a decision for each block");
                Ok((decisions, real.pass_time(blocks)))
            }
        }
    }

    /// The draw itself takes no time worth the name: what a withheld distribution costs is its way.
    ///
    /// # Panics
    /// If the models are the profile's texts, which withhold nothing.
    pub(super) fn replace(
        &mut self,
        session: SessionId,
        round: RoundId,
        position: u32,
        distribution: &Blob,
    ) -> Result<TokenId, RunError> {
        match self {
            Self::Simulated(_) => panic!("a simulated target withholds nothing"),
            Self::Real(real) => {
                real.models.replace(session, round, position, distribution).map_err(failed(session))
            }
        }
    }
}
