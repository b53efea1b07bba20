//! How other systems are reached, and how they reach us: what the settings say of TLS, of the bucket and of tokens for Kafka, in the terms of the libraries.
//!
//! The gateway connects with it, and so does the judge outside: both reach the same server in the same way. This crate may use the settings (`config`)
//! and the libraries. It knows no event and no stage, sends nothing and keeps no connection.

pub mod bucket; // the S3 bucket's client
pub mod tls; // what we trust, and what we show
pub mod token; // by which brokers know us
