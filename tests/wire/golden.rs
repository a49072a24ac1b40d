//! The bytes of each sample, as they stand in `golden.txt`: a change of them is a new version.

use expect_test::expect_file;
use pipesd_core::wire::{
    encode_client_hello, encode_server_hello, encode_vocabulary_block, encode_vocabulary_digest,
    encode_vocabulary_wanted,
};

use crate::samples::{self, encoded};

fn line(name: &str, body: &[u8]) -> String {
    let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name} {hex}\n")
}

/// What is written anew by `UPDATE_EXPECT=1` while ends of the same version are in use makes them
/// misunderstand each other: raise `VERSION` with it.
#[test]
fn every_sample_has_the_bytes_of_this_version() {
    let mut text = String::new();
    for (name, message) in samples::messages() {
        text += &line(name, &encoded(&message));
    }
    for (name, hello) in
        ["client-hello", "client-hello-vocabulary"].into_iter().zip(samples::client_hellos())
    {
        let mut body = Vec::new();
        encode_client_hello(&hello, &mut body);
        text += &line(name, &body);
    }
    for (name, hello) in
        ["server-hello", "server-hello-busy"].into_iter().zip(samples::server_hellos())
    {
        let mut body = Vec::new();
        encode_server_hello(&hello, &mut body);
        text += &line(name, &body);
    }
    let [mut digest, mut wanted, mut block] = [Vec::new(), Vec::new(), Vec::new()];
    encode_vocabulary_digest(&samples::vocabulary_digest(), &mut digest);
    encode_vocabulary_wanted(1, &mut wanted);
    encode_vocabulary_block(&samples::vocabulary_block(), &mut block);
    text += &line("vocabulary-digest", &digest);
    text += &line("vocabulary-wanted", &wanted);
    text += &line("vocabulary-block", &block);
    expect_file!["golden.txt"].assert_eq(&text);
}
