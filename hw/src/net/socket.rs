//! The wrappers under quinn's UDP socket: `EmulatedSocket` delays what goes out before it leaves
//! and what comes in before quinn sees it; `PlainSocket` only tells when something has left.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use pipesd_core::fault::Way;
use pipesd_core::time::Instant;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};
use serde::{Deserialize, Serialize};
use tokio::io::ReadBuf;
use tokio::sync::Notify;

use super::shaper::{Direction, Fate, Overflow, Shaper};
use super::weather::Faults;
use super::{Emulation, Timekeeper};

/// What has left the bottleneck: the transport waits for it.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    /// Bytes of UDP payload that the bottleneck still holds.
    backlog: AtomicU64,
    /// Something has left.
    pub(crate) changed: Notify,
}

impl Departures {
    /// Bytes of UDP payload taken from quinn that have not left the bottleneck.
    pub(crate) fn backlog(&self) -> u64 {
        self.backlog.load(Ordering::Acquire)
    }
}

/// Where the packets of one direction are. Conservation: offered = delivered + lost + overflowed +
/// in flight. A packet that is held was not offered yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayAccount {
    /// Packets and bytes of UDP payload that came to the link.
    pub offered: [u64; 2],
    /// Those that the receiver got (uplink: the operating system took).
    pub delivered: [u64; 2],
    /// Those lost behind the bottleneck.
    pub lost: [u64; 2],
    /// Those for which there was no room: in the queue, or in memory.
    pub overflowed: [u64; 2],
}

impl WayAccount {
    /// Packets and bytes that are on the link.
    #[must_use]
    pub fn in_flight(&self) -> [u64; 2] {
        std::array::from_fn(|i| {
            self.offered[i] - self.delivered[i] - self.lost[i] - self.overflowed[i]
        })
    }
}

const fn count(counter: &mut [u64; 2], bytes: u64) {
    counter[0] += 1;
    counter[1] += bytes;
}

/// The accounts of both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    /// From edge to cloud.
    pub up: WayAccount,
    /// Back.
    pub down: WayAccount,
}

/// Packets on the way in one direction, at most: what comes beyond is dropped. At 1.2 kB it is more
/// than a second at 400 Mbit/s.
const IN_FLIGHT_MAX: u64 = 1 << 16;
/// Packets taken from the operating system before other tasks have their turn.
const READS_MAX: u32 = 64;
/// The longest datagram.
const DATAGRAM_MAX: usize = 65_535;
/// A writer is woken when there is room for so much: an Ethernet frame.
const PACKET_BYTES: u64 = 1500;

/// A UDP socket behind an emulated link, both ways.
#[derive(Debug)]
pub(crate) struct EmulatedSocket {
    /// Another one, when the edge's address changes.
    io: Mutex<Arc<tokio::net::UdpSocket>>,
    shared: Arc<Shared>,
    timekeeper: Arc<Timekeeper>,
}

/// What the socket shares with the timekeeper's thread.
#[derive(Debug)]
struct Shared {
    /// The same socket, for sending from the thread.
    out: Mutex<UdpSocket>,
    state: Mutex<State>,
    departures: Arc<Departures>,
}

#[derive(Debug)]
struct State {
    up: Shaper,
    down: Shaper,
    faults: Faults,
    ways: Ways,
    /// Come through the downlink, and not taken by quinn yet.
    arrived: VecDeque<(SocketAddr, Vec<u8>)>,
    receiver: Option<Waker>,
    /// Tasks that wait for room, and when they will be woken.
    writers: Vec<Waker>,
    wake: Option<Instant>,
    buffer: Vec<u8>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A packet has left the bottleneck.
    fn depart(&self, bytes: u64) {
        self.departures.backlog.fetch_sub(bytes, Ordering::AcqRel);
        self.departures.changed.notify_waiters();
    }

    /// A packet has come to the end of the uplink: it goes to the operating system.
    fn send(&self, to: SocketAddr, packet: &[u8]) {
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = out.send_to(packet, to);
        drop(out);
        let mut state = self.lock();
        // Never an error of the connection: to QUIC it is a lost packet.
        let counter = match sent {
            Ok(_) => &mut state.ways.up.delivered,
            Err(_) => &mut state.ways.up.lost,
        };
        count(counter, packet.len() as u64);
    }

    /// A packet has come to the end of the downlink: quinn may have it.
    fn deliver(&self, from: SocketAddr, packet: Vec<u8>) {
        let mut state = self.lock();
        count(&mut state.ways.down.delivered, packet.len() as u64);
        state.arrived.push_back((from, packet));
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    fn wake_writers(&self) {
        let mut state = self.lock();
        state.wake = None;
        let writers = std::mem::take(&mut state.writers);
        drop(state);
        writers.into_iter().for_each(Waker::wake);
    }
}

impl EmulatedSocket {
    /// Wraps `socket`. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// If a condition is out of range, or the system refuses.
    pub(crate) fn new(
        socket: UdpSocket,
        emulation: &Emulation,
        timekeeper: Arc<Timekeeper>,
        departures: Arc<Departures>,
    ) -> io::Result<Self> {
        let shaper = |config, direction| {
            Shaper::new(config, emulation.seed, direction, emulation.edge)
                .map_err(|problem| io::Error::new(io::ErrorKind::InvalidInput, problem))
        };
        if emulation.downlink.overflow == Overflow::Hold {
            let problem = "downlink: what has arrived cannot be held back: `overflow` is `drop`";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let state = State {
            up: shaper(&emulation.uplink, Direction::Up)?,
            down: shaper(&emulation.downlink, Direction::Down)?,
            faults: Faults::new(emulation),
            ways: Ways::default(),
            arrived: VecDeque::new(),
            receiver: None,
            writers: Vec::new(),
            wake: None,
            buffer: vec![0; DATAGRAM_MAX],
        };
        socket.set_nonblocking(true)?;
        let out = Mutex::new(socket.try_clone()?);
        let shared = Arc::new(Shared { out, state: Mutex::new(state), departures });
        let io = Mutex::new(Arc::new(tokio::net::UdpSocket::from_std(socket)?));
        Ok(Self { io, shared, timekeeper })
    }

    fn io(&self) -> Arc<tokio::net::UdpSocket> {
        Arc::clone(&self.io.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Goes on from another port. An error: the system has none, and the edge stays where it is.
    fn move_away(&self) -> io::Result<()> {
        let socket = UdpSocket::bind((self.io().local_addr()?.ip(), 0))?;
        socket.set_nonblocking(true)?;
        let out = socket.try_clone()?;
        let io = Arc::new(tokio::net::UdpSocket::from_std(socket)?);
        *self.io.lock().unwrap_or_else(PoisonError::into_inner) = io;
        *self.shared.out.lock().unwrap_or_else(PoisonError::into_inner) = out;
        // Whoever waits for what comes waits at the old one.
        if let Some(receiver) = self.shared.lock().receiver.take() {
            receiver.wake();
        }
        Ok(())
    }

    /// The edge begins to decode its request numbered `request`; see [`Shaper::begin_request`].
    pub(crate) fn begin_request(&self, request: u32) {
        let now = self.timekeeper.now();
        let mut state = self.shared.lock();
        state.up.begin_request(now, request);
        state.down.begin_request(now, request);
    }

    /// Where the packets are.
    pub(crate) fn ways(&self) -> Ways {
        self.shared.lock().ways
    }

    /// Whether an outgoing packet of `bytes` must wait.
    fn is_held(&self, state: &mut State, now: Instant, bytes: u64) -> Option<Instant> {
        if state.up.config().overflow == Overflow::Drop {
            return None;
        }
        state.up.room(now, bytes).err()
    }

    /// Puts one incoming packet on the downlink.
    fn receive(&self, now: Instant, from: SocketAddr, length: usize) {
        let mut state = self.shared.lock();
        let bytes = length as u64;
        count(&mut state.ways.down.offered, bytes);
        // What quinn has not taken yet is in memory, too.
        let held = state.ways.down.in_flight()[0] + state.arrived.len() as u64;
        let fate =
            if held > IN_FLIGHT_MAX { Fate::Overflowed } else { state.down.offer(now, bytes) };
        let meeting = state.faults.meet(Way::Down, length);
        match fate {
            Fate::Carried { .. } if meeting.lost => count(&mut state.ways.down.lost, bytes),
            Fate::Carried { release, .. } => {
                let mut packet = state.buffer[..length].to_vec();
                meeting.spoil(&mut packet);
                if meeting.twice {
                    count(&mut state.ways.down.offered, bytes);
                }
                drop(state);
                for _ in 0..1 + u32::from(meeting.twice) {
                    let (shared, packet) = (Arc::clone(&self.shared), packet.clone());
                    let release = release + meeting.late;
                    self.timekeeper.at(release, move || shared.deliver(from, packet));
                }
            }
            Fate::Lost { .. } => count(&mut state.ways.down.lost, bytes),
            Fate::Overflowed => count(&mut state.ways.down.overflowed, bytes),
        }
    }

    /// Puts all on the downlink that the operating system has; registers for more.
    fn drain_system(&self, cx: &mut Context<'_>) -> io::Result<()> {
        let io = self.io();
        for _ in 0..READS_MAX {
            let mut state = self.shared.lock();
            let mut buffer = ReadBuf::new(&mut state.buffer);
            let polled = io.poll_recv_from(cx, &mut buffer);
            let length = buffer.filled().len();
            drop(state);
            match polled {
                Poll::Ready(Ok(from)) => self.receive(self.timekeeper.now(), from, length),
                // An earlier packet met a closed port: no error of this socket.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }
}

impl AsyncUdpSocket for EmulatedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(RoomPoller(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let (now, bytes) = (self.timekeeper.now(), transmit.contents.len() as u64);
        let mut state = self.shared.lock();
        if self.is_held(&mut state, now, bytes).is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        count(&mut state.ways.up.offered, bytes);
        let full = state.ways.up.in_flight()[0] > IN_FLIGHT_MAX;
        let fate = if full { Fate::Overflowed } else { state.up.offer(now, bytes) };
        let meeting = state.faults.meet(Way::Up, transmit.contents.len());
        let fate = match fate {
            Fate::Carried { departure, .. } if meeting.lost => Fate::Lost { departure },
            fate => fate,
        };
        let moves = state.faults.must_move();
        let (departure, release) = match fate {
            Fate::Carried { departure, release } => (departure, Some(release)),
            Fate::Lost { departure } => {
                count(&mut state.ways.up.lost, bytes);
                (departure, None)
            }
            Fate::Overflowed => {
                count(&mut state.ways.up.overflowed, bytes);
                return Ok(());
            }
        };
        let twice = meeting.twice && release.is_some();
        if twice {
            count(&mut state.ways.up.offered, bytes);
        }
        drop(state);
        if moves {
            // An error: it stays where it is.
            let _ = self.move_away();
        }
        self.shared.departures.backlog.fetch_add(bytes, Ordering::AcqRel);
        let shared = Arc::clone(&self.shared);
        self.timekeeper.at(departure, move || shared.depart(bytes));
        if let Some(release) = release {
            let (to, mut packet) = (transmit.destination, transmit.contents.to_vec());
            meeting.spoil(&mut packet);
            for _ in 0..1 + u32::from(twice) {
                let (shared, packet) = (Arc::clone(&self.shared), packet.clone());
                self.timekeeper.at(release + meeting.late, move || shared.send(to, &packet));
            }
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.drain_system(cx)?;
        let mut state = self.shared.lock();
        let mut taken = 0;
        while taken < bufs.len().min(meta.len())
            && let Some((addr, packet)) = state.arrived.pop_front()
        {
            // One longer than quinn's buffer is none of QUIC's.
            let len = packet.len().min(bufs[taken].len());
            bufs[taken][..len].copy_from_slice(&packet[..len]);
            meta[taken] = RecvMeta { addr, len, stride: len, ecn: None, dst_ip: None };
            taken += 1;
        }
        if taken > 0 {
            return Poll::Ready(Ok(taken));
        }
        state.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io().local_addr()
    }

    // One packet at a time, both ways: each has a fate of its own.
}

/// Waits for room on the uplink.
#[derive(Debug)]
struct RoomPoller(Arc<EmulatedSocket>);

impl UdpPoller for RoomPoller {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = &self.0;
        let mut state = socket.shared.lock();
        let Some(room) = socket.is_held(&mut state, socket.timekeeper.now(), PACKET_BYTES) else {
            return Poll::Ready(Ok(()));
        };
        if !state.writers.iter().any(|writer| writer.will_wake(cx.waker())) {
            state.writers.push(cx.waker().clone());
        }
        if state.wake.is_none_or(|wake| room < wake) {
            state.wake = Some(room);
            drop(state);
            let shared = Arc::clone(&socket.shared);
            socket.timekeeper.at(room, move || shared.wake_writers());
        }
        Poll::Pending
    }
}

/// The operating system's socket as quinn drives it, which tells when something has left.
#[derive(Debug)]
pub(crate) struct PlainSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    departures: Arc<Departures>,
}

impl PlainSocket {
    /// Wraps `socket`. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn new(socket: UdpSocket, departures: Arc<Departures>) -> io::Result<Self> {
        Ok(Self { inner: TokioRuntime.wrap_udp_socket(socket)?, departures })
    }
}

impl AsyncUdpSocket for PlainSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.inner.try_send(transmit)?;
        self.departures.changed.notify_waiters();
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(cx, bufs, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use pipesd_core::rate::Rate;
    use pipesd_core::seed::Seed;
    use pipesd_core::time::Duration;

    use super::*;
    use crate::net::{Beginning, ShaperConfig};

    fn emulation() -> Emulation {
        let plain = ShaperConfig::plain(Rate::Constant(100_000_000), Duration::from_millis(1));
        let plain =
            ShaperConfig { loss: 0.2, queue_bytes: 30_000, overflow: Overflow::Drop, ..plain };
        Emulation {
            uplink: plain.clone(),
            downlink: plain,
            startup: Duration::ZERO,
            abortable: false,
            seed: Seed(1),
            edge: 0,
            faults: Arc::default(),
            since: Beginning::now(),
        }
    }

    fn bound() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").expect("a socket")
    }

    fn transmit(contents: &[u8], destination: SocketAddr) -> Transmit<'_> {
        Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None }
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test)
    }

    #[test]
    fn every_packet_is_delivered_lost_or_overflowed_and_its_bytes_with_it() {
        run(async {
            let keeper = Arc::new(Timekeeper::start().expect("a thread"));
            let departures = Arc::new(Departures::default());
            let (own, told) = (Arc::clone(&keeper), Arc::clone(&departures));
            let socket = EmulatedSocket::new(bound(), &emulation(), own, told).expect("good");
            let far = bound();
            let to = far.local_addr().expect("an address");
            for _ in 0..100 {
                socket.try_send(&transmit(&[7; 1000], to)).expect("a full queue drops");
            }
            assert!(departures.backlog() > 0);
            while socket.ways().up.in_flight() != [0, 0] {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let up = socket.ways().up;
            assert_eq!(up.offered, [100, 100_000]);
            assert!(up.delivered[0] > 0 && up.lost[0] > 0 && up.overflowed[0] > 0, "{up:?}");
            far.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
            for _ in 0..up.delivered[0] {
                far.recv_from(&mut [0; 2000]).expect("what was delivered is there");
            }
            // Nothing but the test holds the thread any more.
            drop(socket);
            assert_eq!(Arc::strong_count(&keeper), 1);
        });
    }

    #[test]
    fn a_full_queue_holds_its_sender_and_wakes_it_when_there_is_room() {
        run(async {
            let keeper = Arc::new(Timekeeper::start().expect("a thread"));
            let plain = emulation();
            let uplink = ShaperConfig { overflow: Overflow::Hold, ..plain.uplink.clone() };
            let held = Emulation { uplink, ..plain };
            let socket = EmulatedSocket::new(bound(), &held, keeper, Arc::default());
            let socket = Arc::new(socket.expect("good"));
            let to = bound().local_addr().expect("an address");
            let packet = [7; 1000];
            let mut poller = Arc::clone(&socket).create_io_poller();
            let mut waits = 0;
            for _ in 0..100 {
                while let Err(error) = socket.try_send(&transmit(&packet, to)) {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    std::future::poll_fn(|cx| poller.as_mut().poll_writable(cx))
                        .await
                        .expect("room");
                    waits += 1;
                }
            }
            assert!(waits > 0, "100 kB do not fit a queue of 30 kB");
            assert_eq!(socket.ways().up.overflowed, [0, 0]);
        });
    }

    #[test]
    fn what_has_arrived_cannot_be_held_back() {
        run(async {
            let keeper = Arc::new(Timekeeper::start().expect("a thread"));
            let plain = emulation();
            let downlink = ShaperConfig { overflow: Overflow::Hold, ..plain.downlink.clone() };
            let wrong = Emulation { downlink, ..plain };
            let error = EmulatedSocket::new(bound(), &wrong, keeper, Arc::default());
            assert!(error.expect_err("refused").to_string().contains("`overflow` is `drop`"));
        });
    }
}
