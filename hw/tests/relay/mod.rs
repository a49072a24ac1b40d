//! A link outside the process's own making: a UDP relay that knows nothing of QUIC, with a rate, a
//! delay and a queue that drops.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Relays between one edge and one cloud until dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    over: Arc<AtomicBool>,
    dropped: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

/// What one direction does to packets: it drops each `n`-th, too, if asked to.
#[derive(Clone, Copy)]
pub(crate) struct Conditions {
    pub(crate) mbps: f64,
    pub(crate) way: Duration,
    pub(crate) queue_bytes: usize,
    pub(crate) drop_each: Option<u64>,
}

impl Relay {
    pub(crate) fn start(cloud: SocketAddr, conditions: Conditions) -> Self {
        let bind = || UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let (front, back) = (Arc::new(bind()), Arc::new(bind()));
        let address = front.local_addr().expect("an address");
        let over = Arc::new(AtomicBool::new(false));
        let dropped = Arc::new(AtomicU64::new(0));
        let (edge, known) = std::sync::mpsc::channel();
        let up = relay(&front, &back, (&over, &dropped), conditions, move |from| {
            let _ = edge.send(from);
            cloud
        });
        let mut to = None;
        let down = relay(&back, &front, (&over, &dropped), conditions, move |_| {
            *to.get_or_insert_with(|| known.recv().expect("the edge speaks first"))
        });
        Self { address, over, dropped, threads: vec![up, down] }
    }

    /// Packets that were dropped, both ways.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().expect("the relay ends"));
    }
}

/// One direction: a thread that receives, waits and sends.
fn relay(
    from: &Arc<UdpSocket>,
    to: &Arc<UdpSocket>,
    (over, dropped): (&Arc<AtomicBool>, &Arc<AtomicU64>),
    conditions: Conditions,
    mut address: impl FnMut(SocketAddr) -> SocketAddr + Send + 'static,
) -> JoinHandle<()> {
    let (from, to) = (Arc::clone(from), Arc::clone(to));
    let (over, dropped) = (Arc::clone(over), Arc::clone(dropped));
    std::thread::spawn(move || {
        let mut queue: VecDeque<(Instant, SocketAddr, Vec<u8>)> = VecDeque::new();
        let (mut free, mut number) = (Instant::now(), 0);
        let mut buffer = vec![0; 65_535];
        while !over.load(Ordering::Relaxed) {
            let now = Instant::now();
            while let Some((_, to_address, packet)) = queue.pop_front_if(|(at, ..)| *at <= now) {
                let _ = to.send_to(&packet, to_address);
            }
            let wait = queue.front().map_or(Duration::from_millis(20), |(at, ..)| {
                at.saturating_duration_since(now).max(Duration::from_micros(50))
            });
            from.set_read_timeout(Some(wait)).expect("a time-out");
            let Ok((length, sender)) = from.recv_from(&mut buffer) else { continue };
            let to_address = address(sender);
            number += 1;
            let now = Instant::now();
            let backlog =
                free.saturating_duration_since(now).as_secs_f64() * conditions.mbps * 125e3;
            let full = backlog as usize + length > conditions.queue_bytes;
            if full || conditions.drop_each.is_some_and(|n| number % n == 0) {
                dropped.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let serialised = length as f64 / (conditions.mbps * 125e3);
            free = free.max(now) + Duration::from_secs_f64(serialised);
            queue.push_back((free + conditions.way, to_address, buffer[..length].to_vec()));
        }
    })
}
