//! What edges and sessions that do nothing cost a cloud's process: the whole of it, as the system counts.

use pipesd_core::ids::{MessageId, SessionId, TokenId};
use pipesd_core::message::{Message, Request};
use pipesd_core::payload::Payload;
use pipesd_core::time::Duration;
use pipesd_core::verification::{Drafting, Temperature, Terms, Verification};
use pipesd_hw::driver::LinkEvent;
use pipesd_hw::transport::{LinkEvents, LinkSender, Settings, Ticket, connect};

use crate::processes::Cloud;
use crate::support::folder;

/// Edges, and sessions of each in the end: as many as a cloud and a client may have.
const EDGES: u64 = 60;
const SESSIONS: u64 = 64;

/// An edge that has sessions and asks nothing of them.
struct Idle<'a> {
    ticket: &'a Ticket,
    settings: Settings,
    link: LinkSender,
    events: LinkEvents,
    sessions: u64,
}

impl<'a> Idle<'a> {
    async fn connect(ticket: &'a Ticket) -> Self {
        // Heard of as often as the cloud wants it.
        let settings = Settings { idle: Duration::from_millis(1500), ..Settings::default() };
        let (link, events) = Self::link(ticket, &settings).await;
        Self { ticket, settings, link, events, sessions: 0 }
    }

    async fn link(ticket: &Ticket, settings: &Settings) -> (LinkSender, LinkEvents) {
        connect(ticket, settings, None).await.expect("the cloud answers").split()
    }

    /// Opens sessions until it has so many.
    async fn open(&mut self, sessions: u64, prompt: &[TokenId], text: u32) {
        while self.sessions < sessions {
            let request = Request {
                session: SessionId(self.sessions),
                prompt: prompt.to_vec(),
                budget: text + 1,
                stop_ids: vec![],
                temperature: Temperature::default(),
                seed: 0,
                text: (1..=text).map(TokenId).collect(),
            };
            let (verification, drafting) = (Verification::Match, Drafting::Argmax);
            let terms = Terms { verification, drafting, payload: Payload::Ids };
            let message = Message::Open { request, terms, opening: 0 };
            self.link.send(MessageId(self.sessions), &message);
            while !self.is_opened().await {
                self.link.send(MessageId(self.sessions), &message);
            }
            self.sessions += 1;
        }
    }

    /// Waits for the answer; false: the machine was busy and the link was lost, there is another.
    async fn is_opened(&mut self) -> bool {
        loop {
            match self.events.next().await {
                LinkEvent::Received { message: Message::Opened { .. }, .. } => return true,
                LinkEvent::Sent(_) => {}
                LinkEvent::Lost(_) => {
                    (self.link, self.events) = Self::link(self.ticket, &self.settings).await;
                    return false;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Bytes of an edge with its link and its first session, and of each further session.
fn measured(
    name: &str,
    arguments: &[&str],
    (edges, sessions): (u64, u64),
    (prompt, text): (&[TokenId], u32),
) -> [f64; 2] {
    // Its limits are out of the way.
    let arguments = [arguments, &["--set", "client_sessions=64"]].concat();
    let mut cloud = Cloud::start(&folder(name), &arguments);
    let ticket: Ticket = cloud.ticket().parse().expect("a ticket");
    let mut memory = || 1024.0 * cloud.resident_kb() as f64;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let opening = async {
        // The first makes room that others find there.
        let mut all = vec![Idle::connect(&ticket).await];
        all[0].open(1, prompt, text).await;
        let before = memory();
        for _ in 1..edges {
            all.push(Idle::connect(&ticket).await);
            all.last_mut().expect("one").open(1, prompt, text).await;
        }
        let connected = memory();
        for edge in &mut all {
            edge.open(sessions, prompt, text).await;
        }
        let further = (edges * (sessions - 1)) as f64;
        let each = (memory() - connected) / further;
        [(connected - before) / (edges - 1) as f64, each]
    };
    let bounded = async { tokio::time::timeout(Duration::from_secs(120), opening).await };
    runtime.expect("a runtime").block_on(bounded).expect("within two minutes")
}

#[test]
fn an_idle_session_of_a_live_cloud_takes_kilobytes_beside_the_targets_cache() {
    let quick = "verify_prefill_per_token_ms=0";
    let arguments = ["--set", "prompt_tokens=150", "--set", quick];
    let prompt = pipesd_hw::backend::emulated::prompt(0, 150);
    let [edge, session] = measured("idle", &arguments, (EDGES, SESSIONS), (&prompt, 129));
    let in_a_gibibyte = f64::from(1 << 30) / session;
    println!("an edge {edge:.0} bytes, a session {session:.0} bytes: {in_a_gibibyte:.0} in 1 GiB");
    // docs/operating.md says 46 kB and 2 kB.
    assert!((20e3..500e3).contains(&edge), "{edge} bytes");
    assert!((1e3..10e3).contains(&session), "{session} bytes");
}

#[cfg(feature = "models")]
#[test]
fn an_idle_session_of_the_shipped_pair_takes_its_cache() {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    let arguments = ["--backend", "models", "--pair", "small", "--models", models];
    let prompt: Vec<TokenId> = (1..=280).map(TokenId).collect();
    let [_, session] = measured("idle-models", &arguments, (2, 40), (&prompt, 0));
    // Keys and values of 5 layers, 7 heads, 32 numbers of 4 bytes, for the 512 tokens that 280 are given.
    let cache = f64::from(2 * 5 * 7 * 32 * 4 * 512);
    println!("a session {session:.0} bytes, of which {cache:.0} are the cache's");
    assert!((0.8..1.5).contains(&(session / cache)), "{session} bytes, the cache {cache}");
}
