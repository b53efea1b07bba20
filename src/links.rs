//! Pictures for people: looked up by name, and given over HTTP.

pub mod album;
pub mod answer;
