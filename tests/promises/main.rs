//! The promises of boxbridge, against real brokers and stores. One binary: it links once.
//!
//! A folder is a subject: the stages as in `src`, `gateway` for what all of them keep together, `operate` for what people do with the
//! program, `install` for how it gets there, `proof` for `simulate` and `reconcile`, `house` for the rules of this repository.
//! `parts` holds what the tests run.

// What a test measured stands in its output.
#![allow(clippy::print_stdout, clippy::print_stderr)]
// A test that panics has failed, which is its purpose.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod config;
mod gateway;
mod house;
mod ingest;
mod install;
mod normalize;
mod operate;
mod parts;
mod proof;
mod queue;
mod route;
mod send;
