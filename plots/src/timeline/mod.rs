//! The pipeline of one run over time: what the draft model, the uplink, the cloud and the downlink
//! did, round by round.
//!
//! [`Timeline::from_events`] decides what is shown; [`Timeline::to_svg`] draws it. One edge is shown,
//! the one that decodes first; other edges appear only as the time that its NAVs wait. Messages that
//! are not uploads (requests, probes) have no events and leave their time on the uplink empty.

mod draw;
pub(crate) mod fates;
pub(crate) mod layout;
mod legend;
mod shapes;

use pipesd_core::event::{GuessFate, NavCause, Stamped};
use pipesd_core::ids::{RoundId, SessionId};
use pipesd_core::time::{Duration, as_millis};

use crate::DrawingError;
use crate::style::{NARROW_WIDTH, PAGE_WIDTH};

/// Which part of a run is shown. Times count from the moment the first prompt's decoding began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its start.
    pub from: Duration,
    /// Its length.
    pub length: Duration,
}

impl Window {
    fn to(&self) -> Duration {
        self.from + self.length
    }
}

/// There is nothing to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NothingToShow {
    /// No prompt was ever decoded.
    #[error("no prompt's decoding began in this run")]
    NoDecoding,
    /// The window lies where nothing happened.
    #[error(
        "nothing happened from {:.3} s to {:.3} s: the run covers 0 s to {:.3} s",
        as_millis(.window.from) / 1e3, as_millis(.window.to()) / 1e3, as_millis(*.end) / 1e3
    )]
    Empty {
        /// What was asked for.
        window: Window,
        /// When the run ends.
        end: Duration,
    },
}

/// The lanes, from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Extents of rounds.
    Rounds,
    /// The draft model's steps.
    Drafting,
    /// Upload batches.
    Uplink,
    /// Verification in the cloud.
    Nav,
    /// Verdicts.
    Downlink,
}

/// What became of a draft token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFate {
    /// It became text.
    Accepted,
    /// It became text, and was drafted before its parent's verdict had come.
    Reused,
    /// The target put another in its place.
    Rejected,
    /// It stood behind a rejected one.
    Untested,
    /// It was dropped unverified.
    Discarded,
    /// The run ended first.
    Open,
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundFate {
    /// By its verdict.
    Resolved,
    /// Dropped unverified, after a parent's verdict.
    Discarded,
    /// The run ended first.
    Open,
}

/// What a mark shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A round from its first draft step to its end.
    Round {
        /// For a proactive round: until when it stood on a guess.
        guessed_until: Option<Duration>,
        /// Its end.
        fate: RoundFate,
        /// Rounds that overlap in time have different rows.
        row: usize,
    },
    /// The end of a prompt: the next one starts anew.
    PromptEnd,
    /// A step of the draft model that made a draft token.
    Draft(TokenFate),
    /// A step that made a guess of the parent's extra token; none: the run ended first.
    Guess(Option<GuessFate>),
    /// The trigger fired.
    NavFired(NavCause),
    /// An upload batch, the start-up included.
    Upload {
        /// How many it carries.
        tokens: u32,
        /// Whether it carries the NAV request.
        nav: bool,
        /// Whether it was called off under way.
        cancelled: bool,
    },
    /// The target's pass over a prompt.
    Prefill,
    /// The target's pass over a round.
    Verify,
    /// The answer's way back.
    Verdict,
}

impl Kind {
    /// Where it is shown.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Round { .. } | Self::PromptEnd => Lane::Rounds,
            Self::Draft(_) | Self::Guess(_) | Self::NavFired(_) => Lane::Drafting,
            Self::Upload { .. } => Lane::Uplink,
            Self::Prefill | Self::Verify => Lane::Nav,
            Self::Verdict => Lane::Downlink,
        }
    }
}

/// Something to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What.
    pub kind: Kind,
    /// The session it belongs to.
    pub session: SessionId,
    /// The round it belongs to.
    pub round: Option<RoundId>,
    /// From when, since the first prompt's decoding began. What began earlier begins at zero.
    pub start: Duration,
    /// Until when; a point in time if the same as `start`.
    pub end: Duration,
    /// What is written on it, if there is room.
    pub label: String,
}

impl Mark {
    /// Whether any of it lies within the window.
    fn is_in(&self, window: &Window) -> bool {
        let begins = self.start < window.to();
        begins && (self.end > window.from || (self.start == self.end && self.end == window.from))
    }
}

/// What is shown, in drawing order: by lane, then by start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Which part of the run.
    pub window: Window,
    /// All that lies within it, partly at least.
    pub marks: Vec<Mark>,
}

impl Timeline {
    /// Lays out the part of a run that lies within `window`. `events` are those of the whole run in
    /// order: what becomes of a token may be known only after the window.
    ///
    /// # Errors
    /// If there is nothing within the window.
    pub fn from_events(events: &[Stamped], window: Window) -> Result<Self, NothingToShow> {
        let run = fates::Run::read(events).ok_or(NothingToShow::NoDecoding)?;
        let mut marks = layout::marks(&run, events);
        marks.retain(|mark| mark.is_in(&window));
        if marks.is_empty() {
            return Err(NothingToShow::Empty { window, end: run.since_origin(run.end) });
        }
        marks.sort_by_key(|mark| (mark.kind.lane(), mark.start));
        Ok(Self { window, marks })
    }

    /// Draws it: an SVG document as wide as a page of two columns (180 mm), as high as it needs.
    ///
    /// # Errors
    /// If the drawing library fails.
    pub fn to_svg(&self) -> Result<String, DrawingError> {
        draw::svg(self, PAGE_WIDTH)
    }

    /// Draws it for a narrow screen (88 mm): more and shorter strips below each other.
    ///
    /// # Errors
    /// If the drawing library fails.
    pub fn to_narrow_svg(&self) -> Result<String, DrawingError> {
        draw::svg(self, NARROW_WIDTH)
    }
}
