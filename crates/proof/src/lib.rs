//! Judges a gateway from outside, as its boxes and its subscribers see it.
//!
//! [`simulate`] is the boxes: they send at a fixed rate, and a ledger keeps what they were answered. [`reconcile`] is the
//! subscribers: it records what arrives on each bus, reads the picture store, and holds both against the ledger.
//! [`faces`] draws the people, for those who watch.
//!
//! This crate may use the nouns (`event`), the settings (`config`) and the way to other systems (`connect`). It may not use
//! the gateway (its queue, routes, destinations), and Cargo refuses that: a mistake there must not confirm itself here.

mod chance;
pub mod content_hash;
pub mod faces;
pub mod reconcile;
pub mod simulate;
mod terminal;
