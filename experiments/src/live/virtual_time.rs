//! Real models behind the simulator's links: their tokens, in virtual time.

use std::collections::BTreeMap;

use pipesd_core::blob::Blob;
use pipesd_core::contract::{DraftStep, Proposal, VerifyBlock};
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::verification::{Claim, Decision, Sampling};
use pipesd_hw::backend::{DraftModel, ModelError, TargetModel};
use pipesd_sim::world::RealModels;

/// A draft and a target for the simulated world. All edges share the two; sessions keep them apart.
pub(crate) struct Pair<'a> {
    pub(crate) draft: &'a mut dyn DraftModel,
    pub(crate) target: &'a mut dyn TargetModel,
    /// In order; the session is given by the world.
    pub(crate) requests: &'a [Request],
    /// What must be committed for each of them, where that is known.
    pub(crate) texts: Option<&'a [Vec<TokenId>]>,
    /// Which request each open session is.
    pub(crate) open: BTreeMap<SessionId, usize>,
}

impl Pair<'_> {
    /// Has the models forget what the run has left open: it ends before its last messages arrive.
    pub(crate) fn close_all(&mut self) {
        for session in self.open.keys().copied().collect::<Vec<_>>() {
            self.close(session);
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn words(error: ModelError) -> String {
    error.to_string()
}

impl RealModels for Pair<'_> {
    fn requests(&self) -> u64 {
        self.requests.len() as u64
    }

    fn tokens(&self) -> u64 {
        self.requests.iter().map(|request| u64::from(request.budget)).sum()
    }

    fn request(&mut self, session: SessionId, number: u64) -> Request {
        let index = (number % self.requests()) as usize;
        self.open.insert(session, index);
        Request { session, ..self.requests[index].clone() }
    }

    /// What is committed beyond a known text is wrong: no token is there.
    fn truth(&self, session: SessionId, position: u32) -> Option<TokenId> {
        let text = &self.texts?[*self.open.get(&session)?];
        Some(text.get(position as usize).copied().unwrap_or(TokenId(u32::MAX)))
    }

    fn prefill_draft(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), String> {
        self.draft.prefill(session, prompt, sampling).map_err(words)
    }

    fn prefill_target(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), String> {
        self.target.prefill(session, prompt, sampling).map_err(words)
    }

    fn draft(&mut self, step: &DraftStep) -> Result<(Proposal, Option<Claim>), String> {
        self.draft.step(step).map_err(words)
    }

    fn verify(&mut self, blocks: &[VerifyBlock]) -> Result<Vec<Decision>, String> {
        self.target.verify(blocks).into_iter().map(|decision| decision.map_err(words)).collect()
    }

    fn replace(
        &mut self,
        session: SessionId,
        round: RoundId,
        position: u32,
        distribution: &Blob,
    ) -> Result<TokenId, String> {
        self.target.replace(session, round, position, distribution).map_err(words)
    }

    fn close(&mut self, session: SessionId) {
        self.open.remove(&session);
        self.draft.close(session);
        self.target.close(session);
    }
}

#[cfg(test)]
mod tests {
    use pipesd_core::account::Violation;
    use pipesd_core::seed::Seed;
    use pipesd_core::verification::Temperature;
    use pipesd_hw::backend::table::{Table, TableDraft, TableTarget};
    use pipesd_sim::world::{RunError, RunResult, run_real};

    use super::*;
    use crate::input::{COMPARED, Choice, Configuration};

    const VOCABULARY: u32 = 24;

    fn tables() -> (Table, Table) {
        let target = Table::target(VOCABULARY, 4.0, Seed(3));
        let draft = target.draft(2.0, Seed(3));
        (target, draft)
    }

    fn requests(temperature: f64) -> Vec<Request> {
        let request = |id: u32| Request {
            session: SessionId(0),
            prompt: vec![TokenId(id % VOCABULARY), TokenId(3)],
            budget: 60,
            stop_ids: vec![TokenId(VOCABULARY - 1)],
            temperature: Temperature::new(temperature).expect("in range"),
            seed: id.into(),
            text: Vec::new(),
        };
        (0..4).map(request).collect()
    }

    fn run(
        scenario: &str,
        method: &str,
        sets: &[&str],
        temperature: f64,
        target: &mut dyn TargetModel,
    ) -> Result<RunResult, RunError> {
        let (table, draft) = tables();
        let choice = Choice {
            profile: "humaneval".to_owned(),
            scenario: scenario.to_owned(),
            method: method.to_owned(),
            sets: sets.iter().map(|&set| set.to_owned()).collect(),
        };
        let setup = Configuration::load(&choice).and_then(|c| c.setup(1, false));
        let setup = setup.expect("a shipped configuration");
        let requests = requests(temperature);
        let terms = setup.edge.terms();
        let alone = |request: &Request| {
            let Request { temperature, seed, .. } = *request;
            table.alone(request, &Sampling { terms, temperature, seed })
        };
        let texts: Vec<Vec<TokenId>> = requests.iter().map(alone).collect();
        let mut models = Pair {
            draft: &mut TableDraft::new(draft),
            target,
            requests: &requests,
            texts: Some(&texts),
            open: BTreeMap::new(),
        };
        let result = run_real(&setup, Seed(1), &mut models)?;
        let tokens: usize = texts.iter().map(Vec::len).sum();
        assert_eq!(result.counts[0].output, tokens as u64);
        Ok(result)
    }

    #[test]
    fn whatever_the_method_and_payload_the_text_is_the_targets_own() {
        for method in COMPARED {
            for payload in ["payload=full", "payload=lazy", "payload=ids"] {
                for (sets, temperature) in [
                    (vec![payload], 0.0),
                    (vec![payload, "drafting=coupled"], 0.8),
                    (vec![payload, "verification=rejection"], 0.0),
                ] {
                    let mut target = TableTarget::new(tables().0);
                    let result = run("s1-laptop", method, &sets, temperature, &mut target);
                    let result =
                        result.unwrap_or_else(|error| panic!("{method} {sets:?}: {error}"));
                    let counts = result.counts[0];
                    assert!(counts.accepted > 0 && counts.rejected > 0, "{counts:?}");
                }
            }
        }
    }

    /// A target that now and then takes the draft's word for it.
    struct Gullible(TableTarget);

    impl TargetModel for Gullible {
        fn prefill(
            &mut self,
            session: SessionId,
            prompt: &[TokenId],
            sampling: &Sampling,
        ) -> Result<(), ModelError> {
            self.0.prefill(session, prompt, sampling)
        }

        fn verify(&mut self, blocks: &[VerifyBlock]) -> Vec<Result<Decision, ModelError>> {
            let mut decisions = self.0.verify(blocks);
            for (block, decision) in blocks.iter().zip(&mut decisions) {
                let Ok(decision) = decision else { continue };
                // The token after a draft that was taken comes from nowhere.
                if let Some(&draft) = block.drafts.get(decision.tokens.len() - 1) {
                    *decision.tokens.last_mut().expect("a token is decided") = draft;
                    decision.tokens.push(TokenId(0));
                }
            }
            decisions
        }

        fn replace(
            &mut self,
            session: SessionId,
            round: RoundId,
            position: u32,
            distribution: &Blob,
        ) -> Result<TokenId, ModelError> {
            self.0.replace(session, round, position, distribution)
        }

        fn close(&mut self, session: SessionId) {
            self.0.close(session);
        }
    }

    #[test]
    fn a_target_that_accepts_what_it_should_not_is_caught() {
        let mut target = Gullible(TableTarget::new(tables().0));
        let error = run("s1-laptop", "pipesd", &[], 0.0, &mut target).expect_err("caught");
        let by_law = matches!(error, RunError::Violation(Violation::Law { law: 6, .. }));
        assert!(by_law, "{error}");
    }
}
