//! What one client can do to another at a live cloud, over QUIC: a polite edge drafts and waits for its
//! verdicts, a greedy client has as many sessions as it may, and a NAV of each always waits. The same as
//! the core's `tests/fairness.rs` has in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipesd_core::cloud::{CloudConfig, QueueOrder};
use pipesd_core::ids::{MessageId, PrefixHash, RoundId, SessionId, TokenId};
use pipesd_core::message::{Message, Upload, Verdict};
use pipesd_core::payload::{Payload, WireFormat};
use pipesd_hw::backend::emulated::{Latencies, Playback};
use pipesd_hw::driver::{CloudSetup, EdgeSetup, LinkEvent, drive_edge, one_after_another};
use pipesd_hw::transport::{LinkEvents, LinkSender, Settings, Ticket, connect};

use crate::quic::serve;
use crate::support::{SEED, VOCABULARY, block_on, draft, edge, never, target, trace};

/// Output tokens of the polite edge, and of a session of the greedy one, which does not come so far.
const TOKENS: [u32; 2] = [160, 3000];
/// Drafts of the polite one's rounds, of the greedy one's, and of long ones.
const DRAFTS: usize = 8;
const LONG: usize = 200;
const SESSIONS: u64 = 8;

const EIGHT: &str = "trigger = 'fixed_length'\n draft_length = 8\n upload = 'at_nav'\n \
     waiting = 'idle'\n verification = 'match'\n";

/// Texts with the times of S1.
fn played() -> Arc<Playback> {
    let latencies = Latencies {
        step: Duration::from_millis(44),
        verify: Duration::from_millis(45),
        verify_per_token: Duration::from_millis(1),
        ..Latencies::default()
    };
    Arc::new(Playback::new(trace(&TOKENS), VOCABULARY, latencies).expect("a sound trace"))
}

/// Any token: what it is does not change what it costs.
const DRAFT: TokenId = TokenId(1);

/// Where a session's next round stands.
#[derive(Clone, Copy)]
struct Place {
    round: u32,
    parent: Option<RoundId>,
    start: u32,
    prefix: PrefixHash,
}

impl Place {
    const BEGIN: Self = Self { round: 0, parent: None, start: 0, prefix: PrefixHash::EMPTY };

    fn learn(&mut self, verdict: &Verdict) {
        let accepted = vec![DRAFT; verdict.accepted as usize];
        self.prefix = self.prefix.extend(&accepted).extend(verdict.extra.as_slice());
        self.start += verdict.accepted + u32::from(verdict.extra.is_some());
        self.parent = Some(verdict.round);
    }

    fn next(&mut self, session: SessionId, drafts: usize) -> Upload {
        let round = RoundId(self.round);
        self.round += 1;
        let Self { parent, start, prefix, .. } = *self;
        let (guess, offset, evidence, nav) = (None, 0, vec![], Some(drafts as u32));
        let tokens = vec![DRAFT; drafts];
        Upload { session, round, parent, start, prefix, guess, offset, tokens, evidence, nav }
    }
}

/// Asks for all that it may have, in rounds of so many drafts, until its link is over; counts its verdicts.
async fn greedy(
    playback: &Playback,
    link: LinkSender,
    mut events: LinkEvents,
    drafts: usize,
    verdicts: &mut u64,
) {
    let mut sent = 0;
    let mut send = |message: Message| {
        link.send(MessageId(sent), &message);
        sent += 1;
    };
    let mut places = BTreeMap::new();
    for id in 0..SESSIONS {
        let session = SessionId(id);
        let (request, terms) = (playback.request(session, 1, SEED.0), edge(EIGHT).terms());
        places.insert(session, Place::BEGIN);
        send(Message::Open { request, terms, opening: 0 });
    }
    loop {
        let message = match events.next().await {
            LinkEvent::Received { message, .. } => message,
            event if event.is_last() => return,
            _ => continue,
        };
        let session = message.session();
        let place = places.get_mut(&session).expect("it has opened no other");
        match message {
            Message::Opened { .. } => {}
            Message::Verdict(verdict) => {
                *verdicts += 1;
                place.learn(&verdict);
            }
            other => panic!("{other:?}"),
        }
        send(Message::Upload(place.next(session, drafts)));
    }
}

fn settings() -> Settings {
    let format = WireFormat { payload: Payload::Ids, vocabulary: VOCABULARY };
    Settings { format, ..Settings::default() }
}

/// Time per token of the polite edge \[ms\], and verdicts meanwhile for the greedy one, if one is there,
/// which has rounds of so many drafts.
fn polite(config: CloudConfig, beside: Option<usize>) -> (f64, u64) {
    let playback = played();
    let served = serve(settings(), CloudSetup::new(config, SEED), target(&playback));
    let mut verdicts = 0;
    let report = block_on(async {
        let link = |ticket: Ticket| async move {
            connect(&ticket, &settings(), None).await.expect("the cloud answers")
        };
        let (sender, events) = link(served.ticket.clone()).await.split();
        let other = async {
            if let Some(drafts) = beside {
                greedy(&playback, sender, events, drafts, &mut verdicts).await;
            }
            never().await;
        };
        let own = link(served.ticket.clone()).await.split();
        let requests = one_after_another(vec![playback.request(SessionId(0), 0, SEED.0)]);
        let setup = EdgeSetup::new(0, edge(EIGHT), VOCABULARY, SEED);
        tokio::select! {
            report = drive_edge(setup, draft(&playback), own, requests, never()) => report,
            () = other => unreachable!("it goes on"),
        }
    });
    // An error: the cloud has ended with its last link.
    let _ = served.over.send(());
    served.thread.join().expect("no panic").0.expect("served");
    let report = report.expect("all is decoded");
    assert_eq!(report.texts[0].tokens, playback.truth(0));
    let counts = report.counts;
    (counts.decoding.as_secs_f64() * 1000.0 / counts.output as f64, verdicts)
}

#[test]
fn a_greedy_client_costs_another_less_than_a_fifth_of_its_time_per_token_live() {
    let (alone, _) = polite(CloudConfig::DEFAULT, None);
    let most = 1.2 * alone;
    for (verify_batch_max, drafts) in [(1, DRAFTS), (4, DRAFTS), (1, LONG)] {
        let config = CloudConfig::batching(verify_batch_max);
        let (mut beside, mut verdicts) = polite(config, Some(drafts));
        for _ in 0..2 {
            if beside < most {
                break;
            }
            // Other tests have the machine as well: it may have stood still.
            (beside, verdicts) = polite(config, Some(drafts));
        }
        println!(
            "passes of {verify_batch_max}: {alone:.1} ms per token alone, {beside:.1} beside rounds of \
             {drafts} drafts, which have {verdicts} verdicts meanwhile"
        );
        assert!(beside < most, "passes of {verify_batch_max}: {beside} against {alone}");
        // It has what nobody else wants, and if it costs too much a seventh of the target.
        assert!(verdicts > if drafts == LONG { 5 } else { 80 }, "{verdicts}");
    }
    for (queue, drafts, least) in
        [(QueueOrder::FirstCome, DRAFTS, 1.5), (QueueOrder::Fair, LONG, 1.3)]
    {
        let config = CloudConfig { queue, ..CloudConfig::DEFAULT };
        let (behind, _) = polite(config, Some(drafts));
        println!("{queue:?}, {drafts} drafts: {behind:.1} ms");
        assert!(behind > least * alone, "{queue:?}: {behind} against {alone}");
    }
}
