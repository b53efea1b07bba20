//! The environment as a source of settings: which variables are ours, and the keys that they mean.
//!
//! Deliberately leaves values as they are: the reader checks them.

use super::problem::Problem;

const PREFIX: &str = "BOXBRIDGE_";
/// What commands read: the file with the settings, and the token of `simulate`.
const OF_COMMANDS: [&str; 2] = ["CONFIG", "TOKEN"];
/// Stands for a value that is not UTF-8; no setting can have it.
const NOT_UTF8: &str = "\u{fffd}";

/// Variables of the AWS tools for credentials and encryption. Endpoint and region (`AWS_ENDPOINT_URL`, `AWS_REGION`) are not among
/// them: those are settings.
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
pub(crate) const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
pub(crate) const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
pub(crate) const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

/// The variables of this process that are for us: `BOXBRIDGE_…`, and the AWS tools' names for who we are to an object store.
/// Not those that a command reads, and not those that Kubernetes injects for a service named boxbridge.
pub(crate) fn of_this_process() -> Vec<(String, String)> {
    let is_setting = |rest: &str| !OF_COMMANDS.contains(&rest) && !is_service_link(rest);
    let is_ours =
        |name: &str| VARIABLES.contains(&name) || name.strip_prefix(PREFIX).is_some_and(is_setting);

    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| is_ours(name))
        .map(|(name, value)| (name, value.into_string()))
        .map(|(name, value)| (name, value.unwrap_or_else(|_| NOT_UTF8.to_owned())))
        .collect()
}

/// Our settings among the variables, as dotted keys and texts. A value that is not UTF-8 is a problem.
pub(crate) fn settings(
    environment: &[(String, String)],
    problems: &mut Vec<Problem>,
) -> Vec<(String, String)> {
    for (name, _) in environment.iter().filter(|(_, value)| value == NOT_UTF8) {
        problems.push(Problem(format!("{name} of the environment is not UTF-8")));
    }

    let is_ours = |(name, value): &&(String, String)| name.starts_with(PREFIX) && value != NOT_UTF8;
    let ours = environment.iter().filter(is_ours);
    ours.map(|(name, value)| (dotted(name), value.clone()))
        .collect()
}

/// `BOXBRIDGE_SEND__KAFKA__BROKERS` → `send.kafka.brokers`.
fn dotted(name: &str) -> String {
    name.strip_prefix(PREFIX)
        .unwrap_or(name)
        .to_lowercase()
        .replace("__", ".")
}

/// And back.
pub(crate) fn variable(path: &str) -> String {
    let path = path.to_uppercase().replace('.', "__");
    format!("{PREFIX}{}", path.replace('-', "_"))
}

/// `PORT`, `SERVICE_HOST`, `HEADLESS_PORT_9528_TCP_ADDR` …: Kubernetes makes them. No key of ours looks so without a section.
fn is_service_link(rest: &str) -> bool {
    let words: Vec<_> = rest.split('_').collect();
    !rest.contains("__")
        && (rest.ends_with("SERVICE_HOST")
            || words.windows(2).any(|pair| pair == ["SERVICE", "PORT"])
            || words.contains(&"PORT"))
}
