//! A table of ours beside the paper's, as text, JSON and CSV.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::output;
use crate::plan::{Cell, Metric, Plan, Role};
use crate::statistics::Statistic;

/// One configuration: our figures and the paper's.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    pub(super) cell: Cell,
    pub(super) role: Role,
    pub(super) figures: Vec<(Metric, Statistic, Option<f64>)>,
    /// What runs it again.
    pub(super) command: String,
}

/// Our error in percent of the paper's value.
fn error_pct(ours: f64, paper: f64) -> f64 {
    100.0 * (ours - paper) / paper
}

/// Two neighbours of a row are expected in the paper's order where its gap exceeds this share.
const ORDER_GAP: f64 = 0.05;

/// A finished comparison.
#[derive(Clone, Debug)]
pub(super) struct Report {
    item: String,
    title: String,
    methods: Vec<String>,
    metrics: Vec<Metric>,
    seed: u64,
    seeds: u32,
    tokens: u64,
    unpublished: Option<String>,
    ordered: bool,
    cells: Vec<Compared>,
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        seed: u64,
        seeds: u32,
        tokens: u64,
        cells: Vec<Compared>,
    ) -> Self {
        Self {
            item: plan.item.clone(),
            title: plan.title.clone(),
            methods: plan.methods.clone(),
            metrics: plan.metrics.clone(),
            seed,
            seeds,
            tokens,
            unpublished: plan.unpublished.clone(),
            ordered: plan.ordered,
            cells,
        }
    }

    /// Absolute errors by role and, within it, by dataset (one metric) or by metric (several).
    fn errors(&self) -> BTreeMap<Role, BTreeMap<String, Vec<f64>>> {
        let mut errors: BTreeMap<Role, BTreeMap<String, Vec<f64>>> = BTreeMap::new();
        for compared in &self.cells {
            for (metric, ours, paper) in &compared.figures {
                let Some(paper) = paper else { continue };
                let group = if self.metrics.len() == 1 {
                    compared.cell.profile.clone()
                } else {
                    metric.key().to_owned()
                };
                let error = error_pct(ours.mean, *paper);
                errors.entry(compared.role).or_default().entry(group).or_default().push(error);
            }
        }
        errors
    }

    /// Pairs of neighbouring methods that the paper tells apart and we have the other way round, as
    /// (scenario, dataset, slower, faster) in the paper's order.
    fn disorder(&self) -> Vec<[&str; 4]> {
        let mut wrong = Vec::new();
        if !self.ordered {
            return wrong;
        }
        for row in self.cells.chunks(self.methods.len()) {
            for pair in row.windows(2) {
                let (_, ours_first, paper_first) = &pair[0].figures[0];
                let (_, ours_second, paper_second) = &pair[1].figures[0];
                let (Some(first), Some(second)) = (paper_first, paper_second) else { continue };
                let told_apart = first - second > ORDER_GAP * second;
                if told_apart && ours_first.mean <= ours_second.mean {
                    let [slower, faster] = [&pair[0].cell, &pair[1].cell];
                    wrong.push([&slower.scenario, &slower.profile, &slower.method, &faster.method]);
                }
            }
        }
        wrong
    }

    pub(super) fn json(&self) -> Value {
        let cells: Vec<Value> =
            self.cells.iter().map(|compared| self.cell_json(compared)).collect();
        let errors = self.errors();
        let by_group = |of: fn(&[f64]) -> f64| -> Map<String, Value> {
            let roles = errors.iter().map(|(role, groups)| {
                let groups: Map<String, Value> =
                    groups.iter().map(|(group, list)| (group.clone(), json!(of(list)))).collect();
                (role.key().to_owned(), Value::Object(groups))
            });
            roles.collect()
        };
        json!({
            "item": self.item,
            "title": self.title,
            "version": env!("CARGO_PKG_VERSION"),
            "seed": self.seed,
            "seeds": self.seeds,
            "tokens": self.tokens,
            "cells": cells,
            "unpublished": self.unpublished,
            "mean_absolute_error_pct": by_group(mean_absolute),
            "mean_error_pct": by_group(mean),
            "out_of_order": self.disorder(),
        })
    }

    fn cell_json(&self, compared: &Compared) -> Value {
        let Compared { cell, role, figures, command } = compared;
        let mut object = Map::new();
        object.insert("scenario".into(), json!(cell.scenario));
        object.insert("dataset".into(), json!(cell.profile));
        if let Some(variant) = &cell.variant {
            object.insert("variant".into(), json!(variant));
        }
        object.insert("method".into(), json!(cell.method));
        for (metric, ours, paper) in figures {
            let key = metric.key();
            object.insert(key.into(), json!(ours.mean));
            object.insert(format!("{key}_ci95"), json!(ours.ci95));
            object.insert(format!("paper_{key}"), json!(paper));
            let error = paper.map(|paper| error_pct(ours.mean, paper));
            object.insert(format!("{key}_error_pct"), json!(error));
        }
        object.insert("role".into(), json!(role.key()));
        object.insert("command".into(), json!(command));
        Value::Object(object)
    }

    /// One line for each cell and metric.
    pub(super) fn csv(&self) -> String {
        let mut text = String::from(
            "item,scenario,variant,dataset,method,metric,mean,sd,ci95_low,ci95_high,paper,role,seed,seeds,\
             tokens,version,command\n",
        );
        for Compared { cell, role, figures, command } in &self.cells {
            for (metric, ours, paper) in figures {
                let paper = paper.map(|paper| paper.to_string()).unwrap_or_default();
                let [sd, low, high] = match (ours.sd, ours.ci95) {
                    (Some(sd), Some([low, high])) => [sd, low, high].map(|x| x.to_string()),
                    _ => <_>::default(), // One run has no spread.
                };
                text.push_str(&format!(
                    "{},{},{},{},{},{},{},{},{low},{high},{paper},{},{},{},{},{},{command}\n",
                    self.item,
                    cell.scenario,
                    cell.variant.as_deref().unwrap_or_default(),
                    cell.profile,
                    cell.method,
                    metric.key(),
                    ours.mean,
                    sd,
                    role.key(),
                    self.seed,
                    self.seeds,
                    self.tokens,
                    env!("CARGO_PKG_VERSION"),
                ));
            }
        }
        text
    }

    pub(super) fn text(&self) -> String {
        let mut text = match &self.unpublished {
            None => format!("{}, ours against (the paper's)\n", self.title),
            Some(why) => format!("{}, ours alone: {why}\n", self.title),
        };
        text.push_str(&format!("mean over {} runs of {} tokens", self.seeds, self.tokens));
        if self.unpublished.is_none() {
            text.push_str("; marks: c calibration, i in sample, no mark: prediction");
        }
        text.push('\n');
        let mut header = vec!["dataset", "scenario"];
        let varied = self.cells.iter().any(|compared| compared.cell.variant.is_some());
        if varied {
            header.push("variant");
        }
        let several = self.metrics.len() > 1;
        if several {
            header.push("figure");
        }
        let words = header.len();
        header.extend(self.methods.iter().map(String::as_str));
        let mut table = output::Rows::new(&header, words);
        for row in self.cells.chunks(self.methods.len()) {
            for (index, metric) in self.metrics.iter().enumerate() {
                let mut line = vec![row[0].cell.profile.clone(), row[0].cell.scenario.clone()];
                line.extend(row[0].cell.variant.clone());
                if several {
                    line.push(metric.0.title.to_owned());
                }
                line.extend(row.iter().map(|compared| cell_text(compared, index)));
                table.push(line);
            }
        }
        text.push_str(&format!("{table}\n\n"));
        if self.unpublished.is_none() {
            text.push_str(&self.error_table(several));
        }
        for [scenario, dataset, slower, faster] in self.disorder() {
            text.push_str(&format!(
                "out of order: {dataset} in {scenario}: {slower} should be slower than {faster}\n"
            ));
        }
        text.push('\n');
        text
    }

    fn error_table(&self, several: bool) -> String {
        let group = if several { "figure" } else { "dataset" };
        let mut errors = output::Rows::new(&["role", group, "mean |error|", "bias", "cells"], 2);
        for (role, groups) in self.errors() {
            for (group, list) in groups {
                let bias = mean(&list);
                errors.push([
                    role.key().to_owned(),
                    group,
                    format!("{:.1} %", mean_absolute(&list)),
                    format!("{bias:+.1} %"),
                    list.len().to_string(),
                ]);
            }
        }
        format!("{errors}\n")
    }
}

/// `134 (129) +3.9 %` with the mark of its role.
fn cell_text(compared: &Compared, index: usize) -> String {
    let (metric, ours, paper) = &compared.figures[index];
    // Times stand for themselves without a fraction beside the paper's.
    let digits = if metric.key() == "tpt_ms" { 0 } else { metric.0.digits };
    let mark = match compared.role {
        Role::Calibration => " c",
        Role::InSample => " i",
        Role::Prediction => "  ",
    };
    match paper {
        None => format!("{:.digits$}{mark}", ours.mean),
        Some(paper) => {
            let error = error_pct(ours.mean, *paper);
            format!("{:.digits$} ({paper:.digits$}) {error:+5.1} %{mark}", ours.mean)
        }
    }
}

fn mean(errors: &[f64]) -> f64 {
    errors.iter().sum::<f64>() / errors.len() as f64
}

fn mean_absolute(errors: &[f64]) -> f64 {
    errors.iter().map(|error| error.abs()).sum::<f64>() / errors.len() as f64
}
