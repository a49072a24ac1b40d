//! The cloud's side: accept edges that hold the ticket, refuse others, and be harmed by none.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pipesd_core::time::Duration;
use pipesd_core::wire::{self, ClientHello, HELLO_BYTES_MAX, ServerHello, WireError};
use quinn::{Connection, Endpoint, EndpointConfig, Incoming, TokioRuntime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::frame::{self, framed};
use super::identity::{ClientName, Identity, Secret, Ticket};
use super::link::{Link, Parts, explain};
use super::{Code, Settings, TransportError, tls, vocabulary};
use crate::net::socket::{Departures, PlainSocket};

/// Somebody has come.
#[derive(Debug)]
pub enum Arrival {
    /// An edge that holds the ticket.
    Accepted(Link),
    /// Somebody who was refused. Told as long as somebody listens: a flood of them loses some.
    Refused {
        /// From where.
        from: SocketAddr,
        /// Why.
        why: String,
    },
}

/// Arrivals that wait for the owner, at most; further ones are refused.
const ARRIVALS_WAITING_MAX: usize = 64;

/// Peers of one host that may be at the door at the same time: a host that says nothing must not keep
/// the others out. An edge is there for some round trips, and one that is refused so comes again.
const AT_THE_DOOR_MAX: usize = 8;

/// An edge that was told why its vocabulary is refused has so long to leave by itself.
const LEAVES_WITHIN: Duration = Duration::from_secs(1);

/// A cloud that accepts edges. Dropping it ends no link.
#[derive(Debug)]
pub struct Server {
    endpoint: Endpoint,
    arrivals: mpsc::Receiver<Arrival>,
    refused: Arc<AtomicU64>,
    identity: Identity,
    address: SocketAddr,
}

/// What all handshakes share.
struct Door {
    settings: Arc<Settings>,
    secret: Secret,
    departures: Arc<Departures>,
    links: Arc<Semaphore>,
    endpoint: Endpoint,
    hosts: Hosts,
    refused: Arc<AtomicU64>,
}

/// How many of each host are at the door.
type Hosts = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

/// A place at the door, given back when dropped.
struct Place {
    host: IpAddr,
    hosts: Hosts,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = hosts.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                hosts.remove(&self.host);
            }
        }
    }
}

/// Whose an address is: a host has a whole /64 of IPv6.
const fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !(u64::MAX as u128)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Server {
    /// Listens at `address` (port 0: any free one). Must be called on a tokio runtime.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn bind(
        address: SocketAddr,
        identity: &Identity,
        settings: &Settings,
    ) -> Result<Self, TransportError> {
        let system = |error: std::io::Error| TransportError::System(format!("{address}: {error}"));
        let mut config = quinn::ServerConfig::with_crypto(
            tls::server(identity).map_err(TransportError::System)?,
        );
        config
            .transport_config(Arc::new(settings.cloud().map_err(TransportError::System)?))
            .max_incoming(settings.handshakes_max)
            .incoming_buffer_size(16 << 10)
            .incoming_buffer_size_total(1 << 20);
        let departures = Arc::new(Departures::default());
        let socket = UdpSocket::bind(address).map_err(system)?;
        let socket = PlainSocket::new(socket, Arc::clone(&departures)).map_err(system)?;
        let endpoint = Endpoint::new_with_abstract_socket(
            EndpointConfig::default(),
            Some(config),
            Arc::new(socket),
            Arc::new(TokioRuntime),
        )
        .map_err(system)?;
        let address = endpoint.local_addr().map_err(system)?;
        let (tell, arrivals) = mpsc::channel(ARRIVALS_WAITING_MAX);
        let refused = Arc::new(AtomicU64::new(0));
        let door = Door {
            settings: Arc::new(settings.clone()),
            secret: identity.secret().clone(),
            departures,
            links: Arc::new(Semaphore::new(settings.links_max)),
            endpoint: endpoint.clone(),
            hosts: Hosts::default(),
            refused: Arc::clone(&refused),
        };
        tokio::spawn(Arc::new(door).watch(tell));
        Ok(Self { endpoint, arrivals, refused, identity: identity.clone(), address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The ticket for edges that reach it at `address`.
    #[must_use]
    pub fn ticket(&self, address: SocketAddr) -> Ticket {
        self.identity.ticket(address)
    }

    /// Who comes next. Nobody is lost if the future is dropped.
    pub async fn accept(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }

    /// Peers refused so far, heard of by [`Self::accept`] or not.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Ends all links and stops listening.
    pub async fn close(&self) {
        self.endpoint.close(Code::Done.value(), b"the cloud is closing");
        self.endpoint.wait_idle().await;
    }
}

impl Door {
    async fn watch(self: Arc<Self>, tell: mpsc::Sender<Arrival>) {
        let handshakes = Arc::new(Semaphore::new(self.settings.handshakes_max));
        loop {
            let incoming = tokio::select! {
                incoming = self.endpoint.accept() => incoming,
                () = tell.closed() => None,
            };
            let Some(incoming) = incoming else { return };
            let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() else {
                incoming.refuse();
                continue;
            };
            let (place, before) = self.place(host(incoming.remote_address().ip()), permit);
            // Under load a peer must show that it is where it says: an answer costs it a round trip.
            // So does one of a host of many: who pretends to be there keeps it out otherwise.
            let busy = 2 * handshakes.available_permits() < self.settings.handshakes_max
                || 2 * before >= AT_THE_DOOR_MAX;
            if busy && !incoming.remote_address_validated() {
                // An error: it was validated after all, and is lost.
                let _ = incoming.retry();
            } else if before >= AT_THE_DOOR_MAX {
                incoming.refuse();
            } else {
                tokio::spawn(Arc::clone(&self).welcome(incoming, place, tell.clone()));
            }
        }
    }

    /// A place for one of `host`, and how many of it are there already.
    fn place(&self, host: IpAddr, permit: OwnedSemaphorePermit) -> (Place, usize) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = hosts.entry(host).or_default();
        *count += 1;
        (Place { host, hosts: Arc::clone(&self.hosts), _permit: permit }, *count - 1)
    }

    async fn welcome(
        self: Arc<Self>,
        incoming: Incoming,
        place: Place,
        tell: mpsc::Sender<Arrival>,
    ) {
        let from = incoming.remote_address();
        let arrival = match self.admit(incoming).await {
            Ok(link) => Arrival::Accepted(link),
            Err(why) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Arrival::Refused { from, why }
            }
        };
        drop(place);
        if let Err(mpsc::error::TrySendError::Full(Arrival::Accepted(link))) =
            tell.try_send(arrival)
        {
            link.close().await;
        }
    }

    async fn admit(&self, incoming: Incoming) -> Result<Link, String> {
        let within = self.settings.handshake;
        let deadline = tokio::time::Instant::now() + within;
        let connecting = async { incoming.await.map_err(|error| explain(&error)) };
        let connection = tokio::time::timeout_at(deadline, connecting)
            .await
            .map_err(|_| "no handshake in time".to_owned())??;
        let admitted = tokio::time::timeout_at(deadline, self.admit_connected(&connection)).await;
        let late = |_| Err((Code::TooSlow, "no hello in time".to_owned()));
        admitted.unwrap_or_else(late).map_err(|(code, why)| {
            // The peer is told what its own mistake was, and nothing else.
            connection.close(code.value(), why.as_bytes());
            why
        })
    }

    async fn admit_connected(&self, connection: &Connection) -> Result<Link, (Code, String)> {
        let malformed = |why: String| (Code::Malformed, why);
        let (mut send, mut receive) =
            connection.accept_bi().await.map_err(|error| malformed(explain(&error)))?;
        let body = frame::read(&mut receive, HELLO_BYTES_MAX)
            .await
            .map_err(|error| malformed(error.to_string()))?
            .ok_or_else(|| malformed("no hello".into()))?;
        let hello = wire::decode_client_hello(&body).map_err(|error| match error {
            WireError::Version { .. } => (Code::Version, error.to_string()),
            other => malformed(format!("malformed hello: {other}")),
        })?;
        self.check(&hello)?;
        if let Some(why) = self.other_vocabulary(&hello) {
            if let Some(ours) = &self.settings.token_bytes {
                // An error: the edge has left, or makes no sense; it is refused in any case.
                let _ = vocabulary::teach(&mut send, &mut receive, ours).await;
                // What was written last must arrive before the connection is closed.
                let _ = tokio::time::timeout(LEAVES_WITHIN, connection.closed()).await;
            }
            return Err((Code::Vocabulary, why));
        }
        let permit = Arc::clone(&self.links)
            .try_acquire_owned()
            .map_err(|_| (Code::Busy, "the cloud serves as many edges as it may".to_owned()))?;
        let hello_back = ServerHello { version: wire::VERSION, refusal: None };
        let frame = framed(|body| wire::encode_server_hello(&hello_back, body));
        send.write_all(&frame).await.map_err(|error| malformed(error.to_string()))?;
        self.settings.welcome(connection);
        Ok(Link::start(Parts {
            connection: connection.clone(),
            control: (send, receive),
            settings: Arc::clone(&self.settings),
            departures: Arc::clone(&self.departures),
            startup: None,
            emulated: None,
            edge: hello.edge,
            client: ClientName(hello.client),
            permit: Some(permit),
            endpoint: self.endpoint.clone(),
        }))
    }

    fn check(&self, hello: &ClientHello) -> Result<(), (Code, String)> {
        // In constant time.
        if Secret::new(hello.secret) != self.secret {
            return Err((Code::Secret, "the ticket's secret is not this cloud's".into()));
        }
        Ok(())
    }

    /// Whether the edge's models speak another vocabulary. A stranger is not told what is spoken here:
    /// the secret comes first.
    fn other_vocabulary(&self, hello: &ClientHello) -> Option<String> {
        let (theirs, ours) = (hello.vocabulary?, self.settings.vocabulary?);
        (theirs != ours).then(|| {
            let (theirs, ours) = (theirs.size, ours.size);
            format!(
                "the edge's models speak another vocabulary ({theirs} ids) than the cloud's ({ours})"
            )
        })
    }
}
