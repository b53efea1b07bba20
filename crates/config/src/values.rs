//! The values of settings that are more than a number or a word.

pub mod kind;
pub mod named_file;
pub mod networks;
pub mod secret;
pub mod site;
pub mod template;
