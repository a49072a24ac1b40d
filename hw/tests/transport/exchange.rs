//! Messages both ways, cancel, loss, the end of a link.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipesd_core::ids::MessageId;
use pipesd_core::message::Message;
use pipesd_core::rate::Rate;
use pipesd_hw::net::{Emulation, ShaperConfig};
use pipesd_hw::transport::{LinkEvent, Settings, connect};
use tokio::net::UdpSocket;

use crate::support::{
    accept, affine, close, closed, lossy, pair, probed, receive, run, send, serve, settings, upload,
};

#[test]
fn messages_arrive_whole_both_ways_and_each_is_sent_once() {
    run(async {
        let (_server, mut edge, mut cloud) = pair(&settings(), None).await;
        for round in 0..20 {
            let message = if round % 3 == 0 { close(7) } else { upload(round, 1 + round % 4) };
            send(&mut edge, u64::from(round), &message).await;
            assert_eq!(receive(&mut cloud).await.0, message);
            let reply = probed(u64::from(round));
            send(&mut cloud, u64::from(round), &reply).await;
            assert_eq!(receive(&mut edge).await.0, reply);
        }
        edge.close().await;
        assert!(closed(&mut edge).await.contains("closed here"));
        assert!(closed(&mut cloud).await.contains("the peer is done"));
    });
}

#[test]
fn a_lossy_late_link_delivers_all_with_control_in_order() {
    run(async {
        let jitter = Duration::from_millis(2);
        let plain = lossy(affine(40, 10), 0.03);
        let uplink = ShaperConfig { jitter, ..plain.uplink.clone() };
        let emulation = Emulation { uplink, ..plain };
        let (_server, mut edge, mut cloud) = pair(&settings(), Some(&emulation)).await;
        let count = 60;
        for number in 0..count {
            let message =
                if number % 3 == 0 { upload(number, 1) } else { close(u64::from(number)) };
            edge.send(MessageId(u64::from(number)), &message);
        }
        let (mut uploads, mut controls) = (Vec::new(), Vec::new());
        for _ in 0..count {
            match receive(&mut cloud).await.0 {
                Message::Upload(upload) => uploads.push(u64::from(upload.round.0)),
                other => controls.push(other.session().0),
            }
        }
        uploads.sort_unstable();
        let expected = |on_own_stream: bool| -> Vec<u64> {
            (0..u64::from(count)).filter(|number| (number % 3 == 0) == on_own_stream).collect()
        };
        assert_eq!(uploads, expected(true));
        assert_eq!(controls, expected(false));
        for number in 0..count {
            assert_eq!(edge.next_event().await, LinkEvent::Sent(MessageId(u64::from(number))));
        }
        let ways = edge.sender().stats().emulated.expect("an emulated link");
        assert!(ways.up.lost[0] > 0 && ways.up.offered[0] > 20 * 240, "{ways:?}");
    });
}

/// The second of two uploads, each 0.58 s at this rate, is sent after so long and so much if the
/// first is called off at a tenth of its way.
async fn called_off(abortable: bool) -> (Duration, Duration, Vec<u32>) {
    let emulation = Emulation { abortable, ..affine(4, 10) };
    let (_server, mut edge, mut cloud) = pair(&settings(), Some(&emulation)).await;
    let start = Instant::now();
    edge.send(MessageId(0), &upload(0, 1));
    edge.send(MessageId(1), &upload(1, 1));
    edge.send(MessageId(2), &upload(2, 1));
    tokio::time::sleep(Duration::from_millis(60)).await;
    edge.cancel(MessageId(0));
    // One that waits is dropped at once, whatever the link.
    edge.cancel(MessageId(2));
    let mut sent = [Duration::ZERO; 3];
    for _ in 0..3 {
        let LinkEvent::Sent(id) = edge.next_event().await else { panic!("`Sent` is next") };
        sent[id.0 as usize] = start.elapsed();
    }
    assert!(sent[2] < Duration::from_millis(300), "{sent:?}");
    edge.cancel(MessageId(1));
    let mut rounds = Vec::new();
    for _ in 0..if abortable { 1 } else { 2 } {
        if let Message::Upload(upload) = receive(&mut cloud).await.0 {
            rounds.push(upload.round.0);
        }
    }
    let more = tokio::time::timeout(Duration::from_millis(200), edge.next_event()).await;
    assert!(more.is_err(), "each is sent once: {more:?}");
    (sent[0], sent[1], rounds)
}

#[test]
fn an_upload_called_off_is_cut_short_on_an_abortable_link_and_runs_on_otherwise() {
    let (first, second, rounds) = run(called_off(true));
    assert_eq!(rounds, [1]);
    assert!(first < Duration::from_millis(300), "{first:?}");
    let (first_whole, second_whole, rounds) = run(called_off(false));
    assert_eq!(rounds, [0, 1]);
    assert!(first_whole > Duration::from_millis(500), "{first_whole:?}");
    assert!(second_whole > second + Duration::from_millis(200), "{second:?} {second_whole:?}");
}

#[test]
fn the_startup_is_in_force_and_the_receiver_sees_it() {
    run(async {
        let startup = Duration::from_millis(100);
        let emulation = Emulation { startup, ..affine(20, 10) };
        let (_server, mut edge, mut cloud) = pair(&settings(), Some(&emulation)).await;
        // 100 ms and 116 ms of serialisation.
        let sent = send(&mut edge, 0, &upload(0, 1)).await;
        let (_, transfer) = receive(&mut cloud).await;
        for time in [sent, transfer] {
            assert!(time > Duration::from_millis(200), "{sent:?} {transfer:?}");
        }
        send(&mut edge, 1, &close(1)).await;
        let (_, transfer) = receive(&mut cloud).await;
        assert!(transfer > Duration::from_millis(95), "{transfer:?}");
    });
}

#[test]
fn an_emulated_link_has_the_rate_of_the_request_that_is_decoded() {
    run(async {
        // A token takes 232 ms and 58 ms.
        let rates = vec![10_000_000, 40_000_000];
        let rate = Rate::PerRequest { rates, first: 0, random_first: false };
        let plain = affine(10, 10);
        let uplink = ShaperConfig { rate, ..plain.uplink.clone() };
        let emulation = Emulation { uplink, ..plain };
        let (_server, mut edge, mut cloud) = pair(&settings(), Some(&emulation)).await;
        for (request, least, most) in [(0, 220, 500), (1, 50, 200), (2, 220, 500), (3, 50, 200)] {
            edge.sender().begin_request(request);
            send(&mut edge, u64::from(request), &upload(request, 1)).await;
            let (_, transfer) = receive(&mut cloud).await;
            let [least, most] = [least, most].map(Duration::from_millis);
            assert!(least < transfer && transfer < most, "request {request}: {transfer:?}");
        }
    });
}

#[test]
fn when_the_peer_is_gone_each_message_has_its_sent_and_closed_comes_last() {
    run(async {
        let settings = Settings { idle: Duration::from_secs(1), ..settings() };
        let (server, mut edge, cloud) = pair(&settings, Some(&affine(1, 10))).await;
        for id in 0..5 {
            edge.send(MessageId(id), &upload(0, 4));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.close().await;
        drop(cloud);
        let mut sent = Vec::new();
        let why = loop {
            match edge.next_event().await {
                LinkEvent::Sent(id) => sent.push(id.0),
                LinkEvent::Closed(why) | LinkEvent::Lost(why) => break why,
                other @ LinkEvent::Received { .. } => panic!("{other:?}"),
            }
        };
        assert_eq!(sent, [0, 1, 2, 3, 4]);
        assert!(why.contains("the cloud is closing"), "{why}");
        edge.send(MessageId(5), &close(1));
        assert_eq!(edge.next_event().await, LinkEvent::Sent(MessageId(5)));
        assert!(matches!(edge.next_event().await, LinkEvent::Closed(_)));
    });
}

/// Relays to a cloud. The first that comes has its first packet answered, and then nothing any more: as if
/// the cloud had been killed, and another one served in its place.
async fn killed_in_a_handshake(front: UdpSocket, cloud: SocketAddr) {
    let mut backs: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    let (front, mut first, mut packet) = (Arc::new(front), None, vec![0; 65_536]);
    loop {
        let (length, edge) = front.recv_from(&mut packet).await.expect("a packet");
        if let Some(back) = backs.get(&edge) {
            if first != Some(edge) {
                back.send_to(&packet[..length], cloud).await.expect("sent");
            }
            continue;
        }
        let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a socket"));
        back.send_to(&packet[..length], cloud).await.expect("sent");
        backs.insert(edge, Arc::clone(&back));
        let lives = first.is_some();
        first = first.or(Some(edge));
        let front = Arc::clone(&front);
        tokio::spawn(async move {
            let mut packet = vec![0; 65_536];
            loop {
                let length = back.recv(&mut packet).await.expect("a packet");
                front.send_to(&packet[..length], edge).await.expect("sent");
                if !lives {
                    return;
                }
            }
        });
    }
}

#[test]
fn a_cloud_that_is_started_anew_in_the_middle_of_a_handshake_is_reached_all_the_same() {
    run(async {
        let mut server = serve(&settings());
        let front = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let ticket = server.ticket(front.local_addr().expect("an address"));
        tokio::spawn(killed_in_a_handshake(front, server.address()));
        let begun = Instant::now();
        let settings = settings();
        let edge = connect(&ticket, &settings, None);
        let (edge, mut cloud) = tokio::join!(edge, accept(&mut server));
        let mut edge = edge.expect("a link");
        // By another try, not by the end of the first one's time.
        let took = begun.elapsed();
        assert!((Duration::from_secs(1)..settings.handshake).contains(&took), "{took:?}");
        send(&mut edge, 0, &close(7)).await;
        assert_eq!(receive(&mut cloud).await.0, close(7));
    });
}
