//! Both models in one place, nothing between them: what edge-only decoding takes, measured.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures real time")]

use std::time::Instant;

use anyhow::{Context, Result};
use pipesd_core::contract::{DraftStep, VerifyBlock};
use pipesd_core::device::DraftKind;
use pipesd_core::ids::{RoundId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::verification::Sampling;
use pipesd_hw::backend::{DraftModel, TargetModel};

use super::ensure_not_interrupted;

/// Draft lengths that are tried.
const LENGTHS: [u32; 6] = [1, 2, 3, 4, 6, 8];
/// Prompts that are decoded with each, at most.
const PROMPTS: usize = 4;

/// Plain speculative decoding with a fixed draft length, at the best of a few.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EdgeOnly {
    pub(crate) draft_length: u32,
    /// Of decoding, prefill apart \[ms per output token\].
    pub(crate) tpt_ms: f64,
    /// Mean of the draft's steps \[ms\].
    pub(crate) draft_step_ms: f64,
    /// Drafts that were accepted, of those verified.
    pub(crate) acceptance_rate: f64,
}

impl EdgeOnly {
    /// Time per token on a device whose draft steps take `step_ms`: all of it is taken to be slower by the
    /// factor that drafting is, the target's passes as well.
    pub(crate) fn on_device(&self, step_ms: f64) -> f64 {
        self.tpt_ms * (step_ms / self.draft_step_ms).max(1.0)
    }
}

/// Decodes the first few of `requests`. By which exact rule is all one here.
pub(crate) fn measure(
    draft: &mut dyn DraftModel,
    target: &mut dyn TargetModel,
    requests: &[Request],
) -> Result<EdgeOnly> {
    let mut best: Option<EdgeOnly> = None;
    for draft_length in LENGTHS {
        let mut all = Account::default();
        for request in requests.iter().take(PROMPTS) {
            ensure_not_interrupted()?;
            let Request { session, temperature, seed, .. } = *request;
            let sampling = Sampling { temperature, seed, ..Sampling::greedy() };
            draft.prefill(session, &request.prompt, &sampling)?;
            target.prefill(session, &request.prompt, &sampling)?;
            let decoded = decode(draft, target, request, draft_length, &mut all);
            draft.close(session);
            target.close(session);
            decoded?;
        }
        let found = all.summed_up(draft_length);
        if best.is_none_or(|best| found.tpt_ms < best.tpt_ms) {
            best = Some(found);
        }
    }
    best.context("a length was tried")
}

#[derive(Default)]
struct Account {
    tokens: u32,
    steps: u32,
    verified: u32,
    accepted: u32,
    seconds: f64,
    drafting_seconds: f64,
}

impl Account {
    fn summed_up(&self, draft_length: u32) -> EdgeOnly {
        let per = |amount: f64, count: u32| amount / f64::from(count.max(1));
        EdgeOnly {
            draft_length,
            tpt_ms: per(self.seconds * 1e3, self.tokens),
            draft_step_ms: per(self.drafting_seconds * 1e3, self.steps),
            acceptance_rate: per(f64::from(self.accepted), self.verified),
        }
    }
}

/// The text.
fn decode(
    draft: &mut dyn DraftModel,
    target: &mut dyn TargetModel,
    request: &Request,
    length: u32,
    account: &mut Account,
) -> Result<Vec<TokenId>> {
    let (session, round, kind) = (request.session, RoundId(0), DraftKind::Main);
    let mut text: Vec<TokenId> = Vec::new();
    // Output tokens that each cache has, as far as they are the text's.
    let (mut in_draft, mut in_target) = (0_usize, 0_usize);
    let begun = Instant::now();
    while text.len() < request.budget as usize
        && text.last().is_none_or(|last| !request.stop_ids.contains(last))
    {
        let mut drafts: Vec<TokenId> = Vec::new();
        let drafting = Instant::now();
        let mut feed = text[in_draft..].to_vec();
        let mut keep = in_draft as u32;
        let left = request.budget as usize - text.len();
        while drafts.len() < left.min(length as usize)
            && drafts.last().is_none_or(|last| !request.stop_ids.contains(last))
        {
            let fed = feed.len() as u32;
            let (proposal, _) = draft.step(&DraftStep { session, round, kind, keep, feed })?;
            drafts.push(proposal.token);
            keep += fed;
            feed = vec![proposal.token];
        }
        account.drafting_seconds += drafting.elapsed().as_secs_f64();
        account.steps += drafts.len() as u32;
        let (keep, feed) = (in_target as u32, text[in_target..].to_vec());
        let evidence = Vec::new();
        let block = VerifyBlock { session, round, keep, feed, drafts: drafts.clone(), evidence };
        let decision = target.verify(&[block]).pop().context("a decision on a block")??;
        let accepted = drafts.iter().zip(&decision.tokens).take_while(|(a, b)| a == b).count();
        let before = text.len();
        text.extend(&decision.tokens[..=accepted]);
        in_target = before + accepted;
        // The last draft was proposed, and is in no cache.
        in_draft = before + accepted.min(drafts.len() - 1);
        account.verified += drafts.len() as u32;
        account.accepted += accepted as u32;
        let stop = text[before..].iter().position(|token| request.stop_ids.contains(token));
        text.truncate(stop.map_or(request.budget as usize, |stop| before + stop + 1));
    }
    account.seconds += begun.elapsed().as_secs_f64();
    account.tokens += text.len() as u32;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use pipesd_core::ids::SessionId;
    use pipesd_core::seed::Seed;
    use pipesd_core::verification::Temperature;
    use pipesd_hw::backend::table::{Table, TableDraft, TableTarget};

    use super::*;

    /// The loop above keeps two caches by hand: it must write what the target writes alone.
    #[test]
    fn every_length_decodes_the_targets_own_text() {
        let target = Table::target(24, 4.0, Seed(3));
        let draft = target.draft(2.0, Seed(3));
        let request = Request {
            session: SessionId(0),
            prompt: vec![TokenId(2), TokenId(3)],
            budget: 60,
            stop_ids: vec![TokenId(23)],
            temperature: Temperature::default(),
            seed: 1,
            text: Vec::new(),
        };
        let sampling = Sampling::greedy();
        let alone = target.alone(&request, &sampling);
        for length in LENGTHS {
            let (mut drafting, mut deciding) =
                (TableDraft::new(draft.clone()), TableTarget::new(target.clone()));
            drafting.prefill(request.session, &request.prompt, &sampling).expect("a prompt");
            deciding.prefill(request.session, &request.prompt, &sampling).expect("a prompt");
            let mut account = Account::default();
            let text = decode(&mut drafting, &mut deciding, &request, length, &mut account);
            assert_eq!(text.expect("it decodes"), alone, "length {length}");
            assert!(account.accepted > 0 && account.accepted < account.verified);
        }
    }
}
