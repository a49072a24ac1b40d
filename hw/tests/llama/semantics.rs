//! Caches that are cut and continued, of several sessions at once, against models that forget
//! everything and evaluate the whole text each time.

use std::collections::BTreeMap;

use pipesd_core::contract::{DraftStep, VerifyBlock};
use pipesd_core::device::DraftKind;
use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::payload::Payload;
use pipesd_core::verification::{Drafting, Sampling, Verification};
use pipesd_hw::backend::llama::{Arithmetic, LlamaTarget};
use pipesd_hw::backend::{DraftModel, Logits, TargetModel};

use crate::support::{
    Dice, ROUND, SESSION, SIZES, apart, draft, ids, options, plain, sampling, target,
};

/// The logits after `text`, by a model that knows nothing before.
fn whole(reference: &mut LlamaTarget, text: &[TokenId]) -> Vec<f32> {
    reference.prefill(SESSION, text, &plain()).expect("a prompt");
    let row = reference.logits(SESSION, 0, &[]).expect("logits");
    reference.close(SESSION);
    row
}

/// A session as the test knows it.
struct Known {
    prompt: usize,
    text: Vec<TokenId>,
    sampling: Sampling,
}

const SESSIONS: u32 = 3;

/// Sessions with prompts of different lengths, opened in `target`.
fn opened(dice: &mut Dice, target: &mut LlamaTarget) -> BTreeMap<SessionId, Known> {
    let mut open = BTreeMap::new();
    for session in 0..SESSIONS {
        let text = {
            let length = 1 + dice.below(9);
            dice.tokens(length)
        };
        let sampling = Sampling { seed: u64::from(session), ..plain() };
        target.prefill(SessionId(session.into()), &text, &sampling).expect("a prompt");
        open.insert(SessionId(session.into()), Known { prompt: text.len(), text, sampling });
    }
    open
}

/// A block from anywhere in a session's text; without `feed` right after its prompt or anywhere else.
fn block(dice: &mut Dice, session: SessionId, known: &mut Known) -> VerifyBlock {
    let have = known.text.len() - known.prompt;
    let keep = dice.below(have + 1).min(60);
    let feed = {
        let count = dice.below(3);
        dice.tokens(count)
    };
    let drafts = {
        let count = dice.below(6);
        dice.tokens(count)
    };
    known.text.truncate(known.prompt + keep);
    known.text.extend(feed.iter().chain(&drafts));
    let (round, keep) = (ROUND, keep as u32);
    VerifyBlock { session, round, keep, feed, drafts, evidence: Vec::new() }
}

#[test]
fn decisions_after_any_rollback_are_those_on_the_whole_text() {
    let mut dice = Dice(11);
    let mut target_ = target("rollbacks", &options(SESSIONS, Arithmetic::OneByOne));
    let mut reference = target("rollbacks-reference", &options(1, Arithmetic::OneByOne));
    let mut open = opened(&mut dice, &mut target_);
    let mut accepted = 0;
    for _ in 0..40 {
        let mut blocks = Vec::new();
        for (session, known) in &mut open {
            if dice.below(4) > 0 {
                let mut block = block(&mut dice, *session, known);
                // Some drafts are right, so that decisions reach further than the first.
                if let Some(first) = block.drafts.first_mut().filter(|_| dice.0.is_multiple_of(2)) {
                    let start = block.keep + block.feed.len() as u32;
                    let at = known.prompt + start as usize;
                    *first =
                        known.sampling.target(start, &whole(&mut reference, &known.text[..at]));
                    known.text[at] = *first;
                }
                blocks.push(block);
            }
        }
        let decisions = target_.verify(&blocks);
        assert_eq!(decisions.len(), blocks.len());
        for (block, decision) in blocks.iter().zip(decisions) {
            let known = &open[&block.session];
            let start = block.keep + block.feed.len() as u32;
            let before = known.prompt + start as usize;
            let rows: Vec<Vec<f32>> = (before..=before + block.drafts.len())
                .map(|length| whole(&mut reference, &known.text[..length]))
                .collect();
            let right = known.sampling.decide(start, &block.drafts, &[], |index| &rows[index]);
            accepted += right.tokens.len() - 1;
            assert_eq!(decision.expect("a decision"), right, "{block:?}");
        }
    }
    assert!(accepted > 10, "drafts were accepted: {accepted}");
}

#[test]
fn logits_after_any_rollback_are_those_of_the_whole_text() {
    let mut dice = Dice(12);
    for (arithmetic, bound) in [(Arithmetic::OneByOne, 0.0), (Arithmetic::Exact, 1e-4)] {
        let mut target_ = target(&format!("cut-{arithmetic:?}"), &options(SESSIONS, arithmetic));
        let mut reference = target(&format!("cut-{arithmetic:?}-whole"), &options(1, arithmetic));
        let mut open = opened(&mut dice, &mut target_);
        for _ in 0..40 {
            let session = SessionId((dice.below(SESSIONS as usize) as u32).into());
            let known = open.get_mut(&session).expect("open");
            let VerifyBlock { keep, feed, drafts, .. } = block(&mut dice, session, known);
            let feed = [feed, drafts].concat();
            let row = target_.logits(session, keep, &feed).expect("logits");
            let apart = apart(&row, &whole(&mut reference, &known.text));
            assert!(apart <= bound, "{arithmetic:?}: {apart:e}");
        }
    }
}

#[test]
fn blocks_of_several_sessions_take_one_decode() {
    let mut target = target("decodes", &options(SESSIONS, Arithmetic::Exact));
    let mut dice = Dice(13);
    let mut open = opened(&mut dice, &mut target);
    let mut blocks = Vec::new();
    for (session, known) in &mut open {
        let mut block = block(&mut dice, *session, known);
        block.drafts = dice.tokens(1 + blocks.len());
        blocks.push(block);
    }
    let before = target.decodes();
    assert!(target.verify(&blocks).iter().all(Result::is_ok));
    assert_eq!(target.decodes(), before + 1);
}

#[test]
fn drafts_are_proposed_by_every_way_from_the_logits_of_the_whole_text() {
    let mut dice = Dice(14);
    let mut reference = target("steps-whole", &options(1, Arithmetic::OneByOne));
    let mut draft = draft("steps", &options(1, Arithmetic::OneByOne));
    for drafting in [Drafting::Argmax, Drafting::Sampled, Drafting::Coupled] {
        for payload in [Payload::Ids, Payload::TopK(4), Payload::Full] {
            let sampling = sampling(drafting, Verification::Match, payload);
            let prompt = dice.tokens(5);
            draft.prefill(SESSION, &prompt, &sampling).expect("a prompt");
            let mut known = Known { prompt: 5, text: prompt, sampling };
            for number in 0..12 {
                // The first step is right after prefill; then pending tokens and rollbacks.
                let mut step = DraftStep {
                    session: SESSION,
                    round: ROUND,
                    kind: DraftKind::Main,
                    keep: 0,
                    feed: vec![],
                };
                if number > 0 {
                    let block = block(&mut dice, SESSION, &mut known);
                    (step.keep, step.feed) = (block.keep, [block.feed, block.drafts].concat());
                }
                let row = whole(&mut reference, &known.text);
                let right = sampling.propose(step.position(), &row);
                assert_eq!(draft.step(&step).expect("a step"), right);
            }
        }
    }
}

#[test]
fn a_withheld_replacement_is_drawn_from_the_logits_that_rejected() {
    let lazy = sampling(Drafting::Sampled, Verification::Rejection, Payload::Lazy);
    let mut draft = draft("lazy-draft", &options(1, Arithmetic::OneByOne));
    let mut target_ = target("lazy", &options(1, Arithmetic::OneByOne));
    let mut reference = target("lazy-whole", &options(1, Arithmetic::OneByOne));
    let mut dice = Dice(15);
    let mut replaced = 0;
    for seed in 0..40 {
        let sampling = Sampling { seed, ..lazy };
        let prompt = dice.tokens(4);
        draft.prefill(SESSION, &prompt, &sampling).expect("a prompt");
        target_.prefill(SESSION, &prompt, &sampling).expect("a prompt");
        // What the draft would say after another text: it is rejected often.
        let feed = dice.tokens(1);
        let step =
            DraftStep { session: SESSION, round: ROUND, kind: DraftKind::Main, keep: 0, feed };
        let (proposal, claim) = draft.step(&step).expect("a step");
        let claim = claim.expect("the lazy payload has one");
        let evidence = vec![claim.evidence(Payload::Lazy).expect("lazy")];
        let (drafts, keep) = (vec![proposal.token], 0);
        let block =
            VerifyBlock { session: SESSION, round: ROUND, keep, feed: vec![], drafts, evidence };
        let decision = target_.verify(&[block]).remove(0).expect("a decision");
        let drawn = target_.replace(SESSION, ROUND, 0, &claim.distribution);
        if decision.withheld {
            let row = whole(&mut reference, &prompt);
            assert_eq!(
                drawn.expect("a token"),
                sampling.replace(0, &row, &claim.distribution).expect("one")
            );
            replaced += 1;
        } else {
            assert!(drawn.is_err(), "nothing was withheld");
        }
    }
    assert!(replaced > 5, "{replaced}");
}

#[test]
fn the_tail_of_a_vocabulary_never_wins() {
    let mut all = draft("all", &options(1, Arithmetic::Exact));
    let some = pipesd_hw::backend::llama::Options {
        vocabulary: Some(64),
        ..options(1, Arithmetic::Exact)
    };
    let mut some = draft("some", &some);
    assert_eq!((all.vocabulary(), some.vocabulary()), (SIZES.vocabulary, 64));
    let argmax = sampling(Drafting::Argmax, Verification::Match, Payload::Ids);
    let mut beyond = 0;
    for first in 0..64 {
        let prompt = ids(&[first]);
        let step = DraftStep {
            session: SESSION,
            round: ROUND,
            kind: DraftKind::Main,
            keep: 0,
            feed: vec![],
        };
        let token = |model: &mut pipesd_hw::backend::llama::LlamaDraft| {
            model.prefill(SESSION, &prompt, &argmax).expect("a prompt");
            model.step(&step).expect("a step").0.token
        };
        beyond += usize::from(token(&mut all).0 >= 64);
        assert!(token(&mut some).0 < 64);
    }
    assert!(beyond > 30, "the tail would win often: {beyond} of 64");
    assert!(some.prefill(SESSION, &ids(&[64]), &argmax).is_err());
}
