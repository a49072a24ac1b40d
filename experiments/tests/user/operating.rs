//! What the operator of a cloud sees of it, and its ways to say no.

#![expect(
    clippy::disallowed_methods,
    reason = "what is tested happens in real time, to other processes"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::processes::{Cloud, QUICK, done, edge, ended, journal, said};
use crate::support::{folder, text};

const MINUTE: Duration = Duration::from_secs(60);

/// The metrics page: names with their labels, and values.
fn metrics(address: &str) -> Vec<(String, f64)> {
    let mut stream = TcpStream::connect(address).expect("it is shown");
    stream.set_read_timeout(Some(MINUTE)).expect("a time-out");
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let lines = page.lines().filter(|line| line.starts_with("pipesd_"));
    let parts = lines.map(|line| line.rsplit_once(' ').expect("a name and a value"));
    parts.map(|(name, value)| (name.to_owned(), value.parse().expect("a number"))).collect()
}

/// A metric, 0 if it was never written.
fn of(page: &[(String, f64)], name: &str) -> f64 {
    page.iter().find(|(own, _)| own == name).map_or(0.0, |(_, value)| *value)
}

/// Where nobody listens now.
fn free_address() -> String {
    let probe = TcpListener::bind("127.0.0.1:0").expect("a port");
    probe.local_addr().expect("its address").to_string()
}

/// Lines of a log in JSON whose message is this one.
fn logged<'a>(said: &'a str, message: &'a str) -> impl Iterator<Item = Value> + 'a {
    let lines = said.lines().filter(|line| line.starts_with('{'));
    let parsed = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    parsed.map(|line| line["fields"].clone()).filter(move |fields| fields["message"] == message)
}

#[test]
fn metrics_and_log_say_what_the_cloud_has_done() {
    let folder = folder("metrics");
    let address = free_address();
    let common = [QUICK, &["--tokens", "260", "--set", "payload=ids"]].concat();
    let shown = ["--metrics", &address, "--log", "json"];
    let mut cloud = Cloud::start(&folder, &[&common[..], &shown].concat());
    let edges = ["0", "1"].map(|own| {
        let own_arguments = [&common[..], &["--edge", own, "--json"]].concat();
        (own, edge(&folder, own, &own_arguments))
    });
    let mut documents = Vec::new();
    for (own, child) in edges {
        done(child, &folder, own, MINUTE);
        documents.push(document(&folder, own));
    }
    // The last link's end may not have been heard of yet.
    let mut page = metrics(&address);
    for _ in 0..100 {
        if of(&page, "pipesd_links") == 0.0 {
            break;
        }
        sleep(Duration::from_millis(50));
        page = metrics(&address);
    }
    let value = |name: &str| of(&page, name);
    for now in ["pipesd_links", "pipesd_sessions", "pipesd_queue_length"] {
        assert_eq!(value(now), 0.0, "{now}: {page:?}");
    }
    // Two texts of two edges, each closed when it is whole. Where the machine stood still for so long that a
    // link was lost, some of it was done twice.
    let links = value("pipesd_links_total");
    let agrees = |name: &str, least: f64| {
        let value = value(name);
        assert!(value == least || links > 2.0 && value > least, "{name}: {value}, not {least}");
    };
    agrees("pipesd_links_total", 2.0);
    assert_eq!(value("pipesd_sessions_total{how=\"new\"}"), 4.0);
    assert_eq!(value("pipesd_sessions_dropped_total{why=\"closed\"}"), 4.0);
    // What the edges say of themselves, added up.
    let all = |figure: fn(&Value) -> f64| documents.iter().map(figure).sum::<f64>().round();
    let navs = all(|edge| per_token(edge, "nav_frequency"));
    let accepted = all(|edge| {
        per_token(edge, "nav_frequency") * edge["accepted_length_mean"].as_f64().expect("a mean")
    });
    assert_eq!(all(|edge| edge["output_tokens"].as_f64().expect("a count")), 520.0);
    agrees("pipesd_navs_total", navs);
    agrees("pipesd_accepted_tokens_total", accepted);
    assert!(value("pipesd_verified_tokens_total") >= accepted);
    assert!(value("pipesd_uploaded_tokens_total") >= value("pipesd_verified_tokens_total"));
    // One block a pass, and a prefill for each text.
    agrees("pipesd_passes_total", navs);
    agrees("pipesd_target_seconds_count", navs + 4.0);
    cloud.close();
    let said = cloud.said();
    let times = |message: &str| logged(&said, message).count() as f64;
    assert_eq!(times("an edge has come"), links, "{said}");
    let new = logged(&said, "session admitted").filter(|fields| fields["how"] == "new");
    assert_eq!((new.count(), times("session dropped")), (4, 4.0), "{said}");
    assert_eq!(times("closing: rounds finish, nothing new is taken"), 1.0, "{said}");
}

#[test]
fn a_client_is_held_to_so_many_navs_a_second_and_the_targets_rest_is_shown() {
    let folder = folder("rate");
    let address = free_address();
    let common = [QUICK, &["--tokens", "130", "--set", "payload=ids"]].concat();
    let limits = ["--metrics", &address, "--set", "client_navs_per_second=5"];
    let _cloud = Cloud::start(&folder, &[&common[..], &limits].concat());
    done(edge(&folder, "edge", &[&common[..], &["--json"]].concat()), &folder, "edge", MINUTE);
    let document = document(&folder, "edge");
    let page = metrics(&address);
    // Four may come at once, the others each a fifth of a second after the one before.
    let navs = of(&page, "pipesd_navs_total");
    let took = per_token(&document, "tpt_ms") / 1000.0;
    assert!(navs > 30.0 && took > (navs - 4.0) / 5.0, "{navs} in {took} s");
    let (worked, rested) =
        (of(&page, "pipesd_target_seconds_sum"), of(&page, "pipesd_rest_seconds_sum"));
    assert!((1.0..took - worked).contains(&rested), "{took}, {worked} and {rested} s");
}

/// What an edge has written with `--json`.
fn document(folder: &Path, name: &str) -> Value {
    let document = fs::read_to_string(folder.join(format!("{name}.out"))).expect("a document");
    serde_json::from_str(&document).expect("one document")
}

/// A figure that is so many for each output token.
fn per_token(document: &Value, figure: &str) -> f64 {
    let value = |figure: &str| document[figure].as_f64().expect("a figure");
    value(figure) * value("output_tokens")
}

#[test]
fn a_cloud_that_is_told_to_close_says_so_and_its_edges_go_on_with_the_next() {
    let folder = folder("closing");
    let common = [QUICK, &["--tokens", "780"]].concat();
    let mut cloud = Cloud::start(&folder, &common);
    let start = |name: &str| {
        let journal = folder.join(format!("{name}.journal"));
        edge(&folder, name, &[&common[..], &["--plain", "--journal", text(&journal)]].concat())
    };
    let disturbed = start("disturbed");
    for _ in 0..3 {
        sleep(Duration::from_secs(1));
        cloud.close();
        cloud.restart();
    }
    done(disturbed, &folder, "disturbed", MINUTE);
    done(start("calm"), &folder, "calm", MINUTE);
    assert_eq!(journal(&folder, "disturbed.journal"), journal(&folder, "calm.journal"));
    let said = said(&folder, "disturbed");
    assert!(said.contains("the cloud is closing"), "{said}");
    assert!(said.contains("resumes s"), "{said}");
}

#[test]
fn who_is_not_served_is_told_why_and_is_served_when_there_is_room() {
    let folder = folder("denied");
    // Nobody is evicted for another.
    let limits = ["--set", "sessions_max=1", "--set", "session_settled_s=1000", "--log", "text"];
    let cloud = Cloud::start(&folder, &limits);
    let first = edge(&folder, "first", &["--edge", "0"]);
    cloud.wait_for("session admitted");
    let patient = edge(&folder, "patient", &["--edge", "1"]);
    let mut hasty = edge(&folder, "hasty", &["--edge", "2", "--set", "outage_s=1"]);
    done(first, &folder, "first", MINUTE);
    done(patient, &folder, "patient", MINUTE);
    let status = ended(&mut hasty, MINUTE).expect("it gives up");
    let [hasty, patient] = ["hasty", "patient"].map(|name| said(&folder, name));
    assert!(!status.success() && hasty.contains("the cloud does not serve it"), "{hasty}");
    assert!(patient.contains("the cloud is full"), "{patient}");
}
