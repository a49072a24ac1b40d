//! What this program was built with and what it finds on this machine, as facts: for whoever asks why a
//! live run does not start or measures nothing.

use std::thread;

use crate::energy;

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Yes,
    /// It is not, and something does not work without it.
    No,
    /// It is not, and nothing that is asked of a machine by default needs it.
    NotNeeded,
}

/// Something found or not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What was looked for.
    pub what: &'static str,
    /// Whether it is there.
    pub present: Presence,
    /// What was found: a version, a count, a reason.
    pub detail: String,
    /// What to type to get it, where something can be done.
    pub remedy: Option<&'static str>,
}

/// What builds the model backends, after `setup.sh` has fetched what they need.
const BUILD: &str = "./setup.sh && cargo build --release --workspace --features pipesd/models";

/// All facts, the most basic first.
#[must_use]
pub fn facts() -> Vec<Fact> {
    let mut facts = vec![cores()];
    facts.extend(llama());
    facts.extend(torch());
    let energy::Availability { nvml, powercap } = energy::availability();
    facts.push(counter("energy counter of GPUs (NVML)", nvml, None));
    facts.push(counter("energy counter of processors (powercap)", powercap, Some(READABLE)));
    facts
}

/// Since Linux 5.10 only root reads it.
const READABLE: &str = "sudo chmod a+r /sys/class/powercap/*/energy_uj";

fn cores() -> Fact {
    let (present, detail) = match thread::available_parallelism() {
        Ok(cores) => (Presence::Yes, format!("{cores} for this process")),
        Err(error) => (Presence::No, error.to_string()),
    };
    Fact { what: "processor cores", present, detail, remedy: None }
}

fn counter(
    what: &'static str,
    found: Result<Vec<String>, String>,
    remedy: Option<&'static str>,
) -> Fact {
    match found {
        Ok(devices) => {
            Fact { what, present: Presence::Yes, detail: devices.join(", "), remedy: None }
        }
        Err(problem) => {
            // Only a file that is there and not readable can be made readable.
            let remedy = remedy.filter(|_| problem.contains("ermission"));
            let detail = format!("energy is not measured: {problem}");
            Fact { what, present: Presence::NotNeeded, detail, remedy }
        }
    }
}

/// A backend that was not compiled in.
#[cfg(not(all(feature = "llama", feature = "torch")))]
fn absent(what: &'static str) -> Vec<Fact> {
    let detail = "not compiled in: models of this kind cannot be run".into();
    vec![Fact { what, present: Presence::No, detail, remedy: Some(BUILD) }]
}

#[cfg(not(feature = "llama"))]
fn llama() -> Vec<Fact> {
    absent("llama.cpp (feature `llama`)")
}

#[cfg(feature = "llama")]
fn llama() -> Vec<Fact> {
    let facts = crate::backend::llama::about();
    let (present, detail) = match facts {
        Ok(detail) => (Presence::Yes, detail),
        Err(error) => (Presence::No, error.to_string()),
    };
    let remedy = (present == Presence::No).then_some(BUILD);
    vec![Fact { what: "llama.cpp (feature `llama`)", present, detail, remedy }]
}

#[cfg(not(feature = "torch"))]
fn torch() -> Vec<Fact> {
    absent("libtorch (feature `torch`)")
}

#[cfg(feature = "torch")]
fn torch() -> Vec<Fact> {
    let openmp = if tch::utils::has_openmp() { "OpenMP" } else { "no OpenMP" };
    let threads = tch::get_num_threads();
    let detail = format!("for libtorch {LIBTORCH}, {openmp}, {threads} threads by default");
    let devices = tch::Cuda::device_count();
    let (present, cuda) = match (tch::Cuda::is_available(), tch::utils::has_cuda()) {
        (true, _) => (Presence::Yes, format!("{devices} devices")),
        (false, true) => (Presence::NotNeeded, "libtorch has CUDA, and sees no device".into()),
        (false, false) => (Presence::NotNeeded, "libtorch was built without it".into()),
    };
    let libtorch =
        Fact { what: "libtorch (feature `torch`)", present: Presence::Yes, detail, remedy: None };
    vec![libtorch, Fact { what: "CUDA of libtorch", present, detail: cuda, remedy: None }]
}

/// What the pinned version of `torch-sys` wants; its build refuses another.
#[cfg(feature = "torch")]
const LIBTORCH: &str = "2.13.0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compiled_in_is_present_and_the_rest_has_a_remedy() {
        let facts = facts();
        let of = |start: &str| facts.iter().find(|fact| fact.what.starts_with(start)).expect(start);
        for (name, compiled) in
            [("llama.cpp", cfg!(feature = "llama")), ("libtorch", cfg!(feature = "torch"))]
        {
            let fact = of(name);
            assert_eq!(fact.present == Presence::Yes, compiled, "{fact:?}");
            assert_eq!(fact.remedy.is_some(), !compiled, "{fact:?}");
        }
        assert_eq!(of("processor cores").present, Presence::Yes);
        let all = format!("{facts:#?}");
        println!("{all}");
        assert!(facts.iter().all(|fact| !fact.detail.is_empty()), "{all}");
    }

    #[test]
    fn a_counter_that_is_there_and_closed_has_a_remedy() {
        let closed = "/sys/x/energy_uj: Permission denied (os error 13)".to_owned();
        assert_eq!(counter("c", Err(closed), Some(READABLE)).remedy, Some(READABLE));
        let none = "/sys/x: No such file".to_owned();
        let fact = counter("c", Err(none), Some(READABLE));
        assert_eq!((fact.remedy, fact.present), (None, Presence::NotNeeded));
    }
}
