//! Frames on a stream: `u32` little-endian length of the body, then the body.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::{ReadError, RecvStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of a frame's length.
pub(super) const PREFIX_BYTES: usize = 4;
/// Memory taken at once for a frame: more comes with the bytes themselves.
const ALLOCATED_AT_ONCE: usize = 64 << 10;

/// The frame of a body that `encode` appends.
pub(super) fn framed(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = vec![0; PREFIX_BYTES];
    encode(&mut frame);
    let length = (frame.len() - PREFIX_BYTES) as u32;
    frame[..PREFIX_BYTES].copy_from_slice(&length.to_le_bytes());
    frame
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a frame of {length} bytes, at most {most} are taken")]
    TooLong { length: u32, most: u32 },
    #[error("a frame was cut short")]
    Truncated,
    #[error("bytes after the only frame of a stream")]
    Trailing,
    #[error(transparent)]
    Stream(#[from] ReadError),
}

/// A frame whose length has been read, and nothing of its body.
struct Head {
    length: u32,
    /// When its first byte came.
    first: Instant,
}

/// A frame for which there was room.
pub(super) struct Frame {
    pub(super) body: Vec<u8>,
    /// First byte to last byte.
    pub(super) transfer: Duration,
    /// The room that it takes, as long as anything of it is kept.
    pub(super) room: OwnedSemaphorePermit,
}

/// The next frame's body. None: the stream is over.
pub(super) async fn read(
    stream: &mut RecvStream,
    most: u32,
) -> Result<Option<Vec<u8>>, FrameError> {
    match read_head(stream, most).await? {
        Some(head) => read_body(stream, head.length).await.map(Some),
        None => Ok(None),
    }
}

/// The next frame. Of its body nothing is read, and no flow control is given for it, until there is
/// as much `room` as it says that it is long \[bytes\].
pub(super) async fn read_within(
    stream: &mut RecvStream,
    most: u32,
    room: &Arc<Semaphore>,
) -> Result<Option<Frame>, FrameError> {
    let Some(Head { length, first }) = read_head(stream, most).await? else { return Ok(None) };
    let room = Arc::clone(room).acquire_many_owned(length).await.expect("it is never closed");
    let body = read_body(stream, length).await?;
    Ok(Some(Frame { body, transfer: first.elapsed(), room }))
}

async fn read_head(stream: &mut RecvStream, most: u32) -> Result<Option<Head>, FrameError> {
    let mut prefix = [0; PREFIX_BYTES];
    let mut have = 0;
    let mut first = None;
    while have < PREFIX_BYTES {
        match stream.read(&mut prefix[have..]).await? {
            Some(count) => have += count,
            None if have == 0 => return Ok(None),
            None => return Err(FrameError::Truncated),
        }
        first.get_or_insert_with(Instant::now);
    }
    let length = u32::from_le_bytes(prefix);
    if length > most {
        return Err(FrameError::TooLong { length, most });
    }
    Ok(first.map(|first| Head { length, first }))
}

async fn read_body(stream: &mut RecvStream, length: u32) -> Result<Vec<u8>, FrameError> {
    let length = length as usize;
    let mut body = Vec::with_capacity(length.min(ALLOCATED_AT_ONCE));
    while body.len() < length {
        let chunk = stream.read_chunk(length - body.len(), true).await?;
        body.extend_from_slice(&chunk.ok_or(FrameError::Truncated)?.bytes);
    }
    Ok(body)
}

/// Nothing may follow the only frame of a stream.
pub(super) async fn read_end(stream: &mut RecvStream) -> Result<(), FrameError> {
    match stream.read_chunk(1, true).await? {
        None => Ok(()),
        Some(_) => Err(FrameError::Trailing),
    }
}
