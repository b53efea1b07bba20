//! `[send.store.links]`: the `url` of pictures in events, and the listener behind it.
//!
//! Promises: what is read here says for each event whether it gets links, and by whom they open. Deliberately resolves no name and makes no
//! secret: the start does.

use std::net::SocketAddr;
use std::time::Duration;

use crate::reader::Reader;
use crate::reader::effect::LISTENS;
use crate::reader::units::{DAY, SECOND};
use crate::values::host_name::host_name;
use crate::values::secret::Secret;

#[derive(Clone, Debug)]
pub struct Links {
    pub mode: LinkMode,
    /// `None` = no listener.
    pub listen: Option<SocketAddr>,
    /// How others reach the listener, or the store where it signs; without a slash at its end.
    pub url: Option<String>,
    pub open_for: Duration,
    /// What several gateways share; `None` = made once in `data_dir`.
    pub secret: Option<Secret>,
    /// Says when an object is there that was not at first.
    pub announce: bool,
}

/// Who opens a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkMode {
    /// Our own listener.
    Gateway,
    /// The bucket.
    Presigned,
    Off,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Auto,
    Mode(LinkMode),
}

const MODE: &str = "send.store.links.mode";
const LISTEN: &str = "send.store.links.listen";
const URL: &str = "send.store.links.url";
/// Why the listener is there or not until a restart.
const OPENS: &str = "the links' listener opens at a start";

impl Links {
    pub(crate) fn read(read: &mut Reader, is_bucket: bool) -> Links {
        let words = [
            ("auto", Written::Auto),
            ("gateway", Written::Mode(LinkMode::Gateway)),
            ("presigned", Written::Mode(LinkMode::Presigned)),
            ("off", Written::Mode(LinkMode::Off)),
        ];
        let written = read.by_restart(OPENS).word(MODE, &words);
        let listen = read.by_restart(LISTENS).optional_address(LISTEN);
        let url = read.live().http_url(URL);
        let url = url.map(|url| url.trim_end_matches('/').to_owned());

        let links = Links {
            mode: mode(written, is_bucket, listen.is_some() || url.is_some()),
            listen,
            url,
            open_for: read
                .live()
                .duration("send.store.links.open_for", 60 * SECOND, 7 * DAY),
            secret: read.live().key_file("send.store.links.secret_file"),
            announce: read.live().switch("send.store.links.announce"),
        };
        links.check(read, is_bucket);
        links
    }

    fn check(&self, read: &mut Reader, is_bucket: bool) {
        if self.mode == LinkMode::Presigned && !is_bucket {
            let problem = "needs a bucket, which signs the links: send.store.url is a folder, whose pictures the gateway shows";
            read.problem(MODE, problem);
        }

        if self.mode == LinkMode::Gateway && self.listen.is_none() && self.url.is_none() {
            let problem = format!(
                "{MODE} is gateway, and {LISTEN} and {URL} are both empty: nobody could open a link, set one of them"
            );
            read.joint(&[MODE, LISTEN, URL], problem);
        }
    }

    /// The address at which this process opens links.
    pub fn served_at(&self) -> Option<SocketAddr> {
        self.listen.filter(|_| self.mode == LinkMode::Gateway)
    }

    /// What stands before a picture's name in links that our listener opens, which is at `at`; `None` where it opens none.
    pub fn base(&self, at: Option<SocketAddr>) -> Option<String> {
        if self.mode != LinkMode::Gateway {
            return None;
        }
        self.url.clone().or_else(|| at.map(address))
    }

    /// Where links open, for people.
    pub fn place(&self, at: Option<SocketAddr>) -> String {
        let at = self.served_at().and(at);
        match (self.mode, &self.url, self.base(at)) {
            (LinkMode::Presigned, Some(url), _) => {
                format!("links to pictures are signed for the bucket, at {url}")
            }
            (LinkMode::Presigned, None, _) => {
                "links to pictures are signed for the bucket, at its endpoint".to_owned()
            }
            (LinkMode::Gateway, None, Some(base)) if is_local(at) => format!(
                "links to pictures open on this machine only, at {base}: {LISTEN} and {URL} open them to others"
            ),
            (LinkMode::Gateway, _, Some(base)) => format!("links to pictures open at {base}"),
            _ => "events have no links to pictures".to_owned(),
        }
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let listens_for_others = self.served_at().filter(|at| !at.ip().is_loopback());
        let mut warnings = Vec::new();

        if let (Some(at), None) = (listens_for_others, &self.url) {
            warnings.push(format!(
                "{LISTEN} {at} without {URL}: links name this host, and open where its name is known"
            ));
        }
        if listens_for_others.is_some() && !self.is_encrypted() {
            warnings.push(format!(
                "{LISTEN} speaks no TLS: pictures cross the network in the clear, put a proxy that encrypts before it and its address into {URL}"
            ));
        }
        warnings
    }

    fn is_encrypted(&self) -> bool {
        let url = self.url.as_ref();
        url.is_some_and(|url| url.starts_with("https://"))
    }
}

fn is_local(at: Option<SocketAddr>) -> bool {
    at.is_some_and(|at| at.ip().is_loopback())
}

/// What others call a listener that nobody gave a name.
fn address(at: SocketAddr) -> String {
    match at.ip().is_unspecified() {
        true => format!("http://{}:{}", host_name(), at.port()),
        false => format!("http://{at}"),
    }
}

fn mode(written: Written, is_bucket: bool, can_open: bool) -> LinkMode {
    match written {
        Written::Mode(mode) => mode,
        Written::Auto if is_bucket => LinkMode::Presigned,
        Written::Auto if can_open => LinkMode::Gateway,
        Written::Auto => LinkMode::Off,
    }
}
