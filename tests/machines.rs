//! The state machines by hand, without a simulator: what no honest link would do to them.

use pipesd_core::contract::{Input, Machine, Output, Proposal, Work, WorkResult};
use pipesd_core::edge::{Edge, EdgeConfig, Outage};
use pipesd_core::event::{Event, Outcome};
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::message::{Message, Request, Verdict};
use pipesd_core::method::{Drafting, Method, Verification, Waiting};
use pipesd_core::payload::Payload;
use pipesd_core::time::{Duration, Instant};
use pipesd_core::trigger::TriggerConfig;
use pipesd_core::upload::UploadPolicy;
use pipesd_core::verification::Temperature;

const SESSION: SessionId = SessionId(0);

/// Feeds `input` and does at once what the edge asks for: models answer with the position as the
/// token, the link sends. Returns the events.
fn feed(edge: &mut Edge, input: Input) -> Vec<Event> {
    let mut inputs = vec![input];
    let mut events = Vec::new();
    while let Some(input) = inputs.pop() {
        edge.handle(Instant::ZERO, input);
        while let Some(output) = edge.poll_output() {
            match output {
                Output::Event(event) => events.push(event),
                Output::Transmit { id, .. } => inputs.insert(0, Input::Sent(id)),
                Output::Start { id, work } => {
                    let result = match work {
                        Work::Draft(step) => {
                            let token = TokenId(step.position());
                            let proposal = Proposal { token, confidence: 0.9 };
                            WorkResult::Drafted { proposal, claim: None }
                        }
                        _ => WorkResult::Prefilled,
                    };
                    inputs.insert(0, Input::Finished { work: id, result });
                }
                Output::Cancel(_) | Output::WakeAt(..) | Output::Connect => {}
            }
        }
    }
    events
}

fn received(message: Message) -> Input {
    Input::Received { message, transfer: Duration::ZERO }
}

fn verdict(round: u32, accepted: u32, extra: Option<u32>) -> Input {
    let (round, extra) = (RoundId(round), extra.map(TokenId));
    let verdict = Verdict { session: SESSION, round, accepted, extra, reports: Vec::new() };
    received(Message::Verdict(verdict))
}

/// An edge with rounds of one token, three of them requested: #0, #2 and #4, with guesses between.
fn three_rounds_pending() -> Edge {
    let upload = UploadPolicy::AtNav;
    let method = Method {
        trigger: TriggerConfig::FixedLength { draft_length: 1 },
        upload,
        waiting: Waiting::DraftAndUpload { depth: 2, resume: true, upload },
        verification: Verification::Match,
        drafting: Drafting::Argmax,
        payload: Payload::Ids,
        window: 20,
    };
    let mut edge = Edge::new(EdgeConfig {
        method,
        tuning: None,
        patience: Duration::from_secs(1),
        outage: Outage::DEFAULT,
    });
    let (prompt, stop_ids) = (vec![TokenId(1)], Vec::new());
    let temperature = Temperature::default();
    let request = Request {
        session: SESSION,
        prompt,
        budget: 6,
        stop_ids,
        temperature,
        seed: 0,
        text: vec![],
    };
    feed(&mut edge, Input::Submit(request));
    let events = feed(&mut edge, received(Message::Opened { session: SESSION, opening: 0 }));
    let navs = events.iter().filter(|e| matches!(e, Event::UploadStarted { nav: true, .. }));
    assert_eq!(navs.count(), 3, "{events:?}");
    edge
}

fn resolved(events: &[Event]) -> Vec<u32> {
    let rounds = events.iter().filter_map(|event| match event {
        Event::RoundResolved { round, .. } => Some(round.0),
        _ => None,
    });
    rounds.collect()
}

#[test]
fn verdicts_that_overtake_each_other_are_taken_in_turn() {
    // Replies in reverse: each waits for its parent's, the first then resolves all three.
    let mut edge = three_rounds_pending();
    assert_eq!(feed(&mut edge, verdict(2, 1, Some(5))), []);
    assert_eq!(feed(&mut edge, verdict(1, 1, Some(3))), []);
    assert_eq!(feed(&mut edge, verdict(1, 0, Some(9))), [], "a round has one verdict");
    let events = feed(&mut edge, verdict(0, 1, Some(1)));
    assert_eq!(resolved(&events), [0, 1, 2]);
    let (session, outcome) = (SESSION, Outcome::Budget);
    assert_eq!(events.last(), Some(&Event::SessionEnded { session, outcome, output_tokens: 6 }));
}

#[test]
fn an_early_verdict_goes_with_its_round() {
    // The parent is rejected: what was said of its child says nothing of the rounds to come.
    let mut edge = three_rounds_pending();
    feed(&mut edge, verdict(1, 1, Some(3)));
    let events = feed(&mut edge, verdict(0, 0, Some(9)));
    assert_eq!(resolved(&events), [0]);
    let dropped = events.iter().filter(|e| matches!(e, Event::RoundDiscarded { .. })).count();
    assert_eq!(dropped, 2);
}

#[test]
fn a_verdict_that_contradicts_its_round_ends_the_session() {
    // On the second round, so that a position is added to what the peer claims.
    for (accepted, extra) in [(u32::MAX, None), (2, Some(4)), (0, None)] {
        let mut edge = three_rounds_pending();
        feed(&mut edge, verdict(0, 1, Some(1)));
        let events = feed(&mut edge, verdict(1, accepted, extra));
        let (session, outcome) = (SESSION, Outcome::Refused);
        let ended = Event::SessionEnded { session, outcome, output_tokens: 2 };
        assert_eq!(events.last(), Some(&ended), "{accepted} accepted, extra {extra:?}");
    }
}
