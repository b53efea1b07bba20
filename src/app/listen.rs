//! Why a port cannot be had, and what to do about it: one remedy for each reason, since the wrong one costs a technician an hour.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;

/// Ports below it are the superuser's (ip(7), net.ipv4.ip_unprivileged_port_start).
const PRIVILEGED_BELOW: u16 = 1024;

/// What is said of a listener that did not come about; `key` is the setting that names its address.
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
