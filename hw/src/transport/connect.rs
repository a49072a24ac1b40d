//! The edge's side: reach the cloud of a ticket, by as many tries as it takes.
//!
//! On a bad network a try's own retransmissions come later and later, and a cloud that was started anew
//! knows nothing of handshakes with the one before. So others are begun beside it: of each, packets come at
//! once. They go on together for a while, as a way that is long may take longer than the time after which
//! the next is begun. Who comes is said over one of them alone: a cloud takes the last hello for the link.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use pipesd_core::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

use super::handshake::{Answered, shake_hands};
use super::link::Link;
use super::{Settings, Ticket, TransportError};
use crate::net::Emulation;

/// How long an edge that comes first waits for an answer before it tries once more.
const BESIDE: Duration = Duration::from_millis(1500);
/// Tries that are under way, at most; the oldest makes room. Few: each may hold a place at the cloud's door.
const TRIES_MAX: usize = 3;

/// Connects to the cloud of `ticket` and introduces itself. `emulation`, if any, is applied to all
/// that the link carries, the handshake included.
///
/// # Errors
/// [`TransportError`]: nothing answers within [`Settings::handshake`], another key is shown, or the
/// cloud refuses and says why.
pub async fn connect(
    ticket: &Ticket,
    settings: &Settings,
    emulation: Option<&Emulation>,
) -> Result<Link, TransportError> {
    let mut caller = Caller::new(ticket.clone(), settings.clone(), emulation.cloned());
    let tries = async {
        loop {
            let next = Instant::now() + BESIDE;
            match caller.call(BESIDE).await {
                // It may be early, and the cloud just being started.
                Err(TransportError::NoAnswer(_)) => tokio::time::sleep_until(next).await,
                answer => return answer,
            }
        }
    };
    let answer = timeout(settings.handshake, tries).await;
    answer.unwrap_or_else(|_| {
        Err(if caller.busy.load(Ordering::Relaxed) {
            TransportError::Refused("too many are at the cloud's door".into())
        } else {
            TransportError::NoAnswer(ticket.address)
        })
    })
}

type Try = Pin<Box<dyn Future<Output = Result<Answered, TransportError>> + Send>>;

/// Calls a cloud again and again.
pub(crate) struct Caller {
    ticket: Ticket,
    settings: Settings,
    emulation: Option<Emulation>,
    /// In order of their beginning.
    tries: VecDeque<Try>,
    /// The cloud is there, and has no time.
    busy: Arc<AtomicBool>,
}

impl Caller {
    pub(crate) fn new(ticket: Ticket, settings: Settings, emulation: Option<Emulation>) -> Self {
        let (tries, busy) = (VecDeque::new(), Arc::default());
        Self { ticket, settings, emulation, tries, busy }
    }

    /// Begins a try beside those that are under way, and waits for an answer to any of them for so long. The
    /// tries go on after that, until the next call has its answer.
    ///
    /// # Errors
    /// [`TransportError`]: there is no answer yet (`NoAnswer`), or not the right one.
    pub(crate) async fn call(&mut self, within: Duration) -> Result<Link, TransportError> {
        let deadline = Instant::now() + within;
        let (ticket, settings) = (self.ticket.clone(), self.settings.clone());
        let shaking = shake_hands(ticket, settings, self.emulation.clone(), Arc::clone(&self.busy));
        let (cloud, longest) = (self.ticket.address, self.settings.handshake);
        if self.tries.len() == TRIES_MAX {
            self.tries.pop_front();
        }
        self.tries.push_back(Box::pin(async move {
            let shaken = timeout(longest, shaking).await;
            shaken.unwrap_or(Err(TransportError::NoAnswer(cloud)))
        }));
        while !self.tries.is_empty() {
            let Ok(first) = timeout_at(deadline, self.first()).await else { break };
            let introduced = match first {
                Ok(answered) => self.introduce(answered).await,
                Err(error) => Err(error),
            };
            match introduced {
                Err(TransportError::NoAnswer(_)) => {}
                answer => {
                    self.tries.clear();
                    return answer;
                }
            }
        }
        Err(TransportError::NoAnswer(cloud))
    }

    /// What comes of the first try that comes to an end.
    async fn first(&mut self) -> Result<Answered, TransportError> {
        poll_fn(|cx| {
            for number in 0..self.tries.len() {
                if let Poll::Ready(end) = self.tries[number].as_mut().poll(cx) {
                    self.tries.remove(number);
                    return Poll::Ready(end);
                }
            }
            Poll::Pending
        })
        .await
    }

    async fn introduce(&self, answered: Answered) -> Result<Link, TransportError> {
        let introducing = answered.introduce(&self.ticket, &self.settings);
        let introduced = timeout(self.settings.handshake, introducing).await;
        introduced.unwrap_or(Err(TransportError::NoAnswer(self.ticket.address)))
    }
}
