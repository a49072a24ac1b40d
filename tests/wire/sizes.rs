//! How large messages are, and that the sizes reckoned with in simulation are those of real ones.

use pipesd_core::blob::Blob;
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::message::{Message, Upload};
use pipesd_core::payload::{Payload, WireFormat};
use pipesd_core::verification::Evidence;
use pipesd_core::wire::{Limits, decode, encode};

use crate::samples::{IDS, encoded, ids, messages, upload};

/// An upload of `count` ids up to `largest`.
fn drafts(count: usize, largest: u32) -> Upload {
    Upload { offset: 0, tokens: vec![TokenId(largest); count], nav: None, ..upload() }
}

fn bytes(upload: Upload) -> usize {
    encoded(&Message::Upload(upload)).len()
}

#[test]
fn a_token_has_as_many_bytes_as_the_vocabulary_takes() {
    for (largest, width) in [(32_255, 2), (65_535, 2), (65_536, 3), (128_255, 3), (1 << 24, 4)] {
        assert_eq!(bytes(drafts(9, largest)) - bytes(drafts(8, largest)), width, "{largest}");
    }
}

#[test]
fn an_upload_has_about_twenty_bytes_besides_its_tokens() {
    assert_eq!(bytes(drafts(8, 32_255)) - 8 * 2, 20);
    let first = Upload { parent: None, guess: None, start: 0, ..drafts(8, 32_255) };
    assert_eq!(bytes(first) - 8 * 2, 16);
    let largest = Upload {
        session: SessionId(u64::MAX),
        round: RoundId(u32::MAX),
        parent: Some(RoundId(0)),
        guess: Some(TokenId(u32::MAX)),
        start: u32::MAX - 4096,
        offset: 4096,
        tokens: vec![],
        nav: Some(4096),
        ..upload()
    };
    assert_eq!(bytes(largest), 42);
}

/// Under `ids`, simulation reckons with a format of fixed width: 36 bytes and 4 a token. Real uploads
/// have 13 to 20 bytes less than 36 and up to 2 less a token, and never more.
#[test]
fn the_reckoned_size_of_ids_bounds_the_real_one() {
    for (count, largest) in [(0, 1), (1, 1), (8, 32_255), (20, 128_255), (100, 1 << 31)] {
        for upload in [
            drafts(count, largest),
            Upload { parent: None, guess: None, start: 0, ..drafts(count, largest) },
            Upload { round: RoundId(100_000), start: 1 << 20, ..drafts(count, largest) },
        ] {
            let message = Message::Upload(upload);
            let (reckoned, real) = (IDS.message_bytes(&message), encoded(&message).len() as u64);
            let least = reckoned - 20 - 2 * count as u64;
            assert!((least..=reckoned).contains(&real), "{message:?}: {real}, reckoned {reckoned}");
        }
    }
}

/// A whole distribution of the reckoned size: the real upload differs by less than one in a thousand.
#[test]
fn the_reckoned_size_of_whole_distributions_is_the_real_one() {
    let format = WireFormat { payload: Payload::Full, vocabulary: 32_256 };
    let filler = Blob::new(vec![0; format.distribution_bytes() as usize]);
    for count in [1, 3] {
        let evidence = vec![Evidence::Distribution(filler.clone()); count];
        let message = Message::Upload(Upload { evidence, ..drafts(count, 32_255) });
        let (reckoned, real) = (format.message_bytes(&message), encoded(&message).len() as u64);
        assert!(reckoned.abs_diff(real) * 1000 < reckoned, "{real}, reckoned {reckoned}");
    }
}

#[test]
fn a_probe_has_the_reckoned_size_of_an_upload() {
    for payload in [Payload::Ids, Payload::Lazy, Payload::TopK(8), Payload::Full] {
        let format = WireFormat { payload, vocabulary: 1000 };
        for tokens in [0, 1, 8, 200] {
            let session = SessionId(u64::MAX);
            let probe = Message::Probe { session, tokens };
            let upload = Upload { tokens: ids(&vec![0; tokens as usize]), ..upload() };
            let mut body = vec![7]; // What is there already is not counted.
            encode(&probe, &format, &mut body);
            let reckoned = format.message_bytes(&Message::Upload(upload));
            assert_eq!(body.len() as u64 - 1, reckoned, "{payload:?}");
            assert_eq!(decode(&body[1..], &Limits::default()), Ok(probe));
        }
    }
}

#[test]
fn replies_and_the_rest_are_small() {
    let small = ["close", "opened", "probed", "distribution-request", "verdict"];
    for (name, message) in messages() {
        if small.contains(&name) {
            let real = encoded(&message).len();
            assert!(real < 30, "{name}: {real}");
        }
    }
}
