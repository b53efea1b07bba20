//! `reconcile`: whatever goes wrong between an acknowledgement and a subscriber is named, and nothing else is.

mod gateway;
mod subscribers;
mod verdicts;
