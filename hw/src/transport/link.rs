//! A link at work: what its two handles share, and the tasks behind them.

use std::net::SocketAddr;
use std::sync::Arc;

use pipesd_core::ids::MessageId;
use pipesd_core::message::Message;
use pipesd_core::wire;
use quinn::{Connection, ConnectionError, ReadError, RecvStream, SendStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::frame::{self, Frame, FrameError};
use super::sender::{Outbox, Outgoing, Sender, Startup};
use super::{ClientName, Code, LinkEvent, Settings};
use crate::net::Ways;
use crate::net::socket::{Departures, EmulatedSocket};

/// Events that wait for the owner, at most; then the peer waits.
const EVENTS_WAITING_MAX: usize = 256;

/// A connection between an edge and a cloud, introduced and ready.
#[derive(Debug)]
pub struct Link {
    sender: LinkSender,
    events: LinkEvents,
}

/// The half of a link that sends. Clones send on the same link.
#[derive(Clone, Debug)]
pub struct LinkSender {
    connection: Connection,
    outbox: Arc<Outbox>,
    settings: Arc<Settings>,
    emulated: Option<Arc<EmulatedSocket>>,
    edge: u32,
    client: ClientName,
}

/// The half of a link that tells what happens.
#[derive(Debug)]
pub struct LinkEvents {
    sent: mpsc::UnboundedReceiver<MessageId>,
    other: mpsc::Receiver<Happened>,
    closed: Option<LinkEvent>,
}

/// An event that waits for the owner.
#[derive(Debug)]
struct Happened {
    event: LinkEvent,
    /// What it takes of [`Settings::room`], given back when the owner has it.
    _room: Option<OwnedSemaphorePermit>,
}

/// What a link has done.
#[derive(Clone, Copy, Debug)]
pub struct LinkStats {
    /// QUIC's own count.
    pub quic: quinn::ConnectionStats,
    /// The emulated link's, if there is one at this end.
    pub emulated: Option<Ways>,
}

/// What a link is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) connection: Connection,
    pub(super) control: (SendStream, RecvStream),
    pub(super) settings: Arc<Settings>,
    pub(super) departures: Arc<Departures>,
    pub(super) startup: Option<Startup>,
    pub(super) emulated: Option<Arc<EmulatedSocket>>,
    pub(super) edge: u32,
    pub(super) client: ClientName,
    /// Given back when the link is over.
    pub(super) permit: Option<OwnedSemaphorePermit>,
    /// Kept as long as the link.
    pub(super) endpoint: quinn::Endpoint,
}

impl Link {
    /// Starts the link's tasks.
    pub(super) fn start(parts: Parts) -> Self {
        let Parts { connection, control, settings, departures, startup, emulated, edge, .. } =
            parts;
        let (client, permit, endpoint) = (parts.client, parts.permit, parts.endpoint);
        let (tell_sent, sent) = mpsc::unbounded_channel();
        let (tell, other) = mpsc::channel(EVENTS_WAITING_MAX);
        let outbox = Arc::new(Outbox::new(tell_sent));
        // Control goes out first. An error: the connection is over, which its tasks will find.
        let _ = control.0.set_priority(1);
        let sending = tokio::spawn(
            Sender {
                connection: connection.clone(),
                control: control.0,
                outbox: Arc::clone(&outbox),
                departures,
                startup,
            }
            .run(),
        );
        let room = Arc::new(Semaphore::new(settings.room()));
        let reader = Reader { connection: connection.clone(), settings, room, tell: tell.clone() };
        let settings = Arc::clone(&reader.settings);
        tokio::spawn(reader.clone().control(control.1));
        tokio::spawn(reader.streams());
        let watched = connection.clone();
        tokio::spawn(async move {
            let reason = watched.closed().await;
            // Ends soon after the connection; then each message has had its `Sent`.
            let _ = sending.await;
            drop((permit, endpoint));
            let event = ended(&reason);
            let _ = tell.send(Happened { event, _room: None }).await;
        });
        let sender = LinkSender { connection, outbox, settings, emulated, edge, client };
        Self { sender, events: LinkEvents { sent, other, closed: None } }
    }

    /// See [`LinkSender::send`].
    pub fn send(&self, id: MessageId, message: &Message) {
        self.sender.send(id, message);
    }

    /// See [`LinkSender::cancel`].
    pub fn cancel(&self, id: MessageId) {
        self.sender.cancel(id);
    }

    /// See [`LinkEvents::next`].
    pub async fn next_event(&mut self) -> LinkEvent {
        self.events.next().await
    }

    /// See [`LinkSender::close`].
    pub async fn close(&self) {
        self.sender.close().await;
    }

    /// The sending half, to be used beside the other.
    #[must_use]
    pub const fn sender(&self) -> &LinkSender {
        &self.sender
    }

    /// Both halves.
    #[must_use]
    pub fn split(self) -> (LinkSender, LinkEvents) {
        (self.sender, self.events)
    }
}

impl LinkSender {
    /// Sends a message after those sent before it. [`LinkEvent::Sent`] follows exactly once.
    ///
    /// If too many wait already ([`Settings::waiting_max`]), the connection is closed.
    pub fn send(&self, id: MessageId, message: &Message) {
        let mut body = Vec::new();
        wire::encode(message, &self.settings.format, &mut body);
        let apart = matches!(message, Message::Upload(_) | Message::Probe { .. });
        if !self.outbox.push(Outgoing { id, body, apart }, self.settings.waiting_max) {
            self.connection.close(Code::TooSlow.value(), b"too many messages wait to be sent");
        }
    }

    /// A message is of no use any more. One that waits is dropped; one under way on a stream of its
    /// own is cut short, unless the emulated link is not abortable; one on the control stream runs to
    /// its end.
    pub fn cancel(&self, id: MessageId) {
        self.outbox.cancel(id);
    }

    /// The edge begins to decode its request numbered `request`: an emulated link may have a rate for each.
    pub fn begin_request(&self, request: u32) {
        if let Some(socket) = &self.emulated {
            socket.begin_request(request);
        }
    }

    /// The peer's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    /// The edge's number, as it introduced itself.
    #[must_use]
    pub const fn edge(&self) -> u32 {
        self.edge
    }

    /// What names the edge over all its links.
    #[must_use]
    pub const fn client(&self) -> ClientName {
        self.client
    }

    /// What the link has done so far.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        let emulated = self.emulated.as_ref().map(|socket| socket.ways());
        LinkStats { quic: self.connection.stats(), emulated }
    }

    /// Ends the connection at once and tells the peer why, in up to 200 bytes.
    pub fn end(&self, why: &str) {
        let code = match why {
            DONE => Code::Done,
            CLOSING | FAILED => Code::Away,
            _ => Code::Ended,
        };
        let cut = (0..=why.len().min(200)).rev().find(|&at| why.is_char_boundary(at));
        self.connection.close(code.value(), &why.as_bytes()[..cut.unwrap_or_default()]);
    }

    /// Ends the connection; what has not been delivered is not. To be called when the peer has
    /// answered the last message: nothing else says that all has arrived.
    pub async fn close(&self) {
        self.end(DONE);
        self.connection.closed().await;
    }
}

impl LinkEvents {
    /// The next thing that happens. Nothing is lost if the future is dropped. After
    /// [`LinkEvent::Closed`] it says the same again.
    pub async fn next(&mut self) -> LinkEvent {
        if let Some(last) = &self.closed {
            // A message sent after the end has its `Sent`, too.
            let late = self.sent.try_recv().ok();
            return late.map_or_else(|| last.clone(), LinkEvent::Sent);
        }
        let event = tokio::select! {
            biased;
            Some(id) = self.sent.recv() => LinkEvent::Sent(id),
            Some(happened) = self.other.recv() => happened.event,
            else => LinkEvent::Closed("the runtime has ended".into()),
        };
        if event.is_last() {
            self.closed = Some(event.clone());
        }
        event
    }
}

/// Why a link ends whose work is done.
const DONE: &str = "done";
/// Why a cloud ends its links, to be taken up again with the next one.
pub(crate) const CLOSING: &str = "the cloud is closing";
pub(crate) const FAILED: &str = "the cloud has failed";

/// The last event of a connection.
fn ended(error: &ConnectionError) -> LinkEvent {
    let why = explain(error);
    match error {
        ConnectionError::TimedOut | ConnectionError::Reset => LinkEvent::Lost(why),
        ConnectionError::ApplicationClosed(close) if close.error_code == Code::Away.value() => {
            LinkEvent::Lost(why)
        }
        _ => LinkEvent::Closed(why),
    }
}

/// Why a connection is over, for people.
pub(super) fn explain(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            let reason = plain(&String::from_utf8_lossy(&close.reason));
            if close.error_code == Code::Done.value() {
                format!("the peer is done: {reason}")
            } else {
                format!("the peer closed the connection: {reason}")
            }
        }
        ConnectionError::LocallyClosed => "closed here".into(),
        ConnectionError::TimedOut => "nothing came from the peer for too long".into(),
        // The peer's words may be part of it.
        other => plain(&other.to_string()),
    }
}

/// Characters kept at most of what a peer says.
const SAID_MAX: usize = 200;

/// What a peer says, fit for a terminal: nothing in it moves the cursor, and it is short.
pub(super) fn plain(said: &str) -> String {
    let mut plain = String::new();
    for character in said.chars().take(SAID_MAX) {
        match character {
            '\'' | '"' => plain.push(character),
            other => plain.extend(other.escape_debug()),
        }
    }
    plain.chars().take(SAID_MAX).collect()
}

/// The tasks that read.
#[derive(Clone, Debug)]
struct Reader {
    connection: Connection,
    settings: Arc<Settings>,
    /// For bytes of messages that come or wait for the owner.
    room: Arc<Semaphore>,
    tell: mpsc::Sender<Happened>,
}

impl Reader {
    /// Reads the control stream in order.
    async fn control(self, mut stream: RecvStream) {
        loop {
            match self.read(&mut stream).await {
                Ok(Some(frame)) => {
                    if !self.receive(frame).await {
                        return;
                    }
                }
                Ok(None) => return self.refuse("the control stream was ended"),
                Err(error) => return self.complain(&error),
            }
        }
    }

    /// Takes streams of one message each.
    async fn streams(self) {
        while let Ok(stream) = self.connection.accept_uni().await {
            // As many at the same time as the peer may open.
            tokio::spawn(self.clone().stream(stream));
        }
    }

    async fn stream(self, mut stream: RecvStream) {
        match self.read(&mut stream).await {
            Ok(Some(frame)) => {
                if self.receive(frame).await
                    && let Err(error) = frame::read_end(&mut stream).await
                {
                    self.complain(&error);
                }
            }
            Ok(None) => self.refuse("a stream without a frame"),
            Err(error) => self.complain(&error),
        }
    }

    async fn read(&self, stream: &mut RecvStream) -> Result<Option<Frame>, FrameError> {
        frame::read_within(stream, self.settings.limits.frame_bytes_max, &self.room).await
    }

    async fn receive(&self, frame: Frame) -> bool {
        let Frame { body, transfer, room } = frame;
        match wire::decode(&body, &self.settings.limits) {
            Ok(message) => {
                drop(body);
                let event = LinkEvent::Received { message, transfer };
                self.tell.send(Happened { event, _room: Some(room) }).await.is_ok()
            }
            Err(error) => {
                self.refuse(&format!("malformed message: {error}"));
                false
            }
        }
    }

    fn complain(&self, error: &FrameError) {
        match error {
            // A message was called off, or the connection is over.
            FrameError::Stream(ReadError::Reset(_) | ReadError::ConnectionLost(_)) => {}
            other => self.refuse(&other.to_string()),
        }
    }

    /// The peer makes no sense: this connection ends, and no other.
    fn refuse(&self, why: &str) {
        self.connection.close(Code::Malformed.value(), why.as_bytes());
    }
}
