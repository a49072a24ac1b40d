//! One try to reach the cloud: a socket, a handshake, and the hello.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pipesd_core::time::Duration;
use pipesd_core::wire::{self, ClientHello, HELLO_BYTES_MAX, Refusal, WireError};
use quinn::{
    AsyncUdpSocket, Connection, ConnectionError, Endpoint, EndpointConfig, TokioRuntime,
    TransportErrorCode,
};

use super::frame::{self, FrameError};
use super::link::{Link, Parts, explain, plain};
use super::sender::Startup;
use super::tls::{self, Pinned};
use super::{SERVER_NAME, Settings, Ticket, TransportError, vocabulary};
use crate::net::socket::{Departures, EmulatedSocket, PlainSocket};
use crate::net::{Emulation, Timekeeper};

/// TLS alert: none of the offered protocols is spoken.
const NO_PROTOCOL: u8 = 120;
/// Between tries at a cloud that has no time: as long again after each, up to so long.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(400);
/// A hello is answered within this time and some round trips, or the cloud has just gone.
const HELLO: Duration = Duration::from_millis(1500);

/// The socket under quinn, and what the link needs of it.
struct Under {
    socket: Arc<dyn AsyncUdpSocket>,
    departures: Arc<Departures>,
    emulated: Option<Arc<EmulatedSocket>>,
    startup: Option<Startup>,
}

fn open(cloud: SocketAddr, emulation: Option<&Emulation>) -> std::io::Result<Under> {
    let any = match cloud {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0))?;
    let departures = Arc::new(Departures::default());
    let Some(emulation) = emulation else {
        let socket = Arc::new(PlainSocket::new(socket, Arc::clone(&departures))?);
        return Ok(Under { socket, departures, emulated: None, startup: None });
    };
    let timekeeper = Arc::new(Timekeeper::start()?);
    let (keeper, own) = (Arc::clone(&timekeeper), Arc::clone(&departures));
    let socket = Arc::new(EmulatedSocket::new(socket, emulation, keeper, own)?);
    let (time, abortable) = (emulation.startup, emulation.abortable);
    let startup = Some(Startup { timekeeper, time, abortable });
    let emulated = Some(Arc::clone(&socket));
    Ok(Under { socket, departures, emulated, startup })
}

/// A cloud that has answered, and not been told who comes.
pub(super) struct Answered {
    connection: Connection,
    endpoint: Endpoint,
    under: Under,
    words: Words,
}

/// What errors of a connection mean.
struct Words {
    cloud: SocketAddr,
    pinned: Arc<Pinned>,
}

impl Words {
    fn of(&self, error: &ConnectionError) -> TransportError {
        match error {
            _ if self.pinned.was_shown_another_key() => TransportError::Fingerprint(self.cloud),
            // Reset: whoever answered knows nothing of it any more.
            ConnectionError::TimedOut | ConnectionError::Reset => {
                TransportError::NoAnswer(self.cloud)
            }
            ConnectionError::ApplicationClosed(close) => {
                TransportError::Refused(plain(&String::from_utf8_lossy(&close.reason)))
            }
            // What TLS calls `no_application_protocol`.
            ConnectionError::ConnectionClosed(close)
                if close.error_code == TransportErrorCode::crypto(NO_PROTOCOL) =>
            {
                TransportError::Refused("the cloud speaks another version of the protocol".into())
            }
            other => TransportError::Refused(explain(other)),
        }
    }
}

/// Shakes hands with the cloud. `busy` is set when it has no time.
///
/// # Errors
/// [`TransportError`].
pub(super) async fn shake_hands(
    ticket: Ticket,
    settings: Settings,
    emulation: Option<Emulation>,
    busy: Arc<AtomicBool>,
) -> Result<Answered, TransportError> {
    let system = |error: std::io::Error| TransportError::System(error.to_string());
    let cloud = ticket.address;
    let under = open(cloud, emulation.as_ref()).map_err(system)?;
    let runtime = Arc::new(TokioRuntime);
    let socket = Arc::clone(&under.socket);
    let endpoint =
        Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, socket, runtime)
            .map_err(system)?;
    let (crypto, pinned) = tls::client(ticket.fingerprint).map_err(TransportError::System)?;
    let words = Words { cloud, pinned };
    let mut config = quinn::ClientConfig::new(crypto);
    let transport = settings.edge(emulation.as_ref()).map_err(TransportError::System)?;
    config.transport_config(Arc::new(transport));
    let mut pause = PAUSE;
    loop {
        let connecting = endpoint
            .connect_with(config.clone(), cloud, SERVER_NAME)
            .map_err(|error| TransportError::System(error.to_string()))?;
        match connecting.await {
            Err(ConnectionError::ConnectionClosed(close))
                if close.error_code == TransportErrorCode::CONNECTION_REFUSED => {}
            Err(error) => return Err(words.of(&error)),
            Ok(connection) => return Ok(Answered { connection, endpoint, under, words }),
        }
        busy.store(true, Ordering::Relaxed);
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(PAUSE_MAX);
    }
}

impl Answered {
    /// Says who comes with which ticket.
    ///
    /// # Errors
    /// [`TransportError`].
    pub(super) async fn introduce(
        self,
        ticket: &Ticket,
        settings: &Settings,
    ) -> Result<Link, TransportError> {
        let Self { connection, endpoint, under, words } = self;
        let (mut send, mut receive) =
            connection.open_bi().await.map_err(|error| words.of(&error))?;
        let hello = ClientHello {
            version: wire::VERSION,
            secret: *ticket.secret.bytes(),
            edge: settings.edge,
            client: settings.client.0,
            vocabulary: settings.vocabulary,
        };
        let frame = frame::framed(|body| wire::encode_client_hello(&hello, body));
        let answer = async {
            // What is wrong with writing shows in reading.
            let _ = send.write_all(&frame).await;
            frame::read(&mut receive, HELLO_BYTES_MAX).await
        };
        let within = HELLO + 4 * connection.rtt();
        let answer = tokio::time::timeout(within, answer).await;
        let body = match answer.map_err(|_| TransportError::NoAnswer(words.cloud))? {
            Ok(Some(body)) => body,
            Ok(None) => return Err(TransportError::Protocol("no hello".into())),
            Err(FrameError::Stream(quinn::ReadError::ConnectionLost(error))) => {
                return Err(words.of(&error));
            }
            Err(error) => return Err(TransportError::Protocol(error.to_string())),
        };
        let hello = wire::decode_server_hello(&body).map_err(|error| match error {
            WireError::Version { .. } => TransportError::Refused(error.to_string()),
            other => TransportError::Protocol(other.to_string()),
        })?;
        if let (Some(Refusal::Vocabulary), Some(ours)) = (hello.refusal, &settings.token_bytes) {
            let learned = vocabulary::learn(&mut send, &mut receive, ours).await;
            return Err(match learned {
                Ok(difference) => TransportError::Vocabulary(difference),
                Err(why) => {
                    TransportError::Vocabulary(format!("the cloud does not tell where: {why}"))
                }
            });
        }
        if let Some(refusal) = hello.refusal {
            return Err(TransportError::Refused(format!("{refusal:?}").to_lowercase()));
        }
        Ok(Link::start(Parts {
            connection,
            control: (send, receive),
            settings: Arc::new(settings.clone()),
            departures: under.departures,
            startup: under.startup,
            emulated: under.emulated,
            edge: settings.edge,
            client: settings.client,
            permit: None,
            endpoint,
        }))
    }
}
