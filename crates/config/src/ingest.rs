//! `[ingest]`: the boxes' port, who is let in there, its limits and deadlines, the quarantine, and the devices behind it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::reader::Reader;
use crate::reader::effect::LISTENS;
use crate::reader::units::{GIB, HOUR, KIB, MIB, MS, SECOND, TIB, YEAR};
use crate::reader::units::{written, written_size};
use crate::values::listener_tls::ListenerTls;
use crate::values::networks::Networks;
use boxbridge_event::Timestamp;

mod devices;
mod inventory;
mod tokens;

pub use devices::Devices;
pub use inventory::{Inventory, Listed};
pub use tokens::{BoxToken, Tokens};

#[derive(Clone, Debug)]
pub struct Ingest {
    /// In the clear; `None` = not at all.
    pub listen: Option<SocketAddr>,
    /// The same over TLS.
    pub tls_listen: Option<SocketAddr>,
    /// There where `tls_listen` is.
    pub tls: Option<ListenerTls>,
    /// Only a certificate of the right authority lets a box in there.
    pub asks_for_certificates: bool,
    /// In any case, without a trailing slash, as are the others.
    pub realtime_paths: Vec<String>,
    pub history_paths: Vec<String>,
    pub status_paths: Vec<String>,
    /// Where boxes may POST from; empty = from everywhere.
    pub allowed_networks: Networks,
    /// Where the tokens stand; `None` = there are none.
    pub tokens_file: Option<PathBuf>,
    /// Boxes show one of these; `None` = they show none.
    pub tokens: Option<Tokens>,
    /// What is open to others is meant to be.
    pub insecure: bool,
    /// We believe them about the client behind them.
    pub trusted_proxies: Networks,
    pub forwarded_by: ForwardedBy,
    pub drain_delay: Duration,
    pub answer_deadline: Duration,
    pub body_max_bytes: usize,
    pub history_body_max_bytes: usize,
    pub events_max: usize,
    pub pictures_max: usize,
    pub depth_max: usize,
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    /// Bytes per second.
    pub body_min_rate: u64,
    pub idle_timeout: Duration,
    pub connections_max: usize,
    pub in_flight_max_bytes: usize,
    pub in_flight_wait: Duration,
    pub quarantine: Quarantine,
    pub devices: Devices,
}

/// A port where boxes are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxPort {
    /// The setting that names it.
    pub key: &'static str,
    /// `http` or `https`.
    pub scheme: &'static str,
    pub address: SocketAddr,
}

impl BoxPort {
    pub fn is_encrypted(&self) -> bool {
        self.scheme == "https"
    }
}

/// How trusted proxies name the client behind them. Exactly one way counts: any other header may come from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedBy {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
    ProxyProtocol,
}

#[derive(Clone, Debug)]
pub struct Quarantine {
    pub max_bytes: u64,
    pub keep: Duration,
}

const LISTEN: &str = "ingest.listen";
const TLS_LISTEN: &str = "ingest.tls_listen";
const TLS_FILES: [&str; 2] = ["ingest.tls_cert_file", "ingest.tls_key_file"];
const CLIENT_CA: &str = "ingest.tls_client_ca_file";
const TOKENS_FILE: &str = "ingest.tokens_file";
/// The beginning of a path with a token in it.
const OF_TOKENS: &str = "/t/";
/// Time for somebody to give a box its next token.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// A real box hangs up then.
const BOX_PATIENCE: Duration = Duration::from_millis(500);

impl Ingest {
    /// `site` is that of a device whose line in the inventory names none.
    pub(crate) fn read(read: &mut Reader, site: &str) -> Ingest {
        let ways = [
            ("x-forwarded-for", ForwardedBy::XForwardedFor),
            ("forwarded", ForwardedBy::Forwarded),
            ("proxy-protocol", ForwardedBy::ProxyProtocol),
        ];
        let tokens_file = read.live().file(TOKENS_FILE);
        let tokens = tokens_file.as_deref().map(|file| tokens(read, file));

        let (tls, asks_for_certificates) = tls(read);

        Ingest {
            listen: read.by_restart(LISTENS).optional_address(LISTEN),
            tls_listen: read.by_restart(LISTENS).optional_address(TLS_LISTEN),
            tls,
            asks_for_certificates,
            realtime_paths: paths(read, "ingest.realtime_paths"),
            history_paths: paths(read, "ingest.history_paths"),
            status_paths: paths(read, "ingest.status_paths"),
            allowed_networks: read.live().networks("ingest.allowed_networks"),
            tokens_file,
            tokens,
            insecure: read.live().switch("ingest.insecure"),
            trusted_proxies: read.live().networks("ingest.trusted_proxies"),
            forwarded_by: read.live().word("ingest.forwarded_by", &ways),
            drain_delay: read
                .live()
                .duration("ingest.drain_delay", Duration::ZERO, HOUR),
            answer_deadline: read
                .live()
                .duration("ingest.answer_deadline", 10 * MS, 60 * SECOND),
            body_max_bytes: read.live().bytes("ingest.body_max_bytes", KIB, 64 * MIB),
            history_body_max_bytes: read.live().bytes(
                "ingest.history_body_max_bytes",
                KIB,
                512 * MIB,
            ),
            events_max: read.live().count("ingest.events_max", 1, 10_000),
            pictures_max: read.live().count("ingest.pictures_max", 1, 1_000),
            depth_max: read.live().count("ingest.depth_max", 4, 120),
            header_timeout: read.live().duration("ingest.header_timeout", 10 * MS, HOUR),
            body_timeout: read.live().duration("ingest.body_timeout", 10 * MS, HOUR),
            body_min_rate: read
                .live()
                .size_of("ingest.body_min_rate", "bytes per second", 1, GIB),
            idle_timeout: read.live().duration("ingest.idle_timeout", 10 * MS, HOUR),
            connections_max: read
                .by_restart("open files are shared out among the listeners at a start")
                .count("ingest.connections_max", 1, 1_000_000),
            in_flight_max_bytes: read
                .live()
                .bytes("ingest.in_flight_max_bytes", MIB, 16 * GIB),
            in_flight_wait: read.live().duration(
                "ingest.in_flight_wait",
                Duration::ZERO,
                60 * SECOND,
            ),
            quarantine: Quarantine::read(read),
            devices: Devices::read(read, site),
        }
    }

    /// The rules that join two of these.
    pub(crate) fn check(&self, read: &mut Reader) {
        self.check_ways_in(read);
        if self.body_max_bytes > self.in_flight_max_bytes / 4 {
            let (body, in_flight) = (
                written_size(self.body_max_bytes as u64),
                written_size(self.in_flight_max_bytes as u64),
            );
            let problem = format!(
                "ingest.body_max_bytes ({body}) is over a quarter of ingest.in_flight_max_bytes ({in_flight}), one source's share: no such body could arrive"
            );
            read.joint(
                &["ingest.body_max_bytes", "ingest.in_flight_max_bytes"],
                problem,
            );
        }

        if self.forwarded_by == ForwardedBy::ProxyProtocol && self.trusted_proxies.is_empty() {
            let problem = "ingest.forwarded_by = \"proxy-protocol\" with an empty ingest.trusted_proxies: nobody would be believed, name the proxies";
            read.joint(&["ingest.forwarded_by", "ingest.trusted_proxies"], problem);
        }
    }

    fn check_ways_in(&self, read: &mut Reader) {
        if self.listen.is_none() && self.tls_listen.is_none() {
            let problem = format!(
                "{LISTEN} and {TLS_LISTEN} are both empty: no box could reach this gateway"
            );
            read.joint(&[LISTEN, TLS_LISTEN], problem);
        }
        if self.tls_listen.is_some() && self.tls.is_none() {
            let [certificate, key] = TLS_FILES;
            let problem = format!("{TLS_LISTEN} needs {certificate} and {key}");
            read.joint(&[TLS_LISTEN, certificate, key], problem);
        }

        if self.asks_for_certificates && self.tls_listen.is_none() {
            let problem =
                format!("{CLIENT_CA} without {TLS_LISTEN}: nobody could show a certificate");
            read.joint(&[CLIENT_CA, TLS_LISTEN], problem);
        }
        let is_meant = self.insecure || self.tokens.is_some();
        if self.asks_for_certificates && self.listen.is_some() && !is_meant {
            let problem = format!(
                "{CLIENT_CA} beside {LISTEN}: who has no certificate would send to the plain port; set {LISTEN} = \"\", or {TOKENS_FILE}, or ingest.insecure = true"
            );
            read.joint(&[CLIENT_CA, LISTEN], problem);
        }
    }

    /// The ports where boxes are taken.
    pub fn ports(&self) -> impl Iterator<Item = BoxPort> {
        let port = |key, scheme| {
            move |address| BoxPort {
                key,
                scheme,
                address,
            }
        };
        let plain = self.listen.map(port(LISTEN, "http"));
        let encrypted = self.tls_listen.map(port(TLS_LISTEN, "https"));
        plain.into_iter().chain(encrypted)
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.trusted_proxies.has_everyone() {
            warnings.push(
                "ingest.trusted_proxies holds every address: anyone can claim any address"
                    .to_owned(),
            );
        }

        warnings.extend(self.who_may_send());
        if self.answer_deadline >= BOX_PATIENCE {
            let (deadline, patience) = (written(self.answer_deadline), written(BOX_PATIENCE));
            warnings.push(format!(
                "ingest.answer_deadline ({deadline}) is not under a box's patience ({patience}): boxes hang up before they are answered, and count the event as lost"
            ));
        }
        warnings
    }

    /// Who may send that need not, or that nobody may.
    fn who_may_send(&self) -> Option<String> {
        match &self.tokens {
            None => self.who_needs_nothing(),
            Some(tokens) if tokens.is_empty() => Some(format!(
                "{TOKENS_FILE} holds no token: no box can send, `boxbridge token new` makes one"
            )),
            Some(tokens) => soon_over(tokens),
        }
    }

    /// Where there are no tokens.
    fn who_needs_nothing(&self) -> Option<String> {
        let is_open = |port: &BoxPort| !(port.is_encrypted() && self.asks_for_certificates);
        let open = self.ports().filter(is_open);
        let open: Vec<_> = open.map(|port| port.address.to_string()).collect();
        let listen = open.join(" or ");
        (!open.is_empty()).then(|| match self.allowed_networks.is_empty() {
                true => format!(
                    "anyone who reaches {listen} may post events, as with the vendor's receiver: {TOKENS_FILE} lets in boxes with a token alone, ingest.allowed_networks their networks alone"
                ),
                false => format!(
                    "anyone in ingest.allowed_networks may post events to {listen}: {TOKENS_FILE} lets in boxes with a token alone"
                ),
            })
    }
}

/// A token that ends silences its box.
fn soon_over(tokens: &Tokens) -> Option<String> {
    let soon = Timestamp::now().plus(SOON);
    let mut over = tokens.iter().filter(|token| token.is_over(soon));
    let (first, more) = (over.next()?, over.count());
    let (name, ends) = (&first.name, first.expires.unwrap_or_default());

    let others = match more {
        0 => String::new(),
        more => format!(", and {more} more end soon"),
    };
    Some(format!(
        "the token {name} of {TOKENS_FILE} ends at {ends}{others}: `boxbridge token new` makes its successor"
    ))
}

/// Nobody is let in by a file that cannot be read.
fn tokens(read: &mut Reader, file: &Path) -> Tokens {
    Tokens::read(file).unwrap_or_else(|problem| {
        read.lines(TOKENS_FILE, problem);
        Tokens::default()
    })
}

impl Quarantine {
    fn read(read: &mut Reader) -> Quarantine {
        Quarantine {
            max_bytes: read.live().size("ingest.quarantine.max_bytes", 0, TIB),
            keep: read
                .live()
                .duration("ingest.quarantine.keep", SECOND, 10 * YEAR),
        }
    }
}

/// And whether boxes are asked for a certificate of their own.
fn tls(read: &mut Reader) -> (Option<ListenerTls>, bool) {
    let tls = read.listener_tls("ingest");
    let client_ca_file = read.live().certificates(CLIENT_CA);
    let asks_for_certificates = client_ca_file.is_some();
    let tls = tls.map(|tls| ListenerTls {
        client_ca_file,
        ..tls
    });
    (tls, asks_for_certificates)
}

fn paths(read: &mut Reader, key: &str) -> Vec<String> {
    let paths = read.live().list(key);
    if paths.iter().any(|path| !path.starts_with('/')) {
        read.problem(key, "a path starts with /");
    }
    if paths
        .iter()
        .any(|path| path.to_lowercase().starts_with(OF_TOKENS))
    {
        read.problem(key, "no path starts with /t/: a token stands there");
    }
    paths
        .iter()
        .map(|path| path.trim_end_matches('/').to_owned())
        .collect()
}
