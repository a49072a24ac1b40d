//! A judge of the emulated link that is not ours: cloud and edge in two network namespaces, and the
//! kernel's token bucket (`tbf`) between them. Needs Linux, root, and Debian's `iproute2`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::processes::{ended, said};
use crate::support::{folder, text, write};

/// Where the edge is, and where the cloud.
const ADDRESSES: [&str; 2] = ["10.99.0.1", "10.99.0.2"];
/// The limit counts IP packets, like the emulated link, and not their Ethernet headers (14 bytes). A
/// bucket of three packets: more would let a message begin with a burst. Its queue holds 1 MB.
const LIMITS: [&str; 2] = [
    "stab overhead -14 tbf rate 20mbit burst 4500 latency 400ms",
    "stab overhead -14 tbf rate 200mbit burst 45000 latency 400ms",
];
/// What the kernel's link is, and the emulated one: no start-up, no delay, 20 Mbit/s up and 200 down, and
/// an upload can be cut short. Half of a prompt's usual output, so that a run takes seconds.
const LINK: &[&str] = &[
    "link=packet",
    "uplink_mbps=20",
    "downlink_mbps=200",
    "startup_ms=0",
    "propagation_ms=0",
    "abortable=true",
    "payload=full",
    "output_tokens=65",
];

/// Two network namespaces with a cable between them.
struct Namespaces([String; 2]);

impl Namespaces {
    /// Makes them. An error: what this system does not allow.
    fn create() -> Result<Self, String> {
        let process = std::process::id();
        let names = ["edge", "cloud"].map(|end| format!("pipesd-{end}-{process}"));
        // From here on they are removed again.
        let made = Self(names);
        let [edge, cloud] = &made.0;
        run("chrt --rr 1 true")?;
        run(&format!("ip netns add {edge}"))?;
        run(&format!("ip netns add {cloud}"))?;
        run(&format!("ip link add cable netns {edge} type veth peer name cable netns {cloud}"))?;
        for ((name, address), limit) in made.0.iter().zip(ADDRESSES).zip(LIMITS) {
            run(&format!("ip -n {name} address add {address}/24 dev cable"))?;
            run(&format!("ip -n {name} link set lo up"))?;
            run(&format!("ip -n {name} link set cable up"))?;
            run(&format!("tc -n {name} qdisc add dev cable root {limit}"))?;
        }
        Ok(made)
    }

    /// The program at one end. It comes before all others: what is measured is the link.
    fn pipesd(&self, end: usize) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0[end], "chrt", "--rr", "1"]);
        command.arg(env!("CARGO_BIN_EXE_pipesd"));
        command
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.0 {
            // An error: it was never made.
            let _ = run(&format!("ip netns delete {name}"));
        }
    }
}

fn run(words: &str) -> Result<(), String> {
    let mut split = words.split(' ');
    let program = split.next().expect("a word");
    let output = Command::new(program).args(split).output();
    let output = output.map_err(|error| format!("`{words}`: {error}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("`{words}`: {}", why.trim())) }
}

/// The options that both ends are given.
fn configuration(method: &str) -> Vec<&str> {
    let named = ["--profile", "humaneval", "--scenario", "s1-laptop", "--method", method];
    let sets = LINK.iter().flat_map(|set| ["--set", set]);
    named.into_iter().chain(["--tokens", "65"]).chain(sets).collect()
}

/// Waits for a process that decodes; its document.
fn document(mut child: Child, folder: &Path, name: &str) -> Value {
    let Some(status) = ended(&mut child, Duration::from_secs(120)) else {
        let _ = child.kill();
        panic!("{name} is stuck: {}", said(folder, name));
    };
    assert!(status.success(), "{name}: {status}: {}", said(folder, name));
    let said = fs::read_to_string(folder.join(format!("{name}.out"))).expect("its words");
    serde_json::from_str(&said).expect("one document")
}

fn spawn(mut command: Command, folder: &Path, name: &str) -> Child {
    let file = |what| fs::File::create(folder.join(format!("{name}.{what}"))).expect("a file");
    command.stdout(file("out")).stderr(file("err")).spawn().expect("it starts")
}

/// Over the kernel's link \[ms per token\].
fn over_the_kernel(spaces: &Namespaces, folder: &Path, method: &str) -> f64 {
    let log = fs::File::create(folder.join("cloud.err")).expect("a file of the test");
    let mut cloud = spaces.pipesd(1);
    let listen = format!("{}:4433", ADDRESSES[1]);
    cloud.args(["cloud", "--once", "--listen", &listen]).args(configuration(method));
    let mut cloud = cloud.stdout(Stdio::piped()).stderr(log).spawn().expect("a cloud");
    let mut ticket = String::new();
    let mut tells = BufReader::new(cloud.stdout.take().expect("piped"));
    tells.read_line(&mut ticket).expect("a ticket");
    let ticket = format!("@{}", write(folder, "ticket", &ticket));
    let mut edge = spaces.pipesd(0);
    edge.args(["edge", "--plain", "--json", "--connect", &ticket]).args(configuration(method));
    let decoded = document(spawn(edge, folder, "edge"), folder, "edge");
    let served = ended(&mut cloud, Duration::from_secs(30));
    assert!(served.is_some_and(|status| status.success()), "{}", said(folder, "cloud"));
    decoded["tpt_ms"].as_f64().expect("measured")
}

/// Over the emulated link, and simulated \[ms per token\].
fn emulated_and_simulated(folder: &Path, method: &str) -> [f64; 2] {
    let mut testbed = Command::new("chrt");
    testbed.args(["--rr", "1", env!("CARGO_BIN_EXE_pipesd"), "testbed", "--json"]);
    testbed.args(configuration(method));
    let document = document(spawn(testbed, folder, "testbed"), folder, "testbed");
    [&document["tpt_ms"], &document["live"]["simulated_tpt_ms"]]
        .map(|value| value.as_f64().expect("measured"))
}

#[test]
#[ignore = "timing: run alone, as root"]
fn the_kernels_rate_limit_is_as_fast_as_the_emulated_link_and_the_simulated_one() {
    let spaces = match Namespaces::create() {
        Ok(spaces) => spaces,
        Err(why) => {
            println!("skipped, as this system does not allow it: {why}");
            return;
        }
    };
    let folder = folder("kernel");
    for method in ["vanilla", "pipesd"] {
        let kernel = over_the_kernel(&spaces, &folder, method);
        let [emulated, simulated] = emulated_and_simulated(&folder, method);
        let beyond = |other: f64| (kernel / other - 1.0) * 100.0;
        println!(
            "{method}, ms per token: {kernel:.1} over the kernel's link, {emulated:.1} over the \
             emulated one ({:+.1} %), {simulated:.1} simulated ({:+.1} %)",
            beyond(emulated),
            beyond(simulated),
        );
        for other in [emulated, simulated] {
            assert!(beyond(other).abs() <= 3.0, "{method}: see {}", text(&folder));
        }
    }
}
