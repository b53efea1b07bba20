//! One look at a running gateway: its `/api/status`, over the admin listener.
//!
//! Promises: it ends within [`PATIENCE`], whatever the other side does.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::admin::snapshot::Snapshot;
use boxbridge_config::reached;
use boxbridge_proof::simulate::client::{Answer, Client, Connection, NoAnswer};

/// The time for all answers together. A container's health check allows a few seconds for the whole command.
const PATIENCE: Duration = Duration::from_secs(2);
const PORT: u16 = 9529;

/// The address of an admin listener: `http://HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminAddress {
    /// With the port, as it goes into the `Host` header.
    authority: String,
}

/// A snapshot of the gateway, and when it was taken.
#[derive(Clone, Debug)]
pub struct Look {
    pub at: Instant,
    pub snapshot: Snapshot,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    #[error("its name has no address")]
    NoSuchHost,
    #[error("nobody listens there")]
    NobodyListens,
    #[error("no answer within {PATIENCE:?}")]
    Silent,
    #[error("what answers there is no admin listener of boxbridge")]
    Somebody,
    #[error(
        "it tells its status only on its own machine, at http://127.0.0.1 or http://localhost, which its admin.listen must include"
    )]
    Refused,
    #[error("it is older than this program and has no /api/status")]
    Older,
}

impl AdminAddress {
    /// The configured listener's address, as it is reached from this machine.
    pub fn of(listen: SocketAddr) -> AdminAddress {
        AdminAddress {
            authority: reached(listen).to_string(),
        }
    }

    pub async fn look(&self) -> Result<Look, Unreachable> {
        let deadline = Instant::now() + PATIENCE;
        let found = timeout_at(deadline, tokio::net::lookup_host(&self.authority))
            .await
            .map_err(|_| Unreachable::Silent)?;
        let addresses: Vec<_> = found.map_err(|_| Unreachable::NoSuchHost)?.collect();

        // A name such as localhost may have an address of either family, and the gateway may listen on only one.
        let mut last = Unreachable::NoSuchHost;
        for address in addresses {
            match self.look_at(address, deadline).await {
                Err(Unreachable::NobodyListens) => last = Unreachable::NobodyListens,
                looked => return looked,
            }
        }
        Err(last)
    }

    async fn look_at(&self, address: SocketAddr, deadline: Instant) -> Result<Look, Unreachable> {
        let mut client = Client::new(address, Connection::KeepAlive);
        let answer = self.get(&mut client, "/api/status", deadline).await?;

        match answer.status {
            200 => Look::read(&answer.body),
            403 => Err(Unreachable::Refused),
            404 => {
                let ready = self.get(&mut client, "/readyz", deadline).await?;
                Err(without_status(&ready.body))
            }
            _ => Err(Unreachable::Somebody),
        }
    }

    async fn get(
        &self,
        client: &mut Client,
        path: &str,
        deadline: Instant,
    ) -> Result<Answer, Unreachable> {
        let request = Bytes::from(format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.authority
        ));
        client
            .send(&[request], deadline)
            .await
            .map_err(|error| match error {
                NoAnswer::ConnectFailed => Unreachable::NobodyListens,
                NoAnswer::Timeout => Unreachable::Silent,
                NoAnswer::ConnectionLost | NoAnswer::AnswerInvalid => Unreachable::Somebody,
            })
    }
}

impl Look {
    fn read(body: &[u8]) -> Result<Look, Unreachable> {
        let snapshot = serde_json::from_slice(body).map_err(|_| Unreachable::Somebody)?;
        Ok(Look {
            at: Instant::now(),
            snapshot,
        })
    }
}

/// Who answers `/readyz` so, but has no `/api/status`.
fn without_status(readyz: &[u8]) -> Unreachable {
    let report: Value = serde_json::from_slice(readyz).unwrap_or_default();
    if report.get("ready").is_some_and(Value::is_boolean) {
        Unreachable::Older
    } else {
        Unreachable::Somebody
    }
}

impl std::fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

impl FromStr for AdminAddress {
    type Err = String;

    fn from_str(url: &str) -> Result<AdminAddress, String> {
        let allowed = || "must be http://HOST[:PORT], the address of admin.listen".to_owned();
        let rest = url.strip_prefix("http://").ok_or_else(allowed)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.is_empty()
            || authority.contains(|c: char| c.is_control() || " /?#@".contains(c))
        {
            return Err(allowed());
        }

        let port = authority
            .rsplit_once(':')
            .map(|(_, port)| port)
            .filter(|port| !port.ends_with(']'));
        match port {
            Some(port) if port.parse::<u16>().is_err() => Err(allowed()),
            Some(_) => Ok(AdminAddress {
                authority: authority.to_owned(),
            }),
            None => Ok(AdminAddress {
                authority: format!("{authority}:{PORT}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_where_the_admin_listener_is_reached() {
        for (url, place) in [
            ("http://edge-1", "http://edge-1:9529"),
            ("http://edge-1:80/", "http://edge-1:80"),
            ("http://[::1]", "http://[::1]:9529"),
            ("http://[::1]:1", "http://[::1]:1"),
        ] {
            assert_eq!(
                url.parse::<AdminAddress>().map(|place| place.to_string()),
                Ok(place.to_owned())
            );
        }
        for wrong in [
            "edge-1",
            "https://edge-1",
            "http://",
            "http://edge-1/metrics",
            "http://edge-1:port",
            "http://a b",
            "http://u@h",
        ] {
            assert!(wrong.parse::<AdminAddress>().is_err(), "{wrong}");
        }
        for (listen, place) in [
            ("0.0.0.0:9529", "http://127.0.0.1:9529"),
            ("[::]:1", "http://127.0.0.1:1"),
            ("10.0.0.1:1", "http://10.0.0.1:1"),
        ] {
            assert_eq!(AdminAddress::of(listen.parse().unwrap()).to_string(), place);
        }
    }
}
