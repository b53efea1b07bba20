//! `[send.<name>]` of kind kafka: the brokers, and the topics that are made there.

use std::net::Ipv6Addr;
use std::time::Duration;

use super::tls::{self, Tls};
use crate::reader::Reader;
use crate::reader::units::{KIB, MIB, SECOND};
use crate::values::secret::Secret;

#[derive(Clone, Debug)]
pub struct Kafka {
    /// `host:port,host:port`.
    pub brokers: String,
    pub create_topics: bool,
    pub partitions: i32,
    /// −1 = the brokers' default.
    pub replication: i32,
    pub encrypted: bool,
    pub sasl: Option<Sasl>,
    pub tls: Tls,
    pub max_message_bytes: usize,
    pub linger: Duration,
    pub compression: String,
}

#[derive(Clone, Debug)]
pub struct Sasl {
    pub mechanism: String,
    pub username: String,
    pub password: Secret,
    /// Who lends us a token for them, which the brokers are shown instead.
    pub token: Option<TokenEndpoint>,
}

#[derive(Clone, Debug)]
pub struct TokenEndpoint {
    pub url: String,
    pub scope: Option<String>,
}

/// By a token.
const BEARER: &str = "OAUTHBEARER";
const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", BEARER];
const COMPRESSIONS: [&str; 4] = ["none", "gzip", "snappy", "lz4"];

impl Kafka {
    pub(crate) fn warnings(&self, section: &str) -> Vec<String> {
        let token = self.sasl.as_ref().and_then(|sasl| sasl.token.as_ref());
        let clear = token.filter(|token| token.url.starts_with("http://"));
        let warning = clear.map(|token| {
            let url = &token.url;
            format!("{section}.oauth_url {url} is not encrypted: the password crosses the network in the clear")
        });
        warning.into_iter().collect()
    }

    /// `None` = off.
    pub(crate) fn read(read: &mut Reader, section: &str) -> Option<Kafka> {
        let key = |name: &str| format!("{section}.{name}");
        let brokers = read.live().optional(&key("brokers"))?;
        if brokers.split(',').any(|broker| !is_broker(broker.trim())) {
            let allowed = format!(
                "must be host:port,host:port without a scheme, a user or a path; TLS is {section}.security"
            );
            read.problem(&key("brokers"), allowed);
        }

        let (encrypted, sasl) = security(read, section);
        let makes_topics = [("missing", true), ("never", false)];
        let compressions = COMPRESSIONS.map(|word| (word, word));
        Some(Kafka {
            brokers,
            create_topics: read.live().word(&key("create_topics"), &makes_topics),
            partitions: i32::try_from(read.live().whole(&key("partitions"), 1, 10_000))
                .unwrap_or(1),
            replication: i32::try_from(read.live().whole(&key("replication"), -1, 100))
                .unwrap_or(-1),
            encrypted,
            sasl,
            tls: tls::read(read, section),
            max_message_bytes: read.live().bytes(&key("max_message_bytes"), KIB, 256 * MIB),
            linger: read.live().duration(&key("linger"), Duration::ZERO, SECOND),
            compression: read
                .live()
                .word(&key("compression"), &compressions)
                .to_owned(),
        })
    }
}

/// Whether the line is encrypted, and who we are to the brokers.
fn security(read: &mut Reader, section: &str) -> (bool, Option<Sasl>) {
    let [security, mechanism, username, password] =
        ["security", "sasl_mechanism", "username", "password"]
            .map(|name| format!("{section}.{name}"));
    let protocols = [
        ("plaintext", (false, false)),
        ("ssl", (true, false)),
        ("sasl_plaintext", (false, true)),
        ("sasl_ssl", (true, true)),
    ];
    let (encrypted, authenticated) = read.live().word(&security, &protocols);

    let words = MECHANISMS.map(|word| (word, word));
    let word = read.live().word(&mechanism, &words);
    let token = token(read, section, authenticated && word == BEARER);
    let sasl = Sasl {
        mechanism: word.to_owned(),
        username: read.live().text(&username),
        password: read.live().secret(&password),
        token,
    };

    let is_incomplete = sasl.username.is_empty() || sasl.password.is_empty();
    if authenticated && is_incomplete && read.are_good(&[&username, &password]) {
        read.problem(
            &security,
            format!("needs {username} and a password (environment) or password_file"),
        );
    }
    (encrypted, authenticated.then_some(sasl))
}

fn token(read: &mut Reader, section: &str, is_wanted: bool) -> Option<TokenEndpoint> {
    let [url_key, scope_key] = ["oauth_url", "oauth_scope"].map(|name| format!("{section}.{name}"));
    let url = read.live().http_url(&url_key);
    let scope = read.live().optional(&scope_key);

    match (is_wanted, url) {
        (true, Some(url)) => Some(TokenEndpoint { url, scope }),
        (true, None) => {
            if read.are_good(&[&url_key]) {
                let problem =
                    format!("{section}.sasl_mechanism {BEARER} needs who lends the token");
                read.problem(&url_key, problem);
            }
            None
        }
        (false, _) => None,
    }
}

/// `host`, `host:port`, `1.2.3.4:9092`, `[::1]:9092`.
fn is_broker(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));

    let inside = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_host = match inside {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_alphanumeric() || ".-_".contains(c))
        }
    };
    is_port && is_host
}
