//! The sending half of a link: one message at a time, and when its last byte has left.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pipesd_core::ids::MessageId;
use pipesd_core::time::Duration;
use quinn::{Connection, ConnectionError, SendStream, WriteError};
use tokio::sync::{Notify, mpsc};

use super::Code;
use super::frame::PREFIX_BYTES;
use crate::net::Timekeeper;
use crate::net::socket::Departures;

/// Bytes of a packet that are no stream data, at least: header (1 + 8), packet number (1), tag (16),
/// frame type and stream (2). A lower bound: a message is never waited for that has left.
const OVERHEAD_LEAST: u64 = 28;

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) id: MessageId,
    pub(super) body: Vec<u8>,
    /// Whether it has a stream of its own.
    pub(super) apart: bool,
}

/// What waits to be sent.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
    /// A message's `Sent`: as many as there are sends, so it needs no bound of its own.
    sent: mpsc::UnboundedSender<MessageId>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Outgoing>,
    serving: Option<MessageId>,
    /// The message being served was called off.
    cancelled: bool,
    closed: bool,
}

impl Outbox {
    pub(super) fn new(sent: mpsc::UnboundedSender<MessageId>) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), sent }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, id: MessageId) {
        // An error: nobody listens any more.
        let _ = self.sent.send(id);
    }

    /// Takes a message. False: too many wait already, and it was dropped.
    pub(super) fn push(&self, outgoing: Outgoing, waiting_max: usize) -> bool {
        let mut state = self.lock();
        if state.closed || state.waiting.len() >= waiting_max {
            let closed = state.closed;
            drop(state);
            self.tell(outgoing.id);
            return closed;
        }
        state.waiting.push_back(outgoing);
        drop(state);
        self.changed.notify_one();
        true
    }

    /// A message is of no use any more.
    pub(super) fn cancel(&self, id: MessageId) {
        let mut state = self.lock();
        if let Some(place) = state.waiting.iter().position(|outgoing| outgoing.id == id) {
            state.waiting.remove(place);
            drop(state);
            self.tell(id);
        } else if state.serving == Some(id) {
            state.cancelled = true;
            drop(state);
            self.changed.notify_one();
        }
    }

    async fn next(&self) -> Outgoing {
        loop {
            {
                let mut state = self.lock();
                if let Some(outgoing) = state.waiting.pop_front() {
                    state.serving = Some(outgoing.id);
                    state.cancelled = false;
                    return outgoing;
                }
            }
            self.changed.notified().await;
        }
    }

    /// The message being served is called off.
    async fn cancelled(&self) {
        while !self.lock().cancelled {
            self.changed.notified().await;
        }
    }

    fn served(&self, id: MessageId) {
        self.lock().serving = None;
        self.tell(id);
    }

    /// Nothing will be sent any more: all that waits has its `Sent`.
    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let serving = state.serving.take();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        serving.into_iter().for_each(|id| self.tell(id));
        waiting.into_iter().for_each(|outgoing| self.tell(outgoing.id));
    }
}

/// What is special about an emulated link.
#[derive(Clone, Debug)]
pub(super) struct Startup {
    pub(super) timekeeper: Arc<Timekeeper>,
    /// α.
    pub(super) time: Duration,
    pub(super) abortable: bool,
}

/// The task that serves messages.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) connection: Connection,
    pub(super) control: SendStream,
    pub(super) outbox: Arc<Outbox>,
    pub(super) departures: Arc<Departures>,
    pub(super) startup: Option<Startup>,
}

/// The connection is over.
struct Over;

impl From<WriteError> for Over {
    fn from(_: WriteError) -> Self {
        Self
    }
}

impl From<ConnectionError> for Over {
    fn from(_: ConnectionError) -> Self {
        Self
    }
}

/// How far the connection's packets had come when a message began.
#[derive(Clone, Copy)]
struct Mark {
    sent: u64,
    lost: u64,
}

impl Sender {
    /// Serves messages until the connection is over.
    pub(super) async fn run(mut self) {
        loop {
            let outgoing = tokio::select! {
                outgoing = self.outbox.next() => outgoing,
                _ = self.connection.closed() => break,
            };
            let id = outgoing.id;
            let served = if outgoing.apart {
                self.upload(outgoing.body).await
            } else {
                self.control(outgoing.body).await
            };
            if served.is_err() {
                // The reason may still be on its way.
                self.connection.closed().await;
                break;
            }
            self.outbox.served(id);
        }
        self.outbox.close();
    }

    /// A message in its order on the control stream. It cannot be cut short.
    async fn control(&mut self, body: Vec<u8>) -> Result<(), Over> {
        let (mark, length) = (self.mark(), (PREFIX_BYTES + body.len()) as u64);
        Self::write(&self.connection, &self.departures, &self.startup, &mut self.control, body)
            .await?;
        tokio::select! {
            () = Self::departed(&self.connection, &self.departures, mark, length, false) => Ok(()),
            _ = self.connection.closed() => Err(Over),
        }
    }

    /// A message on a stream of its own.
    async fn upload(&mut self, body: Vec<u8>) -> Result<(), Over> {
        let (connection, departures) = (&self.connection, &self.departures);
        let abortable = self.startup.as_ref().is_none_or(|startup| startup.abortable);
        let cancelled = async {
            self.outbox.cancelled().await;
            if !abortable {
                std::future::pending::<()>().await;
            }
        };
        tokio::pin!(cancelled);
        let mut stream = tokio::select! {
            biased;
            () = &mut cancelled => return Ok(()),
            stream = connection.open_uni() => stream?,
        };
        // What was lost of an earlier upload goes out before this one. An error: it was stopped.
        let _ = stream.set_priority(Self::priority(&stream));
        let (mark, length) = (self.mark(), (PREFIX_BYTES + body.len()) as u64);
        let sent = {
            let stream = &mut stream;
            let sending = async {
                Self::write(connection, departures, &self.startup, stream, body).await?;
                // An error: the peer has stopped the stream, and wants no more.
                let _ = stream.finish();
                tokio::select! {
                    () = Self::departed(connection, departures, mark, length, true) => Ok(()),
                    // All is acknowledged, whatever the reckoning says.
                    _ = stream.stopped() => Ok(()),
                    _ = connection.closed() => Err(Over),
                }
            };
            tokio::select! {
                biased;
                () = &mut cancelled => None,
                sent = sending => Some(sent),
            }
        };
        sent.unwrap_or_else(|| {
            // An error: it is over anyway.
            let _ = stream.reset(Code::Done.value());
            Ok(())
        })
    }

    /// Writes a frame. On an emulated link its length goes ahead, so that the receiver sees when the
    /// message began, and the body follows after the start-up.
    async fn write(
        connection: &Connection,
        departures: &Departures,
        startup: &Option<Startup>,
        stream: &mut SendStream,
        body: Vec<u8>,
    ) -> Result<(), Over> {
        let prefix = (body.len() as u32).to_le_bytes();
        let Some(Startup { timekeeper, time, .. }) = startup else {
            let mut frame = [Bytes::copy_from_slice(&prefix), Bytes::from(body)];
            return Ok(stream.write_all_chunks(&mut frame).await?);
        };
        let start = timekeeper.now();
        let mark = Self::mark_of(connection);
        stream.write_all(&prefix).await?;
        tokio::select! {
            () = Self::departed(connection, departures, mark, PREFIX_BYTES as u64, false) => {}
            _ = connection.closed() => return Err(Over),
        }
        if !time.is_zero() {
            timekeeper.sleep_until(start + *time).await;
        }
        Ok(stream.write_chunk(Bytes::from(body)).await?)
    }

    /// Lower from upload to upload, and below that of the control stream.
    fn priority(stream: &SendStream) -> i32 {
        i32::try_from(stream.id().index()).map_or(i32::MIN, |index| -index)
    }

    fn mark(&self) -> Mark {
        Self::mark_of(&self.connection)
    }

    fn mark_of(connection: &Connection) -> Mark {
        let stats = connection.stats();
        let sent = stats.udp_tx.bytes.saturating_sub(OVERHEAD_LEAST * stats.udp_tx.datagrams);
        Mark { sent, lost: stats.path.lost_bytes }
    }

    /// Waits until `length` bytes of stream have left since `mark`.
    ///
    /// With `resent`, what was lost meanwhile is taken off: it goes out again, before new data. A
    /// short message on the control stream does without: what is lost need not be its own.
    async fn departed(
        connection: &Connection,
        departures: &Departures,
        mark: Mark,
        length: u64,
        resent: bool,
    ) {
        loop {
            let changed = departures.changed.notified();
            tokio::pin!(changed);
            // From here on no departure is missed.
            changed.as_mut().enable();
            let now = Self::mark_of(connection);
            let lost = if resent { now.lost.saturating_sub(mark.lost) } else { 0 };
            // The bottleneck's backlog is whole packets, headers and all; it is empty in the end.
            if now.sent >= mark.sent + length + lost + departures.backlog() {
                return;
            }
            changed.await;
        }
    }
}
