//! Cells of the paper's Table 1, live: `pipesd reproduce table1 --live`.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::recording;
use super::scene::Scene;
use super::{ensure_not_interrupted, kept, pair};
use crate::cli::Reproduce;
use crate::input::{Choice, bad_input};
use crate::items::{LiveCell, table1_cells};
use crate::output::{self, Rows};
use crate::progress::Progress;

/// A cell that is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Done {
    /// A digest of the program that ran it: what another one measured is not mixed in.
    #[serde(default)]
    program: String,
    profile: String,
    scenario: String,
    method: String,
    set: Vec<String>,
    seed: u64,
    tokens: u64,
    live_tpt_ms: f64,
    simulated_tpt_ms: f64,
    paper_tpt_ms: Option<f64>,
}

/// Tokens of a cell, unless `--tokens` says otherwise: two prompts.
const TOKENS: u64 = 260;

/// Runs the chosen cells one after another, in real time; those that are done in the folder are kept.
pub(crate) fn run(options: &Reproduce) -> Result<()> {
    if options.items.iter().any(|item| item != "table1") || options.items.is_empty() {
        return Err(bad_input!("--live: only `reproduce table1 --live` is there").into());
    }
    let tokens = options.tokens.unwrap_or(TOKENS);
    let cells = chosen(options)?;
    let folder = options.out.clone().unwrap_or_else(|| "results".into()).join("table1-live");
    let path = folder.join("cells.json");
    let program = recording::program()?;
    let mut done: Vec<Done> = if options.fresh { Vec::new() } else { kept(&path, "--fresh")? };
    done.retain(|done| done.program == program);
    let scenes = cells
        .iter()
        .map(|cell| {
            let choice = Choice {
                profile: cell.profile.clone(),
                scenario: cell.scenario.clone(),
                method: cell.method.clone(),
                sets: cell.set.clone(),
            };
            Scene::emulated(&choice, options.seed, tokens)
        })
        .collect::<Result<Vec<_>>>()?;
    let expected = scenes.iter().map(Scene::expected_ms).collect::<Result<Vec<u64>>>()?;
    let wanted: Vec<(&LiveCell, &Scene)> = cells.iter().zip(&scenes).collect();
    let is_kept: Vec<bool> =
        wanted.iter().map(|(cell, scene)| find(&done, cell, scene).is_some()).collect();
    let kept: u64 =
        expected.iter().zip(&is_kept).filter(|(_, kept)| **kept).map(|(ms, _)| ms).sum();
    let progress = Progress::new("table 1", kept, expected.iter().sum());
    let (mut passed, mut count) = (kept, is_kept.iter().filter(|kept| **kept).count());
    let left = wanted.iter().zip(&expected).zip(&is_kept).filter(|(_, kept)| !**kept);
    for ((&(cell, scene), ms), _) in left {
        let next = format!("{}, {}, {}", cell.profile, cell.scenario, cell.method);
        progress.set(passed, || format!("{count} of {} cells, next {next}", cells.len()));
        ensure_not_interrupted()?;
        done.push(decode(cell, scene, program)?);
        output::write_file(&path, &output::json(&done))?;
        passed += ms;
        count += 1;
    }
    progress.finish();
    let rows: Vec<&Done> = cells
        .iter()
        .zip(&scenes)
        .map(|(cell, scene)| find(&done, cell, scene).expect("all are done"))
        .collect();
    if options.json { output::print_json(&rows) } else { output::print(&table(&rows)) }
}

/// The cells of Table 1 that `--profile`, `--scenario` and `--method` leave.
fn chosen(options: &Reproduce) -> Result<Vec<LiveCell>> {
    let all = table1_cells();
    for (flag, wanted, of) in [
        ("profile", &options.profiles, (|cell| &cell.profile) as fn(&LiveCell) -> &String),
        ("scenario", &options.scenarios, |cell| &cell.scenario),
        ("method", &options.methods, |cell| &cell.method),
    ] {
        for name in wanted {
            if !all.iter().any(|cell| of(cell) == name) {
                return Err(bad_input!("--{flag} {name}: Table 1 has no such {flag}").into());
            }
        }
    }
    let among = |wanted: &[String], name: &String| wanted.is_empty() || wanted.contains(name);
    Ok(all
        .into_iter()
        .filter(|cell| {
            among(&options.profiles, &cell.profile)
                && among(&options.scenarios, &cell.scenario)
                && among(&options.methods, &cell.method)
        })
        .collect())
}

fn find<'a>(done: &'a [Done], cell: &LiveCell, scene: &Scene) -> Option<&'a Done> {
    done.iter().find(|done| {
        (&done.profile, &done.scenario, &done.method, &done.set)
            == (&cell.profile, &cell.scenario, &cell.method, &cell.set)
            && (done.seed, done.tokens) == (scene.seed, scene.tokens)
    })
}

fn decode(cell: &LiveCell, scene: &Scene, program: &str) -> Result<Done> {
    let LiveCell { profile, scenario, method, set, paper } = cell.clone();
    let paired = pair::run(scene, None, true, None)
        .with_context(|| format!("{profile}, {scenario}, {method}"))?;
    let live_tpt_ms = paired.summary()?.tpt_ms;
    let simulated_tpt_ms = scene.simulated_tpt_ms()?;
    let (seed, tokens) = (scene.seed, scene.tokens);
    let paper_tpt_ms = paper;
    let program = program.to_owned();
    Ok(Done {
        program,
        profile,
        scenario,
        method,
        set,
        seed,
        tokens,
        live_tpt_ms,
        simulated_tpt_ms,
        paper_tpt_ms,
    })
}

fn table(rows: &[&Done]) -> String {
    let header =
        ["dataset", "scenario", "method", "live", "simulated", "difference", "the paper's"];
    let mut table = Rows::new(&header, 3);
    for done in rows {
        let off = (done.live_tpt_ms / done.simulated_tpt_ms - 1.0) * 100.0;
        table.push([
            done.profile.clone(),
            done.scenario.clone(),
            done.method.clone(),
            format!("{:.1}", done.live_tpt_ms),
            format!("{:.1}", done.simulated_tpt_ms),
            format!("{off:+.1} %"),
            done.paper_tpt_ms.map_or("-".to_owned(), |ms| format!("{ms:.0}")),
        ]);
    }
    let mut orders = String::new();
    for row in rows.chunk_by(|a, b| (&a.profile, &a.scenario) == (&b.profile, &b.scenario)) {
        orders.push_str(&order(row));
    }
    format!("Table 1, live: time per token (ms)\n{table}\n{orders}")
}

/// Whether the live times stand in the paper's order, wherever its gap is 5 % or more.
fn order(row: &[&Done]) -> String {
    let (mut broken, mut compared) = (Vec::new(), 0);
    for slower in row {
        for faster in row {
            let Some((slow, fast)) = slower.paper_tpt_ms.zip(faster.paper_tpt_ms) else { continue };
            if slow < fast * 1.05 {
                continue;
            }
            compared += 1;
            if slower.live_tpt_ms <= faster.live_tpt_ms {
                broken.push(format!("{} before {}", slower.method, faster.method));
            }
        }
    }
    let place = format!("{}, {}", row[0].profile, row[0].scenario);
    match broken.as_slice() {
        _ if row.len() < 2 => String::new(),
        _ if compared == 0 => format!("{place}: nothing to compare\n"),
        [] => format!("{place}: the paper's order holds\n"),
        broken => format!("{place}: not the paper's order: {}\n", broken.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(method: &str, live_tpt_ms: f64, paper_tpt_ms: Option<f64>) -> Done {
        Done {
            program: "this".to_owned(),
            profile: "humaneval".to_owned(),
            scenario: "s1-laptop".to_owned(),
            method: method.to_owned(),
            set: Vec::new(),
            seed: 1,
            tokens: 130,
            live_tpt_ms,
            simulated_tpt_ms: live_tpt_ms,
            paper_tpt_ms,
        }
    }

    fn said(row: &[Done]) -> String {
        order(&row.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_papers_order_is_looked_for_in_both_directions() {
        let of = |a: f64, b: f64| [done("a", a, Some(200.0)), done("b", b, Some(100.0))];
        assert_eq!(said(&of(180.0, 90.0)), "humaneval, s1-laptop: the paper's order holds\n");
        let broken = "humaneval, s1-laptop: not the paper's order: a before b\n";
        assert_eq!(said(&of(90.0, 180.0)), broken);
        // A tie is no lead. And it does not matter which stands first.
        let [a, b] = of(90.0, 90.0);
        assert_eq!(said(&[a.clone(), b.clone()]), broken);
        assert_eq!(said(&[b, a]), broken);
    }

    #[test]
    fn where_the_paper_has_no_lead_there_is_nothing_to_compare() {
        let nothing = "humaneval, s1-laptop: nothing to compare\n";
        assert_eq!(said(&[done("a", 1.0, None), done("b", 2.0, None)]), nothing);
        assert_eq!(said(&[done("a", 1.0, None), done("b", 2.0, Some(9.0))]), nothing);
        assert_eq!(said(&[done("a", 1.0, Some(104.0)), done("b", 2.0, Some(100.0))]), nothing);
        assert_eq!(said(&[done("a", 1.0, Some(104.0))]), "", "one cell has no order");
    }
}
