//! A link within the process: messages arrive as they are sent, at once and in order. For tests of all
//! that is not the transport.

use pipesd_core::ids::MessageId;
use pipesd_core::message::Message;
use pipesd_core::time::Duration;
use tokio::sync::mpsc;

use super::link::{Events, LinkEvent, Transport};

/// One end's sending half. Dropping it closes the link.
#[derive(Debug)]
pub struct Loopback {
    own: mpsc::UnboundedSender<LinkEvent>,
    peer: mpsc::UnboundedSender<LinkEvent>,
    open: bool,
}

/// One end's listening half.
#[derive(Debug)]
pub struct LoopbackEvents {
    events: mpsc::UnboundedReceiver<LinkEvent>,
}

/// Both halves of one end.
pub type End = (Loopback, LoopbackEvents);

/// The two ends of a link.
#[must_use]
pub fn pair() -> (End, End) {
    let (to_one, one) = mpsc::unbounded_channel();
    let (to_other, other) = mpsc::unbounded_channel();
    let end = |own: &mpsc::UnboundedSender<_>, peer: &mpsc::UnboundedSender<_>, events| {
        let half = Loopback { own: own.clone(), peer: peer.clone(), open: true };
        (half, LoopbackEvents { events })
    };
    (end(&to_one, &to_other, one), end(&to_other, &to_one, other))
}

impl Transport for Loopback {
    fn send(&mut self, id: MessageId, message: &Message) {
        let transfer = Duration::ZERO;
        let received = LinkEvent::Received { message: message.clone(), transfer };
        // Who does not listen any more does not miss it.
        let arrived = self.peer.send(received).is_ok();
        let _ = self.own.send(LinkEvent::Sent(id));
        if !arrived {
            self.close("the peer has gone");
        }
    }

    fn cancel(&mut self, _id: MessageId) {
        // It has arrived already.
    }

    fn close(&mut self, why: &str) {
        if core::mem::replace(&mut self.open, false) {
            let _ = self.own.send(LinkEvent::Closed(format!("closed here: {why}")));
            let _ = self.peer.send(LinkEvent::Closed(format!("the peer closed the link: {why}")));
        }
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.close("it has gone");
    }
}

impl Events for LoopbackEvents {
    async fn next(&mut self) -> LinkEvent {
        let gone = || LinkEvent::Closed("the peer has gone".into());
        self.events.recv().await.unwrap_or_else(gone)
    }
}
