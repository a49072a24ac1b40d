//! The label-setting search over round boundaries. What it does and why that is enough stands in
//! `mod.rs`.

use pipesd_core::device::DraftKind;
use pipesd_core::message::ROUND_TOKENS_MAX;
use pipesd_core::script::ScriptedRound;

use super::Moves;
use super::batches;
use super::instance::{Instance, Testbed};

/// The best schedule of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// When its last verdict is at the edge \[ns\].
    pub(super) end: u64,
    /// What the edge does for it.
    pub(super) rounds: Vec<ScriptedRound>,
}

/// The edge is about to begin a round. Everything before it is verified (the round stands on
/// committed text), or is on its way and will turn out right.
#[derive(Clone, Copy, Debug)]
struct Label {
    /// From when the draft model is free, and knows all tokens before the round.
    ready: u64,
    /// From when the uplink is free.
    uplink: u64,
    /// When the cloud has verified the round before.
    cloud: u64,
    /// When the downlink has sent the verdict on it.
    downlink: u64,
    /// The label that the round before began at, in the arena.
    from: usize,
    /// Tokens of the round before.
    tokens: usize,
}

impl Label {
    fn dominates(&self, other: &Self) -> bool {
        self.ready <= other.ready
            && self.uplink <= other.uplink
            && self.cloud <= other.cloud
            && self.downlink <= other.downlink
    }
}

/// A label that was kept, and where it is.
#[derive(Clone, Copy, Debug)]
struct Kept {
    label: Label,
    start: usize,
    /// It stands on committed text: the edge has waited.
    waited: bool,
}

/// The earliest time at which everything before a position is known at the edge.
#[derive(Clone, Copy, Debug)]
struct Known {
    at: u64,
    from: usize,
    tokens: usize,
}

/// No label: before the first round.
const NOWHERE: usize = usize::MAX;

/// The search, with memory that is used again from request to request.
#[derive(Debug, Default)]
pub(super) struct Search {
    kept: Vec<Kept>,
    /// By start of the round: labels that the edge has guessed its way to.
    guessed: Vec<Vec<Label>>,
    known: Vec<Known>,
    /// By position: the first one from there on where the draft is wrong; none: the end.
    wrong: Vec<usize>,
    ready: Vec<u64>,
    ends: Vec<u64>,
}

/// One search at work.
struct Work<'a> {
    search: &'a mut Search,
    instance: &'a Instance,
    testbed: &'a Testbed,
    moves: Moves,
    /// A step's time depends on what it is for: rounds behind a guess are drafted faster than others.
    kinds_differ: bool,
}

impl Search {
    /// The best schedule for a request whose decoding begins at `begin` with nothing under way.
    pub(super) fn run(
        &mut self,
        instance: &Instance,
        testbed: &Testbed,
        moves: Moves,
        begin: u64,
    ) -> Found {
        let len = instance.len();
        self.kept.clear();
        self.guessed.iter_mut().for_each(Vec::clear);
        if self.guessed.len() <= len {
            self.guessed.resize(len + 1, Vec::new());
        }
        self.known.clear();
        self.known.resize(len + 1, Known { at: u64::MAX, from: NOWHERE, tokens: 0 });
        self.known[0].at = begin;
        self.wrong.clear();
        self.wrong.resize(len + 1, len);
        for position in (0..len).rev() {
            let next = self.wrong[position + 1];
            self.wrong[position] = if instance.matches[position] { next } else { position };
        }
        let kinds_differ = instance.tells_kinds_apart();
        let mut work = Work { search: self, instance, testbed, moves, kinds_differ };
        (0..len).for_each(|start| work.visit(start));
        work.found()
    }
}

impl Work<'_> {
    /// Goes on from every label at `start` that no other makes superfluous.
    fn visit(&mut self, start: usize) {
        let Known { at, from, tokens } = self.search.known[start];
        let waited = Label { ready: at, uplink: at, cloud: at, downlink: at, from, tokens };
        let mut guessed = core::mem::take(&mut self.search.guessed[start]);
        if at != u64::MAX {
            let waited = self.tightened(waited, start, true);
            if !self.kinds_differ {
                guessed.retain(|label| !waited.dominates(label));
            }
            self.expand(waited, start, true);
        }
        for &label in &guessed {
            self.expand(label, start, false);
        }
        self.search.guessed[start] = guessed;
    }

    /// The same label with each time raised to the earliest at which it can matter: labels compare
    /// better, and nothing that follows changes.
    fn tightened(&self, label: Label, start: usize, waited: bool) -> Label {
        let least = usize::from(!self.moves.empty_navs);
        let step = if least == 0 { 0 } else { self.step(start, 0, waited) };
        let first = label.ready + step;
        let uplink = label.uplink.max(first);
        let cloud = label.cloud.max(uplink + self.testbed.uplink.least(least as u32));
        Label { uplink, cloud, downlink: label.downlink.max(cloud), ..label }
    }

    /// Every round that may begin at `start`, from one label.
    fn expand(&mut self, label: Label, start: usize, waited: bool) {
        let from = self.search.kept.len();
        self.search.kept.push(Kept { label, start, waited });
        let len = self.instance.len();
        let extra_max = self.search.wrong[start].min(len - 1);
        let most = (extra_max - start).min(ROUND_TOKENS_MAX as usize);
        if self.moves.empty_navs {
            let end = self.testbed.uplink.end(label.uplink.max(label.ready), 0);
            self.round(label, from, 0, end, label.ready);
        } else if most == 0 {
            return self.lone_draft(label, from, waited);
        }
        let mut ready = core::mem::take(&mut self.search.ready);
        let mut ends = core::mem::take(&mut self.search.ends);
        ready.clear();
        ready.extend(self.drafted(label.ready, start, most, waited));
        let early = self.moves.early_uploads;
        batches::ends(&self.testbed.uplink, label.uplink, &ready, early, &mut ends);
        for tokens in 1..=most {
            self.round(label, from, tokens, ends[tokens], ready[tokens - 1]);
        }
        self.search.ready = ready;
        self.search.ends = ends;
    }

    /// A round of right drafts whose upload ends at `uplink`, the last drafted at `drafted`: the
    /// verdict brings the extra token, and the edge waits for it or guesses it.
    fn round(&mut self, label: Label, from: usize, tokens: usize, uplink: u64, drafted: u64) {
        let start = self.search.kept[from].start;
        let (cloud, downlink) = self.verified(label, start, tokens, uplink);
        let extra = start + tokens;
        let next = extra + 1;
        self.learn(next, downlink, from, tokens);
        if !self.moves.guesses || !self.instance.matches[extra] || next >= self.instance.len() {
            return;
        }
        let ready = drafted + self.instance.step(DraftKind::Guess, extra);
        if !self.kinds_differ && self.search.known[next].at <= ready {
            return; // Having waited is at least as good in every respect.
        }
        let label = Label { ready, uplink, cloud, downlink, from, tokens };
        let label = self.tightened(label, next, false);
        let labels = &mut self.search.guessed[next];
        if labels.iter().any(|other| other.dominates(&label)) {
            return;
        }
        labels.retain(|other| !label.dominates(other));
        labels.push(label);
    }

    /// Where a NAV must carry a draft and the next one is wrong, or is the last of the text: one
    /// draft, whose verdict settles the position.
    fn lone_draft(&mut self, label: Label, from: usize, waited: bool) {
        let start = self.search.kept[from].start;
        let drafted = label.ready + self.step(start, 0, waited);
        let uplink = self.testbed.uplink.end(label.uplink.max(drafted), 1);
        let (_, mut downlink) = self.verified(label, start, 1, uplink);
        if !self.instance.matches[start]
            && let Some(bytes) = self.testbed.fetch
        {
            // The cloud asks for the distribution, and judges when it is there. All else is at rest.
            let asked = self.testbed.downlink.arrival(downlink);
            let sent = self.testbed.uplink.end_of(asked, bytes);
            let judged = self.testbed.uplink.arrival(sent);
            downlink = self.testbed.downlink.end(judged.max(downlink), 0);
        }
        self.learn(start + 1, downlink, from, 1);
    }

    /// The step of the draft numbered `index` in a round from `start`, which stands on committed text
    /// or behind a guess \[ns\].
    fn step(&self, start: usize, index: usize, waited: bool) -> u64 {
        let kind = match (waited, index) {
            (false, _) => DraftKind::Ahead,
            // Only the request's first round follows no verdict.
            (true, 0) if start > 0 => DraftKind::AfterVerdict,
            (true, _) => DraftKind::Main,
        };
        self.instance.step(kind, start + index)
    }

    /// When each of such a round's first `count` drafts is there, if its first step begins at `ready`.
    fn drafted(
        &self,
        ready: u64,
        start: usize,
        count: usize,
        waited: bool,
    ) -> impl Iterator<Item = u64> {
        (0..count).scan(ready, move |at, index| {
            *at += self.step(start, index, waited);
            Some(*at)
        })
    }

    /// When the cloud has verified a round, and when its verdict has left.
    fn verified(&self, label: Label, start: usize, tokens: usize, uplink: u64) -> (u64, u64) {
        let arrived = self.testbed.uplink.arrival(uplink);
        let took = self.instance.verify(self.testbed, start, tokens);
        let cloud = arrived.max(label.cloud) + took;
        (cloud, self.testbed.downlink.end(cloud.max(label.downlink), 0))
    }

    /// A verdict that leaves at `downlink` makes everything before `next` known.
    fn learn(&mut self, next: usize, downlink: u64, from: usize, tokens: usize) {
        let at = self.testbed.downlink.arrival(downlink);
        if at < self.search.known[next].at {
            self.search.known[next] = Known { at, from, tokens };
        }
    }

    fn found(&self) -> Found {
        let last = self.search.known[self.instance.len()];
        let (mut from, mut tokens, mut guess) = (last.from, last.tokens, false);
        let mut rounds = Vec::new();
        while from != NOWHERE {
            let Kept { label, start, waited } = self.search.kept[from];
            let ready: Vec<u64> = self.drafted(label.ready, start, tokens, waited).collect();
            let early = self.moves.early_uploads;
            let batches = batches::sizes(&self.testbed.uplink, label.uplink, &ready, early);
            rounds.push(ScriptedRound { start: start as u32, batches, guess });
            (from, tokens, guess) = (label.from, label.tokens, !waited);
        }
        rounds.reverse();
        Found { end: last.at, rounds }
    }
}
