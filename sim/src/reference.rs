//! Reference lines.
