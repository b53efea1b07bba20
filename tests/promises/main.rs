//! The promises of boxbridge, against real brokers and stores. One binary: it links once.

mod documents;
mod normalize;
mod parts;
mod route;
mod schema;
