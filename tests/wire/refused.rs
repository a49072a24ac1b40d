//! What is refused, each with the reason.

use pipesd_core::ids::TokenId;
use pipesd_core::message::{Message, Request, Upload};
use pipesd_core::payload::Payload;
use pipesd_core::verification::{Evidence, Terms};
use pipesd_core::wire::{
    HELLO_BYTES_MAX, Limits, VERSION, WireError, decode, decode_client_hello, decode_server_hello,
    encode_client_hello, encode_server_hello,
};

use crate::samples::{self, encoded, ids, open, upload};

/// Why the bytes are refused.
fn why(body: &[u8]) -> String {
    decode(body, &Limits::default()).expect_err("refused").to_string()
}

fn why_message(message: &Message, limits: &Limits) -> String {
    decode(&encoded(message), limits).expect_err("refused").to_string()
}

fn request(change: impl Fn(&mut Request)) -> Message {
    let Message::Open { mut request, terms, .. } = open(Payload::Ids, &[1]) else { unreachable!() };
    change(&mut request);
    Message::Open { request, terms, opening: 0 }
}

/// The sample upload with the byte at `at` exchanged.
fn upload_with(at: usize, byte: u8) -> Vec<u8> {
    let mut body = encoded(&Message::Upload(upload()));
    body[at] = byte;
    body
}

#[test]
fn nothing_and_the_unknown_are_no_messages() {
    assert_eq!(why(&[]), "the body ends too early: 1 more bytes were announced, 0 are there");
    assert!(why(&[0]).starts_with("no message is of kind 0x00: "));
    assert!(why(&[0x06, 0, 0]).starts_with("no message is of kind 0x06: "));
    assert_eq!(why(&[0x05, 0, 0, 9]), "1 bytes follow the end of the message, none should");
}

#[test]
fn a_body_beyond_the_limit_is_not_read() {
    let limits = Limits { frame_bytes_max: 10, ..Limits::default() };
    let error = decode(&[0xff; 11], &limits).expect_err("refused");
    assert_eq!(error.to_string(), "the body has 11 bytes, at most 10 are taken");
}

#[test]
fn a_request_asks_for_something_and_not_for_too_much() {
    let limits = Limits { prompt_tokens_max: 5, stop_ids_max: 2, ..Limits::default() };
    let empty = request(|request| request.prompt.clear());
    let long = request(|request| request.prompt = vec![TokenId(1); 6]);
    let stops = request(|request| request.stop_ids = vec![TokenId(1); 3]);
    let none = request(|request| request.budget = 0);
    let much = request(|request| request.budget = u32::MAX);
    for (message, error) in [
        (empty, "the number of prompt tokens is 0, it must be 1 to 5"),
        (long, "the number of prompt tokens is 6, it must be 1 to 5"),
        (stops, "the number of stop ids is 3, it must be 0 to 2"),
        (none, "the budget is 0, it must be 1 to 1048576"),
        (much, "the budget is 4294967295, it must be 1 to 1048576"),
    ] {
        assert_eq!(why_message(&message, &limits), error);
        let Message::Open { request, .. } = message else { unreachable!() };
        let early = limits.check_request(&request).expect_err("refused by its sender too");
        assert_eq!(early.to_string(), error);
    }
    assert_eq!(limits.check_request(&fine()), Ok(()));
}

fn fine() -> Request {
    let Message::Open { request, .. } = request(|_| {}) else { unreachable!() };
    request
}

#[test]
fn ids_are_of_the_vocabulary() {
    let limits = Limits::default().with_vocabulary(32_256);
    assert_eq!(limits.token_id_max, 32_255);
    assert_eq!(Limits::default().with_vocabulary(0), Limits::default());
    assert!(decode(&encoded(&Message::Upload(upload())), &limits).is_ok());
    let error = "a token's id is 32256, it must be 0 to 32255";
    let drafted = Upload { tokens: ids(&[1, 2, 32_256]), ..upload() };
    let guessed = Upload { guess: Some(TokenId(32_256)), ..upload() };
    let asked = request(|request| request.stop_ids = ids(&[32_256]));
    for message in [
        Message::Upload(drafted),
        Message::Upload(guessed),
        asked,
        open(Payload::Ids, &[32_256]),
        samples::verdict(Some(32_256)),
    ] {
        assert_eq!(why_message(&message, &limits), error);
    }
}

#[test]
fn ids_are_as_wide_as_the_largest_takes() {
    // The sample's ids are two bytes wide; said to be three, its length does not fit either.
    let mut body = encoded(&Message::Upload(Upload { tokens: vec![], nav: Some(4), ..upload() }));
    let last = body.len() - 2;
    body[3] |= 0b01;
    body.push(0);
    assert_eq!(body[last..], [17, 0, 0]);
    assert_eq!(why(&body), "token ids have 3 bytes each, the largest of them takes 2");
    body[3] |= 0b11;
    assert_eq!(why(&body), "an upload's flags are 0x1f, which has no meaning");
}

#[test]
fn flags_have_meanings() {
    assert_eq!(why(&upload_with(3, 0x9c)), "an upload's flags are 0x9c, which has no meaning");
    assert_eq!(why(&upload_with(3, 0x7c)), "an upload's flags are 0x7c, which has no meaning");
    assert_eq!(why(&[0x04, 0, 0, 0, 2]), "a distribution's flags are 0x02, which has no meaning");
    assert_eq!(why(&[0x14, 0, 0, 8]), "a verdict's flags are 0x08, which has no meaning");
    let denied = |reason| why(&[0x15, 0, 0, 0, reason, 0]);
    assert_eq!(denied(0), "a denial's reasons are 0x00, which has no meaning");
    assert_eq!(denied(7), "a denial's reasons are 0x07, which has no meaning");
    assert_eq!(why(&[0x01, 0, 0, 0x18]), "an open's flags are 0x18, which has no meaning");
}

#[test]
fn rounds_lie_where_text_can_be() {
    let error = "the distance to the parent round is 7, it must be 1 to 6";
    assert_eq!(why(&upload_with(5, 7)), error);
    let error = "the distance to the parent round is 0, it must be 1 to 4294967295";
    assert_eq!(why(&upload_with(5, 0)), error);
    let beyond = Upload { start: u32::MAX - 6, ..upload() };
    let error = "the position after the last token is 4294967296, it must be 0 to 4294967295";
    assert_eq!(why_message(&Message::Upload(beyond), &Limits::default()), error);
    let long = Upload { offset: 4094, nav: Some(4097), ..upload() };
    let error = "the number of draft tokens is 3, it must be 0 to 2";
    assert_eq!(why_message(&Message::Upload(long), &Limits::default()), error);
    // A count that the bytes cannot hold costs no memory.
    assert!(why(&upload_with(9, 100)).starts_with("the body ends too early: 200 more bytes"));
}

#[test]
fn probabilities_and_temperatures_are_numbers_in_range() {
    for value in [f64::NAN, f64::INFINITY, -0.25, 1.0 + f64::EPSILON] {
        let evidence = vec![Evidence::Probability(value); 3];
        let message = Message::Upload(Upload { evidence, ..upload() });
        let error = format!("a draft token's probability is {value}, it must be 0 to 1");
        assert_eq!(why_message(&message, &Limits::default()), error);
    }
    let mut body = encoded(&open(Payload::Ids, &[1]));
    body[6..14].copy_from_slice(&f64::NAN.to_le_bytes());
    assert_eq!(why(&body), "the temperature is NaN, it must be 0 to 100");
    body[6..14].copy_from_slice(&(-0.0_f64).to_le_bytes());
    assert_eq!(why(&body), "the temperature is -0, it must be 0 to 100");
}

#[test]
fn distributions_measurements_and_entries_are_bounded() {
    let limits = Limits { distribution_bytes_max: 4, reports_max: 1, ..Limits::default() };
    for (name, message) in samples::messages() {
        let error = match name {
            "upload-full" | "distribution" => {
                "the length of a distribution is 5, it must be 0 to 4"
            }
            "verdict" => "the number of measurements is 2, it must be 0 to 1",
            _ => continue,
        };
        assert_eq!(why_message(&message, &limits), error);
    }
    for k in [0, 1_000_001] {
        let Message::Open { request, terms, .. } = open(Payload::Ids, &[1]) else { unreachable!() };
        let terms = Terms { payload: Payload::TopK(k), ..terms };
        let error =
            format!("the number of entries of a top-k payload is {k}, it must be 1 to 1000000");
        assert_eq!(
            why_message(&Message::Open { request, terms, opening: 0 }, &Limits::default()),
            error
        );
    }
}

#[test]
fn a_probe_is_padded_with_zeros() {
    let mut body = encoded(&Message::Probe { session: samples::SESSION, tokens: 2 });
    *body.last_mut().expect("padded") = 1;
    assert_eq!(why(&body), "the padding of a probe is zeros alone");
}

#[test]
fn another_version_is_told_apart_whatever_follows() {
    let [mut client, mut server] = [Vec::new(), Vec::new()];
    let [hello, _] = samples::client_hellos();
    encode_client_hello(&pipesd_core::wire::ClientHello { version: 3, ..hello }, &mut client);
    let [hello, _] = samples::server_hellos();
    encode_server_hello(&pipesd_core::wire::ServerHello { version: 3, ..hello }, &mut server);
    let other = WireError::Version { theirs: 3, ours: VERSION };
    for length in [6, client.len()] {
        assert_eq!(decode_client_hello(&client[..length]), Err(other));
    }
    client.extend([1; 100]);
    assert_eq!(decode_client_hello(&client), Err(other));
    assert_eq!(decode_server_hello(&server), Err(other));
    assert_eq!(other.to_string(), "the peer speaks version 3 of the protocol, this end version 2");
}

#[test]
fn a_stranger_that_speaks_something_else_is_told_apart() {
    assert_eq!(decode_client_hello(b"GET / HTTP/1.1\r\n"), Err(WireError::Magic));
    let (bytes, bytes_max) = (257, HELLO_BYTES_MAX);
    let error = Err(WireError::TooLong { bytes, bytes_max });
    assert_eq!(decode_client_hello(&[b'p'; 257]), error);
    assert!(!format!("{:?}", samples::client_hellos()[0]).contains("secret"));
}
