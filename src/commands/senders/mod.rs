//! Those who send: what is known of their devices, and the tokens by which they are let in.

pub mod devices;
pub mod token;
