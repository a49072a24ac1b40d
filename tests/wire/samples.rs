//! One message and hello of each kind and shape: the corpus of the golden bytes and of the fuzzers.

use pipesd_core::blob::Blob;
use pipesd_core::ids::{PrefixHash, RoundId, SessionId, TokenId};
use pipesd_core::message::{Denial, Message, Request, Upload, UploadReport, Verdict};
use pipesd_core::payload::{Payload, WireFormat};
use pipesd_core::time::Duration;
use pipesd_core::verification::{Drafting, Evidence, Temperature, Terms, Verification};
use pipesd_core::wire::{
    ClientHello, Refusal, ServerHello, VERSION, Vocabulary, VocabularyBlock, VocabularyDigest,
    encode,
};

/// Ids alone, and little padding.
pub(crate) const IDS: WireFormat = WireFormat { payload: Payload::Ids, vocabulary: 32_256 };

/// Request 5 of edge 3.
pub(crate) const SESSION: SessionId = SessionId(3 << 32 | 5);

pub(crate) fn encoded(message: &Message) -> Vec<u8> {
    let mut body = Vec::new();
    encode(message, &IDS, &mut body);
    body
}

pub(crate) fn ids(ids: &[u32]) -> Vec<TokenId> {
    ids.iter().copied().map(TokenId).collect()
}

pub(crate) fn open(payload: Payload, prompt: &[u32]) -> Message {
    Message::Open {
        request: Request {
            session: SESSION,
            prompt: ids(prompt),
            budget: 130,
            stop_ids: ids(&[2]),
            temperature: Temperature::new(0.5).expect("in range"),
            seed: 7,
            text: Vec::new(),
        },
        terms: Terms {
            verification: Verification::Rejection,
            drafting: Drafting::Coupled,
            payload,
        },
        opening: 0,
    }
}

/// The same request once more, behind three tokens of text.
fn again() -> Message {
    let Message::Open { mut request, terms, .. } = open(Payload::Ids, &[1, 15_043, 29_991]) else {
        unreachable!()
    };
    request.text = ids(&[1000, 2, 17]);
    Message::Open { request, terms, opening: 2 }
}

/// The sixth round's second batch, three tokens, with the NAV request.
pub(crate) fn upload() -> Upload {
    Upload {
        session: SESSION,
        round: RoundId(6),
        parent: Some(RoundId(5)),
        start: 200,
        prefix: PrefixHash::from_bits(0x0102_0304_0506_0708),
        guess: Some(TokenId(17)),
        offset: 4,
        tokens: ids(&[1000, 2, 32_255]),
        evidence: vec![],
        nav: Some(7),
    }
}

fn with_evidence(evidence: impl Fn(u8) -> Evidence) -> Message {
    Message::Upload(Upload { evidence: (0..3).map(evidence).collect(), ..upload() })
}

pub(crate) fn verdict(extra: Option<u32>) -> Message {
    let report = |tokens| UploadReport { tokens, transfer: Duration::from_micros(25_000) };
    Message::Verdict(Verdict {
        session: SESSION,
        round: RoundId(6),
        accepted: 3,
        extra: extra.map(TokenId),
        reports: vec![report(4), report(3)],
    })
}

/// Every kind of message, and every shape that flags give one.
pub(crate) fn messages() -> Vec<(&'static str, Message)> {
    let (session, round) = (SESSION, RoundId(6));
    let blob = |byte: u8| Blob::new(vec![byte; 5]);
    let first = Upload { parent: None, guess: None, nav: None, offset: 0, ..upload() };
    let wide = |id| Message::Upload(Upload { tokens: ids(&[1, id]), nav: None, ..upload() });
    let empty = Upload { tokens: vec![], guess: None, nav: Some(4), ..upload() };
    let retry = Duration::from_millis(1000);
    let report = UploadReport { tokens: 8, transfer: Duration::from_millis(250) };
    let answer = |distribution| Message::Distribution { session, round, distribution };
    vec![
        ("open", open(Payload::Ids, &[1, 15_043, 29_991])),
        ("open-again", again()),
        ("open-top-k", open(Payload::TopK(8), &[1, 70_000])),
        ("probe", Message::Probe { session, tokens: 2 }),
        ("upload", Message::Upload(upload())),
        ("upload-first", Message::Upload(first)),
        ("upload-ids-of-3-bytes", wide(0x1_0000)),
        ("upload-ids-of-4-bytes", wide(0x100_0000)),
        ("upload-nav-alone", Message::Upload(empty)),
        ("upload-lazy", with_evidence(|i| Evidence::Probability(f64::from(i) / 2.0))),
        ("upload-full", with_evidence(|i| Evidence::Distribution(blob(i)))),
        ("distribution", answer(Some(blob(9)))),
        ("distribution-none", answer(None)),
        ("close", Message::Close { session }),
        ("opened", Message::Opened { session, opening: 2 }),
        ("denied", Message::Denied { session, opening: 2, denial: Denial::Full, retry }),
        ("probed", Message::Probed { session, report }),
        ("distribution-request", Message::DistributionRequest { session, round, index: 3 }),
        ("verdict", verdict(Some(17))),
        ("verdict-without-extra", verdict(None)),
    ]
}

pub(crate) fn client_hellos() -> [ClientHello; 2] {
    let secret = std::array::from_fn(|i| i as u8);
    let hello =
        ClientHello { version: VERSION, secret, edge: 3, client: [0xc1; 16], vocabulary: None };
    let vocabulary = Some(Vocabulary { hash: 0x0102_0304_0506_0708, size: 32_256 });
    [hello, ClientHello { vocabulary, ..hello }]
}

pub(crate) fn server_hellos() -> [ServerHello; 2] {
    let welcome = ServerHello { version: VERSION, refusal: None };
    [welcome, ServerHello { refusal: Some(Refusal::Busy), ..welcome }]
}

/// Of a vocabulary of 300 ids.
pub(crate) fn vocabulary_digest() -> VocabularyDigest {
    VocabularyDigest { size: 300, blocks: vec![0x0102_0304_0506_0708, 17] }
}

/// The beginning of its second block.
pub(crate) fn vocabulary_block() -> VocabularyBlock {
    VocabularyBlock { index: 1, tokens: vec![b" the".to_vec(), vec![], vec![0xff]] }
}
