//! The address of an admin listener, as people write it.

use std::str::FromStr;

use boxbridge_config::{Admin, reached};

const PORT: u16 = 9529;

/// The address of an admin listener: `http://HOST[:PORT]`, or `https://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminAddress {
    scheme: Scheme,
    /// With the port, as it goes into the `Host` header.
    authority: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    const ALL: [Scheme; 2] = [Scheme::Http, Scheme::Https];

    const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http://",
            Scheme::Https => "https://",
        }
    }
}

impl AdminAddress {
    /// The configured listener's address, as it is reached from this machine.
    pub fn of(admin: &Admin) -> AdminAddress {
        AdminAddress {
            scheme: match admin.tls {
                Some(_) => Scheme::Https,
                None => Scheme::Http,
            },
            authority: reached(admin.listen).to_string(),
        }
    }

    pub fn is_encrypted(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// The name or address that a certificate is to be for.
    pub fn host(&self) -> &str {
        let host = self.authority.rsplit_once(':').map_or("", |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl std::fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.scheme.as_str(), self.authority)
    }
}

impl FromStr for AdminAddress {
    type Err = String;

    fn from_str(url: &str) -> Result<AdminAddress, String> {
        let allowed = || {
            "must be http://HOST[:PORT] or https://HOST[:PORT], the address of admin.listen"
                .to_owned()
        };
        let mut schemes = Scheme::ALL.into_iter();
        let begun = schemes.find_map(|scheme| Some((scheme, url.strip_prefix(scheme.as_str())?)));
        let (scheme, rest) = begun.ok_or_else(allowed)?;
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
                scheme,
                authority: authority.to_owned(),
            }),
            None => Ok(AdminAddress {
                scheme,
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
            ("https://edge-1/", "https://edge-1:9529"),
        ] {
            assert_eq!(
                url.parse::<AdminAddress>().map(|place| place.to_string()),
                Ok(place.to_owned())
            );
        }
        for wrong in [
            "edge-1",
            "ftp://edge-1",
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
            let admin = Admin {
                listen: listen.parse().unwrap(),
                tls: None,
                token_file: None,
                tokens: None,
            };
            assert_eq!(AdminAddress::of(&admin).to_string(), place);
        }
    }
}
