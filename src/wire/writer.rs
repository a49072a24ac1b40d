//! Writes the parts that bodies consist of.

use super::layout::IdWidth;
use crate::ids::{SessionId, TokenId};

/// Appends to a body.
pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// LEB128: seven bits to a byte, the lowest first, the top bit set on all but the last.
    pub(super) fn number(&mut self, value: impl Into<u64>) {
        let mut rest = value.into();
        while rest > 0x7f {
            self.byte(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.byte(rest as u8);
    }

    /// The halves of a session's number apart: an edge's number and the request's are both small.
    pub(super) fn session(&mut self, session: SessionId) {
        self.number(session.0 >> 32);
        self.number(session.0 & 0xffff_ffff);
    }

    /// Little-endian, of the width given.
    pub(super) fn id(&mut self, id: TokenId, width: IdWidth) {
        self.bytes(&id.0.to_le_bytes()[..width.bytes().into()]);
    }

    pub(super) fn ids(&mut self, ids: &[TokenId], width: IdWidth) {
        ids.iter().for_each(|&id| self.id(id, width));
    }

    /// Little-endian; a negative zero as zero.
    pub(super) fn float(&mut self, value: f64) {
        self.bytes(&(value + 0.0).to_le_bytes());
    }
}
