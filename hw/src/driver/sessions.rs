//! What edges call their sessions, and what the cloud does. An edge chooses its ids; so that it can
//! neither see nor touch another's session, each of its sessions gets an id at the cloud that was never
//! used before. Sessions are an edge's, not a link's: when a link is lost they wait for the next one.

use std::collections::{BTreeMap, VecDeque};

use pipesd_core::ids::SessionId;
use pipesd_core::message::Message;

use crate::transport::ClientName;

/// A link's number: never used twice.
pub(super) type LinkId = u64;

/// Sessions that an edge may have open at the same time, as far as names go; the machine grants fewer.
const OPEN_MAX: usize = 64;
/// Sessions of a client that are remembered after their end: uploads may come later than the end.
const CLOSED_MAX: usize = 16;

/// Who owns which session.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    clients: BTreeMap<u32, Client>,
    by_name: BTreeMap<ClientName, u32>,
    links: BTreeMap<LinkId, u32>,
    /// Clients so far; the next one's number.
    count: u32,
}

/// An edge, whatever link it comes over, and its sessions by its own names.
#[derive(Debug)]
struct Client {
    name: ClientName,
    link: Option<LinkId>,
    /// Sessions so far; the next one's number.
    count: u32,
    open: BTreeMap<SessionId, SessionId>,
    closed: VecDeque<(SessionId, SessionId)>,
}

impl Client {
    fn theirs(&self, ours: SessionId) -> Option<SessionId> {
        let open = self.open.iter().find(|(_, own)| **own == ours).map(|(theirs, _)| *theirs);
        let closed = || self.closed.iter().find(|(_, own)| *own == ours).map(|(theirs, _)| *theirs);
        open.or_else(closed)
    }

    fn close(&mut self, ours: SessionId) {
        let Some(theirs) =
            self.open.iter().find(|(_, own)| **own == ours).map(|(theirs, _)| *theirs)
        else {
            return;
        };
        self.open.remove(&theirs);
        if self.closed.len() == CLOSED_MAX {
            self.closed.pop_front();
        }
        self.closed.push_back((theirs, ours));
    }
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
    /// A client comes over a link. Returns the one that it had before, if that is still there: an edge has
    /// one at a time, and knows best which.
    pub(super) fn add_link(&mut self, link: LinkId, name: ClientName) -> Option<LinkId> {
        let number = *self.by_name.entry(name).or_insert_with(|| {
            let (open, closed) = (BTreeMap::new(), VecDeque::new());
            self.clients.insert(self.count, Client { name, link: None, count: 0, open, closed });
            self.count += 1;
            self.count - 1
        });
        self.links.insert(link, number);
        let client = self.clients.get_mut(&number).expect("named clients are there");
        let before = client.link.replace(link);
        if let Some(before) = before {
            self.links.remove(&before);
        }
        before
    }

    /// A link is over. Its client's sessions wait for another.
    pub(super) fn remove_link(&mut self, link: LinkId) {
        let Some(number) = self.links.remove(&link) else { return };
        if let Some(client) = self.clients.get_mut(&number) {
            client.link = None;
        }
        self.forget_if_gone(number);
    }

    /// A link's client is to be forgotten. Returns its open sessions.
    pub(super) fn remove_client(&mut self, link: LinkId) -> Vec<SessionId> {
        let Some(number) = self.links.remove(&link) else { return Vec::new() };
        let Some(client) = self.clients.remove(&number) else { return Vec::new() };
        self.by_name.remove(&client.name);
        client.open.into_values().collect()
    }

    /// A session is over.
    pub(super) fn close(&mut self, session: SessionId) {
        if let Some(client) = self.clients.get_mut(&session.client()) {
            client.close(session);
        }
        self.forget_if_gone(session.client());
    }

    /// A client without link and sessions may be another, when it comes again.
    fn forget_if_gone(&mut self, number: u32) {
        let is_gone = |client: &Client| client.link.is_none() && client.open.is_empty();
        if self.clients.get(&number).is_some_and(is_gone)
            && let Some(client) = self.clients.remove(&number)
        {
            self.by_name.remove(&client.name);
        }
    }

    /// A message that came over `link`.
    pub(super) fn inbound(&mut self, link: LinkId, mut message: Message) -> Inbound {
        let Some(&number) = self.links.get(&link) else { return Inbound::Nothing };
        let client = self.clients.get_mut(&number).expect("linked clients are there");
        let theirs = message.session();
        if let Some(&session) = client.open.get(&theirs) {
            *session_mut(&mut message) = session;
            return Inbound::Known(message);
        }
        // A probe goes on a stream of its own and may overtake its session's beginning.
        let begins = match message {
            Message::Open { .. } => true,
            Message::Probe { .. } => !client.closed.iter().any(|(closed, _)| *closed == theirs),
            _ => false,
        };
        if !begins {
            // The last of that name: the others ended before it.
            let closed = client.closed.iter().rev().find(|(closed, _)| *closed == theirs);
            return match closed {
                Some(&(_, session)) if !matches!(message, Message::Close { .. }) => {
                    *session_mut(&mut message) = session;
                    Inbound::Known(message)
                }
                _ => Inbound::Nothing,
            };
        }
        if client.open.len() == OPEN_MAX {
            return Inbound::TooMany;
        }
        let session = SessionId::of(number, client.count);
        client.count += 1;
        client.open.insert(theirs, session);
        *session_mut(&mut message) = session;
        Inbound::New { message, theirs }
    }

    /// The link of a session's client, while there is one.
    pub(super) fn link_of(&self, session: SessionId) -> Option<LinkId> {
        self.clients.get(&session.client())?.link
    }

    /// Where a message of the cloud goes, under the edge's name; None: nobody hears it now.
    pub(super) fn outbound(&self, mut message: Message) -> Option<(LinkId, Message)> {
        let session = session_mut(&mut message);
        let client = self.clients.get(&session.client())?;
        *session = client.theirs(*session)?;
        Some((client.link?, message))
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

    fn begun(sessions: &mut Sessions, link: LinkId) -> SessionId {
        match sessions.inbound(link, probe(THEIRS)) {
            Inbound::New { message, theirs: THEIRS } => message.session(),
            other => panic!("{other:?}"),
        }
    }

    fn opened(session: SessionId) -> Message {
        Message::Opened { session, opening: 0 }
    }

    fn linked(links: &[u128]) -> Sessions {
        let mut sessions = Sessions::default();
        for (link, &name) in (0..).zip(links) {
            assert_eq!(sessions.add_link(link, ClientName::numbered(name)), None);
        }
        sessions
    }

    #[test]
    fn the_same_name_on_two_links_is_two_sessions() {
        let mut sessions = linked(&[1, 2]);
        let (one, other) = (begun(&mut sessions, 0), begun(&mut sessions, 1));
        assert_ne!(one.client(), other.client());
        assert_eq!(sessions.inbound(0, close()), Inbound::Known(Message::Close { session: one }));
        assert_eq!(sessions.outbound(opened(other)), Some((1, opened(THEIRS))));
    }

    #[test]
    fn a_name_used_again_is_another_session_and_what_comes_late_is_the_old_one() {
        let mut sessions = linked(&[1]);
        let first = begun(&mut sessions, 0);
        sessions.close(first);
        // A probe that comes late begins nothing.
        assert_eq!(sessions.inbound(0, probe(THEIRS)), Inbound::Known(probe(first)));
        assert_eq!(sessions.inbound(0, close()), Inbound::Nothing);
        // What is said of it last is heard.
        assert_eq!(sessions.outbound(opened(first)), Some((0, opened(THEIRS))));
        let (second, theirs) = (SessionId::of(0, 1), SessionId(9));
        let new = Inbound::New { message: probe(second), theirs };
        assert_eq!(sessions.inbound(0, probe(theirs)), new);
        assert_eq!(sessions.remove_client(0), [second]);
        assert_eq!(sessions.inbound(0, probe(THEIRS)), Inbound::Nothing);
    }

    #[test]
    fn sessions_wait_for_their_client_and_for_nobody_else() {
        let mut sessions = linked(&[1]);
        let session = begun(&mut sessions, 0);
        sessions.remove_link(0);
        assert_eq!(sessions.outbound(opened(session)), None);
        assert_eq!(sessions.add_link(1, ClientName::numbered(2)), None);
        assert_ne!(begun(&mut sessions, 1).client(), session.client());
        assert_eq!(sessions.add_link(2, ClientName::numbered(1)), None);
        assert_eq!(sessions.inbound(2, probe(THEIRS)), Inbound::Known(probe(session)));
        // It comes over another before the first is known to be over.
        assert_eq!(sessions.add_link(3, ClientName::numbered(1)), Some(2));
        assert_eq!(sessions.inbound(2, probe(THEIRS)), Inbound::Nothing);
        sessions.remove_link(2);
        assert_eq!(sessions.outbound(opened(session)), Some((3, opened(THEIRS))));
    }

    #[test]
    fn a_client_without_link_and_sessions_leaves_nothing() {
        let mut sessions = linked(&[1, 2]);
        let session = begun(&mut sessions, 0);
        sessions.remove_link(0);
        sessions.remove_link(1);
        sessions.close(session);
        assert!(sessions.clients.is_empty() && sessions.by_name.is_empty());
        assert!(sessions.links.is_empty());
    }

    #[test]
    fn an_edge_cannot_open_sessions_without_end() {
        let mut sessions = linked(&[1]);
        for id in 0..OPEN_MAX as u64 {
            assert!(matches!(sessions.inbound(0, probe(SessionId(id))), Inbound::New { .. }));
        }
        assert_eq!(sessions.inbound(0, probe(SessionId(1 << 40))), Inbound::TooMany);
    }
}
