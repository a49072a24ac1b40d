//! Small files as models come with, written when a test runs.

use std::fs;
use std::path::{Path, PathBuf};

use pipesd_hw::pair::{Pair, parse};
use serde_json::{Value, json};

/// A new, empty folder.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pair").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

pub(crate) fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("in a folder")).expect("a folder");
    fs::write(path, content).expect("written");
}

/// The letters of byte-level BPE, by byte.
pub(crate) fn letters() -> Vec<String> {
    let printable = |byte: u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 0x100;
    let letter = |byte: u32| {
        let code = if printable(byte) { byte } else { next };
        next += u32::from(!printable(byte));
        char::from_u32(code).expect("a letter").to_string()
    };
    (0..256).map(letter).collect()
}

/// A byte-level tokenizer.json: a token for each byte, one for " the", and a stop token.
pub(crate) fn byte_level() -> Value {
    let mut vocab: serde_json::Map<String, Value> =
        letters().into_iter().enumerate().map(|(id, letter)| (letter, json!(id))).collect();
    let merged = [("Ġt", 256), ("he", 257), ("Ġthe", 258)];
    vocab.extend(merged.map(|(token, id)| (token.to_owned(), json!(id))));
    json!({
        "version": "1.0",
        "added_tokens": [{
            "id": 259, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
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
            "vocab": vocab, "merges": ["Ġ t", "h e", "Ġt he"],
        },
    })
}

/// The same tokens as SentencePiece writes them.
pub(crate) fn sentence_piece() -> Value {
    let token = |byte: u32| match byte {
        0x20 => "▁".to_owned(),
        0x21..=0x7e => char::from_u32(byte).expect("a letter").to_string(),
        _ => format!("<0x{byte:02X}>"),
    };
    let mut vocab: serde_json::Map<String, Value> =
        (0..256).map(|byte| (token(byte), json!(byte))).collect();
    let merged = [("▁t", 256), ("he", 257), ("▁the", 258), ("<|end|>", 259)];
    vocab.extend(merged.map(|(token, id)| (token.to_owned(), json!(id))));
    let mut file = byte_level();
    file["model"]["vocab"] = vocab.into();
    file["pre_tokenizer"] = Value::Null;
    file["decoder"] = json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
    ]});
    file
}

/// A pair in `root`, of which nothing else is there yet.
pub(crate) fn pair(root: &Path) -> Pair {
    let entry = r#"
        [tiny]
        description = "for tests"
        template = "Q: {prompt}\nA:"
        stop = ["<|end|>"]
        prompts = ["sums.jsonl", "functions.jsonl"]
        max_new_tokens = 32
        vocabulary = 260
        draft = { engine = "llama", path = "draft.gguf", threads = 1, published = "somewhere" }
        target = { engine = "torch", path = "target", dtype = "f32", threads = 1 }
    "#;
    let spec = parse(entry).expect("valid").remove("tiny").expect("there");
    Pair { name: "tiny".into(), spec, root: root.to_owned() }
}
