//! Pairs of models as a user meets them: what is there of them, and live runs by them. The models here
//! are tables: tiny, random, and real to all that is around them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{folder, pipesd, refuses, stdout, text, write};

/// Ids of the pair below: ASCII, and a stop token.
const IDS: u32 = 96;

/// A pair of tables in a folder, and its entry's file.
pub(crate) fn pair(name: &str) -> (PathBuf, String) {
    let folder = folder(name);
    // Byte-level: `Ġ` is a space, `Ċ` a newline, other letters stand for themselves.
    let letters = ["Ġ".to_owned(), "Ċ".to_owned()]
        .into_iter()
        .chain(('!'..='}').map(String::from))
        .take(IDS as usize - 1);
    let vocab: serde_json::Map<String, Value> =
        letters.enumerate().map(|(id, letter)| (letter, json!(id))).collect();
    let tokenizer = json!({
        "version": "1.0",
        "added_tokens": [{
            "id": IDS - 1, "content": "<|end|>", "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true,
        }],
        "normalizer": null,
        "pre_tokenizer": {
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
        },
        "post_processor": null,
        "decoder": {
            "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true,
        },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": vocab, "merges": [],
        },
    });
    write(&folder, "tokenizer.json", &tokenizer.to_string());
    write(&folder, "draft.toml", "seed = 5\nspread = 6.0\napart = 2.0\n");
    write(&folder, "target.toml", "seed = 5\nspread = 6.0\n");
    let sum = json!({"id": "sum-1", "family": "sums", "prompt": "1 + 1"});
    let other = json!({"id": "sum-2", "family": "sums", "prompt": "2 + 2"});
    write(&folder, "sums.jsonl", &format!("{sum}\n{other}\n"));
    let function = json!({"id": "f-1", "family": "functions", "prompt": "def f"});
    write(&folder, "functions.jsonl", &format!("{function}\n"));
    let entry = format!(
        "[tables]\ndescription = 'tables'\ntokenizer = 'tokenizer.json'\ntemplate = 'Q: {{prompt}}'\n\
         stop = ['<|end|>']\nprompts = ['sums.jsonl', 'functions.jsonl']\nmax_new_tokens = 40\n\
         vocabulary = {IDS}\n\
         draft = {{ engine = 'table', path = 'draft.toml', threads = 1 }}\n\
         target = {{ engine = 'table', path = 'target.toml', threads = 1, published = 'nowhere' }}\n"
    );
    let file = write(&folder, "pairs.toml", &entry);
    (folder, file)
}

#[test]
fn a_check_names_what_is_missing_and_where_it_is_published() {
    let empty = folder("models-empty");
    let output = pipesd(&["models", "check", "deepseek-coder", "--models", text(&empty)]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in
        ["deepseek-coder-1.3b-instruct.Q4_K_M.gguf", "missing", "huggingface.co/", "licence"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    let all = stdout(&["models", "check", "--models", text(&empty)]);
    for name in ["small:", "deepseek-coder:", "tinyllama-llama2:"] {
        assert!(all.contains(name), "{name}: {all}");
    }
    let (_, file) = pair("models-check");
    let document: Value =
        serde_json::from_str(&stdout(&["models", "check", &file, "--json"])).expect("a document");
    assert_eq!(document[0]["complete"], true, "{document}");
    assert_eq!(document[0]["parts"].as_array().map(Vec::len), Some(6));
    refuses(&["models", "check", "large"], &["--pair large: no such pair", "small"]);
    refuses(&["models", "check", "nowhere.toml"], &["nowhere.toml: cannot be read"]);
    refuses(&["models", "check", &format!("{file}:other")], &["has no pair `other`", "tables"]);
}

#[test]
fn what_contradicts_itself_is_refused() {
    let (folder, file) = pair("models-refused");
    let models = ["testbed", "--backend", "models"];
    refuses(&models, &["--backend models: name a pair", "--pair small"]);
    refuses(&["testbed", "--pair", "small"], &["--pair: only with --backend models"]);
    let with = |more: &[&'static str]| [&models[..], &["--pair", &file], more].concat();
    refuses(&with(&["--family", "poems"]), &["no prompt of family `poems`", "functions, sums"]);
    refuses(&with(&["--temperature", "101"]), &["--temperature 101: it must be 0 to 100"]);
    fs::remove_file(folder.join("tokenizer.json")).expect("it was there");
    refuses(&with(&[]), &["tokenizer.json: cannot be read", "see: pipesd models check"]);
    let two = fs::read_to_string(&file).expect("written");
    let two = two.clone() + &two.replace("[tables]", "[more]");
    fs::write(&file, &two).expect("written");
    refuses(&with(&[]), &["the file has 2 pairs (more, tables)"]);
    fs::write(&file, two.replace("stop =", "stopp =")).expect("written");
    refuses(&with(&[]), &["pairs.toml: ", "line ", "unknown field `stopp`"]);
}

fn testbed(file: &str, arguments: &[&str]) -> Value {
    let all = [&["testbed", "--json", "--backend", "models", "--pair", file], arguments].concat();
    serde_json::from_str(&stdout(&all)).expect("one document")
}

/// The same requests by every method and payload, over QUIC.
#[test]
fn a_pair_decodes_the_same_whatever_the_method() {
    let (_, file) = pair("models-decode");
    let plain = ["--plain", "--requests", "4"];
    let first = testbed(&file, &[&plain[..], &["--method", "vanilla"]].concat());
    let live = &first["live"];
    assert_eq!(live["pair"], "tables");
    let ids: Vec<&str> = live["decoded"]
        .as_array()
        .expect("texts")
        .iter()
        .filter_map(|d| d["id"].as_str())
        .collect();
    // The files take turns, and begin anew.
    assert_eq!(ids, ["sum-1", "f-1", "sum-2", "sum-1"]);
    assert_eq!(live["texts"][0], live["texts"][3]);
    assert_ne!(live["texts"][0], live["texts"][1]);
    assert!(first["acceptance_rate"].as_f64() > Some(0.05), "{first}");
    for more in [["hsl", "payload=lazy"], ["edgellm", "payload=full"], ["pipesd", "payload=ids"]] {
        let [method, payload] = more;
        let arguments = [&plain[..], &["--method", method, "--set", payload]].concat();
        assert_eq!(testbed(&file, &arguments)["live"]["texts"], live["texts"], "{more:?}");
    }
    let warm = ["--temperature", "0.8", "--set", "drafting=coupled"];
    let warm = [&plain[..], &warm].concat();
    let drawn = testbed(&file, &[&warm[..], &["--method", "vanilla"]].concat());
    // Noise is each request's own.
    assert_ne!(drawn["live"]["texts"][0], drawn["live"]["texts"][3]);
    assert_eq!(testbed(&file, &warm)["live"]["texts"], drawn["live"]["texts"]);
    let sums = testbed(&file, &["--plain", "--requests", "2", "--family", "sums"]);
    assert_eq!(sums["live"]["decoded"][1]["id"], "sum-2");
    let words = ["testbed", "--backend", "models", "--pair", &file, "--plain", "--requests", "1"];
    let said = stdout(&words);
    let text = live["decoded"][0]["text"].as_str().expect("a text");
    assert!(said.starts_with(&format!("[sum-1] 1 + 1\n{text}")), "{said}");
    assert!(said.contains("--backend models --pair") && said.contains("pair tables"), "{said}");
}

#[test]
fn a_pair_is_recorded_with_its_texts_and_simulated_from_them() {
    let (folder, file) = pair("models-record");
    let out = folder.join("run");
    let recording = text(&out);
    let models = ["--backend", "models", "--pair", &file, "--requests", "3"];
    let quick = ["--set", "startup_ms=1", "--set", "propagation_ms=1", "--set", "payload=ids"];
    let record = ["trace", "record", "--out", recording, "--rollout", "80"];
    stdout(&[&record[..], &models, &quick].concat());
    assert_eq!(stdout(&["trace", "check", recording]).matches("bit for bit").count(), 2);
    let trace = out.join("trace.json");
    stdout(&["trace", "check", text(&trace)]);
    let trace: Value =
        serde_json::from_str(&fs::read_to_string(trace).expect("written")).expect("JSON");
    let texts = trace["texts"].as_array().expect("texts");
    assert_eq!(texts.len(), 3);
    for text in texts {
        assert!(text["features"]["target_gap"].is_array());
        let rollouts = text["rollouts"].as_object().expect("rollouts");
        assert!(rollouts.values().all(|steps| steps.as_array().map(Vec::len) == Some(80)));
    }
    // Each text once, by another method.
    let positions = texts.iter().map(|text| text["positions"].as_array().map_or(0, Vec::len));
    let tokens = positions.sum::<usize>().to_string();
    let simulate = ["simulate", "--profile", recording, "--method", "vanilla", "--json"];
    let once = ["--seeds", "1", "--tokens", &tokens];
    let simulated = stdout(&[&simulate[..], &once, &quick].concat());
    let simulated: Value = serde_json::from_str(&simulated).expect("a document");
    assert_eq!(simulated["output_tokens"].as_f64().map(|tokens| tokens.to_string()), Some(tokens));
}

/// Another target than the draft was made for: the edge says which token differs.
#[test]
fn ends_of_different_pairs_do_not_meet() {
    let (_, one) = pair("models-one");
    let (folder, other) = pair("models-other");
    let path: &Path = &folder.join("tokenizer.json");
    let changed = fs::read_to_string(path).expect("written").replace("\"A\"", "\"€\"");
    fs::write(path, changed).expect("written");
    let mut cloud = std::process::Command::new(env!("CARGO_BIN_EXE_pipesd"))
        .args(["cloud", "--backend", "models", "--pair", &other])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a cloud");
    let mut ticket = String::new();
    let stdout = cloud.stdout.take().expect("piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut ticket)
        .expect("a ticket");
    let edge = pipesd(&["edge", "--connect", ticket.trim(), "--backend", "models", "--pair", &one]);
    cloud.kill().expect("it was there");
    cloud.wait().expect("it has ended");
    let said = String::from_utf8_lossy(&edge.stderr);
    assert_eq!(edge.status.code(), Some(1), "{said}");
    // 'A' is the 33rd letter after '!', behind a space and a newline.
    assert!(said.contains("id 34 is \"A\" to the draft, "), "{said}");
}
