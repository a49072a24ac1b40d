//! The program as a user meets it.

mod commands;
mod reproduce;
mod support;
mod sweep;
