//! What tokenizer.json says, however it is written.

use std::path::Path;

use pipesd_core::ids::TokenId;
use pipesd_hw::pair::{Tokenizer, token_bytes};
use serde_json::{Value, json};

use crate::files::{byte_level, folder, pair, sentence_piece, write};

fn read(folder: &Path, file: &Value, size: u32) -> Result<pipesd_hw::pair::TokenBytes, String> {
    let path = folder.join("tokenizer.json");
    write(&path, &file.to_string());
    token_bytes(&path, size).map_err(|error| error.to_string())
}

#[test]
fn two_ways_of_writing_one_vocabulary_are_the_same() {
    let folder = folder("writings");
    let [bytes, pieces] = [byte_level(), sentence_piece()]
        .map(|file| read(&folder, &file, 260).expect("a vocabulary"));
    assert_eq!(bytes.get(258), Some(b" the".as_slice()));
    assert_eq!(bytes.get(0), Some([0].as_slice()));
    assert_eq!(bytes.get(259), Some(b"<|end|>".as_slice()));
    assert_eq!(bytes.difference(&pieces), None);
    assert_eq!(bytes.hello(), pieces.hello());
}

#[test]
fn a_changed_token_is_another_vocabulary_and_a_padded_tail_is_not() {
    let folder = folder("changed");
    let whole = read(&folder, &byte_level(), 260).expect("a vocabulary");
    let mut changed = byte_level();
    let vocab = changed["model"]["vocab"].as_object_mut().expect("a vocabulary");
    vocab.remove("Ġthe");
    vocab.insert("Ġtho".into(), json!(258));
    let other = read(&folder, &changed, 260).expect("a vocabulary");
    let difference = whole.difference(&other).expect("they differ").to_string();
    assert!(difference.starts_with(r#"id 258 is " the" to the draft, " tho" to the target"#));
    let mut padded = byte_level();
    padded["model"]["vocab"]["[PAD260]"] = json!(260);
    let padded = read(&folder, &padded, 260).expect("a vocabulary");
    assert_eq!(padded.hello(), whole.hello());
}

#[test]
fn what_is_not_understood_is_told_with_its_file() {
    let folder = folder("misunderstood");
    let error = read(&folder, &byte_level(), 261).expect_err("one id less");
    assert!(error.contains("tokenizer.json: id 260 has no token: `vocabulary` is 261"), "{error}");
    let mut words = byte_level();
    words["decoder"] = json!({"type": "WordPiece"});
    words["pre_tokenizer"] = json!({"type": "Whitespace"});
    let error = read(&folder, &words, 260).expect_err("words");
    assert!(error.contains("[WordPiece, Whitespace]: known are byte-level BPE"), "{error}");
    let error = read(&folder, &json!({"model": {}}), 260).expect_err("no vocabulary");
    assert!(error.contains("missing field `vocab`"), "{error}");
    let error = token_bytes(&folder.join("nowhere.json"), 1).expect_err("no file").to_string();
    assert!(error.contains("nowhere.json: cannot be read"), "{error}");
}

#[test]
fn prompts_become_ids_and_ids_text() {
    let folder = folder("prompts");
    write(&folder.join("target/tokenizer.json"), &byte_level().to_string());
    let loaded = Tokenizer::load(&pair(&folder));
    if cfg!(not(any(feature = "llama", feature = "torch"))) {
        let error = loaded.expect_err("no engine").to_string();
        assert!(error.contains("without the features `llama` and `torch`"), "{error}");
        return;
    }
    let tokenizer = loaded.expect("a tokenizer");
    assert_eq!(tokenizer.stop(), [TokenId(259)]);
    let text = "to the é 🙂\n";
    let ids = tokenizer.encode(text).expect("ids");
    assert!(ids.contains(&TokenId(258)) && !ids.contains(&TokenId(256)), "{ids:?}");
    let ended: Vec<TokenId> = ids.iter().copied().chain([TokenId(259)]).collect();
    assert_eq!(tokenizer.decode(&ended), text);
    let error = tokenizer.encode("").expect_err("nothing").to_string();
    assert!(error.contains("has no tokens"), "{error}");
    let mut strange = pair(&folder);
    strange.spec.stop = vec![pipesd_hw::pair::Stop::Token("</s>".into())];
    let error = Tokenizer::load(&strange).expect_err("no such token").to_string();
    assert!(error.contains("has no token \"</s>\""), "{error}");
    strange.spec.stop = vec![pipesd_hw::pair::Stop::Id(260)];
    let error = Tokenizer::load(&strange).expect_err("no such id").to_string();
    assert!(error.contains("stop id 260 is beyond the pair's vocabulary of 260"), "{error}");
    strange.spec.vocabulary = 259;
    let error = Tokenizer::load(&strange).expect_err("no such id").to_string();
    assert!(error.contains("beyond"), "{error}");
}
