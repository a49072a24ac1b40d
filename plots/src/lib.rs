//! Figures. One file for each; they read result files and events, never a simulator.

#![forbid(unsafe_code)]
