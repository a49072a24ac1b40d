//! A cloud in a process of its own, which does not outlive the one that has started it: it ends when its
//! standard input does.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use pipesd_core::time::Instant;
use pipesd_hw::driver::Clock;
use pipesd_hw::transport::Ticket;

use super::ensure_not_interrupted;

/// How long a cloud may take to end after its edge has gone, or after it was told to.
const FAREWELL: Duration = Duration::from_secs(20);
/// How long it may take to say why it has failed.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long it may take to start.
const TICKET_WITHIN: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(20);

/// A cloud's process.
pub(crate) struct Cloud {
    child: Child,
    stdin: Option<ChildStdin>,
    /// None: it is being read, or was lost.
    stdout: Option<BufReader<ChildStdout>>,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.kill();
    }
}

impl Cloud {
    /// Starts `pipesd cloud` with these words, and waits for its ticket.
    pub(crate) fn start<W: AsRef<OsStr>>(
        words: impl IntoIterator<Item = W>,
    ) -> Result<(Self, Ticket)> {
        let program = std::env::current_exe().context("this program does not know where it is")?;
        let mut child = Command::new(program)
            .args(["cloud", "--ends-with-stdin"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("the cloud's process does not start")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(BufReader::new);
        let mut cloud = Self { child, stdin, stdout };
        let ticket = cloud.ticket().map_err(|error| cloud.explain(error))?;
        Ok((cloud, ticket))
    }

    /// Its ticket, the first that it says.
    fn ticket(&mut self) -> Result<Ticket> {
        let mut stdout = self.stdout.take().expect("piped, and read before anything else");
        let (tell, told) = mpsc::channel();
        // Reading has no limit of time: it is left to a thread, which ends with the child.
        thread::Builder::new().name("ticket".to_owned()).spawn(move || {
            let mut line = String::new();
            let read = stdout.read_line(&mut line).map(|_| (stdout, line));
            // An error: nobody waits any more.
            let _ = tell.send(read);
        })?;
        let (stdout, line) =
            told.recv_timeout(TICKET_WITHIN).context("the cloud has said no ticket")??;
        self.stdout = Some(stdout);
        line.trim().parse().context("the cloud has said no ticket")
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// How it ended, if it has within `patience`.
    fn ended(&mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        let clock = Clock::start();
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || clock.now() >= Instant::ZERO + patience {
                return Ok(status);
            }
            glance();
        }
    }

    /// The edge's error. If the cloud has failed as well, it says why itself, and is given the time to.
    pub(crate) fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        // From a terminal Ctrl-C goes to both, and the link may be over before we know why.
        if let Err(interrupted) = ensure_not_interrupted() {
            return error.context(interrupted);
        }
        match self.ended(LAST_WORDS) {
            Ok(Some(status)) if !status.success() => {
                error.context(format!("the cloud's process has failed too ({status})"))
            }
            _ => error,
        }
    }

    /// Tells it to close.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end, and returns what it has said besides its ticket.
    pub(crate) fn last_words(&mut self) -> Result<String> {
        let status = self.ended(FAREWELL)?.context("the cloud does not end")?;
        anyhow::ensure!(status.success(), "the cloud has failed ({status})");
        let mut rest = String::new();
        if let Some(stdout) = &mut self.stdout {
            stdout.read_to_string(&mut rest)?;
        }
        Ok(rest)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

/// A little while.
#[expect(clippy::disallowed_methods, reason = "another process does things in its own time")]
pub(crate) fn glance() {
    thread::sleep(GLANCE);
}
