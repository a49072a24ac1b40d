//! The Perfetto trace, read as its loader does: keys by phase, nesting on a thread, pairs of flow ids.

mod log;

use std::collections::{BTreeMap, BTreeSet};

use log::{log, of_two_edges};
use pipesd_core::event::Stamped;
use pipesd_plots::perfetto::trace_json;
use serde_json::Value;

/// The events of a trace, after what every event must have was checked.
fn loaded(events: &[Stamped]) -> Vec<Value> {
    let document: Value = serde_json::from_str(&trace_json(events)).expect("it is JSON");
    let list = document["traceEvents"].as_array().expect("a list of events").clone();
    let end = events.iter().map(|event| (event.at.as_millis_f64() * 1e3) as u64).max().unwrap_or(0);
    for event in &list {
        let phase = event["ph"].as_str().expect("a phase");
        assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
        assert!(event["name"].as_str().is_some_and(|name| !name.is_empty()), "{event}");
        if phase != "M" {
            assert!(event["ts"].as_u64().is_some_and(|at| at <= end), "outside the run: {event}");
        }
        let fine = match phase {
            "X" => {
                let (at, length) = (event["ts"].as_u64(), event["dur"].as_u64());
                let args = event["args"].as_object();
                at.zip(length).is_some_and(|(at, length)| at + length <= end)
                    && args.is_some_and(|args| args.contains_key("session"))
            }
            "i" => event["s"] == "t",
            "C" => event["args"]
                .as_object()
                .is_some_and(|args| args.len() == 1 && args.values().all(Value::is_number)),
            "M" => event["args"].is_object(),
            "s" | "t" => event["id"].is_u64(),
            "f" => event["id"].is_u64() && event["bp"] == "e",
            _ => false,
        };
        assert!(fine, "{event}");
    }
    list
}

fn of_phase<'a>(events: &'a [Value], phase: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["ph"] == phase).collect()
}

fn number(event: &Value, key: &str) -> u64 {
    event[key].as_u64().unwrap_or_else(|| panic!("{key} of {event}"))
}

fn thread(event: &Value) -> (u64, u64) {
    (number(event, "pid"), number(event, "tid"))
}

/// On a thread a slice begins when the one before has ended.
#[test]
fn slices_of_a_thread_do_not_overlap() {
    for events in [log(), of_two_edges()] {
        let trace = loaded(&events);
        let mut threads: BTreeMap<(u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
        for slice in of_phase(&trace, "X") {
            let start = number(slice, "ts");
            threads.entry(thread(slice)).or_default().push((start, start + number(slice, "dur")));
        }
        for (thread, mut spans) in threads {
            spans.sort_unstable();
            let apart = spans.windows(2).all(|pair| pair[1].0 >= pair[0].1);
            assert!(apart, "{thread:?}: {spans:?}");
        }
    }
}

/// Every thread that has something is named, once, and each process too.
#[test]
fn processes_and_threads_are_named() {
    let trace = loaded(&of_two_edges());
    let named = |what: &str| -> BTreeMap<(u64, u64), String> {
        let of_kind = trace.iter().filter(|event| event["name"] == what);
        let names = of_kind.map(|event| {
            (thread(event), event["args"]["name"].as_str().expect("a name").to_owned())
        });
        names.collect()
    };
    let processes: Vec<String> = named("process_name").into_values().collect();
    assert_eq!(processes, ["cloud", "edge 0", "edge 1"]);
    let threads = named("thread_name");
    let used: BTreeSet<(u64, u64)> =
        trace.iter().filter(|event| event["ph"] != "M").map(thread).collect();
    assert_eq!(threads.keys().copied().collect::<BTreeSet<_>>(), used);
    let names: BTreeSet<&str> = threads.values().map(String::as_str).collect();
    for name in ["rounds", "rounds 2", "drafting", "uplink", "downlink", "NAV", "NAV 2"] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
}

/// An arrow has one start, one step and one end, in this order of time, each within a slice.
#[test]
fn flows_are_paired_and_bound_to_slices() {
    let trace = loaded(&of_two_edges());
    let mut flows: BTreeMap<u64, Vec<(&str, u64)>> = BTreeMap::new();
    let slices = of_phase(&trace, "X");
    for event in trace.iter().filter(|event| event.get("id").is_some()) {
        let (at, phase) = (number(event, "ts"), event["ph"].as_str().expect("a phase"));
        flows.entry(number(event, "id")).or_default().push((phase, at));
        let holds = |slice: &&&Value| {
            let start = number(slice, "ts");
            thread(slice) == thread(event) && (start..start + number(slice, "dur")).contains(&at)
        };
        assert_eq!(slices.iter().filter(holds).count(), 1, "{event}");
    }
    assert_eq!(flows.len(), 4, "two answered NAVs at each of two edges");
    for flow in flows.values() {
        let phases: Vec<&str> = flow.iter().map(|(phase, _)| *phase).collect();
        assert_eq!(phases, ["s", "t", "f"]);
        assert!(flow.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{flow:?}");
    }
}

/// The log's counts: rounds, drafts with their fates, the rejection, tokens that wait.
#[test]
fn the_trace_tells_what_happened() {
    let trace = loaded(&log());
    let slices = of_phase(&trace, "X");
    let count = |name: &str| slices.iter().filter(|slice| slice["name"] == name).count();
    assert_eq!((count("draft, accepted"), count("draft, reused")), (3, 1));
    assert_eq!((count("draft, rejected"), count("draft, untested")), (1, 1));
    assert_eq!((count("draft, discarded"), count("guess, confirmed")), (2, 1));
    assert_eq!(slices.iter().filter(|slice| slice["cat"] == "rounds").count(), 3);
    let upload = slices.iter().find(|slice| slice["name"] == "batch 1.1 ×4 + NAV").expect("one");
    assert_eq!((number(upload, "ts"), number(upload, "dur")), (1_460_000, 90_000));
    let points = of_phase(&trace, "i");
    let rejections: Vec<_> = points.iter().filter(|point| point["name"] == "rejection").collect();
    assert_eq!(rejections.len(), 1);
    assert_eq!(rejections[0]["args"]["accepted"], 2);
    let counters = of_phase(&trace, "C");
    let unsent = counters.iter().filter(|event| event["name"] == "unsent draft tokens");
    let unsent: Vec<u64> = unsent.map(|event| number(&event["args"], "tokens")).collect();
    // Two drafted, one sent in between; round 1's first two while round 0's last waits; ...
    assert_eq!(unsent[..4], [1, 0, 1, 2]);
    assert_eq!(unsent.last(), Some(&0));
    let products = counters.iter().filter(|event| event["name"] == "confidence product");
    let products: Vec<f64> =
        products.filter_map(|event| event["args"]["product"].as_f64()).collect();
    assert_eq!(products[..3], [0.9, 0.9 * 0.9, 1.]);
}

#[test]
fn the_same_log_gives_the_same_bytes_and_none_gives_an_empty_trace() {
    assert_eq!(trace_json(&of_two_edges()), trace_json(&of_two_edges()));
    assert!(loaded(&[]).is_empty());
}
