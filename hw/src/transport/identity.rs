//! Who a cloud is, and what an edge must hold to be served: a key and a secret, and the ticket that
//! carries both.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

/// Version of tickets and identity files.
const FORMAT: &str = "1";
const TICKET: &str = "pipesd-ticket";
const IDENTITY: &str = "pipesd-identity";
/// Identity files are smaller.
const FILE_BYTES_MAX: u64 = 16 << 10;

/// 32 bytes that must not be told: not printed, and compared in constant time.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    pub(super) const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// SHA-256 of a cloud's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub(super) [u8; 32]);

impl Fingerprint {
    pub(super) fn of(certificate: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// What an edge needs to reach a cloud and to be served there, as one printable token.
///
/// Its text is `pipesd-ticket/1/ADDRESS/FINGERPRINT/SECRET`. Whoever has it is served: it is shown to
/// the user and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Where the cloud listens.
    pub address: SocketAddr,
    /// Its key.
    pub fingerprint: Fingerprint,
    /// What it asks for.
    pub secret: Secret,
}

impl core::fmt::Display for Ticket {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (fingerprint, secret) = (hex(&self.fingerprint.0), hex(&self.secret.0));
        write!(f, "{TICKET}/{FORMAT}/{}/{fingerprint}/{secret}", self.address)
    }
}

/// What is wrong with a ticket. No part of its secret is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It is something else.
    #[error("not a ticket: it must begin with `{TICKET}/`")]
    NotATicket,
    /// It comes from another version.
    #[error("a ticket of version {0:?}; this program knows version {FORMAT}: update the older end")]
    Version(String),
    /// A part is missing or there is one too many.
    #[error("{0} parts between slashes, expected 5: was the ticket cut when it was copied?")]
    Parts(usize),
    /// The address is none.
    #[error("address {0:?}: expected an IP address and a port, like 192.0.2.1:4433")]
    Address(String),
    /// The fingerprint is none.
    #[error("fingerprint: expected 64 hexadecimal digits, found {0} characters")]
    Fingerprint(usize),
    /// The secret is none.
    #[error("secret: expected 64 hexadecimal digits, found {0} characters")]
    Secret(usize),
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let parts: Vec<&str> = text.trim().split('/').take(8).collect();
        if parts[0] != TICKET {
            return Err(TicketError::NotATicket);
        }
        if let Some(version) = parts.get(1).filter(|version| **version != FORMAT) {
            return Err(TicketError::Version(version.chars().take(16).collect()));
        }
        let [_, _, address, fingerprint, secret] = parts[..] else {
            return Err(TicketError::Parts(parts.len()));
        };
        let short = |text: &str| text.chars().take(64).collect();
        Ok(Self {
            address: address.parse().map_err(|_| TicketError::Address(short(address)))?,
            fingerprint: unhex(fingerprint)
                .and_then(|bytes| bytes.try_into().ok())
                .map(Fingerprint)
                .ok_or_else(|| TicketError::Fingerprint(fingerprint.chars().count()))?,
            secret: unhex(secret)
                .and_then(|bytes| bytes.try_into().ok())
                .map(Secret)
                .ok_or_else(|| TicketError::Secret(secret.chars().count()))?,
        })
    }
}

/// A cloud's key, its self-signed certificate and the secret that it asks of edges.
#[derive(Clone)]
pub struct Identity {
    certificate: Vec<u8>,
    /// PKCS #8.
    key: Vec<u8>,
    secret: Secret,
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{path}: not an identity of version {FORMAT}: delete it to get a new one")]
    Content {
        /// Which.
        path: String,
    },
    /// Others could read the file.
    #[error(
        "{path}: others may read it (mode {mode:o}): `chmod 600` it, or delete it for a new one"
    )]
    Permissions {
        /// Which.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// No key could be made.
    #[error("no key could be made: {0}")]
    Key(String),
}

/// What names an edge to a cloud over all its links. Whoever has it can take up the edge's sessions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientName(pub(super) [u8; 16]);

impl ClientName {
    /// A new one.
    ///
    /// # Panics
    /// If the system has no randomness: nothing can be kept secret there.
    #[must_use]
    pub fn random() -> Self {
        let mut name = [0; 16];
        SystemRandom::new().fill(&mut name).expect("the system has randomness");
        Self(name)
    }

    /// One that anybody can guess, for links within a process.
    #[must_use]
    pub const fn numbered(number: u128) -> Self {
        Self(number.to_le_bytes())
    }
}

/// It is a secret.
impl core::fmt::Debug for ClientName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ClientName(..)")
    }
}

impl Identity {
    /// A new key and secret, kept nowhere.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn create() -> Result<Self, IdentityError> {
        let failed = |error: rcgen::Error| IdentityError::Key(error.to_string());
        let made = rcgen::generate_simple_self_signed([super::SERVER_NAME.to_owned()]);
        let made = made.map_err(failed)?;
        let mut secret = [0; 32];
        SystemRandom::new()
            .fill(&mut secret)
            .map_err(|_| IdentityError::Key("the system has no randomness".into()))?;
        Ok(Self {
            certificate: made.cert.der().to_vec(),
            key: made.signing_key.serialize_der(),
            secret: Secret(secret),
        })
    }

    /// The identity kept at `path`, so that tickets outlive the program; made and written there, for
    /// the owner's eyes alone, if there is none.
    ///
    /// # Errors
    /// If the file cannot be read or written, others may read it, or it holds something else.
    pub fn load_or_create(path: &Path) -> Result<Self, IdentityError> {
        let name = || path.display().to_string();
        let failed = |source| IdentityError::File { path: name(), source };
        match std::fs::metadata(path) {
            Ok(metadata) => {
                check_mode(path, &metadata)?;
                if metadata.len() > FILE_BYTES_MAX {
                    return Err(IdentityError::Content { path: name() });
                }
                let text = std::fs::read_to_string(path).map_err(failed)?;
                Self::parse(&text).ok_or_else(|| IdentityError::Content { path: name() })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let identity = Self::create()?;
                let mut file = private_file(path).map_err(failed)?;
                file.write_all(identity.text().as_bytes()).map_err(failed)?;
                Ok(identity)
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn text(&self) -> String {
        let (certificate, key) = (hex(&self.certificate), hex(&self.key));
        format!("{IDENTITY} {FORMAT}\n{certificate}\n{key}\n{}\n", hex(&self.secret.0))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != format!("{IDENTITY} {FORMAT}") {
            return None;
        }
        let (certificate, key) = (unhex(lines.next()?)?, unhex(lines.next()?)?);
        let secret = unhex(lines.next()?)?.try_into().ok().map(Secret)?;
        Some(Self { certificate, key, secret })
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// The ticket for a cloud of this identity that is reached at `address`.
    #[must_use]
    pub fn ticket(&self, address: SocketAddr) -> Ticket {
        Ticket { address, fingerprint: self.fingerprint(), secret: self.secret.clone() }
    }

    pub(super) const fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }
}

#[cfg(unix)]
fn check_mode(path: &Path, metadata: &std::fs::Metadata) -> Result<(), IdentityError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(IdentityError::Permissions { path: path.display().to_string(), mode })
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &std::fs::Metadata) -> Result<(), IdentityError> {
    Ok(())
}

/// A new file that only its owner may read from its first moment on.
fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().map(|c| char::from(c).to_digit(16)).collect::<Option<Vec<u32>>>()?;
    let pairs = digits.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    whole.then(|| pairs.map(|pair| (16 * pair[0] + pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        let address = "[::1]:4433".parse().expect("an address");
        Identity::create().expect("a key").ticket(address)
    }

    #[test]
    fn a_ticket_is_one_token_that_reads_back() {
        let ticket = ticket();
        let text = ticket.to_string();
        assert!(text.bytes().all(|c| c.is_ascii_graphic()), "{text}");
        assert_eq!(text.parse(), Ok(ticket.clone()));
        assert_eq!(format!(" {text}\n").parse(), Ok(ticket));
    }

    #[test]
    fn a_bad_ticket_is_refused_with_what_is_wrong_and_without_its_secret() {
        let text = ticket().to_string();
        let parse = |text: &str| text.parse::<Ticket>().expect_err("a bad ticket");
        assert_eq!(parse(""), TicketError::NotATicket);
        assert_eq!(parse("hello"), TicketError::NotATicket);
        assert_eq!(parse(&text.replace("/1/", "/2/")), TicketError::Version("2".into()));
        assert_eq!(parse(&text.replace("/1/", "/1/x/")), TicketError::Parts(6));
        assert_eq!(
            parse(&text.replace("[::1]:4433", "host:4433")),
            TicketError::Address("host:4433".into())
        );
        assert_eq!(parse(&text[..text.len() - 1]), TicketError::Secret(63));
        assert_eq!(parse(&format!("{}x", &text[..text.len() - 1])), TicketError::Secret(64));
        let cut = text.rsplit_once('/').expect("parts").0;
        assert_eq!(parse(cut), TicketError::Parts(4));
        assert_eq!(parse(&format!("{}/00", &cut[..cut.len() - 2])), TicketError::Fingerprint(62));
    }

    #[test]
    fn nothing_prints_a_secret_but_the_ticket_itself() {
        let identity = Identity::create().expect("a key");
        let secret = hex(&identity.secret.0);
        let ticket = identity.ticket("127.0.0.1:1".parse().expect("an address"));
        assert!(!format!("{identity:?} {ticket:?}").contains(&secret));
        assert!(ticket.to_string().ends_with(&secret));
    }

    #[test]
    fn an_identity_is_kept_for_its_owner_alone_and_read_again() {
        let folder = std::env::temp_dir().join(format!("pipesd-identity-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("identity");
        let made = Identity::load_or_create(&path).expect("made");
        let read = Identity::load_or_create(&path).expect("read");
        assert_eq!(made.text(), read.text());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |mode| {
                let permissions = std::fs::Permissions::from_mode(mode);
                std::fs::set_permissions(&path, permissions).expect("our file");
            };
            let metadata = std::fs::metadata(&path).expect("our file");
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
            mode(0o644);
            let error = Identity::load_or_create(&path).expect_err("others may read it");
            assert!(matches!(error, IdentityError::Permissions { mode: 0o644, .. }), "{error}");
            mode(0o600);
        }
        std::fs::write(&path, "something else").expect("our file");
        let error = Identity::load_or_create(&path).expect_err("no identity");
        assert!(matches!(error, IdentityError::Content { .. }), "{error}");
        std::fs::remove_dir_all(&folder).expect("our folder");
    }
}
