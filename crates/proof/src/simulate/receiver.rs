//! The receiver's URL, as a box is given it: `http://host[:port][/path][?query]`. Deliberately no TLS: boxes have none.

use std::net::SocketAddr;
use std::str::FromStr;

use super::Error;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// As it goes into the `Host` header.
    pub authority: String,
    /// With the query, if there is one.
    pub path: String,
}

/// The vendor's path for real-time events, where the URL has none.
const REALTIME_PATH: &str = "/RealTimeEvent";

impl Receiver {
    /// The address, looked up once: boxes do not follow a name that moves either.
    pub async fn resolve(&self) -> Result<SocketAddr, Error> {
        let port = self.authority.rsplit_once(':');
        let has_port = port.is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let host = match has_port {
            true => self.authority.clone(),
            false => format!("{}:80", self.authority),
        };

        let nothing = || std::io::Error::other("the name has no address");
        let found = tokio::net::lookup_host(&host)
            .await
            .and_then(|mut found| found.next().ok_or_else(nothing));
        found.map_err(|source| Error::Resolve { host, source })
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
            authority: "127.0.0.1:9528".to_owned(),
            path: REALTIME_PATH.to_owned(),
        }
    }
}

impl FromStr for Receiver {
    type Err = String;

    fn from_str(url: &str) -> Result<Receiver, String> {
        let rest = url
            .strip_prefix("http://")
            .ok_or("must begin with http://, as boxes do not speak TLS")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() || url.contains(|c: char| c.is_control() || c == ' ') {
            return Err("must be http://HOST[:PORT][/PATH][?QUERY]".to_owned());
        }

        let path = match path {
            "" | "/" => REALTIME_PATH.to_owned(),
            query if query.starts_with('?') => format!("{REALTIME_PATH}{query}"),
            path => path.to_owned(),
        };
        Ok(Receiver {
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
}
