//! How boxes come in: what a gateway asks of them, and what they show it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use boxbridge_config::{hex, token_hash};
use boxbridge_proof::simulate::{self, Way};

use crate::parts::Parts;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Open,
    /// Only for who shows one of so many tokens.
    Tokens(usize),
    Tls,
}

/// What boxes are given to come in.
pub struct Key {
    pub way: Way,
    /// Of the URL.
    pub path: String,
}

impl Door {
    /// Of a gateway that keeps its files below this directory.
    pub fn settings(self, address: SocketAddr, directory: &Path, parts: &Parts) -> Vec<String> {
        match self {
            Door::Open => vec![format!("ingest.listen={address}")],
            Door::Tokens(count) => {
                let file = tokens_file(directory, count);
                vec![
                    format!("ingest.listen={address}"),
                    format!("ingest.tokens_file={}", file.display()),
                ]
            }
            Door::Tls => {
                let (certificate, key) = parts.certificates().server();
                vec![
                    "ingest.listen=".to_owned(),
                    format!("ingest.tls_listen={address}"),
                    format!("ingest.tls_cert_file={}", certificate.display()),
                    format!("ingest.tls_key_file={}", key.display()),
                ]
            }
        }
    }

    pub fn key(self, address: SocketAddr, parts: &Parts) -> Key {
        let path = match self {
            Door::Open | Door::Tls => "/RealTimeEvent".to_owned(),
            Door::Tokens(count) => format!("/t/{}/RealTimeEvent", token(count - 1)),
        };
        let way = match self {
            Door::Open | Door::Tokens(_) => Way::to(address),
            Door::Tls => encrypted(address, parts.certificates().authority()),
        };
        Key { way, path }
    }
}

fn token(number: usize) -> String {
    format!("{number:032x}")
}

fn tokens_file(directory: &Path, count: usize) -> PathBuf {
    let line = |number| {
        let hash = hex(&token_hash(token(number).as_bytes()));
        format!("{{\"name\":\"box-{number}\",\"sha256\":\"{hash}\",\"site\":\"lobby\"}}\n")
    };
    let file = directory.join("tokens");
    let lines: String = (0..count).map(line).collect();
    std::fs::write(&file, lines).expect("a file of tokens");
    file
}

fn encrypted(address: SocketAddr, authority: PathBuf) -> Way {
    let url = format!("https://{address}/");
    let options = simulate::Options {
        url: url.parse().expect("a URL"),
        ca_file: Some(authority),
        ..simulate::Options::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(Way::of(&options)).expect("TLS")
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Door::Open => Ok(()),
            Door::Tokens(count) => write!(f, ", {count} tokens"),
            Door::Tls => f.write_str(", TLS"),
        }
    }
}
