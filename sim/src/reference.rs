//! Reference lines: what other ways to deploy the same two models take, on the same texts, latencies
//! and links.
//!
//! | line | what runs where |
//! |---|---|
//! | [`cloud_only`] | the target in the cloud, token by token; each is streamed down |
//! | [`edge_only`] | both models on the edge, nothing crosses the network |
//! | [`serial`] | plain speculative decoding across the network; nothing overlaps |
//!
//! The clairvoyant bound is in [`crate::bound`].

use core::ops::RangeInclusive;

use pipesd_core::ids::MessageId;
use pipesd_core::message::Message;
use pipesd_core::payload::WireFormat;
use pipesd_core::seed::Seed;
use pipesd_core::summary::Summary;
use pipesd_core::time::{Duration, Instant, as_millis};

use crate::link::{Link, LinkEvent};
use crate::world::{RunError, Setup, link_in_run, run, truths};

/// A deployment's figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    /// Decoding time per output token \[ms\], prefill and start-up apart.
    pub tpt_ms: f64,
    /// Mean time from a request to its first token \[ms\]; None: not measured.
    pub ttft_ms: Option<f64>,
}

/// Cloud-only streaming: the target decodes alone and sends each token as it comes.
///
/// A token takes a pass without drafts (the NAV's GPU base at its position, without the server's
/// overhead of a NAV) and a reply's bytes on the downlink. The upload of the prompt, its prefill and
/// one overhead are in the time to the first token. Decoding lasts from then to the arrival of
/// the last token. The requests are those of the first edge, one after another.
///
/// Where `edges` share the cloud they take turns, `verify_batch_max` of them in a pass, as their NAVs
/// would: a token of each user takes as many passes as all of them need, each as long as this user's,
/// and the other users' tokens in it cost what verified tokens do. All users ask all the time.
#[must_use]
pub fn cloud_only(setup: &Setup, seed: Seed) -> Reference {
    let payload = setup.edge.method.payload;
    let format = WireFormat { payload, vocabulary: setup.profile.vocabulary };
    let [up, down] = [&setup.uplink, &setup.downlink].map(|link| link_in_run(link, seed));
    let mut uplink = Line::new(Link::new(&up, seed.stream("uplink", 0)));
    let mut downlink = Line::new(Link::new(&down, seed.stream("downlink", 0)));
    let verification = &setup.profile.verification;
    let shares = shares(u64::from(setup.edges), u64::from(setup.cloud.verify_batch_max));
    let mut now = Instant::ZERO;
    let (mut decoding, mut first_token) = (Duration::ZERO, Duration::ZERO);
    let (mut tokens, mut requests) = (0_u64, 0_u64);
    for truth in truths(setup, seed) {
        let submitted = now;
        for (line, config) in [(&mut uplink, &up), (&mut downlink, &down)] {
            line.link.begin_request(config.rate(), truth.session.request());
        }
        let terms = setup.edge.terms();
        let open = Message::Open { request: truth.request, terms, opening: 0 };
        let opened = uplink.carry(&[(submitted, format.message_bytes(&open))])[0];
        let (overhead, _) = truth.passes[0];
        let [_, prefill] = truth.prefill;
        let begun = opened + prefill + overhead;
        let mut at = begun;
        let sent: Vec<(Instant, u64)> = truth
            .passes
            .iter()
            .map(|&(_, base_ms)| {
                for &users in &shares {
                    at += verification.pass(base_ms, users - 1);
                }
                (at, WireFormat::reply_bytes())
            })
            .collect();
        let arrived = downlink.carry(&sent);
        now = *arrived.iter().max().expect("a text has tokens");
        decoding += now - begun;
        first_token += arrived[0] - submitted;
        tokens += sent.len() as u64;
        requests += 1;
    }
    Reference {
        tpt_ms: as_millis(decoding) / tokens as f64,
        ttft_ms: Some(as_millis(first_token) / requests as f64),
    }
}

/// Users in each of the passes that give every one of `users` a token, at most `batch` in one.
fn shares(users: u64, batch: u64) -> Vec<u64> {
    let passes = users.div_ceil(batch);
    (0..passes).map(|pass| (users - pass * batch).min(batch)).collect()
}

/// A link and the number of its next message.
struct Line {
    link: Link,
    next: u64,
}

impl Line {
    const fn new(link: Link) -> Self {
        Self { link, next: 0 }
    }

    /// When messages arrive that are offered at these times, which rise, with these sizes.
    fn carry(&mut self, messages: &[(Instant, u64)]) -> Vec<Instant> {
        let first = self.next;
        let mut arrived = vec![None; messages.len()];
        let mut offers = messages.iter().peekable();
        while arrived.iter().any(Option::is_none) {
            let wake = self.link.next_wake();
            if let Some(&&(at, bytes)) = offers.peek()
                && wake.is_none_or(|wake| at < wake)
            {
                offers.next();
                self.link.offer(at, MessageId(self.next), bytes);
                self.next += 1;
                continue;
            }
            let now = wake.expect("a message that was offered arrives");
            while let Some(event) = self.link.poll(now) {
                if let LinkEvent::Delivered { id, .. } = event {
                    arrived[(id.0 - first) as usize] = Some(now);
                }
            }
        }
        arrived.into_iter().flatten().collect()
    }
}

/// Edge-only decoding: the profile's measured time per token, slower as the scenario's device is.
/// None: not measured. So is the time to the first token.
#[must_use]
pub fn edge_only(setup: &Setup) -> Option<Reference> {
    setup.profile.edge_only_ms.map(|tpt_ms| Reference { tpt_ms, ttft_ms: None })
}

/// Draft lengths that [`serial`] tries.
pub const SERIAL_LENGTHS: RangeInclusive<u32> = 1..=16;

/// The serial split: fixed draft length, uploaded with the NAV request, idle while waiting.
#[derive(Clone, Debug, PartialEq)]
pub struct Serial {
    /// The length with the least mean time per token over the seeds.
    pub draft_length: u32,
    /// Its means over the seeds.
    pub mean: Reference,
    /// Its runs, one for each seed.
    pub runs: Vec<Summary>,
    /// Mean time per token of every length tried \[ms\].
    pub tpt_ms_by_length: Vec<(u32, f64)>,
}

/// The serial split at the draft length that is best for this setup over `seeds`, each length run in
/// the simulator. Of equal lengths the shortest.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// Without seeds.
pub fn serial(setup: &Setup, seeds: &[Seed]) -> Result<Serial, RunError> {
    assert!(!seeds.is_empty(), "a mean is over at least one seed");
    let mean = |runs: &[Summary], of: fn(&Summary) -> f64| {
        runs.iter().map(of).sum::<f64>() / runs.len() as f64
    };
    let mut best: Option<Serial> = None;
    let mut tpt_ms_by_length = Vec::new();
    for draft_length in SERIAL_LENGTHS {
        let setup = Setup { edge: setup.edge.serial(draft_length), record: false, ..setup.clone() };
        let summaries = seeds.iter().map(|&seed| Ok(run(&setup, seed)?.summary));
        let runs = summaries.collect::<Result<Vec<Summary>, RunError>>()?;
        let tpt_ms = mean(&runs, |summary| summary.tpt_ms);
        tpt_ms_by_length.push((draft_length, tpt_ms));
        if best.as_ref().is_none_or(|best| tpt_ms < best.mean.tpt_ms) {
            let ttft_ms = Some(mean(&runs, |summary| summary.ttft_ms));
            let mean = Reference { tpt_ms, ttft_ms };
            best = Some(Serial { draft_length, mean, runs, tpt_ms_by_length: Vec::new() });
        }
    }
    let best = best.expect("some length is best");
    Ok(Serial { tpt_ms_by_length, ..best })
}
