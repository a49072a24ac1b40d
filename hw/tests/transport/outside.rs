//! Uploads over a link outside the process's own making.

use std::time::{Duration, Instant};

use pipesd_core::ids::MessageId;
use pipesd_hw::transport::{Congestion, LinkEvent, Settings, Ticket, connect};

use crate::relay::{Conditions, Relay};
use crate::support::{accept, probed, receive, run, send, serve, settings, upload};

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
    assert!(conditions.drop_each.is_none() || relay.dropped() > 0, "no packet was dropped");
    send(&mut cloud, 0, &probed(3)).await;
    assert_eq!(receive(&mut edge).await.0, probed(3));
    f64::from(count) * 290_496.0 * 8.0 / (conditions.mbps * 1e6) / taken
}

#[test]
fn uploads_go_through_a_link_that_is_not_ours() {
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
