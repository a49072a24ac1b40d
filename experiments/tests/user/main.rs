//! The program as a user meets it.

mod commands;
#[cfg(feature = "live")]
mod live;
#[cfg(feature = "models")]
mod models;
mod page;
#[cfg(feature = "models")]
mod pairs;
mod reproduce;
mod support;
mod sweep;
mod traces;
