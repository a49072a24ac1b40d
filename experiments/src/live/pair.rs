//! Both ends on this machine, each in a process of its own: the edge here, the cloud as a child.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result};
use pipesd_core::summary::Summary;
use pipesd_hw::driver::Observer;
use pipesd_hw::transport::Ticket;

use super::child::Cloud;
use super::cloud::Served;
use super::edge::{self, Decoded};
use super::report::summary;
use super::restarts::unrecordable;
use super::scene::Scene;

/// A run of both ends.
#[derive(Clone, Debug)]
pub(crate) struct Paired {
    pub(crate) decoded: Decoded,
    /// None where a plan of faults restarts the cloud: what one has done that was killed, nobody knows.
    pub(crate) served: Option<Served>,
}

impl Paired {
    /// The run's figures.
    pub(crate) fn summary(&self) -> Result<Summary> {
        summary(&self.decoded.report, self.served.as_ref())
    }
}

/// Names of the two logs in a recording's folder.
pub(crate) const EDGE_LOG: &str = "edge.jsonl";
pub(crate) const CLOUD_LOG: &str = "cloud.jsonl";

/// Runs both ends of `scene`; their logs go to `folder`, if there is one.
pub(crate) fn run(
    scene: &Scene,
    folder: Option<&Path>,
    emulate: bool,
    observer: Option<Observer>,
) -> Result<Paired> {
    let restarted = scene.restarts_cloud();
    let mut words: Vec<OsString> = vec!["--json".into()];
    if let Some(folder) = folder {
        if restarted {
            return Err(unrecordable(folder).into());
        }
        words.extend(["--record".into(), folder.as_os_str().to_owned()]);
    }
    if !restarted {
        words.push("--once".into());
    }
    let (mut cloud, ticket) = start(scene, words)?;
    let log = folder.map(|folder| folder.join(EDGE_LOG));
    let options = edge::Options { emulate, log: log.as_deref(), journal: None, observer };
    let decoded = edge::decode(scene, &ticket, options).map_err(|error| cloud.explain(error))?;
    if restarted {
        cloud.close();
        cloud.last_words()?;
        return Ok(Paired { decoded, served: None });
    }
    let said = cloud.last_words()?;
    let served = serde_json::from_str(&said);
    let served = served.with_context(|| format!("the cloud says `{}`", said.trim()))?;
    Ok(Paired { decoded, served: Some(served) })
}

/// A cloud for any number of edges, until it is dropped.
pub(crate) fn serve(scene: &Scene) -> Result<(Cloud, Ticket)> {
    start(scene, Vec::new())
}

fn start(scene: &Scene, more: Vec<OsString>) -> Result<(Cloud, Ticket)> {
    Cloud::start(scene.words().into_iter().map(OsString::from).chain(more))
}
