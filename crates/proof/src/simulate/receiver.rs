//! The receiver's URL, as a box is given it: `http[s]://host[:port][/path][?query]`.

use std::net::SocketAddr;
use std::str::FromStr;

use super::Error;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    pub scheme: Scheme,
    /// As it goes into the `Host` header.
    pub authority: String,
    /// With the query, if there is one.
    pub path: String,
}

/// Whether boxes speak TLS to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// The vendor's path for real-time events, where the URL has none.
const REALTIME_PATH: &str = "/RealTimeEvent";

impl Receiver {
    /// The address, looked up once: boxes do not follow a name that moves either.
    pub async fn resolve(&self) -> Result<SocketAddr, Error> {
        let host = match self.port() {
            Some(_) => self.authority.clone(),
            None => format!("{}:{}", self.authority, self.scheme.port()),
        };

        let nothing = || std::io::Error::other("the name has no address");
        let found = tokio::net::lookup_host(&host)
            .await
            .and_then(|mut found| found.next().ok_or_else(nothing));
        found.map_err(|source| Error::Resolve { host, source })
    }

    /// For whom its certificate has to be: the name, or the address without brackets.
    pub fn host(&self) -> &str {
        let host = match self.port() {
            Some((host, _)) => host,
            None => &self.authority,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Without its path, which may hold a token.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority)
    }

    fn port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.authority.rsplit_once(':')?;
        Some((host, port.parse().ok()?))
    }

    /// Another path at the same receiver, with the same token before it and the same query.
    pub fn with_path(&self, path: &str) -> String {
        let token = self.path.strip_prefix("/t/");
        let token = token.and_then(|behind| behind.find('/'));
        let token = token.and_then(|end| self.path.get(.."/t/".len() + end));
        let token = token.unwrap_or_default();
        match self.path.split_once('?') {
            Some((_, query)) => format!("{token}{path}?{query}"),
            None => format!("{token}{path}"),
        }
    }
}

impl Default for Receiver {
    fn default() -> Receiver {
        Receiver {
            scheme: Scheme::Http,
            authority: "127.0.0.1:9528".to_owned(),
            path: REALTIME_PATH.to_owned(),
        }
    }
}

impl FromStr for Receiver {
    type Err = String;

    fn from_str(url: &str) -> Result<Receiver, String> {
        let mut schemes = [Scheme::Http, Scheme::Https].into_iter();
        let behind = |scheme: Scheme| {
            let rest = url.strip_prefix(scheme.as_str())?.strip_prefix("://")?;
            Some((scheme, rest))
        };
        let (scheme, rest) = schemes
            .find_map(behind)
            .ok_or("must begin with http:// or https://")?;

        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() || url.contains(|c: char| c.is_control() || c == ' ') {
            return Err("must be http[s]://HOST[:PORT][/PATH][?QUERY]".to_owned());
        }

        let path = match path {
            "" | "/" => REALTIME_PATH.to_owned(),
            query if query.starts_with('?') => format!("{REALTIME_PATH}{query}"),
            path => path.to_owned(),
        };
        Ok(Receiver {
            scheme,
            authority: authority.to_owned(),
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_means_the_vendors() {
        let receiver: Receiver = "http://gateway:9528?site=lobby".parse().unwrap();
        assert_eq!(
            (receiver.authority.as_str(), receiver.path.as_str()),
            ("gateway:9528", "/RealTimeEvent?site=lobby")
        );
        assert_eq!(
            receiver.with_path("/HistoryEvent"),
            "/HistoryEvent?site=lobby"
        );
        let receiver: Receiver = "http://gateway/t/abc/RealTimeEvent".parse().unwrap();
        assert_eq!(receiver.with_path("/HistoryEvent"), "/t/abc/HistoryEvent");
        assert_eq!("http://10.0.0.1/x".parse::<Receiver>().unwrap().path, "/x");
    }

    #[test]
    fn the_certificate_is_for_the_host_alone() {
        for (url, host) in [
            ("https://gateway.lan:9543/x", "gateway.lan"),
            ("https://gateway.lan", "gateway.lan"),
            ("https://[::1]:9543", "::1"),
            ("https://[fe80::1]", "fe80::1"),
        ] {
            let receiver: Receiver = url.parse().unwrap();
            assert_eq!((receiver.scheme, receiver.host()), (Scheme::Https, host));
        }
    }
}
