//! `reconcile`: whatever goes wrong between an acknowledgement and a subscriber is named, and nothing else is.

mod destinations;
mod gateway;
mod no_verdict;
mod order;
mod pictures;
mod planted;
mod redacted;
mod subscribers;
mod verdicts;
