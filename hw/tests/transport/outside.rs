//! A link outside the process's own making: a UDP relay that knows nothing of QUIC, with a rate, a
//! delay and a queue that drops.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pipesd_core::ids::MessageId;
use pipesd_hw::transport::{Congestion, LinkEvent, Settings, Ticket, connect};

use crate::support::{accept, probed, receive, run, send, serve, settings, upload};

/// Relays between one edge and one cloud until dropped.
struct Relay {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What one direction does to packets: it drops each `n`-th, too, if asked to.
#[derive(Clone, Copy)]
struct Conditions {
    mbps: f64,
    way: Duration,
    queue_bytes: usize,
    drop_each: Option<u64>,
}

impl Relay {
    fn start(cloud: SocketAddr, conditions: Conditions) -> Self {
        let bind = || UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let (front, back) = (Arc::new(bind()), Arc::new(bind()));
        let address = front.local_addr().expect("an address");
        let over = Arc::new(AtomicBool::new(false));
        let (edge, known) = std::sync::mpsc::channel();
        let up = relay(&front, &back, Arc::clone(&over), conditions, move |from| {
            let _ = edge.send(from);
            cloud
        });
        let mut to = None;
        let down = relay(&back, &front, Arc::clone(&over), conditions, move |_| {
            *to.get_or_insert_with(|| known.recv().expect("the edge speaks first"))
        });
        Self { address, over, threads: vec![up, down] }
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
    over: Arc<AtomicBool>,
    conditions: Conditions,
    mut address: impl FnMut(SocketAddr) -> SocketAddr + Send + 'static,
) -> JoinHandle<()> {
    let (from, to) = (Arc::clone(from), Arc::clone(to));
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
                continue;
            }
            let serialised = length as f64 / (conditions.mbps * 125e3);
            free = free.max(now) + Duration::from_secs_f64(serialised);
            queue.push_back((free + conditions.way, to_address, buffer[..length].to_vec()));
        }
    })
}

/// Sends uploads through the relay; tells the share of its rate that they got.
async fn through(settings: &Settings, conditions: Conditions, count: u32) -> f64 {
    let mut server = serve(settings);
    let relay = Relay::start(server.address(), conditions);
    let ticket = Ticket { address: relay.address, ..server.ticket(server.address()) };
    let (edge, cloud) = tokio::join!(connect(&ticket, settings, None), accept(&mut server));
    let (mut edge, mut cloud) = (edge.expect("a link"), cloud);
    let start = Instant::now();
    for id in 0..count {
        edge.send(MessageId(u64::from(id)), &upload(id, 1));
    }
    let (mut sent, mut rounds) = (0, Vec::new());
    while rounds.len() < count as usize || sent < count {
        tokio::select! {
            event = edge.next_event() => match event {
                LinkEvent::Sent(id) if id.0 == u64::from(sent) => sent += 1,
                other => panic!("{other:?}"),
            },
            (message, _) = receive(&mut cloud) => rounds.push(message),
        }
    }
    let taken = start.elapsed().as_secs_f64();
    for round in 0..count {
        assert!(rounds.contains(&upload(round, 1)));
    }
    send(&mut cloud, 0, &probed(3)).await;
    assert_eq!(receive(&mut edge).await.0, probed(3));
    f64::from(count) * 290_496.0 * 8.0 / (conditions.mbps * 1e6) / taken
}

#[test]
fn a_run_goes_through_a_link_that_is_not_ours() {
    run(async {
        let way = Duration::from_millis(5);
        let conditions = Conditions { mbps: 20.0, way, queue_bytes: 64_000, drop_each: Some(101) };
        let share = through(&settings(), conditions, 10).await;
        assert!(share < 1.0, "the relay's rate is in force: {share}");
        assert!(share > 0.2, "loss does not make it collapse: {share}");
    });
}

#[test]
#[ignore = "timing: run alone"]
fn congestion_controllers_compared_on_a_link_that_drops() {
    for (drop_each, queue_bytes) in
        [(None, 64_000), (None, 250_000), (Some(100), 64_000), (Some(50), 64_000)]
    {
        for congestion in [Congestion::Cubic, Congestion::Bbr] {
            let settings = Settings { congestion: Some(congestion), ..settings() };
            let way = Duration::from_millis(10);
            let conditions = Conditions { mbps: 20.0, way, queue_bytes, drop_each };
            let share = run(through(&settings, conditions, 20));
            println!(
                "relay of 20 Mbit/s, RTT 20 ms, queue {queue_bytes} B, every {drop_each:?}th lost: \
                 {congestion:?} {:.1} % of the rate",
                100.0 * share
            );
        }
    }
}
