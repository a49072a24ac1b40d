//! Packets that come from another address than before: an edge has moved, or somebody pretends that it has.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pipesd_core::ids::MessageId;
use pipesd_hw::transport::{LinkEvent, connect};
use tokio::net::UdpSocket;

use super::support::{accept, close, probed, receive, run, send, serve, settings, upload};

/// As many packets as in a burst of the edge: the cloud may then answer for as long as it tries to.
const BURST: u32 = 8;
/// The relay does what relays do.
const AS_EVER: u32 = u32::MAX;

/// Relays between an edge and its cloud. So many packets of the edge, if it is not as ever, come to the cloud
/// from another address, where nobody is; after them all are lost, both ways.
async fn relay(front: UdpSocket, cloud: SocketAddr, elsewhere: Arc<AtomicU32>) {
    let bind = || UdpSocket::bind("127.0.0.1:0");
    let (back, other) = (bind().await.expect("a socket"), bind().await.expect("a socket"));
    let (mut edge, mut up, mut down) = (None, vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            came = front.recv_from(&mut up) => {
                let (length, from) = came.expect("a packet");
                edge = Some(from);
                let way = match elsewhere.load(Ordering::Relaxed) {
                    AS_EVER => &back,
                    0 => continue,
                    left => {
                        elsewhere.store(left - 1, Ordering::Relaxed);
                        &other
                    }
                };
                way.send_to(&up[..length], cloud).await.expect("sent");
            }
            came = back.recv(&mut down) => {
                let length = came.expect("a packet");
                if let Some(edge) = edge && elsewhere.load(Ordering::Relaxed) == AS_EVER {
                    front.send_to(&down[..length], edge).await.expect("sent");
                }
            }
        }
    }
}

/// With debug assertions quinn-proto 0.11 panics here, and the cloud with it: its timer for what was lost is
/// still that of the address that nobody was found at (quinn, issue 2658; Cargo.toml).
#[test]
fn a_link_that_seems_to_move_and_is_not_found_there_goes_on_where_it_was() {
    run(async {
        let mut server = serve(&settings());
        let front = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let ticket = server.ticket(front.local_addr().expect("an address"));
        let elsewhere = Arc::new(AtomicU32::new(AS_EVER));
        tokio::spawn(relay(front, server.address(), Arc::clone(&elsewhere)));
        let settings = settings();
        let edge = connect(&ticket, &settings, None);
        let (edge, mut cloud) = tokio::join!(edge, accept(&mut server));
        let mut edge = edge.expect("a link");
        for round in 0..3 {
            send(&mut edge, 0, &close(round.into())).await;
            assert_eq!(receive(&mut cloud).await.0, close(round.into()));
            send(&mut cloud, 0, &probed(round.into())).await;
            assert_eq!(receive(&mut edge).await.0, probed(round.into()));
            // All of it is acknowledged: the old address has nothing to wait for.
            tokio::time::sleep(Duration::from_millis(200)).await;
            elsewhere.store(BURST, Ordering::Relaxed);
            edge.send(MessageId(1), &upload(round, 1));
            // The other address is tried, and given up.
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(elsewhere.swap(AS_EVER, Ordering::Relaxed), 0);
            assert_eq!(edge.next_event().await, LinkEvent::Sent(MessageId(1)));
            assert_eq!(receive(&mut cloud).await.0, upload(round, 1));
        }
    });
}
