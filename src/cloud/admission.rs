//! Which sessions a cloud serves: who is taken in, who is denied, and who has to go.

use std::collections::btree_map::Entry;

use super::queue::{OfSession, PASS_COST};
use super::session::{Session, reserved};
use super::{Cloud, Job, Pass};
use crate::contract::{Output, Reason};
use crate::event::Event;
use crate::ids::SessionId;
use crate::message::{Denial, Message, Request};
use crate::time::{Duration, Instant};
use crate::verification::Terms;

/// Prompt tokens that take the target as long as one token of a block: a prompt is evaluated at once.
const PROMPT_SHARE: u64 = 8;

impl Cloud {
    pub(super) fn on_open(&mut self, now: Instant, request: Request, terms: Terms, opening: u32) {
        let session = request.session;
        if let Some(known) = self.sessions.get(&session) {
            // An opening that comes twice says nothing new: a peer cannot reset its neighbour.
            if opening <= known.opening() {
                return;
            }
            if known.continues(&request, terms) && !self.closing {
                return self.take_up(session, request.text.len(), opening);
            }
            self.drop_session(session, None);
        }
        match self.admit(now, &request) {
            Ok(()) => self.take_in(now, request, terms, opening),
            Err(denial) => {
                self.outputs.push_back(Output::Event(Event::SessionDenied { session, denial }));
                self.deny(session, opening, denial);
            }
        }
    }

    /// Whether a new session can be served, for which others may have to go.
    fn admit(&mut self, now: Instant, request: &Request) -> Result<(), Denial> {
        let limits = self.config.limits;
        if self.closing {
            return Err(Denial::Closing);
        }
        let (text, stop_ids) = (&request.text, &request.stop_ids);
        let is_over = text.len() >= request.budget as usize;
        if is_over
            || text.iter().any(|id| stop_ids.contains(id))
            || reserved(request) > limits.tokens
        {
            return Err(Denial::Unserveable);
        }
        if self.clients.sessions(request.session.client()) >= limits.client_sessions {
            return Err(Denial::Sessions);
        }
        let is_full = |cloud: &Self| {
            cloud.sessions.len() >= limits.sessions as usize
                || cloud.reserved + reserved(request) > limits.tokens
        };
        while is_full(self) {
            let idle = self.longest_idle().filter(|(heard, _)| *heard + limits.settled <= now);
            let (_, session) = idle.ok_or(Denial::Full)?;
            self.deny_session(session, Denial::Evicted);
        }
        Ok(())
    }

    /// The session that was not heard of for the longest time, of those that nothing is done for.
    fn longest_idle(&self) -> Option<(Instant, SessionId)> {
        let idle = self.sessions.iter().filter(|(_, state)| state.prefilled && !state.is_busy());
        idle.map(|(session, state)| (state.heard, *session)).min()
    }

    fn take_in(&mut self, now: Instant, request: Request, terms: Terms, opening: u32) {
        let (session, text) = (request.session, request.text.len() as u32);
        let cost = PASS_COST + request.prompt.len() as u64 / PROMPT_SHARE;
        if let Entry::Vacant(place) = self.sessions.entry(session) {
            let state = place.insert(Session::new(now, request, terms, opening));
            self.reserved += state.reserved();
            self.clients.add_session(session.client(), now);
            let admitted = Event::SessionAdmitted { session, text, known: false };
            self.outputs.push_back(Output::Event(admitted));
            self.queue.push(Job::Prefill(session), cost);
            self.look_for_idle(now);
        }
    }

    /// A known session goes on over another link.
    fn take_up(&mut self, session: SessionId, committed: usize, opening: u32) {
        self.queue.retain(|job| job_stays(job, session));
        if let Some(running) = &mut self.running
            && !matches!(running.pass, Pass::Prefill(_))
            && running.pass.is_of(session)
            && !running.closed.contains(&session)
        {
            running.closed.push(session);
        }
        let text = committed as u32;
        let admitted = Event::SessionAdmitted { session, text, known: true };
        self.outputs.push_back(Output::Event(admitted));
        let state = self.sessions.get_mut(&session).expect("it is known");
        state.take_up(committed, opening);
        if state.prefilled {
            let opened = state.opened();
            self.transmit(opened);
        }
    }

    /// Forgets a session, and what was to be done for it. One that is not known is no mistake.
    pub(super) fn drop_session(&mut self, session: SessionId, denial: Option<Denial>) {
        let Some(state) = self.sessions.remove(&session) else { return };
        self.reserved -= state.reserved();
        self.queue.retain(|job| job.session() != session);
        if self.clients.remove_session(session.client()) == 0 {
            self.queue.left(session.client());
        }
        if let Some(running) = &mut self.running
            && running.pass.is_of(session)
            && !running.closed.contains(&session)
        {
            running.closed.push(session);
        }
        self.outputs.push_back(Output::Event(Event::SessionDropped { session, denial }));
    }

    /// Forgets a session and tells its edge.
    pub(super) fn deny_session(&mut self, session: SessionId, denial: Denial) {
        let Some(opening) = self.sessions.get(&session).map(Session::opening) else { return };
        self.drop_session(session, Some(denial));
        self.deny(session, opening, denial);
    }

    fn deny(&mut self, session: SessionId, opening: u32, denial: Denial) {
        let retry = match denial {
            Denial::Evicted | Denial::Unserveable => Duration::ZERO,
            Denial::Full | Denial::Sessions | Denial::Tokens | Denial::Closing => RETRY,
        };
        self.transmit(Message::Denied { session, opening, denial, retry });
    }

    /// Whether more of a client's drafts are held than may be.
    pub(super) fn has_too_many_tokens(&self, client: u32) -> bool {
        let own = self.sessions.range(SessionId::of(client, 0)..=SessionId::of(client, u32::MAX));
        let held: u64 = own.map(|(_, state)| u64::from(state.held_tokens())).sum();
        held > self.config.limits.client_tokens.into()
    }

    /// Evicts sessions that were not heard of for too long.
    pub(super) fn evict_idle(&mut self, now: Instant) {
        self.idle = None;
        let idle = self.config.limits.idle;
        while let Some((heard, session)) = self.longest_idle()
            && heard + idle <= now
        {
            self.deny_session(session, Denial::Evicted);
        }
        self.look_for_idle(now);
    }

    /// Sets the timer for the session that is idle for the longest time, unless it is set.
    fn look_for_idle(&mut self, now: Instant) {
        if self.idle.is_none()
            && let Some(heard) = self.sessions.values().map(|state| state.heard).min()
        {
            // A busy one is looked at again.
            let at = (heard + self.config.limits.idle).max(now + LOOK_AGAIN);
            self.idle = Some(at);
            self.outputs.push_back(Output::WakeAt(at, Reason::Idle));
        }
    }

    /// Takes nothing new, and lets go of the sessions that wait for no verdict.
    pub(super) fn shut_down(&mut self) {
        self.closing = true;
        let resting = self.sessions.iter().filter(|(_, state)| !state.is_busy());
        for session in resting.map(|(session, _)| *session).collect::<Vec<_>>() {
            self.deny_session(session, Denial::Closing);
        }
    }
}

/// An edge that was denied asks again after this time.
const RETRY: Duration = Duration::from_secs(1);
/// Between two looks for idle sessions at least.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Whether a job is of another session, or of use to this one still.
fn job_stays(job: &Job, session: SessionId) -> bool {
    matches!(job, Job::Prefill(_)) || job.session() != session
}
