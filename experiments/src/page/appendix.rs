//! The end of the page: where values come from, what was calibrated, what the paper leaves out, what makes
//! the page again.

use maud::{Markup, html};

use super::ask::Quantity;
use super::headline::short_title;
use super::section::sentence;
use super::{Origin, code, prose, provenance, table};
use crate::items::{Report, Role, Row, Table};

pub(super) fn markup(origin: &Origin, reports: &[&Report]) -> Markup {
    let roles = roles(reports);
    let left_out = reports.iter().filter_map(|report| Some((report, report.unpublished.as_ref()?)));
    let left_out: Vec<_> = left_out.collect();
    html! {
        section.item #appendix aria-labelledby="appendix-heading" {
            h2 #appendix-heading { "Appendix: where the numbers come from" }
            h3 { "What was calibrated, what was predicted" }
            p {
                "Every cell with a published value is one of these: the value itself was fitted \
                 (calibration), rounds of the same runs went into the profile (in sample), nothing \
                 of it was used (prediction), or the paper does not give its settings \
                 (not counted). No parameter belongs to one method or to one cell."
            }
            @if !roles.rows.is_empty() { (table::markup(&roles, "Appendix")) }
            h3 { "The values of the profiles and scenarios" }
            p {
                "Each is " span.status.published { "published" } " by the paper or its code, "
                span.status.measured { "measured" } " by its authors or by a reproduction, "
                span.status.fitted { "fitted" } " to such data, or " span.status.assumed { "assumed" }
                "; open a file for its values and their sources."
            }
            (table::markup(&provenance::counts(), "Appendix"))
            (provenance::markup())
            @if !left_out.is_empty() {
                h3 { "What the paper leaves out" }
                ul.notes {
                    @for (report, why) in &left_out {
                        li {
                            a href={ "#" (report.item) } { (short_title(report)) } ": "
                            (prose(&sentence(why)))
                        }
                    }
                }
            }
            h3 { "Making this page again" }
            dl.made {
                div { dt { "Command" } dd { (code(&origin.command)) } }
                div { dt { "Seed" } dd { (origin.seed) ", the first of each item’s" } }
                div {
                    dt { "Version" }
                    dd { (env!("CARGO_PKG_VERSION")) ", program " (code(&origin.program)) }
                }
            }
            p {
                "It writes this page, and beside it a folder for each item: its rows with intervals and the \
                 command of each (" code { "rows.csv" } "), and all that is shown here for machines ("
                code { "summary.json" } "). The same version and options give the same bytes, wall-clock \
                 measurements apart."
            }
        }
    }
}

/// The cells with published values of each item, by quantity and role.
fn roles(reports: &[&Report]) -> Table {
    let header = [
        "item",
        "quantity",
        "prediction",
        "in sample",
        "calibration",
        "not counted",
        "mean |error|, prediction",
    ];
    let mut table = Table::new("Cells with a published value, by item", &header, 2);
    for (report, quantity) in reports.iter().flat_map(|report| Quantity::ALL.map(|q| (report, q))) {
        let errors = |role: Role| {
            let rows = report.rows.iter().filter(|row| Quantity::of(row) == quantity);
            rows.filter(|row| row.role == role).filter_map(Row::error_pct).collect::<Vec<f64>>()
        };
        let lists =
            [Role::Prediction, Role::InSample, Role::Calibration, Role::NotCounted].map(errors);
        if lists.iter().all(Vec::is_empty) {
            continue;
        }
        let mut line = vec![short_title(report).to_owned(), quantity.name().to_owned()];
        line.extend(lists.iter().map(|list| list.len().to_string()));
        let predicted = &lists[0];
        let mean = predicted.iter().map(|error| error.abs()).sum::<f64>() / predicted.len() as f64;
        line.push(if predicted.is_empty() { "none".to_owned() } else { format!("{mean:.1} %") });
        table.rows.push(line);
    }
    table
}
