//! The program as a user meets it.

mod commands;
#[cfg(feature = "live")]
mod crowd;
mod faults;
#[cfg(all(feature = "live", target_os = "linux"))]
mod kernel;
#[cfg(feature = "live")]
mod live;
#[cfg(feature = "live")]
mod losses;
#[cfg(all(feature = "live", target_os = "linux"))]
mod memory;
#[cfg(feature = "models")]
mod models;
#[cfg(feature = "live")]
mod operating;
#[cfg(feature = "live")]
mod outages;
mod page;
#[cfg(feature = "models")]
mod pairs;
#[cfg(feature = "live")]
mod processes;
mod reproduce;
mod support;
mod sweep;
mod traces;
