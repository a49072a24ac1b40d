//! The only clock of a live endpoint, and precise waiting.

use pipesd_core::time::{Duration, Instant};
use serde::{Deserialize, Serialize};

/// Before a deadline a thread sleeps until so much is left, and yields for the rest: a sleeper is
/// woken up late by about a tenth of a millisecond, a yield returns within microseconds.
const EARLY: Duration = Duration::from_micros(200);

/// An endpoint's clock: monotonic, zero when it is started.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: std::time::Instant,
    origin: Option<Origin>,
}

/// When a clock was started, on the clock that all programs of a machine share. Logs of one machine
/// are aligned by it exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Stands for the machine since it was booted: equal iff the clocks are the same one.
    pub machine: u64,
    /// The machine's monotonic clock then \[ns\].
    pub start: u64,
}

impl Clock {
    /// Starts a clock.
    #[must_use]
    pub fn start() -> Self {
        let epoch = std::time::Instant::now();
        Self { epoch, origin: origin(epoch) }
    }

    /// The time on this clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    /// When it was started; None where the system does not tell.
    #[must_use]
    pub const fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// A time of this clock as the runtime's timers want it.
    pub(crate) fn as_std(&self, at: Instant) -> std::time::Instant {
        self.epoch + (at - Instant::ZERO)
    }
}

/// Readings of both clocks, of which the quickest counts: a thread may be interrupted between two.
#[cfg(target_os = "linux")]
const READINGS: u32 = 16;

/// `epoch` on the shared clock of this machine, to about a tenth of a microsecond.
#[cfg(target_os = "linux")]
fn origin(epoch: std::time::Instant) -> Option<Origin> {
    use rustix::time::{ClockId, clock_gettime};
    let reading = |_| {
        let before = epoch.elapsed();
        let time = clock_gettime(ClockId::Monotonic);
        let after = epoch.elapsed();
        (after - before, time, before + (after - before) / 2)
    };
    let (_, time, since) = (0..READINGS).map(reading).min_by_key(|(gap, ..)| *gap)?;
    let [seconds, ns] = [time.tv_sec, time.tv_nsec].map(u64::try_from);
    let now = seconds.ok()?.checked_mul(1_000_000_000)?.checked_add(ns.ok()?)?;
    let start = now.checked_sub(pipesd_core::time::nanos(since))?;
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    // A hash: a log is to say whether two clocks are one, not which machine it was.
    let machine = boot.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    Some(Origin { machine, start })
}

#[cfg(not(target_os = "linux"))]
const fn origin(_epoch: std::time::Instant) -> Option<Origin> {
    None
}

/// Waits until `deadline` to about 20 µs on an idle machine, and returns how late it is then. For
/// threads that have nothing else to do.
pub fn wait_until(deadline: std::time::Instant) -> Duration {
    loop {
        let now = std::time::Instant::now();
        let left = deadline.saturating_duration_since(now);
        if left.is_zero() {
            return now.saturating_duration_since(deadline);
        }
        if left > EARLY {
            std::thread::sleep(left - EARLY);
        } else {
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_never_ends_early() {
        for us in [0, 50, 300, 2500] {
            let deadline = std::time::Instant::now() + Duration::from_micros(us);
            wait_until(deadline);
            assert!(std::time::Instant::now() >= deadline);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn two_clocks_of_a_machine_tell_how_far_apart_they_were_started() {
        let one = Clock::start();
        std::thread::sleep(Duration::from_millis(5));
        let other = Clock::start();
        let apart = other.epoch.duration_since(one.epoch);
        let (one, other) = (one.origin().expect("linux"), other.origin().expect("linux"));
        assert_eq!(one.machine, other.machine);
        let told = Duration::from_nanos(other.start - one.start);
        // Interrupted sixteen times in a row is hardly anyone.
        assert!(told.abs_diff(apart) < Duration::from_micros(20), "{told:?}, not {apart:?}");
    }

    #[test]
    #[ignore = "timing: run alone"]
    fn deadlines_are_kept_to_fifty_microseconds_in_the_median() {
        let mut late: Vec<Duration> = (0..500)
            .map(|_| wait_until(std::time::Instant::now() + Duration::from_micros(2_300)))
            .collect();
        late.sort();
        println!("late: median {:?}, 99 % {:?}, most {:?}", late[250], late[495], late[499]);
        assert!(late[250] < Duration::from_micros(50), "{:?}", late[250]);
    }
}
