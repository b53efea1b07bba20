//! The values of settings that are more than a number or a word.

pub mod certificate;
pub(crate) mod host_name;
pub(crate) mod http_url;
pub mod kind;
pub(crate) mod lines; // a file of lines
pub mod listener_tls;
pub mod named_file;
pub mod networks;
pub mod secret;
pub mod site;
pub mod template;
pub mod token;
