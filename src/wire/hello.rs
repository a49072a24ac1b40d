//! The first frame each way on a connection: who is there, and whether they are welcome.
//!
//! Both begin with the same four bytes and the version; this is so in every version, so that ends of
//! different versions can tell each other as much.

use core::fmt;

use super::layout::VOCABULARY;
use super::reader::Reader;
use super::writer::Writer;
use super::{VERSION, WireError};

/// The first bytes of a hello.
const MAGIC: [u8; 4] = *b"pips";

/// A hello of any version has no more bytes than this: what is longer need not be read.
pub const HELLO_BYTES_MAX: u32 = 256;

/// What tells whether two models speak of the same token ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// A hash of all its entries in order; whoever makes it defines it.
    pub hash: u64,
    /// Its number of entries, at least 1.
    pub size: u32,
}

/// What an edge says first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientHello {
    /// The version that it speaks: [`VERSION`].
    pub version: u16,
    /// The ticket's secret. To be compared in constant time.
    pub secret: [u8; 32],
    /// The edge's number, as it says.
    pub edge: u32,
    /// Names the edge to the cloud over all its links: by it, and by nothing else, can sessions of a link
    /// that is over be taken up again. Random, and kept as a secret.
    pub client: [u8; 16],
    /// The draft model's vocabulary, if it is to be compared with the target's.
    pub vocabulary: Option<Vocabulary>,
}

/// Without the secrets: logs are read by others.
impl fmt::Debug for ClientHello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, secret: _, edge, client: _, vocabulary } = self;
        f.debug_struct("ClientHello")
            .field("version", version)
            .field("edge", edge)
            .field("vocabulary", vocabulary)
            .finish_non_exhaustive()
    }
}

/// What a cloud answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerHello {
    /// The version that it speaks: [`VERSION`].
    pub version: u16,
    /// None: the edge is welcome.
    pub refusal: Option<Refusal>,
}

/// Why an edge is not welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
    /// The secret is not this cloud's.
    Secret = 1,
    /// The edge speaks another version.
    Version = 2,
    /// The hello makes no sense.
    Malformed = 3,
    /// The cloud serves as many edges as it may.
    Busy = 4,
    /// The hello did not come in time.
    TooSlow = 5,
    /// The draft model's vocabulary is not the target's.
    Vocabulary = 6,
}

impl Refusal {
    const ALL: [Self; 6] =
        [Self::Secret, Self::Version, Self::Malformed, Self::Busy, Self::TooSlow, Self::Vocabulary];
}

/// The code of a welcome.
const WELCOME: u8 = 0;

/// Appends the body of a hello to `out`.
pub fn encode_client_hello(hello: &ClientHello, out: &mut Vec<u8>) {
    let ClientHello { version, secret, edge, client, vocabulary } = hello;
    let mut writer = begin_hello(*version, out);
    writer.bytes(secret);
    writer.bytes(&edge.to_le_bytes());
    writer.bytes(client);
    writer.byte(vocabulary.is_some().into());
    if let Some(Vocabulary { hash, size }) = vocabulary {
        writer.bytes(&hash.to_le_bytes());
        writer.bytes(&size.to_le_bytes());
    }
}

/// The hello of a body.
///
/// # Errors
/// [`WireError::Version`] if the edge speaks another version, whatever follows; else what is wrong.
pub fn decode_client_hello(body: &[u8]) -> Result<ClientHello, WireError> {
    let (version, mut reader) = open_hello(body)?;
    let secret = reader.array()?;
    let edge = u32::from_le_bytes(reader.array()?);
    let client = reader.array()?;
    let vocabulary = match reader.byte()? {
        0 => None,
        1 => {
            let hash = u64::from_le_bytes(reader.array()?);
            let size = u32::from_le_bytes(reader.array()?);
            Some(Vocabulary { hash, size: VOCABULARY.check(size.into(), 1, u32::MAX)? })
        }
        bits => return Err(WireError::Flags { field: "a hello's flags", bits }),
    };
    reader.finish()?;
    Ok(ClientHello { version, secret, edge, client, vocabulary })
}

/// Appends the body of an answer to `out`.
pub fn encode_server_hello(hello: &ServerHello, out: &mut Vec<u8>) {
    let mut writer = begin_hello(hello.version, out);
    writer.byte(hello.refusal.map_or(WELCOME, |refusal| refusal as u8));
}

/// The answer of a body.
///
/// # Errors
/// [`WireError::Version`] if the cloud speaks another version, whatever follows; else what is wrong.
pub fn decode_server_hello(body: &[u8]) -> Result<ServerHello, WireError> {
    let (version, mut reader) = open_hello(body)?;
    let refusal = match reader.byte()? {
        WELCOME => None,
        bits => {
            let refusal = Refusal::ALL.into_iter().find(|&refusal| refusal as u8 == bits);
            Some(refusal.ok_or(WireError::Flags { field: "an answer's reasons", bits })?)
        }
    };
    reader.finish()?;
    Ok(ServerHello { version, refusal })
}

fn begin_hello(version: u16, out: &mut Vec<u8>) -> Writer<'_> {
    let mut writer = Writer(out);
    writer.bytes(&MAGIC);
    writer.bytes(&version.to_le_bytes());
    writer
}

fn open_hello(body: &[u8]) -> Result<(u16, Reader<'_>), WireError> {
    let (bytes, bytes_max) = (body.len() as u64, HELLO_BYTES_MAX);
    if bytes > bytes_max.into() {
        return Err(WireError::TooLong { bytes, bytes_max });
    }
    let mut reader = Reader::new(body);
    if reader.array()? != MAGIC {
        return Err(WireError::Magic);
    }
    match u16::from_le_bytes(reader.array()?) {
        VERSION => Ok((VERSION, reader)),
        theirs => Err(WireError::Version { theirs, ours: VERSION }),
    }
}
