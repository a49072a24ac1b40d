//! What a cloud grants: to each client, and to all together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::{Duration, Instant};

/// Bounds on what is served. Beyond them a session is denied, evicted, or has to wait: never another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudLimits {
    /// Sessions of all clients.
    pub sessions: u32,
    /// Tokens that all sessions may grow to, prompts and budgets added up: what the target's caches may
    /// have to hold.
    pub tokens: u64,
    /// Sessions of one client.
    pub client_sessions: u32,
    /// Draft tokens of one client that wait for verification.
    pub client_tokens: u32,
    /// NAVs of one client in a second; those beyond wait. 0: no limit.
    pub client_navs_per_second: u32,
    /// A session that was heard of this recently is not evicted for another's sake.
    pub settled: Duration,
    /// A session that was not heard of for this long is evicted.
    pub idle: Duration,
}

impl CloudLimits {
    /// More than one target serves.
    pub const DEFAULT: Self = Self {
        sessions: 1 << 16,
        tokens: 1 << 32,
        client_sessions: 8,
        client_tokens: 1 << 16,
        client_navs_per_second: 0,
        settled: Duration::from_secs(10),
        idle: Duration::from_secs(7 * 24 * 3600),
    };
}

/// NAVs that a client may have ahead of its rate: bursts are no offence.
const BURST: u32 = 4;

/// What is known of the clients that have sessions.
#[derive(Clone, Debug)]
pub(super) struct Clients(BTreeMap<u32, Client>);

#[derive(Clone, Copy, Debug, Default)]
struct Client {
    sessions: u32,
    /// When its NAVs would have been over, had they come at its rate.
    navs: Instant,
}

impl Clients {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn sessions(&self, client: u32) -> u32 {
        self.0.get(&client).map_or(0, |client| client.sessions)
    }

    pub(super) fn add_session(&mut self, client: u32, now: Instant) {
        // One that comes back is held to what it had before.
        self.0.retain(|_, client| client.sessions > 0 || client.navs > now);
        self.0.entry(client).or_default().sessions += 1;
    }

    /// Returns how many are left.
    pub(super) fn remove_session(&mut self, client: u32) -> u32 {
        let known = self.0.get_mut(&client).expect("its session was added");
        known.sessions -= 1;
        known.sessions
    }

    /// When a NAV that comes at `now` may have its turn (generic cell rate algorithm, ITU-T I.371).
    pub(super) fn nav_turn(&mut self, limits: &CloudLimits, client: u32, now: Instant) -> Instant {
        let Some(interval) = Duration::from_secs(1).checked_div(limits.client_navs_per_second)
        else {
            return now;
        };
        let client = self.0.entry(client).or_default();
        let ahead = client.navs.saturating_since(now).saturating_sub(interval * (BURST - 1));
        client.navs = client.navs.max(now) + interval;
        now + ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn navs_beyond_the_rate_wait_and_a_burst_does_not() {
        let limits = CloudLimits { client_navs_per_second: 10, ..CloudLimits::DEFAULT };
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        let mut clients = Clients::new();
        let turns = (0..7).map(|_| clients.nav_turn(&limits, 1, at(1000)));
        let turns: Vec<Instant> = turns.collect();
        assert_eq!(turns, [1000, 1000, 1000, 1000, 1100, 1200, 1300].map(at));
        // Another client has a rate of its own, and so has this one after a rest.
        assert_eq!(clients.nav_turn(&limits, 2, at(1000)), at(1000));
        assert_eq!(clients.nav_turn(&limits, 1, at(3000)), at(3000));
        assert_eq!(clients.nav_turn(&CloudLimits::DEFAULT, 1, at(3000)), at(3000));
    }
}
