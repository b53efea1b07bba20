//! The servers that others wrote, as they come: each starts on free ports and ends with its value.

pub mod haproxy;
pub mod kafka;
pub mod mosquitto;
pub mod prometheus;
pub mod s3;
pub mod sts;
pub mod stub_broker;
pub mod token_lender;
