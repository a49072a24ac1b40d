//! A scenario: the edge's device and its two links. Like a profile, every value carries its source.

use std::collections::BTreeMap;

use pipesd_core::device::{DEVICE_MS_MAX, Device};
use pipesd_core::time::{Duration, from_millis};
use serde::{Deserialize, Serialize};

use crate::link::{AffineConfig, ExchangeFloor, LinkConfig, PacketConfig, Rate};
use crate::profile::Sourced;

/// A scenario as its file says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioSpec {
    /// Name, also in results.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// The edge's device.
    pub device: DeviceSpec,
    /// From edge to cloud.
    pub uplink: LinkSpec,
    /// Back.
    pub downlink: LinkSpec,
}

/// The edge's device: exactly one of the rules by which it makes a draft step longer than it is on the
/// profile's reference device; see [`Device`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceSpec {
    /// Added to every step \[ms\].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added_draft_ms: Option<Sourced<f64>>,
    /// The least time of a draft of a round on committed text \[ms\]; guesses and what is drafted ahead
    /// take their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padded_draft_ms: Option<Sourced<f64>>,
    /// The least time of every step \[ms\].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowed_draft_ms: Option<Sourced<f64>>,
}

impl DeviceSpec {
    /// The rules' keys.
    pub const KEYS: [&str; 3] = ["added_draft_ms", "padded_draft_ms", "slowed_draft_ms"];

    /// The device.
    ///
    /// # Errors
    /// If not exactly one rule is given, or its time is out of range.
    pub fn resolve(&self) -> Result<Device, String> {
        let Self { added_draft_ms, padded_draft_ms, slowed_draft_ms } = self;
        let rules: [fn(Duration) -> Device; 3] = [Device::Added, Device::Padded, Device::Slowed];
        let given = [added_draft_ms, padded_draft_ms, slowed_draft_ms];
        let mut given = given
            .into_iter()
            .zip(Self::KEYS)
            .zip(rules)
            .filter_map(|((sourced, key), rule)| Some((sourced.as_ref()?.value, key, rule)));
        let one = || format!("a device has exactly one of {}", Self::KEYS.join(", "));
        let (ms, key, rule) = given.next().ok_or_else(one)?;
        if given.next().is_some() {
            return Err(one());
        }
        if (0.0..=DEVICE_MS_MAX).contains(&ms) {
            Ok(rule(from_millis(ms)))
        } else {
            Err(format!("`{key}`: {ms} is out of range: it must be 0 to {DEVICE_MS_MAX}"))
        }
    }

    /// Puts the rule `key` in the place of the one that there is.
    ///
    /// # Panics
    /// If `key` is none of [`Self::KEYS`].
    pub fn set(&mut self, key: &str, time_ms: Sourced<f64>) {
        let mut device = Self::default();
        *match key {
            "added_draft_ms" => &mut device.added_draft_ms,
            "padded_draft_ms" => &mut device.padded_draft_ms,
            "slowed_draft_ms" => &mut device.slowed_draft_ms,
            other => panic!("`{other}` is no device's"),
        } = Some(time_ms);
        *self = device;
    }
}

/// Names of the link models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkModel {
    /// Start-up and size over rate.
    Affine,
    /// Packets, jitter, loss, a bounded queue.
    Packet,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSpec {
    /// The model.
    pub model: LinkModel,
    /// Rate \[Mbit/s\]; or `trace`, or `request_rates_mbps`.
    #[serde(default)]
    pub rate_mbps: Option<Sourced<f64>>,
    /// A bandwidth trace file, relative to the scenario's.
    #[serde(default)]
    pub trace: Option<Sourced<String>>,
    /// One constant rate for each request, in turn \[Mbit/s\]. Each run begins at a place of its own.
    #[serde(default)]
    pub request_rates_mbps: Option<Sourced<Vec<f64>>>,
    /// To which mean the rates of the trace, or those of the requests, are scaled \[Mbit/s\]; default: as
    /// they are.
    #[serde(default)]
    pub mean_rate_mbps: Option<Sourced<f64>>,
    /// What differs between profiles.
    #[serde(default, rename = "for")]
    pub by_profile: BTreeMap<String, LinkByProfile>,
    /// α: start-up of each message \[ms\].
    pub startup_ms: Sourced<f64>,
    /// One way \[ms\].
    pub propagation_ms: Sourced<f64>,
    /// Whether a message under way can be cut short; default: no.
    #[serde(default)]
    pub abortable: Option<Sourced<bool>>,
    /// Mean of each packet's additional delay \[ms\] (`packet`).
    #[serde(default)]
    pub jitter_ms: Option<Sourced<f64>>,
    /// Share of packets lost, 0 to 0.5 (`packet`).
    #[serde(default)]
    pub loss: Option<Sourced<f64>>,
    /// Bytes that the sender may have in the bottleneck's queue \[kB\] (`packet`).
    #[serde(default)]
    pub queue_kb: Option<Sourced<f64>>,
}

/// What a link has of its own for one profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkByProfile {
    /// In the place of the link's.
    pub mean_rate_mbps: Sourced<f64>,
}

/// A bandwidth trace file: a header line `# rows N step_s S start random|zero`, a line of column
/// names, and N lines `time_s,uplink_mbps,downlink_mbps` in equal steps.
#[derive(Clone, Debug, PartialEq)]
pub struct BandwidthTrace {
    step: Duration,
    random_start: bool,
    /// Uplink and downlink \[bit/s\].
    rates: [Vec<u64>; 2],
}

/// Which way a link goes: which column of a bandwidth trace is its.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Edge to cloud.
    Up,
    /// Cloud to edge.
    Down,
}

/// The slowest and fastest rate that is accepted \[Mbit/s\].
const RATE_MBPS: core::ops::RangeInclusive<f64> = 0.001..=1e6;

fn bits_per_second(mbps: f64) -> Result<u64, String> {
    if RATE_MBPS.contains(&mbps) {
        Ok((mbps * 1e6).round() as u64)
    } else {
        let (min, max) = (RATE_MBPS.start(), RATE_MBPS.end());
        Err(format!("a rate of {mbps} Mbit/s is out of range: it must be {min} to {max}"))
    }
}

/// Rates of requests in a scenario at most.
const REQUEST_RATES_MAX: usize = 4096;

/// The same rates, scaled to another mean.
fn scaled(rate: &Rate, mean_mbps: f64) -> Result<Rate, String> {
    bits_per_second(mean_mbps)?;
    let factor = mean_mbps * 1e6 / rate.mean();
    for &bits in rate.rates() {
        bits_per_second(bits as f64 * factor / 1e6)
            .map_err(|problem| format!("scaled to a mean of {mean_mbps}, {problem}"))?;
    }
    Ok(rate.map(|bits| (bits as f64 * factor).round() as u64))
}

impl BandwidthTrace {
    /// Reads the content of a trace file.
    ///
    /// # Errors
    /// What is wrong, with the line number: a missing header or column, a rate out of range, uneven
    /// steps, or fewer or more rows than the header promises (a truncated file).
    pub fn parse(content: &str) -> Result<Self, String> {
        let mut header = None;
        let mut rates = [Vec::new(), Vec::new()];
        let mut columns_seen = false;
        for (number, line) in (1..).zip(content.lines()) {
            let at = |problem: &str| format!("line {number}: {problem}");
            if let Some(comment) = line.strip_prefix('#') {
                let words: Vec<&str> = comment.split_whitespace().collect();
                if let ["rows", rows, "step_s", step, "start", start] = words[..] {
                    let rows: usize = rows.parse().map_err(|_| at("`rows` is not a number"))?;
                    let step: f64 = step.parse().map_err(|_| at("`step_s` is not a number"))?;
                    let random = match start {
                        "random" => true,
                        "zero" => false,
                        _ => return Err(at("`start` is `random` or `zero`")),
                    };
                    if !(1e-3..=1e6).contains(&step) {
                        return Err(at("`step_s` must be 0.001 to 1000000"));
                    }
                    header = Some((rows, step, random));
                }
            } else if !columns_seen {
                columns_seen = true;
                if line != "time_s,uplink_mbps,downlink_mbps" {
                    return Err(at("expected the columns `time_s,uplink_mbps,downlink_mbps`"));
                }
            } else {
                let (_, step, _) =
                    header.ok_or_else(|| at("no `# rows N step_s S` line before"))?;
                let numbers: Vec<f64> = line.split(',').map_while(|n| n.parse().ok()).collect();
                let [time, up, down] = numbers[..] else {
                    return Err(at("expected three numbers"));
                };
                let due = rates[0].len() as f64 * step;
                if (time - due).abs() > 1e-6 * step {
                    return Err(at(&format!("time is {time}, expected {due}: steps are equal")));
                }
                for (column, mbps) in rates.iter_mut().zip([up, down]) {
                    column.push(bits_per_second(mbps).map_err(|problem| at(&problem))?);
                }
            }
        }
        let (rows, step, random_start) = header.ok_or("no line `# rows N step_s S start ...`")?;
        if rates[0].len() != rows || rows == 0 {
            let found = rates[0].len();
            return Err(format!("{rows} rows promised, {found} found: is the file truncated?"));
        }
        Ok(Self { step: from_millis(step * 1e3), random_start, rates })
    }

    fn rate(&self, way: Way) -> Rate {
        let column = match way {
            Way::Up => 0,
            Way::Down => 1,
        };
        Rate::Trace {
            step: self.step,
            rates: self.rates[column].clone(),
            offset: Duration::ZERO,
            random_offset: self.random_start,
        }
    }
}

/// The packet model's defaults: a LAN's jitter, no loss, and the send buffer of our live driver.
const JITTER_MS: f64 = 0.0;
const LOSS: f64 = 0.0;
const QUEUE_KB: f64 = 64.0;

impl LinkSpec {
    /// The link as the profile of this name meets it.
    #[must_use]
    pub fn for_profile(&self, profile: &str) -> Self {
        let mut link = self.clone();
        if let Some(own) = link.by_profile.remove(profile) {
            link.mean_rate_mbps = Some(own.mean_rate_mbps);
        }
        link
    }

    /// Forgets all that says how fast it is: something else will.
    pub fn clear_rate(&mut self) {
        (self.rate_mbps, self.trace, self.request_rates_mbps) = (None, None, None);
        self.clear_mean();
    }

    /// Forgets to which mean its rates are scaled.
    pub fn clear_mean(&mut self) {
        self.mean_rate_mbps = None;
        self.by_profile.clear();
    }

    fn rate(&self, way: Way, trace: Option<&BandwidthTrace>) -> Result<Rate, String> {
        let rate = match (&self.rate_mbps, trace, &self.request_rates_mbps) {
            (Some(rate), None, None) => Rate::Constant(
                bits_per_second(rate.value).map_err(|problem| format!("`rate_mbps`: {problem}"))?,
            ),
            (None, Some(trace), None) => trace.rate(way),
            (None, None, Some(rates)) => {
                let rates: Result<Vec<u64>, String> =
                    rates.value.iter().map(|&mbps| bits_per_second(mbps)).collect();
                let rates = rates.map_err(|problem| format!("`request_rates_mbps`: {problem}"))?;
                if !(1..=REQUEST_RATES_MAX).contains(&rates.len()) {
                    return Err(format!(
                        "`request_rates_mbps`: there must be 1 to {REQUEST_RATES_MAX} rates"
                    ));
                }
                Rate::PerRequest { rates, first: 0, random_first: true }
            }
            _ => {
                return Err(
                    "a link has one of `rate_mbps`, `trace` and `request_rates_mbps`".to_owned()
                );
            }
        };
        match &self.mean_rate_mbps {
            None => Ok(rate),
            Some(_) if self.rate_mbps.is_some() => {
                Err("`mean_rate_mbps`: of a link that has one `rate_mbps` it is that".to_owned())
            }
            Some(mean) => {
                scaled(&rate, mean.value).map_err(|problem| format!("`mean_rate_mbps`: {problem}"))
            }
        }
    }

    /// The link. `trace` is the content of its trace file, if it names one.
    ///
    /// # Errors
    /// What is wrong, by key.
    pub fn resolve(&self, way: Way, trace: Option<&BandwidthTrace>) -> Result<LinkConfig, String> {
        let rate = self.rate(way, trace)?;
        let milliseconds = |key: &str, value: f64| {
            if (0.0..=60_000.0).contains(&value) {
                Ok(from_millis(value))
            } else {
                Err(format!("`{key}`: {value} is out of range: it must be 0 to 60000"))
            }
        };
        let startup = milliseconds("startup_ms", self.startup_ms.value)?;
        let propagation = milliseconds("propagation_ms", self.propagation_ms.value)?;
        let abortable = self.abortable.as_ref().is_some_and(|sourced| sourced.value);
        match self.model {
            LinkModel::Affine => {
                for (key, given) in [
                    ("jitter_ms", self.jitter_ms.is_some()),
                    ("loss", self.loss.is_some()),
                    ("queue_kb", self.queue_kb.is_some()),
                ] {
                    if given {
                        return Err(format!(
                            "`{key}`: contradicts the model: it needs link = \"packet\""
                        ));
                    }
                }
                // The floor belongs to the stack, and so to the profile: see `ProfileSpec::exchange_floor`.
                let floor = ExchangeFloor::NONE;
                let config = AffineConfig { rate, startup, propagation, abortable, floor };
                Ok(LinkConfig::Affine(config))
            }
            LinkModel::Packet => {
                let number = |sourced: &Option<Sourced<f64>>, default| {
                    sourced.as_ref().map_or(default, |sourced| sourced.value)
                };
                let jitter = milliseconds("jitter_ms", number(&self.jitter_ms, JITTER_MS))?;
                let loss = number(&self.loss, LOSS);
                if !(0.0..=0.5).contains(&loss) {
                    return Err(format!("`loss`: {loss} is out of range: it must be 0 to 0.5"));
                }
                let queue = number(&self.queue_kb, QUEUE_KB);
                if !(2.0..=1e6).contains(&queue) {
                    return Err(format!(
                        "`queue_kb`: {queue} is out of range: it must be 2 to 1000000"
                    ));
                }
                let queue_bytes = (queue * 1e3) as u64;
                Ok(LinkConfig::Packet(PacketConfig {
                    rate,
                    startup,
                    propagation,
                    jitter,
                    loss,
                    queue_bytes,
                    abortable,
                    mtu: PacketConfig::MTU,
                    header: PacketConfig::HEADER,
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "# rows 2 step_s 20 start zero\ntime_s,uplink_mbps,downlink_mbps\n0,10,200\n20,20,150\n";

    /// S4's uplink, with this in the place of how fast it is.
    fn link(rates: &str) -> LinkSpec {
        let sourced = |value: &str| {
            format!("{{ value = {value}, status = \"assumed\", source = \"a test\" }}")
        };
        let text = format!(
            "model = \"affine\"\nstartup_ms = {0}\npropagation_ms = {0}\n{1}",
            sourced("2.0"),
            rates
                .replace('(', "{ value = ")
                .replace(')', ", status = \"assumed\", source = \"a test\" }\n")
        );
        toml::from_str(&text).expect("a link")
    }

    fn rate_of(link: &LinkSpec) -> Result<Rate, String> {
        link.resolve(Way::Up, None).map(|link| link.rate().clone())
    }

    #[test]
    fn requests_have_rates_in_turn_scaled_to_a_mean_that_a_profile_may_have_of_its_own() {
        let plain = link("request_rates_mbps = ([12, 16, 20])");
        let expected = |rates: [u64; 3]| Rate::PerRequest {
            rates: rates.map(|mbps| mbps * 1_000_000).to_vec(),
            first: 0,
            random_first: true,
        };
        assert_eq!(rate_of(&plain), Ok(expected([12, 16, 20])));
        let own = "[for.slow]\nmean_rate_mbps = (8.0)";
        let mean =
            link(&format!("request_rates_mbps = ([12, 16, 20])mean_rate_mbps = (32.0){own}"));
        assert_eq!(rate_of(&mean.for_profile("any")), Ok(expected([24, 32, 40])));
        assert_eq!(rate_of(&mean.for_profile("slow")), Ok(expected([6, 8, 10])));
        let mut cleared = mean;
        cleared.clear_mean();
        assert_eq!(rate_of(&cleared.for_profile("slow")), Ok(expected([12, 16, 20])));
    }

    #[test]
    fn rates_that_contradict_each_other_or_are_out_of_range_are_refused_by_key() {
        let problem = |rates: &str| rate_of(&link(rates)).expect_err("a bad link");
        let one_of = "a link has one of `rate_mbps`, `trace` and `request_rates_mbps`";
        assert_eq!(problem(""), one_of);
        assert_eq!(problem("rate_mbps = (20.0)request_rates_mbps = ([12])"), one_of);
        let empty = problem("request_rates_mbps = ([])");
        assert_eq!(empty, "`request_rates_mbps`: there must be 1 to 4096 rates");
        let zero = problem("request_rates_mbps = ([12, 0])");
        assert!(zero.starts_with("`request_rates_mbps`: a rate of 0 Mbit/s"), "{zero}");
        let one = problem("rate_mbps = (20.0)mean_rate_mbps = (30.0)");
        assert!(one.starts_with("`mean_rate_mbps`"), "{one}");
        let slow = problem("request_rates_mbps = ([1, 1000])mean_rate_mbps = (0.001)");
        assert!(slow.starts_with("`mean_rate_mbps`: scaled to a mean of 0.001"), "{slow}");
        let nan = problem("request_rates_mbps = ([1, 1000])mean_rate_mbps = (nan)");
        assert!(nan.starts_with("`mean_rate_mbps`"), "{nan}");
    }

    #[test]
    fn a_bandwidth_trace_is_read_and_a_bad_one_refused_by_line() {
        let trace = BandwidthTrace::parse(GOOD).expect("a good trace");
        assert_eq!(trace.rates, [vec![10_000_000, 20_000_000], vec![200_000_000, 150_000_000]]);
        let problem = |content: &str| BandwidthTrace::parse(content).expect_err("a bad trace");
        assert!(problem(&GOOD.replace("20,20,150\n", "")).contains("truncated"));
        assert!(problem(&GOOD.replace("20,20,150", "20,0,150")).starts_with("line 4"));
        assert!(problem(&GOOD.replace("20,20,150", "21,20,150")).starts_with("line 4"));
        assert!(problem(&GOOD.replace("20,20,150", "20,20")).starts_with("line 4"));
        assert!(problem(&GOOD.replace("20,20,150", "20,nan,150")).starts_with("line 4"));
        assert!(problem("time_s,uplink_mbps,downlink_mbps\n0,10,200\n").contains("line 2"));
        assert!(problem("").contains("# rows"));
    }
}
