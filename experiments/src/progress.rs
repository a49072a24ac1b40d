//! Progress on stderr: a bar with the time left on a terminal, elsewhere a line now and then.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tells a person how much time is left; no result depends on it"
)]

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// Time between two lines.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// How far something is, in units of about equal time.
pub(crate) struct Progress {
    label: &'static str,
    bar: ProgressBar,
    all: u64,
    first: u64,
    started: Instant,
    told: Mutex<Instant>,
}

impl Progress {
    /// `all` units to do, of which `first` are done.
    pub(crate) fn new(label: &'static str, first: u64, all: u64) -> Self {
        let template = "{prefix:8} {bar:40} {percent} %, {msg}, {eta} left";
        let style = ProgressStyle::with_template(template).expect("a valid template");
        let bar = ProgressBar::new(all).with_style(style).with_position(first).with_prefix(label);
        // The time left is for what is left.
        bar.reset_eta();
        let started = Instant::now();
        Self { label, bar, all, first, started, told: Mutex::new(started) }
    }

    /// `done` units are done, which `text` says in words.
    pub(crate) fn set(&self, done: u64, text: impl FnOnce() -> String) {
        if !self.bar.is_hidden() {
            self.bar.set_position(done);
            self.bar.set_message(text());
            return;
        }
        let now = Instant::now();
        let Ok(mut told) = self.told.try_lock() else { return };
        if now - *told >= LINE_EVERY {
            *told = now;
            let (first, all) = (self.first, self.all);
            let line = line([first, done, all], now - self.started, &text());
            eprintln!("{}: {line}", self.label);
        }
    }

    /// Done: nothing of it stays.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// `first` of `all` units were done `elapsed` ago, `done` are now.
fn line([first, done, all]: [u64; 3], elapsed: Duration, text: &str) -> String {
    let percent = 100.0 * done as f64 / all.max(1) as f64;
    let rate = done.saturating_sub(first) as f64 / elapsed.as_secs_f64().max(1e-9);
    let left = all.saturating_sub(done) as f64 / rate;
    // An age, or nothing done yet.
    let left = if left < 1e9 {
        format!("{} left", HumanDuration(Duration::from_secs_f64(left)))
    } else {
        "time left unknown".to_owned()
    };
    format!("{text}, {percent:.0} %, {left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_that_of_what_is_left() {
        let minute = Duration::from_secs(60);
        assert_eq!(
            line([50, 75, 100], minute, "3 of 4 runs"),
            "3 of 4 runs, 75 %, 60 seconds left"
        );
        assert_eq!(line([0, 10, 40], minute, "x"), "x, 25 %, 3 minutes left");
        assert_eq!(line([5, 5, 10], minute, "x"), "x, 50 %, time left unknown");
    }
}
