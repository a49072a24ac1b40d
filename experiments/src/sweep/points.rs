//! From a plan's combinations to what is run: every one is checked before the first run.

use std::collections::BTreeMap;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context as _, Error, Result};
use pipesd_sim::world::Setup;
use rayon::prelude::*;

use super::axis::Axis;
use super::plan::{Design, Plan};
use crate::input::{Choice, Configuration};
use crate::progress::Progress;

/// One combination: a configuration and how long its runs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) choice: Choice,
    pub(crate) tokens: u64,
    /// The values of the axes that are keys of `--set`; empty: left alone.
    pub(crate) set_values: Vec<String>,
}

/// Profile, scenario, method.
type Names = [String; 3];

/// The combinations of a plan that can be run, by number.
#[derive(Debug)]
pub(crate) struct Points {
    pub(crate) plan: Plan,
    /// What was read from files, once for each profile, scenario and method.
    bases: BTreeMap<Names, Configuration>,
    /// Numbers of the combinations that are left if some contradict themselves; None: all are.
    kept: Option<Vec<u32>>,
}

/// What an axis that is not in the plan takes: the defaults of `simulate`.
const NAME_AXES: [(&str, &str); 3] =
    [("profile", "humaneval"), ("scenario", "s1-laptop"), ("method", "pipesd")];

/// Axes that a run's time is proportional to.
const WEIGHTS: [&str; 2] = ["tokens", "edges"];

/// Words of refusals that are about keys which do not go together, not about a value that is wrong.
const CONTRADICTIONS: [&str; 6] =
    ["contradicts", "missing", "packets", "no constant threshold", "which has its own", "sum to 1"];

fn is_contradiction(text: &str) -> bool {
    CONTRADICTIONS.iter().any(|words| text.contains(words))
}

impl Points {
    /// Reads the files that the plan names and checks every combination.
    pub(crate) fn new(plan: Plan) -> Result<Self> {
        let mut points = Self { plan, bases: BTreeMap::new(), kept: None };
        points.load_bases()?;
        let combinations = points.plan.combinations();
        let all = 0..combinations;
        let progress = Progress::new("check", 0, combinations);
        let checked = AtomicU64::new(0);
        let load = |index| {
            let loaded = points.load(index);
            let done = checked.fetch_add(1, Relaxed) + 1;
            progress.set(done, || format!("{done} of {combinations} combinations"));
            loaded.map(drop)
        };
        if points.plan.skip_contradictions {
            let fits: Vec<bool> = all.into_par_iter().map(|index| load(index).is_ok()).collect();
            points.check_values(&fits)?;
            let kept = (0_u32..).zip(&fits).filter(|(_, fits)| **fits).map(|(index, _)| index);
            points.kept = Some(kept.collect());
        } else {
            let first =
                all.into_par_iter().find_map_first(|index| Some((index, load(index).err()?)));
            if let Some((index, error)) = first {
                return Err(points.refuse(index, &error, ""));
            }
        }
        progress.finish();
        Ok(points)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.kept.as_ref().map_or_else(|| self.plan.combinations(), |kept| kept.len() as u64)
    }

    /// The combination numbered `index`, those left out not counted.
    pub(crate) fn point(&self, index: u64) -> Point {
        self.combination(self.number(index))
    }

    /// Its values, one for each axis of the plan.
    pub(crate) fn values(&self, index: u64) -> Vec<String> {
        self.plan.values(self.number(index))
    }

    /// What to simulate for it.
    pub(crate) fn setup(&self, index: u64) -> Result<Setup> {
        self.load(self.number(index))
    }

    /// Whether combinations take different times, as far as one can tell beforehand.
    pub(crate) fn weights_differ(&self) -> bool {
        self.plan.axes().any(|axis| WEIGHTS.contains(&axis.key.as_str()) && axis.varies())
    }

    /// About how long a run of a combination takes, beside the others.
    pub(crate) fn weight(&self, index: u64) -> u64 {
        if !self.weights_differ() {
            return 1;
        }
        let values = self.values(index);
        let weights = self.plan.axes().zip(&values);
        let weights = weights.filter(|(axis, _)| WEIGHTS.contains(&axis.key.as_str()));
        weights.fold(1, |weight, (_, value)| {
            // Left alone: one edge.
            weight.saturating_mul(value.parse().unwrap_or(1))
        })
    }

    fn number(&self, index: u64) -> u64 {
        self.kept.as_ref().map_or(index, |kept| u64::from(kept[index as usize]))
    }

    fn combination(&self, number: u64) -> Point {
        let [profile, scenario, method] = NAME_AXES.map(|(_, default)| default.to_owned());
        let mut point = Point {
            choice: Choice { profile, scenario, method, sets: Vec::new() },
            tokens: 0,
            set_values: Vec::new(),
        };
        for (axis, value) in self.plan.axes().zip(self.plan.values(number)) {
            match axis.key.as_str() {
                "profile" => point.choice.profile = value,
                "scenario" => point.choice.scenario = value,
                "method" => point.choice.method = value,
                "tokens" => point.tokens = value.parse().expect("checked when it was read"),
                key => {
                    if !value.is_empty() {
                        point.choice.sets.push(format!("{key}={value}"));
                    }
                    point.set_values.push(value);
                }
            }
        }
        point
    }

    fn load(&self, number: u64) -> Result<Setup> {
        let Point { choice, tokens, .. } = self.combination(number);
        let Choice { profile, scenario, method, sets } = choice;
        let base = &self.bases[&[profile, scenario, method]];
        base.with(&sets)?.setup(tokens, false)
    }

    /// Reads every profile, scenario and method that some combination has together.
    fn load_bases(&mut self) -> Result<()> {
        // The blocks of names alone, as a plan of their own.
        let mut names = self.plan.clone();
        names.design = Design::Grid;
        let named = |key: &str| NAME_AXES.iter().any(|(name, _)| *name == key);
        names.blocks.retain(|block| block.axes.iter().any(|axis| named(&axis.key)));
        let names = Self { plan: names, bases: BTreeMap::new(), kept: None };
        for number in 0..names.plan.combinations() {
            let Choice { profile, scenario, method, .. } = names.combination(number).choice;
            let key = [profile, scenario, method];
            if self.bases.contains_key(&key) {
                continue;
            }
            let [profile, scenario, method] = key.clone();
            let choice = Choice { profile, scenario, method, sets: Vec::new() };
            let base = Configuration::load(&choice).map_err(|error| self.explain(&error, ""))?;
            self.bases.insert(key, base);
        }
        Ok(())
    }

    /// Leaving out is for combinations: a value that fits nowhere is a mistake.
    fn check_values(&self, fits: &[bool]) -> Result<()> {
        let first = || {
            let number = fits.iter().position(|fits| !fits).expect("one does not fit") as u64;
            (number, self.load(number).expect_err("it does not fit"))
        };
        if !fits.contains(&true) {
            let (number, error) = first();
            return Err(self.refuse(number, &error, "no combination is left; the first is "));
        }
        if !fits.contains(&false) {
            return Ok(());
        }
        if self.plan.design != Design::Grid {
            return self.check_drawn(fits);
        }
        let mut unused: Vec<Vec<Option<u64>>> = Vec::new();
        for block in &self.plan.blocks {
            unused.push(vec![Some(0); block.len().expect("a grid has no intervals")]);
        }
        for (number, fits) in (0..).zip(fits) {
            for (unused, place) in unused.iter_mut().zip(self.plan.places(number)) {
                unused[place] = unused[place].and((!fits).then_some(number));
            }
        }
        let Some(number) = unused.into_iter().flatten().flatten().next() else { return Ok(()) };
        let error = self.load(number).expect_err("it does not fit");
        Err(self.refuse(number, &error, "a value is in no combination that fits, such as "))
    }

    /// Of a random design one cannot say that a value fits nowhere: what is wrong decides.
    fn check_drawn(&self, fits: &[bool]) -> Result<()> {
        let wrong = (0..fits.len()).into_par_iter().filter(|&index| !fits[index]);
        let first = wrong.find_map_first(|index| {
            let error = self.load(index as u64).err()?;
            (!is_contradiction(&format!("{error:#}"))).then_some((index as u64, error))
        });
        first.map_or(Ok(()), |(number, error)| Err(self.refuse(number, &error, "")))
    }

    /// The refusal of a combination, with what to do about it.
    fn refuse(&self, number: u64, error: &Error, problem: &str) -> Error {
        let values = self.plan.values(number);
        let varying = self.plan.axes().zip(&values).filter(|(axis, _)| axis.varies());
        let told: Vec<String> = varying
            .map(|(axis, value)| {
                format!("{}={}", axis.key, if value.is_empty() { "default" } else { value })
            })
            .collect();
        let told = if told.is_empty() { "all values".into() } else { told.join(", ") };
        self.explain(error, &format!("{problem}combination {} ({told}): ", number + 1))
    }

    /// At the line of the axis that the message is about, if it is about one.
    fn explain(&self, error: &Error, context: &str) -> Error {
        let text = format!("{error:#}");
        let about = text.strip_prefix("--set ").and_then(|rest| rest.split_once('='));
        let about = about.or_else(|| text.strip_prefix("--")?.split_once(' '));
        let axis = about.and_then(|(key, _)| self.plan.axes().find(|axis| axis.key == key));
        let contradiction = is_contradiction(&text);
        let advice = if contradiction && !self.plan.skip_contradictions && context.contains('=') {
            "\ntie the axes by [[zip]], give \"default\" where a value has no use, or say \
             `skip_contradictions = true` to leave out what does not fit"
        } else if axis.is_some_and(|axis| axis.len().is_none()) && text.contains("expected ") {
            "\nfor whole numbers say `A..B step 1`"
        } else {
            ""
        };
        let problem = format!("{context}{text}{advice}");
        match axis {
            Some(axis) => self.plan.file.bad(axis.at, problem).into(),
            None => self.plan.file.bad_whole(problem).into(),
        }
    }

    /// A digest of what was read, by profile, scenario and method: a changed file is another sweep.
    pub(crate) fn digests(&self) -> Result<BTreeMap<String, String>> {
        let digest = |bytes: &[u8]| {
            // FNV-1a, against changes by accident.
            let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
            });
            format!("{hash:016x}")
        };
        let told = |base: &Configuration| digest(format!("{base:?}").as_bytes());
        let mut digests: BTreeMap<String, String> =
            self.bases.iter().map(|(names, base)| (names.join(" "), told(base))).collect();
        let traces = self.plan.axes().filter(|axis| axis.key == "bandwidth_trace");
        for path in traces.flat_map(Axis::texts).filter(|path| !path.is_empty()) {
            let content = std::fs::read(path).with_context(|| format!("{path}: cannot be read"))?;
            digests.insert(path.to_owned(), digest(&content));
        }
        Ok(digests)
    }
}
