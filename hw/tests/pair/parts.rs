//! Prompt files, and what `models check` finds of a pair.

use std::fs;

use pipesd_hw::pair::{Found, read_prompts};
use serde_json::json;

use crate::files::{byte_level, folder, pair, write};

#[test]
fn prompts_of_all_files_take_turns() {
    let folder = folder("turns");
    let pair = pair(&folder);
    let sum = json!({"id": "sum-1", "family": "sums", "prompt": "1 + 1?", "check": {"answer": 2}});
    // GSM8K's and HumanEval's own fields.
    let question = json!({"question": "How many?", "answer": "two\n#### 2"});
    write(&folder.join("sums.jsonl"), &format!("{sum}\n\n{question}\n"));
    let task = json!({"task_id": "HumanEval/0", "prompt": "def f():", "entry_point": "f"});
    write(&folder.join("functions.jsonl"), &format!("{task}\n"));
    let prompts = read_prompts(&pair, None).expect("prompts");
    let ids: Vec<&str> = prompts.iter().map(|prompt| prompt.id.as_str()).collect();
    assert_eq!(ids, ["sum-1", "HumanEval/0", "sums.jsonl:3"]);
    assert_eq!(prompts[2].prompt, "How many?");
    assert_eq!(prompts[2].check, json!("two\n#### 2"));
    let sums = read_prompts(&pair, Some("sums")).expect("prompts");
    assert_eq!(sums.len(), 1);
    assert_eq!(sums[0].check, json!({"answer": 2}));
    let error = read_prompts(&pair, Some("poems")).expect_err("none").to_string();
    assert!(error.contains("no prompt of family `poems`; there are:") && error.contains("sums"));
}

#[test]
fn a_line_that_is_no_prompt_is_told_by_its_number() {
    let folder = folder("lines");
    let pair = pair(&folder);
    write(&folder.join("functions.jsonl"), "{\"prompt\": \"p\"}\n");
    for (line, told) in [
        ("{\"prompt\": 3}", "sums.jsonl:2: invalid type: integer"),
        ("{\"text\": \"x\"}", "missing field `prompt`"),
        ("{\"prompt\": \"\"}", "sums.jsonl:2: the prompt is empty"),
        ("prompt", "sums.jsonl:2: "),
    ] {
        write(&folder.join("sums.jsonl"), &format!("{{\"prompt\": \"p\"}}\n{line}\n"));
        let error = read_prompts(&pair, None).expect_err(line).to_string();
        assert!(error.contains(told), "{error}");
    }
    write(&folder.join("sums.jsonl"), "\n");
    let error = read_prompts(&pair, None).expect_err("nothing").to_string();
    assert!(error.contains("there is no prompt in it"), "{error}");
}

/// The states of a pair's parts, in order.
fn states(pair: &pipesd_hw::pair::Pair) -> Vec<Found> {
    pair.check().into_iter().map(|piece| piece.found).collect()
}

#[test]
fn a_check_tells_what_is_there_what_is_missing_and_what_is_something_else() {
    let folder = folder("check");
    let pair = pair(&folder);
    assert_eq!(states(&pair), vec![Found::Missing; 5]);
    let pieces = pair.check();
    assert_eq!(pieces[0].published.as_deref(), Some("somewhere"));
    assert_eq!(pieces[2].path, folder.join("target/tokenizer.json"));

    write(&folder.join("draft.gguf"), "GGUF and more");
    write(&folder.join("target/config.json"), "{\"model_type\": \"llama\"}");
    write(&folder.join("target/model.safetensors"), "weights");
    write(&folder.join("target/tokenizer.json"), &byte_level().to_string());
    write(&folder.join("sums.jsonl"), "{\"prompt\": \"p\"}\n{\"prompt\": \"q\"}\n");
    write(&folder.join("functions.jsonl"), "{\"prompt\": \"p\"}\n");
    let present: Vec<String> = states(&pair)
        .into_iter()
        .take(5)
        .map(|found| match found {
            Found::Present(words) => words,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(present[0], "GGUF, 0.0 kB");
    assert_eq!(present[1], "llama, 0.0 kB in 1 file(s)");
    assert_eq!(present[2], "ids 0 to 259, and the stop tokens");
    assert_eq!(present[3..], ["2 prompts", "1 prompts"]);
    // Its ids can be looked at where there is an engine: these are none.
    if cfg!(all(feature = "llama", feature = "torch")) {
        assert!(
            matches!(&states(&pair)[5], Found::Wrong(problem) if problem.contains("draft.gguf"))
        );
    }

    let wrong = |piece: usize| match &states(&pair)[piece] {
        Found::Wrong(problem) => problem.clone(),
        other => panic!("{other:?}"),
    };
    write(&folder.join("draft.gguf"), "<html>");
    assert!(wrong(0).contains("begin with the letters GGUF"));
    write(&folder.join("draft.gguf"), "GG");
    assert!(wrong(0).contains("too short"));
    let index =
        json!({"weight_map": {"a": "1.safetensors", "b": "2.safetensors", "c": "1.safetensors"}});
    write(&folder.join("target/model.safetensors.index.json"), &index.to_string());
    write(&folder.join("target/1.safetensors"), "weights");
    assert_eq!(wrong(1), "its weights are not all there: 2.safetensors missing");
    write(&folder.join("target/config.json"), "{}");
    assert!(wrong(1).contains("names no `model_type`"));
    fs::remove_file(folder.join("target/config.json")).expect("it was there");
    assert!(wrong(1).contains("config.json: cannot be read"));
    write(&folder.join("target/tokenizer.json"), "{}");
    assert!(wrong(2).contains("missing field `model`"));
    write(&folder.join("sums.jsonl"), "?");
    assert!(wrong(3).contains("sums.jsonl:1: "));
}
