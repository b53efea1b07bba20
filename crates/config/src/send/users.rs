//! `[send.mqtt.embedded] users_file`: who may subscribe to the broker in this process, in the form of mosquitto's password file.
//!
//! Promises: every bad line is found and said by its number alone, never by what stands in it. Deliberately takes one form of hash,
//! `$7$iterations$salt$hash` (PBKDF2 with SHA-512): `mosquitto_passwd -H sha512-pbkdf2` writes it, and a plain password is a bad line.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use crate::values::lines::{LinesProblem, bytes_of};

/// By name. Clones share the users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerUsers(Arc<BTreeMap<String, PasswordHash>>);

/// What is kept of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordHash {
    pub iterations: NonZeroU32,
    pub salt: Vec<u8>,
    pub hash: Vec<u8>,
}

/// A login costs a client's word and our time: more than this many rounds, some tenths of a second, are not taken.
const ITERATIONS_MAX: u32 = 100_000;
/// Of SHA-512.
const HASH_BYTES: usize = 64;
const BYTES_MAX: u64 = 1 << 20;
const NAME_MAX: usize = 256;

impl BrokerUsers {
    pub(crate) fn read(file: &Path) -> Result<BrokerUsers, LinesProblem> {
        let usual = "is over 1MiB: a file of 1000 users has a fifth of that";
        let bytes = bytes_of(file, BYTES_MAX, usual)?;
        BrokerUsers::parse(&bytes).map_err(LinesProblem::Lines)
    }

    fn parse(bytes: &[u8]) -> Result<BrokerUsers, Vec<String>> {
        let (mut users, mut problems) = (BTreeMap::new(), Vec::new());
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }

            let added = of_line(line).and_then(|(name, password)| {
                let is_new = users.insert(name, password).is_none();
                let again = "its name stands in an earlier line already";
                is_new.then_some(()).ok_or_else(|| again.to_owned())
            });
            let problem = added.map_err(|problem| format!("line {number}: {problem}"));
            problems.extend(problem.err());
        }

        match problems.is_empty() {
            true => Ok(BrokerUsers(Arc::new(users))),
            false => Err(problems),
        }
    }

    pub fn get(&self, name: &str) -> Option<&PasswordHash> {
        self.0.get(name)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn of_line(line: &[u8]) -> Result<(String, PasswordHash), String> {
    let wrong = "must be NAME:$7$…, as `mosquitto_passwd -H sha512-pbkdf2` writes it";
    let text = std::str::from_utf8(line).map_err(|_| "is not UTF-8")?;
    let (name, hash) = text.split_once(':').ok_or(wrong)?;
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(wrong.to_owned());
    }

    let parts: Vec<_> = hash.split('$').collect();
    let ["", "7", iterations, salt, hash] = parts[..] else {
        return Err(wrong.to_owned());
    };
    let iterations = iterations.parse().ok();
    let iterations = iterations.filter(|it: &NonZeroU32| it.get() <= ITERATIONS_MAX);
    let bytes = |text: &str| base64_simd::STANDARD.decode_to_vec(text).ok();
    let password = PasswordHash {
        iterations: iterations
            .ok_or_else(|| format!("its iterations must be from 1 to {ITERATIONS_MAX}"))?,
        salt: bytes(salt).ok_or(wrong)?,
        hash: bytes(hash)
            .filter(|hash| hash.len() == HASH_BYTES)
            .ok_or(wrong)?,
    };
    Ok((name.to_owned(), password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, iterations: &str) -> String {
        let base64 = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
        let (salt, hash) = (base64(b"salt of ours"), base64(&[7; HASH_BYTES]));
        format!("{name}:$7${iterations}${salt}${hash}")
    }

    #[test]
    fn users_stand_one_a_line_as_mosquitto_writes_them() {
        let text = format!(
            "# screens\n{}\r\n\n{}\n",
            line("wall", "101"),
            line("东门", "1000")
        );
        let users = BrokerUsers::parse(text.as_bytes()).unwrap();
        let wall = users.get("wall").unwrap();
        assert_eq!(
            (wall.iterations.get(), &wall.salt[..]),
            (101, &b"salt of ours"[..])
        );
        assert!(users.get("东门").is_some() && users.get("Wall").is_none());
        assert!(BrokerUsers::parse(b"").unwrap().is_empty());
    }

    #[test]
    fn a_bad_line_is_said_by_its_number_and_never_by_what_stands_in_it() {
        for (bad, part) in [
            ("canary".to_owned(), "must be NAME:$7$"),
            ("wall:canary".to_owned(), "must be NAME:$7$"),
            ("wall:$6$canary$canary".to_owned(), "must be NAME:$7$"),
            ("wall:$7$101$canary!$canary".to_owned(), "must be NAME:$7$"),
            (
                "wall:$7$101$Y2FuYXJ5$Y2FuYXJ5".to_owned(),
                "must be NAME:$7$",
            ),
            (line("", "101"), "must be NAME:$7$"),
            (line("canary", "0"), "iterations must be"),
            (line("canary", "100001"), "iterations must be"),
            (line("first", "101"), "its name stands in an earlier line"),
        ] {
            let text = format!("{}\n{bad}", line("first", "101"));
            let problems = BrokerUsers::parse(text.as_bytes()).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(
                problems[0].starts_with("line 2: ") && problems[0].contains(part),
                "{problems:?}"
            );
            assert!(!problems[0].contains("canary"), "{problems:?}");
        }
    }
}
