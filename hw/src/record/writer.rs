//! Writes a log beside the run: lines are handed to a thread of their own in batches, which turns them
//! into text.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::{Header, Line};

/// Lines of a batch: enough that waking the writer costs a line nothing to speak of.
const BATCH_LINES: usize = 256;
/// Batches that wait at most; if the disk is slower for so long, the run waits for it.
const BATCHES_WAITING_MAX: usize = 256;

/// A log that is being written.
#[derive(Debug)]
pub struct Recorder {
    batch: Vec<Line>,
    /// None once finished.
    batches: Option<mpsc::SyncSender<Vec<Line>>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Recorder {
    /// Begins a log.
    ///
    /// # Errors
    /// If the header cannot be written, or the system has no thread left.
    pub fn new(to: impl Write + Send + 'static, header: &Header) -> io::Result<Self> {
        let mut to = BufWriter::with_capacity(1 << 16, to);
        put(&mut to, header)?;
        let (batches, queue) = mpsc::sync_channel::<Vec<Line>>(BATCHES_WAITING_MAX);
        let builder = std::thread::Builder::new().name("recorder".into());
        let thread = builder.spawn(move || {
            for batch in queue {
                batch.iter().try_for_each(|line| put(&mut to, line))?;
            }
            to.flush()
        })?;
        let batch = Vec::with_capacity(BATCH_LINES);
        Ok(Self { batch, batches: Some(batches), thread: Some(thread) })
    }

    /// Adds a line.
    pub fn put(&mut self, line: Line) {
        self.batch.push(line);
        if self.batch.len() == BATCH_LINES {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let batch = core::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_LINES));
        if let Some(batches) = &self.batches {
            // An error: the writer has failed, which `finish` tells.
            let _ = batches.send(batch);
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// What has gone wrong since the log was begun.
    pub fn finish(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.hand_over();
        self.batches = None;
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the log's writer panicked")))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Whoever wants to know calls `finish`.
        let _ = self.end();
    }
}

fn put(to: &mut impl Write, line: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}
