//! What comes with drafts: none makes a rule panic, or choose an id without a logit.

#![no_main]

#[allow(dead_code, reason = "the counts are for the bounded tests")]
#[path = "../shared/evidence.rs"]
mod evidence;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    evidence::judge(input);
});
