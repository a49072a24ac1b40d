//! A whole run as a trace that the Perfetto UI (<https://ui.perfetto.dev>) opens: Chrome's trace-event
//! JSON. The cloud and each edge are processes; rounds, drafting, uplink, downlink and NAV are their
//! threads. An arrow leads from the upload that requests a NAV through its pass to its verdict.
//!
//! Spans and fates are those of [`crate::timeline`], of all edges and sessions and from the first event
//! on. Times are those of the events: logs of endpoints whose clocks differ must be aligned before.

use std::collections::BTreeMap;

use pipesd_core::event::{Endpoint, Event, Stamped};
use pipesd_core::ids::{RoundId, SessionId};
use pipesd_core::time::{Duration, Instant};
use serde_json::{Value, json};

use crate::timeline::fates::Run;
use crate::timeline::{Kind, Lane, Mark, RoundFate, TokenFate, layout};

/// The run as Chrome trace-event JSON, times in whole microseconds. `events` are those of the run, in order.
#[must_use]
pub fn trace_json(events: &[Stamped]) -> String {
    let mut trace = Trace::default();
    events.iter().for_each(|stamped| trace.add_size(&stamped.event));
    let mut edges: Vec<Endpoint> = Vec::new();
    for stamped in events {
        if stamped.endpoint != Endpoint::Cloud && !edges.contains(&stamped.endpoint) {
            edges.push(stamped.endpoint);
        }
    }
    edges.sort();
    for &edge in &edges {
        let run = Run::of_edge(events, edge, Instant::ZERO);
        for mark in layout::marks(&run, events) {
            trace.add_mark(edge, mark);
        }
    }
    let mut counters: BTreeMap<Endpoint, Counters> = BTreeMap::new();
    for stamped in events.iter().filter(|stamped| stamped.endpoint != Endpoint::Cloud) {
        let counters = counters.entry(stamped.endpoint).or_default();
        trace.add_counts(stamped, counters);
        trace.add_rejection(stamped);
    }
    trace.json()
}

/// A thread of a process, before rows are given to spans that overlap.
type Thread = (Endpoint, Lane);

/// A span on a thread.
struct Slice {
    thread: Thread,
    /// Which of the thread's rows: those on one row never overlap.
    row: usize,
    start: Duration,
    end: Duration,
    name: String,
    arguments: Value,
    /// The NAV that it is a part of.
    nav: Option<(SessionId, RoundId)>,
}

#[derive(Default)]
struct Trace {
    /// Draft tokens of each round that reached the cloud or were resolved.
    sizes: BTreeMap<(SessionId, RoundId), u32>,
    slices: Vec<Slice>,
    /// Points in time and counters, ready but for the thread's number.
    points: Vec<(Thread, Duration, &'static str, String, Value)>,
}

impl Trace {
    fn add_size(&mut self, event: &Event) {
        if let Event::VerifyStarted { session, round, tokens: size }
        | Event::RoundResolved { session, round, drafted: size, .. }
        | Event::RoundDiscarded { session, round, drafted: size, .. } = *event
        {
            self.sizes.insert((session, round), size);
        }
    }

    fn add_mark(&mut self, edge: Endpoint, mark: Mark) {
        let lane = mark.kind.lane();
        let place = if lane == Lane::Nav { Endpoint::Cloud } else { edge };
        let thread = (place, lane);
        let Some((name, own)) = described(&mark) else {
            let (name, at) = (pointed(&mark), mark.start);
            let arguments = json!({ "session": mark.session.0, "round": mark.round.map(|r| r.0) });
            self.points.push((thread, at, "i", name, arguments));
            return;
        };
        let mut arguments = json!({ "session": mark.session.0 });
        if let Some(round) = mark.round {
            arguments["round"] = json!(round.0);
            let whole = matches!(mark.kind, Kind::Round { .. } | Kind::Verify | Kind::Verdict);
            if let Some(size) = self.sizes.get(&(mark.session, round)).filter(|_| whole) {
                arguments["tokens"] = json!(size);
            }
        }
        if let (Value::Object(all), Value::Object(own)) = (&mut arguments, own) {
            all.extend(own);
        }
        let requests = matches!(mark.kind, Kind::Upload { nav: true, cancelled: false, .. });
        let in_nav = requests || matches!(mark.kind, Kind::Verify | Kind::Verdict);
        let nav = mark.round.filter(|_| in_nav).map(|round| (mark.session, round));
        let (start, end) = (mark.start, mark.end);
        self.slices.push(Slice { thread, row: 0, start, end, name, arguments, nav });
    }

    /// What a round holds back from the link, and how sure the draft model is of it.
    fn add_counts(&mut self, stamped: &Stamped, counters: &mut Counters) {
        if let Some(unsent) = counters.unsent_after(&stamped.event) {
            let value = json!({ "tokens": unsent });
            self.count(stamped, "unsent draft tokens", value);
        }
        if let Some(product) = counters.product_after(&stamped.event) {
            self.count(stamped, "confidence product", json!({ "product": product }));
        }
    }

    fn count(&mut self, stamped: &Stamped, name: &str, value: Value) {
        let thread = (stamped.endpoint, Lane::Drafting);
        let at = stamped.at.saturating_since(Instant::ZERO);
        self.points.push((thread, at, "C", name.to_owned(), value));
    }

    fn add_rejection(&mut self, stamped: &Stamped) {
        let Event::RoundResolved { session, round, drafted, accepted, .. } = stamped.event else {
            return;
        };
        if accepted < drafted {
            let thread = (stamped.endpoint, Lane::Downlink);
            let at = stamped.at.saturating_since(Instant::ZERO);
            let arguments = json!({
                "session": session.0, "round": round.0, "drafted": drafted, "accepted": accepted,
            });
            self.points.push((thread, at, "i", "rejection".to_owned(), arguments));
        }
    }

    fn json(mut self) -> String {
        self.give_rows();
        let mut events = self.names();
        events.extend(self.slices.iter().map(|slice| {
            let (pid, tid) = (process(slice.thread.0), number(slice.thread.1, slice.row));
            json!({
                "ph": "X", "pid": pid, "tid": tid, "ts": micros(slice.start),
                "dur": micros(slice.end) - micros(slice.start), "name": slice.name,
                "cat": category(slice.thread.1), "args": slice.arguments,
            })
        }));
        events.extend(self.points.iter().map(|((place, lane), at, phase, name, arguments)| {
            let mut event = json!({
                "ph": phase, "pid": process(*place), "tid": number(*lane, 0), "ts": micros(*at),
                "name": name, "cat": category(*lane), "args": arguments,
            });
            if *phase == "i" {
                event["s"] = json!("t");
            }
            event
        }));
        events.extend(self.flows());
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        let joined = lines.join(",\n");
        format!("{{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n{joined}\n]}}\n")
    }

    /// Gives slices of a thread that overlap different rows, the topmost that is free.
    fn give_rows(&mut self) {
        self.slices.sort_by_key(|slice| (slice.thread, slice.start, slice.end));
        let mut free: BTreeMap<Thread, Vec<Duration>> = BTreeMap::new();
        for slice in &mut self.slices {
            let rows = free.entry(slice.thread).or_default();
            let row = rows.iter().position(|&from| from <= slice.start).unwrap_or(rows.len());
            rows.resize(rows.len().max(row + 1), slice.end);
            rows[row] = slice.end;
            slice.row = row;
        }
    }

    /// Names of processes and threads, and their order.
    fn names(&self) -> Vec<Value> {
        let spans = self.slices.iter().map(|slice| (slice.thread, slice.row));
        let points = self.points.iter().map(|point| (point.0, 0));
        let threads: std::collections::BTreeSet<(Thread, usize)> = spans.chain(points).collect();
        let mut names = Vec::new();
        let mut last = None;
        for ((place, lane), row) in threads {
            let (pid, tid) = (process(place), number(lane, row));
            let mut name = |what: &str, arguments: Value| {
                let tid = if what.starts_with("process") { 0 } else { tid };
                names.push(json!({
                    "ph": "M", "pid": pid, "tid": tid, "name": what, "args": arguments,
                }));
            };
            if last != Some(place) {
                name("process_name", json!({ "name": place.to_string() }));
                name("process_sort_index", json!({ "sort_index": pid }));
                last = Some(place);
            }
            let own = category(lane);
            let title = if row == 0 { own.to_owned() } else { format!("{own} {}", row + 1) };
            name("thread_name", json!({ "name": title }));
            name("thread_sort_index", json!({ "sort_index": tid }));
        }
        names
    }

    /// An arrow for each NAV that was answered: upload, pass, verdict. Slices that take no time cannot
    /// be joined to an arrow.
    fn flows(&self) -> Vec<Value> {
        let mut navs: BTreeMap<(SessionId, RoundId), BTreeMap<Lane, &Slice>> = BTreeMap::new();
        for slice in self.slices.iter().filter(|slice| slice.takes_time()) {
            if let Some(nav) = slice.nav {
                navs.entry(nav).or_default().insert(slice.thread.1, slice);
            }
        }
        let whole = navs.into_values().filter(|parts| parts.len() == 3);
        let mut events = Vec::new();
        for (id, parts) in whole.enumerate() {
            // Lanes are in the order of the way.
            for (slice, phase) in parts.into_values().zip(["s", "t", "f"]) {
                let mut event = json!({
                    "ph": phase, "id": id, "pid": process(slice.thread.0),
                    "tid": number(slice.thread.1, slice.row), "ts": micros(slice.start),
                    "name": "NAV", "cat": "nav",
                });
                if phase == "f" {
                    event["bp"] = json!("e");
                }
                events.push(event);
            }
        }
        events
    }
}

impl Slice {
    fn takes_time(&self) -> bool {
        micros(self.end) > micros(self.start)
    }
}

/// Counters of an edge.
#[derive(Default)]
struct Counters {
    /// Draft tokens of each live round that have not gone to the link.
    unsent: BTreeMap<(SessionId, RoundId), u32>,
    /// The round that is drafted, and its product so far.
    product: Option<((SessionId, RoundId), f64)>,
}

impl Counters {
    /// The edge's unsent draft tokens, if the event changes them.
    fn unsent_after(&mut self, event: &Event) -> Option<u32> {
        match *event {
            Event::Drafted { session, round, .. } => {
                *self.unsent.entry((session, round)).or_default() += 1;
            }
            Event::UploadStarted { session, round, tokens, .. } => {
                let unsent = self.unsent.entry((session, round)).or_default();
                *unsent = unsent.saturating_sub(tokens);
            }
            Event::RoundDiscarded { session, round, .. }
            | Event::RoundResolved { session, round, .. } => {
                self.unsent.remove(&(session, round))?;
            }
            _ => return None,
        }
        Some(self.unsent.values().sum())
    }

    /// The product of the round's confidences, if the event changes it; 1 when the trigger fires.
    fn product_after(&mut self, event: &Event) -> Option<f64> {
        match *event {
            Event::Drafted { session, round, confidence, .. } => {
                let key = (session, round);
                let so_far = self.product.filter(|(of, _)| *of == key).map_or(1., |(_, p)| p);
                self.product = Some((key, so_far * confidence));
                Some(so_far * confidence)
            }
            Event::NavFired { .. } | Event::RoundDiscarded { .. } => {
                self.product = None;
                Some(1.)
            }
            _ => None,
        }
    }
}

/// A slice's name and what it carries besides its session and round; None: a point in time.
fn described(mark: &Mark) -> Option<(String, Value)> {
    Some(match mark.kind {
        Kind::Round { guessed_until, fate, .. } => {
            let fate = match fate {
                RoundFate::Resolved => "resolved",
                RoundFate::Discarded => "discarded",
                RoundFate::Open => "open",
            };
            let proactive = guessed_until.is_some();
            (format!("round {}", mark.label), json!({ "fate": fate, "proactive": proactive }))
        }
        Kind::Draft(fate) => {
            let fate = match fate {
                TokenFate::Accepted => "accepted",
                TokenFate::Reused => "reused",
                TokenFate::Rejected => "rejected",
                TokenFate::Untested => "untested",
                TokenFate::Discarded => "discarded",
                TokenFate::Open => "open",
            };
            (format!("draft, {fate}"), json!({ "fate": fate, "guess": false }))
        }
        Kind::Guess(fate) => {
            let fate = fate.map_or("open", |fate| fate.word());
            (format!("guess, {fate}"), json!({ "fate": fate, "guess": true }))
        }
        Kind::Upload { tokens, nav, cancelled } => {
            let with = if nav { " + NAV" } else { "" };
            let name = format!("batch {} ×{tokens}{with}", mark.label);
            (name, json!({ "tokens": tokens, "nav": nav, "called_off": cancelled }))
        }
        Kind::Prefill => (format!("prefill {}", mark.session), json!({})),
        Kind::Verify => {
            let round = mark.round.map(|round| format!(" {round}")).unwrap_or_default();
            (format!("NAV {}{round}", mark.session), json!({}))
        }
        Kind::Verdict => {
            (format!("verdict {}", mark.label), json!({ "accepted_of_drafted": mark.label }))
        }
        Kind::PromptEnd | Kind::NavFired(_) => return None,
    })
}

/// The name of a point in time.
fn pointed(mark: &Mark) -> String {
    match mark.kind {
        Kind::NavFired(cause) => format!("trigger: {}", cause.word()),
        _ => mark.label.clone(),
    }
}

/// A process's number: the cloud's first.
fn process(place: Endpoint) -> u32 {
    match place {
        Endpoint::Cloud => 1,
        Endpoint::Edge(number) => number + 2,
    }
}

/// A thread's number within its process.
const fn number(lane: Lane, row: usize) -> usize {
    (lane as usize + 1) * 1000 + row
}

const fn category(lane: Lane) -> &'static str {
    match lane {
        Lane::Rounds => "rounds",
        Lane::Drafting => "drafting",
        Lane::Uplink => "uplink",
        Lane::Nav => "NAV",
        Lane::Downlink => "downlink",
    }
}

/// Whole microseconds: with fractions a loader's rounding could make neighbours overlap.
const fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}
