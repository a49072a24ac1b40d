//! A cloud's answer: none panics, and what decodes is encoded back to the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipesd_core::wire::{decode_server_hello, encode_server_hello};

fuzz_target!(|body: &[u8]| {
    let Ok(hello) = decode_server_hello(body) else { return };
    let mut again = Vec::new();
    encode_server_hello(&hello, &mut again);
    assert_eq!(body, again);
});
