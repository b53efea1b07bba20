//! The promises of boxbridge, against real brokers and stores. One binary: it links once.

// What a test measured stands in its output.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod almost_http;
mod chart;
mod clock;
mod config;
mod demo;
mod described;
mod descriptors;
mod destinations;
mod documents;
#[cfg(feature = "embedded-broker")]
mod embedded;
mod faults;
mod hanging_up;
mod http;
mod kafka;
mod kept;
mod load;
mod main_job;
mod manners;
mod mqtt;
mod neighbours;
mod normalize;
mod operator;
mod outage;
mod pack;
mod pages;
mod parts;
mod proxies;
mod queue_basic;
mod queue_full;
mod queue_model;
mod queue_refused;
mod queue_rot;
mod queue_support;
mod reconcile;
mod restart;
mod route;
mod schema;
mod simulate;
mod status;
mod store;
mod store_moves;
mod sweep;
mod thin_line;
mod tidy;
mod watch;
