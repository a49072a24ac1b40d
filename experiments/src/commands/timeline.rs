//! Pictures of one run's events, simulated or recorded: the timeline and the Perfetto trace.

use anyhow::Result;
use pipesd_core::event::Stamped;
use pipesd_core::time::from_millis;
use pipesd_plots::perfetto::trace_json;
use pipesd_plots::timeline::{NothingToShow, Timeline, Window};

use crate::cli::Drawing;
use crate::input::bad_input;
use crate::output;

/// The timeline's window must be one that can be drawn.
pub(super) fn check(options: &Drawing) -> Result<()> {
    let (from, length) = (options.timeline_from, options.timeline_length);
    if !(0.0..=1e6).contains(&from) {
        return Err(bad_input!("--timeline-from {from}: must be 0 to 1000000 s").into());
    }
    if !(0.01..=60.0).contains(&length) {
        return Err(bad_input!("--timeline-length {length}: must be 0.01 to 60 s").into());
    }
    Ok(())
}

/// Writes what was asked for.
pub(super) fn write(options: &Drawing, events: &[Stamped]) -> Result<()> {
    if let Some(path) = &options.perfetto {
        output::write_file(path, &trace_json(events))?;
        eprintln!("wrote {}", path.display());
    }
    if let Some(path) = &options.timeline {
        let svg = draw(options, events)?;
        output::write_file(path, &svg)?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

fn draw(options: &Drawing, events: &[Stamped]) -> Result<String> {
    let window = Window {
        from: from_millis(options.timeline_from * 1e3),
        length: from_millis(options.timeline_length * 1e3),
    };
    let timeline = Timeline::from_events(events, window).map_err(|nothing| match nothing {
        NothingToShow::Empty { .. } => {
            anyhow::Error::new(bad_input!("--timeline-from {}: {nothing}", options.timeline_from))
        }
        NothingToShow::NoDecoding => nothing.into(),
    })?;
    Ok(if options.timeline_narrow { timeline.to_narrow_svg()? } else { timeline.to_svg()? })
}
