//! What a model refuses, and that it works on: none of it may reach llama.cpp, which would end the process.

use pipesd_core::contract::VerifyBlock;
use pipesd_core::ids::{SessionId, TokenId};
use pipesd_hw::backend::llama::{Arithmetic, LlamaDraft, LlamaTarget, Options};
use pipesd_hw::backend::{Logits, ModelError, TargetModel};
use pipesd_hw::gguf::Precision;

use crate::support::{Dice, ROUND, SESSION, SIZES, ids, model, options, place, plain, target};

const OTHER: SessionId = SessionId(1);

fn block(session: SessionId, keep: u32, feed: &[u32], drafts: Vec<TokenId>) -> VerifyBlock {
    VerifyBlock { session, round: ROUND, keep, feed: ids(feed), drafts, evidence: Vec::new() }
}

fn refused<T: std::fmt::Debug>(result: Result<T, ModelError>, problem: &str) {
    match result {
        Err(ModelError::Refused(text)) => assert!(text.contains(problem), "{text}"),
        other => panic!("{other:?} instead of a refusal: {problem}"),
    }
}

#[test]
fn what_is_wrong_with_one_block_does_no_harm_to_the_others() {
    let mut target = target("wrong-blocks", &options(2, Arithmetic::Exact));
    let mut dice = Dice(1);
    for session in [SESSION, OTHER] {
        target.prefill(session, &ids(&[1, 2, 3]), &plain()).expect("a prompt");
    }
    let right = block(OTHER, 0, &[4], ids(&[5]));
    let alone = target.verify(std::slice::from_ref(&right)).remove(0).expect("a decision");
    for (wrong, problem) in [
        (block(SESSION, 0, &[], ids(&[SIZES.vocabulary])), "beyond a vocabulary of 320"),
        (block(SESSION, 0, &[u32::MAX], vec![]), "beyond a vocabulary"),
        (block(SESSION, 1, &[], vec![]), "0 are evaluated"),
        (block(SESSION, u32::MAX, &[], vec![]), "are to be kept"),
        (block(SESSION, 0, &[], dice.tokens(94)), "97 tokens do not fit into a context of 96"),
        (right.clone(), "two blocks"),
    ] {
        // The right one first, so that it is the second of the same session that is refused.
        let mut results = target.verify(&[right.clone(), wrong]);
        refused(results.remove(1), problem);
        assert_eq!(results.remove(0).expect("a decision"), alone);
    }
    let unknown = block(SessionId(9), 0, &[], vec![]);
    let mut results = target.verify(&[unknown, right]);
    assert_eq!(results.remove(1).expect("a decision"), alone);
    assert_eq!(results.remove(0), Err(ModelError::UnknownSession(SessionId(9))));
    // Full to its last token.
    let filled = target.verify(&[block(SESSION, 0, &[], dice.tokens(93))]).remove(0);
    assert!(filled.is_ok(), "{filled:?}");
}

#[test]
fn sessions_are_as_many_as_there_is_room_for() {
    let mut target = target("rooms", &options(2, Arithmetic::Exact));
    let prompt = ids(&[1, 2]);
    let third = SessionId(2);
    target.prefill(SESSION, &prompt, &plain()).expect("room");
    target.prefill(OTHER, &prompt, &plain()).expect("room");
    refused(target.prefill(third, &prompt, &plain()), "room for 2 sessions");
    // Anew in its own place, whatever it was before.
    target.logits(OTHER, 0, &ids(&[7, 8, 9])).expect("logits");
    let first = target.logits(SESSION, 0, &[]).expect("logits");
    target.prefill(OTHER, &prompt, &plain()).expect("its own room");
    assert_eq!(target.logits(OTHER, 0, &[]).expect("logits"), first);
    target.close(SESSION);
    target.close(SESSION);
    target.prefill(third, &prompt, &plain()).expect("room again");
    assert_eq!(target.logits(third, 0, &[]).expect("logits"), first);
    assert_eq!(target.logits(SESSION, 0, &[]), Err(ModelError::UnknownSession(SESSION)));
}

#[test]
fn prompts_that_do_not_work_are_refused_and_take_no_room() {
    let mut target = target("prompts", &options(1, Arithmetic::Exact));
    refused(target.prefill(SESSION, &[], &plain()), "empty prompt");
    refused(target.prefill(SESSION, &ids(&[400]), &plain()), "beyond a vocabulary");
    refused(target.prefill(SESSION, &[TokenId(1); 97], &plain()), "context of 96");
    target.prefill(SESSION, &[TokenId(1); 96], &plain()).expect("it fits");
}

#[test]
fn files_and_options_that_do_not_fit_are_named() {
    let fine = options(1, Arithmetic::Exact);
    let path = model("options", &SIZES, true, Precision::F32);
    for (options, problem) in [
        (Options { context: 257, ..fine }, "made for 256"),
        (Options { context: 0, ..fine }, "of 0 tokens"),
        (Options { context: u32::MAX, ..fine }, "tokens"),
        (Options { sessions: 0, ..fine }, "0 sessions"),
        (Options { sessions: 257, ..fine }, "1 to 256"),
        (Options { threads: 0, ..fine }, "0 threads"),
        (Options { vocabulary: Some(321), ..fine }, "1 to 320"),
        (Options { vocabulary: Some(0), ..fine }, "vocabulary of 0"),
    ] {
        refused(LlamaTarget::load(&path, &options), problem);
    }
    let bytes = std::fs::read(&path).expect("the file");
    for (name, bytes, problem) in [
        ("cut.gguf", &bytes[..bytes.len() / 2], "cut off"),
        ("cut-head.gguf", &bytes[..100], "cut off"),
        ("text.gguf", b"no model", "not a GGUF file"),
    ] {
        let path = place(name);
        std::fs::write(&path, bytes).expect("a file");
        refused(LlamaDraft::load(&path, &fine), problem);
        refused(LlamaDraft::load(&path, &fine), name);
        std::fs::remove_file(path).expect("it is there");
    }
    std::fs::remove_file(path).expect("it is there");
    refused(LlamaDraft::load(&place("none.gguf"), &fine), "none.gguf");
}
