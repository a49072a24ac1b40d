//! From messages to bodies.

use super::layout::{IdWidth, Kind, open, upload, verdict};
use super::writer::Writer;
use crate::blob::Blob;
use crate::ids::SessionId;
use crate::message::{Message, Request, Upload, UploadReport, Verdict};
use crate::payload::{Payload, WireFormat};
use crate::time::nanos;
use crate::verification::{Drafting, Evidence, Terms, Verification};

/// Of a time to wait, which is told in whole milliseconds.
const NANOS_PER_MILLI: u64 = 1_000_000;

/// Appends the body of `message` to `out`.
///
/// A probe is padded to the size that `format` reckons for an upload of as many tokens. Everything
/// else has the size that its contents have: an upload whose models claim nothing is small, whatever
/// the payload.
///
/// # Panics
/// If the message is none that [`Edge`](crate::edge::Edge) or [`Cloud`](crate::cloud::Cloud) would
/// send: evidence of mixed kinds or for some of the tokens only, a NAV request for another number of
/// tokens than the upload completes, a parent that does not come before its round; a distribution
/// read from a log, which has no bytes; a probe of 4 GiB or more.
pub fn encode(message: &Message, format: &WireFormat, out: &mut Vec<u8>) {
    let begin = out.len();
    let mut writer = Writer(out);
    match message {
        Message::Open { request, terms, opening } => {
            put_open(&mut writer, request, *terms, *opening);
        }
        Message::Probe { session, tokens } => {
            begin_message(&mut writer, Kind::Probe, *session);
            writer.number(*tokens);
            let length_at = writer.0.len();
            let end = begin as u64 + format.message_bytes(message);
            let padding = end.saturating_sub(length_at as u64 + 4);
            let padding = u32::try_from(padding).expect("a probe of less than 4 GiB");
            writer.bytes(&padding.to_le_bytes());
            out.resize(length_at + 4 + padding as usize, 0);
        }
        Message::Upload(upload) => put_upload(&mut writer, upload),
        Message::Distribution { session, round, distribution } => {
            begin_message(&mut writer, Kind::Distribution, *session);
            writer.number(round.0);
            writer.byte(distribution.is_some().into());
            if let Some(distribution) = distribution {
                put_distribution(&mut writer, distribution);
            }
        }
        Message::Close { session } => begin_message(&mut writer, Kind::Close, *session),
        Message::Opened { session, opening } => {
            begin_message(&mut writer, Kind::Opened, *session);
            writer.number(*opening);
        }
        Message::Denied { session, opening, denial, retry } => {
            begin_message(&mut writer, Kind::Denied, *session);
            writer.number(*opening);
            writer.byte(*denial as u8);
            writer.number(nanos(*retry) / NANOS_PER_MILLI);
        }
        Message::Probed { session, report } => {
            begin_message(&mut writer, Kind::Probed, *session);
            put_report(&mut writer, report);
        }
        Message::DistributionRequest { session, round, index } => {
            begin_message(&mut writer, Kind::DistributionRequest, *session);
            writer.number(round.0);
            writer.number(*index);
        }
        Message::Verdict(verdict) => put_verdict(&mut writer, verdict),
    }
}

fn begin_message(writer: &mut Writer<'_>, kind: Kind, session: SessionId) {
    writer.byte(kind as u8);
    writer.session(session);
}

fn put_open(writer: &mut Writer<'_>, request: &Request, terms: Terms, opening: u32) {
    let Request { session, prompt, budget, stop_ids, temperature, seed, text } = request;
    begin_message(writer, Kind::Open, *session);
    let width = IdWidth::of(prompt.iter().chain(stop_ids).chain(text).copied());
    let resumes = opening > 0 || !text.is_empty();
    let verification = match terms.verification {
        Verification::Match => 0,
        Verification::Rejection => 1,
    };
    let drafting = match terms.drafting {
        Drafting::Argmax => 0,
        Drafting::Sampled => 1,
        Drafting::Coupled => 2,
    };
    let (payload, top_k) = match terms.payload {
        Payload::Full => (0, None),
        Payload::Lazy => (1, None),
        Payload::TopK(k) => (2, Some(k)),
        Payload::Ids => (3, None),
    };
    writer.byte(
        width.flags()
            | verification << open::VERIFICATION_SHIFT
            | drafting << open::DRAFTING_SHIFT
            | payload << open::PAYLOAD_SHIFT
            | if resumes { open::RESUMES } else { 0 },
    );
    if let Some(k) = top_k {
        writer.number(k);
    }
    writer.number(*budget);
    writer.float(temperature.value());
    writer.bytes(&seed.to_le_bytes());
    writer.number(stop_ids.len() as u64);
    writer.ids(stop_ids, width);
    writer.number(prompt.len() as u64);
    writer.ids(prompt, width);
    if resumes {
        writer.number(opening);
        writer.number(text.len() as u64);
        writer.ids(text, width);
    }
}

fn put_upload(writer: &mut Writer<'_>, message: &Upload) {
    let Upload { session, round, parent, start, prefix, guess, offset, tokens, evidence, nav } =
        message;
    let is_whole = evidence.is_empty() || evidence.len() == tokens.len();
    assert!(is_whole, "evidence for all tokens or for none");
    let end = *offset as usize + tokens.len();
    assert!(nav.is_none_or(|count| count as usize == end), "a NAV request ends its round");
    begin_message(writer, Kind::Upload, *session);
    let width = IdWidth::of(tokens.iter().chain(guess).copied());
    let evidence_kind = match evidence.first() {
        None => upload::NO_EVIDENCE,
        Some(Evidence::Probability(_)) => upload::PROBABILITIES,
        Some(Evidence::Distribution(_)) => upload::DISTRIBUTIONS,
    };
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    writer.byte(
        width.flags()
            | flag(parent.is_some(), upload::PARENT)
            | flag(guess.is_some(), upload::GUESS)
            | flag(nav.is_some(), upload::NAV)
            | evidence_kind << upload::EVIDENCE_SHIFT,
    );
    writer.number(round.0);
    if let Some(parent) = parent {
        let distance = round.0.checked_sub(parent.0).filter(|&distance| distance > 0);
        writer.number(distance.expect("a parent comes before its round"));
    }
    writer.number(*start);
    writer.number(*offset);
    writer.number(tokens.len() as u64);
    writer.bytes(&prefix.to_bits().to_le_bytes());
    if let Some(guess) = guess {
        writer.id(*guess, width);
    }
    writer.ids(tokens, width);
    for item in evidence {
        match (evidence_kind, item) {
            (upload::PROBABILITIES, Evidence::Probability(probability)) => {
                writer.float(*probability);
            }
            (upload::DISTRIBUTIONS, Evidence::Distribution(distribution)) => {
                put_distribution(writer, distribution);
            }
            _ => panic!("evidence of one kind"),
        }
    }
}

fn put_distribution(writer: &mut Writer<'_>, distribution: &Blob) {
    writer.number(distribution.len());
    writer.bytes(distribution.bytes().expect("not read from a log"));
}

fn put_report(writer: &mut Writer<'_>, report: &UploadReport) {
    writer.number(report.tokens);
    writer.number(nanos(report.transfer));
}

fn put_verdict(writer: &mut Writer<'_>, message: &Verdict) {
    let Verdict { session, round, accepted, extra, reports } = message;
    begin_message(writer, Kind::Verdict, *session);
    let width = IdWidth::of(extra.iter().copied());
    writer.byte(width.flags() | if extra.is_some() { verdict::EXTRA } else { 0 });
    writer.number(round.0);
    writer.number(*accepted);
    if let Some(extra) = extra {
        writer.id(*extra, width);
    }
    writer.number(reports.len() as u64);
    reports.iter().for_each(|report| put_report(writer, report));
}
