//! Prompts to ids, by the `tokenizers` crate where it was built in; ids to text as they come, by what
//! each id means in bytes.

use std::path::Path;
use std::sync::Arc;

use pipesd_core::ids::TokenId;

use super::entry::{Pair, Stop};
use super::token_bytes::token_bytes;
use super::vocabulary::TokenBytes;
use super::{PairError, read};

/// A pair's tokenizer.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    place: String,
    bytes: Arc<TokenBytes>,
    stop: Vec<TokenId>,
    encoder: Encoder,
}

#[cfg(any(feature = "llama", feature = "torch"))]
type Encoder = tokenizers::Tokenizer;
#[cfg(not(any(feature = "llama", feature = "torch")))]
type Encoder = core::convert::Infallible;

impl Tokenizer {
    /// Reads the pair's tokenizer.json.
    ///
    /// # Errors
    /// If there is none, it is not understood, has fewer ids than the pair's vocabulary, or does not
    /// know a stop token; or if this program was built without any engine.
    pub fn load(pair: &Pair) -> Result<Self, PairError> {
        let path = pair.path(&pair.spec.tokenizer);
        let bytes = token_bytes(&path, pair.spec.vocabulary)?;
        let encoder = encoder(&path)?;
        let stop = stops(pair, &path, &bytes)?;
        let place = path.display().to_string();
        Ok(Self { place, bytes: Arc::new(bytes), stop, encoder })
    }

    /// What each id means.
    #[must_use]
    pub const fn bytes(&self) -> &Arc<TokenBytes> {
        &self.bytes
    }

    /// The ids that end a text.
    #[must_use]
    pub fn stop(&self) -> &[TokenId] {
        &self.stop
    }

    /// The ids of a text, with those that the tokenizer puts before any (a Llama's begin-of-text).
    ///
    /// # Errors
    /// If it has none, or one beyond the pair's vocabulary.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, PairError> {
        let wrong = |problem: String| PairError { place: self.place.clone(), problem };
        let ids = encode(&self.encoder, text).map_err(wrong)?;
        let (shown, size) = (text.chars().take(40).collect::<String>(), self.bytes.size());
        if let Some(beyond) = ids.iter().find(|id| **id >= size) {
            let problem =
                format!("{shown:?} has the id {beyond}, the pair's vocabulary has {size}");
            return Err(wrong(problem));
        }
        if ids.is_empty() {
            return Err(wrong(format!("{shown:?} has no tokens")));
        }
        Ok(ids.into_iter().map(TokenId).collect())
    }

    /// A text that comes token by token.
    #[must_use]
    pub fn stream(&self) -> TextStream {
        let (bytes, stop) = (Arc::clone(&self.bytes), self.stop.clone());
        TextStream { bytes, stop, pending: Vec::new() }
    }

    /// A whole text; stop tokens are left out.
    #[must_use]
    pub fn decode(&self, ids: &[TokenId]) -> String {
        let mut stream = self.stream();
        let mut text: String = ids.iter().map(|&id| stream.push(id)).collect();
        text.push_str(&stream.finish());
        text
    }
}

#[cfg(any(feature = "llama", feature = "torch"))]
fn encoder(path: &Path) -> Result<Encoder, PairError> {
    let text = read(path)?;
    let mut encoder: Encoder = text.parse().map_err(|error| PairError::new(path, error))?;
    // What is cut or filled up is no prompt of ours.
    encoder.with_truncation(None).map_err(|error| PairError::new(path, error))?;
    encoder.with_padding(None);
    Ok(encoder)
}

#[cfg(any(feature = "llama", feature = "torch"))]
fn encode(encoder: &Encoder, text: &str) -> Result<Vec<u32>, String> {
    let encoding = encoder.encode(text, true).map_err(|error| error.to_string())?;
    Ok(encoding.get_ids().to_vec())
}

#[cfg(not(any(feature = "llama", feature = "torch")))]
fn encoder(path: &Path) -> Result<Encoder, PairError> {
    read(path)?;
    Err(PairError::new(path, "this program was built without the features `llama` and `torch`"))
}

#[cfg(not(any(feature = "llama", feature = "torch")))]
fn encode(encoder: &Encoder, _text: &str) -> Result<Vec<u32>, String> {
    match *encoder {}
}

/// The ids that end a pair's texts.
pub(super) fn stops(
    pair: &Pair,
    path: &Path,
    bytes: &TokenBytes,
) -> Result<Vec<TokenId>, PairError> {
    let size = bytes.size();
    let id = |stop: &Stop| match stop {
        Stop::Id(id) if *id < size => Ok(TokenId(*id)),
        Stop::Id(id) => {
            let problem = format!("stop id {id} is beyond the pair's vocabulary of {size}");
            Err(PairError::new(path, problem))
        }
        Stop::Token(token) => bytes.id_of(token.as_bytes()).map(TokenId).ok_or_else(|| {
            PairError::new(path, format!("has no token {token:?}, which the pair's `stop` names"))
        }),
    };
    pair.spec.stop.iter().map(id).collect()
}

/// A text that comes token by token. What is not whole UTF-8 yet waits for its rest.
#[derive(Clone, Debug)]
pub struct TextStream {
    bytes: Arc<TokenBytes>,
    stop: Vec<TokenId>,
    pending: Vec<u8>,
}

impl TextStream {
    /// What there is to be shown when `token` has come. Bytes that never make UTF-8 are shown as
    /// U+FFFD, an id without a meaning as well; a stop token as nothing.
    pub fn push(&mut self, token: TokenId) -> String {
        if self.stop.contains(&token) {
            return String::new();
        }
        self.pending.extend(self.bytes.get(token.0).unwrap_or("\u{fffd}".as_bytes()));
        let mut text = String::new();
        loop {
            match core::str::from_utf8(&self.pending) {
                Ok(valid) => {
                    text.push_str(valid);
                    self.pending.clear();
                    return text;
                }
                Err(error) => {
                    let valid = &self.pending[..error.valid_up_to()];
                    text.push_str(&String::from_utf8_lossy(valid));
                    let Some(wrong) = error.error_len() else {
                        self.pending.drain(..error.valid_up_to());
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.pending.drain(..error.valid_up_to() + wrong);
                }
            }
        }
    }

    /// What is left at the end of a text, and a new beginning.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&core::mem::take(&mut self.pending)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(tokens: &[&[u8]]) -> TextStream {
        let bytes = Arc::new(TokenBytes::new(tokens.iter().map(|token| token.to_vec())));
        TextStream { bytes, stop: vec![TokenId(0)], pending: Vec::new() }
    }

    /// What is shown after each token of a text, and at its end.
    fn shown(tokens: &[&[u8]]) -> Vec<String> {
        let mut stream = stream(tokens);
        let mut shown: Vec<String> =
            (0..tokens.len() as u32).map(|id| stream.push(TokenId(id))).collect();
        shown.push(stream.finish());
        shown
    }

    #[test]
    fn a_letter_is_shown_when_it_is_whole() {
        let tokens: [&[u8]; 4] = [b"</s>", b"a\xe2\x82", b"\xac", b"b"];
        assert_eq!(shown(&tokens), ["", "a", "€", "b", ""]);
    }

    #[test]
    fn what_is_no_letter_holds_nothing_up() {
        let tokens: [&[u8]; 4] = [b"</s>", b"\xffa", b"\xe2", b"b\xc3"];
        assert_eq!(shown(&tokens), ["", "\u{fffd}a", "", "\u{fffd}b", "\u{fffd}"]);
        assert_eq!(stream(&[b"</s>"]).push(TokenId(9)), "\u{fffd}");
    }

    #[test]
    fn pieces_are_the_whole_text() {
        let text = "Ελλάδα 123 – 日本語 🙂\n";
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        let tokens: Vec<&[u8]> = core::iter::once(b"</s>".as_slice()).chain(bytes).collect();
        assert_eq!(shown(&tokens).concat(), text);
    }
}
