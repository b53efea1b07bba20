//! File descriptors: how many this process may have, and how many each listener may use.
//!
//! Promises: however many connect, enough are left for the log, the stores and the brokers; so a roll of the log always finds one.
//! Deliberately counts nothing while the gateway runs: every listener keeps to its own share.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::queue;
use boxbridge_config::Config;

/// For all but segments and connections: cursors, stores and their uploads, brokers, set-aside and quarantine files, the runtime.
const OWN: usize = 160;
/// `OWN` is enough for so many destinations.
const USUAL: usize = 3;
/// For each further destination: two cursors, connections in two lanes, and look-ups of names.
const EACH: usize = 24;
/// Prometheus, probes, an operator's console: more than anyone needs.
const ADMIN_MAX: usize = 64;
/// A guard's browser keeps six.
const LINKS_MAX: usize = 96;
/// The smallest share with which a listener is of use.
const LEAST: usize = 16;

/// How many connections each listener may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// The boxes' port: places. Half as many more may wait for one.
    pub ingest: usize,
    pub admin: usize,
    /// Who looks at pictures.
    pub links: usize,
    /// The broker in this process.
    pub embedded: usize,
}

impl Shares {
    /// Raises the limit as far as it goes, and shares it out; says so where the settings want more.
    pub fn take(config: &Config) -> Shares {
        let limit = raise();
        let has_embedded = config.send.mqtt().is_some_and(|mqtt| mqtt.broker.is_none());
        let segments = queue::Settings::from(config).segments_max();
        let own = segments + EACH * config.send.destinations.len().saturating_sub(USUAL);

        let shares = Shares::of(limit, own, has_embedded, config.ingest.connections_max);
        if shares.ingest < config.ingest.connections_max {
            tracing::warn!(
                ingest.connections_max = config.ingest.connections_max,
                descriptors = limit,
                taken = shares.ingest,
                "the limit on open files (ulimit -n) is too low for so many connections: fewer are taken"
            );
        }

        shares
    }

    fn of(limit: usize, segments: usize, has_embedded: bool, connections_max: usize) -> Shares {
        let left = limit.saturating_sub(OWN + segments);
        let admin = ADMIN_MAX.min(left / 8).max(LEAST);
        let left = left.saturating_sub(admin + admin.div_ceil(2));
        let links = LINKS_MAX.min(left / 8).max(LEAST);
        let left = left.saturating_sub(links + links.div_ceil(2));

        // The boxes come first: what they may have by the settings, with the line for it, or three quarters.
        let wanted = connections_max + connections_max.div_ceil(2);
        let embedded = left.saturating_sub(wanted).max(left / 4).max(LEAST);
        let embedded = if has_embedded { embedded } else { 0 };

        let ingest =
            (left.saturating_sub(embedded) / 3 * 2).clamp(LEAST, connections_max.max(LEAST));
        Shares {
            ingest: ingest.min(connections_max),
            admin,
            links,
            embedded,
        }
    }
}

/// The soft limit raised to the hard one. Where that fails it stays what it is.
fn raise() -> usize {
    let before = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: before.maximum,
            maximum: before.maximum,
        },
    );
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(now).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_limit_all_shares_and_the_reserve_fit_below_it() {
        for limit in [512, 1_024, 4_096, 20_000, 1 << 20] {
            for (has_embedded, connections_max) in
                [(true, 1_024), (false, 1_024), (true, 1_000_000), (true, 1)]
            {
                let Shares {
                    ingest,
                    admin,
                    links,
                    embedded,
                } = Shares::of(limit, 170, has_embedded, connections_max);
                let all = [ingest, admin, links]
                    .map(|share| share + share.div_ceil(2))
                    .iter()
                    .sum::<usize>()
                    + OWN
                    + 170
                    + embedded;
                assert!(all <= limit + 3, "{limit}: {ingest} {admin} {embedded}");
                assert!(ingest >= LEAST.min(connections_max) && ingest <= connections_max);
            }
        }
        assert_eq!(Shares::of(1 << 20, 170, true, 1_024).ingest, 1_024);
    }
}
