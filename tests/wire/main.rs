//! The wire format: what comes back, what the bytes are, what is documented, what is refused.

mod any;
mod documented;
mod golden;
mod refused;
mod round_trip;
mod samples;
mod sizes;
mod vocabulary;
