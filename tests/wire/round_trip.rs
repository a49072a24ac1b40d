//! What is sent is what arrives, in one encoding, whole or not at all.

use pipesd_core::message::Message;
use pipesd_core::wire::{
    Limits, decode, decode_client_hello, decode_server_hello, encode_client_hello,
    encode_server_hello,
};
use proptest::prelude::*;

use crate::any;
use crate::samples::{self, encoded};

/// Whether `again` encodes the same as `body`. A probe's padding is the format's choice: its frame is
/// the same up to the padding's length.
fn is_same_encoding(message: &Message, body: &[u8], again: &[u8]) -> bool {
    let Message::Probe { session, tokens } = *message else { return body == again };
    let content = encoded(&Message::Close { session }).len() + if tokens < 128 { 1 } else { 2 };
    let (content, rest) = body.split_at(content);
    let (padding, rest) = rest.split_first_chunk().expect("it has decoded");
    again.starts_with(content) && rest.len() == u32::from_le_bytes(*padding) as usize
}

proptest! {
    #[test]
    fn a_message_arrives_as_it_was_sent(message in any::message()) {
        let body = encoded(&message);
        prop_assert_eq!(decode(&body, &Limits::default()), Ok(message));
    }

    #[test]
    fn a_hello_arrives_as_it_was_sent(
        client in any::client_hello(),
        server in any::server_hello(),
    ) {
        let mut body = Vec::new();
        encode_client_hello(&client, &mut body);
        prop_assert_eq!(decode_client_hello(&body), Ok(client));
        body.clear();
        encode_server_hello(&server, &mut body);
        prop_assert_eq!(decode_server_hello(&body), Ok(server));
    }

    #[test]
    fn no_part_of_a_message_is_a_message(message in any::message(), more in any::<u8>()) {
        let mut body = encoded(&message);
        for length in 0..body.len() {
            prop_assert!(decode(&body[..length], &Limits::default()).is_err(), "{} bytes", length);
        }
        body.push(more);
        prop_assert!(decode(&body, &Limits::default()).is_err());
    }

    /// One byte is changed: an error, or another message in its one encoding.
    #[test]
    fn a_message_has_one_encoding(
        message in any::message(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = encoded(&message);
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(other) = decode(&body, &Limits::default()) {
            let again = encoded(&other);
            prop_assert!(is_same_encoding(&other, &body, &again), "{:?} {:?}", body, again);
        }
    }
}

/// Every value of every byte of every sample.
#[test]
fn any_one_byte_may_be_anything() {
    let mut messages = 0;
    for (name, message) in samples::messages() {
        let sample = encoded(&message);
        for at in 0..sample.len() {
            for byte in 0..=u8::MAX {
                let mut body = sample.clone();
                body[at] = byte;
                if let Ok(other) = decode(&body, &Limits::default()) {
                    messages += 1;
                    let again = encoded(&other);
                    assert!(is_same_encoding(&other, &body, &again), "{name}: {body:02x?}");
                }
            }
        }
    }
    assert!(messages > 10_000, "most ids and hashes are as good as others: {messages}");
}

#[test]
fn any_one_byte_of_a_hello_may_be_anything() {
    for sample in samples::client_hellos() {
        let mut body = Vec::new();
        encode_client_hello(&sample, &mut body);
        for at in 0..body.len() {
            assert!(decode_client_hello(&body[..at]).is_err(), "{at} bytes");
            for byte in 0..=u8::MAX {
                let mut other = body.clone();
                other[at] = byte;
                let Ok(hello) = decode_client_hello(&other) else { continue };
                let mut again = Vec::new();
                encode_client_hello(&hello, &mut again);
                assert_eq!(other, again);
            }
        }
    }
    for sample in samples::server_hellos() {
        let mut body = Vec::new();
        encode_server_hello(&sample, &mut body);
        for at in 0..body.len() {
            assert!(decode_server_hello(&body[..at]).is_err(), "{at} bytes");
            for byte in 0..=u8::MAX {
                let mut other = body.clone();
                other[at] = byte;
                let Ok(hello) = decode_server_hello(&other) else { continue };
                let mut again = Vec::new();
                encode_server_hello(&hello, &mut again);
                assert_eq!(other, again);
            }
        }
    }
}
