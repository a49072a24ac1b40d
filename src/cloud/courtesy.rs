//! What clients cost each other, and who has to let others go first for it.
//!
//! Fair queueing gives whoever asks for little its turn next, but a pass that runs is not broken off: beside
//! a client whose rounds and prompts are long, each NAV waits for the rest of a long pass. So the cloud keeps
//! an account for each client. It earns a seventh of the time that is its own (drafting, on the link, with
//! the target), and pays for the time that it waits while the target is another's. Who is in debt has others
//! held back: those that have had more than a seventh of the target's time, and need more of it than the
//! debtor does.
//!
//! A client that itself needs no more than a seventh of the target so loses no more than a seventh of its
//! time to any other, and one pass: its time per token grows by 1 / (1 - 1/7) = 1.17, whatever the other asks
//! for. The price is that the target may rest while somebody waits. It cannot come to a standstill: who
//! is held back needs more than who holds it back, and whoever nobody holds back is served, or thinks and
//! so earns.
//!
//! *Need* is the share of the target that a client would have if it never waited: time with the target over
//! time of its own. Clients that are alike do not hold each other back, however many they are.

use std::collections::BTreeMap;

use crate::time::{Duration, Instant, nanos};

/// The part of its time that a client may cost another, and of the target's that it may have in any case.
const PART: u32 = 7;
/// As much as a purse holds, and debt of which no more is remembered when more comes to it \[ns\].
const PURSE_MAX: i64 = 200_000_000;
const DEBT_MAX: i64 = 5_000_000_000;
/// Of what a client needs, what was longer ago counts for less and less. Many rounds' time.
const MEMORY: Duration = Duration::from_secs(16);
/// A newcomer is taken for one that has rested for so long.
const REST: Duration = Duration::from_secs(4);
/// Who did nothing for so long is not remembered: it owes nothing, and needs nothing.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Who is held back is looked at again after this time at the latest.
const LOOK: Duration = Duration::from_millis(100);

/// Time that is earned, a seventh of time that passes, and paid with \[ns\]; less than 0: debt.
#[derive(Clone, Copy, Debug)]
struct Purse(i64);

impl Purse {
    const FULL: Self = Self(PURSE_MAX);

    fn earn(&mut self, passed: Duration) {
        self.0 = self.0.saturating_add(signed(passed / PART)).min(PURSE_MAX);
    }

    fn pay(&mut self, time: Duration) {
        // A pass counts in full, however long it was.
        self.0 = self.0.min(self.0.max(-DEBT_MAX).saturating_sub(signed(time)));
    }

    const fn owes(self) -> bool {
        self.0 < 0
    }

    /// How long it takes to earn what is owed, a little more as what is earned is rounded.
    fn debt_lasts(self) -> Duration {
        Duration::from_nanos(self.0.min(0).unsigned_abs() + 1) * PART
    }
}

fn signed(time: Duration) -> i64 {
    i64::try_from(nanos(time)).unwrap_or(i64::MAX)
}

/// Time with the target, as if alone in each pass, and time not kept waiting.
#[derive(Clone, Copy, Debug)]
struct Need {
    served: Duration,
    own: Duration,
}

impl Need {
    /// Whether it is no more than a client has a right to.
    fn is_small(self) -> bool {
        self.served * PART <= self.own
    }

    /// Whether it is more than half as much again: those alike are to share.
    fn exceeds(self, other: Self) -> bool {
        let product = |a: Duration, b: Duration| u128::from(nanos(a)) * u128::from(nanos(b));
        2 * product(self.served, other.own) > 3 * product(other.served, self.own)
    }
}

/// What is known of a client.
#[derive(Clone, Copy, Debug)]
struct Account {
    /// Up to when the following is reckoned.
    at: Instant,
    need: Need,
    /// Earned by time not kept waiting, paid for time kept waiting for others.
    patience: Purse,
    /// Earned by all time, paid for time with the target.
    allowance: Purse,
    /// Pieces of work that wait, and since when.
    waiting: u32,
    since: Instant,
    /// The target is doing something for it.
    in_pass: bool,
}

impl Account {
    const fn new(now: Instant) -> Self {
        Self {
            at: now,
            need: Need { served: Duration::ZERO, own: REST },
            patience: Purse::FULL,
            allowance: Purse::FULL,
            waiting: 0,
            since: now,
            in_pass: false,
        }
    }

    /// Whether it wants nothing of the target now.
    const fn thinks(&self) -> bool {
        self.waiting == 0 && !self.in_pass
    }

    fn advance(&mut self, now: Instant) {
        let passed = now - self.at;
        self.at = now;
        self.allowance.earn(passed);
        if self.thinks() {
            self.has_to_itself(passed);
        }
    }

    /// The target has done for it what takes so long alone.
    fn is_served(&mut self, alone: Duration) {
        self.in_pass = false;
        self.need.served += alone;
        self.allowance.pay(alone);
        self.has_to_itself(alone);
    }

    /// So much of its time was not for others.
    fn has_to_itself(&mut self, time: Duration) {
        self.patience.earn(time);
        self.need.own += time;
        while self.need.own > 2 * MEMORY {
            self.need.own /= 2;
            self.need.served /= 2;
        }
    }

    /// Whether what that other does is more than it has to put up with.
    fn minds(&self, other: Need) -> bool {
        (self.need.is_small() && !other.is_small()) || other.exceeds(self.need)
    }
}

/// The accounts of all clients.
#[derive(Clone, Debug)]
pub(super) struct Books {
    accounts: BTreeMap<u32, Account>,
    /// Tokens of each client in the pass under way, and since when that is.
    pass: BTreeMap<u32, u64>,
    began: Instant,
}

impl Books {
    pub(super) const fn new() -> Self {
        Self { accounts: BTreeMap::new(), pass: BTreeMap::new(), began: Instant::ZERO }
    }

    /// A client's account, as of now.
    fn account(&mut self, client: u32, now: Instant) -> &mut Account {
        let account = self.accounts.entry(client).or_insert_with(|| Account::new(now));
        account.advance(now);
        account
    }

    /// Work of a client waits from now on.
    pub(super) fn waits(&mut self, client: u32, now: Instant) {
        let account = self.account(client, now);
        if account.waiting == 0 {
            account.since = now;
        }
        account.waiting += 1;
    }

    /// Work of a client waits no longer, and will not be done.
    pub(super) fn dropped(&mut self, client: u32, now: Instant) {
        self.account(client, now).waiting -= 1;
    }

    /// Work of a client, of so many tokens, goes to the target, in the same pass as what went now before it.
    pub(super) fn served(&mut self, client: u32, tokens: u64, now: Instant) {
        let account = self.account(client, now);
        account.waiting -= 1;
        account.in_pass = true;
        *self.pass.entry(client).or_default() += tokens;
        self.began = now;
    }

    /// The pass is over. It has cost `common` tokens besides those of its clients.
    pub(super) fn finished(&mut self, common: u64, now: Instant) {
        let pass = core::mem::take(&mut self.pass);
        let (began, all) = (self.began, common + pass.values().sum::<u64>());
        let share = |tokens: u64| (now - began).mul_f64(tokens as f64 / all.max(1) as f64);
        let mut needs = Vec::new();
        for (&client, &tokens) in &pass {
            let account = self.account(client, now);
            account.is_served(share(common + tokens));
            needs.push((client, tokens, account.need));
        }
        for (client, account) in &mut self.accounts {
            let others = needs.iter().filter(|(other, ..)| other != client);
            if pass.contains_key(client) {
                let longer = others.filter(|(.., need)| account.minds(*need));
                account.patience.pay(share(longer.map(|(_, tokens, _)| tokens).sum()));
            } else if account.waiting > 0 {
                account.advance(now);
                if others.into_iter().any(|(.., need)| account.minds(*need)) {
                    account.patience.pay(now - account.since.max(began));
                }
            }
        }
    }

    /// Who is held back now, as a test of clients.
    pub(super) fn held(&mut self, now: Instant) -> impl Fn(u32) -> bool + use<'_> {
        let mut debtors = Vec::new();
        for (client, account) in &mut self.accounts {
            if account.patience.owes() {
                account.advance(now);
            }
            if account.patience.owes() {
                debtors.push((*client, *account));
            }
        }
        move |client| {
            !debtors.is_empty()
                && self.accounts.get(&client).is_some_and(|account| {
                    let mut account = *account;
                    account.advance(now);
                    account.allowance.owes()
                        && debtors
                            .iter()
                            .any(|(other, debtor)| *other != client && debtor.minds(account.need))
                })
        }
    }

    /// When to look again, if everybody who waits is held back.
    pub(super) fn relief(&self, now: Instant) -> Instant {
        let earning = self.accounts.values().filter(|account| account.thinks());
        let debts = earning.filter(|a| a.patience.owes()).map(|a| a.patience.debt_lasts());
        now + debts.min().unwrap_or(LOOK).min(LOOK)
    }

    /// A client has no session left: nobody has to wait for its sake.
    pub(super) fn left(&mut self, client: u32, now: Instant) {
        if let Some(account) = self.accounts.get_mut(&client) {
            account.patience = Purse::FULL;
        }
        self.accounts.retain(|_, account| {
            account.waiting > 0 || account.in_pass || account.at + FORGOTTEN > now
        });
    }
}
