//! `[ingest]`: the boxes' port, its limits and deadlines, the quarantine, and the devices behind it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::reader::Reader;
use crate::reader::effect::LISTENS;
use crate::reader::units::{GIB, HOUR, KIB, MIB, MS, SECOND, TIB, YEAR};
use crate::reader::units::{written, written_size};
use crate::values::listener_tls::ListenerTls;
use crate::values::networks::Networks;

mod devices;
mod inventory;

pub use devices::Devices;
pub use inventory::{Inventory, Listed};

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
    /// An open way in is meant.
    pub insecure: bool,
    /// In any case, without a trailing slash, as are the others.
    pub realtime_paths: Vec<String>,
    pub history_paths: Vec<String>,
    pub status_paths: Vec<String>,
    /// Where boxes may POST from; empty = from everywhere.
    pub allowed_networks: Networks,
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

        let (tls, asks_for_certificates) = tls(read);

        Ingest {
            listen: read.by_restart(LISTENS).optional_address(LISTEN),
            tls_listen: read.by_restart(LISTENS).optional_address(TLS_LISTEN),
            tls,
            asks_for_certificates,
            insecure: read.live().switch("ingest.insecure"),
            realtime_paths: paths(read, "ingest.realtime_paths"),
            history_paths: paths(read, "ingest.history_paths"),
            status_paths: paths(read, "ingest.status_paths"),
            allowed_networks: read.live().networks("ingest.allowed_networks"),
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
        if self.asks_for_certificates && self.listen.is_some() && !self.insecure {
            let problem = format!(
                "{CLIENT_CA} beside {LISTEN}: who has no certificate would send to the plain port; set {LISTEN} = \"\", or ingest.insecure = true"
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

        let is_open = |port: &BoxPort| {
            let is_guarded = port.is_encrypted() && self.asks_for_certificates;
            !is_guarded && !port.address.ip().is_loopback() && self.allowed_networks.is_empty()
        };
        warnings.extend(self.ports().filter(is_open).map(|BoxPort { address, .. }| {
            format!(
                "anyone who reaches {address} can post events, as with the vendor's receiver: keep it on the boxes' network, or name that in ingest.allowed_networks"
            )
        }));

        if self.answer_deadline >= BOX_PATIENCE {
            let (deadline, patience) = (written(self.answer_deadline), written(BOX_PATIENCE));
            warnings.push(format!(
                "ingest.answer_deadline ({deadline}) is not under a box's patience ({patience}): boxes hang up before they are answered, and count the event as lost"
            ));
        }
        warnings
    }
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
    paths
        .iter()
        .map(|path| path.trim_end_matches('/').to_owned())
        .collect()
}
