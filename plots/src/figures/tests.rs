//! Every figure from a result file: what is plotted is what the rows say, and the page holds it.

mod files;

use proptest::prelude::*;

use self::files::{DATASETS, File, METHODS, file, is_shown};
use super::{FIGURES, figures_of, names, rows};
use crate::chart::{Axis, Chart, Form, Legend, Panel, Point, Series, Width, checks, number};
use crate::results::{Role, Row};

/// What a chart plots, or rows say: method, kind, place along a numeric axis, value, interval. In order.
type Told = Vec<(String, bool, String)>;

fn told_by(chart: &Chart, place: bool) -> Told {
    let mut told = Told::new();
    for panel in &chart.panels {
        for series in &panel.series {
            for point in &series.points {
                let (x, value) = if panel.lies() { (point.y, point.x) } else { (point.x, point.y) };
                let x = if place { format!("at {x} ") } else { String::new() };
                let (paper, interval) = (series.form == Form::Paper, point.interval);
                told.push((series.method.clone(), paper, format!("{x}{value} {interval:?}")));
            }
        }
    }
    told.sort();
    told
}

/// Times, counts and rates are not negative, Jain's index is at most 1: intervals are cut off there.
fn told_of(rows: &[Row], place: bool) -> Told {
    let mut told = Told::new();
    for row in rows.iter().filter(|row| is_shown(row)) {
        let x = row.x.filter(|_| place).map_or_else(String::new, |x| format!("at {x} "));
        let most = if row.metric == "fairness_jain" { 1. } else { f64::INFINITY };
        let cut = |end: f64| if row.item == "s4" { end.max(0.) } else { end.min(most) };
        let interval = row.interval().filter(|_| !rows::is_reference(row));
        let interval = interval.map(|(low, high)| (cut(low), cut(high)));
        let method = || row.method.clone();
        told.extend(row.mean.map(|mean| (method(), false, format!("{x}{mean} {interval:?}"))));
        told.extend(row.paper.map(|paper| (method(), true, format!("{x}{paper} None"))));
    }
    told.sort();
    told
}

#[test]
fn every_item_s_figure_draws_and_its_page_holds() {
    for figure in FIGURES {
        let rows = file(figure.item).rows();
        let chart = (figure.draw)(&rows).unwrap_or_else(|error| panic!("{}: {error}", figure.item));
        checks::check(&chart).unwrap_or_else(|problem| panic!("{}: {problem}", figure.item));
        let narrow = chart.narrow();
        assert_eq!(narrow.is_none(), chart.width == Width::Column, "{}", figure.item);
        for chart in narrow.iter() {
            checks::check(chart)
                .unwrap_or_else(|problem| panic!("{}, narrow: {problem}", figure.item));
            assert_eq!(
                told_by(chart, true),
                told_by(&(figure.draw)(&rows).expect("it draws"), true)
            );
        }
        let svg = chart.to_svg().expect("it draws");
        let width = chart.width.units() / 10;
        assert!(svg.starts_with(&format!("<svg width=\"{width}mm\"")), "{}", figure.item);
        assert!(figure.file.ends_with(".svg") && figures_of(figure.item).count() == 1);
    }
    assert_eq!(figures_of("table5").count(), 0);
}

#[test]
fn what_is_plotted_is_what_the_rows_say() {
    for (item, place) in [
        ("table1", false),
        ("small", false),
        ("table2", false),
        ("table3", false),
        ("table6", false),
        ("table7", false),
        ("fig5", true),
        ("appendix-f", true),
        ("appendix-i", true),
        ("s4", true),
    ] {
        let mut rows = file(item).rows();
        if ["s4", "appendix-i"].contains(&item) {
            // Intervals wide enough to pass both ends of what can be.
            rows.iter_mut().step_by(3).for_each(|row| {
                (row.ci95_low, row.ci95_high) =
                    (row.mean.map(|mean| mean * -0.2), row.mean.map(|mean| mean * 2.2));
            });
        }
        if item == "appendix-i" {
            rows.iter_mut().for_each(|row| row.ci95_low = row.mean.map(|mean| mean * 0.8));
        }
        let figure = figures_of(item).next().expect("it has a figure");
        let mut chart = (figure.draw)(&rows).expect("it draws");
        if item == "appendix-f" {
            // What is derived from the rows stands below them.
            chart.panels.truncate(chart.columns);
        }
        assert_eq!(told_by(&chart, place), told_of(&rows, place), "{item}");
    }
}

/// A bar stands in its scenario's group, methods in one order, its mark at the same place.
#[test]
fn bars_stand_in_their_groups() {
    let rows = file("table1").rows();
    let chart = (super::table1::FIGURE.draw)(&rows).expect("it draws");
    for (panel, dataset) in chart.panels.iter().zip(DATASETS) {
        for series in &panel.series {
            assert_eq!(series.points.len(), 4, "{}", series.method);
            assert!(METHODS.contains(&series.method.as_str()) || series.form == Form::Level(0.96));
            for (group, point) in series.points.iter().enumerate() {
                assert_eq!(point.x.round() as usize, group);
                let scenario = ["s1-laptop", "s2-phone", "s3-iot", "s4-dynamic"][group];
                let row = rows.iter().find(|row| {
                    (row.dataset.as_str(), row.scenario.as_str()) == (dataset, scenario)
                        && row.method == series.method
                });
                let row = row.expect("the row");
                let value = if series.form == Form::Paper { row.paper } else { row.mean };
                assert_eq!(Some(point.y), value);
            }
        }
        let bars = panel.series.iter().filter(|series| matches!(series.form, Form::Bars(_)));
        let first: Vec<f64> = bars.map(|series| series.points[0].x).collect();
        assert!(first.windows(2).all(|pair| pair[0] < pair[1]), "{first:?}");
    }
}

/// Below its times App. F shows how many times PipeSD's they are.
#[test]
fn appendix_f_shows_ratios_below() {
    let chart = (super::appendix_f::FIGURE.draw)(&file("appendix-f").rows()).expect("it draws");
    let (above, below) = chart.panels.split_at(chart.columns);
    assert_eq!((above.len(), below.len()), (3, 3));
    let rates = ["5", "10", "20", "40", "80", "200"];
    for panel in below {
        assert!(panel.x.labelled && panel.x.ticks.iter().map(|tick| &tick.label).eq(rates));
    }
    for (above, below) in above.iter().zip(below) {
        let of = |method: &str| above.series.iter().find(|series| series.method == method);
        let ours = of("pipesd").expect("PipeSD");
        assert_eq!(below.series.len(), 4);
        let (one, others) = below.series.split_first().expect("the line at 1");
        assert_eq!((one.points[0].y, one.label.as_str()), (1., ""));
        let band = below.band.as_ref().expect("the paper's range");
        assert_eq!((band.low, band.high), (1.02, 2.06));
        for series in others {
            let theirs = of(&series.method).expect("the policy");
            for (index, point) in series.points.iter().enumerate() {
                assert_eq!(point.x, ours.points[index].x);
                assert_eq!(point.y, theirs.points[index].y / ours.points[index].y);
            }
        }
    }
}

/// Each panel of thresholds shows R1 and R2 of one tuner, named at their ends and not in the legend;
/// no time is negative.
#[test]
fn s4_parts_the_tuners() {
    let chart = (super::s4::FIGURE.draw)(&file("s4").rows()).expect("it draws");
    let parts = [(1, "pipesd_online"), (3, "pipesd_paper_tuner")];
    for (panel, method) in parts.map(|(index, method)| (&chart.panels[index], method)) {
        let styles: Vec<&str> = panel.series.iter().map(|series| &series.style[..]).collect();
        assert_eq!(styles, ["sequence_threshold", "token_threshold"]);
        assert!(panel.series.iter().all(|one| one.method == method && one.label.is_empty()));
        let notes = panel.notes.iter().zip(["R1", "R2"]).zip(&panel.series);
        for ((note, name), series) in notes {
            assert_eq!((note.text.as_str(), note.at), (name, series.points[39].y));
        }
        assert_eq!(panel.notes.len(), 2);
    }
    assert!(chart.panels.iter().all(|panel| panel.y.low == 0.), "all begin at zero");
}

/// Jain's index is at most 1: so is its axis. Marks stand beside each other, references do not.
#[test]
fn appendix_i_s_fairness_ends_at_1() {
    let chart = (super::appendix_i::FIGURE.draw)(&file("appendix-i").rows()).expect("it draws");
    let fairness = &chart.panels[2 * chart.columns..];
    assert_eq!(fairness.len(), chart.columns);
    assert!(fairness.iter().all(|panel| panel.y.high <= 1.));
    for series in chart.panels.iter().flat_map(|panel| &panel.series) {
        let place = METHODS.iter().position(|method| *method == series.method);
        let beside = place.map_or(0, |place| [-12, -4, 4, 12][place]);
        assert_eq!(series.beside, beside, "{}", series.method);
    }
}

/// Both panels of Fig. 6 show deviations; a published value that does not change is one line.
#[test]
fn fig6_shows_deviations_and_one_published_line() {
    let mut file = file("fig6");
    let at = [Some(300.), None];
    let names = ["humaneval", "s1-laptop", "", "measured", "draft_ms"];
    file.row("fig6", names, at, [Some(44.), None]);
    // One published value in all rows, as for the paper's mean draft time.
    let mut rows = file.rows();
    rows.iter_mut().for_each(|row| row.paper = row.paper.map(|_| 25.3));
    let chart = (super::fig6::FIGURE.draw)(&rows).expect("it draws");
    checks::check(&chart).expect("its page holds");
    let measured = chart.panels[1].series.iter().find(|series| series.form == Form::Points);
    let point = measured.and_then(|series| series.points.last()).expect("points");
    assert_eq!(point.interval, Some((44. - 4.4, 44. + 4.4)));
    let level = chart.panels[1].series.iter().find(|series| matches!(series.form, Form::Level(_)));
    assert_eq!(level.expect("one line").points[0].y, 25.3);
}

/// The map names the fastest, and how many times faster it is than the next.
#[test]
fn the_break_even_map_names_the_fastest() {
    let rows = file("break-even").rows();
    let chart = (super::break_even::FIGURE.draw)(&rows).expect("it draws");
    assert_eq!(chart.panels.len(), 3);
    for panel in &chart.panels {
        assert_eq!(panel.cells.len(), 15);
        for cell in &panel.cells {
            let label = |axis: &Axis, at: f64| axis.ticks[at as usize].label.clone();
            let place = (label(&panel.x, cell.x), label(&panel.y, cell.y));
            let here = rows.iter().filter(|row| {
                let (x, y) = row.x.zip(row.y).expect("a place");
                names::payload(&row.variant) == panel.title && (number(x), number(y)) == place
            });
            let mut times: Vec<(f64, &str)> =
                here.filter_map(|row| Some((row.mean?, row.method.as_str()))).collect();
            times.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert_eq!(times.len(), 4);
            // Intervals reach 2 % to both sides.
            if times[1].0 * 0.98 <= times[0].0 {
                assert_eq!(cell.winner, "tie");
                continue;
            }
            assert_eq!(times[0].1, cell.winner.as_str());
            assert_eq!(cell.value, times[1].0 / times[0].0);
            assert_eq!(cell.labels[1], format!("{:.1}", cell.value));
        }
    }
}

/// A tie is what intervals say, the interval of differences before those of the means; a panel names
/// its rows unless its neighbour to the left has the same.
#[test]
fn the_break_even_map_shows_ties_and_names_its_rows() {
    let mut file = File::new();
    let mut row = |variant: &str, method: &str, metric: &str, y: f64, mean: f64| {
        let names = ["humaneval", "s1-laptop", variant, method, metric];
        file.row("break-even", names, [Some(1.), Some(y)], [Some(mean), None]);
    };
    for (variant, second) in [("near", 101.), ("far", 110.), ("both", 101.)] {
        for y in [1., 10.].into_iter().filter(|y| variant != "both" || *y > 1.) {
            row(variant, "pipesd", "tpt_ms", y, 100.);
            row(variant, "serial", "tpt_ms", y, second);
        }
    }
    let drawn = |file: &File| (super::break_even::FIGURE.draw)(&file.rows()).expect("it draws");
    let winners = |chart: &Chart| -> Vec<String> {
        chart.panels.iter().map(|panel| panel.cells[0].winner.clone()).collect()
    };
    let chart = drawn(&file);
    assert_eq!(winners(&chart), ["tie", "pipesd", "tie"]);
    assert_eq!(chart.panels[0].cells[0].labels, ["P", "~S"]);
    let labelled: Vec<bool> = chart.panels.iter().map(|panel| panel.y.labelled).collect();
    assert_eq!(labelled, [true, false, true]);
    // The runs share their seeds: all of the first map's differences are above zero.
    let names = ["humaneval", "s1-laptop", "near", "pipesd", "tpt_lead_ms"];
    for y in [1., 10.] {
        file.row("break-even", names, [Some(1.), Some(y)], [Some(1.), None]);
    }
    assert_eq!(winners(&drawn(&file)), ["pipesd", "pipesd", "tie"]);
}

/// Formulas are lines that are named at their ends, the simulator's values dots, published ones diamonds,
/// also where a line of the theory meets the cloud's.
#[test]
fn closed_forms_show_lines_dots_and_diamonds() {
    let rows = file("closed-forms").rows();
    let chart = (super::closed_forms::FIGURE.draw)(&rows).expect("it draws");
    let metrics = ["split_ms", "cost_ms", "hardware_ms", "tokens_per_s"];
    for (panel, metric) in chart.panels.iter().zip(metrics) {
        let count_of = |method: &str| {
            rows.iter().filter(|row| row.metric == metric && row.method == method).count()
        };
        let count = |form: Form| {
            let series = panel.series.iter().filter(|series| series.form == form);
            series.map(|series| series.points.len()).sum::<usize>()
        };
        // A delay at which nothing was measured is not shown where others are.
        let shown = if metric == "hardware_ms" { 15 } else { count_of("simulated") };
        assert_eq!((count(Form::Line), count(Form::Points)), (shown, shown), "{metric}");
        let diamonds = if metric == "split_ms" { 4 } else { count_of("published") };
        assert_eq!(count(Form::Paper), diamonds, "{metric}");
        let lines = panel.series.iter().filter(|series| series.form == Form::Line);
        let unnamed = |series: &&Series| {
            let end = series.points.last().expect("a line has points");
            !panel.notes.iter().any(|note| note.at == end.y)
        };
        assert_eq!(lines.filter(unnamed).count(), 0, "{metric}: each line has its name");
    }
    // Rows of some other item are no figure, and it says which metric is lacking.
    let error = (super::closed_forms::FIGURE.draw)(&file("fig5").rows()).expect_err("no rows");
    assert!(error.to_string().contains("split_ms"), "{error}");
}

/// Bars whose published value was used have a letter below them, and the key says what it means.
#[test]
fn bars_that_are_no_predictions_have_letters() {
    let mut rows = file("table1").rows();
    rows[0].role = Some(Role::Calibration);
    rows[1].role = Some(Role::InSample);
    rows[2].role = Some(Role::NotCounted);
    let chart = (super::table1::FIGURE.draw)(&rows).expect("it draws");
    checks::check(&chart).expect("its page holds");
    let letters: Vec<(f64, &str)> =
        chart.panels[0].below.iter().map(|note| (note.at, note.text.as_str())).collect();
    let place = |method: &str| {
        let series = chart.panels[0].series.iter().find(|series| series.method == method);
        series.expect("bars").points[0].x
    };
    assert_eq!(letters, [(place("vanilla"), "c"), (place("hsl"), "i"), (place("edgellm"), "n")]);
    assert!(chart.panels[1].below.is_empty());
    assert_eq!(
        chart.notes,
        ["c: calibrated; i: in sample", "n: settings not published; no letter: predicted"]
    );
}

/// Where the cloud alone has no place on an axis its value stands at the axis's foot.
#[test]
fn the_cloud_alone_is_said_where_it_is_not_drawn() {
    for item in ["fig5", "appendix-f"] {
        let mut rows = file(item).rows();
        rows.iter_mut().filter(|row| row.method == "cloud_only").for_each(|row| {
            row.mean = Some(16.02);
        });
        let figure = figures_of(item).next().expect("it has a figure");
        let chart = (figure.draw)(&rows).expect("it draws");
        assert_eq!(chart.panels[0].beyond, ["cloud only 16"], "{item}");
    }
}

#[test]
fn table_4_marks_the_least_and_puts_each_value_in_its_cell() {
    let rows = file("table4").rows();
    let chart = (super::table4::FIGURE.draw)(&rows).expect("it draws");
    let panel = &chart.panels[0];
    assert_eq!(panel.cells.len(), 15, "references have no cells");
    let rows: Vec<Row> = rows.into_iter().filter(is_shown).collect();
    let least = rows.iter().filter_map(|row| row.mean).fold(f64::INFINITY, f64::min);
    for row in &rows {
        let label = |axis: &Axis, at: f64| axis.ticks[at as usize].label.clone();
        let cell = panel.cells.iter().find(|cell| {
            let place = (label(&panel.x, cell.x), label(&panel.y, cell.y));
            place == (row.y.expect("R2").to_string(), row.x.expect("R1").to_string())
        });
        let cell = cell.expect("a cell for each row");
        assert_eq!(Some(cell.value), row.mean);
        assert_eq!(cell.marked, cell.value == least);
    }
    let marks: Vec<f64> =
        panel.shades.iter().flat_map(|shades| &shades.marks).map(|mark| mark.at).collect();
    assert_eq!(marks, [129., 197.], "the paper's range");
}

#[test]
fn rows_that_cannot_be_drawn_are_errors() {
    for figure in FIGURES {
        let error = (figure.draw)(&[]).expect_err(figure.item).to_string();
        assert!(error.starts_with("there are no rows of the metric `"), "{error}");
    }
    let mut rows = file("fig5").rows();
    rows.extend_from_within(..1);
    let error = (super::fig5::FIGURE.draw)(&rows).expect_err("a row twice").to_string();
    assert_eq!(error, "two rows of `tpt_ms` for `vanilla` have the same x = 10");
    rows[0].x = None;
    let error = (super::fig5::FIGURE.draw)(&rows).expect_err("no x").to_string();
    assert!(error.contains("lacks what the figure is drawn over"), "{error}");
}

/// Single seeds have no intervals, unknown methods no look of their own: both are drawn.
#[test]
fn single_seeds_and_unknown_methods_are_drawn() {
    for figure in FIGURES {
        let mut rows = file(figure.item).rows();
        for row in &mut rows {
            (row.sd, row.ci95_low, row.ci95_high) = (None, None, None);
            row.method = match row.method.as_str() {
                "hsl" | "pipesd_greedy" => "a_new_method".to_owned(),
                "edgellm" | "grid" => "another <&> one".to_owned(),
                other => other.to_owned(),
            };
        }
        let chart = (figure.draw)(&rows).unwrap_or_else(|error| panic!("{}: {error}", figure.item));
        checks::check(&chart).unwrap_or_else(|problem| panic!("{}: {problem}", figure.item));
        assert!(!chart.to_svg().expect("it draws").contains("<&>"), "{}: not escaped", figure.item);
    }
}

fn lines_chart(values: &[Vec<(f64, f64)>], methods: &[String]) -> Chart {
    let series: Vec<Series> = values
        .iter()
        .zip(methods)
        .map(|(values, method)| {
            let points = values.iter().enumerate().map(|(index, &(y, half))| {
                let interval = Some((y - half, y + half));
                Point { x: 5. * f64::from(1 << index), y, interval }
            });
            Series::new(method, method, Form::Line, points.collect())
        })
        .collect();
    let panel = rows::swept_panel("part".to_owned(), ("across", "upright (ms)"), series);
    let panels = vec![panel.clone(), Panel { title: String::new(), ..panel }];
    Chart {
        width: Width::Column,
        columns: 2,
        plot_height: 300,
        panels,
        notes: vec![],
        legend: Legend::Above,
    }
}

proptest! {
    /// Whatever the values: nothing leaves the page, no texts overlap, no two methods look alike.
    #[test]
    fn any_values_fit_the_page(
        exponent in -3_i32..5,
        values in proptest::collection::vec(
            proptest::collection::vec((0.1_f64..10., 0_f64..0.1), 6),
            1..6,
        ),
    ) {
        let scale = libm::exp10(f64::from(exponent));
        let scaled: Vec<Vec<(f64, f64)>> = values
            .iter()
            .map(|list| list.iter().map(|&(y, half)| (y * scale, half * scale)).collect())
            .collect();
        let methods: Vec<String> = (0..scaled.len()).map(|index| format!("method {index}")).collect();
        let chart = lines_chart(&scaled, &methods);
        let checked = checks::check(&chart);
        prop_assert!(checked.is_ok(), "{checked:?}");
    }

    /// Likewise for bars of any height in any number of groups.
    #[test]
    fn any_bars_fit_the_page(
        exponent in -3_i32..5,
        heights in proptest::collection::vec(proptest::collection::vec(0.01_f64..10., 4), 1..5),
    ) {
        let scale = libm::exp10(f64::from(exponent));
        let mut file = File::new();
        let groups: Vec<String> = (0..heights.len()).map(|index| format!("s{index}-place")).collect();
        for (scenario, heights) in groups.iter().zip(&heights) {
            for (method, height) in METHODS.iter().zip(heights) {
                let names = ["humaneval", scenario, "", method, "tpt_ms"];
                let values = [Some(height * scale), Some(1.3 * height * scale)];
                file.row("table1", names, [None; 2], values);
            }
        }
        let rows = file.rows();
        let chart = (super::table1::FIGURE.draw)(&rows).expect("it draws");
        let checked = checks::check(&chart);
        prop_assert!(checked.is_ok(), "{checked:?}");
        prop_assert_eq!(told_by(&chart, false), told_of(&rows, false));
    }
}
