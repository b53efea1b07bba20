//! The tokens that let boxes in: a file of JSON lines `{name, sha256, site, device, networks, expires}`, one token a line.
//!
//! Promises: every bad line is found and said by its number alone, never by what stands in it. A member that is misspelt is a bad line: a
//! token that should expire must not last for ever. An empty file is good, and lets nobody in: so the last token is revoked. Deliberately
//! holds no token, only hashes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::values::lines::{LinesProblem, bytes_of};
use crate::values::networks::Networks;
use crate::values::site::is_site;
use crate::values::token::{TokenHash, from_hex, hex, is_same_token};
use boxbridge_event::Timestamp;

/// Those of a file, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens(Arc<[BoxToken]>);

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxToken {
    /// What people call it.
    pub name: String,
    pub hash: TokenHash,
    /// Of all that is sent with it.
    pub site: String,
    /// The only device whose events may be sent with it; `None` = any.
    pub device: Option<String>,
    /// From where it may be shown; empty = from everywhere.
    pub networks: Networks,
    /// `None` = never.
    pub expires: Option<Timestamp>,
}

/// As many as there can be devices. All are compared with each token that is shown.
const TOKENS_MAX: usize = 10_000;
/// Ten times what so many tokens take.
const BYTES_MAX: u64 = 20 << 20;
const NAME_MAX: usize = 64;
/// Of a device's id in an event.
const DEVICE_MAX: usize = 256;
const MEMBERS: [&str; 6] = ["name", "sha256", "site", "device", "networks", "expires"];

impl Tokens {
    pub(crate) fn read(file: &Path) -> Result<Tokens, LinesProblem> {
        let usual = "is over 20MiB: a file of 10000 tokens has a tenth of that";
        let bytes = bytes_of(file, BYTES_MAX, usual)?;
        Tokens::parse(&bytes).map_err(LinesProblem::Lines)
    }

    /// The tokens of a file, or what is wrong with it.
    pub fn of_file(file: &Path) -> Result<Tokens, Vec<String>> {
        Tokens::read(file).map_err(|problem| match problem {
            LinesProblem::File(problem) => vec![problem],
            LinesProblem::Lines(problems) => problems,
        })
    }

    fn parse(bytes: &[u8]) -> Result<Tokens, Vec<String>> {
        let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
        let written = lines.filter(|(_, line)| !line.trim_ascii().is_empty());

        let mut found = Found::default();
        for (number, line) in written {
            found.add(number, BoxToken::of_line(line));
        }
        found.tokens()
    }

    /// The token that is shown. Compares all, and every byte of each.
    pub fn find(&self, shown: &TokenHash) -> Option<&BoxToken> {
        self.0.iter().fold(None, |found, token| {
            if is_same_token(&token.hash, shown) {
                Some(token)
            } else {
                found
            }
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &BoxToken> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of these that are still in `now`, as they stand there: what was revoked is gone, and nothing new has come.
    pub fn still_in(&self, now: &Tokens) -> Tokens {
        let left = self.0.iter().filter_map(|token| now.find(&token.hash));
        left.cloned().collect()
    }
}

impl FromIterator<BoxToken> for Tokens {
    fn from_iter<I: IntoIterator<Item = BoxToken>>(tokens: I) -> Tokens {
        Tokens(tokens.into_iter().collect())
    }
}

/// The lines that were read so far.
#[derive(Default)]
struct Found {
    tokens: Vec<BoxToken>,
    problems: Vec<String>,
    /// The line of each name.
    names: HashMap<String, usize>,
    /// The line of each hash.
    hashes: HashMap<TokenHash, usize>,
}

impl Found {
    fn add(&mut self, line: usize, token: Result<BoxToken, String>) {
        let added = token.and_then(|token| {
            let before = self.names.insert(token.name.clone(), line);
            if let Some(first) = before {
                return Err(format!("its name stands in line {first} already"));
            }
            if let Some(first) = self.hashes.insert(token.hash, line) {
                return Err(format!("its token stands in line {first} already"));
            }
            self.tokens.push(token);
            Ok(())
        });
        let problem = added.map_err(|problem| format!("line {line}: {problem}"));
        self.problems.extend(problem.err());
    }

    fn tokens(mut self) -> Result<Tokens, Vec<String>> {
        let tokens = self.tokens.len();
        if tokens > TOKENS_MAX {
            let problem = format!("holds {tokens} tokens, at most {TOKENS_MAX} are taken");
            self.problems.push(problem);
        }
        match self.problems.is_empty() {
            true => Ok(self.tokens.into_iter().collect()),
            false => Err(self.problems),
        }
    }
}

impl BoxToken {
    fn of_line(line: &[u8]) -> Result<BoxToken, String> {
        let Ok(Value::Object(members)) = serde_json::from_slice(line) else {
            return Err("is no JSON object: `boxbridge token new` writes a line".to_owned());
        };
        if members.keys().any(|key| !MEMBERS.contains(&key.as_str())) {
            let known = MEMBERS.join(" ");
            return Err(format!("holds a member that is none of {known}"));
        }

        let token = BoxToken {
            name: text(&members, "name")?.unwrap_or_default().to_owned(),
            hash: text(&members, "sha256")?
                .and_then(from_hex)
                .ok_or("sha256 must be 64 hex digits")?,
            site: text(&members, "site")?.unwrap_or_default().to_owned(),
            device: text(&members, "device")?.map(str::to_owned),
            networks: networks(members.get("networks"))?,
            expires: expires(&members)?,
        };
        token.check().map(|()| token)
    }

    /// What its texts may be.
    pub fn check(&self) -> Result<(), String> {
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let (name, is_any) = (&self.name, |text: &str, most| {
            (1..=most).contains(&text.len())
        });
        if !is_any(name, NAME_MAX) || !name.chars().all(is_of_name) {
            return Err(format!("name must be 1 to {NAME_MAX} of A-Z a-z 0-9 . _ -"));
        }
        if !is_site(&self.site) {
            return Err("site must be 1 to 32 of a-z 0-9 -".to_owned());
        }

        let device = self.device.as_deref();
        let is_device = |it: &str| is_any(it, DEVICE_MAX) && !it.contains(char::is_control);
        match device.is_none_or(is_device) {
            true => Ok(()),
            false => Err("device must be a device's id, or null".to_owned()),
        }
    }

    /// From where it may be shown, as these texts say.
    pub fn networks_of(texts: &[String]) -> Result<Networks, String> {
        let mut networks = Networks::default();
        for text in texts {
            networks.push(Networks::parse(text.trim())?);
        }
        Ok(networks)
    }

    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// As people and logs may name it: the first 8 digits of the hash.
    pub fn fingerprint(&self) -> String {
        hex(&self.hash).chars().take(8).collect()
    }

    /// Tells what is sent with it from what others send at the same address.
    pub fn number(&self) -> u64 {
        let first = self.hash.first_chunk::<8>();
        first.map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    /// The line of the file.
    pub fn to_line(&self) -> String {
        json!({
            "name": self.name,
            "sha256": hex(&self.hash),
            "site": self.site,
            "device": self.device,
            "networks": self.networks.texts(),
            "expires": self.expires,
        })
        .to_string()
    }
}

/// `None` where it is missing or null.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} must be a text")),
    }
}

fn networks(value: Option<&Value>) -> Result<Networks, String> {
    let is_wrong = || "networks must be a list such as [\"10.0.0.0/8\"]".to_owned();
    let texts = match value {
        None | Some(Value::Null) => return Ok(Networks::default()),
        Some(Value::Array(texts)) => texts.iter().map(|text| text.as_str().map(str::to_owned)),
        Some(_) => return Err(is_wrong()),
    };
    let texts: Option<Vec<_>> = texts.collect();
    BoxToken::networks_of(&texts.ok_or_else(is_wrong)?).map_err(|_| is_wrong())
}

fn expires(members: &Map<String, Value>) -> Result<Option<Timestamp>, String> {
    let is_wrong = || "expires must be a time such as 2027-01-31T00:00:00Z, or null".to_owned();
    let time = text(members, "expires").map_err(|_| is_wrong())?;
    time.map(str::parse).transpose().map_err(|_| is_wrong())
}

#[cfg(test)]
mod tests;
