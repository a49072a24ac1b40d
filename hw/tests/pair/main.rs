//! Pairs from files: what is read of tokenizers and prompts, and what of a pair is there.

mod files;
mod parts;
mod tokenizers;
