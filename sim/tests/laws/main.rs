//! The laws of the whole: edges, links and a cloud together, as they are driven by the event loop.
//! One module for each law; `support` builds what they run on.

mod authors;
mod bound;
mod canaries;
mod closed_form;
mod conservation;
mod devices;
mod draws;
mod energy;
mod export;
mod links;
mod log_order;
mod measured;
mod oblivious;
mod published_forms;
mod queues;
mod reference;
mod replay;
mod same_again;
mod scripts;
mod stories;
mod support;
mod tuning;
mod uploads;
