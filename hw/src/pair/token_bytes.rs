//! What each id means, in bytes, from a tokenizer.json: the same for every tokenizer that decodes to the
//! same text, however its file writes tokens.
//!
//! Two ways of writing are undone: the byte alphabet of byte-level BPE (GPT-2's, of Radford et al. 2019:
//! `Ġ` is a space), and SentencePiece's (`▁` is a space, `<0x0A>` a byte). Added tokens stand as they
//! are. llama.cpp's pieces are normalised the same way, so that a GGUF file and a tokenizer.json of one
//! vocabulary have the same bytes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::vocabulary::TokenBytes;
use super::{PairError, read};

/// What is looked at of a tokenizer.json.
#[derive(Deserialize)]
struct File {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    decoder: Value,
    #[serde(default)]
    pre_tokenizer: Value,
}

#[derive(Deserialize)]
struct Model {
    /// Of a BPE or WordPiece model; a unigram model's is a list.
    vocab: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
}

/// How a file writes tokens.
#[derive(Clone, Copy)]
enum Writing {
    ByteLevel,
    SentencePiece,
}

/// The first `vocabulary` ids of a tokenizer.json.
///
/// # Errors
/// If the file is none, writes tokens in a way that is not known, or has fewer ids.
pub fn token_bytes(path: &Path, vocabulary: u32) -> Result<TokenBytes, PairError> {
    let file: File = serde_json::from_str(&read(path)?).map_err(|error| {
        PairError::new(path, format!("{error}; it should be a tokenizer.json with a BPE model"))
    })?;
    let writing = writing(&file).map_err(|problem| PairError::new(path, problem))?;
    let mut entries: Vec<Option<Vec<u8>>> = vec![None; vocabulary as usize];
    let mut beyond = 0;
    let plain = file.model.vocab.iter().map(|(text, &id)| (id, undone(text, writing)));
    // Later, so that they win: an added token may stand in the model's vocabulary as well.
    let added =
        file.added_tokens.iter().map(|added| (added.id, added.content.clone().into_bytes()));
    for (id, bytes) in plain.chain(added) {
        match entries.get_mut(id as usize) {
            Some(entry) => *entry = Some(bytes),
            None => beyond += 1,
        }
    }
    let missing = entries.iter().position(Option::is_none);
    if let Some(id) = missing {
        let problem = format!(
            "id {id} has no token: `vocabulary` is {vocabulary}, the ids both models use from 0 on \
             without a gap ({beyond} tokens are beyond it)"
        );
        return Err(PairError::new(path, problem));
    }
    Ok(TokenBytes::new(entries.into_iter().flatten()))
}

/// Types that stand in a component of a tokenizer.json, nested ones too.
fn types(component: &Value, found: &mut Vec<String>) {
    match component {
        Value::Object(fields) => {
            if let Some(Value::String(name)) = fields.get("type") {
                found.push(name.clone());
            }
            fields.values().for_each(|value| types(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| types(value, found)),
        _ => {}
    }
}

fn writing(file: &File) -> Result<Writing, String> {
    let mut found = Vec::new();
    types(&file.decoder, &mut found);
    types(&file.pre_tokenizer, &mut found);
    let has = |name: &str| found.iter().any(|found| found == name);
    if has("ByteLevel") {
        Ok(Writing::ByteLevel)
    } else if has("ByteFallback") || has("Metaspace") {
        Ok(Writing::SentencePiece)
    } else {
        Err(format!(
            "its decoder and pre-tokenizer are [{}]: known are byte-level BPE (ByteLevel) and \
             SentencePiece (ByteFallback, Metaspace)",
            found.join(", ")
        ))
    }
}

fn undone(text: &str, writing: Writing) -> Vec<u8> {
    match writing {
        Writing::ByteLevel => {
            let mut bytes = Vec::with_capacity(text.len());
            for letter in text.chars() {
                match byte_of(letter) {
                    Some(byte) => bytes.push(byte),
                    // Not of the alphabet: it stands for itself.
                    None => bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
                }
            }
            bytes
        }
        Writing::SentencePiece => {
            let byte = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
            match byte.filter(|hex| hex.len() == 2).map(|hex| u8::from_str_radix(hex, 16)) {
                Some(Ok(byte)) => vec![byte],
                _ => text.replace('▁', " ").into_bytes(),
            }
        }
    }
}

/// The byte that a letter of byte-level BPE's alphabet stands for: printable Latin-1 for itself, the
/// rest of the bytes in order from U+0100 on.
fn byte_of(letter: char) -> Option<u8> {
    let code = u32::from(letter);
    if let Ok(byte) = u8::try_from(code) {
        return is_printable(byte).then_some(byte);
    }
    let rank = code.checked_sub(0x100)?;
    (0..=u8::MAX).filter(|&byte| !is_printable(byte)).nth(rank as usize)
}

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_has_a_letter_for_each_byte() {
        let letters = (0..0x200).filter_map(char::from_u32);
        let mut bytes: Vec<u8> = letters.filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=u8::MAX).collect::<Vec<_>>());
        // As GPT-2's encoder has them.
        assert_eq!(
            ['Ġ', 'Ċ', 'ĉ', 'A', 'é'].map(byte_of),
            [b' ', b'\n', b'\t', b'A', 0xe9].map(Some)
        );
        assert_eq!(byte_of('▁'), None);
    }

    #[test]
    fn writings_are_undone() {
        assert_eq!(undone("ĠdefĊ", Writing::ByteLevel), b" def\n");
        assert_eq!(undone("Ã©", Writing::ByteLevel), "é".as_bytes());
        assert_eq!(undone("▁of▁", Writing::SentencePiece), b" of ");
        assert_eq!(undone("<0x0A>", Writing::SentencePiece), b"\n");
        assert_eq!(undone("<0x0A", Writing::SentencePiece), b"<0x0A");
        assert_eq!(undone("<0xZZ>", Writing::SentencePiece), b"<0xZZ>");
    }
}
