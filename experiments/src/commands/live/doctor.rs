//! `pipesd doctor`: what this program was built with and what it finds on this machine.

use anyhow::Result;
use pipesd_hw::doctor::{Fact, Presence, facts};
use serde_json::json;

use crate::cli::Doctor;
use crate::output;

/// Prints the facts. Something that is lacking and needed is a failure.
pub(crate) fn doctor(options: &Doctor) -> Result<()> {
    let facts = facts();
    if options.json {
        let fact = |fact: &Fact| {
            json!({
                "what": fact.what,
                "state": words(fact.present),
                "detail": fact.detail,
                "remedy": fact.remedy,
            })
        };
        output::print_json(&facts.iter().map(fact).collect::<Vec<_>>())?;
    } else {
        let mut rows = output::Rows::new(&["what", "state", ""], 3);
        for fact in &facts {
            rows.push([fact.what, words(fact.present), &fact.detail].map(str::to_owned));
        }
        let mut text = format!("{rows}\n");
        for fact in &facts {
            if let Some(remedy) = fact.remedy {
                text.push_str(&format!("{}: {remedy}\n", fact.what));
            }
        }
        output::print(&text)?;
    }
    let lacking: Vec<&str> =
        facts.iter().filter(|f| f.present == Presence::No).map(|f| f.what).collect();
    anyhow::ensure!(lacking.is_empty(), "not there: {}", lacking.join(", "));
    Ok(())
}

const fn words(present: Presence) -> &'static str {
    match present {
        Presence::Yes => "present",
        Presence::No => "missing",
        Presence::NotNeeded => "not needed",
    }
}
