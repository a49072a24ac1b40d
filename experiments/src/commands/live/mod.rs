//! The commands of the live testbed: `cloud`, `edge`, `testbed`, `models`, `doctor`, and what of `trace`,
//! `tune` and `reproduce` is live. Without the feature `live` each of them says how to get it.

#[cfg(feature = "live")]
mod doctor;
#[cfg(feature = "live")]
mod ends;
#[cfg(feature = "live")]
mod models;
#[cfg(feature = "live")]
mod recordings;
#[cfg(feature = "torch")]
mod train;
#[cfg(not(feature = "torch"))]
mod untrained;
#[cfg(not(feature = "torch"))]
pub(super) use self::untrained::models_train;

#[cfg(feature = "live")]
pub(super) use self::doctor::doctor;
#[cfg(feature = "live")]
pub(super) use self::ends::{cloud, edge, testbed};
#[cfg(feature = "live")]
pub(super) use self::models::models_check;
#[cfg(feature = "live")]
pub(super) use self::recordings::{check, inspect, record};
#[cfg(feature = "torch")]
pub(super) use self::train::models_train;
#[cfg(feature = "live")]
pub(super) use crate::live::table::run as table;
#[cfg(feature = "live")]
pub(super) use crate::live::tune::run as tune;

#[cfg(not(feature = "live"))]
mod missing;
#[cfg(not(feature = "live"))]
pub(super) use self::missing::{
    check, cloud, doctor, edge, inspect, models_check, record, table, testbed, tune,
};
