//! Energy that a live run took, from counters of the machine: NVML's of NVIDIA's GPUs, and powercap's of
//! processors (RAPL) where Linux shows them. What has no readable counter is not measured; it is never
//! taken for zero.
//!
//! Counters cover whole devices, whatever else runs on them, and idle power too.

use std::fs;
use std::path::{Path, PathBuf};

use nvml_wrapper::Nvml;
use serde::{Deserialize, Serialize};

/// Where Linux shows its energy counters.
pub const POWERCAP: &str = "/sys/class/powercap";

/// A counter that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A zone of powercap: its folder, and where its counter begins anew, µJ.
    Powercap { folder: PathBuf, range: u64 },
    /// A GPU by its index; its counter does not wrap within a run (mJ in 64 bits).
    Nvml { index: u32 },
}

/// What a device took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// What it covers, as the machine names it: `package-0`, `NVIDIA H100 (GPU 0)`.
    pub device: String,
    /// Which counter: the file or the library's call.
    pub source: String,
    /// Joules since the start; None: not measured, as the counter could not be read since.
    pub joules: Option<f64>,
    /// Whether it is a GPU.
    pub is_gpu: bool,
}

/// What a run took \[J\]: of the GPUs if there are any, else of the processors. None: not measured.
#[must_use]
pub fn total(readings: &[Reading]) -> Option<f64> {
    let any_gpu = readings.iter().any(|reading| reading.is_gpu);
    let of_run = readings.iter().filter(|reading| reading.is_gpu == any_gpu);
    let joules: Option<Vec<f64>> = of_run.map(|reading| reading.joules).collect();
    joules.filter(|joules| !joules.is_empty()).map(|joules| joules.iter().sum())
}

/// A measurement under way.
#[derive(Debug)]
pub struct Meter {
    nvml: Option<Nvml>,
    counters: Vec<Counter>,
}

#[derive(Debug)]
struct Counter {
    device: String,
    source: Source,
    /// Its value when last read: µJ of powercap, mJ of NVML.
    last: u64,
    /// In the same unit, since the start; None: a value is missing.
    taken: Option<u64>,
}

impl Counter {
    const fn new(device: String, source: Source, last: u64) -> Self {
        Self { device, source, last, taken: Some(0) }
    }

    fn advance(&mut self, nvml: Option<&Nvml>) {
        let (now, range) = match &self.source {
            Source::Powercap { folder, range } => {
                (number(&folder.join("energy_uj")).ok(), Some(*range))
            }
            Source::Nvml { index } => {
                let gpu = nvml.and_then(|nvml| nvml.device_by_index(*index).ok());
                (gpu.and_then(|gpu| gpu.total_energy_consumption().ok()), None)
            }
        };
        let more = now.and_then(|now| match range {
            Some(range) => since(self.last, now, range),
            None => now.checked_sub(self.last),
        });
        self.taken = self.taken.zip(more).map(|(taken, more)| taken + more);
        self.last = now.unwrap_or(self.last);
    }

    fn reading(&self) -> Reading {
        let (source, per_joule) = match &self.source {
            Source::Powercap { folder, .. } => {
                (folder.join("energy_uj").display().to_string(), 1e6)
            }
            Source::Nvml { .. } => ("nvmlDeviceGetTotalEnergyConsumption".into(), 1e3),
        };
        let joules = self.taken.map(|taken| taken as f64 / per_joule);
        let is_gpu = matches!(self.source, Source::Nvml { .. });
        Reading { device: self.device.clone(), source, joules, is_gpu }
    }
}

/// What can be measured here, and where not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// Devices with a counter, or why there is none.
    pub nvml: Result<Vec<String>, String>,
    /// Zones with a readable counter, or why there is none.
    pub powercap: Result<Vec<String>, String>,
}

impl Meter {
    /// Reads all counters that there are. NVML's library is looked for now.
    #[must_use]
    pub fn start() -> Self {
        Self::with(Nvml::init().ok(), Path::new(POWERCAP))
    }

    /// Of powercap alone, by the folder that holds its zones: for tests.
    #[must_use]
    pub fn start_at(powercap: &Path) -> Self {
        Self::with(None, powercap)
    }

    fn with(nvml: Option<Nvml>, powercap: &Path) -> Self {
        let mut counters = zones(powercap).unwrap_or_default();
        if let Some(nvml) = &nvml {
            counters.extend(gpus(nvml).unwrap_or_default());
        }
        Self { nvml, counters }
    }

    /// What each device took since the start. Empty: not measured. To be read at least once in the time
    /// that a powercap counter needs for a turn (minutes at full load, tens of them usually): a second
    /// turn between two readings is not seen.
    #[must_use]
    pub fn read(&mut self) -> Vec<Reading> {
        let Self { nvml, counters } = self;
        counters.iter_mut().for_each(|counter| counter.advance(nvml.as_ref()));
        counters.iter().map(Counter::reading).collect()
    }
}

/// What could be measured on this machine.
#[must_use]
pub fn availability() -> Availability {
    let names = |counters: Vec<Counter>| counters.into_iter().map(|c| c.device).collect();
    let nvml = Nvml::init().map_err(|error| error.to_string());
    Availability {
        nvml: nvml.and_then(|nvml| gpus(&nvml)).map(names),
        powercap: zones(Path::new(POWERCAP)).map(names),
    }
}

/// From `start` to `end` of a counter that begins anew after `range`.
const fn since(start: u64, end: u64, range: u64) -> Option<u64> {
    if end >= start {
        return Some(end - start);
    }
    // Its values are 0 to `range`.
    match range.checked_sub(start) {
        Some(left) => Some(left + end + 1),
        None => None,
    }
}

fn number(path: &Path) -> Result<u64, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let number = text.trim().parse();
    number.map_err(|_| format!("{}: {:?} is no counter", path.display(), text.trim()))
}

/// The outermost zones: what is inside one (cores, memory) is counted by it. `psys`, which counts the
/// packages again, is left out where there are packages.
fn zones(powercap: &Path) -> Result<Vec<Counter>, String> {
    let entries = fs::read_dir(powercap)
        .map_err(|error| format!("{}: {error}", powercap.display()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    let mut problem = format!("{}: no zone has a counter", powercap.display());
    let mut counters = Vec::new();
    for folder in entries.filter(|folder| is_outermost(folder)) {
        match zone(&folder) {
            Ok(counter) => counters.push(counter),
            Err(other) => problem = other,
        }
    }
    if counters.iter().any(|counter: &Counter| counter.device.starts_with("package")) {
        counters.retain(|counter| counter.device != "psys");
    }
    counters.sort_by(|one, other| one.device.cmp(&other.device));
    // The same registers are shown twice on some machines (`intel-rapl:0`, `intel-rapl-mmio:0`).
    counters.dedup_by(|one, other| one.device == other.device);
    if counters.is_empty() { Err(problem) } else { Ok(counters) }
}

/// `intel-rapl:0`, not `intel-rapl` (the control type) nor `intel-rapl:0:1` (a part).
fn is_outermost(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.matches(':').count() == 1
}

fn zone(folder: &Path) -> Result<Counter, String> {
    let start = number(&folder.join("energy_uj"))?;
    let range = number(&folder.join("max_energy_range_uj"))?;
    let path = folder.join("name");
    let name = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let source = Source::Powercap { folder: folder.to_owned(), range };
    Ok(Counter::new(name.trim().into(), source, start))
}

fn gpus(nvml: &Nvml) -> Result<Vec<Counter>, String> {
    let count = nvml.device_count().map_err(|error| error.to_string())?;
    let mut problem = "no GPU".to_owned();
    let mut counters = Vec::new();
    for index in 0..count {
        let gpu = nvml.device_by_index(index).and_then(|gpu| {
            let start = gpu.total_energy_consumption()?;
            let device = format!("{} (GPU {index})", gpu.name()?);
            Ok(Counter::new(device, Source::Nvml { index }, start))
        });
        match gpu {
            Ok(counter) => counters.push(counter),
            Err(error) => problem = format!("GPU {index}: {error}"),
        }
    }
    if counters.is_empty() { Err(problem) } else { Ok(counters) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree as Linux has it, in a folder of its own that is removed.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("pipesd-{}-{name}", std::process::id()));
            fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }

        fn zone(&self, folder: &str, name: &str, energy: &str) {
            fs::create_dir_all(self.0.join(folder)).expect("a folder");
            self.set(folder, "name", name);
            self.set(folder, "energy_uj", energy);
            self.set(folder, "max_energy_range_uj", "1000000\n");
        }

        fn set(&self, folder: &str, file: &str, text: &str) {
            fs::write(self.0.join(folder).join(file), text).expect("a file");
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn counters_that_begin_anew_go_on() {
        assert_eq!(since(5, 9, 10), Some(4));
        assert_eq!(since(5, 5, 10), Some(0));
        // 9, 10, then 0, 1: three steps.
        assert_eq!(since(9, 1, 10), Some(3));
        // A start beyond the range, and then less: no counter of this range.
        assert_eq!(since(11, 1, 10), None);
    }

    #[test]
    fn each_package_is_measured_once() {
        let tree = Tree::new("packages");
        tree.zone("intel-rapl", "control", "7\n");
        tree.zone("intel-rapl:0", "package-0\n", "400000\n");
        tree.zone("intel-rapl:0:0", "core\n", "7\n");
        tree.zone("intel-rapl:1", "package-1\n", "900000\n");
        tree.zone("intel-rapl:2", "psys\n", "7\n");
        tree.zone("intel-rapl-mmio:0", "package-0\n", "400000\n");
        let mut meter = Meter::start_at(&tree.0);
        for folder in ["intel-rapl:0", "intel-rapl-mmio:0"] {
            tree.set(folder, "energy_uj", "900000\n");
        }
        tree.set("intel-rapl:1", "energy_uj", "399999\n");
        let readings = meter.read();
        let found: Vec<_> = readings.iter().map(|r| (r.device.as_str(), r.joules)).collect();
        assert_eq!(found, [("package-0", Some(0.5)), ("package-1", Some(0.5))]);
        assert!(readings[1].source.ends_with("intel-rapl:1/energy_uj"), "{readings:?}");
        assert_eq!(total(&readings), Some(1.0));
        // Another turn of 1 000 001 values, seen because it was read in between.
        tree.set("intel-rapl-mmio:0", "energy_uj", "400000\n");
        tree.set("intel-rapl:0", "energy_uj", "400000\n");
        assert_eq!(meter.read()[0].joules, Some(1.000_001));
    }

    #[test]
    fn a_run_on_a_gpu_is_what_the_gpu_took() {
        let reading = |is_gpu, joules| Reading {
            device: "one".into(),
            source: "counter".into(),
            joules,
            is_gpu,
        };
        assert_eq!(total(&[]), None);
        assert_eq!(total(&[reading(false, Some(1.0)), reading(true, Some(5.0))]), Some(5.0));
        assert_eq!(total(&[reading(false, Some(1.0)), reading(false, Some(2.0))]), Some(3.0));
        assert_eq!(total(&[reading(false, Some(1.0)), reading(true, None)]), None);
    }

    #[test]
    fn what_cannot_be_read_is_not_measured() {
        let tree = Tree::new("unreadable");
        assert!(Meter::start_at(&tree.0.join("none")).read().is_empty());
        assert!(Meter::start_at(&tree.0).read().is_empty());
        tree.zone("intel-rapl:0", "package-0\n", "no number\n");
        assert!(Meter::start_at(&tree.0).read().is_empty());
        tree.set("intel-rapl:0", "energy_uj", "5\n");
        fs::remove_file(tree.0.join("intel-rapl:0/max_energy_range_uj")).expect("it is there");
        assert!(Meter::start_at(&tree.0).read().is_empty());
        tree.set("intel-rapl:0", "max_energy_range_uj", "1000000\n");
        let mut meter = Meter::start_at(&tree.0);
        assert_eq!(meter.read()[0].joules, Some(0.0));
        // Gone while the run went on: named, and not measured.
        fs::remove_file(tree.0.join("intel-rapl:0/energy_uj")).expect("it is there");
        let readings = meter.read();
        assert_eq!((readings.len(), readings[0].joules), (1, None));
    }
}
