//! Every decoder of bytes from the wire under two hundred thousand mutated frames, with the allocator
//! watched: none panics, and none takes more memory than its input justifies.
//!
//! Alone in its file: the allocator counts for the whole process.

#[allow(dead_code, reason = "shared with the other tests of the wire")]
#[path = "wire/samples.rs"]
mod samples;

use std::alloc::System;

use pipesd_core::message::Message;
use pipesd_core::wire::{
    Limits, MEMORY_FACTOR, decode, decode_client_hello, decode_server_hello,
    decode_vocabulary_block, decode_vocabulary_digest, decode_vocabulary_wanted,
    encode_client_hello, encode_server_hello, encode_vocabulary_block, encode_vocabulary_digest,
    encode_vocabulary_wanted,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const INPUTS: usize = 200_000;

/// Memory that a call takes besides what its input justifies: none is known of; a little is granted.
const MEMORY_BASE: usize = 64;

/// A decoder of bytes; whether they decoded.
type Decoder = fn(&[u8]) -> bool;

fn message(body: &[u8]) -> bool {
    decode(body, &Limits::default()).is_ok()
}

fn client_hello(body: &[u8]) -> bool {
    decode_client_hello(body).is_ok()
}

fn server_hello(body: &[u8]) -> bool {
    decode_server_hello(body).is_ok()
}

fn vocabulary_digest(body: &[u8]) -> bool {
    decode_vocabulary_digest(body).is_ok()
}

fn vocabulary_wanted(body: &[u8]) -> bool {
    decode_vocabulary_wanted(body).is_ok()
}

fn vocabulary_block(body: &[u8]) -> bool {
    decode_vocabulary_block(body).is_ok()
}

/// Valid frames, each with its decoder.
fn corpus() -> Vec<(Decoder, Vec<u8>)> {
    let mut corpus: Vec<(Decoder, Vec<u8>)> = Vec::new();
    for (_, sample) in samples::messages() {
        // A probe is all padding: less of it leaves more for the rest.
        let repeat = if matches!(sample, Message::Probe { .. }) { 1 } else { 3 };
        for _ in 0..repeat {
            corpus.push((message, samples::encoded(&sample)));
        }
    }
    for hello in samples::client_hellos() {
        let mut body = Vec::new();
        encode_client_hello(&hello, &mut body);
        corpus.push((client_hello, body));
    }
    for hello in samples::server_hellos() {
        let mut body = Vec::new();
        encode_server_hello(&hello, &mut body);
        corpus.push((server_hello, body));
    }
    let [mut digest, mut wanted, mut block] = [Vec::new(), Vec::new(), Vec::new()];
    encode_vocabulary_digest(&samples::vocabulary_digest(), &mut digest);
    encode_vocabulary_wanted(1, &mut wanted);
    encode_vocabulary_block(&samples::vocabulary_block(), &mut block);
    corpus.push((vocabulary_digest, digest));
    corpus.push((vocabulary_wanted, wanted));
    corpus.push((vocabulary_block, block));
    corpus
}

/// Values that tend to break decoders.
const NASTY: [u8; 8] = [0x00, 0x01, 0x7f, 0x80, 0x81, 0xfe, 0xff, 0x20];

/// One change: a bit, a byte, a nasty byte, a cut, an insertion, a repetition, or a splice.
fn mutate(body: &mut Vec<u8>, other: &[u8], random: &mut ChaCha8Rng) {
    let mut below = |bound: usize| random.next_u32() as usize % bound.max(1);
    if body.is_empty() {
        return body.push(NASTY[below(NASTY.len())]);
    }
    let at = below(body.len());
    match below(7) {
        0 => body[at] ^= 1 << below(8),
        1 => body[at] = below(256) as u8,
        2 => body[at] = NASTY[below(NASTY.len())],
        3 => body.truncate(at),
        4 => {
            let byte = NASTY[below(NASTY.len())];
            let count = 1 + below(12);
            body.splice(at..at, std::iter::repeat_n(byte, count));
        }
        5 => {
            let length = 1 + below((body.len() - at).min(64));
            let part = body[at..at + length].to_vec();
            body.splice(at..at, part);
        }
        _ => {
            let from = below(other.len());
            body.truncate(at);
            body.extend(&other[from..]);
        }
    }
}

/// Decodes and looks at the allocator. All that is allocated counts, given back or not.
fn bounded(decoder: Decoder, body: &[u8]) -> bool {
    let region = Region::new(ALLOCATOR);
    let is_valid = decoder(body);
    let bytes = region.change().bytes_allocated;
    let bound = MEMORY_FACTOR * body.len() + MEMORY_BASE;
    assert!(bytes <= bound, "{bytes} bytes for {} of input: {body:02x?}", body.len());
    is_valid
}

#[test]
fn no_input_makes_a_decoder_panic_or_take_memory() {
    // The allocator is watched at all.
    let region = Region::new(ALLOCATOR);
    let watched = std::hint::black_box(vec![0_u8; 1000]);
    assert!(region.change().bytes_allocated >= watched.len());

    let corpus = corpus();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut valid = 0;
    for input in 0..INPUTS {
        let (decoder, sample) = &corpus[input % corpus.len()];
        let (_, other) = &corpus[random.next_u32() as usize % corpus.len()];
        let mut body = sample.clone();
        for _ in 0..=random.next_u32() % 4 {
            mutate(&mut body, other, &mut random);
        }
        valid += usize::from(bounded(*decoder, &body));
    }
    // Neither all of them nor next to none: the mutations reach behind the first check.
    assert!((INPUTS / 50..INPUTS).contains(&valid), "{valid} of {INPUTS} decoded");
    most_expensive_inputs();
}

/// What takes the most memory for its length: empty distributions, and short measurements.
fn most_expensive_inputs() {
    let count = [0x80, 0x20]; // 4096
    let mut upload = vec![0x03, 0, 0, 0x40, 0, 0, 0];
    upload.extend(count);
    upload.extend([0; 8]);
    upload.extend([0; 4096 * 3]);
    assert!(bounded(message, &upload), "ids of two bytes, distributions of none");
    let mut verdict = vec![0x14, 0, 0, 0, 0, 0, 0x80, 0x01];
    verdict.extend([0; 128 * 2]);
    assert!(bounded(message, &verdict), "no tokens in no time");
    let mut tokens = vec![0, 0, 0, 0, 0x80, 0x02];
    tokens.extend([0; 256]);
    assert!(bounded(vocabulary_block, &tokens), "a block of empty tokens");
    // Counts of thousands and lengths of gigabytes that no bytes follow.
    upload.truncate(20);
    assert!(!bounded(message, &upload));
    assert!(!bounded(message, &[0x02, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0]));
    assert!(!bounded(message, &[0x04, 0, 0, 0, 1, 0x80, 0x80, 0x80, 0x08]));
}
