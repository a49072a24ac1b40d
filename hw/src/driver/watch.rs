//! What a cloud shows of itself while it runs: metrics, and a structured log.
//!
//! Both are facades (`metrics`, `tracing`): where nobody has installed a recorder or a subscriber, nothing is
//! kept. docs/operating.md lists the metrics.

use metrics::{counter, gauge, histogram};
use pipesd_core::event::Event;
use pipesd_core::message::Denial;
use pipesd_core::time::{Duration, Instant};
use tracing::{debug, info};

/// How much there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) links: usize,
    pub(super) sessions: usize,
    /// Pieces of work that wait for the target.
    pub(super) queued: usize,
    /// The target does nothing.
    pub(super) idle: bool,
}

#[derive(Debug, Default)]
pub(super) struct Watch {
    /// What was shown last: gauges are set when they change.
    shown: Option<Load>,
    /// Since when the target rests though work waits.
    rests: Option<Instant>,
    /// Blocks of the pass under way.
    in_pass: u32,
}

impl Watch {
    pub(super) fn load(&mut self, now: Instant, load: Load) {
        if self.shown.replace(load) == Some(load) {
            return;
        }
        gauge!("pipesd_sessions").set(load.sessions as f64);
        gauge!("pipesd_queue_length").set(load.queued as f64);
        gauge!("pipesd_links").set(load.links as f64);
        if load.idle && load.queued > 0 {
            self.rests.get_or_insert(now);
        } else if let Some(since) = self.rests.take() {
            histogram!("pipesd_rest_seconds").record((now - since).as_secs_f64());
        }
    }

    pub(super) fn link_came(&self) {
        counter!("pipesd_links_total").increment(1);
    }

    pub(super) fn cut_off(&self) {
        counter!("pipesd_cut_off_total").increment(1);
    }

    pub(super) fn worked(&self, took: Duration) {
        histogram!("pipesd_target_seconds").record(took.as_secs_f64());
    }

    pub(super) fn observe(&mut self, event: &Event) {
        match *event {
            Event::UploadReceived { tokens, .. } => {
                counter!("pipesd_uploads_total").increment(1);
                counter!("pipesd_uploaded_tokens_total").increment(tokens.into());
            }
            Event::VerifyStarted { tokens, .. } => {
                counter!("pipesd_navs_total").increment(1);
                counter!("pipesd_verified_tokens_total").increment(tokens.into());
                if self.in_pass == 0 {
                    counter!("pipesd_passes_total").increment(1);
                }
                self.in_pass += 1;
            }
            Event::VerifyFinished { .. } => self.in_pass = self.in_pass.saturating_sub(1),
            Event::VerdictSent { session, round, accepted } => {
                counter!("pipesd_accepted_tokens_total").increment(accepted.into());
                debug!(%session, %round, accepted, "verdict");
            }
            Event::StaleDropped { .. } => counter!("pipesd_stale_total").increment(1),
            Event::PrefillStarted { tokens, .. } => {
                counter!("pipesd_prefilled_tokens_total").increment(tokens.into());
            }
            Event::SessionAdmitted { session, text, known } => {
                let how = if known {
                    "resumed"
                } else if text > 0 {
                    "rebuilt"
                } else {
                    "new"
                };
                counter!("pipesd_sessions_total", "how" => how).increment(1);
                info!(%session, text, how, "session admitted");
            }
            Event::SessionDropped { session, denial } => {
                let why = denial.map_or("closed", Denial::word);
                counter!("pipesd_sessions_dropped_total", "why" => why).increment(1);
                info!(%session, why, "session dropped");
            }
            Event::SessionDenied { session, denial } => {
                counter!("pipesd_sessions_denied_total", "why" => denial.word()).increment(1);
                info!(%session, why = denial.word(), "session denied");
            }
            _ => {}
        }
    }
}
