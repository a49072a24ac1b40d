//! Clouds and edges as processes of their own.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what is tested happens in real time, to other processes"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{resident_kb, text, write};

/// Short steps, so that kills fall among many rounds.
pub(crate) const QUICK: &[&str] = &[
    "--set",
    "draft_ms=4",
    "--set",
    "draft_sd_ms=0",
    "--set",
    "verify_base_ms=5",
    "--set",
    "overhead_ms=1",
];

/// A cloud that can be killed and started again where it was.
pub(crate) struct Cloud {
    folder: PathBuf,
    pub(crate) port: u16,
    arguments: Vec<String>,
    child: Child,
}

impl Cloud {
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        // Free now, and with luck so for as long as the test takes.
        let probe = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = probe.local_addr().expect("its address").port();
        drop(probe);
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let child = Self::spawn(folder, port, &arguments);
        Self { folder: folder.to_owned(), port, arguments, child }
    }

    fn spawn(folder: &Path, port: u16, arguments: &[String]) -> Child {
        let identity = folder.join("identity");
        let log = fs::File::options().create(true).append(true).open(folder.join("cloud.err"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_pipesd"))
            .args([
                "cloud",
                "--listen",
                &format!("127.0.0.1:{port}"),
                "--identity",
                text(&identity),
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(log.expect("a file of the test"))
            .spawn()
            .expect("a cloud");
        let mut ticket = String::new();
        let mut said = BufReader::new(child.stdout.as_mut().expect("piped"));
        said.read_line(&mut ticket).expect("a ticket");
        write(folder, "ticket", &ticket);
        child
    }

    pub(crate) fn ticket(&self) -> String {
        let ticket = fs::read_to_string(self.folder.join("ticket")).expect("it was written");
        ticket.trim().to_owned()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it was alive");
        self.child.wait().expect("a child");
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn close(&mut self) {
        let process = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &process]).status().expect("kill");
        assert!(told.success(), "{told}");
        let within = Duration::from_secs(30);
        let status = ended(&mut self.child, within)
            .unwrap_or_else(|| panic!("the cloud does not end: {}", self.said()));
        assert!(status.success(), "{status}: {}", self.said());
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        said(&self.folder, "cloud")
    }

    /// Waits until it has said this.
    pub(crate) fn wait_for(&self, words: &str) {
        let begun = Instant::now();
        while !self.said().contains(words) {
            assert!(begun.elapsed() < Duration::from_secs(30), "`{words}`: {}", self.said());
            sleep(Duration::from_millis(20));
        }
    }

    /// Its memory \[kB\]. If it has ended, says what it said.
    pub(crate) fn resident_kb(&mut self) -> u64 {
        if let Some(status) = self.child.try_wait().expect("a child") {
            panic!("the cloud has ended: {status}: {}", self.said());
        }
        resident_kb(self.child.id())
    }

    pub(crate) fn restart(&mut self) {
        self.child = Self::spawn(&self.folder, self.port, &self.arguments);
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn edge(folder: &Path, name: &str, arguments: &[&str]) -> Child {
    let log = fs::File::create(folder.join(format!("{name}.err"))).expect("a file of the test");
    let out = fs::File::create(folder.join(format!("{name}.out"))).expect("a file of the test");
    Command::new(env!("CARGO_BIN_EXE_pipesd"))
        .args(["edge", "--connect", &format!("@{}", text(&folder.join("ticket")))])
        .args(arguments)
        .stdout(out)
        .stderr(log)
        .spawn()
        .expect("an edge")
}

/// Waits for a process; None: it takes longer than that.
pub(crate) fn ended(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        match child.try_wait().expect("a child") {
            Some(status) => return Some(status),
            None if begun.elapsed() > within => return None,
            None => sleep(Duration::from_millis(20)),
        }
    }
}

/// Waits for an edge, and says what it said if it failed or takes too long.
pub(crate) fn done(mut child: Child, folder: &Path, name: &str, within: Duration) {
    let Some(status) = ended(&mut child, within) else {
        let _ = child.kill();
        panic!("{name} is stuck: {}", said(folder, name));
    };
    assert!(status.success(), "{name}: {status}: {}", said(folder, name));
}

/// What a process has said so far.
pub(crate) fn said(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(format!("{name}.err"))).expect("its words")
}

/// What a journal says of the texts, in order.
pub(crate) fn journal(folder: &Path, name: &str) -> String {
    let text = fs::read_to_string(folder.join(name)).expect("a journal");
    text.lines().skip(1).map(|line| format!("{line}\n")).collect()
}

/// A number that the environment may give.
pub(crate) fn given(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().expect("a number"))
}
