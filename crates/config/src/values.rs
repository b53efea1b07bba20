//! The values of settings that are more than a number or a word.

pub mod networks;
pub mod secret;
pub mod template;
pub mod tls;
