//! The simulator and the live driver carry out what a method decides and never look at the method:
//! what is tested here is what runs live. Nor does what the live commands are made of.

use std::fs;
use std::path::{Path, PathBuf};

/// Types and answers that only the core may name.
const FORBIDDEN: &[&str] = &[
    "TriggerConfig",
    "TriggerName",
    "Trigger",
    "AdaptiveSequence",
    "NavCause",
    "UploadPolicy",
    "UploadName",
    "UploadObservation",
    "Planner",
    "Waiting",
    "WaitingName",
    "Verification",
    "Drafting",
    "Exactness",
    "Terms",
    "Method",
    "MethodSpec",
    "exactness",
    "decided_by_ids",
];

/// Fields of a method and of terms, by which decisions are made. `payload` is not among them: the size
/// of a message depends on it, and no decision does.
const DECISIVE: &[&str] = &["trigger", "upload", "waiting", "verification", "drafting"];

/// Owners of fields of the same names that mean something else: a profile's times of verification, the
/// queues of links, a bill of energy.
const NAMESAKES: &[&str] = &["self", "state", "profile", "testbed", "usage"];

/// Sources that are bound by the rule.
struct Room {
    folder: &'static str,
    /// Files that are there at least.
    least: usize,
    /// What may be read of a method.
    open: &'static [&'static str],
    /// Whether a field `method` may be a name to be printed, rather than the method.
    has_names: bool,
}

const BOUND: &[Room] = &[
    Room { folder: "src", least: 25, open: &["payload"], has_names: false },
    Room { folder: "../hw/src", least: 32, open: &["payload"], has_names: false },
    Room {
        folder: "../experiments/src/live",
        least: 8,
        open: &["payload", "name", "spec", "clone", "to_owned"],
        has_names: true,
    },
];

impl Room {
    /// What a source names against the rule, without comments.
    fn offences(&self, source: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (number, line) in (1..).zip(source.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            let named = words(code).filter(|(_, word)| FORBIDDEN.contains(word));
            found.extend(named.map(|(_, word)| format!("{number}: names {word}")));
            for (at, word) in words(code) {
                if self.reads(&code[..at], word, &code[at + word.len()..]) {
                    found.push(format!("{number}: reads {}", &code[at..]));
                }
            }
        }
        found
    }

    /// Whether `word`, between `before` and `after`, reads what decides of a method or of terms.
    fn reads(&self, before: &str, word: &str, after: &str) -> bool {
        let is_field = before.ends_with('.') && !before.ends_with("..") && !after.starts_with('(');
        let next = after.strip_prefix("()").unwrap_or(after).strip_prefix('.');
        let next = next.map(|next| words(next).next().map_or("", |(_, word)| word));
        match word {
            "method" | "terms" => match next {
                Some(next) => !self.open.contains(&next),
                // The whole of it, to be looked at under another name.
                None => is_field && !self.has_names,
            },
            _ if is_field && DECISIVE.contains(&word) => {
                let owner = words(before).last().map_or("", |(_, word)| word);
                !NAMESAKES.contains(&owner)
            }
            _ => false,
        }
    }
}

/// Words of a line and where they start.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + code[rest..].find(is_part)?;
        let length = code[start..].find(|c| !is_part(c)).unwrap_or(code.len() - start);
        rest = start + length;
        Some((start, &code[start..rest]))
    })
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn neither_sim_nor_hw_looks_at_the_method() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for room in BOUND {
        let mut files = Vec::new();
        sources(&root.join(room.folder), &mut files);
        assert!(files.len() >= room.least, "{}: the sources were found", room.folder);
        for path in files {
            let source = fs::read_to_string(&path).expect("sources are text");
            assert_eq!(room.offences(&source), Vec::<String>::new(), "{}", path.display());
        }
    }
}

#[test]
fn the_rule_can_be_broken() {
    for (code, offences) in [
        ("if m.trigger == TriggerConfig::Dual {", 2),
        ("match setup.edge.method.waiting {", 2),
        ("let how = &setup.edge.method;", 1),
        ("if sampling.terms.drafting == argmax {", 2),
        ("if config.terms().verification == how {", 2),
        ("let how = sampling.terms;", 1),
        ("if terms.exactness(temperature).is_some() {", 2),
        ("let Terms { drafting, .. } = sampling.terms else {", 2),
        ("    .upload", 1),
        ("if policy.decided_by_ids() {", 1),
        // What is no decision, and what only has such a name.
        ("let bytes = of(setup.edge.method.payload, sampling.terms.payload);", 0),
        ("let terms = setup.edge.terms();", 0),
        ("Message::Upload(upload) => self.upload(upload.round),", 0),
        ("let ms = profile.verification.base_ms + usage.drafting + self.waiting.len();", 0),
        ("Room { method, ..method }", 0),
        ("struct VerificationLatency; // a Trigger", 0),
    ] {
        assert_eq!(BOUND[0].offences(code).len(), offences, "{code}");
    }
    let live = &BOUND[2];
    assert_eq!(live.offences("print(run.method, cell.method.clone())"), Vec::<String>::new());
    assert_eq!(live.offences("if setup.edge.method.trigger == dual {").len(), 2);
}
