//! What a box was let in with, and what that binds.
//!
//! Promises: it holds nothing secret: of a token only a number that is made of its hash. Deliberately does not say who is let in: `ingest`
//! does.

use serde::{Deserialize, Serialize};

/// How a sender proved itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Authenticated {
    /// It did not: anyone may send here.
    #[default]
    None,
    Token,
    Certificate,
}

impl Authenticated {
    pub const fn as_str(self) -> &'static str {
        match self {
            Authenticated::None => "none",
            Authenticated::Token => "token",
            Authenticated::Certificate => "certificate",
        }
    }
}

/// A box's right to send. By default one that binds nothing, of a box that showed nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoxPass {
    pub authenticated: Authenticated,
    /// The site of all that it sends, whatever its URL says.
    pub site: Option<String>,
    /// The only device that it may tell of.
    pub device: Option<String>,
    /// Tells its shares from those of others at the same address.
    pub number: Option<u64>,
}
