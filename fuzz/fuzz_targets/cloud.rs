//! Messages one after another: none makes a cloud panic, or answer what was not asked.

#![no_main]

#[allow(dead_code, reason = "the counts are for the bounded tests")]
#[path = "../shared/cloud.rs"]
mod cloud;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    cloud::play(input);
});
