//! The address of an admin listener, as people write it.

use std::net::SocketAddr;
use std::str::FromStr;

use boxbridge_config::reached;

const PORT: u16 = 9529;

/// The address of an admin listener: `http://HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminAddress {
    /// With the port, as it goes into the `Host` header.
    authority: String,
}

impl AdminAddress {
    /// The configured listener's address, as it is reached from this machine.
    pub fn of(listen: SocketAddr) -> AdminAddress {
        AdminAddress {
            authority: reached(listen).to_string(),
        }
    }

    pub fn authority(&self) -> &str {
        &self.authority
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
