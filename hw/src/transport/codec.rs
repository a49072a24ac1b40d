//! Stand-in for `pipesd_core::wire`, behind its signatures, until that has landed: JSON, padded with
//! zeros to the size that the wire format says.

use pipesd_core::message::Message;
use pipesd_core::payload::WireFormat;
use serde::{Deserialize, Serialize};

/// Version of the protocol: both ends speak the same.
pub const VERSION: u16 = 1;

/// Bounds on what comes from the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a frame's body.
    pub frame_bytes_max: u32,
    /// Tokens of a prompt.
    pub prompt_tokens_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { frame_bytes_max: 16 << 20, prompt_tokens_max: 1 << 16 }
    }
}

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WireError(String);

/// What an edge says first.
#[derive(Clone, Serialize, Deserialize)]
pub struct ClientHello {
    /// The version that it speaks.
    pub version: u16,
    /// The ticket's secret.
    pub secret: [u8; 32],
    /// The edge's number.
    pub edge: u32,
}

/// What a cloud answers.
#[derive(Clone, Serialize, Deserialize)]
pub struct ServerHello {
    /// The version that it speaks.
    pub version: u16,
}

fn put(value: &impl Serialize, out: &mut Vec<u8>) {
    let text = serde_json::to_vec(value).expect("messages have no keys that JSON lacks");
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text);
}

fn take<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, WireError> {
    let short = || WireError("truncated".into());
    let (length, rest) = body.split_first_chunk().ok_or_else(short)?;
    let text = rest.get(..u32::from_le_bytes(*length) as usize).ok_or_else(short)?;
    serde_json::from_slice(text).map_err(|error| WireError(error.to_string()))
}

/// Appends the body of `message` to `out`.
pub fn encode(message: &Message, format: &WireFormat, out: &mut Vec<u8>) {
    let start = out.len();
    put(message, out);
    out.resize(out.len().max(start + format.message_bytes(message) as usize), 0);
}

/// The message of a body.
///
/// # Errors
/// What is wrong.
pub fn decode(body: &[u8], limits: &Limits) -> Result<Message, WireError> {
    if body.len() > limits.frame_bytes_max as usize {
        return Err(WireError("too long".into()));
    }
    take(body)
}

/// Appends the body of a hello.
pub fn encode_client_hello(hello: &ClientHello, out: &mut Vec<u8>) {
    put(hello, out);
}

/// The hello of a body.
///
/// # Errors
/// What is wrong.
pub fn decode_client_hello(body: &[u8]) -> Result<ClientHello, WireError> {
    take(body)
}

/// Appends the body of a hello.
pub fn encode_server_hello(hello: &ServerHello, out: &mut Vec<u8>) {
    put(hello, out);
}

/// The hello of a body.
///
/// # Errors
/// What is wrong.
pub fn decode_server_hello(body: &[u8]) -> Result<ServerHello, WireError> {
    take(body)
}
