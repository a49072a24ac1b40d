//! The simulator and the live driver carry out what a method decides and never look at the method:
//! what is tested here is what runs live.

use std::fs;
use std::path::{Path, PathBuf};

/// Types that only the core may name. `setup.edge.method.payload` is allowed: the size of a message
/// depends on it, and no decision does.
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
    "Method",
    "MethodSpec",
];

/// What a source names against the rule, without comments.
fn offences(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(source.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        let named = words.filter(|word| FORBIDDEN.contains(word));
        found.extend(named.map(|word| format!("{number}: names {word}")));
        for (at, _) in code.match_indices("method.") {
            if !code[at..].starts_with("method.payload") {
                found.push(format!("{number}: reads {}", &code[at..]));
            }
        }
    }
    found
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
    for (room, least) in [("src", 10), ("../hw/src", 1)] {
        let mut files = Vec::new();
        sources(&root.join(room), &mut files);
        assert!(files.len() >= least, "{room}: the sources were found");
        for path in files {
            let source = fs::read_to_string(&path).expect("sources are text");
            assert_eq!(offences(&source), Vec::<String>::new(), "{}", path.display());
        }
    }
}

#[test]
fn the_rule_can_be_broken() {
    assert_eq!(offences("if m.trigger == TriggerConfig::Dual {").len(), 1);
    assert_eq!(offences("match setup.edge.method.waiting {").len(), 1);
    assert_eq!(offences("let bytes = of(setup.edge.method.payload);").len(), 0);
    assert_eq!(offences("struct VerificationLatency; // a Trigger").len(), 0);
}
