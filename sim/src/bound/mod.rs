//! The clairvoyant bound: the least decoding time that any choice of trigger, upload and depth could
//! reach on the same texts, latencies and links, knowing all of them in advance.
//!
//! # What is fixed, what is chosen
//! Fixed are the payload, match verification, the device (a step's time is its own or the device's, by
//! what the step is for), both (affine) links, and every draw of the
//! run: whether the draft is right at a position, how long the step takes that proposes it, how long
//! a NAV takes that begins there. Chosen are, at any time: to draft on, to end the round, to guess the
//! extra token and draft ahead to any depth, to rest; and which drafted tokens to upload in one
//! message, tokens and rounds in order. With [`EmptyNavs::Allowed`] a round may also carry no draft.
//! The rules of the core hold: one draft step and one unsent message at a time, neither is cut
//! short, the NAV request rides on the round's last upload, NAVs are verified one by one, the
//! budget's last token comes as an extra one.
//!
//! # Why the search is exact
//! 1. *Earlier is never worse.* A schedule that is feasible from some state is feasible from one where
//!    the model, the uplink, the cloud and the downlink are free no later: resting is allowed, and the
//!    links are first in, first out with an end that rises with the start, whatever the rate does. So
//!    no one rests who could act, and of two states with the same text the earlier dominates.
//! 2. *Each position is a right draft or an extra token.* A wrong draft that is not its round's first
//!    costs a step and an upload, and the verdict that rejects it yields what the round without it
//!    yields as its extra token, earlier. If the first draft is wrong, the empty round does the same;
//!    where empty NAVs are forbidden, this one draft, alone, is the cheapest round that gets past.
//!    Nothing can be built upon a wrong draft or guess: its successors are dropped.
//! 3. *After an extra token the edge waits or guesses.* If it waits, then upon the verdict all is at
//!    rest, since NAVs, verdicts and uploads come in order: the state is one time. If it guesses (only
//!    where the guess is right), a step passes, and the next round begins ahead of the verdict. When
//!    a verdict overtakes the step under way, the edge drops the guess and yet goes on when the
//!    step ends, with the same text: no time differs.
//! 4. *Within a chain of guesses draft times are sums*, whatever uploads and verdicts do. What a round
//!    passes on is when the model, the uplink, the cloud and the downlink are free: a label of four
//!    times, compared in all of them. For given tokens, the earliest end of their upload is best for
//!    all that follows, and `batches.rs` finds it. Tokens of a later round never go first: what they
//!    would delay is ready when they are. At a constant rate an exchange shows it; where the rate
//!    changes between the two messages' start-ups it could pay by a part of a start-up, so the order
//!    of rounds, which the core's uplink keeps, is part of the definition.
//!
//! 5. *On a padded device a round behind a guess is drafted faster than one on committed text*, so that
//!    neither label makes the other superfluous, and being late may pay: a verdict that overtakes the
//!    guess under way drops it. The edge can hold the NAV request back until the verdict comes just as
//!    the guess ends. At a constant rate it then finds model, links and cloud as free as if the
//!    request had gone up at once and the guess had been kept: nothing else could have used them
//!    in between. So labels do not mind the race. Where a rate changes, a verdict cannot always
//!    be timed to the nanosecond, and the result is a bound that may be missed by a few.
//!
//! So labels are set from the first position on: at each, the time at which the edge, having waited,
//! knows all before, and the undominated labels of those that guessed. The end of the text is reached
//! by waiting. The tests compare with an exhaustive search over actions, and the best schedule is run
//! by the real edge in the simulator ([`achieve`]).
//!
//! # Departures
//! The cloud drops rounds beyond 32 that wait; the bound does not know that. With a bandwidth trace a
//! request's decoding time depends on when it begins. [`clairvoyant`] lets each request begin as early
//! as it can after the last one ended (no probes, no stale work); a run that was slower meets other
//! rates later, and is compared by [`clairvoyant_from`], from its own starts. At constant rates both
//! agree. The packet link has no bound: loss and jitter are drawn in the order of sending, so other
//! schedules meet other links. Where each request has a rate of its own, the bound of a request has it too.
//! A script cannot say that a request is held back (5): on a padded device
//! where a guess takes longer than the trip of a NAV, the run of the schedule may miss the bound.

mod batches;
#[cfg(test)]
mod brute;
mod instance;
mod search;
mod wire;

use pipesd_core::event::{Event, Stamped};
use pipesd_core::ids::SessionId;
use pipesd_core::message::Message;
use pipesd_core::payload::{Payload, WireFormat};
use pipesd_core::script::Script;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant, as_millis, nanos};

use self::instance::{Instance, Testbed};
use self::search::Search;
use self::wire::Wire;
use crate::link::{AffineConfig, LinkConfig, Rate};
use crate::world::{
    RunError, RunResult, Setup, Truth, link_in_run, requests as requests_of, run_scripted, truths,
    truths_of,
};

/// Whether a NAV may carry no draft token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyNavs {
    /// It may: its verdict brings the target's next token.
    Allowed,
    /// Every NAV carries a draft, as with all methods of the paper.
    Forbidden,
}

/// What a schedule may do. Taking a freedom away shows what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moves {
    /// NAVs without drafts.
    pub empty_navs: bool,
    /// Guessing the extra token and drafting ahead of the verdict.
    pub guesses: bool,
    /// Uploads before the round is complete.
    pub early_uploads: bool,
}

impl From<EmptyNavs> for Moves {
    fn from(navs: EmptyNavs) -> Self {
        Self { empty_navs: navs == EmptyNavs::Allowed, guesses: true, early_uploads: true }
    }
}

/// One request's share of a [`Bound`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBound {
    /// The session.
    pub session: SessionId,
    /// When decoding begins.
    pub start: Instant,
    /// How long it takes at the least.
    pub decoding: Duration,
    /// Its output tokens.
    pub output_tokens: u32,
}

/// The least decoding time of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// Decoding time per output token \[ms\], to be held against a summary's `tpt_ms`.
    pub tpt_ms: f64,
    /// Decoding time of all requests.
    pub decoding: Duration,
    /// Their output tokens.
    pub output_tokens: u64,
    /// Each request.
    pub requests: Vec<RequestBound>,
    /// A schedule that attains it.
    pub schedule: Script,
}

/// Why there is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotComputed {
    /// A link of packets.
    #[error("no clairvoyant bound on the packet link: its loss and jitter depend on the schedule")]
    PacketLink,
    /// Edges that share a cloud.
    #[error("no clairvoyant bound for {0} edges: each one's NAVs wait for the others'")]
    Edges(u32),
    /// Starts that do not match the requests.
    #[error("{given} starts of decoding are given, the run has {requests} requests")]
    Starts {
        /// Starts given.
        given: usize,
        /// Requests of the run.
        requests: usize,
    },
}

/// The bound for the texts that [`crate::world::run`] decodes with this setup and seed, each request
/// begun as early as possible.
///
/// # Errors
/// See [`NotComputed`].
pub fn clairvoyant(setup: &Setup, seed: Seed, navs: EmptyNavs) -> Result<Bound, NotComputed> {
    least(setup, seed, navs.into(), None)
}

/// The same for requests whose decoding begins at `starts`, in order (see [`decoding_starts`]): no
/// method that begins then can be faster.
///
/// # Errors
/// See [`NotComputed`].
pub fn clairvoyant_from(
    setup: &Setup,
    seed: Seed,
    navs: EmptyNavs,
    starts: &[Instant],
) -> Result<Bound, NotComputed> {
    least(setup, seed, navs.into(), Some(starts))
}

/// The same with some freedoms only, and each request begun as early as possible or at `starts`.
///
/// # Errors
/// See [`NotComputed`].
pub fn least(
    setup: &Setup,
    seed: Seed,
    moves: Moves,
    starts: Option<&[Instant]>,
) -> Result<Bound, NotComputed> {
    if setup.edges != 1 {
        return Err(NotComputed::Edges(setup.edges));
    }
    of_texts(setup, seed, truths(setup, seed), moves, starts)
}

/// For edges that share a cloud, on links of constant rate: the time per token \[ms\] of all of them if
/// each had the cloud for itself, knew the future, and met its own text and links. Sharing only delays:
/// no schedule of theirs is faster, but the bound is not attained.
///
/// Where NAVs are verified in batches, one may ride in a pass whose overhead and base are another's: each
/// of this bound's takes the least of all.
///
/// # Errors
/// See [`NotComputed`]; so does a rate that changes, as requests begin later where edges share.
pub fn unshared(setup: &Setup, seed: Seed, moves: Moves) -> Result<f64, NotComputed> {
    let changes = matches!(setup.uplink.rate(), Rate::Trace { .. })
        || matches!(setup.downlink.rate(), Rate::Trace { .. });
    if changes && setup.edges > 1 {
        return Err(NotComputed::Edges(setup.edges));
    }
    let of_edges: Vec<Vec<Truth>> =
        (0..setup.edges).map(|edge| truths_of(setup, seed, edge).collect()).collect();
    let passes = || of_edges.iter().flatten().flat_map(|truth| truth.passes.iter().copied());
    let batched = setup.edges > 1 && setup.cloud.verify_batch_max > 1;
    let least = passes().reduce(|a, b| (a.0.min(b.0), a.1.min(b.1))).filter(|_| batched);
    let (mut decoding, mut output_tokens) = (Duration::ZERO, 0);
    for mut of_edge in of_edges {
        for pass in of_edge.iter_mut().flat_map(|truth| truth.passes.iter_mut()) {
            *pass = least.unwrap_or(*pass);
        }
        let bound = of_texts(setup, seed, of_edge.into_iter(), moves, None)?;
        decoding += bound.decoding;
        output_tokens += bound.output_tokens;
    }
    Ok(as_millis(decoding) / output_tokens as f64)
}

fn of_texts(
    setup: &Setup,
    seed: Seed,
    texts: impl Iterator<Item = Truth>,
    moves: Moves,
    starts: Option<&[Instant]>,
) -> Result<Bound, NotComputed> {
    let mut testbed = testbed(setup, seed, 0)?;
    let mut search = Search::default();
    let mut requests = Vec::new();
    let mut schedule = Script::default();
    let mut before: Option<Instant> = None;
    for (index, truth) in texts.enumerate() {
        // That the request before has ended still goes up at that one's rate.
        let before_it = before.map(|end| (end, closed(setup, &testbed, &truth, end)));
        testbed = self::testbed(setup, seed, truth.session.request())?;
        let start = match starts {
            None => earliest_start(setup, &testbed, &truth, before_it),
            Some(starts) => match starts.get(index) {
                Some(&start) => start,
                None => break,
            },
        };
        let found = search.run(
            &Instance::new(&truth, setup.profile.draft.device),
            &testbed,
            moves,
            start.as_nanos(),
        );
        let end = Instant::from_nanos(found.end);
        let (session, output_tokens) = (truth.session, truth.matches.len() as u32);
        schedule.insert(session, found.rounds);
        requests.push(RequestBound { session, start, decoding: end - start, output_tokens });
        before = Some(end);
    }
    if let Some(starts) = starts {
        let (given, requests) = (starts.len(), requests_of(setup) as usize);
        if given != requests {
            return Err(NotComputed::Starts { given, requests });
        }
    }
    let decoding: Duration = requests.iter().map(|request| request.decoding).sum();
    let output_tokens = requests.iter().map(|request| u64::from(request.output_tokens)).sum();
    let tpt_ms = as_millis(decoding) / output_tokens as f64;
    Ok(Bound { tpt_ms, decoding, output_tokens, requests, schedule })
}

/// Runs the bound's schedule: the real edge, the real cloud, all invariants.
///
/// # Errors
/// As [`crate::world::run`].
pub fn achieve(setup: &Setup, seed: Seed, bound: &Bound) -> Result<RunResult, RunError> {
    run_scripted(setup, seed, &bound.schedule)
}

/// When the first edge's requests began to be decoded, by the events of a recorded run.
#[must_use]
pub fn decoding_starts(events: &[Stamped]) -> Vec<Instant> {
    events
        .iter()
        .filter(|stamped| {
            matches!(stamped.event, Event::DecodingStarted { session } if session.0 >> 32 == 0)
        })
        .map(|stamped| stamped.at)
        .collect()
}

/// The testbed as the request of this number meets it.
fn testbed(setup: &Setup, seed: Seed, request: u32) -> Result<Testbed, NotComputed> {
    let uplink = affine(&setup.uplink, seed, request)?;
    let downlink = affine(&setup.downlink, seed, request)?;
    let format = format(setup);
    let [request_bytes, token_bytes] = [format.request_bytes(), format.token_bytes()];
    let tokens = setup.profile.output_tokens;
    let fetch = matches!(format.payload, Payload::Lazy)
        .then(|| format.request_bytes() + format.distribution_bytes());
    Ok(Testbed {
        uplink: Wire::new(&uplink, request_bytes, token_bytes, tokens),
        downlink: Wire::new(&downlink, WireFormat::reply_bytes(), 0, 0),
        verification: setup.profile.verification.clone(),
        fetch,
    })
}

fn format(setup: &Setup) -> WireFormat {
    WireFormat { payload: setup.edge.method.payload, vocabulary: setup.profile.vocabulary }
}

fn affine(config: &LinkConfig, seed: Seed, request: u32) -> Result<AffineConfig, NotComputed> {
    match link_in_run(config, seed) {
        LinkConfig::Affine(config) => {
            let rate = config.rate.for_request(request);
            Ok(AffineConfig { rate: rate.unwrap_or_else(|| config.rate.clone()), ..config })
        }
        LinkConfig::Packet(_) => Err(NotComputed::PacketLink),
    }
}

/// When it has gone up that the request before `next` has ended, at `end`.
fn closed(setup: &Setup, testbed: &Testbed, next: &Truth, end: Instant) -> u64 {
    // All ends are of one size.
    let close = Message::Close { session: next.session };
    testbed.uplink.end_of(end.as_nanos(), format(setup).message_bytes(&close))
}

/// When a request can begin to be decoded that comes as soon as the one before has ended: its prompt
/// is evaluated at both ends. Nothing is under way then but the end of the one `before`: when that was
/// decoded, and when the word of it has left.
fn earliest_start(
    setup: &Setup,
    testbed: &Testbed,
    truth: &Truth,
    before: Option<(Instant, u64)>,
) -> Instant {
    let format = format(setup);
    let (submitted, uplink) = before.unwrap_or((Instant::ZERO, 0));
    let terms = setup.edge.terms();
    let open = Message::Open { request: truth.request.clone(), terms, opening: 0 };
    let opened = testbed.uplink.end_of(uplink, format.message_bytes(&open));
    let [draft, target] = truth.prefill;
    let evaluated = testbed.uplink.arrival(opened) + nanos(target);
    let reply = testbed.downlink.arrival(testbed.downlink.end(evaluated, 0));
    Instant::from_nanos(reply).max(submitted + draft)
}
