//! Running the program and looking at what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) fn pipesd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pipesd")).args(arguments).output().expect("pipesd starts")
}

pub(crate) fn stdout(arguments: &[&str]) -> String {
    let output = pipesd(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).expect("text")
}

/// Resident memory of a process \[kB\].
#[cfg(feature = "live")]
pub(crate) fn resident_kb(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

/// An empty folder of this test's own.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("user").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("a folder of the test");
    }
    fs::create_dir_all(&folder).expect("a folder of the test");
    folder
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

pub(crate) fn write(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, content).expect("a file of the test");
    text(&path).to_owned()
}

/// Bad input: exit code 2, nothing on stdout, one message with all of `words`.
pub(crate) fn refuses(arguments: &[&str], words: &[&str]) {
    let output = pipesd(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?} printed results");
    assert!(!stderr.contains("panicked"), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?}: `{word}` is not in: {stderr}");
    }
}
