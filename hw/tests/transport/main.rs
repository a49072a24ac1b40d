//! The transport as its users see it: messages both ways, `Sent`, cancel, strangers, loss.

mod exchange;
mod outside;
mod sent;
mod strangers;
mod support;
