//! A link is told which request is decoded: an emulated one may have a rate for each.

use std::sync::{Arc, Mutex};

use pipesd_core::ids::MessageId;
use pipesd_core::message::Message;
use pipesd_hw::driver::loopback::{self, Loopback};
use pipesd_hw::driver::{
    CloudSetup, EdgeSetup, Newcomer, Transport, drive_cloud, drive_edge, one_after_another,
};
use pipesd_hw::transport::ClientName;
use tokio::sync::mpsc;

use crate::support::{
    CLOUD, DUAL, SEED, VOCABULARY, block_on, draft, edge, never, playback, requests, target,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Request(u32),
    Message(u32),
}

/// A link within the process that keeps what it hears of requests.
struct Listening {
    link: Loopback,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Listening {
    fn hear(&self, heard: Heard) {
        self.heard.lock().expect("sound").push(heard);
    }
}

impl Transport for Listening {
    fn send(&mut self, id: MessageId, message: &Message) {
        if matches!(message, Message::Open { .. } | Message::Upload(_)) {
            self.hear(Heard::Message(message.session().request()));
        }
        self.link.send(id, message);
    }

    fn cancel(&mut self, id: MessageId) {
        self.link.cancel(id);
    }

    fn begin_request(&mut self, request: u32) {
        self.hear(Heard::Request(request));
    }

    fn close(&mut self, why: &str) {
        self.link.close(why);
    }
}

#[test]
fn a_link_is_told_of_each_request_before_anything_of_it_is_sent() {
    let playback = playback(&[20, 12, 16]);
    let (one, (transport, events)) = loopback::pair();
    let (door, mut arrivals) = mpsc::channel(1);
    let client = ClientName::numbered(0);
    door.try_send(Newcomer { edge: 0, client, transport, events }).expect("room for one");
    drop(door);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let link = (Listening { link: one.0, heard: Arc::clone(&heard) }, one.1);
    let setup = EdgeSetup::new(0, edge(DUAL), VOCABULARY, SEED);
    let queue = one_after_another(requests(&playback));
    block_on(async {
        let edge = drive_edge(setup, draft(&playback), link, queue, never());
        let cloud =
            drive_cloud(CloudSetup::new(CLOUD, SEED), target(&playback), &mut arrivals, never());
        let (edge, cloud) = tokio::join!(edge, cloud);
        assert_eq!(edge.expect("all is decoded").texts.len(), 3);
        cloud.expect("the cloud ends when its edge is gone");
    });
    let heard = heard.lock().expect("sound");
    let mut under_way = None;
    for heard in heard.iter() {
        match *heard {
            Heard::Request(request) => {
                assert_eq!(request, under_way.map_or(0, |before| before + 1u32), "in order");
                under_way = Some(request);
            }
            Heard::Message(request) => assert_eq!(Some(request), under_way),
        }
    }
    assert_eq!(under_way, Some(2));
    assert!(heard.len() > 12, "{heard:?}");
}
