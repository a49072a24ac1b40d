//! Frames on a stream: `u32` little-endian length of the body, then the body.

use std::time::{Duration, Instant};

use quinn::{ReadError, RecvStream};

/// Bytes of a frame's length.
pub(super) const PREFIX_BYTES: usize = 4;
/// Memory taken at once for a frame: more comes with the bytes themselves.
const ALLOCATED_AT_ONCE: usize = 64 << 10;

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

/// The next frame's body, and the time from its first byte to its last. None: the stream is over.
pub(super) async fn read(
    stream: &mut RecvStream,
    most: u32,
) -> Result<Option<(Vec<u8>, Duration)>, FrameError> {
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
    let length = length as usize;
    let mut body = Vec::with_capacity(length.min(ALLOCATED_AT_ONCE));
    while body.len() < length {
        let chunk = stream.read_chunk(length - body.len(), true).await?;
        body.extend_from_slice(&chunk.ok_or(FrameError::Truncated)?.bytes);
    }
    let transfer = first.map_or(Duration::ZERO, |first| first.elapsed());
    Ok(Some((body, transfer)))
}

/// Nothing may follow the only frame of a stream.
pub(super) async fn read_end(stream: &mut RecvStream) -> Result<(), FrameError> {
    match stream.read_chunk(1, true).await? {
        None => Ok(()),
        Some(_) => Err(FrameError::Trailing),
    }
}
