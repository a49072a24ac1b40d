//! Bodies of messages: none panics, and what decodes is encoded back to the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipesd_core::message::Message;
use pipesd_core::payload::{Payload, WireFormat};
use pipesd_core::wire::{Limits, decode, encode};

fuzz_target!(|body: &[u8]| {
    let Ok(message) = decode(body, &Limits::default()) else { return };
    let mut again = Vec::new();
    encode(&message, &WireFormat { payload: Payload::Ids, vocabulary: 0 }, &mut again);
    if let Message::Probe { .. } = message {
        // Its padding is the format's, not the message's: kind, session and size at least.
        assert_eq!(decode(&again, &Limits::default()), Ok(message));
        assert_eq!(body[..4.min(body.len())], again[..4]);
    } else {
        assert_eq!(body, again);
    }
});
