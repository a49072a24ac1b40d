//! Behind a refusal: the edge learns which id its draft and the cloud's target do not share.

use pipesd_core::wire::{self, Refusal, ServerHello, VOCABULARY_BYTES_MAX};
use quinn::{RecvStream, SendStream};

use super::frame::{self, framed};
use super::link::plain;
use crate::pair::{BLOCK, TokenBytes};

/// The edge's part, when it has been refused: asks until it knows where the vocabularies differ.
pub(super) async fn learn(
    send: &mut SendStream,
    receive: &mut RecvStream,
    ours: &TokenBytes,
) -> Result<String, String> {
    let digest = wire::decode_vocabulary_digest(&read(receive).await?);
    let digest = digest.map_err(|error| error.to_string())?;
    let wanted = ours.other_block(&digest).ok_or("all of its blocks are ours")?;
    write(send, |body| wire::encode_vocabulary_wanted(wanted, body)).await?;
    let block = wire::decode_vocabulary_block(&read(receive).await?);
    let block = block.map_err(|error| error.to_string())?;
    if block.index != wanted {
        return Err(format!("it sends block {}, block {wanted} was asked for", block.index));
    }
    let sizes = match (ours.size(), digest.size) {
        (ours, theirs) if ours == theirs => String::new(),
        (ours, theirs) => format!("the edge's pair has {ours} ids, the cloud's {theirs}; "),
    };
    Ok(match ours.difference_in(&block) {
        Some(difference) => format!("{sizes}{difference}"),
        None => {
            let (first, last) = (wanted * BLOCK, wanted * BLOCK + (BLOCK - 1));
            format!("{sizes}one of the ids {first} to {last} ends otherwise")
        }
    })
}

/// The cloud's part, for an edge whose vocabulary is another.
pub(super) async fn teach(
    send: &mut SendStream,
    receive: &mut RecvStream,
    ours: &TokenBytes,
) -> Result<(), String> {
    let hello = ServerHello { version: wire::VERSION, refusal: Some(Refusal::Vocabulary) };
    write(send, |body| wire::encode_server_hello(&hello, body)).await?;
    write(send, |body| wire::encode_vocabulary_digest(&ours.blocks(), body)).await?;
    let wanted = wire::decode_vocabulary_wanted(&read(receive).await?);
    let wanted = wanted.map_err(|error| error.to_string())?;
    write(send, |body| wire::encode_vocabulary_block(&ours.block(wanted), body)).await
}

async fn read(receive: &mut RecvStream) -> Result<Vec<u8>, String> {
    let body = frame::read(receive, VOCABULARY_BYTES_MAX).await;
    let body = body.map_err(|error| plain(&error.to_string()))?;
    body.ok_or_else(|| "the peer has ended the stream".to_owned())
}

async fn write(send: &mut SendStream, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), String> {
    let frame = framed(encode);
    send.write_all(&frame).await.map_err(|error| plain(&error.to_string()))
}
