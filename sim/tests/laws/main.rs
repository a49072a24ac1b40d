//! The laws of the whole: edges, links and a cloud together, as they are driven by the event loop.
//! One module for each law; `support` builds what they run on.

mod bound;
mod canaries;
mod closed_form;
mod conservation;
mod draws;
mod log_order;
mod oblivious;
mod queues;
mod replay;
mod same_again;
mod stories;
mod support;
mod uploads;
