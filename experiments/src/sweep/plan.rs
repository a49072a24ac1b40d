//! A plan as its file says it: axes, their values, seeds; read with the line of every complaint.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Result;
use pipesd_core::seed::Seed;
use serde_json::{Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::axis::{Axis, Block, Values, kind};
use super::range::pick;
use crate::input::{BadInput, bad_input, set_keys};

/// Runs of one plan at most: beyond, a step is surely too small.
pub(crate) const RUNS_MAX: u64 = 10_000_000;
/// As for `simulate`.
const SEEDS_MAX: u64 = 100_000;
/// As for `simulate`.
const TOKENS_MAX: u64 = 100_000_000;
/// As for `simulate`.
const TOKENS_DEFAULT: &str = "1000";
/// Bytes of a plan's file at most: no plan is as long.
const FILE_MAX: u64 = 1 << 20;

/// How the axes are gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Design {
    /// Every combination; the last axis varies fastest.
    Grid,
    /// So many combinations, each value drawn by the plan's seed.
    Random { samples: u64 },
}

/// A valid plan.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The file, for messages.
    pub(crate) file: PlanFile,
    pub(crate) design: Design,
    /// First seed; it keys a random design too.
    pub(crate) seed: u64,
    /// Runs of each combination, with seeds `seed`, `seed + 1`, ...
    pub(crate) seeds: u64,
    /// Leave out combinations that contradict themselves.
    pub(crate) skip_contradictions: bool,
    /// In the order of the file.
    pub(crate) blocks: Vec<Block>,
}

/// What the command line changes of a plan.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) seed: Option<u64>,
    pub(crate) seeds: Option<u32>,
    pub(crate) tokens: Option<u64>,
}

/// A plan's file, to say where something stands.
#[derive(Clone, Debug)]
pub(crate) struct PlanFile {
    label: String,
    content: String,
}

impl PlanFile {
    /// Bad input at a place of the file.
    pub(crate) fn bad(&self, at: usize, problem: impl std::fmt::Display) -> BadInput {
        let line = self.content[..at.min(self.content.len())].matches('\n').count() + 1;
        bad_input!("{}: line {line}: {problem}", self.label)
    }

    /// Bad input at no place in particular.
    pub(crate) fn bad_whole(&self, problem: impl std::fmt::Display) -> BadInput {
        bad_input!("{}: {problem}", self.label)
    }
}

/// A key with where it stands, and its value.
type Entry<'a> = (&'a str, usize, &'a Spanned<DeValue<'a>>);

/// A table's entries in the order of the file.
fn entries<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = table
        .iter()
        .map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value))
        .collect();
    entries.sort_by_key(|(_, at, _)| *at);
    entries
}

/// The keys of a plan's head.
const HEAD: &str = "title, design, samples, seed, seeds, tokens, skip_contradictions, axes, zip";

impl Plan {
    /// Reads a plan's file.
    pub(crate) fn read(path: &Path, overrides: Overrides) -> Result<Self> {
        let cannot = |error| bad_input!("{}: cannot be read: {error}", path.display());
        let mut content = String::new();
        let file = File::open(path).map_err(cannot)?;
        file.take(FILE_MAX + 1).read_to_string(&mut content).map_err(cannot)?;
        if content.len() as u64 > FILE_MAX {
            return Err(bad_input!("{}: longer than 1 MiB: is it a plan?", path.display()).into());
        }
        Self::parse(&path.display().to_string(), &content, overrides)
    }

    pub(crate) fn parse(label: &str, content: &str, overrides: Overrides) -> Result<Self> {
        let file = PlanFile { label: label.to_owned(), content: content.to_owned() };
        let table = DeTable::parse(content)
            .map_err(|error| file.bad_whole(error.to_string().trim_end()))?;
        let mut plan = Self {
            file,
            design: Design::Grid,
            seed: 1,
            seeds: 1,
            skip_contradictions: false,
            blocks: Vec::new(),
        };
        plan.read_head(table.get_ref(), overrides)?;
        plan.check()?;
        Ok(plan)
    }

    fn read_head(&mut self, table: &DeTable<'_>, overrides: Overrides) -> Result<()> {
        let file = self.file.clone();
        let (mut random, mut samples) = (None, None);
        let mut tokens = overrides.tokens.map(|tokens| (0, tokens));
        for (key, at, value) in entries(table) {
            let value_at = value.span().start;
            let bad = |problem: String| file.bad(value_at, format_args!("`{key}`: {problem}"));
            let within = |max| whole(value.get_ref(), 1, max).map_err(bad);
            match (key, value.get_ref()) {
                ("title", DeValue::String(_)) => {}
                ("design", DeValue::String(name)) if name == "grid" => random = Some(false),
                ("design", DeValue::String(name)) if name == "random" => random = Some(true),
                ("design", _) => return Err(bad("expected \"grid\" or \"random\"".into()).into()),
                ("samples", _) => samples = Some((at, within(RUNS_MAX)?)),
                ("seed", _) => self.seed = whole(value.get_ref(), 0, u64::MAX).map_err(bad)?,
                ("seeds", _) => self.seeds = within(SEEDS_MAX)?,
                ("tokens", _) => {
                    let in_file = within(TOKENS_MAX)?;
                    tokens = tokens.or(Some((at, in_file)));
                }
                ("skip_contradictions", DeValue::Boolean(skip)) => self.skip_contradictions = *skip,
                ("axes", DeValue::Table(axes)) => {
                    for axis in self.read_axes(axes)? {
                        self.blocks.push(Block::alone(axis));
                    }
                }
                ("zip", DeValue::Array(zips)) => self.read_zips(zips.iter(), value_at)?,
                ("title" | "skip_contradictions" | "axes" | "zip", value) => {
                    return Err(bad(format!("{} has no use here", kind(value))).into());
                }
                _ => {
                    let problem = format_args!("`{key}`: no such key; a plan has {HEAD}");
                    return Err(file.bad(at, problem).into());
                }
            }
        }
        self.design = match (random, samples) {
            (Some(true), Some((_, samples))) => Design::Random { samples },
            (Some(true), None) => {
                return Err(file.bad_whole("`design = \"random\"` needs `samples = N`").into());
            }
            (_, Some((at, _))) => {
                let problem = "`samples` contradicts a grid: it needs `design = \"random\"`";
                return Err(file.bad(at, problem).into());
            }
            (_, None) => Design::Grid,
        };
        self.seed = overrides.seed.unwrap_or(self.seed);
        self.seeds = overrides.seeds.map_or(self.seeds, u64::from);
        // By place in the file: `[axes]` may stand below `[[zip]]`.
        self.blocks.sort_by_key(|block| block.axes[0].at);
        self.settle_tokens(tokens)
    }

    fn read_zips<'a>(
        &mut self,
        zips: impl Iterator<Item = &'a Spanned<DeValue<'a>>>,
        at: usize,
    ) -> Result<()> {
        for zip in zips {
            let DeValue::Table(axes) = zip.get_ref() else {
                return Err(self.file.bad(at, "`zip`: expected tables, `[[zip]]`").into());
            };
            let axes = self.read_axes(axes)?;
            if axes.len() < 2 {
                let problem = "`[[zip]]` ties two axes or more";
                return Err(self.file.bad(zip.span().start, problem).into());
            }
            self.blocks.push(Block { axes });
        }
        Ok(())
    }

    fn read_axes(&self, table: &DeTable<'_>) -> Result<Vec<Axis>> {
        let keys = set_keys();
        let mut axes = Vec::new();
        for (key, at, value) in entries(table) {
            if !["profile", "scenario", "method", "tokens"].contains(&key) && !keys.contains(&key) {
                let problem = format!(
                    "`{key}`: no such axis; the axes are profile, scenario, method, tokens, {}",
                    keys.join(", ")
                );
                return Err(self.file.bad(at, problem).into());
            }
            let bad =
                |problem| self.file.bad(value.span().start, format_args!("`{key}`: {problem}"));
            let axis = Axis::read(key, value).map_err(bad)?;
            if let (true, Values::List(list)) = (key == "tokens", &axis.values) {
                let fits = |text: &String| {
                    text.parse::<u64>().is_ok_and(|tokens| (1..=TOKENS_MAX).contains(&tokens))
                };
                if let Some(wrong) = list.iter().find(|text| !fits(text)) {
                    let problem = format!("{wrong}: expected whole numbers from 1 to {TOKENS_MAX}");
                    return Err(bad(problem).into());
                }
            }
            axes.push(axis);
        }
        Ok(axes)
    }

    /// `tokens` of the head or the command line is an axis with one value.
    fn settle_tokens(&mut self, given: Option<(usize, u64)>) -> Result<()> {
        let axis =
            self.blocks.iter().flat_map(|block| &block.axes).find(|axis| axis.key == "tokens");
        match (axis, given) {
            (Some(axis), Some(_)) => {
                let problem = "`tokens` is an axis and is given as a single number too";
                return Err(self.file.bad(axis.at, problem).into());
            }
            (Some(Axis { values: Values::Interval(_), at, .. }), None) => {
                let problem = "`tokens`: whole numbers: say `step 1`, or another step";
                return Err(self.file.bad(*at, problem).into());
            }
            (Some(_), None) => {}
            (None, given) => {
                let (at, tokens) = given.map_or((0, TOKENS_DEFAULT.to_owned()), |(at, tokens)| {
                    (at, tokens.to_string())
                });
                let values = Values::List(vec![tokens]);
                self.blocks.push(Block::alone(Axis { key: "tokens".into(), at, values }));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        for block in &self.blocks {
            for axis in &block.axes {
                if !seen.insert(axis.key.as_str()) {
                    let problem = format_args!("`{}` is an axis twice", axis.key);
                    return Err(self.file.bad(axis.at, problem).into());
                }
                if axis.len().is_none() && self.design == Design::Grid {
                    let problem = "a grid needs `step S` or `points N` after `A..B`";
                    let problem = format_args!("`{}`: {problem}", axis.key);
                    return Err(self.file.bad(axis.at, problem).into());
                }
            }
            block.check().map_err(|(at, problem)| self.file.bad(at, problem))?;
        }
        let runs = self.points().and_then(|points| points.checked_mul(self.seeds));
        if runs.is_none_or(|runs| runs > RUNS_MAX) {
            let runs = runs.map_or_else(|| "more than 1e19".into(), |runs| runs.to_string());
            let problem = format_args!("{runs} runs are too many: at most {RUNS_MAX} in one plan");
            return Err(self.file.bad_whole(problem).into());
        }
        if self.seed.checked_add(self.seeds).is_none() {
            let problem = format_args!("`seed`: {} is too large for `seeds`", self.seed);
            return Err(self.file.bad_whole(problem).into());
        }
        Ok(())
    }

    /// Its number of combinations; None: more than can be counted.
    fn points(&self) -> Option<u64> {
        match self.design {
            Design::Random { samples } => Some(samples),
            Design::Grid => self.blocks.iter().try_fold(1_u64, |points, block| {
                points.checked_mul(block.len().unwrap_or_default() as u64)
            }),
        }
    }

    /// Its number of combinations.
    pub(crate) fn combinations(&self) -> u64 {
        self.points().expect("checked when it was read")
    }

    /// All axes in order.
    pub(crate) fn axes(&self) -> impl Iterator<Item = &Axis> {
        self.blocks.iter().flat_map(|block| &block.axes)
    }

    /// For each block of a grid, which of its places combination `index` takes.
    pub(crate) fn places(&self, index: u64) -> Vec<usize> {
        let mut rest = index;
        let mut places = vec![0; self.blocks.len()];
        for (place, block) in places.iter_mut().zip(&self.blocks).rev() {
            let len = block.len().expect("a grid has no intervals") as u64;
            *place = (rest % len) as usize;
            rest /= len;
        }
        places
    }

    /// The values of combination `index`, one for each axis.
    pub(crate) fn values(&self, index: u64) -> Vec<String> {
        let Design::Random { .. } = self.design else {
            let places = self.places(index);
            let values = self.blocks.iter().zip(places).flat_map(|(block, place)| block.at(place));
            return values.map(str::to_owned).collect();
        };
        let mut values = Vec::new();
        for block in &self.blocks {
            // A stream for each axis: one more axis leaves the draws of the others alone.
            let key = block.axes[0].key.as_str();
            let bits = Seed(self.seed).stream(&format!("sweep {key}"), 0).at(index).bits();
            match (&block.axes[0].values, block.len()) {
                (Values::Interval(interval), _) => values.push(interval.draw(bits).to_string()),
                (Values::List(_), len) => {
                    let place = pick(bits, len.unwrap_or_default() as u32) as usize;
                    values.extend(block.at(place).map(str::to_owned));
                }
            }
        }
        values
    }

    /// The plan in its plainest form: two files that mean the same give the same.
    pub(crate) fn normal_form(&self) -> Value {
        let told = |axis: &Axis| match &axis.values {
            Values::List(list) => list.join(" "),
            Values::Interval(interval) => interval.to_string(),
        };
        let block = |block: &Block| -> BTreeMap<String, String> {
            block.axes.iter().map(|axis| (axis.key.clone(), told(axis))).collect()
        };
        let axes: Vec<_> = self.blocks.iter().map(block).collect();
        let samples = match self.design {
            Design::Grid => json!("all"),
            Design::Random { samples } => json!(samples),
        };
        json!({
            "samples": samples,
            "seed": self.seed,
            "seeds": self.seeds,
            "skip_contradictions": self.skip_contradictions,
            "axes": axes,
        })
    }
}

fn whole(value: &DeValue<'_>, min: u64, max: u64) -> Result<u64, String> {
    let number = match value {
        DeValue::Integer(integer) => integer.as_str().replace('_', "").parse::<u64>().ok(),
        _ => None,
    };
    number
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("expected a whole number from {min} to {max}"))
}
