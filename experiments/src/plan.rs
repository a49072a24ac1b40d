//! A plan: one table of the paper as data. Which configurations to run, what the paper says of each,
//! and what part each published value had in calibration.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::figures::{FIGURES, Figure};

/// The shipped plans in the order of the paper.
const PLANS: &[&str] = &[
    include_str!("../plans/table1.toml"),
    include_str!("../plans/table4.toml"),
    include_str!("../plans/table6.toml"),
    include_str!("../plans/table7.toml"),
    include_str!("../plans/fig5.toml"),
    include_str!("../plans/appendix-f.toml"),
    include_str!("../plans/appendix-i.toml"),
];

/// A plan as its file says it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// Its name on the command line.
    pub(crate) item: String,
    /// Its heading.
    pub(crate) title: String,
    pub(crate) scenarios: Vec<String>,
    pub(crate) profiles: Vec<String>,
    pub(crate) methods: Vec<String>,
    /// Variants of each scenario; none: the scenario as it is.
    #[serde(default)]
    variants: Vec<Variant>,
    /// What is compared.
    pub(crate) metrics: Vec<Metric>,
    /// Runs of each configuration.
    pub(crate) seeds: u32,
    /// Output tokens of each run.
    pub(crate) tokens: u64,
    /// Published settings that differ from the presets'.
    #[serde(default)]
    settings: Vec<Settings>,
    /// What part cells had in calibration.
    #[serde(default)]
    roles: Vec<RoleRule>,
    /// What the paper says.
    #[serde(default)]
    published: Vec<Published>,
    /// Whether the methods stand in the paper's order, slowest first, so that ours is checked.
    #[serde(default)]
    pub(crate) ordered: bool,
    /// What the paper leaves out, if it gives no values.
    #[serde(default)]
    pub(crate) unpublished: Option<String>,
}

/// A scenario with something changed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    name: String,
    set: Vec<String>,
}

/// A figure that is compared.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Metric(pub(crate) &'static Figure);

impl TryFrom<String> for Metric {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let found = FIGURES.iter().find(|figure| figure.name == name);
        found.map(Self).ok_or_else(|| format!("`{name}` is not a figure of a summary"))
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

/// What part a published value had in calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// The value itself was fitted.
    Calibration,
    /// Rounds of the same runs went into the profile.
    InSample,
    /// Nothing of it was used.
    Prediction,
}

impl Role {
    /// Its name in JSON and CSV.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Calibration => "calibration",
            Self::InSample => "in_sample",
            Self::Prediction => "prediction",
        }
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
    #[serde(default)]
    variants: Vec<String>,
}

impl Selector {
    fn fits(&self, cell: &Cell) -> bool {
        [
            (&self.profiles, &cell.profile),
            (&self.scenarios, &cell.scenario),
            (&self.methods, &cell.method),
            (&self.variants, cell.variant.as_ref().unwrap_or(&String::new())),
        ]
        .into_iter()
        .all(|(list, name)| list.is_empty() || list.contains(name))
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Settings {
    #[serde(flatten)]
    cells: Selector,
    set: Vec<String>,
    #[serde(rename = "source")]
    _source: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct RoleRule {
    #[serde(flatten)]
    cells: Selector,
    role: Role,
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Published {
    profile: String,
    scenario: String,
    #[serde(default)]
    variant: Option<String>,
    metric: Metric,
    values: BTreeMap<String, f64>,
}

/// One configuration of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) scenario: String,
    pub(crate) profile: String,
    pub(crate) method: String,
    pub(crate) variant: Option<String>,
}

impl Plan {
    /// The shipped plans.
    ///
    /// # Panics
    /// If one of them is not valid: a test reads them all.
    pub(crate) fn shipped() -> Vec<Self> {
        PLANS.iter().map(|text| toml::from_str(text).expect("shipped plans are valid")).collect()
    }

    /// The configurations, row by row of the paper's table.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let named = self.variants.iter().map(|variant| Some(variant.name.clone()));
        let variants: Vec<Option<String>> =
            if self.variants.is_empty() { vec![None] } else { named.collect() };
        let mut cells = Vec::new();
        for profile in &self.profiles {
            for scenario in &self.scenarios {
                for variant in &variants {
                    cells.extend(self.methods.iter().map(|method| Cell {
                        scenario: scenario.clone(),
                        profile: profile.clone(),
                        method: method.clone(),
                        variant: variant.clone(),
                    }));
                }
            }
        }
        cells
    }

    /// `--set` values of a configuration.
    pub(crate) fn sets(&self, cell: &Cell) -> Vec<String> {
        let variants = self.variants.iter().filter(|v| Some(&v.name) == cell.variant.as_ref());
        let rules = self.settings.iter().filter(|rule| rule.cells.fits(cell));
        let sets = variants.map(|v| &v.set).chain(rules.map(|rule| &rule.set));
        sets.flatten().cloned().collect()
    }

    /// The role of a configuration's published values.
    pub(crate) fn role(&self, cell: &Cell) -> Role {
        let rule = self.roles.iter().find(|rule| rule.cells.fits(cell));
        rule.map_or(Role::Prediction, |rule| rule.role)
    }

    /// What the paper says, if it does.
    pub(crate) fn published(&self, cell: &Cell, metric: Metric) -> Option<f64> {
        self.published
            .iter()
            .find(|p| {
                p.profile == cell.profile
                    && p.scenario == cell.scenario
                    && p.variant == cell.variant
                    && p.metric == metric
            })?
            .values
            .get(&cell.method)
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table1() -> Plan {
        Plan::shipped().remove(0)
    }

    #[test]
    fn every_cell_has_its_published_value_or_the_plan_says_why_not() {
        for plan in Plan::shipped().into_iter().filter(|plan| plan.unpublished.is_none()) {
            for cell in plan.cells() {
                for &metric in &plan.metrics {
                    assert!(plan.published(&cell, metric).is_some(), "{}: {cell:?}", plan.item);
                }
            }
        }
    }

    #[test]
    fn table_1_has_the_roles_of_the_readme() {
        let plan = table1();
        let count = |role| plan.cells().iter().filter(|cell| plan.role(cell) == role).count();
        assert_eq!(plan.cells().len(), 32);
        assert_eq!([Role::Calibration, Role::InSample, Role::Prediction].map(count), [8, 3, 21]);
    }
}
