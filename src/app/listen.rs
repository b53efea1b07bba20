//! The listeners: how each is bound and served, and why a port cannot be had.
//!
//! Promises: a port stays open through a fault of ours; new connections wait in the kernel. Each reason for which a port cannot be had is told
//! with its own remedy, since the wrong one costs a technician an hour.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustix::io::Errno;

use super::tasks::Tasks;
use crate::ingest::{self, Listener, Port};

mod boxes;
mod descriptors;
mod encryptions;
pub mod links;

pub use boxes::{BoxAddresses, BoxListeners};
pub use descriptors::Shares;
pub use encryptions::{Encryptions, MadeEncryptions};
pub use links::LinksListener;

pub fn for_admin(address: SocketAddr) -> anyhow::Result<Listener> {
    Listener::bind(address).map_err(|error| cannot_listen("admin.listen", address, error))
}

/// Accepts connections from now on; `key` is the setting that names the listener's address.
pub fn serve<P: Port>(key: &'static str, listener: Listener, port: Arc<P>, tasks: &Tasks) {
    let listener = Arc::new(listener);
    let (connections, stop) = (tasks.tracker.clone(), tasks.stop.clone());

    tasks.keep(key, move || {
        let (listener, port) = (Arc::clone(&listener), Arc::clone(&port));
        let (connections, stop) = (connections.clone(), stop.clone());
        async move { ingest::serve(&listener, port, connections, stop).await }
    });
}

/// Ports below it are the superuser's (ip(7), net.ipv4.ip_unprivileged_port_start).
const PRIVILEGED_BELOW: u16 = 1024;

/// The error of a listener that could not be bound; `key` is the setting that names its address.
pub fn cannot_listen(key: &str, address: SocketAddr, error: io::Error) -> anyhow::Error {
    let text = format!(
        "cannot listen on {address} ({key}){}",
        remedy(address, &error)
    );
    anyhow::Error::from(error).context(text)
}

fn remedy(address: SocketAddr, error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::ADDRINUSE) => {
            ": is another boxbridge, or the vendor's receiver, still running?".to_owned()
        }
        Some(Errno::ACCESS | Errno::PERM) if address.port() < PRIVILEGED_BELOW => {
            format!(
                ": ports below {PRIVILEGED_BELOW} need the capability CAP_NET_BIND_SERVICE, take a higher one"
            )
        }
        Some(Errno::ACCESS | Errno::PERM) => {
            ": the system's rules (SELinux, seccomp) forbid it".to_owned()
        }
        Some(Errno::ADDRNOTAVAIL) => format!(
            ": {} is no address of this machine, see `ip address`",
            address.ip()
        ),
        Some(Errno::AFNOSUPPORT) => {
            ": this machine has no IPv6, take an IPv4 address such as 0.0.0.0".to_owned()
        }
        Some(Errno::MFILE | Errno::NFILE) => {
            ": too many files are open, raise the limit (ulimit -n)".to_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_remedy() {
        for (errno, address, part) in [
            (Errno::ADDRINUSE, "0.0.0.0:9528", "still running?"),
            (Errno::ACCESS, "0.0.0.0:80", "CAP_NET_BIND_SERVICE"),
            (Errno::ACCESS, "0.0.0.0:9528", "SELinux"),
            (
                Errno::ADDRNOTAVAIL,
                "10.9.8.7:9528",
                "10.9.8.7 is no address of this machine",
            ),
            (Errno::AFNOSUPPORT, "[::]:9528", "no IPv6"),
        ] {
            let said = format!(
                "{:#}",
                cannot_listen("ingest.listen", address.parse().unwrap(), errno.into())
            );
            assert!(
                said.starts_with(&format!("cannot listen on {address} (ingest.listen): ")),
                "{said}"
            );
            assert!(said.contains(part), "{said}");
            assert_eq!(
                said.contains("still running?"),
                errno == Errno::ADDRINUSE,
                "{said}"
            );
        }
    }
}
