//! How to read the page: cells, marks and tints, terms, scenarios, methods, reference lines.

use maud::{Markup, html};
use pipesd_plots::names;

use super::prose;
use super::section::sentence;
use crate::input::{COMPARED, METHODS, PROFILES, SCENARIOS};
use crate::items::chance::{DEVIATIONS, SESSIONS_PCT};

/// What the page calls things.
const TERMS: &[(&str, &str)] = &[
    ("Round", "the tokens drafted for one NAV"),
    ("NAV", "one verification of a round by the target model, in one pass over all its tokens"),
    (
        "Extra token",
        "the target’s own token that each verdict brings: its replacement on a rejection, its \
                     next token if all were accepted",
    ),
    (
        "R1, R2",
        "the thresholds of PipeSD’s dual trigger: a NAV is asked for when the product of a round’s \
                confidences falls below R1, or a token’s own to R2",
    ),
    ("DP", "the plan that cuts a round into upload batches by dynamic programming"),
    ("Rollback", "a NAV that ends with a rejection"),
    (
        "Time per token",
        "decoding time over output tokens; prefill and start-up are left out and make up the \
                        time to the first token",
    ),
    (
        "Payload",
        "what is uploaded of each draft token: its full distribution, as in the paper’s code, or \
                 its id alone",
    ),
    ("S1 to S4", "the scenarios below"),
];

/// What methods are held against.
const LINES: &[(&str, &str)] = &[
    ("Cloud only", "the target decodes in the cloud, token by token, and streams"),
    ("Edge only", "both models decode on the edge"),
    (
        "Serial split",
        "a fixed number of drafted tokens, uploaded with the request, nothing meanwhile; at the \
                      length that is best on other prompts",
    ),
    (
        "Bound",
        "the clairvoyant bound: for this text, payload, device and link the least time per token that \
               any choice of trigger, upload and depth could reach knowing the future; late uploads: if it \
               uploaded nothing before a round is complete; no guesses: if it drafted nothing ahead of a \
               verdict; empty NAVs: if NAVs could carry no draft",
    ),
];

pub(super) fn markup() -> Markup {
    html! {
        section.item #reading aria-labelledby="reading-heading" {
            h2 #reading-heading { "How to read this page" }
            h3 { "Cells" }
            p {
                "A cell with a published value is " b { "ours" } " (the paper’s) and our error ± chance. \
                 Ours is a mean over runs with different seeds; in square brackets: its 95 % interval. \
                 What no source gives is " i { "not measured" } ", never zero."
            }
            p {
                "The paper’s value is a mean over a few prompts, whose number stands below each table, and \
                 other prompts would have given another. The number after ± is the standard deviation that \
                 the mean of our model has over so many prompts, in percent of the paper’s value. It is \
                 taken from our runs with different seeds, which have other prompts each, and scaled from \
                 the prompts of a run to the paper’s number. The signs:"
            }
            dl.marks {
                div {
                    dt { "no sign" }
                    dd { "the error lies within " (DEVIATIONS) " such deviations: chance accounts for it" }
                }
                div {
                    dt { "*" }
                    dd {
                        "it is larger, by no more than " (SESSIONS_PCT) " %: as far as the authors’ own \
                         sessions with one set-up lie apart"
                    }
                }
                div { dt { "!" } dd { "it is larger than both together: a real difference" } }
            }
            p { "The marks:" }
            dl.marks {
                div { dt { "no mark" } dd { "prediction: nothing of the published value was used" } }
                div { dt { "i" } dd { "in sample: rounds of the same runs went into the profile" } }
                div { dt { "c" } dd { "calibration: the published value itself was fitted" } }
                div {
                    dt { "n" }
                    dd {
                        "not counted: the paper does not give the settings of its value, which is shown \
                         and enters no mean and no order"
                    }
                }
            }
            p { "The tint says which way a cell is off, and how far; none within 5 %:" }
            ul.tints {
                li.low-3 { "below −20 %" } li.low-2 { "−20 to −10" } li.low-1 { "−10 to −5" }
                li.high-1 { "+5 to +10" } li.high-2 { "+10 to +20" } li.high-3 { "above +20 %" }
            }
            h3 { "Terms" }
            (list(TERMS.iter().map(|&(term, meaning)| (term.to_owned(), meaning.to_owned()))))
            h3 { "Methods" }
            (list(methods()))
            h3 #lines { "What they are held against" }
            (list(LINES.iter().map(|&(term, meaning)| (term.to_owned(), meaning.to_owned()))))
            h3 { "Scenarios and models" }
            (list(described(SCENARIOS, names::scenario)))
            (list(described(PROFILES, names::dataset)))
        }
    }
}

fn list(entries: impl IntoIterator<Item = (String, String)>) -> Markup {
    html! {
        dl.terms {
            @for (term, meaning) in entries {
                div { dt { (term) } dd { (prose(&sentence(&meaning))) } }
            }
        }
    }
}

/// Shipped files with their own descriptions, which begin with their names.
fn described(files: &[(&str, &str)], name: fn(&str) -> String) -> Vec<(String, String)> {
    let described = files.iter().filter_map(|(key, text)| {
        let table: toml::Table = text.parse().ok()?;
        let text = table.get("description")?.as_str()?;
        let text =
            text.split_once(": ").filter(|(head, _)| head.len() < 4).map_or(text, |(_, rest)| rest);
        Some((name(key), text.to_owned()))
    });
    described.collect()
}

fn methods() -> Vec<(String, String)> {
    let Ok(table) = METHODS.parse::<toml::Table>() else { return Vec::new() };
    let described = COMPARED.iter().filter_map(|key| {
        let text = table.get(*key)?.get("description")?.as_str()?;
        Some((names::method(key), text.to_owned()))
    });
    described.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_profiles_and_methods_are_described_by_their_own_files() {
        assert_eq!(described(SCENARIOS, names::scenario).len(), 7);
        assert_eq!(described(PROFILES, names::dataset).len(), 3);
        assert_eq!(methods().len(), 4);
        let text = markup().into_string();
        for term in ["NAV", "S4 dynamic", "EdgeLLM", "Serial split", "Extra token", "R1, R2"] {
            assert!(text.contains(&format!("<dt>{term}</dt>")), "{term}");
        }
    }
}
