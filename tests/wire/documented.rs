//! The examples in docs/wire-format.md are what the code writes.

use pipesd_core::wire::{
    encode_client_hello, encode_server_hello, encode_vocabulary_block, encode_vocabulary_digest,
};

use crate::samples::{self, encoded};

const PAGE: &str = include_str!("../../docs/wire-format.md");

/// The bytes of the example that follows the line `Example NAME`: hexadecimal pairs, up to the first
/// word on a line that is none.
fn example(name: &str) -> Vec<u8> {
    let heading = format!("Example `{name}`");
    let (_, after) = PAGE.split_once(&heading).unwrap_or_else(|| panic!("no {heading}"));
    let block = after.split("```").nth(1).expect("an example is a block");
    let lines = block.lines().skip(1);
    let pair = |word: &str| u8::from_str_radix(word, 16).ok().filter(|_| word.len() == 2);
    lines.flat_map(|line| line.split(' ').map_while(pair)).collect()
}

#[test]
fn the_examples_are_real() {
    let sample = |name: &str| {
        let of_name = samples::messages().into_iter().find(|(other, _)| *other == name);
        encoded(&of_name.expect("a sample").1)
    };
    for name in ["open", "upload", "upload-lazy", "verdict"] {
        assert_eq!(example(name), sample(name), "{name}");
    }
    let mut body = Vec::new();
    encode_client_hello(&samples::client_hellos()[1], &mut body);
    assert_eq!(example("client-hello-vocabulary"), body);
    body.clear();
    encode_server_hello(&samples::server_hellos()[1], &mut body);
    assert_eq!(example("server-hello-busy"), body);
    body.clear();
    encode_vocabulary_digest(&samples::vocabulary_digest(), &mut body);
    assert_eq!(example("vocabulary-digest"), body);
    body.clear();
    encode_vocabulary_block(&samples::vocabulary_block(), &mut body);
    assert_eq!(example("vocabulary-block"), body);
}

#[test]
fn the_version_is_the_documented_one() {
    let line = format!("This page describes version {}.", pipesd_core::wire::VERSION);
    assert!(PAGE.contains(&line), "{line}");
}
