//! `[ingest]`: the boxes' port, its limits and deadlines, the quarantine, and the devices behind it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::reader::Reader;
use crate::reader::effect::LISTENS;
use crate::reader::units::{GIB, HOUR, KIB, MIB, MS, SECOND, TIB, YEAR};
use crate::reader::units::{written, written_size};
use crate::values::networks::Networks;

mod devices;
mod inventory;

pub use devices::Devices;
pub use inventory::{Inventory, Listed};

#[derive(Clone, Debug)]
pub struct Ingest {
    pub listen: SocketAddr,
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

        Ingest {
            listen: read.by_restart(LISTENS).address("ingest.listen"),
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

    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.trusted_proxies.has_everyone() {
            warnings.push(
                "ingest.trusted_proxies holds every address: anyone can claim any address"
                    .to_owned(),
            );
        }

        if !self.listen.ip().is_loopback() && self.allowed_networks.is_empty() {
            warnings.push(format!(
                "anyone who reaches {} can post events, as with the vendor's receiver: keep it on the boxes' network, or name that in ingest.allowed_networks",
                self.listen
            ));
        }

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
