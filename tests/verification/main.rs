//! The rules of verification, from outside: texts of two small language models, drafted by one and
//! verified by the other through `propose`, `decide` and `replace`.

mod acceptance;
mod distribution;
mod hostile;
mod markov;
