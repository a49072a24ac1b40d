//! Both ends of the testbed at work: driver, models, run logs; over a link within the process, or over
//! QUIC where the transport matters.

mod align;
mod emulated;
mod exact;
mod failures;
mod quic;
mod replay;
mod support;
mod texts;
