//! Reads profiles, scenarios and methods, shipped or from files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use pipesd_core::method::MethodSpec;
use pipesd_core::trace::Trace;
use pipesd_sim::profile::ProfileSpec;
use pipesd_sim::scenario::{BandwidthTrace, LinkSpec, ScenarioSpec};
use serde::de::DeserializeOwned;

use super::bad_input;
use super::catalogue::{ATTACHMENTS, METHODS, PROFILES, SCENARIOS, names};

/// A file's content and what to call it in messages.
struct Source {
    label: String,
    content: String,
    /// None: shipped.
    folder: Option<PathBuf>,
}

impl Source {
    /// A shipped entry by name, or a file by path (anything with a slash or ending in `.toml`, or a
    /// folder with a file called after its kind, such as `profile.toml`).
    fn find(kind: &str, choice: &str, shipped: &[(&'static str, &'static str)]) -> Result<Self> {
        if let Some((name, content)) = shipped.iter().find(|(name, _)| *name == choice) {
            let label = format!("shipped {kind} `{name}`");
            return Ok(Self { label, content: (*content).into(), folder: None });
        }
        let path = Path::new(choice);
        if path.is_dir() {
            return Self::read(&path.join(kind).with_extension("toml"));
        }
        if is_path(choice) {
            return Self::read(path);
        }
        let known = names(shipped);
        Err(bad_input!("--{kind} {choice}: no such {kind}; shipped are {known}; or give a path")
            .into())
    }

    fn read(path: &Path) -> Result<Self> {
        let content = std::fs::read_to_string(path)
            .map_err(|error| bad_input!("{}: cannot be read: {error}", path.display()))?;
        let folder = Some(path.parent().unwrap_or(Path::new("")).to_path_buf());
        Ok(Self { label: path.display().to_string(), content, folder })
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        // The parser's message shows line and column, and the choices for an unknown key or value.
        toml::from_str(&self.content)
            .map_err(|error| bad_input!("{}: {}", self.label, error.to_string().trim_end()).into())
    }

    /// The content as a trace that can be played.
    fn trace(&self) -> Result<Trace> {
        let trace: Trace = serde_json::from_str(&self.content)
            .map_err(|error| bad_input!("{}: not a whole trace: {error}", self.label))?;
        trace.validate().map_err(|error| bad_input!("{}: {error}", self.label))?;
        Ok(trace)
    }

    /// A file that this one refers to.
    fn attachment(&self, name: &str) -> Result<Self> {
        match &self.folder {
            Some(folder) => Self::read(&folder.join(name))
                .map_err(|error| bad_input!("{}: {error}", self.label).into()),
            None => {
                let content = ATTACHMENTS.iter().find(|(attached, _)| *attached == name);
                let (label, content) = content.expect("shipped files refer to shipped files");
                Ok(Self { label: (*label).into(), content: (*content).into(), folder: None })
            }
        }
    }
}

fn is_path(choice: &str) -> bool {
    choice.contains(['/', '\\']) || choice.ends_with(".toml")
}

/// The trace in a file.
pub(crate) fn load_trace(path: &Path) -> Result<Trace> {
    Source::read(path)?.trace()
}

/// A profile, with its trace if it names one.
#[derive(Clone, Debug)]
pub(crate) struct LoadedProfile {
    pub(crate) label: String,
    pub(crate) spec: ProfileSpec,
    pub(crate) trace: Option<Arc<Trace>>,
}

pub(crate) fn load_profile(choice: &str) -> Result<LoadedProfile> {
    let source = Source::find("profile", choice, PROFILES)?;
    let spec: ProfileSpec = source.parse()?;
    let trace = match &spec.trace {
        None => None,
        Some(name) => Some(Arc::new(source.attachment(name)?.trace()?)),
    };
    Ok(LoadedProfile { label: source.label, spec, trace })
}

/// A scenario, with the bandwidth traces of uplink and downlink if it names them.
#[derive(Clone, Debug)]
pub(crate) struct LoadedScenario {
    pub(crate) label: String,
    pub(crate) spec: ScenarioSpec,
    pub(crate) traces: [Option<BandwidthTrace>; 2],
}

pub(crate) fn load_scenario(choice: &str) -> Result<LoadedScenario> {
    let source = Source::find("scenario", choice, SCENARIOS)?;
    let spec: ScenarioSpec = source.parse()?;
    let trace = |link: &LinkSpec| -> Result<Option<BandwidthTrace>> {
        let Some(name) = &link.trace else { return Ok(None) };
        let file = source.attachment(&name.value)?;
        let trace = BandwidthTrace::parse(&file.content)
            .map_err(|problem| bad_input!("{}: {problem}", file.label))?;
        Ok(Some(trace))
    };
    let traces = [trace(&spec.uplink)?, trace(&spec.downlink)?];
    Ok(LoadedScenario { label: source.label, spec, traces })
}

/// A bandwidth trace on its own.
pub(crate) fn load_bandwidth(path: &Path) -> Result<BandwidthTrace> {
    let file = Source::read(path)?;
    let trace = BandwidthTrace::parse(&file.content);
    trace.map_err(|problem| bad_input!("{}: {problem}", file.label).into())
}

/// A method's keys for a profile.
#[derive(Clone, Debug)]
pub(crate) struct LoadedMethod {
    pub(crate) label: String,
    pub(crate) name: String,
    pub(crate) spec: MethodSpec,
}

/// Bases of bases at most: beyond, they surely go in a circle.
const BASES_MAX: u32 = 8;

/// A method with its settings for `profile`.
pub(crate) fn load_method(choice: &str, profile: &str) -> Result<LoadedMethod> {
    let shipped: toml::Table = METHODS.parse().expect("the shipped methods are valid TOML");
    let (label, name, entry) = match shipped.get(choice) {
        Some(toml::Value::Table(entry)) => {
            (format!("shipped method `{choice}`"), choice.to_owned(), entry.clone())
        }
        _ if is_path(choice) => {
            let path = Path::new(choice);
            let source = Source::read(path)?;
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            let entry: toml::Table = source.parse()?;
            // A file that stands alone is read as it is once more, for errors with their line.
            if !entry.contains_key("base") && !entry.contains_key("for") {
                source.parse::<MethodSpec>()?;
            }
            (source.label, stem.unwrap_or_default(), entry)
        }
        _ => {
            let known = keys_of(&shipped);
            return Err(bad_input!(
                "--method {choice}: no such method; shipped are {known}; or give a path"
            )
            .into());
        }
    };
    let mut own_keys = Vec::new();
    let keys = flatten(&shipped, &entry, profile, &label, BASES_MAX, &mut own_keys)?;
    let mut spec: MethodSpec =
        toml::Value::Table(keys).try_into().map_err(|error: toml::de::Error| {
            bad_input!("{label}: {}", error.to_string().trim_end())
        })?;
    let own_keys: Vec<&str> = own_keys.iter().map(String::as_str).collect();
    spec.drop_inherited(&own_keys);
    // What is inherited may give way to `--set`; what the entry itself says must fit together.
    spec.resolve().map_err(|error| bad_input!("{label}: {error}"))?;
    Ok(LoadedMethod { label, name, spec })
}

/// The keys of a table, for messages.
fn keys_of(table: &toml::Table) -> String {
    table.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// An entry's keys over those of its base; those for the profile over those for any. `own` collects
/// the keys that the entry itself gives.
fn flatten(
    shipped: &toml::Table,
    entry: &toml::Table,
    profile: &str,
    label: &str,
    bases_left: u32,
    own: &mut Vec<String>,
) -> Result<toml::Table> {
    let mut keys = match entry.get("base") {
        None => toml::Table::new(),
        Some(base) => {
            let base_entry = base.as_str().and_then(|name| shipped.get(name)?.as_table());
            let Some(base_entry) = base_entry.filter(|_| bases_left > 0) else {
                let known = keys_of(shipped);
                return Err(bad_input!("{label}: `base`: {base} is not one of {known}").into());
            };
            flatten(shipped, base_entry, profile, label, bases_left - 1, &mut Vec::new())?
        }
    };
    let plain = entry.iter().filter(|(key, _)| !["base", "for"].contains(&key.as_str()));
    for (key, value) in plain {
        own.push(key.clone());
        keys.insert(key.clone(), value.clone());
    }
    let by_profile = match entry.get("for") {
        None => return Ok(keys),
        Some(toml::Value::Table(by_profile)) => by_profile,
        Some(other) => {
            return Err(bad_input!("{label}: `for`: {other} is not a table of profiles").into());
        }
    };
    // All of them are read, so that a slip shows before its profile is run.
    for (name, settings) in by_profile {
        let mut candidate = keys.clone();
        let Some(settings) = settings.as_table() else {
            return Err(bad_input!("{label}: `for.{name}`: {settings} is not a table").into());
        };
        candidate.extend(settings.clone());
        toml::Value::Table(candidate).try_into::<MethodSpec>().map_err(|error| {
            bad_input!("{label}: `for.{name}`: {}", error.to_string().trim_end())
        })?;
        if name == profile {
            own.extend(settings.keys().cloned());
        }
    }
    if let Some(settings) = by_profile.get(profile).and_then(toml::Value::as_table) {
        keys.extend(settings.clone());
    }
    Ok(keys)
}
