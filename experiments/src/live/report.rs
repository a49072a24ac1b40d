//! What a live run is summed up as: the same figures as a simulated one, and beside them what the
//! simulator says of the same texts, times and link.

use anyhow::Result;
use pipesd_core::sharing::CloudCounts;
use pipesd_core::summary::{Energy, Summary};
use pipesd_core::time::{Duration, as_millis};
use pipesd_hw::driver::EdgeReport;
use pipesd_hw::energy::{self, Reading};
use pipesd_hw::net::WayAccount;
use serde_json::{Map, Value, json};

use super::cloud::Served;
use super::edge::Decoded;
use super::models::PairModels;
use super::scene::Scene;
use crate::figures::FIGURES;

/// The figures of a live run. What the target did is known only where its process was asked (`served`).
/// Of energy a machine's counters tell the whole run's: not the part of it that verification took, and
/// nothing of a radio.
pub(crate) fn summary(report: &EdgeReport, served: Option<&Served>) -> Result<Summary> {
    anyhow::ensure!(report.counts.output > 0, "nothing was decoded");
    let nothing = (CloudCounts::default(), Duration::ZERO);
    let (cloud, elapsed) = served.map_or(nothing, |served| (served.counts, served.elapsed));
    let edges = std::slice::from_ref(&report.counts);
    let cloud_whole = served.and_then(|served| energy::total(&served.energy));
    let energy = Energy { cloud_whole, ..Energy::default() };
    Ok(Summary::new(edges, &cloud, elapsed, report.uplink_bytes, &energy))
}

/// Figures that only the cloud's process knows.
const OF_CLOUD: [&str; 2] = ["nav_wait_ms", "cloud_utilisation"];

/// What an emulated direction has done, in UDP packets and bytes.
fn way(account: &WayAccount) -> Value {
    let count = |[packets, bytes]: [u64; 2]| json!({ "packets": packets, "bytes": bytes });
    json!({
        "offered": count(account.offered),
        "delivered": count(account.delivered),
        "lost": count(account.lost),
        "overflowed": count(account.overflowed),
    })
}

/// A live run, to be printed.
pub(crate) struct Report<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) command: &'a str,
    pub(crate) decoded: &'a Decoded,
    pub(crate) served: Option<&'a Served>,
    pub(crate) emulated_link: bool,
}

impl Report<'_> {
    /// The same scene in the simulator \[ms per token\]; None: its link is not the one that was used, or
    /// the texts of a pair are in no recording yet.
    fn simulated(&self) -> Result<Option<f64>> {
        if !self.emulated_link || self.scene.pair().is_some() {
            return Ok(None);
        }
        Ok(Some(self.scene.simulated_tpt_ms()?))
    }

    /// Name, title and value of each figure; None: not measured.
    fn figures(&self, summary: &Summary) -> Vec<(&'static str, &'static str, usize, Option<f64>)> {
        let known = |name: &str| self.served.is_some() || !OF_CLOUD.contains(&name);
        FIGURES
            .iter()
            .map(|figure| {
                let value = (figure.of)(summary).filter(|_| known(figure.name));
                (figure.name, figure.title, figure.digits, value)
            })
            .collect()
    }

    /// One JSON document.
    pub(crate) fn document(&self) -> Result<Value> {
        let summary = summary(&self.decoded.report, self.served)?;
        let configuration = &self.scene.configuration;
        let mut document = json!({
            "command": self.command,
            "version": env!("CARGO_PKG_VERSION"),
            "profile": configuration.profile.spec.name,
            "scenario": configuration.scenario.spec.name,
            "method": configuration.method.name,
            "set": self.scene.choice.sets,
            "seed": self.scene.seed,
            "settings": configuration.method.spec,
        });
        let figures: Map<String, Value> = self
            .figures(&summary)
            .into_iter()
            .map(|(name, _, _, value)| {
                (name.to_owned(), value.map_or_else(|| json!("not measured"), |value| json!(value)))
            })
            .collect();
        if let Value::Object(document) = &mut document {
            document.extend(figures);
        }
        let texts: Vec<Vec<u32>> = self
            .decoded
            .report
            .texts
            .iter()
            .map(|text| text.tokens.iter().map(|token| token.0).collect())
            .collect();
        let pair = self.scene.pair();
        let playback = self.scene.playback();
        let decoded = pair.map(|pair| self.decoded_texts(pair));
        document["live"] = json!({
            "backend": if pair.is_some() { "models" } else { "emulated" },
            "pair": pair.map(|pair| &pair.pair.name),
            "simulated_tpt_ms": self.simulated()?,
            "draft_overshoot_ms": self.decoded.overshoot.map(as_millis),
            "past_rollouts": playback.map(|playback| playback.past_rollouts()),
            "decoded": decoded,
            "energy": json!({
                "edge": self.decoded.energy,
                "cloud": self.served.map(|served| &served.energy),
            }),
            "link": self.decoded.ways.map(|ways| json!({ "up": way(&ways.up), "down": way(&ways.down) })),
            "texts": texts,
        });
        Ok(document)
    }

    /// What a pair has written, prompt by prompt.
    fn decoded_texts(&self, pair: &PairModels) -> Vec<Value> {
        let texts = self.decoded.report.texts.iter().enumerate();
        texts
            .map(|(index, text)| {
                let prompt = pair.prompt(index);
                json!({
                    "id": prompt.id,
                    "family": prompt.family,
                    "prompt": prompt.prompt,
                    "text": pair.tokenizer().decode(&text.tokens),
                })
            })
            .collect()
    }

    /// What each counter of energy says; nothing, where there is none.
    fn counters(&self) -> String {
        let mut text = String::new();
        let ends =
            [("edge", Some(&self.decoded.energy)), ("cloud", self.served.map(|s| &s.energy))];
        for (end, readings) in ends {
            for Reading { device, source, joules, .. } in readings.into_iter().flatten() {
                let joules =
                    joules.map_or("not measured".to_owned(), |joules| format!("{joules:.1} J"));
                text.push_str(&format!("{end}, {device}: {joules} in the whole run ({source})\n"));
            }
        }
        text
    }

    /// A table for people.
    pub(crate) fn table(&self) -> Result<String> {
        let summary = summary(&self.decoded.report, self.served)?;
        let mut table = crate::output::Rows::new(&["figure", "live"], 1);
        for (_, title, digits, value) in self.figures(&summary) {
            let value =
                value.map_or("not measured".to_owned(), |value| format!("{value:.digits$}"));
            table.push([title.to_owned(), value]);
        }
        let mut notes = String::new();
        if let Some(simulated) = self.simulated()? {
            let off = (summary.tpt_ms / simulated - 1.0) * 100.0;
            notes = format!(
                "\nsimulated, with the same texts, model times and link: {simulated:.1} ms per \
                 token; live is {off:+.1} % off\n"
            );
        }
        notes.push_str(&self.counters());
        let configuration = &self.scene.configuration;
        let models = match self.scene.pair() {
            Some(pair) => format!("pair {}", pair.pair.name),
            None => configuration.profile.spec.name.clone(),
        };
        let (method, place) = (&configuration.method.name, &configuration.scenario.spec.name);
        let head = format!("{method} on {models} in {place}, live");
        let command = self.command;
        Ok(format!("{head}\n{table}\n{notes}\nagain: {command}\n"))
    }
}
