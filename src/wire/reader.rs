//! Reads the parts that bodies consist of, and trusts none of them.

use super::layout::{Field, IdWidth, SESSION, TOKEN_ID};
use super::{Limits, WireError};
use crate::ids::{SessionId, TokenId};

/// What is left of a body.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// Fails unless `count` things of at least `each` bytes can follow: to be asked before memory is
    /// taken for them.
    pub(super) fn expect(&self, count: u32, each: u64) -> Result<(), WireError> {
        let (needed, left) = (u64::from(count).saturating_mul(each), self.rest.len() as u64);
        if needed > left { Err(WireError::Truncated { needed, left }) } else { Ok(()) }
    }

    pub(super) fn bytes(&mut self, count: u32) -> Result<&'a [u8], WireError> {
        self.expect(count, 1)?;
        let (taken, rest) = self.rest.split_at(count as usize);
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let left = self.rest.len() as u64;
        let (taken, rest) =
            self.rest.split_first_chunk().ok_or(WireError::Truncated { needed: N as u64, left })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A number in LEB128, in its shortest form alone.
    pub(super) fn number(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(WireError::Overflow);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let shortest = bits != 0 || shift == 0;
                return if shortest { Ok(value) } else { Err(WireError::NotShortest) };
            }
        }
        Err(WireError::Overflow)
    }

    /// A number of at most `max`.
    pub(super) fn number_to(&mut self, field: Field, max: u32) -> Result<u32, WireError> {
        self.number_in(field, 0, max)
    }

    /// A number of `min` to `max`.
    pub(super) fn number_in(&mut self, field: Field, min: u32, max: u32) -> Result<u32, WireError> {
        field.check(self.number()?, min, max)
    }

    pub(super) fn session(&mut self) -> Result<SessionId, WireError> {
        let [high, low] = [self.number_to(SESSION, u32::MAX)?, self.number_to(SESSION, u32::MAX)?];
        Ok(SessionId(u64::from(high) << 32 | u64::from(low)))
    }

    pub(super) fn id(&mut self, width: IdWidth, limits: &Limits) -> Result<TokenId, WireError> {
        let mut bytes = [0; 4];
        let width = width.bytes();
        bytes[..width.into()].copy_from_slice(self.bytes(width.into())?);
        let id = u32::from_le_bytes(bytes);
        TOKEN_ID.check(id.into(), 0, limits.token_id_max).map(TokenId)
    }

    pub(super) fn ids(
        &mut self,
        count: u32,
        width: IdWidth,
        limits: &Limits,
    ) -> Result<Vec<TokenId>, WireError> {
        self.expect(count, width.bytes().into())?;
        let mut ids = Vec::with_capacity(count as usize);
        for _ in 0..count {
            ids.push(self.id(width, limits)?);
        }
        Ok(ids)
    }

    pub(super) fn float(&mut self) -> Result<f64, WireError> {
        self.array().map(f64::from_le_bytes)
    }

    /// Nothing may be left.
    pub(super) const fn finish(&self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(WireError::Trailing(left as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::writer::Writer;
    use super::*;

    fn number(bytes: &[u8]) -> Result<u64, WireError> {
        Reader::new(bytes).number()
    }

    #[test]
    fn numbers_come_back_as_they_were_written() {
        for value in (0..64).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, u64::MAX >> bits]) {
            let mut bytes = Vec::new();
            Writer(&mut bytes).number(value);
            assert_eq!(number(&bytes), Ok(value));
            assert_eq!(bytes.len() as u32, (64 - value.leading_zeros()).div_ceil(7).max(1));
        }
    }

    #[test]
    fn a_number_has_one_form() {
        assert_eq!(number(&[0x80, 0x00]), Err(WireError::NotShortest));
        assert_eq!(number(&[0xff, 0x80, 0x00]), Err(WireError::NotShortest));
        assert_eq!(number(&[0xff; 11]), Err(WireError::Overflow));
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(number(&most), Ok(u64::MAX));
        let more = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(number(&more), Err(WireError::Overflow));
        assert_eq!(number(&[0x80]), Err(WireError::Truncated { needed: 1, left: 0 }));
    }
}
