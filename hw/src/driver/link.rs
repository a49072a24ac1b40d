//! What the driver needs of a transport: send, cancel, close, and a stream of what happens. QUIC is one;
//! [`loopback`](super::loopback) another, within the process.

use core::future::Future;
use core::marker::PhantomData;
use std::sync::Arc;

use pipesd_core::ids::MessageId;
use pipesd_core::message::Message;
use pipesd_core::time::Duration;
use tokio::sync::Mutex;

use crate::net::Emulation;
pub use crate::transport::LinkEvent;
use crate::transport::{
    Arrival, Caller, ClientName, Link, LinkEvents, LinkSender, Server, Settings, Ticket,
    TransportError,
};

/// The half of a link that sends.
pub trait Transport {
    /// Sends a message after those sent before it. [`LinkEvent::Sent`] follows exactly once.
    fn send(&mut self, id: MessageId, message: &Message);

    /// A message is of no use any more: what can still be dropped of it is.
    fn cancel(&mut self, id: MessageId);

    /// The edge begins to decode its request numbered `request`: an emulated link may have a rate for each,
    /// and no other link minds.
    fn begin_request(&mut self, _request: u32) {}

    /// Ends the link; the peer is told why where the transport can. [`LinkEvent::Closed`] follows.
    fn close(&mut self, why: &str);
}

/// The half of a link that tells what happens.
pub trait Events: Send + 'static {
    /// The next thing that happens. Nothing is lost if the future is dropped. The last one is
    /// [`LinkEvent::Closed`]; each message sent has had its `Sent` by then.
    fn next(&mut self) -> impl Future<Output = LinkEvent> + Send;
}

/// How an edge reaches its cloud again when a link is lost.
pub trait Dial {
    /// Sends to the cloud.
    type Transport: Transport;
    /// What comes from it.
    type Events: Events;

    /// One try. It must come to its end.
    fn dial(
        &self,
    ) -> impl Future<Output = Result<(Self::Transport, Self::Events), Unreached>> + 'static;

    /// Whether there is any use in it: if not, the run ends with its link.
    fn can_redial(&self) -> bool {
        true
    }
}

/// Why a try has not reached the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// For people.
    pub why: String,
    /// Another try may reach it.
    pub may_yet: bool,
}

/// There is one link, and no other.
#[derive(Debug)]
pub struct OneLink<T, E>(PhantomData<fn() -> (T, E)>);

impl<T, E> Default for OneLink<T, E> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Transport + 'static, E: Events> Dial for OneLink<T, E> {
    type Transport = T;
    type Events = E;

    fn dial(&self) -> impl Future<Output = Result<(T, E), Unreached>> + 'static {
        core::future::ready(Err(Unreached { why: "there is one link only".into(), may_yet: false }))
    }

    fn can_redial(&self) -> bool {
        false
    }
}

/// Reaches a cloud over QUIC again and again.
pub struct QuicDial(Arc<Mutex<Caller>>);

impl QuicDial {
    /// As the first link was made.
    #[must_use]
    pub fn new(ticket: Ticket, settings: Settings, emulation: Option<Emulation>) -> Self {
        Self(Arc::new(Mutex::new(Caller::new(ticket, settings, emulation))))
    }
}

/// A try ends after so long: the next finds a link that has come back meanwhile, where this one would wait
/// for its own retransmission. What it has begun goes on beside the next.
const TRY: Duration = Duration::from_millis(600);

impl Dial for QuicDial {
    type Transport = LinkSender;
    type Events = LinkEvents;

    fn dial(&self) -> impl Future<Output = Result<(LinkSender, LinkEvents), Unreached>> + 'static {
        let caller = Arc::clone(&self.0);
        async move {
            let link = caller.lock().await.call(TRY).await;
            link.map(Link::split).map_err(|error| {
                let may_yet = match &error {
                    TransportError::NoAnswer(_) | TransportError::System(_) => true,
                    TransportError::Refused(why) => !why.contains("version"),
                    TransportError::Fingerprint(_)
                    | TransportError::Vocabulary(_)
                    | TransportError::Protocol(_) => false,
                };
                Unreached { why: error.to_string(), may_yet }
            })
        }
    }
}

/// An edge that has come to the cloud.
#[derive(Debug)]
pub struct Newcomer<T, E> {
    /// The edge's number, as it introduced itself.
    pub edge: u32,
    /// What names it over all its links.
    pub client: ClientName,
    /// Sends to it.
    pub transport: T,
    /// What comes from it.
    pub events: E,
}

/// Where edges come from.
pub trait Arrivals {
    /// Sends to an edge.
    type Transport: Transport;
    /// What comes from an edge.
    type Events: Events;

    /// The next edge; None: nobody will come any more. Nobody is lost if the future is dropped.
    fn next(&mut self) -> impl Future<Output = Option<Newcomer<Self::Transport, Self::Events>>>;

    /// Whether nobody needs to come any more once there is neither a link nor a session left.
    fn ends_when_idle(&self) -> bool {
        false
    }

    /// How many were refused before they became one, if anybody is.
    fn refused(&self) -> u64 {
        0
    }
}

impl<T: Transport, E: Events> Arrivals for tokio::sync::mpsc::Receiver<Newcomer<T, E>> {
    type Transport = T;
    type Events = E;

    async fn next(&mut self) -> Option<Newcomer<T, E>> {
        self.recv().await
    }
}

impl Transport for LinkSender {
    fn send(&mut self, id: MessageId, message: &Message) {
        Self::send(self, id, message);
    }

    fn cancel(&mut self, id: MessageId) {
        Self::cancel(self, id);
    }

    fn begin_request(&mut self, request: u32) {
        Self::begin_request(self, request);
    }

    fn close(&mut self, why: &str) {
        self.end(why);
    }
}

impl Events for LinkEvents {
    fn next(&mut self) -> impl Future<Output = LinkEvent> + Send {
        Self::next(self)
    }
}

/// Strangers are refused by the server itself; here they are only counted.
impl Arrivals for Server {
    type Transport = LinkSender;
    type Events = LinkEvents;

    async fn next(&mut self) -> Option<Newcomer<LinkSender, LinkEvents>> {
        loop {
            match self.accept().await? {
                Arrival::Accepted(link) => {
                    let (transport, events) = link.split();
                    let (edge, client) = (transport.edge(), transport.client());
                    return Some(Newcomer { edge, client, transport, events });
                }
                Arrival::Refused { .. } => {}
            }
        }
    }

    fn refused(&self) -> u64 {
        Self::refused(self)
    }
}
