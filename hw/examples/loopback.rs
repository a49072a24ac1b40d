//! What a message costs on loopback, without emulation: `cargo run --release -p pipesd-hw --example
//! loopback`. Both ends run on one one-thread runtime, ids alone are sent.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real time is what is measured here"
)]

use std::time::{Duration, Instant};

use pipesd_core::ids::{MessageId, PrefixHash, RoundId, SessionId, TokenId};
use pipesd_core::message::{Message, Upload, UploadReport};
use pipesd_hw::transport::{Arrival, Identity, Link, LinkEvent, Server, Settings, connect};

const ROUNDS: u32 = 20_000;

fn upload(round: u32) -> Message {
    Message::Upload(Upload {
        session: SessionId(1),
        round: RoundId(round),
        parent: None,
        start: 0,
        prefix: PrefixHash::EMPTY,
        guess: None,
        offset: 0,
        tokens: (0..4).map(TokenId).collect(),
        evidence: Vec::new(),
        nav: Some(4),
    })
}

fn reply() -> Message {
    let report = UploadReport { tokens: 4, transfer: Duration::from_millis(1) };
    Message::Probed { session: SessionId(1), report }
}

/// Waits until a message has come and one has been sent.
async fn exchanged(link: &mut Link, mut received: bool, mut sent: bool) {
    while !(received && sent) {
        match link.next_event().await {
            LinkEvent::Received { .. } => received = true,
            LinkEvent::Sent(_) => sent = true,
            LinkEvent::Closed(why) | LinkEvent::Lost(why) => panic!("{why}"),
        }
    }
}

async fn measure() {
    let settings = Settings::default();
    let identity = Identity::create().expect("a key");
    let address = "127.0.0.1:0".parse().expect("an address");
    let mut server = Server::bind(address, &identity, &settings).expect("a socket");
    let ticket = server.ticket(server.address());
    let connecting = connect(&ticket, &settings, None);
    let start = Instant::now();
    let (edge, arrival) = tokio::join!(connecting, server.accept());
    println!("connected in {:?}", start.elapsed());
    let (Ok(mut edge), Some(Arrival::Accepted(mut cloud))) = (edge, arrival) else {
        panic!("an edge and its cloud");
    };
    for (name, message) in [
        ("upload on its own stream", upload(0)),
        ("control", Message::Close { session: SessionId(1) }),
    ] {
        let mut times = Vec::new();
        for id in 0..ROUNDS {
            let start = Instant::now();
            edge.send(MessageId(u64::from(id)), &message);
            exchanged(&mut cloud, false, true).await;
            cloud.send(MessageId(u64::from(id)), &reply());
            tokio::join!(exchanged(&mut edge, false, false), exchanged(&mut cloud, true, false));
            times.push(start.elapsed());
        }
        times.sort();
        let at = |share: usize| times[times.len() * share / 100];
        let (median, slow) = (at(50), at(99));
        println!(
            "{name} and a reply, each with its Sent: median {median:.1?}, 99 % within {slow:.1?}; \
             for each message {:.1?}",
            median / 2
        );
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(measure());
}
