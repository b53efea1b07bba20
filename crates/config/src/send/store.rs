//! `[send.<name>]` of kind store: where the pictures lie.
//!
//! Promises: refuses every value that fits into no header or URL, since the client library panics on it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::layers::environment::{KEY_ID, SECRET_KEY, SESSION_TOKEN, VARIABLES};
use crate::layers::problem::Problem;
use crate::reader::Reader;
use crate::reader::effect::MOVES;
use crate::reader::form::Form;
use crate::reader::units::{DAY, MIB, SECOND};
use crate::values::secret::Secret;

mod links;

pub use links::{LinkMode, Links};

#[derive(Clone, Debug)]
pub struct Store {
    pub url: StoreUrl,
    pub public_url: Option<String>,
    pub concurrency: usize,
    pub timeout: Duration,
    pub keep: Duration,
    pub max_bytes: u64,
    /// Only of the store that references mean.
    pub links: Option<Links>,
}

#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// An absolute path, or below `data_dir`.
    File(PathBuf),
    S3(Bucket),
}

#[derive(Clone, Debug)]
pub struct Bucket {
    pub name: String,
    /// Without slashes at its ends; may be empty.
    pub prefix: String,
    pub endpoint: Option<String>,
    pub region: String,
    pub virtual_host: bool,
    /// `None` = what the environment says, or the machine's role.
    pub credentials: Option<(String, Secret)>,
    /// Names and values of the AWS tools: who we are, unless `credentials` say it.
    pub environment: Vec<(String, Secret)>,
    pub ca_file: Option<PathBuf>,
}

impl StoreUrl {
    pub(crate) fn is_same_place(&self, other: &StoreUrl) -> bool {
        match (self, other) {
            (StoreUrl::File(folder), StoreUrl::File(other)) => folder == other,
            (StoreUrl::S3(bucket), StoreUrl::S3(other)) => {
                let place = |of: &Bucket| (of.endpoint.clone(), of.name.clone(), of.prefix.clone());
                place(bucket) == place(other)
            }
            _ => false,
        }
    }
}

impl Store {
    /// Where links to pictures open, for people; `at` is where our listener is.
    pub fn links_place(&self, at: Option<SocketAddr>) -> Option<String> {
        let links = self.links.as_ref()?;
        Some(match &self.public_url {
            Some(url) => format!("links to pictures open at {url}"),
            None => links.place(at),
        })
    }

    pub(crate) fn read(read: &mut Reader, section: &str) -> Store {
        let key = |name: &str| format!("{section}.{name}");
        let url = url(read, section);
        let links =
            (section == REFERENCED).then(|| Links::read(read, matches!(url, StoreUrl::S3(_))));
        Store {
            url,
            public_url: read
                .live()
                .http_url(&key("public_url"))
                .map(|url| url.trim_end_matches('/').to_owned()),
            concurrency: read.live().count(&key("concurrency"), 1, 256),
            timeout: read.live().duration(&key("timeout"), SECOND, 600 * SECOND),
            keep: read.live().duration(&key("keep"), 2 * DAY, 36_500 * DAY),
            max_bytes: read.live().size(&key("max_bytes"), MIB, 1 << 50),
            links,
        }
    }

    pub(crate) fn warnings(&self, section: &str) -> Vec<String> {
        let links = self.links.iter();
        let mut warnings: Vec<_> = links.flat_map(Links::warnings).collect();
        let StoreUrl::S3(bucket) = &self.url else {
            return warnings;
        };

        let endpoint = bucket.endpoint.as_ref();
        if let Some(endpoint) = endpoint.filter(|it| it.starts_with("http://")) {
            warnings.push(format!("{section}.endpoint {endpoint} is not encrypted: pictures cross the network in the clear"));
        }

        let ends_in_it = |url: &&String| {
            !bucket.prefix.is_empty() && url.ends_with(&format!("/{}", bucket.prefix))
        };
        if let Some(url) = self.public_url.as_ref().filter(ends_in_it) {
            warnings.push(format!(
                "{section}.public_url {url} ends in the prefix of {section}.url, which begins every key: links hold it twice"
            ));
        }
        warnings
    }
}

/// References mean this store. Without another URL its pictures lie below `data_dir`.
const REFERENCED: &str = "send.store";

fn url(read: &mut Reader, section: &str) -> StoreUrl {
    let key = format!("{section}.url");
    let url = read.by_restart(MOVES).text(&key);
    if url == "file:" && section == REFERENCED {
        return StoreUrl::File(PathBuf::from(read.text("data_dir")).join("pictures"));
    }

    let path = url
        .strip_prefix("file://")
        .filter(|path| path.starts_with('/'));
    let bucket = url.strip_prefix("s3://").filter(|rest| !rest.is_empty());
    match (path, bucket) {
        (Some(path), _) => StoreUrl::File(PathBuf::from(path)),
        (None, Some(rest)) => s3(read, section, rest),
        (None, None) => {
            let allowed = match section {
                REFERENCED => "must be file: or file:///path or s3://bucket/prefix",
                _ => "must be file:///path or s3://bucket/prefix; file: is the place of send.store",
            };
            read.problem(&key, allowed);
            StoreUrl::File(PathBuf::new())
        }
    }
}

fn s3(read: &mut Reader, section: &str, rest: &str) -> StoreUrl {
    let key = |name: &str| format!("{section}.{name}");
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_of_bucket = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if !bucket.bytes().all(is_of_bucket) {
        let allowed = "the name of a bucket is made of a-z A-Z 0-9 . _ -";
        read.problem(&key("url"), allowed);
    }

    let endpoint = read.live().http_url(&key("endpoint"));
    let form = Form::Pattern("^[a-zA-Z0-9_-]+$");
    let region = read
        .live()
        .parsed(&key("region"), form, "us-east-1".to_owned(), region);
    let credentials = credentials(read, section);
    let environment = match credentials {
        Some(_) => Vec::new(),
        None => environment(read),
    };

    let ca_file = read.live().certificates(&key("ca_file"));
    StoreUrl::S3(Bucket {
        name: bucket.to_owned(),
        prefix: prefix.trim_matches('/').to_owned(),
        endpoint,
        region,
        virtual_host: read.live().switch(&key("virtual_host")),
        credentials,
        environment,
        ca_file,
    })
}

fn region(text: &str) -> Result<String, String> {
    let is_of_region = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    match !text.is_empty() && text.bytes().all(is_of_region) {
        true => Ok(text.to_owned()),
        false => Err("must be made of a-z A-Z 0-9 - _, such as us-east-1".to_owned()),
    }
}

fn credentials(read: &mut Reader, section: &str) -> Option<(String, Secret)> {
    let [id_key, secret_key] =
        ["access_key_id", "secret_access_key"].map(|name| format!("{section}.{name}"));
    let secret = read.live().secret(&secret_key);
    let key_id = read.live().optional(&id_key);
    if key_id.as_deref().is_some_and(|id| !fits_a_header(id)) {
        read.problem(&id_key, NOT_IN_A_HEADER);
    }

    if secret.expose().contains(char::is_control) {
        read.problem(&secret_key, CONTROL);
    }

    if key_id.is_some() == secret.is_empty() && read.are_good(&[&secret_key]) {
        read.problem(
            &id_key,
            "goes with secret_access_key (environment) or secret_access_key_file: both or neither",
        );
    }
    key_id.map(|id| (id, secret))
}

/// The credentials of the environment, without the blanks and line ends that files and Secrets bring along.
fn environment(read: &mut Reader) -> Vec<(String, Secret)> {
    let (mut found, mut is_bad) = (Vec::new(), false);
    let variables = read.environment.iter();
    for (name, value) in variables.filter(|(name, _)| VARIABLES.contains(&name.as_str())) {
        let value = value.trim();
        if let Some(problem) = unfit(name, value) {
            is_bad = true;
            read.say(Problem(format!("{name} of the environment {problem}")));
        } else if !value.is_empty() {
            found.push((name.clone(), Secret::new(value)));
        }
    }

    let has = |wanted: &str| found.iter().any(|(name, _)| name == wanted);
    let half = match (has(KEY_ID), has(SECRET_KEY)) {
        (true, false) => Some((KEY_ID, SECRET_KEY)),
        (false, true) => Some((SECRET_KEY, KEY_ID)),
        _ => None,
    };
    if let Some((there, missing)) = half.filter(|_| !is_bad) {
        let problem =
            format!("{there} is in the environment, and {missing} is not: both or neither");
        read.say(Problem(problem));
    }
    found
}

/// Why the store's client could not take such a value.
fn unfit(name: &str, value: &str) -> Option<&'static str> {
    match name {
        KEY_ID | SESSION_TOKEN if !fits_a_header(value) => Some(NOT_IN_A_HEADER),
        _ if value.contains(char::is_control) => Some(CONTROL),
        _ => None,
    }
}

const NOT_IN_A_HEADER: &str = "holds a blank, a line end or another character that no key has: was it copied with something around it?";
const CONTROL: &str =
    "holds a line end or another control character: was it copied with something around it?";

/// The store's client panics on any other text in a header.
fn fits_a_header(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}
