//! A byte-level BPE tokenizer as metadata of a GGUF file, from Hugging Face's `tokenizer.json`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{GgufError, Value, Writer};

/// A byte-level BPE tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokenizer {
    /// llama.cpp's name of how text is split before merging.
    pre: &'static str,
    tokens: BTreeMap<u32, (String, Kind)>,
    /// Two tokens that become one, with a space between them, best first.
    merges: Vec<String>,
    eos: u32,
    bos: u32,
}

/// What llama.cpp distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal = 1,
    Control = 3,
    UserDefined = 4,
    /// Ids that the model has and the tokenizer has not.
    Unused = 5,
}

#[derive(Deserialize)]
struct File {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
    pre_tokenizer: Option<PreTokenizer>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: BTreeMap<String, u32>,
    merges: Vec<Merge>,
}

/// Written as `"a b"` by older versions of `tokenizers`, as `["a", "b"]` by newer ones.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Joined(String),
    Pair([String; 2]),
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum PreTokenizer {
    Sequence {
        pretokenizers: Vec<Self>,
    },
    ByteLevel {
        #[serde(default)]
        add_prefix_space: bool,
        #[serde(default = "yes")]
        use_regex: bool,
    },
    Digits {
        #[serde(default)]
        individual_digits: bool,
    },
    Split {
        pattern: Pattern,
    },
    #[serde(other)]
    Other,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Pattern {
    /// None: a plain text.
    #[serde(rename = "Regex")]
    regex: Option<String>,
}

/// By which Llama 3 splits text.
const LLAMA_3: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// By which Qwen 2 splits text.
const QWEN_2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

impl Tokenizer {
    /// Reads the text of a `tokenizer.json`. `eos` is the token that ends a text; a model that has a
    /// token before every text names it as `bos` (it is told to llama.cpp, which is also told not to
    /// add it by itself).
    ///
    /// # Errors
    /// If it is not a byte-level BPE tokenizer, or not one whose way of splitting text llama.cpp has, or
    /// if it contradicts itself. The error says where.
    pub fn from_json(text: &str, eos: &str, bos: Option<&str>) -> Result<Self, GgufError> {
        let refused = |problem: String| GgufError::Refused(format!("tokenizer.json: {problem}"));
        let file: File = serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
        if let Some(kind) = file.model.kind.as_deref().filter(|kind| *kind != "BPE") {
            return Err(refused(format!("model.type is {kind}: a byte-level BPE is needed")));
        }
        let pre = splitting(file.pre_tokenizer.as_ref()).map_err(refused)?;
        let merges = merges(&file.model).map_err(refused)?;
        let tokens = tokens(file).map_err(refused)?;
        let id = |content: &str| {
            let found = tokens.iter().find(|(_, (text, _))| text == content);
            found.map(|(id, _)| *id).ok_or_else(|| refused(format!("it has no token {content:?}")))
        };
        let eos = id(eos)?;
        let bos = bos.map_or(Ok(eos), id)?;
        Ok(Self { pre, tokens, merges, eos, bos })
    }

    /// A tokenizer without merges: the 256 bytes in the order of their stand-ins' code points, then
    /// `<|endoftext|>`.
    #[must_use]
    pub fn bytes_only() -> Self {
        let mut alphabet: Vec<char> = (0..=255).map(stand_in).collect();
        alphabet.sort_unstable();
        let mut tokens: BTreeMap<u32, (String, Kind)> =
            (0..).zip(alphabet).map(|(id, c)| (id, (c.to_string(), Kind::Normal))).collect();
        tokens.insert(256, ("<|endoftext|>".into(), Kind::Control));
        Self { pre: "gpt-2", tokens, merges: Vec::new(), eos: 256, bos: 256 }
    }

    /// Ids: the largest, plus 1.
    #[must_use]
    pub fn vocabulary(&self) -> u32 {
        self.tokens.last_key_value().map_or(0, |(id, _)| id + 1)
    }

    /// Adds the tokenizer to a file of a model with `vocabulary` ids: those that it does not have become
    /// unused tokens.
    ///
    /// # Errors
    /// If it has more.
    pub(super) fn metadata(&self, writer: &mut Writer, vocabulary: u32) -> Result<(), GgufError> {
        let have = self.vocabulary();
        if have > vocabulary {
            let problem =
                format!("the tokenizer has {have} ids, the model's vocabulary {vocabulary}");
            return Err(GgufError::Refused(problem));
        }
        let token = |id| match self.tokens.get(&id) {
            Some((text, kind)) => (text.clone(), *kind as i32),
            None => (format!("[PAD{id}]"), Kind::Unused as i32),
        };
        let (texts, kinds) = (0..vocabulary).map(token).unzip();
        writer.set("tokenizer.ggml.model", Value::String("gpt2".into()));
        writer.set("tokenizer.ggml.pre", Value::String(self.pre.into()));
        writer.set("tokenizer.ggml.tokens", Value::Strings(texts));
        writer.set("tokenizer.ggml.token_type", Value::I32s(kinds));
        writer.set("tokenizer.ggml.merges", Value::Strings(self.merges.clone()));
        writer.set("tokenizer.ggml.bos_token_id", Value::U32(self.bos));
        writer.set("tokenizer.ggml.eos_token_id", Value::U32(self.eos));
        writer.set("tokenizer.ggml.add_bos_token", Value::Bool(false));
        writer.set("tokenizer.ggml.add_eos_token", Value::Bool(false));
        writer.set("tokenizer.ggml.add_space_prefix", Value::Bool(false));
        Ok(())
    }
}

/// llama.cpp's name of what splits text before merging.
fn splitting(pre: Option<&PreTokenizer>) -> Result<&'static str, String> {
    use PreTokenizer::{ByteLevel, Digits, Sequence, Split};
    let parts = match pre {
        Some(Sequence { pretokenizers }) => pretokenizers.iter().collect(),
        Some(one) => vec![one],
        None => vec![],
    };
    let name = match parts[..] {
        [.., ByteLevel { add_prefix_space: true, .. }] => {
            return Err("pre_tokenizer puts a space before every text: llama.cpp does not".into());
        }
        [ByteLevel { use_regex: true, .. }] => Some("gpt-2"),
        [Digits { individual_digits: true }, ByteLevel { use_regex: true, .. }] => Some("smollm"),
        [Split { pattern: Pattern { regex: Some(regex) } }, ByteLevel { use_regex: false, .. }] => {
            let known = [(LLAMA_3, "llama-bpe"), (QWEN_2, "qwen2")];
            known.into_iter().find(|(pattern, _)| pattern == regex).map(|(_, name)| name)
        }
        _ => None,
    };
    name.ok_or_else(|| {
        let known = "ByteLevel, Digits then ByteLevel, Llama 3's or Qwen 2's Split then ByteLevel";
        format!("pre_tokenizer is none that is known of llama.cpp here: {known}")
    })
}

fn merges(model: &Model) -> Result<Vec<String>, String> {
    let joined = |(number, merge): (usize, &Merge)| {
        let (first, second) = match merge {
            Merge::Pair([first, second]) => (first.as_str(), second.as_str()),
            Merge::Joined(text) => {
                let parts = text.split_once(' ');
                parts.ok_or_else(|| format!("merge {number} is {text:?}: two tokens are needed"))?
            }
        };
        let made = format!("{first}{second}");
        match [first, second, &made].into_iter().find(|text| !model.vocab.contains_key(*text)) {
            None => Ok(format!("{first} {second}")),
            Some(text) => {
                Err(format!("merge {number} is of {text:?}, which is not in model.vocab"))
            }
        }
    };
    model.merges.iter().enumerate().map(joined).collect()
}

fn tokens(file: File) -> Result<BTreeMap<u32, (String, Kind)>, String> {
    let added: BTreeMap<u32, (String, Kind)> = file
        .added_tokens
        .into_iter()
        .map(|Added { id, content, special }| {
            (id, (content, if special { Kind::Control } else { Kind::UserDefined }))
        })
        .collect();
    let mut tokens: BTreeMap<u32, (String, Kind)> = BTreeMap::new();
    for (text, id) in file.model.vocab {
        match added.get(&id) {
            // Listed in both, as in GPT-2's file: what is said of the added one holds.
            Some((content, _)) if *content == text => {}
            Some((content, _)) => return Err(format!("id {id} is {text:?} and {content:?}")),
            None => {
                if let Some(stranger) = text.chars().find(|c| byte(*c).is_none()) {
                    return Err(format!("token {id}, {text:?}: {stranger:?} stands for no byte"));
                }
                if let Some((other, _)) = tokens.insert(id, (text.clone(), Kind::Normal)) {
                    return Err(format!("id {id} is {other:?} and {text:?}"));
                }
            }
        }
    }
    for (id, token) in added {
        if tokens.values().any(|(text, _)| *text == token.0) {
            return Err(format!("{:?} has two ids, one of them {id}", token.0));
        }
        tokens.insert(id, token);
    }
    Ok(tokens)
}

/// The character that stands for a byte in GPT-2's vocabularies: itself where it is printable, else
/// one from U+0100 on.
#[must_use]
pub fn stand_in(byte: u8) -> char {
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| !printable(*byte)).count();
    char::from_u32(256 + before as u32).expect("U+0100 to U+0143 are characters")
}

/// The byte that a character stands for.
#[must_use]
pub fn byte(stand_in: char) -> Option<u8> {
    match u32::from(stand_in) {
        code @ 0..256 => Some(code as u8).filter(|byte| printable(*byte)),
        code => (0..=255).filter(|byte| !printable(*byte)).nth(code as usize - 256),
    }
}

const fn printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTE_LEVEL: &str =
        r#"{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}"#;

    fn json(vocab: &str, merges: &str, added: &str, pre: &str) -> String {
        let model = format!(r#"{{"type": "BPE", "vocab": {vocab}, "merges": {merges}}}"#);
        format!(r#"{{"model": {model}, "added_tokens": {added}, "pre_tokenizer": {pre}}}"#)
    }

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        for value in 0..=255 {
            assert_eq!(byte(stand_in(value)), Some(value));
        }
        assert_eq!(
            [stand_in(b' '), stand_in(b'\n'), stand_in(b'a'), stand_in(0)],
            ['Ġ', 'Ċ', 'a', 'Ā']
        );
        assert_eq!(stand_in(0xad), '\u{143}');
        assert_eq!([byte(' '), byte('\u{144}'), byte('字')], [None; 3]);
    }

    #[test]
    fn both_ways_of_writing_merges_are_read() {
        let vocab = r#"{"a": 0, "Ġ": 1, "Ġa": 2}"#;
        let added = r#"[{"id": 3, "content": "<e>", "special": true},
            {"id": 5, "content": "<u>", "special": false}]"#;
        let read = |merges| {
            let text = json(vocab, merges, added, BYTE_LEVEL);
            Tokenizer::from_json(&text, "<e>", None).expect("a tokenizer")
        };
        let tokenizer = read(r#"["Ġ a"]"#);
        assert_eq!(tokenizer, read(r#"[["Ġ", "a"]]"#));
        assert_eq!(tokenizer.vocabulary(), 6);
        assert_eq!((tokenizer.eos, tokenizer.bos, tokenizer.pre), (3, 3, "gpt-2"));
        assert_eq!(tokenizer.tokens[&3].1, Kind::Control);
        assert_eq!(tokenizer.tokens[&5].1, Kind::UserDefined);
    }

    #[test]
    fn the_way_of_splitting_text_is_recognised() {
        let of = |pre: &str| {
            let text = json(r#"{"a": 0}"#, "[]", "[]", pre);
            Tokenizer::from_json(&text, "a", None).map(|tokenizer| tokenizer.pre)
        };
        let sequence =
            |parts: &str| format!(r#"{{"type": "Sequence", "pretokenizers": [{parts}]}}"#);
        let digits = format!(r#"{{"type": "Digits", "individual_digits": true}}, {BYTE_LEVEL}"#);
        assert_eq!(of(BYTE_LEVEL).expect("known"), "gpt-2");
        assert_eq!(of(&sequence(BYTE_LEVEL)).expect("known"), "gpt-2");
        assert_eq!(of(&sequence(&digits)).expect("known"), "smollm");
        for (regex, name) in [(LLAMA_3, "llama-bpe"), (QWEN_2, "qwen2")] {
            let regex = serde_json::to_string(regex).expect("text");
            let split = format!(
                r#"{{"type": "Split", "pattern": {{"Regex": {regex}}}, "behavior": "Isolated"}},
                {{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}}"#
            );
            assert_eq!(of(&sequence(&split)).expect("known"), name);
        }
        assert!(of("null").is_err());
        assert!(of(r#"{"type": "Whitespace"}"#).is_err());
        assert!(of(r#"{"type": "ByteLevel", "add_prefix_space": true}"#).is_err());
    }

    #[test]
    fn a_contradiction_is_named() {
        let added =
            |id, content| format!(r#"[{{"id": {id}, "content": "{content}", "special": true}}]"#);
        for (vocab, merges, added, problem) in [
            (r#"{"a": 0, "b": 0}"#, "[]", "[]".into(), "id 0"),
            (r#"{"a": 0, "字": 1}"#, "[]", "[]".into(), "字"),
            (r#"{"a": 0}"#, r#"["a b"]"#, "[]".into(), "\"b\""),
            (r#"{"a": 0}"#, r#"["ab"]"#, "[]".into(), "two tokens"),
            (r#"{"a": 0}"#, "[]", added(0, "<e>"), "id 0"),
            (r#"{"a": 0}"#, "[]", added(1, "a"), "two ids"),
            (r#"{"b": 0}"#, "[]", "[]".into(), "no token \"a\""),
            (r#"{"a": -1}"#, "[]", "[]".into(), "-1"),
        ] {
            let text = json(vocab, merges, &added, BYTE_LEVEL);
            let error =
                Tokenizer::from_json(&text, "a", None).expect_err("it is refused").to_string();
            assert!(error.contains("tokenizer.json") && error.contains(problem), "{error}");
        }
        let unigram = r#"{"model": {"type": "Unigram", "vocab": {}, "merges": []}}"#;
        let error =
            Tokenizer::from_json(unigram, "a", None).expect_err("it is refused").to_string();
        assert!(error.contains("Unigram"), "{error}");
    }
}
