//! The edge's side of the uplink: one message unsent at a time, control before uploads.

use std::collections::VecDeque;

use super::round::Round;
use super::session::Session;
use crate::contract::Output;
use crate::event::Event;
use crate::ids::{MessageId, RoundId, SessionId};
use crate::message::{Message, Upload};
use crate::method::Method;
use crate::upload::{UploadObservation, UploadPolicy};

#[derive(Clone, Debug, Default)]
pub(super) struct Uplink {
    control: VecDeque<Message>,
    in_transit: Option<InTransit>,
    message_count: u64,
}

#[derive(Clone, Copy, Debug)]
struct InTransit {
    id: MessageId,
    /// Set for uploads.
    upload: Option<(SessionId, RoundId)>,
    cancelled: bool,
}

impl Uplink {
    /// Queues a message that goes before any upload.
    pub(super) fn queue_control(&mut self, message: Message) {
        self.control.push_back(message);
    }

    pub(super) fn on_sent(&mut self, id: MessageId, outputs: &mut VecDeque<Output>) {
        let sent = self.in_transit.take().expect("a send was under way");
        assert_eq!(sent.id, id, "messages are sent one at a time");
        if sent.upload.is_some() {
            outputs.push_back(Output::Event(Event::UploadSent { message: id }));
        }
    }

    /// The link is over: what was to be said over it is void. That a session has ended is said all the
    /// same, over the next one.
    pub(super) fn lose(&mut self) {
        assert!(self.in_transit.is_none(), "what was handed to a link is answered before its end");
        self.control.retain(|message| matches!(message, Message::Close { .. }));
    }

    /// Calls off an upload under way of any round after `last_resolved` (all, if there is none): a
    /// rollback has made it stale.
    pub(super) fn cancel_after(
        &mut self,
        last_resolved: Option<RoundId>,
        outputs: &mut VecDeque<Output>,
    ) {
        if let Some(transit) = &mut self.in_transit
            && let Some((_, round)) = transit.upload
            && last_resolved.is_none_or(|last| round > last)
            && !transit.cancelled
        {
            transit.cancelled = true;
            outputs.push_back(Output::Event(Event::UploadCancelled { message: transit.id }));
            outputs.push_back(Output::Cancel(transit.id));
        }
    }

    /// Hands the next message to the link, if it is free and there is one.
    pub(super) fn pump(
        &mut self,
        method: &Method,
        window: u32,
        plan: &[u32],
        session: Option<&mut Session>,
        outputs: &mut VecDeque<Output>,
    ) {
        if self.in_transit.is_some() {
            return;
        }
        if let Some(message) = self.control.pop_front() {
            self.transmit(message, None, outputs);
        } else if let Some(upload) = session.and_then(|s| next_upload(s, method, window, plan)) {
            let (session, round) = (upload.session, upload.round);
            outputs.push_back(Output::Event(Event::UploadStarted {
                session,
                round,
                message: MessageId(self.message_count),
                offset: upload.offset,
                tokens: upload.tokens.len() as u32,
                nav: upload.nav.is_some(),
            }));
            self.transmit(Message::Upload(upload), Some((session, round)), outputs);
        }
    }

    fn transmit(
        &mut self,
        message: Message,
        upload: Option<(SessionId, RoundId)>,
        outputs: &mut VecDeque<Output>,
    ) {
        let id = MessageId(self.message_count);
        self.message_count += 1;
        self.in_transit = Some(InTransit { id, upload, cancelled: false });
        outputs.push_back(Output::Transmit { id, message });
    }
}

/// How the round is uploaded that stands `ahead` rounds behind the front; none: not yet.
fn policy_of(round: &Round, ahead: usize, method: &Method) -> Option<UploadPolicy> {
    let waiting = method.waiting;
    match (ahead, waiting.upload_ahead()) {
        // What was begun behind a guess is uploaded as such until its NAV request.
        (0, Some(upload)) if waiting.holds_nav() && round.guess.is_some() => Some(upload),
        (0, _) => Some(method.upload),
        // Drafted alone: the cloud holds no more of a session than is drafted with a link.
        (ahead, Some(_)) if ahead > waiting.depth() as usize => None,
        (_, Some(upload)) => Some(upload),
        (_, None) => round.scripted.is_some().then_some(method.upload),
    }
}

/// The first round that has something to send decides; later rounds wait for it.
fn next_upload(
    session: &mut Session,
    method: &Method,
    window: u32,
    plan: &[u32],
) -> Option<Upload> {
    let session_id = session.id();
    let mut chosen = None;
    for (ahead, round) in session.rounds_mut().enumerate() {
        let Some(policy) = policy_of(round, ahead, method) else { break };
        let unsent = round.unsent();
        let held = method.waiting.holds_nav() && round.awaits_parent;
        let count = match round.fired {
            Some(_) if round.nav_requested => continue,
            // NAV cuts the plan: all that is unsent goes up with the request (rule 1).
            Some(_) if !held => unsent,
            Some(_) if unsent == 0 => continue,
            None if unsent == 0 => break,
            _ => {
                let batches_sent = round.batches;
                let (policy, plan) = match &round.scripted {
                    Some(scripted) => (UploadPolicy::Dp, &scripted.batches[..]),
                    None => (policy, plan),
                };
                let seen = UploadObservation { unsent, batches_sent, window, plan };
                let Some(count) = policy.next_batch(&seen) else { break };
                count
            }
        };
        let nav = round.fired.is_some() && !held;
        let offset = round.sent;
        round.sent += count;
        round.batches += 1;
        round.nav_requested = nav;
        chosen = Some((round.clone(), offset, count));
        break;
    }
    let (round, offset, count) = chosen?;
    Some(Upload {
        session: session_id,
        round: round.id,
        parent: round.parent,
        start: round.start,
        prefix: round.prefix,
        guess: round.guess,
        offset,
        tokens: session.tokens(round.start + offset, count).to_vec(),
        evidence: session.evidence(round.start + offset, count, method.payload),
        nav: round.nav_requested.then_some(round.drafted),
    })
}
