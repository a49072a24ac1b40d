//! The style that no compiler checks: run over every tracked source file, named `file:line` on
//! failure.

use std::fs;
use std::path::{Path, PathBuf};

/// Rust sources of the workspace.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rooms = ["src", "tests", "sim", "hw", "plots", "experiments", "fuzz"];
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = rooms.iter().map(|room| root.join(room)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 20, "the walk has found the sources: {files:?}");
    files
}

/// Every complaint of `check` about every file, at once.
fn complain(check: impl Fn(&str) -> Vec<(usize, String)>) {
    let mut complaints = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("sources are text");
        for (line, complaint) in check(&text) {
            complaints.push(format!("{}:{line}: {complaint}", path.display()));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    complain(|text| {
        let first = text.lines().next().unwrap_or_default();
        let fine = first.starts_with("//! ");
        if fine { vec![] } else { vec![(1, "a file opens with `//! ` and its purpose".into())] }
    });
}

#[test]
fn files_and_lines_are_of_readable_size() {
    complain(|text| {
        let mut complaints: Vec<(usize, String)> = (1..)
            .zip(text.lines())
            .filter(|(_, line)| line.chars().count() > 110)
            .map(|(number, _)| (number, "a line of more than 110 characters".into()))
            .collect();
        // Tests at the end of a file do not count: they are read apart.
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().lines().count();
        if code > 600 {
            complaints.push((code, format!("{code} lines of code: is it still one thing?")));
        }
        complaints
    });
}

#[test]
fn functions_fit_on_a_screen() {
    // By indentation, which rustfmt guarantees: from a line with `fn ` to the brace below it.
    complain(|text| {
        let mut complaints = Vec::new();
        let mut open: Option<(usize, usize)> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let indent = line.len() - line.trim_start().len();
            let head = line.trim_start();
            let starts = ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "const fn "];
            if starts.iter().any(|start| head.starts_with(start)) && !head.ends_with('}') {
                open = Some((number, indent));
            } else if let Some((start, at)) = open
                && head == "}"
                && indent == at
            {
                if number - start > 80 {
                    let length = number - start;
                    complaints.push((start, format!("a function of {length} lines, at most 80")));
                }
                open = None;
            }
        }
        complaints
    });
}

#[test]
fn nothing_is_left_behind() {
    let words = ["todo", "unimplemented", "dbg"].map(|word| format!("{word}!("));
    complain(|text| {
        let lines = (1..).zip(text.lines());
        let hits = lines.filter(|(_, line)| words.iter().any(|word| line.contains(word.as_str())));
        hits.map(|(number, _)| (number, "left behind".into())).collect()
    });
}

#[test]
fn nothing_large_or_stray_is_tracked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = std::process::Command::new("git").arg("ls-files").current_dir(root).output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        return; // An archive of the sources has no index to look at.
    };
    let listed = String::from_utf8(listed.stdout).expect("paths in UTF-8");
    for path in listed.lines() {
        let size = fs::metadata(root.join(path)).map_or(0, |meta| meta.len());
        // The weights of our own pair ship.
        let most = if path.starts_with("models/small/") { 12 << 20 } else { 1 << 20 };
        assert!(size < most, "{path}: {size} bytes: results and downloads stay out");
        let stray = [".orig", ".rej", ".whl", ".png"].iter().any(|end| path.ends_with(end));
        assert!(!stray, "{path}: left behind");
    }
}

#[test]
fn dependencies_point_one_way() {
    // experiments -> {sim, hw, plots} -> core, and nothing between sim, hw and plots.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (room, forbidden) in [
        ("", &["pipesd-sim", "pipesd-hw", "pipesd-plots"][..]),
        ("sim", &["pipesd-hw", "pipesd-plots"]),
        ("hw", &["pipesd-sim", "pipesd-plots"]),
        ("plots", &["pipesd-sim", "pipesd-hw"]),
    ] {
        let manifest = fs::read_to_string(root.join(room).join("Cargo.toml")).expect("a manifest");
        let own = manifest.split("[workspace").next().unwrap_or_default();
        for name in forbidden {
            let needed = own.lines().any(|line| line.starts_with(name));
            assert!(!needed, "{room} must not need {name}");
        }
    }
}
