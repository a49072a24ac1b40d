//! A comparison as its plan says it: which configurations to run, what the paper says of each, and what
//! part each published value had in calibration.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::figures::{self, Figure};
use crate::items::chance::Prompts;
use crate::items::{Explained, Role};

/// A plan's body.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    scenarios: Vec<String>,
    profiles: Vec<String>,
    pub(crate) methods: Vec<String>,
    /// Variants of each scenario; none: the scenario as it is.
    #[serde(default)]
    variants: Vec<Variant>,
    /// What is varied in numbers, at most two: `x` and `y` of a row.
    #[serde(default)]
    axes: Vec<Axis>,
    /// What is compared.
    pub(crate) metrics: Vec<Metric>,
    /// Published settings that differ from the presets'.
    #[serde(default)]
    settings: Vec<Settings>,
    /// What part cells had in calibration.
    #[serde(default)]
    roles: Vec<RoleRule>,
    /// What the paper says.
    #[serde(default)]
    published: Vec<Published>,
    /// How many prompts its values are means over.
    #[serde(default)]
    pub(crate) prompts: Option<Prompts>,
    /// Why values differ from the paper's, where that is known.
    #[serde(default)]
    explanations: Vec<Explanation>,
    /// Seeds that reference lines are computed on, at most: the first ones.
    #[serde(default = "eight")]
    pub(crate) reference_seeds: u32,
    /// The method that the others are measured against in a table of their own.
    #[serde(default)]
    pub(crate) relative_to: Option<String>,
    /// The least and the greatest of the paper's cells, where it gives no more.
    #[serde(default)]
    pub(crate) published_range: Option<[f64; 2]>,
}

const fn eight() -> u32 {
    8
}

/// A scenario with something changed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    name: String,
    set: Vec<String>,
}

/// A key of `--set` over some numbers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Axis {
    key: String,
    /// The column's heading for people.
    title: String,
    values: Vec<f64>,
}

/// A figure that is compared.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Metric(pub(crate) &'static Figure);

impl TryFrom<String> for Metric {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        figures::named(&name)
            .map(Self)
            .ok_or_else(|| format!("`{name}` is not a figure of a summary"))
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Metric {
    /// Its name in JSON and CSV.
    pub(crate) const fn key(self) -> &'static str {
        self.0.name
    }
}

/// Which cells a rule is for: those in every list that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct Selector {
    #[serde(default)]
    profiles: Vec<String>,
    #[serde(default)]
    scenarios: Vec<String>,
    #[serde(default)]
    methods: Vec<String>,
    /// Values on the first axis.
    #[serde(default)]
    x: Vec<f64>,
}

impl Selector {
    /// For people: what the lists say, "all" if nothing.
    fn words(&self, metrics: &[Metric]) -> String {
        let named = [&self.profiles, &self.scenarios, &self.methods];
        let mut parts: Vec<String> =
            named.into_iter().filter(|list| !list.is_empty()).map(|list| list.join(", ")).collect();
        parts.extend(self.x.iter().map(|x| format!("at {x}")));
        parts.extend(metrics.iter().map(|metric| metric.0.title.to_owned()));
        if parts.is_empty() { "all".to_owned() } else { parts.join("; ") }
    }

    fn fits(&self, cell: &Cell) -> bool {
        let named = [
            (&self.profiles, &cell.place.profile),
            (&self.scenarios, &cell.place.scenario),
            (&self.methods, &cell.method),
        ];
        named.into_iter().all(|(list, name)| list.is_empty() || list.contains(name))
            && (self.x.is_empty() || cell.place.x().is_some_and(|x| self.x.contains(&x)))
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Settings {
    #[serde(flatten)]
    cells: Selector,
    set: Vec<String>,
    source: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct RoleRule {
    #[serde(flatten)]
    cells: Selector,
    /// Of these figures; empty: of all.
    #[serde(default)]
    metrics: Vec<Metric>,
    role: Role,
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Explanation {
    #[serde(flatten)]
    cells: Selector,
    /// Of these figures; empty: of all.
    #[serde(default)]
    metrics: Vec<Metric>,
    #[serde(flatten)]
    explained: Explained,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Published {
    profile: String,
    scenario: String,
    #[serde(default)]
    x: Option<f64>,
    metric: Metric,
    values: BTreeMap<String, f64>,
}

/// Where methods meet: everything of a configuration but the method.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) scenario: String,
    pub(crate) profile: String,
    pub(crate) variant: Option<String>,
    /// A value on each axis.
    pub(crate) axes: Vec<f64>,
    sets: Vec<String>,
}

impl Place {
    pub(crate) fn x(&self) -> Option<f64> {
        self.axes.first().copied()
    }

    pub(crate) fn y(&self) -> Option<f64> {
        self.axes.get(1).copied()
    }

    /// In the columns of [`Plan::place_titles`].
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = vec![self.profile.clone(), self.scenario.clone()];
        words.extend(self.variant.clone());
        words.extend(self.axes.iter().map(ToString::to_string));
        words
    }
}

/// One configuration of a plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) place: Place,
    pub(crate) method: String,
}

impl Plan {
    /// The places, row by row of the paper's table.
    pub(crate) fn places(&self) -> Vec<Place> {
        let points = self.axes.iter().fold(vec![Vec::new()], |points, axis| {
            let longer = |point: &Vec<f64>| -> Vec<Vec<f64>> {
                axis.values.iter().map(|&value| [&point[..], &[value]].concat()).collect()
            };
            points.iter().flat_map(longer).collect()
        });
        let named = self.variants.iter().map(Some);
        let variants: Vec<Option<&Variant>> =
            if self.variants.is_empty() { vec![None] } else { named.collect() };
        let mut places = Vec::new();
        for profile in &self.profiles {
            for scenario in &self.scenarios {
                for &variant in &variants {
                    for axes in &points {
                        let on_axes = self.axes.iter().zip(axes);
                        let mut sets = variant.map(|v| v.set.clone()).unwrap_or_default();
                        sets.extend(on_axes.map(|(axis, value)| format!("{}={value}", axis.key)));
                        let (scenario, profile) = (scenario.clone(), profile.clone());
                        let variant = variant.map(|v| v.name.clone());
                        places.push(Place { scenario, profile, variant, axes: axes.clone(), sets });
                    }
                }
            }
        }
        places
    }

    /// The configurations of a place, one for each method.
    pub(crate) fn cells(&self, place: &Place) -> Vec<Cell> {
        let cell = |method: &String| Cell { place: place.clone(), method: method.clone() };
        self.methods.iter().map(cell).collect()
    }

    /// What the columns of places are called for people.
    pub(crate) fn place_titles(&self) -> Vec<&str> {
        let mut titles = vec!["dataset", "scenario"];
        titles.extend((!self.variants.is_empty()).then_some("variant"));
        titles.extend(self.axes.iter().map(|axis| axis.title.as_str()));
        titles
    }

    /// `--set` values of a configuration.
    pub(crate) fn sets(&self, cell: &Cell) -> Vec<String> {
        let rules = self.settings.iter().filter(|rule| rule.cells.fits(cell));
        cell.place.sets.iter().chain(rules.flat_map(|rule| &rule.set)).cloned().collect()
    }

    /// The role of a configuration's published value.
    pub(crate) fn role(&self, cell: &Cell, metric: Metric) -> Role {
        let of_metric =
            |rule: &&RoleRule| rule.metrics.is_empty() || rule.metrics.contains(&metric);
        let rule = self.roles.iter().filter(of_metric).find(|rule| rule.cells.fits(cell));
        rule.map_or(Role::Prediction, |rule| rule.role)
    }

    /// Why a configuration's value may differ from the paper's.
    pub(crate) fn explained(&self, cell: &Cell, metric: Metric) -> Option<Explained> {
        let of_metric =
            |one: &&Explanation| one.metrics.is_empty() || one.metrics.contains(&metric);
        let mut fitting = self.explanations.iter().filter(of_metric);
        Some(fitting.find(|one| one.cells.fits(cell))?.explained.clone())
    }

    /// Where cells are more than predictions at the preset's settings: what is so, of which cells, why.
    pub(crate) fn basis(&self) -> Vec<[String; 3]> {
        let roles = self.roles.iter().map(|rule| {
            let cells = rule.cells.words(&rule.metrics);
            [rule.role.key().replace('_', " "), cells, rule.reason.clone()]
        });
        let settings = self
            .settings
            .iter()
            .map(|rule| [rule.set.join(", "), rule.cells.words(&[]), rule.source.clone()]);
        roles.chain(settings).collect()
    }

    /// What the paper says, if it does.
    pub(crate) fn published(&self, cell: &Cell, metric: Metric) -> Option<f64> {
        self.published
            .iter()
            .find(|p| {
                p.profile == cell.place.profile
                    && p.scenario == cell.place.scenario
                    && p.x == cell.place.x()
                    && p.metric == metric
            })?
            .values
            .get(&cell.method)
            .copied()
    }
}
