//! From bodies to messages, or to what is wrong with them.

use super::layout::{self, IdWidth, Kind, open, upload, verdict};
use super::reader::Reader;
use super::{Limits, WireError};
use crate::blob::Blob;
use crate::ids::{PrefixHash, RoundId, TokenId};
use crate::message::{Denial, Message, ROUND_TOKENS_MAX, Request, Upload, UploadReport, Verdict};
use crate::payload::Payload;
use crate::time::Duration;
use crate::verification::{Drafting, Evidence, Temperature, Terms, Verification};

/// The message of a body.
///
/// # Errors
/// [`WireError`]: the body is longer than the limits allow, is no message's encoding, or says
/// something out of range.
pub fn decode(body: &[u8], limits: &Limits) -> Result<Message, WireError> {
    let (bytes, bytes_max) = (body.len() as u64, limits.frame_bytes_max);
    if bytes > bytes_max.into() {
        return Err(WireError::TooLong { bytes, bytes_max });
    }
    let mut reader = Reader::new(body);
    let kind = reader.byte()?;
    let kind = Kind::of(kind).ok_or(WireError::UnknownKind(kind))?;
    let message = match kind {
        Kind::Open => take_open(&mut reader, limits)?,
        Kind::Probe => take_probe(&mut reader)?,
        Kind::Upload => take_upload(&mut reader, limits)?,
        Kind::Distribution => {
            let (session, round) = (reader.session()?, take_round(&mut reader)?);
            let distribution = match reader.byte()? {
                0 => None,
                1 => Some(take_distribution(&mut reader, limits)?),
                bits => return Err(WireError::Flags { field: "a distribution's flags", bits }),
            };
            Message::Distribution { session, round, distribution }
        }
        Kind::Close => Message::Close { session: reader.session()? },
        Kind::Opened => {
            let (session, opening) = (reader.session()?, take_opening(&mut reader)?);
            Message::Opened { session, opening }
        }
        Kind::Denied => {
            let (session, opening) = (reader.session()?, take_opening(&mut reader)?);
            let code = reader.byte()?;
            let denial = Denial::ALL.into_iter().find(|denial| *denial as u8 == code);
            let denial =
                denial.ok_or(WireError::Flags { field: "a denial's reasons", bits: code })?;
            let retry = reader.number_to(layout::RETRY, RETRY_MS_MAX)?;
            Message::Denied { session, opening, denial, retry: Duration::from_millis(retry.into()) }
        }
        Kind::Probed => {
            let (session, report) = (reader.session()?, take_report(&mut reader)?);
            Message::Probed { session, report }
        }
        Kind::DistributionRequest => {
            let (session, round) = (reader.session()?, take_round(&mut reader)?);
            let index = reader.number_to(layout::INDEX, ROUND_TOKENS_MAX - 1)?;
            Message::DistributionRequest { session, round, index }
        }
        Kind::Verdict => take_verdict(&mut reader, limits)?,
    };
    reader.finish()?;
    Ok(message)
}

/// The width that `flags` give for the ids of a body; the bits in `unused` must be zero.
fn width_of(flags: u8, unused: u8, field: &'static str) -> Result<IdWidth, WireError> {
    let width = IdWidth::from_flags(flags).filter(|_| flags & unused == 0);
    width.ok_or(WireError::Flags { field, bits: flags })
}

/// Fails if `width` is more than the ids take.
fn check_width(width: IdWidth, ids: impl Iterator<Item = TokenId>) -> Result<(), WireError> {
    let needed = IdWidth::of(ids);
    if needed == width {
        return Ok(());
    }
    Err(WireError::WideIds { width: width.bytes(), needed: needed.bytes() })
}

/// A day.
const RETRY_MS_MAX: u32 = 86_400_000;

fn take_opening(reader: &mut Reader<'_>) -> Result<u32, WireError> {
    reader.number_to(layout::OPENING, u32::MAX)
}

fn take_round(reader: &mut Reader<'_>) -> Result<RoundId, WireError> {
    reader.number_to(layout::ROUND, u32::MAX).map(RoundId)
}

fn take_terms(reader: &mut Reader<'_>, flags: u8, field: &'static str) -> Result<Terms, WireError> {
    let verification = match flags >> open::VERIFICATION_SHIFT & 0b1 {
        0 => Verification::Match,
        _ => Verification::Rejection,
    };
    let drafting = match flags >> open::DRAFTING_SHIFT & 0b11 {
        0 => Drafting::Argmax,
        1 => Drafting::Sampled,
        2 => Drafting::Coupled,
        _ => return Err(WireError::Flags { field, bits: flags }),
    };
    let payload = match flags >> open::PAYLOAD_SHIFT & 0b11 {
        0 => Payload::Full,
        1 => Payload::Lazy,
        2 => Payload::TopK(reader.number_in(layout::TOP_K, 1, layout::TOP_K_MAX)?),
        _ => Payload::Ids,
    };
    Ok(Terms { verification, drafting, payload })
}

fn take_open(reader: &mut Reader<'_>, limits: &Limits) -> Result<Message, WireError> {
    let field = "an open's flags";
    let (session, flags) = (reader.session()?, reader.byte()?);
    let width = width_of(flags, 0, field)?;
    let terms = take_terms(reader, flags, field)?;
    let budget = reader.number_in(layout::BUDGET, 1, limits.budget_max)?;
    let temperature = reader.float()?;
    let temperature = Temperature::new(temperature)
        .filter(|value| value.value().is_sign_positive())
        .ok_or(WireError::Temperature(temperature))?;
    let seed = u64::from_le_bytes(reader.array()?);
    let stop_count = reader.number_to(layout::STOP_IDS, limits.stop_ids_max)?;
    let stop_ids = reader.ids(stop_count, width, limits)?;
    let prompt_count = reader.number_in(layout::PROMPT, 1, limits.prompt_tokens_max)?;
    let prompt = reader.ids(prompt_count, width, limits)?;
    let (opening, text) = match flags & open::RESUMES {
        0 => (0, Vec::new()),
        _ => {
            let opening = take_opening(reader)?;
            let least = u32::from(opening == 0);
            // A text that is as long as its budget is complete.
            let count = reader.number_in(layout::TEXT, least, budget - 1)?;
            (opening, reader.ids(count, width, limits)?)
        }
    };
    check_width(width, prompt.iter().chain(&stop_ids).chain(&text).copied())?;
    let request = Request { session, prompt, budget, stop_ids, temperature, seed, text };
    Ok(Message::Open { request, terms, opening })
}

fn take_probe(reader: &mut Reader<'_>) -> Result<Message, WireError> {
    let session = reader.session()?;
    let tokens = reader.number_to(layout::TOKENS, ROUND_TOKENS_MAX)?;
    let padding = u32::from_le_bytes(reader.array()?);
    let padding = reader.bytes(padding)?;
    if padding.iter().any(|&byte| byte != 0) {
        return Err(WireError::Padding);
    }
    Ok(Message::Probe { session, tokens })
}

fn take_upload(reader: &mut Reader<'_>, limits: &Limits) -> Result<Message, WireError> {
    let field = "an upload's flags";
    let (session, flags) = (reader.session()?, reader.byte()?);
    let width = width_of(flags, upload::UNUSED, field)?;
    let has = |flag: u8| flags & flag != 0;
    let round = take_round(reader)?;
    let parent = if has(upload::PARENT) {
        let distance = reader.number_in(layout::PARENT_DISTANCE, 1, u32::MAX)?;
        let distance = layout::PARENT_DISTANCE.check(distance.into(), 1, round.0)?;
        Some(RoundId(round.0 - distance))
    } else {
        None
    };
    let start = reader.number_to(layout::START, u32::MAX)?;
    let offset = reader.number_to(layout::OFFSET, ROUND_TOKENS_MAX)?;
    let count = reader.number_to(layout::TOKENS, ROUND_TOKENS_MAX - offset)?;
    let end = u64::from(start) + u64::from(offset + count);
    layout::END.check(end, 0, u32::MAX)?;
    let prefix = PrefixHash::from_bits(u64::from_le_bytes(reader.array()?));
    let guess = if has(upload::GUESS) { Some(reader.id(width, limits)?) } else { None };
    let tokens = reader.ids(count, width, limits)?;
    check_width(width, tokens.iter().chain(&guess).copied())?;
    let evidence = match flags >> upload::EVIDENCE_SHIFT {
        upload::NO_EVIDENCE => Vec::new(),
        kind @ (upload::PROBABILITIES | upload::DISTRIBUTIONS) if count > 0 => {
            take_evidence(reader, limits, kind, count)?
        }
        _ => return Err(WireError::Flags { field, bits: flags }),
    };
    let nav = has(upload::NAV).then_some(offset + count);
    Ok(Message::Upload(Upload {
        session,
        round,
        parent,
        start,
        prefix,
        guess,
        offset,
        tokens,
        evidence,
        nav,
    }))
}

fn take_evidence(
    reader: &mut Reader<'_>,
    limits: &Limits,
    kind: u8,
    count: u32,
) -> Result<Vec<Evidence>, WireError> {
    let is_probability = kind == upload::PROBABILITIES;
    reader.expect(count, if is_probability { 8 } else { 1 })?;
    let mut evidence = Vec::with_capacity(count as usize);
    for _ in 0..count {
        evidence.push(if is_probability {
            Evidence::Probability(take_probability(reader)?)
        } else {
            Evidence::Distribution(take_distribution(reader, limits)?)
        });
    }
    Ok(evidence)
}

fn take_probability(reader: &mut Reader<'_>) -> Result<f64, WireError> {
    let value = reader.float()?;
    let is_fine = (0.0..=1.0).contains(&value) && value.is_sign_positive();
    if is_fine { Ok(value) } else { Err(WireError::Probability(value)) }
}

fn take_distribution(reader: &mut Reader<'_>, limits: &Limits) -> Result<Blob, WireError> {
    let length = reader.number_to(layout::DISTRIBUTION, limits.distribution_bytes_max)?;
    reader.bytes(length).map(Blob::new)
}

fn take_report(reader: &mut Reader<'_>) -> Result<UploadReport, WireError> {
    let tokens = reader.number_to(layout::TOKENS, ROUND_TOKENS_MAX)?;
    Ok(UploadReport { tokens, transfer: Duration::from_nanos(reader.number()?) })
}

/// Bytes of a measurement at least.
const REPORT_BYTES_MIN: u64 = 2;

fn take_verdict(reader: &mut Reader<'_>, limits: &Limits) -> Result<Message, WireError> {
    let (session, flags) = (reader.session()?, reader.byte()?);
    let width = width_of(flags, verdict::UNUSED, "a verdict's flags")?;
    let round = take_round(reader)?;
    let accepted = reader.number_to(layout::ACCEPTED, ROUND_TOKENS_MAX)?;
    let has_extra = flags & verdict::EXTRA != 0;
    let extra = if has_extra { Some(reader.id(width, limits)?) } else { None };
    check_width(width, extra.iter().copied())?;
    let count = reader.number_to(layout::REPORTS, limits.reports_max)?;
    reader.expect(count, REPORT_BYTES_MIN)?;
    let mut reports = Vec::with_capacity(count as usize);
    for _ in 0..count {
        reports.push(take_report(reader)?);
    }
    Ok(Message::Verdict(Verdict { session, round, accepted, extra, reports }))
}
