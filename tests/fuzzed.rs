//! The fuzz targets that need more than bytes, for about a second each: seeded inputs that are nearly
//! right. See fuzz/README.md.

#[path = "../fuzz/shared/cloud.rs"]
mod cloud;
#[path = "../fuzz/shared/evidence.rs"]
mod evidence;

use pipesd_core::blob::Blob;
use pipesd_core::ids::{PrefixHash, RoundId, SessionId, TokenId};
use pipesd_core::message::{Message, Request, Upload};
use pipesd_core::payload::{Payload, WireFormat};
use pipesd_core::verification::{Drafting, Evidence, Temperature, Terms, Verification};
use pipesd_core::wire::encode;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const INPUTS: u64 = 50_000;

/// Small random numbers.
struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0.next_u32() as usize % bound
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// Changes a few bytes, cuts a few out, or puts a few in.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len().max(1)).min(bytes.len());
            let end = (at + self.below(4)).min(bytes.len());
            let new: Vec<u8> = (0..self.below(4)).map(|_| self.below(256) as u8).collect();
            bytes.splice(at..end, new);
        }
    }
}

/// A session as an edge that keeps the rules would know it, if the target accepted all.
struct Known {
    session: SessionId,
    payload: Payload,
    text: Vec<TokenId>,
    last: Option<RoundId>,
}

impl Known {
    fn open(session: u64, dice: &mut Dice) -> (Self, Message) {
        let payload = [Payload::Ids, Payload::Lazy, Payload::Full][dice.below(3)];
        let session = SessionId(session);
        let request = Request {
            session,
            prompt: vec![TokenId(3)],
            budget: 5 + dice.below(60) as u32,
            stop_ids: vec![TokenId(4)],
            temperature: Temperature::default(),
            seed: 0,
            text: Vec::new(),
        };
        let (verification, drafting) = (Verification::Rejection, Drafting::Sampled);
        let terms = Terms { verification, drafting, payload };
        let known = Self { session, payload, text: Vec::new(), last: None };
        (known, Message::Open { request, terms, opening: 0 })
    }

    /// The next round, whole.
    fn round(&self, dice: &mut Dice) -> Upload {
        let drafts = 1 + dice.below(4);
        let evidence = |dice: &mut Dice| match self.payload {
            Payload::Lazy => Evidence::Probability(0.5),
            _ => Evidence::Distribution(Blob::new(vec![0; dice.below(6)])),
        };
        let bare = matches!(self.payload, Payload::Ids) || dice.one_in(8);
        Upload {
            session: self.session,
            round: RoundId(self.last.map_or(0, |last| last.0 + 1)),
            parent: self.last,
            start: self.text.len() as u32,
            prefix: PrefixHash::EMPTY.extend(&self.text),
            guess: None,
            offset: 0,
            tokens: (0..drafts).map(|_| TokenId(1 + dice.below(2) as u32)).collect(),
            evidence: (0..drafts).filter(|_| !bare).map(|_| evidence(dice)).collect(),
            nav: Some(drafts as u32),
        }
    }

    /// The same session after a round of which the target said what `decision` stands for.
    fn answered(&mut self, upload: &Upload, decision: usize) {
        let (last, drafts) = (upload.tokens.len() - 1, &upload.tokens);
        let other = TokenId(9);
        match decision {
            0 => self.text.extend(drafts.iter().copied().chain([cloud::EXTRA])),
            1 => self.text.push(other),
            2 if last > 0 => self.text.extend([drafts[0], other]),
            _ => self.text.extend(drafts[..last].iter().copied().chain([other])),
        }
        self.last = Some(upload.round);
    }
}

/// An upload with something changed that a peer may change.
fn bent(mut upload: Upload, dice: &mut Dice) -> Upload {
    let small = dice.below(5) as u32;
    match dice.below(7) {
        0 => upload.round = RoundId(upload.round.0 + small),
        1 => upload.parent = upload.round.0.checked_sub(1 + small).map(RoundId),
        2 => upload.start = small,
        3 => upload.offset = small,
        4 => upload.nav = None,
        5 => upload.tokens.push(cloud::EXTRA),
        _ => upload.tokens.truncate(small as usize),
    }
    if upload.evidence.len() != upload.tokens.len() || dice.one_in(4) {
        upload.evidence.clear();
    }
    // On the wire it is a flag: the round ends with this batch.
    upload.nav = upload.nav.map(|_| upload.offset + upload.tokens.len() as u32);
    upload
}

/// A step of the cloud's target: see `fuzz/shared/cloud.rs`.
fn step(how: usize, message: &Message, input: &mut Vec<u8>) {
    let mut body = Vec::new();
    encode(message, &WireFormat { payload: Payload::Ids, vocabulary: 0 }, &mut body);
    input.extend([how as u8, u8::try_from(body.len()).expect("a short message")]);
    input.extend(body);
}

/// Two sessions that mostly keep the rules.
fn story(dice: &mut Dice) -> Vec<u8> {
    let mut input = Vec::new();
    let mut sessions: Vec<Known> = Vec::new();
    for session in 0..2 {
        let (known, open) = Known::open(session, dice);
        step(if dice.one_in(4) { 0 } else { 2 }, &open, &mut input);
        sessions.push(known);
    }
    for _ in 0..dice.below(12) {
        let known = &mut sessions[dice.below(2)];
        let (decision, late) = (dice.below(4), dice.one_in(3));
        let how = decision << 2 | if late { dice.below(2) } else { 2 };
        let upload = known.round(dice);
        let session = known.session;
        if dice.one_in(3) {
            step(how, &Message::Upload(bent(upload.clone(), dice)), &mut input);
        } else {
            step(how, &Message::Upload(upload.clone()), &mut input);
            known.answered(&upload, decision);
        }
        if late && dice.one_in(2) {
            let again = bent(upload.clone(), dice);
            step(how, &Message::Upload(again), &mut input);
        }
        if dice.one_in(2) {
            let distribution = (!dice.one_in(4)).then(|| Blob::new(vec![7; 8]));
            let shown = Message::Distribution { session, round: upload.round, distribution };
            step(how, &shown, &mut input);
        }
        if dice.one_in(30) {
            step(how, &Message::Close { session }, &mut input);
        }
    }
    input
}

#[test]
fn no_messages_make_a_cloud_fall() {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(1));
    let mut sum = cloud::Done::default();
    for _ in 0..INPUTS {
        let mut input = story(&mut dice);
        if dice.one_in(2) {
            dice.mutate(&mut input);
        }
        let done = cloud::play(&input);
        sum.received += done.received;
        sum.verdicts += done.verdicts;
        sum.asked += done.asked;
    }
    // They reach behind the first check.
    assert!(
        sum.received > 6 * INPUTS && sum.verdicts > INPUTS && sum.asked > INPUTS / 4,
        "{sum:?}"
    );
}

/// A distribution over the target's vocabulary, in the encoding of the whole or of pairs.
fn distribution(pairs: bool, dice: &mut Dice) -> Vec<u8> {
    let mut weights: Vec<f64> = evidence::LOGITS.iter().map(|_| dice.below(4) as f64).collect();
    weights[2] += 1.0;
    let sum: f64 = weights.iter().sum();
    let mut bytes = Vec::new();
    if !pairs {
        bytes.push(0xdd);
        bytes.extend((weights.len() as u32).to_be_bytes());
    }
    for (id, weight) in (0_u32..).zip(&weights) {
        if pairs {
            bytes.extend(id.to_be_bytes());
        }
        bytes.push(0xcb);
        bytes.extend((weight / sum).to_be_bytes());
    }
    bytes
}

#[test]
fn no_evidence_makes_a_rule_fall() {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(2));
    let mut sum = evidence::Done::default();
    for _ in 0..INPUTS {
        // Whole distributions under the first payload, pairs under the second.
        let (how, count) = (dice.below(256), 1 + dice.below(4));
        let pairs = how >> 2 & 3 == 1;
        let mut input = vec![how as u8, count as u8, 0];
        for _ in 0..count {
            let shown = distribution(pairs, &mut dice);
            input[2] = shown.len() as u8;
            input.push(dice.below(evidence::LOGITS.len() + 1) as u8);
            input.extend(shown);
        }
        if !dice.one_in(4) {
            dice.mutate(&mut input);
        }
        let done = evidence::judge(&input);
        sum.accepted += done.accepted;
        sum.replaced += done.replaced;
    }
    let some = INPUTS as usize / 8;
    assert!(sum.accepted > some && sum.replaced > some, "{sum:?}");
}
