//! Links outside the process.
