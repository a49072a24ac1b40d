//! An edge's hello: none panics, and what decodes is encoded back to the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipesd_core::wire::{decode_client_hello, encode_client_hello};

fuzz_target!(|body: &[u8]| {
    let Ok(hello) = decode_client_hello(body) else { return };
    let mut again = Vec::new();
    encode_client_hello(&hello, &mut again);
    assert_eq!(body, again);
});
