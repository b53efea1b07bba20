//! The port of the boxes: what a request is answered, and what one source may cost the others.

mod almost_http;
mod descriptors;
mod http;
mod neighbours;
mod proxies;
pub mod tls;
mod tokens;
