//! Makes the pair of models that ships with the project: a corpus, a tokenizer, two decoders trained on
//! it, and their files (`pipesd models train`).
//!
//! | file | what |
//! |---|---|
//! | [`corpus`] | tasks with answers that can be checked, from a seed |
//!
//! Needs libtorch for the training itself.

pub mod corpus;
