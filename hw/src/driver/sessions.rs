//! What edges call their sessions, and what the cloud does. An edge chooses its ids; so that it can
//! neither see nor touch another's session, each of its sessions gets an id at the cloud that was never
//! used before.

use std::collections::{BTreeMap, VecDeque};

use pipesd_core::ids::SessionId;
use pipesd_core::message::Message;

/// A link's number: never used twice.
pub(super) type LinkId = u64;

/// Sessions that an edge may have open at the same time. An edge decodes one at a time, and while it
/// changes from one to the next has perhaps two; each may have the core hold 64 MiB of evidence.
const OPEN_MAX: usize = 8;
/// Sessions of a link that are remembered after their end: uploads may come later than the end.
const CLOSED_MAX: usize = 16;

/// Who owns which session.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    next: u64,
    links: BTreeMap<LinkId, Names>,
    owners: BTreeMap<SessionId, (LinkId, SessionId)>,
}

/// The sessions of a link, by the edge's names.
#[derive(Debug, Default)]
struct Names {
    open: BTreeMap<SessionId, SessionId>,
    closed: VecDeque<(SessionId, SessionId)>,
}

/// A message from an edge, as the cloud understands it.
#[derive(Debug, PartialEq)]
pub(super) enum Inbound {
    /// It is for this session, known by the cloud's name.
    Known(Message),
    /// The same, and the session is new.
    New { message: Message, theirs: SessionId },
    /// It is of a session that is not there: it means nothing.
    Nothing,
    /// The edge has more sessions open than it may.
    TooMany,
}

impl Sessions {
    pub(super) fn add_link(&mut self, link: LinkId) {
        self.links.insert(link, Names::default());
    }

    /// Forgets a link. Returns its open sessions.
    pub(super) fn remove_link(&mut self, link: LinkId) -> Vec<SessionId> {
        let names = self.links.remove(&link).unwrap_or_default();
        let open: Vec<SessionId> = names.open.into_values().collect();
        for session in &open {
            self.owners.remove(session);
        }
        open
    }

    /// A message that came over `link`.
    pub(super) fn inbound(&mut self, link: LinkId, mut message: Message) -> Inbound {
        let Some(names) = self.links.get_mut(&link) else { return Inbound::Nothing };
        let theirs = message.session();
        // A probe goes on a stream of its own and may overtake its session's beginning.
        let begins = match message {
            Message::Open { .. } => true,
            Message::Probe { .. } => !names.closed.iter().any(|(closed, _)| *closed == theirs),
            _ => false,
        };
        if let Some(&session) = names.open.get(&theirs) {
            if matches!(message, Message::Close { .. }) {
                names.open.remove(&theirs);
                self.owners.remove(&session);
                if names.closed.len() == CLOSED_MAX {
                    names.closed.pop_front();
                }
                names.closed.push_back((theirs, session));
            }
            *session_mut(&mut message) = session;
            return Inbound::Known(message);
        }
        if !begins {
            // The last of that name: the others ended before it.
            let closed = names.closed.iter().rev().find(|(closed, _)| *closed == theirs);
            return match closed {
                Some(&(_, session)) if !matches!(message, Message::Close { .. }) => {
                    *session_mut(&mut message) = session;
                    Inbound::Known(message)
                }
                _ => Inbound::Nothing,
            };
        }
        if names.open.len() == OPEN_MAX {
            return Inbound::TooMany;
        }
        let session = SessionId(self.next);
        self.next += 1;
        names.open.insert(theirs, session);
        self.owners.insert(session, (link, theirs));
        *session_mut(&mut message) = session;
        Inbound::New { message, theirs }
    }

    /// Where a message of the cloud goes, under the edge's name; None: nobody wants it any more.
    pub(super) fn outbound(&self, mut message: Message) -> Option<(LinkId, Message)> {
        let session = session_mut(&mut message);
        let (link, theirs) = *self.owners.get(session)?;
        *session = theirs;
        Some((link, message))
    }

    /// Whose a session is, while it is open.
    pub(super) fn owner(&self, session: SessionId) -> Option<LinkId> {
        self.owners.get(&session).map(|(link, _)| *link)
    }
}

/// The session of a message.
const fn session_mut(message: &mut Message) -> &mut SessionId {
    match message {
        Message::Open { request, .. } => &mut request.session,
        Message::Upload(upload) => &mut upload.session,
        Message::Verdict(verdict) => &mut verdict.session,
        Message::Probe { session, .. }
        | Message::Distribution { session, .. }
        | Message::Close { session }
        | Message::Opened { session, .. }
        | Message::Denied { session, .. }
        | Message::Probed { session, .. }
        | Message::DistributionRequest { session, .. } => session,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEIRS: SessionId = SessionId(7);

    fn probe(session: SessionId) -> Message {
        Message::Probe { session, tokens: 1 }
    }

    fn close() -> Message {
        Message::Close { session: THEIRS }
    }

    fn opened(sessions: &mut Sessions, link: LinkId) -> SessionId {
        match sessions.inbound(link, probe(THEIRS)) {
            Inbound::New { message, theirs: THEIRS } => message.session(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_same_name_on_two_links_is_two_sessions() {
        let mut sessions = Sessions::default();
        sessions.add_link(0);
        sessions.add_link(1);
        let (one, other) = (opened(&mut sessions, 0), opened(&mut sessions, 1));
        assert_ne!(one, other);
        assert_eq!(sessions.inbound(0, close()), Inbound::Known(Message::Close { session: one }));
        assert_eq!(sessions.owner(one), None);
        assert_eq!(sessions.outbound(Message::Opened { session: one, opening: 0 }), None);
        let theirs = Message::Opened { session: THEIRS, opening: 0 };
        assert_eq!(
            sessions.outbound(Message::Opened { session: other, opening: 0 }),
            Some((1, theirs))
        );
    }

    #[test]
    fn a_name_used_again_is_another_session_and_what_comes_late_is_the_old_one() {
        let mut sessions = Sessions::default();
        sessions.add_link(0);
        let first = opened(&mut sessions, 0);
        sessions.inbound(0, close());
        // A probe that comes late begins nothing.
        assert_eq!(sessions.inbound(0, probe(THEIRS)), Inbound::Known(probe(first)));
        assert_eq!(sessions.inbound(0, close()), Inbound::Nothing);
        assert_eq!(
            sessions.inbound(0, probe(SessionId(9))),
            Inbound::New { message: probe(SessionId(1)), theirs: SessionId(9) }
        );
        assert_eq!(sessions.remove_link(0), [SessionId(1)]);
        assert_eq!(sessions.inbound(0, probe(THEIRS)), Inbound::Nothing);
    }

    #[test]
    fn an_edge_cannot_open_sessions_without_end() {
        let mut sessions = Sessions::default();
        sessions.add_link(0);
        for id in 0..OPEN_MAX as u64 {
            assert!(matches!(sessions.inbound(0, probe(SessionId(id))), Inbound::New { .. }));
        }
        assert_eq!(sessions.inbound(0, probe(SessionId(1 << 40))), Inbound::TooMany);
    }
}
