//! Strategies: any message and hello that honest ends could send.

use pipesd_core::blob::Blob;
use pipesd_core::ids::{PrefixHash, RoundId, SessionId, TokenId};
use pipesd_core::message::{
    Denial, Message, ROUND_TOKENS_MAX, Request, Upload, UploadReport, Verdict,
};
use pipesd_core::payload::Payload;
use pipesd_core::time::Duration;
use pipesd_core::verification::{Drafting, Evidence, Temperature, Terms, Verification};
use pipesd_core::wire::{ClientHello, Refusal, ServerHello, VERSION, Vocabulary};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Numbers of every size, not only large ones.
fn number() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32_u32).prop_map(|(number, shift)| number >> shift)
}

fn session() -> impl Strategy<Value = SessionId> {
    (number(), number())
        .prop_map(|(edge, request)| SessionId(u64::from(edge) << 32 | u64::from(request)))
}

fn ids(count: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<TokenId>> {
    // One size for all of them, so that each width comes up.
    (vec(any::<u32>(), count), 0..32_u32)
        .prop_map(|(ids, shift)| ids.into_iter().map(|id| TokenId(id >> shift)).collect::<Vec<_>>())
}

fn blob() -> impl Strategy<Value = Blob> {
    vec(any::<u8>(), 0..200).prop_map(Blob::new)
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        Just(Payload::Full),
        Just(Payload::Lazy),
        Just(Payload::Ids),
        (1..=1_000_000_u32).prop_map(Payload::TopK),
    ]
}

fn open() -> impl Strategy<Value = Message> {
    let verification = prop_oneof![Just(Verification::Match), Just(Verification::Rejection)];
    let drafting =
        prop_oneof![Just(Drafting::Argmax), Just(Drafting::Sampled), Just(Drafting::Coupled)];
    let terms = (verification, drafting, payload())
        .prop_map(|(verification, drafting, payload)| Terms { verification, drafting, payload });
    let temperature =
        (0.0..=Temperature::MAX).prop_map(|value| Temperature::new(value).expect("in range"));
    let request = (session(), ids(1..50), 1..=1_u32 << 20, ids(0..5), temperature, any::<u64>());
    let before = (prop_oneof![Just(0), number()], prop_oneof![Just(vec![]), ids(0..50)]);
    (request, terms, before).prop_map(|(request, terms, (opening, text))| {
        let (session, prompt, budget, stop_ids, temperature, seed) = request;
        let mut text = text;
        text.truncate(budget as usize - 1);
        let request = Request { session, prompt, budget, stop_ids, temperature, seed, text };
        Message::Open { request, terms, opening }
    })
}

/// Evidence for `count` tokens: none, or of one kind for all.
fn evidence(count: usize) -> impl Strategy<Value = Vec<Evidence>> {
    prop_oneof![
        Just(Vec::new()),
        vec((0.0..=1.0_f64).prop_map(Evidence::Probability), count),
        vec(blob().prop_map(Evidence::Distribution), count),
    ]
}

fn upload() -> impl Strategy<Value = Message> {
    let tokens = ids(0..20).prop_flat_map(|tokens| {
        let count = tokens.len();
        (Just(tokens), evidence(count))
    });
    let place = (session(), number(), option::of(any::<u32>()), number(), any::<u64>());
    let batch = (option::of(number()), 0..=ROUND_TOKENS_MAX - 20, tokens, any::<bool>());
    (place, batch).prop_map(|(place, batch)| {
        let (session, round, parent, start, prefix) = place;
        let (guess, offset, (tokens, evidence), nav) = batch;
        let end = offset + tokens.len() as u32;
        Message::Upload(Upload {
            session,
            round: RoundId(round),
            parent: parent.filter(|_| round > 0).map(|parent| RoundId(parent % round.max(1))),
            start: start.min(u32::MAX - end),
            prefix: PrefixHash::from_bits(prefix),
            guess: guess.map(TokenId),
            offset,
            tokens,
            evidence,
            nav: nav.then_some(end),
        })
    })
}

fn report() -> impl Strategy<Value = UploadReport> {
    (0..=ROUND_TOKENS_MAX, any::<u64>(), 0..64_u32).prop_map(|(tokens, ns, shift)| {
        let transfer = Duration::from_nanos(ns >> shift);
        UploadReport { tokens, transfer }
    })
}

fn verdict() -> impl Strategy<Value = Message> {
    let fields =
        (session(), number(), 0..=ROUND_TOKENS_MAX, option::of(number()), vec(report(), 0..10));
    fields.prop_map(|(session, round, accepted, extra, reports)| {
        let (round, extra) = (RoundId(round), extra.map(TokenId));
        Message::Verdict(Verdict { session, round, accepted, extra, reports })
    })
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let round = || number().prop_map(RoundId);
    prop_oneof![
        4 => open(),
        8 => upload(),
        4 => verdict(),
        1 => (session(), 0..=ROUND_TOKENS_MAX)
            .prop_map(|(session, tokens)| Message::Probe { session, tokens }),
        1 => (session(), round(), option::of(blob())).prop_map(|(session, round, distribution)| {
            Message::Distribution { session, round, distribution }
        }),
        1 => session().prop_map(|session| Message::Close { session }),
        1 => (session(), number())
            .prop_map(|(session, opening)| Message::Opened { session, opening }),
        1 => (session(), number(), select(Denial::ALL.to_vec()), 0..=86_400_000_u64).prop_map(
            |(session, opening, denial, retry)| {
                let retry = Duration::from_millis(retry);
                Message::Denied { session, opening, denial, retry }
            }
        ),
        1 => (session(), report()).prop_map(|(session, report)| Message::Probed { session, report }),
        1 => (session(), round(), 0..ROUND_TOKENS_MAX).prop_map(|(session, round, index)| {
            Message::DistributionRequest { session, round, index }
        }),
    ]
}

pub(crate) fn client_hello() -> impl Strategy<Value = ClientHello> {
    let vocabulary =
        (any::<u64>(), 1..=u32::MAX).prop_map(|(hash, size)| Vocabulary { hash, size });
    (any::<[u8; 32]>(), any::<u32>(), any::<[u8; 16]>(), option::of(vocabulary)).prop_map(
        |(secret, edge, client, vocabulary)| ClientHello {
            version: VERSION,
            secret,
            edge,
            client,
            vocabulary,
        },
    )
}

pub(crate) fn server_hello() -> impl Strategy<Value = ServerHello> {
    let refusal = prop_oneof![
        Just(Refusal::Secret),
        Just(Refusal::Version),
        Just(Refusal::Malformed),
        Just(Refusal::Busy),
        Just(Refusal::TooSlow),
        Just(Refusal::Vocabulary),
    ];
    option::of(refusal).prop_map(|refusal| ServerHello { version: VERSION, refusal })
}
