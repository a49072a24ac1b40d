//! Result files for the figures' tests, of the form of each item's.

use std::path::Path;

use crate::results::{COLUMNS, FORMAT, Row, parse};

/// A result file under construction.
pub(super) struct File(pub(super) String);

/// A row's names: dataset, scenario, variant, method, metric.
pub(super) type Names<'a> = [&'a str; 5];

impl File {
    pub(super) fn new() -> Self {
        Self(COLUMNS.join(",") + "\n")
    }

    /// A row with an interval of 2 % to either side.
    pub(super) fn row(
        &mut self,
        item: &str,
        names: Names<'_>,
        at: [Option<f64>; 2],
        values: [Option<f64>; 2],
    ) {
        let cell = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let [dataset, scenario, variant, method, metric] = names;
        let ([x, y], [mean, paper]) = (at.map(cell), values);
        let scaled = |factor: f64| cell(mean.map(|mean| mean * factor));
        let (sd, low, high) = (scaled(0.1), scaled(0.98), scaled(1.02));
        let (mean, paper) = (cell(mean), cell(paper));
        let line = format!(
            "{FORMAT},{item},{dataset},{scenario},\"{variant}\",{x},{y},{method},{metric},{mean},{sd},{low},\
             {high},{paper},prediction,10,2,-1,1,25,1000,0.1.0,\"pipesd simulate, once\"\n"
        );
        self.0.push_str(&line);
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        parse(&self.0, Path::new("rows.csv")).expect("a result file")
    }
}

pub(super) const METHODS: [&str; 4] = ["vanilla", "hsl", "edgellm", "pipesd"];
pub(super) const REFERENCES: [&str; 5] =
    ["bound", "bound_empty_navs", "cloud_only", "edge_only", "serial"];
pub(super) const DATASETS: [&str; 2] = ["humaneval", "gsm8k"];

/// The references that an item's figure draws. The others are left out, and its caption says so:
/// the slowest edges alone (0.9 s) would squeeze the scale of bars, and the cloud alone that of
/// logarithmic axes, at whose foot it is said; over numbers of edges the bounds are known for one
/// alone; over pairs of thresholds no reference depends on them.
pub(super) fn references_of(item: &str) -> &'static [&'static str] {
    match item {
        "table1" | "table6" | "table7" | "small" => &["bound", "serial", "cloud_only"],
        "fig5" => &["bound", "bound_empty_navs", "edge_only", "serial"],
        "appendix-f" => &["bound"],
        "appendix-i" => &["serial", "cloud_only"],
        _ => &[],
    }
}

/// Whether a row is one of those that its item's figure shows. Besides references, a figure leaves out
/// what is not its metric.
pub(super) fn is_shown(row: &Row) -> bool {
    let reference = REFERENCES.contains(&row.method.as_str());
    !reference || references_of(&row.item).contains(&row.method.as_str())
}

/// A value for the `index`-th row: all differ.
pub(super) fn value(index: usize) -> f64 {
    140. + 7. * ((index * 5) % 23) as f64 + index as f64 / 16.
}

pub(super) fn table(item: &str) -> File {
    let mut file = File::new();
    let mut index = 0;
    let mut add = |names: Names<'_>, paper: bool| {
        index += 1;
        let value = value(index);
        file.row(item, names, [None; 2], [Some(value), paper.then_some(value * 1.1)]);
    };
    match item {
        "table1" => {
            for dataset in DATASETS {
                for scenario in ["s1-laptop", "s2-phone", "s3-iot", "s4-dynamic"] {
                    let names = |method| [dataset, scenario, "", method, "tpt_ms"];
                    METHODS.iter().for_each(|method| add(names(method), true));
                    REFERENCES.iter().for_each(|method| add(names(method), false));
                }
            }
        }
        "small" => {
            for scenario in ["s1-laptop", "s2-phone", "s3-iot", "s4-dynamic"] {
                let names = |method| ["small", scenario, "", method, "tpt_ms"];
                METHODS.iter().for_each(|method| add(names(method), false));
                REFERENCES.iter().for_each(|method| add(names(method), false));
            }
        }
        "table2" => {
            let metric = "energy_j_per_100_tokens_cloud_active";
            for dataset in DATASETS {
                for variant in ["fitted on rounds", "fitted on Table 2"] {
                    let names = |method| [dataset, "s1-laptop", variant, method, metric];
                    METHODS.iter().for_each(|method| add(names(method), true));
                }
            }
        }
        "table3" => {
            for dataset in DATASETS {
                for variant in ["20 tokens", "130 tokens"] {
                    for method in ["paper", "bayes", "grid", "random"] {
                        let names = [dataset, "s1-laptop", variant, method, "tpt_ms"];
                        add(names, method != "paper" && variant == "20 tokens");
                    }
                }
            }
        }
        "table6" => {
            for method in ["vanilla", "pipesd_no_pipeline", "pipesd_token_threshold", "pipesd"] {
                add(["humaneval", "s1-laptop", "", method, "tpt_ms"], true);
            }
            for method in REFERENCES {
                add(["humaneval", "s1-laptop", "", method, "tpt_ms"], false);
            }
        }
        _ => {
            for metric in ["nav_frequency", "draft_length_mean", "acceptance_rate", "tpt_ms"] {
                let names = |method| ["humaneval", "s1-laptop", "", method, metric];
                METHODS.iter().for_each(|method| add(names(method), true));
            }
            for method in REFERENCES {
                add(["humaneval", "s1-laptop", "", method, "tpt_ms"], false);
            }
        }
    }
    file
}

pub(super) fn sweep(item: &str) -> File {
    let mut file = File::new();
    let mut index = 0;
    let mut add =
        |variant: &str, method: &str, metric: &str, x: f64, y: Option<f64>, paper: bool| {
            index += 1;
            // What cannot be above 1 is not.
            let most = if metric == "fairness_jain" { 320. } else { 1. };
            let (at, value) = ([Some(x), y], value(index) / most);
            let names = ["humaneval", "s1-laptop", variant, method, metric];
            file.row(item, names, at, [Some(value), paper.then_some(value * 1.1)]);
        };
    match item {
        "fig5" => {
            for x in [10., 20., 40., 80.] {
                for method in METHODS {
                    add("", method, "tpt_ms", x, None, true);
                    add("", method, "energy_j_per_100_tokens_cloud_active", x, None, true);
                }
                REFERENCES.iter().for_each(|method| add("", method, "tpt_ms", x, None, false));
            }
        }
        "fig6" => {
            for x in [1., 2., 4., 8.] {
                add("", "measured", "upload_ms", x, None, false);
                add("", "fitted", "upload_ms", x, None, false);
                add("", "measured", "draft_ms", 25. * x, None, false);
                add("", "fitted", "draft_ms", 25. * x, None, true);
            }
        }
        "appendix-f" => {
            for startup in [5., 25., 100.] {
                for x in [5., 10., 20., 40., 80., 200.] {
                    for method in
                        ["pipesd", "pipesd_greedy", "pipesd_immediate", "pipesd_no_early_upload"]
                    {
                        add("", method, "tpt_ms", x, Some(startup), false);
                    }
                    let add = |method: &&str| add("", method, "tpt_ms", x, Some(startup), false);
                    REFERENCES.iter().for_each(add);
                }
            }
        }
        "appendix-i" => {
            for x in 1..=8 {
                for service in ["one by one", "batched"] {
                    let edges = if x == 1 { "edge" } else { "edges" };
                    let variant = format!("{x} {edges}, {service}");
                    for method in METHODS {
                        for metric in ["tpt_ms", "ttft_ms", "fairness_jain"] {
                            add(&variant, method, metric, f64::from(x), None, false);
                        }
                    }
                    // The bounds are known for one edge.
                    let known = |method: &&&str| x == 1 || !method.starts_with("bound");
                    for method in REFERENCES.iter().filter(known) {
                        add(&variant, method, "tpt_ms", f64::from(x), None, false);
                    }
                }
            }
        }
        "s4" => {
            for step in 0..40 {
                let x = f64::from(step) * 5.;
                add("", "link", "uplink_mbps", x, None, false);
                for method in ["vanilla", "pipesd", "pipesd_online", "pipesd_paper_tuner"] {
                    add("", method, "tpt_ms", x, None, false);
                }
                for method in ["pipesd_online", "pipesd_paper_tuner"] {
                    for metric in
                        ["sequence_threshold", "token_threshold", "window_tokens", "plan_batches"]
                    {
                        add("", method, metric, x, None, false);
                    }
                }
            }
        }
        _ => {}
    }
    file
}

pub(super) fn map(item: &str) -> File {
    let mut file = File::new();
    let mut index = 0;
    let (xs, ys) = ([0.5, 0.7, 0.9, 0.95, 0.99], [0.5, 0.8, 0.9]);
    let mut add = |variant: &str, method: &str, x: f64, y: f64| {
        index += 1;
        let names = ["humaneval", "s1-laptop", variant, method, "tpt_ms"];
        file.row(item, names, [Some(x), Some(y)], [Some(value(index)), None]);
    };
    for (x, y) in xs.into_iter().flat_map(|x| ys.map(|y| (x, y))) {
        if item == "table4" {
            add("", "pipesd", x, y);
            REFERENCES.iter().for_each(|method| add("", method, x, y));
            continue;
        }
        for variant in ["full", "lazy", "ids"] {
            for method in ["cloud_only", "edge_only", "serial", "pipesd"] {
                add(variant, method, 1000. * x, 100. * y);
            }
        }
    }
    file
}

/// Formulas, simulated values that are near them, and some published ones.
pub(super) fn forms() -> File {
    let mut file = File::new();
    let mut add = |variant: &str, metric: &str, at: [Option<f64>; 2], value: f64, known: bool| {
        for (method, value) in
            [("simulated", value * 1.001), ("formula", value), ("published", value * 0.99)]
        {
            if known || method != "published" {
                let names = ["a theory", "closed form", variant, method, metric];
                file.row("closed-forms", names, at, [Some(value), None]);
            }
        }
    };
    for (number, acceptance) in (1..).zip([0.5, 0.7, 0.85, 0.9]) {
        for round_trip in [0., 40., 80., 120.] {
            let value = (100. + round_trip) / (1. + f64::from(number));
            add("50 ms", "split_ms", [Some(round_trip), Some(acceptance)], value, false);
        }
        let at = [Some(50.), Some(acceptance)];
        add("", "break_even_rtt_ms", at, 30. * f64::from(number), true);
    }
    add("50 ms", "cloud_only_ms", [Some(0.), None], 50., false);
    for delay in [5., 10., 30., 50., 100., 200., 500.] {
        for length in 1..=18 {
            let drafts = f64::from(length);
            let value = (1.5 * drafts + 2. * delay) / (1. + drafts).sqrt();
            add(
                "",
                "cost_ms",
                [Some(drafts), Some(delay)],
                value,
                [1, 3, 5, 7, 10].contains(&length),
            );
        }
    }
    for length in [1_f64, 2., 3., 5., 10.] {
        for delay in [0., 20., 55., 150.] {
            let value = (75. + 70. * length + 2. * delay) / (1. + length).sqrt();
            add("", "hardware_ms", [Some(delay), Some(length)], value, delay > 0. && length < 10.);
        }
    }
    for (variant, most) in [("split", 58.8), ("co-located", 29.4)] {
        for edges in [1_f64, 2., 4., 8., 16.] {
            let value = (15. * edges).min(most);
            add(variant, "tokens_per_s", [Some(edges), None], value, edges > 8.);
        }
    }
    file
}

pub(super) fn file(item: &str) -> File {
    match item {
        "closed-forms" => forms(),
        "table4" | "break-even" => map(item),
        "small" => table(item),
        _ if item.starts_with("table") => table(item),
        _ => sweep(item),
    }
}
