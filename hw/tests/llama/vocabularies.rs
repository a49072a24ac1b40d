//! The ids of a written file mean to llama.cpp what they mean to the tokenizer.

use std::fs::File;
use std::io::BufWriter;

use pipesd_core::ids::TokenId;
use pipesd_hw::backend::llama::vocabulary;
use pipesd_hw::gguf::Precision;
use pipesd_hw::gguf::llama::write;
use pipesd_hw::gguf::tokenizer::{Tokenizer, stand_in};

use crate::support::{SIZES, place, weights};

/// All bytes by value, ` a`, `é` cut open, and two added tokens.
fn tokenizer() -> Tokenizer {
    let mut vocab = serde_json::Map::new();
    for byte in 0..=255_u8 {
        vocab.insert(stand_in(byte).to_string(), byte.into());
    }
    vocab.insert("Ġa".into(), 256.into());
    vocab.insert("Ã©".into(), 257.into());
    let text = serde_json::json!({
        "model": {"type": "BPE", "vocab": vocab, "merges": ["Ġ a", ["Ã", "©"]]},
        "added_tokens": [
            {"id": 258, "content": "<|end|>", "special": true},
            {"id": 259, "content": "<é x>", "special": false},
        ],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    });
    Tokenizer::from_json(&text.to_string(), "<|end|>", None).expect("a tokenizer")
}

#[test]
fn ids_mean_what_the_tokenizer_says() {
    let path = place("vocabulary.gguf");
    let mut file = BufWriter::new(File::create(&path).expect("a file"));
    let weights = weights(&SIZES, true);
    write(&mut file, "v", &SIZES, &weights, &tokenizer(), Precision::F16).expect("a model");
    drop(file);
    let known = vocabulary(&path).expect("a vocabulary");
    std::fs::remove_file(path).expect("it is there");
    assert_eq!(known.tokens.len(), SIZES.vocabulary as usize);
    for byte in 0..=255_u8 {
        assert_eq!(known.tokens[usize::from(byte)], [byte]);
    }
    let texts: Vec<&[u8]> = known.tokens[256..261].iter().map(Vec::as_slice).collect();
    let right = [" a", "é", "<|end|>", "<é x>", "[PAD260]"].map(str::as_bytes);
    assert_eq!(texts, right);
    assert_eq!(known.eos, Some(TokenId(258)));
}
