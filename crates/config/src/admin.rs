//! `[admin]`: the second listener, and the tokens that open what stands under `/api`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::reader::Reader;
use crate::reader::effect::LISTENS;
use crate::values::listener_tls::ListenerTls;
use crate::values::secret::Secret;

#[derive(Clone, Debug)]
pub struct Admin {
    pub listen: SocketAddr,
    /// `None`: it speaks no TLS.
    pub tls: Option<ListenerTls>,
    /// Where the tokens stand; `None` where there are none.
    pub token_file: Option<PathBuf>,
    /// Everybody who asks shows one of these; `None` = only this machine may ask, and shows none.
    pub tokens: Option<Vec<Secret>>,
}

/// A token that is shorter could be guessed.
const SHORTEST: usize = 16;
/// A header has to hold it.
const LONGEST: usize = 512;

const TOKEN_FILE: &str = "admin.token_file";

impl Admin {
    pub(crate) fn read(read: &mut Reader) -> Admin {
        let listen = read.by_restart(LISTENS).address("admin.listen");
        let token_file = read.live().file(TOKEN_FILE);
        let tokens = token_file.as_deref().map(|file| tokens(read, file));

        Admin {
            listen,
            tls: read.listener_tls("admin"),
            token_file,
            tokens,
        }
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let is_reached = !self.listen.ip().is_loopback() && self.tokens.is_some();
        let is_open = is_reached && self.tls.is_none();
        let warning = format!(
            "admin.listen ({}) speaks no TLS: the tokens of {TOKEN_FILE} cross the network in the clear, set admin.tls_cert_file and admin.tls_key_file",
            self.listen
        );
        Vec::from_iter(is_open.then_some(warning))
    }
}

/// None of them where the file is wrong: nobody is let in by a file that cannot be read.
fn tokens(read: &mut Reader, file: &Path) -> Vec<Secret> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read it: {error}"));
    text.and_then(|text| tokens_of(&text))
        .unwrap_or_else(|problem| {
            read.problem(TOKEN_FILE, problem);
            Vec::new()
        })
}

/// One a line. Says which line is wrong, and never what stands in it.
fn tokens_of(text: &str) -> Result<Vec<Secret>, String> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let written: Vec<_> = lines.filter(|(_, line)| !line.is_empty()).collect();

    if let Some((number, _)) = written.iter().find(|(_, line)| !is_token(line)) {
        return Err(format!(
            "line {number} is no token: one a line, {SHORTEST} to {LONGEST} letters, digits and signs without blanks"
        ));
    }
    if written.is_empty() {
        return Err("it holds no token: `openssl rand -hex 32` makes one".to_owned());
    }
    Ok(written
        .into_iter()
        .map(|(_, line)| Secret::new(line))
        .collect())
}

fn is_token(line: &str) -> bool {
    (SHORTEST..=LONGEST).contains(&line.len()) && line.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stand_one_a_line_and_a_wrong_line_is_named_by_its_number_alone() {
        let tokens = tokens_of("\n0123456789abcdef\r\n  ~!\"#$%&'()*+,-./:;  \n\n").unwrap();
        let shown: Vec<_> = tokens.iter().map(Secret::expose).collect();
        assert_eq!(shown, ["0123456789abcdef", "~!\"#$%&'()*+,-./:;"]);

        for (text, part) in [
            ("", "it holds no token"),
            ("\n \n", "it holds no token"),
            ("0123456789abcdef\ncanary", "line 2 is no token"),
            ("canary with a blank in it", "line 1 is no token"),
            ("canary-of-umlauts-ä", "line 1 is no token"),
        ] {
            let problem = tokens_of(text).unwrap_err();
            assert!(problem.starts_with(part), "{problem}");
            assert!(!problem.contains("canary"), "{problem}");
        }
    }
}
