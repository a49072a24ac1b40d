//! The live testbed's commands in a program that was built without it.

use std::path::Path;

use anyhow::Result;

use crate::cli::{
    Cloud, Doctor, Edge, ModelsCheck, Reproduce, Testbed, TraceInspect, TraceRecord, Tune,
};
use crate::input::bad_input;

fn refuse(command: &str) -> Result<()> {
    Err(bad_input!(
        "{command}: this program was built without the live testbed; with it: \
         cargo run --release --features live -- {command} ..."
    )
    .into())
}

pub(crate) fn cloud(_: &Cloud) -> Result<()> {
    refuse("cloud")
}

pub(crate) fn edge(_: &Edge) -> Result<()> {
    refuse("edge")
}

pub(crate) fn testbed(_: &Testbed) -> Result<()> {
    refuse("testbed")
}

pub(crate) fn record(_: &TraceRecord) -> Result<()> {
    refuse("trace record")
}

pub(crate) fn check(_: &Path) -> Result<()> {
    refuse("trace check")
}

pub(crate) fn inspect(_: &TraceInspect) -> Result<()> {
    refuse("trace inspect")
}

pub(crate) fn doctor(_: &Doctor) -> Result<()> {
    refuse("doctor")
}

pub(crate) fn models_check(_: &ModelsCheck) -> Result<()> {
    refuse("models check")
}

pub(crate) fn table(_: &Reproduce) -> Result<()> {
    refuse("reproduce --live")
}

pub(crate) fn tune(_: &Tune, _: &[&'static str], _: Vec<f64>) -> Result<()> {
    refuse("tune --live")
}
