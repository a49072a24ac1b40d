//! The program as a user meets it.

mod commands;
mod page;
mod reproduce;
mod support;
mod sweep;
mod traces;
