//! A draft distribution as it stands on the wire.
//!
//! Whole, as the paper's code sends it: a msgpack array of float64, one for each id from 0 on.
//!
//! | bytes | |
//! |---|---|
//! | 1 | `0xdd`: array32 |
//! | 4 | number of entries V, big-endian |
//! | 9 · V | `0xcb`: float64, then the probability, big-endian |
//!
//! Of the most probable ids alone: 13 bytes for each, ids rising.
//!
//! | bytes | |
//! |---|---|
//! | 4 | id, big-endian as all numbers of msgpack |
//! | 9 | `0xcb`: float64, then the id's share of the kept probability, big-endian |
//!
//! What is read comes from a peer: it is checked whole before any of it is used.

use crate::blob::Blob;
use crate::payload::Payload;

const ARRAY32: u8 = 0xdd;
const FLOAT64: u8 = 0xcb;
const HEADER_BYTES: usize = 5;
const FLOAT_BYTES: usize = 9;
const ID_BYTES: usize = 4;

/// How far the probabilities of a distribution may sum from 1: far more than rounding makes of a large
/// vocabulary, and too little to bias a text that anyone could read.
const SUM_TOLERANCE: f64 = 1e-6;

/// Why a draft distribution cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// It is a handle from a log, without its bytes.
    #[error("the distribution's bytes are not there")]
    Absent,
    /// Under this payload there is no distribution to show.
    #[error("ids alone have no distribution")]
    Unexpected,
    /// Its length or its type bytes are wrong.
    #[error("byte {0}: no distribution in this payload's encoding")]
    Malformed(usize),
    /// An entry is no probability, or its id does not come after the one before it.
    #[error("entry {0} is no probability, or out of order")]
    Entry(usize),
    /// The probabilities do not sum to 1.
    #[error("the probabilities do not sum to 1")]
    Sum,
}

/// Encodes a probability for every id.
pub(super) fn whole(probabilities: &[f64]) -> Blob {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + FLOAT_BYTES * probabilities.len());
    bytes.push(ARRAY32);
    bytes.extend((probabilities.len() as u32).to_be_bytes());
    probabilities.iter().for_each(|&probability| push_float(&mut bytes, probability));
    Blob::new(bytes)
}

/// Encodes (id, probability) of some ids, in ascending order.
pub(super) fn pairs(kept: &[(u32, f64)]) -> Blob {
    let mut bytes = Vec::with_capacity((ID_BYTES + FLOAT_BYTES) * kept.len());
    for (id, probability) in kept {
        bytes.extend(id.to_be_bytes());
        push_float(&mut bytes, *probability);
    }
    Blob::new(bytes)
}

fn push_float(bytes: &mut Vec<u8>, number: f64) {
    let mut encoded = [FLOAT64; FLOAT_BYTES];
    encoded[1..].copy_from_slice(&number.to_be_bytes());
    bytes.extend(encoded);
}

/// An encoded distribution that has been checked: finite probabilities, no id twice, sum 1. It may
/// have ids beyond the reader's vocabulary, and lack some of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Encoded<'a> {
    /// Entries, without a header.
    entries: &'a [u8],
    has_ids: bool,
}

impl<'a> Encoded<'a> {
    /// Reads and checks the distribution that `payload` puts on the wire.
    pub(super) fn read(payload: Payload, blob: &'a Blob) -> Result<Self, EvidenceError> {
        let bytes = blob.bytes().ok_or(EvidenceError::Absent)?;
        let encoded = match payload {
            Payload::Ids => return Err(EvidenceError::Unexpected),
            Payload::TopK(_) => Self { entries: bytes, has_ids: true },
            Payload::Full | Payload::Lazy => {
                let (header, entries) = bytes
                    .split_at_checked(HEADER_BYTES)
                    .ok_or(EvidenceError::Malformed(bytes.len()))?;
                let count = u32::from_be_bytes(header[1..].try_into().expect("four bytes"));
                if header[0] != ARRAY32 {
                    return Err(EvidenceError::Malformed(0));
                }
                if entries.len() as u64 != u64::from(count) * FLOAT_BYTES as u64 {
                    return Err(EvidenceError::Malformed(1));
                }
                Self { entries, has_ids: false }
            }
        };
        encoded.check(bytes.len() - encoded.entries.len())?;
        Ok(encoded)
    }

    const fn entry_bytes(&self) -> usize {
        if self.has_ids { ID_BYTES + FLOAT_BYTES } else { FLOAT_BYTES }
    }

    fn check(&self, header: usize) -> Result<(), EvidenceError> {
        let size = self.entry_bytes();
        if self.entries.is_empty() || !self.entries.len().is_multiple_of(size) {
            return Err(EvidenceError::Malformed(header + self.entries.len()));
        }
        let typed = size - FLOAT_BYTES;
        if let Some(index) = self.entries.chunks_exact(size).position(|e| e[typed] != FLOAT64) {
            return Err(EvidenceError::Malformed(header + index * size + typed));
        }
        let (mut sum, mut next) = (0.0, 0_u64);
        for (index, (id, probability)) in self.entries().enumerate() {
            if !(0.0..=1.0 + SUM_TOLERANCE).contains(&probability) || u64::from(id) < next {
                return Err(EvidenceError::Entry(index));
            }
            sum += probability;
            next = u64::from(id) + 1;
        }
        if (sum - 1.0).abs() <= SUM_TOLERANCE { Ok(()) } else { Err(EvidenceError::Sum) }
    }

    /// (id, probability) of each entry, ids rising; an id without an entry has probability 0.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u32, f64)> + 'a {
        let has_ids = self.has_ids;
        (0..).zip(self.entries.chunks_exact(self.entry_bytes())).map(move |(index, entry)| {
            let (id, float) = entry.split_at(entry.len() - FLOAT_BYTES);
            let id = if has_ids {
                u32::from_be_bytes(id.try_into().expect("four bytes"))
            } else {
                index
            };
            (id, f64::from_be_bytes(float[1..].try_into().expect("eight bytes")))
        })
    }

    /// The probability of an id.
    pub(super) fn probability(&self, id: u32) -> f64 {
        let mut entries = self.entries();
        let entry = if self.has_ids {
            entries.find(|(entry, _)| *entry == id)
        } else {
            entries.nth(id as usize)
        };
        entry.map_or(0.0, |(_, probability)| probability)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::payload::WireFormat;

    const PAIRS: Payload = Payload::TopK(2);

    fn read(payload: Payload, bytes: &[u8]) -> Result<Vec<(u32, f64)>, EvidenceError> {
        let blob = Blob::new(bytes);
        Encoded::read(payload, &blob).map(|encoded| encoded.entries().collect())
    }

    fn bytes(blob: &Blob) -> Vec<u8> {
        blob.bytes().expect("made here").to_vec()
    }

    #[test]
    fn a_whole_distribution_is_msgpack_as_in_the_papers_code() {
        // What Python's msgpack writes for an array32 of [0.25, 0.75].
        let expected = [
            0xdd, 0, 0, 0, 2, 0xcb, 0x3f, 0xd0, 0, 0, 0, 0, 0, 0, 0xcb, 0x3f, 0xe8, 0, 0, 0, 0, 0,
            0,
        ];
        let blob = whole(&[0.25, 0.75]);
        assert_eq!(blob.bytes(), Some(&expected[..]));
        let format = WireFormat { payload: Payload::Full, vocabulary: 32_256 };
        let full = whole(&vec![1.0 / 32_256.0; 32_256]);
        assert_eq!(u64::from(full.len()), format.distribution_bytes());
    }

    #[test]
    fn what_is_written_is_read() {
        let probabilities = [0.1, 0.0, 0.2, 0.7];
        let blob = whole(&probabilities);
        let encoded = Encoded::read(Payload::Full, &blob).expect("as written");
        let ids: Vec<f64> = (0..5).map(|id| encoded.probability(id)).collect();
        assert_eq!(ids, [0.1, 0.0, 0.2, 0.7, 0.0]);
        let blob = pairs(&[(3, 0.5), (70_000, 0.5)]);
        assert_eq!(blob.len(), 26);
        let encoded = Encoded::read(PAIRS, &blob).expect("as written");
        assert_eq!([3, 4, 70_000].map(|id| encoded.probability(id)), [0.5, 0.0, 0.5]);
    }

    #[test]
    fn what_is_no_distribution_is_refused_with_the_place() {
        use EvidenceError::{Absent, Entry, Malformed, Sum, Unexpected};
        let full = |probabilities: &[f64]| read(Payload::Full, &bytes(&whole(probabilities)));
        assert_eq!(full(&[0.5, 0.4]), Err(Sum));
        assert_eq!(full(&[0.5, f64::NAN]), Err(Entry(1)));
        assert_eq!(full(&[1.5, -0.5]), Err(Entry(0)));
        assert_eq!(full(&[0.5, -0.5, 1.0]), Err(Entry(1)));
        assert_eq!(full(&[f64::INFINITY]), Err(Entry(0)));
        assert_eq!(full(&[]), Err(Malformed(5)));
        let good = bytes(&whole(&[0.5, 0.5]));
        assert_eq!(read(Payload::Full, &good[..4]), Err(Malformed(4)));
        assert_eq!(read(Payload::Full, &good[..22]), Err(Malformed(1)));
        let changed = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] = 0;
            read(Payload::Lazy, &bytes)
        };
        assert_eq!(changed(0), Err(Malformed(0)));
        assert_eq!(changed(14), Err(Malformed(14)));
        let of = |kept: &[(u32, f64)]| read(PAIRS, &bytes(&pairs(kept)));
        assert_eq!(of(&[(3, 0.5), (3, 0.5)]), Err(Entry(1)));
        assert_eq!(of(&[(4, 0.5), (3, 0.5)]), Err(Entry(1)));
        assert_eq!(of(&[]), Err(Malformed(0)));
        assert_eq!(read(PAIRS, &[0; 12]), Err(Malformed(12)));
        assert_eq!(read(Payload::Ids, &good), Err(Unexpected));
        let text = serde_json::to_string(&whole(&[1.0])).expect("plain data");
        let logged: Blob = serde_json::from_str(&text).expect("as written");
        assert_eq!(Encoded::read(Payload::Full, &logged), Err(Absent));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            header: bool,
            payload in prop::sample::select(vec![Payload::Full, Payload::Lazy, PAIRS, Payload::Ids]),
        ) {
            let mut bytes = bytes;
            if header {
                let count = (bytes.len() / FLOAT_BYTES) as u32;
                bytes.truncate(count as usize * FLOAT_BYTES);
                bytes.iter_mut().step_by(FLOAT_BYTES).for_each(|byte| *byte = FLOAT64);
                let head = [&[ARRAY32][..], &count.to_be_bytes()].concat();
                bytes.splice(0..0, head);
            }
            let _ = read(payload, &bytes);
        }
    }
}
