//! `pipesd reproduce`: every item at its smoke size, the same bytes, interruptions, and Table 1.

use std::fs;

use serde_json::Value;

use crate::support::{folder, pipesd, stdout, text};

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn word(value: &Value) -> &str {
    value.as_str().expect("a word")
}

#[test]
fn every_item_runs_at_its_smoke_size_with_the_same_bytes_for_any_number_of_jobs() {
    let out = folder("smoke");
    let run = |jobs: &str, more: &[&str]| {
        let arguments = ["reproduce", "--smoke", "--json", "--out", text(&out), "--jobs", jobs];
        stdout(&[&arguments[..], more].concat())
    };
    let first = run("2", &[]);
    assert_eq!(first, run("1", &["--fresh"]), "with one job");
    assert_eq!(first, run("1", &[]), "from what was kept");
    let documents = json(&first);
    for document in documents.as_array().expect("a list of items") {
        let item = word(&document["item"]);
        let rows = document["rows"].as_array().expect("rows");
        assert!(!rows.is_empty(), "{item} has no rows");
        assert!(!document["tables"].as_array().expect("tables").is_empty(), "{item}");
        for row in rows {
            assert!(row["mean"].is_number(), "{item}: {row}");
        }
        // Whoever prints no value of the paper's says why.
        let published = rows.iter().any(|row| row["paper"].is_number());
        let beyond = word(&document["title"]).starts_with("Beyond the paper");
        assert!(published || beyond || document["unpublished"].is_string(), "{item}");
        let folder = out.join(item);
        let csv = fs::read_to_string(folder.join("rows.csv")).expect("rows.csv");
        assert_eq!(csv.lines().count(), rows.len() + 1, "{item}: a line for each row");
        let kept = fs::read_to_string(folder.join("summary.json")).expect("summary.json");
        assert_eq!(&json(&kept), document, "{item}");
    }
}

#[test]
fn an_interrupted_item_is_made_again_and_finished_ones_are_kept() {
    let out = folder("interrupted");
    let run = || {
        let arguments = ["reproduce", "table6", "fig6", "--smoke", "--out", text(&out)];
        let output = pipesd(&arguments);
        assert!(output.status.success());
        (output.stdout, String::from_utf8(output.stderr).expect("text"))
    };
    let (whole, said) = run();
    assert!(!said.contains("kept"), "{said}");
    let summary = out.join("fig6/summary.json");
    let kept = fs::read(&summary).expect("a summary");
    // Cut off while it wrote the second item: no mark of completion, half a file.
    fs::remove_file(out.join("fig6/.complete")).expect("a mark");
    fs::write(&summary, &kept[..kept.len() / 2]).expect("half a summary");
    let (again, said) = run();
    assert_eq!(again, whole);
    assert!(said.contains("table6: kept") && !said.contains("fig6: kept"), "{said}");
    assert_eq!(fs::read(&summary).expect("a summary"), kept);
    // Other options are other results.
    let other = ["reproduce", "fig6", "--smoke", "--seed", "7", "--out", text(&out)];
    let output = pipesd(&other);
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn table_1_has_its_cells_roles_and_order() {
    let out = folder("table1");
    let table = json(&stdout(&["reproduce", "table1", "--json", "--out", text(&out)]));
    let rows = table["rows"].as_array().expect("rows");
    let cells: Vec<&Value> = rows.iter().filter(|row| row["paper"].is_number()).collect();
    assert_eq!(cells.len(), 32);
    let count = |role: &str| cells.iter().filter(|cell| cell["role"] == role).count();
    assert_eq!(["calibration", "in_sample", "prediction"].map(count), [8, 4, 20]);
    for cell in &cells {
        let ours = cell["mean"].as_f64();
        let error = cell["error_pct"].as_f64().expect("an error");
        assert!(error.abs() < 20.0, "explain it in the README before moving this bound: {cell}");
        assert!(cell["ci95"][0].as_f64() < ours && ours < cell["ci95"][1].as_f64());
    }
    // The claim of the README; predictions on HumanEval within 8 % in the mean.
    let errors = &table["figures"]["mean_absolute_error_pct"];
    assert!(errors["prediction"]["humaneval"].as_f64().expect("an error") < 8.0, "{errors}");
    assert_eq!(table["figures"]["out_of_order"], serde_json::json!([]));
    // The README shows what is printed.
    let readme = include_str!("../../../README.md");
    for row in cells.chunks(4) {
        let mut line = format!("| {} | {} |", word(&row[0]["dataset"]), word(&row[0]["scenario"]));
        for cell in row {
            let number = |key: &str| cell[key].as_f64().expect("a number");
            let mark = match word(&cell["role"]) {
                "calibration" => " c",
                "in_sample" => " i",
                _ => "",
            };
            let (ours, paper) = (number("mean"), number("paper"));
            let error = number("error_pct");
            line.push_str(&format!(" {ours:.0} ({paper:.0}) {error:+.1} %{mark} |"));
        }
        assert!(readme.contains(&line), "the README's Table 1 lacks: {line}");
    }
}
