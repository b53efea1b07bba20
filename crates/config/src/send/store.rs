//! `[send.store]`: where the pictures lie. Its client library panics on what no header and no URL can hold, so that is refused here.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::reader::Reader;
use crate::reader::form::Form;
use crate::reader::layers::Problem;
use crate::values::secret::Secret;
use crate::values::tls;
use crate::{DAY, MIB, SECOND};

#[derive(Clone, Debug)]
pub struct Store {
    pub url: StoreUrl,
    pub public_url: Option<String>,
    pub concurrency: usize,
    pub timeout: Duration,
    pub keep: Duration,
    pub max_bytes: u64,
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

/// What the environment may say of who we are to a store, and of how it encrypts: names of the AWS tools. Not where it is
/// (`AWS_ENDPOINT_URL`, `AWS_REGION`): those are settings.
pub(crate) const VARIABLES: [&str; 18] = [
    KEY_ID,
    SECRET_KEY,
    SESSION_TOKEN,
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
    "AWS_IMDSV1_FALLBACK",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_SSE_BUCKET_KEY_ENABLED",
    "AWS_SSE_CUSTOMER_KEY_BASE64",
    "AWS_CHECKSUM_ALGORITHM",
    "AWS_REQUEST_PAYER",
];
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

impl Store {
    pub(crate) fn read(read: &mut Reader) -> Store {
        Store {
            url: url(read),
            public_url: http_url(read, "send.store.public_url")
                .map(|url| url.trim_end_matches('/').to_owned()),
            concurrency: read.count("send.store.concurrency", 1, 256),
            timeout: read.duration("send.store.timeout", SECOND, 600 * SECOND),
            keep: read.duration("send.store.keep", 2 * DAY, 36_500 * DAY),
            max_bytes: read.size("send.store.max_bytes", MIB, 1 << 50),
        }
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let StoreUrl::S3(bucket) = &self.url else {
            return Vec::new();
        };

        let mut warnings = Vec::new();
        if let Some(endpoint) = bucket
            .endpoint
            .as_ref()
            .filter(|endpoint| endpoint.starts_with("http://"))
        {
            warnings.push(format!("send.store.endpoint {endpoint} is not encrypted: pictures cross the network in the clear"));
        }

        let ends_in_it = |url: &&String| {
            !bucket.prefix.is_empty() && url.ends_with(&format!("/{}", bucket.prefix))
        };
        if let Some(url) = self.public_url.as_ref().filter(ends_in_it) {
            warnings.push(format!(
                "send.store.public_url {url} ends in the prefix of send.store.url, which begins every key: links hold it twice"
            ));
        }
        warnings
    }
}

fn url(read: &mut Reader) -> StoreUrl {
    let url = read.text("send.store.url");
    if url == "file:" {
        return StoreUrl::File(PathBuf::from(read.text("data_dir")).join("pictures"));
    }

    let path = url
        .strip_prefix("file://")
        .filter(|path| path.starts_with('/'));
    let bucket = url.strip_prefix("s3://").filter(|rest| !rest.is_empty());
    match (path, bucket) {
        (Some(path), _) => StoreUrl::File(PathBuf::from(path)),
        (None, Some(rest)) => s3(read, rest),
        (None, None) => {
            read.problem(
                "send.store.url",
                "must be file: or file:///path or s3://bucket/prefix",
            );
            StoreUrl::File(PathBuf::new())
        }
    }
}

fn s3(read: &mut Reader, rest: &str) -> StoreUrl {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if !bucket
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    {
        read.problem(
            "send.store.url",
            "the name of a bucket is made of a-z A-Z 0-9 . _ -",
        );
    }

    let endpoint = http_url(read, "send.store.endpoint");
    let region = read.parsed(
        "send.store.region",
        Form::Pattern("^[a-zA-Z0-9_-]+$"),
        "us-east-1".to_owned(),
        region,
    );
    let credentials = credentials(read);
    let environment = if credentials.is_none() {
        environment(read)
    } else {
        Vec::new()
    };

    StoreUrl::S3(Bucket {
        name: bucket.to_owned(),
        prefix: prefix.trim_matches('/').to_owned(),
        endpoint,
        region,
        virtual_host: read.switch("send.store.virtual_host"),
        credentials,
        environment,
        ca_file: read
            .path("send.store.ca_file")
            .inspect(|file| tls::certificates(read, "send.store.ca_file", file)),
    })
}

fn region(text: &str) -> Result<String, String> {
    let is_of_a_region = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    if text.is_empty() || !text.bytes().all(is_of_a_region) {
        return Err("must be made of a-z A-Z 0-9 - _, such as us-east-1".to_owned());
    }
    Ok(text.to_owned())
}

fn credentials(read: &mut Reader) -> Option<(String, Secret)> {
    let secret = read.secret("send.store.secret_access_key");
    let key_id = read.optional("send.store.access_key_id");
    if key_id.as_deref().is_some_and(|id| !fits_a_header(id)) {
        read.problem("send.store.access_key_id", NOT_IN_A_HEADER);
    }

    if secret.expose().contains(char::is_control) {
        read.problem("send.store.secret_access_key", CONTROL);
    }

    if key_id.is_some() == secret.is_empty() && read.are_good(&["send.store.secret_access_key"]) {
        read.problem(
            "send.store.access_key_id",
            "goes with secret_access_key (environment) or secret_access_key_file: both or neither",
        );
    }
    key_id.map(|id| (id, secret))
}

/// What the environment says, without the blanks and line ends that files and Secrets bring along.
fn environment(read: &mut Reader) -> Vec<(String, Secret)> {
    let mut found = Vec::new();
    let mut is_bad = false;

    for (name, value) in read
        .environment
        .iter()
        .filter(|(name, _)| VARIABLES.contains(&name.as_str()))
    {
        let value = value.trim();
        let problem = match name.as_str() {
            KEY_ID | SESSION_TOKEN if !fits_a_header(value) => Some(NOT_IN_A_HEADER),
            _ if value.contains(char::is_control) => Some(CONTROL),
            _ => None,
        };

        if let Some(problem) = problem {
            is_bad = true;
            read.problems
                .push(Problem(format!("{name} of the environment {problem}")));
        } else if !value.is_empty() {
            found.push((name.clone(), Secret::new(value)));
        }
    }

    let has = |wanted: &str| found.iter().any(|(name, _)| name == wanted);
    if has(KEY_ID) != has(SECRET_KEY) && !is_bad {
        let (there, missing) = if has(KEY_ID) {
            (KEY_ID, SECRET_KEY)
        } else {
            (SECRET_KEY, KEY_ID)
        };
        read.problems.push(Problem(format!(
            "{there} is in the environment, and {missing} is not: both or neither"
        )));
    }
    found
}

const NOT_IN_A_HEADER: &str = "holds a blank, a line end or another character that no key has: was it copied with something around it?";
const CONTROL: &str =
    "holds a line end or another control character: was it copied with something around it?";

/// What the store's client puts into one, and panics where it does not fit.
fn fits_a_header(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

/// An address of the web, and nothing secret in it: it stands in logs, and in events.
fn http_url(read: &mut Reader, key: &str) -> Option<String> {
    let text = read.optional(key)?;
    let parsed = Url::parse(&text)
        .ok()
        .filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    let problem = match parsed {
        None => Some("must begin with http:// or https://, and name a host"),
        Some(_) if text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Some("holds a blank or a line end")
        }
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            Some("must not hold a user or password")
        }
        Some(url) if url.query().is_some() || url.fragment().is_some() => {
            Some("must end before ? and #")
        }
        Some(_) => None,
    };

    match problem {
        Some(problem) => {
            read.problem(key, problem);
            None
        }
        None => Some(text),
    }
}
