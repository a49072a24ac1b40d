//! A short log written by hand: round 0 is wholly accepted while round 1, proactive, is drafted upon
//! the right guess; round 1 goes on being drafted and has a rejection, so that round 2, proactive, is
//! dropped with an upload under way and a draft step whose result is stale.

use pipesd_core::device::DraftKind;
use pipesd_core::event::{Endpoint, Event, GuessFate, NavCause, Outcome, Stamped};
use pipesd_core::ids::{MessageId, RoundId, SessionId, TokenId};
use pipesd_core::time::{Duration, Instant};

const SESSION: SessionId = SessionId(5);
/// Decoding begins here: the timeline's zero.
const ORIGIN_MS: u64 = 1000;

/// A log under construction; times are in ms since decoding began.
#[derive(Default)]
struct Log(Vec<Stamped>);

impl Log {
    fn add(&mut self, endpoint: Endpoint, ms: u64, event: Event) {
        let at = Instant::ZERO + Duration::from_millis(ORIGIN_MS + ms);
        self.0.push(Stamped { at, endpoint, event });
    }

    fn edge(&mut self, ms: u64, event: Event) {
        self.add(Endpoint::Edge(0), ms, event);
    }

    fn step(&mut self, ms: u64, round: u32, position: u32, kind: DraftKind) {
        let round = RoundId(round);
        self.edge(ms, Event::DraftStarted { session: SESSION, round, position, kind });
    }

    fn drafted(&mut self, ms: u64, round: u32, position: u32) {
        let (session, round, token) = (SESSION, RoundId(round), TokenId(position));
        self.edge(ms, Event::Drafted { session, round, position, token, confidence: 0.9 });
    }

    fn guessed(&mut self, ms: u64, round: u32, position: u32) {
        let (session, round, token) = (SESSION, RoundId(round), TokenId(position));
        self.edge(ms, Event::Guessed { session, round, position, token, confidence: 0.9 });
    }

    fn fired(&mut self, ms: u64, round: u32, cause: NavCause, drafted: u32) {
        self.edge(ms, Event::NavFired { session: SESSION, round: RoundId(round), cause, drafted });
    }

    fn upload(
        &mut self,
        ms: u64,
        round: u32,
        message: u64,
        (offset, tokens): (u32, u32),
        nav: bool,
    ) {
        let (session, round, message) = (SESSION, RoundId(round), MessageId(message));
        self.edge(ms, Event::UploadStarted { session, round, message, offset, tokens, nav });
    }

    fn verified(&mut self, (from, to): (u64, u64), round: u32, tokens: u32, accepted: u32) {
        let (session, round) = (SESSION, RoundId(round));
        self.add(Endpoint::Cloud, from, Event::VerifyStarted { session, round, tokens });
        self.add(Endpoint::Cloud, to, Event::VerifyFinished { session, round, tokens });
        self.add(Endpoint::Cloud, to, Event::VerdictSent { session, round, accepted });
    }
}

fn first_round(log: &mut Log) {
    let session = SESSION;
    log.edge(0, Event::SessionStarted { session, text: 0 });
    log.edge(0, Event::DecodingStarted { session });
    log.step(0, 0, 0, DraftKind::Main);
    log.drafted(40, 0, 0);
    log.upload(40, 0, 7, (0, 1), false);
    log.step(40, 0, 1, DraftKind::Main);
    log.drafted(80, 0, 1);
    log.fired(80, 0, NavCause::Sequence, 2);
    log.step(80, 1, 2, DraftKind::Guess);
    log.guessed(120, 1, 2);
    log.step(120, 1, 3, DraftKind::Ahead);
    log.drafted(160, 1, 3);
    log.edge(180, Event::UploadSent { message: MessageId(7) });
    log.upload(180, 0, 8, (1, 1), true);
    log.step(160, 1, 4, DraftKind::Ahead);
    log.edge(320, Event::UploadSent { message: MessageId(8) });
    log.verified((322, 370), 0, 2, 2);
    let (round, drafted, accepted) = (RoundId(0), 2, 2);
    let (extra, proactive) = (true, false);
    let resolved = Event::RoundResolved { session, round, drafted, accepted, extra, proactive };
    log.edge(373, resolved);
    let (round, fate) = (RoundId(1), GuessFate::Confirmed);
    log.edge(373, Event::GuessResolved { session, round, fate, drafted: 1 });
    for position in 0..3 {
        log.edge(373, Event::Committed { session, position, token: TokenId(position) });
    }
}

fn second_round(log: &mut Log) {
    let session = SESSION;
    // This step began before the verdict and ends after it: accepted, but not reused.
    log.drafted(380, 1, 4);
    for position in 5..7 {
        let begun = 380 + 40 * u64::from(position - 5);
        log.step(begun, 1, position, DraftKind::Ahead);
        log.drafted(begun + 40, 1, position);
    }
    log.fired(460, 1, NavCause::Token, 4);
    log.upload(460, 1, 9, (0, 4), true);
    log.step(460, 2, 7, DraftKind::Guess);
    log.guessed(500, 2, 7);
    log.step(500, 2, 8, DraftKind::Ahead);
    log.drafted(540, 2, 8);
    log.step(540, 2, 9, DraftKind::Ahead);
    log.edge(550, Event::UploadSent { message: MessageId(9) });
    log.upload(550, 2, 10, (0, 1), false);
    log.verified((552, 600), 1, 4, 2);
    let (round, drafted, accepted) = (RoundId(1), 4, 2);
    let (extra, proactive) = (true, true);
    let resolved = Event::RoundResolved { session, round, drafted, accepted, extra, proactive };
    log.edge(603, resolved);
    let (round, fate) = (RoundId(2), GuessFate::Discarded);
    log.edge(603, Event::GuessResolved { session, round, fate, drafted: 1 });
    let nav_requested = false;
    log.edge(603, Event::RoundDiscarded { session, round, drafted: 1, nav_requested });
    log.edge(603, Event::UploadCancelled { message: MessageId(10) });
    log.edge(640, Event::UploadSent { message: MessageId(10) });
    for position in 3..6 {
        log.edge(603, Event::Committed { session, position, token: TokenId(position) });
    }
    log.edge(610, Event::DraftStale { session, round, position: 9, guess: false });
    let outcome = Outcome::Budget;
    log.edge(620, Event::SessionEnded { session, outcome, output_tokens: 6 });
}

/// The log.
pub(crate) fn log() -> Vec<Stamped> {
    let mut log = Log::default();
    first_round(&mut log);
    second_round(&mut log);
    log.0
}

/// The log, and at the same time the same at another edge with a session of its own.
pub(crate) fn of_two_edges() -> Vec<Stamped> {
    let ours = log();
    let theirs = ours.iter().map(|stamped| {
        let text = serde_json::to_string(stamped).expect("plain data");
        let text =
            text.replace("\"session\":5", "\"session\":6").replace("{\"edge\":0}", "{\"edge\":1}");
        serde_json::from_str::<Stamped>(&text).expect("still an event")
    });
    let mut both: Vec<Stamped> = ours.iter().copied().chain(theirs).collect();
    both.sort_by_key(|stamped| stamped.at);
    both
}
