//! Brings the clocks of several logs together, and with them their events, on one time line.
//!
//! Clocks of one machine are compared exactly, by the origins in the headers. Else as NTP does: of all
//! messages each way the one that seems to have taken the least time took about as long as its
//! counterpart the other way; half the difference is what the clocks are apart, wrong by at most half
//! of what both took together. (Clocks that run at different speeds: over a run of minutes, 20 parts in
//! a million are a millisecond an hour each way; not corrected.)

use std::collections::{BTreeMap, BTreeSet};

use pipesd_core::contract::{Input, Output};
use pipesd_core::event::{Endpoint, Event, Stamped};
use pipesd_core::ids::SessionId;
use pipesd_core::message::{Message, Upload, Verdict};
use pipesd_core::time::{Duration, Instant, nanos};

use super::{Line, RunLog};

/// How an edge's clock stands to the cloud's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The edge.
    pub edge: Endpoint,
    /// The cloud's clock less the edge's, at one moment \[ns\].
    pub ns: i64,
    /// Wrong by no more than this; zero for clocks of one machine.
    pub uncertainty: Duration,
}

/// Logs side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Joint {
    /// How each edge's clock stands to the cloud's.
    pub offsets: Vec<Offset>,
    /// The events of all, in order, under the edges' names of sessions. Time zero is the first event.
    pub events: Vec<Stamped>,
}

/// Logs that do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlignError {
    /// An edge's log where the cloud's should be, or the other way round.
    #[error("{name} is the log of {endpoint}")]
    Misplaced {
        /// The log.
        name: String,
        /// Whose it is.
        endpoint: Endpoint,
    },
    /// Nothing that one log says was sent is in the other.
    #[error("{edge} and {cloud} have no messages {way} in common: are they of the same run?")]
    NothingInCommon {
        /// The edge's log.
        edge: String,
        /// The cloud's log.
        cloud: String,
        /// Which way.
        way: &'static str,
    },
    /// Two logs of one edge.
    #[error("two logs are of {0}")]
    Twice(Endpoint),
}

/// Brings the logs of some edges and their cloud together.
///
/// # Errors
/// If they do not go together.
pub fn align(edges: &[RunLog], cloud: &RunLog) -> Result<Joint, AlignError> {
    let misplaced = |log: &RunLog| {
        let (name, endpoint) = (log.name.clone(), log.header.endpoint);
        Err(AlignError::Misplaced { name, endpoint })
    };
    if cloud.header.endpoint != Endpoint::Cloud {
        return misplaced(cloud);
    }
    let names = Names::of(cloud);
    let (mut offsets, mut seen) = (Vec::new(), BTreeSet::new());
    // On the cloud's clock, which an edge's may precede.
    let mut events: Vec<(i64, Stamped)> = Vec::new();
    for edge in edges {
        let Endpoint::Edge(number) = edge.header.endpoint else { return misplaced(edge) };
        if !seen.insert(number) {
            return Err(AlignError::Twice(edge.header.endpoint));
        }
        let offset = offset(edge, number, cloud, &names)?;
        events.extend(edge.events().map(|event| (time(event.at) + offset.ns, event)));
        offsets.push(offset);
    }
    events.extend(cloud.events().map(|Stamped { at, endpoint, event }| {
        (time(at), Stamped { at, endpoint, event: names.rename(event) })
    }));
    // Stable: each log keeps its order.
    events.sort_by_key(|(at, _)| *at);
    let zero = events.first().map_or(0, |(at, _)| *at);
    let shifted = |(at, event): (i64, Stamped)| {
        let at = Instant::from_nanos((at - zero).unsigned_abs());
        Stamped { at, ..event }
    };
    Ok(Joint { offsets, events: events.into_iter().map(shifted).collect() })
}

/// A clock's time as a number that may be compared across clocks. An endpoint runs for less than 292
/// years.
const fn time(at: Instant) -> i64 {
    at.as_nanos() as i64
}

/// What the cloud's names of sessions mean to its edges.
struct Names(BTreeMap<SessionId, (u32, SessionId)>);

impl Names {
    fn of(cloud: &RunLog) -> Self {
        let names = cloud.lines.iter().filter_map(|line| match line {
            Line::Session { session, edge, theirs } => Some((*session, (*edge, *theirs))),
            _ => None,
        });
        Self(names.collect())
    }

    fn rename(&self, mut event: Event) -> Event {
        if let Some(session) = session_mut(&mut event)
            && let Some((_, theirs)) = self.0.get(session)
        {
            *session = *theirs;
        }
        event
    }

    /// What the edge `number` calls a session of its own.
    fn theirs(&self, number: u32, session: SessionId) -> Option<SessionId> {
        self.0.get(&session).filter(|(edge, _)| *edge == number).map(|(_, theirs)| *theirs)
    }
}

/// The session of a cloud's event.
const fn session_mut(event: &mut Event) -> Option<&mut SessionId> {
    match event {
        Event::UploadReceived { session, .. }
        | Event::VerifyStarted { session, .. }
        | Event::VerifyFinished { session, .. }
        | Event::StaleDropped { session, .. }
        | Event::VerdictSent { session, .. }
        | Event::PrefillStarted { session, .. }
        | Event::PrefillFinished { session } => Some(session),
        _ => None,
    }
}

fn offset(edge: &RunLog, number: u32, cloud: &RunLog, names: &Names) -> Result<Offset, AlignError> {
    if let (Some(ours), Some(theirs)) = (edge.header.origin, cloud.header.origin)
        && ours.machine == theirs.machine
    {
        let ns = ours.start as i64 - theirs.start as i64;
        let edge = edge.header.endpoint;
        return Ok(Offset { edge, ns, uncertainty: Duration::ZERO });
    }
    let own = |session| names.theirs(number, session);
    let up = least(&sent(edge, Some), &received(cloud, own));
    let down = least(&sent(cloud, own), &received(edge, Some));
    let nothing = |way| AlignError::NothingInCommon {
        edge: edge.name.clone(),
        cloud: cloud.name.clone(),
        way,
    };
    let up = up.ok_or_else(|| nothing("upwards"))?;
    let down = down.ok_or_else(|| nothing("downwards"))?;
    // up = delay + offset, down = delay - offset.
    let uncertainty = Duration::from_nanos(((up + down) / 2).max(0).unsigned_abs());
    Ok(Offset { edge: edge.header.endpoint, ns: (up - down) / 2, uncertainty })
}

/// What tells a message from all others of a run, at both ends.
type Key = (SessionId, &'static str, u32, u32);

fn key(message: &Message, session: SessionId) -> Key {
    match message {
        Message::Open { opening, .. } => (session, "open", *opening, 0),
        Message::Probe { tokens, .. } => (session, "probe", *tokens, 0),
        Message::Upload(Upload { round, offset, nav, .. }) => {
            // A NAV request without tokens has the offset of what follows the round.
            (session, if nav.is_some() { "nav" } else { "upload" }, round.0, *offset)
        }
        Message::Distribution { round, .. } => (session, "distribution", round.0, 0),
        Message::Close { .. } => (session, "close", 0, 0),
        Message::Opened { opening, .. } => (session, "opened", *opening, 0),
        Message::Denied { opening, .. } => (session, "denied", *opening, 0),
        Message::Probed { report, .. } => (session, "probed", report.tokens, 0),
        Message::DistributionRequest { round, .. } => (session, "request", round.0, 0),
        Message::Verdict(Verdict { round, .. }) => (session, "verdict", round.0, 0),
    }
}

/// When each message was sent, by this endpoint's clock; `name` gives sessions their common name.
fn sent(log: &RunLog, name: impl Fn(SessionId) -> Option<SessionId>) -> BTreeMap<Key, i64> {
    let sent = log.lines.iter().filter_map(|line| match line {
        Line::Out(at, Output::Transmit { message, .. }) => {
            Some((key(message, name(message.session())?), time(*at)))
        }
        _ => None,
    });
    sent.collect()
}

/// When the first byte of each message arrived: its length is no part of the delay.
fn received(log: &RunLog, name: impl Fn(SessionId) -> Option<SessionId>) -> BTreeMap<Key, i64> {
    let received = log.lines.iter().filter_map(|line| match line {
        Line::In(at, Input::Received { message, transfer }) => {
            let first = time(*at) - nanos(*transfer) as i64;
            Some((key(message, name(message.session())?), first))
        }
        _ => None,
    });
    received.collect()
}

/// The least time from sending to receiving, by the two ends' clocks.
fn least(sent: &BTreeMap<Key, i64>, received: &BTreeMap<Key, i64>) -> Option<i64> {
    let taken = received.iter().filter_map(|(key, at)| Some(at - sent.get(key)?));
    taken.min()
}
