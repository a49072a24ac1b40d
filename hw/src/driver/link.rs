//! What the driver needs of a transport: send, cancel, close, and a stream of what happens. QUIC is one;
//! [`loopback`](super::loopback) another, within the process.

use core::future::Future;

use pipesd_core::ids::MessageId;
use pipesd_core::message::Message;

pub use crate::transport::LinkEvent;
use crate::transport::{Arrival, LinkEvents, LinkSender, Server};

/// The half of a link that sends.
pub trait Transport {
    /// Sends a message after those sent before it. [`LinkEvent::Sent`] follows exactly once.
    fn send(&mut self, id: MessageId, message: &Message);

    /// A message is of no use any more: what can still be dropped of it is.
    fn cancel(&mut self, id: MessageId);

    /// Ends the link; the peer is told why where the transport can. [`LinkEvent::Closed`] follows.
    fn close(&mut self, why: &str);
}

/// The half of a link that tells what happens.
pub trait Events: Send + 'static {
    /// The next thing that happens. Nothing is lost if the future is dropped. The last one is
    /// [`LinkEvent::Closed`]; each message sent has had its `Sent` by then.
    fn next(&mut self) -> impl Future<Output = LinkEvent> + Send;
}

/// An edge that has come to the cloud.
#[derive(Debug)]
pub struct Newcomer<T, E> {
    /// The edge's number, as it introduced itself.
    pub edge: u32,
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
                    let edge = transport.edge();
                    return Some(Newcomer { edge, transport, events });
                }
                Arrival::Refused { .. } => {}
            }
        }
    }

    fn refused(&self) -> u64 {
        Self::refused(self)
    }
}
