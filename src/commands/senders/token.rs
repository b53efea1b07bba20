//! `boxbridge token`: makes, lists and revokes the tokens that boxes show.
//!
//! Promises: a token is printed once and kept nowhere, the file holds its hash; nothing that is printed beside it holds it. A gateway takes a
//! changed file within five seconds, without a restart. Deliberately asks no gateway, and needs no good settings: the file alone counts, and
//! the first token is made before the gateway can start.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use crate::commands::{EXIT_CONFIG, complain, note, refuse, say};
use boxbridge_config::{BoxToken, Layers, Tokens, duration, hex, token_hash};
use boxbridge_event::Timestamp;

mod file;

use file::TokensFile;

/// 160 bits of chance, 40 letters: 128 would do, and a URL has room for more.
const BYTES: usize = 20;

#[derive(Args)]
#[command(after_help = "Examples:
  boxbridge token new gate-3 --site lobby                     prints the token: http://HOST:9528/t/TOKEN/RealTimeEvent
  boxbridge token new gate-3b --device 192.168.1.243 --expires 90d
  boxbridge token new office --network 192.168.1.0/24 --network 10.0.0.7
  boxbridge token list
  boxbridge token revoke gate-3                               holds within 5 s, also on open connections")]
pub struct Options {
    #[command(subcommand)]
    which: Which,
    /// Where the tokens stand [default: ingest.tokens_file of the settings]
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Which {
    /// Make a token and print it, once
    #[command(after_help = "Example: boxbridge token new gate-3 --site lobby --expires 90d")]
    New(New),
    /// What is known of each token
    #[command(after_help = "Example: boxbridge token list --json | jq '.[] | select(.expired)'")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a token away
    #[command(after_help = "Example: boxbridge token revoke gate-3")]
    Revoke {
        /// What it is called
        name: String,
    },
}

#[derive(Args)]
struct New {
    /// What to call it: A-Z a-z 0-9 . _ -, each name once
    name: String,
    /// The site of all that is sent with it [default: site of the settings]
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// The only device whose events may be sent with it, as events name it: its address
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// From where it may be shown; may be repeated
    #[arg(long = "network", value_name = "NETWORK")]
    networks: Vec<String>,
    /// Until when it is good: 90d, or a time such as 2027-01-31
    #[arg(long, value_name = "TIME", value_parser = expires)]
    expires: Option<Timestamp>,
}

pub fn run(options: &Options, layers: &Layers) -> ExitCode {
    let file = match options.file(layers) {
        Ok(file) => file,
        Err(code) => return code,
    };
    let done = match &options.which {
        Which::New(new) => new.make(&file, layers),
        Which::List { json } => list(&file, *json),
        Which::Revoke { name } => revoke(&file, name),
    };
    done.unwrap_or_else(|problem| {
        complain(&problem);
        ExitCode::FAILURE
    })
}

impl Options {
    fn file(&self, layers: &Layers) -> Result<TokensFile, ExitCode> {
        if let Some(file) = &self.file {
            return Ok(TokensFile(file.clone()));
        }
        let file = layers.text("ingest.tokens_file");
        let file = file.map_err(|problems| refuse(&problems))?;
        if file.is_empty() {
            complain("ingest.tokens_file is not set: name the file there, or by --file");
            return Err(ExitCode::from(EXIT_CONFIG));
        }
        Ok(TokensFile(file.into()))
    }
}

impl New {
    fn make(&self, file: &TokensFile, layers: &Layers) -> Result<ExitCode, String> {
        let site = self.site.clone();
        let site = site.map_or_else(|| layers.text("site"), Ok);
        let (text, token) = made()?;
        let token = BoxToken {
            name: self.name.clone(),
            hash: token,
            site: site.map_err(|problems| problems.to_string())?,
            device: self.device.clone(),
            networks: BoxToken::networks_of(&self.networks)?,
            expires: self.expires,
        };
        token.check()?;

        file.change(|tokens| {
            if tokens.iter().any(|other| other.name == token.name) {
                return Err(format!("there is a token {} already", token.name));
            }
            Ok(tokens.iter().chain([&token]).cloned().collect())
        })?;

        say(&text);
        note(&format!(
            "This is the token {}; it is not shown again. The box posts to http://HOST:PORT/t/TOKEN/RealTimeEvent; its hash stands in {file}.",
            self.name
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// A new token, and its hash.
fn made() -> Result<(String, boxbridge_config::TokenHash), String> {
    let mut bytes = [0; BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| "the system gives no random bytes")?;

    let text = hex(&bytes);
    let hash = token_hash(text.as_bytes());
    Ok((text, hash))
}

fn revoke(file: &TokensFile, name: &str) -> Result<ExitCode, String> {
    file.change(|tokens| {
        let left: Tokens = tokens
            .iter()
            .filter(|it| it.name != name)
            .cloned()
            .collect();
        match left == *tokens {
            true => Err(format!("there is no token {name}: `boxbridge token list`")),
            false => Ok(left),
        }
    })?;
    note(&format!(
        "{name} is revoked: no gateway that reads {file} takes it after 5 s"
    ));
    Ok(ExitCode::SUCCESS)
}

fn list(file: &TokensFile, is_json: bool) -> Result<ExitCode, String> {
    let (tokens, now) = (file.read()?, Timestamp::now());
    if is_json {
        let rows: Vec<_> = tokens.iter().map(|token| row_in_json(token, now)).collect();
        say(&json!(rows).to_string());
        return Ok(ExitCode::SUCCESS);
    }

    if tokens.is_empty() {
        note(&format!("there is no token in {file}: no box can send"));
    }
    for token in tokens.iter() {
        say(&row(token, now));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(token: &BoxToken, now: Timestamp) -> String {
    let device = token.device.as_deref().unwrap_or("any device");
    let networks = match token.networks.is_empty() {
        true => "anywhere".to_owned(),
        false => token.networks.texts().join(" "),
    };
    let ends = token.expires.map_or("no end".to_owned(), |expires| {
        let word = if token.is_over(now) { "ended" } else { "ends" };
        format!("{word} {}", expires.for_people())
    });
    format!(
        "{:<24} site {:<16} {device:<24} from {networks:<24} {ends:<32} {}",
        token.name,
        token.site,
        token.fingerprint()
    )
}

fn row_in_json(token: &BoxToken, now: Timestamp) -> serde_json::Value {
    json!({
        "name": token.name,
        "site": token.site,
        "device": token.device,
        "networks": token.networks.texts(),
        "expires": token.expires,
        "expired": token.is_over(now),
        "fingerprint": token.fingerprint(),
    })
}

fn expires(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::now();
    let after = duration(text).filter(|after| *after > Duration::ZERO);
    let time = after.map_or_else(|| Timestamp::from_people(text, now), |it| Ok(now.plus(it)));

    let time = time.map_err(|_| {
        format!("{text:?} is neither a duration such as 90d nor a time such as 2027-01-31")
    })?;
    match time > now {
        true => Ok(time),
        false => Err(format!("{} is over", time.for_people())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tokens_are_the_same_and_each_is_safe_in_a_url() {
        let (one, hash) = made().unwrap();
        let (other, _) = made().unwrap();
        assert_ne!(one, other);
        assert_eq!(one.len(), 40);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(hash, token_hash(one.as_bytes()));
    }

    #[test]
    fn a_token_ends_in_the_future_or_never() {
        let in_days = |days: u64| Timestamp::now().plus(Duration::from_secs(days * 86_400));
        let ends = expires("90d").unwrap();
        assert!(in_days(89) < ends && ends < in_days(91));
        assert!(expires("2999-01-31").is_ok() && expires("2999-01-31T00:00:00Z").is_ok());
        for wrong in ["", "0s", "2019-01-01", "soon", "1h ago", "90"] {
            assert!(expires(wrong).is_err(), "{wrong}");
        }
    }
}
