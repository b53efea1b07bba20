//! Tells from an error of the store whether the store is down or it may be this one object, for good or for now.
//!
//! Promises: in doubt the store is down, and nothing is given up. Deliberately reads the S3 error code out of the error's text:
//! object_store has no field for it.

use boxbridge_connect::tls;
use object_store::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody answered: every object would fare the same.
    Down,
    /// An answer that is about us, the space or the moment: overloaded, out of quota, a fault inside. It may be about this one for now.
    MayPass,
    /// A refusal that can be about this object: its size, its content, its place.
    MayBeTheObject,
}

/// Statuses that can be about the object. Not 404 (no such bucket), 401, 409, 429 or any 5xx.
const ABOUT_OBJECTS: [u16; 9] = [400, 403, 405, 411, 413, 414, 415, 422, 451];

/// Codes under those statuses that are about us, our clock or the space: a small object passing would prove nothing.
const NEVER_ABOUT_OBJECTS: [&str; 13] = [
    "AccountProblem",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "QuotaExceeded",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "XMinioAdminBucketQuotaExceeded",
    "XMinioStorageFull",
];

pub(super) fn of(error: &Error) -> Verdict {
    let text = error_text(error);
    let Some(status) = status(&text) else {
        return Verdict::Down;
    };

    let about_us = element(&text, "Code").is_some_and(|code| NEVER_ABOUT_OBJECTS.contains(&code));
    if ABOUT_OBJECTS.contains(&status) && !about_us {
        Verdict::MayBeTheObject
    } else {
        Verdict::MayPass
    }
}

/// The store's own words, in one line.
pub(super) fn detail(error: &Error) -> String {
    let text = error_text(error);
    match (status(&text), element(&text, "Code")) {
        (Some(status), Some(code)) => {
            let message = element(&text, "Message")
                .map_or_else(String::new, |message| format!(": {message}"));
            shortened(&format!("status {status} {code}{message}"))
        }
        _ => shortened(&text),
    }
}

/// Of a line that was not even opened, why alone: object_store and reqwest say around it what we know.
pub(super) fn brief(detail: &str) -> String {
    match detail.rsplit_once("client error (Connect)") {
        Some((_, why)) => format!("cannot connect{why}"),
        None => detail.to_owned(),
    }
}

/// The setting to look at, where the words of an error tell; else nothing.
pub(super) fn remedy(detail: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|word| detail.contains(word));
    // Where a machine's role is asked for: nobody has said who we are.
    if says(&[
        "169.254.169.254",
        "169.254.170.2",
        "/latest/api/token",
        "/latest/meta-data",
    ]) {
        return " (nothing says who we are: set send.store.access_key_id and its secret, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
                or give the machine a role)"
            .to_owned();
    }
    if says(&[
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "AuthorizationHeaderMalformed",
    ]) {
        return " (send.store.access_key_id, its secret, and send.store.region)".to_owned();
    }
    if says(&[
        "AssumeRoleWithWebIdentity",
        "InvalidIdentityToken",
        "ExpiredTokenException",
    ]) {
        return " (the token of AWS_WEB_IDENTITY_TOKEN_FILE, and AWS_ROLE_ARN)".to_owned();
    }
    if says(&["AccessDenied"]) {
        return " (who send.store.access_key_id or the machine's role is may not write into the bucket of send.store.url)".to_owned();
    }
    if says(&["NoSuchBucket"]) {
        return " (the bucket of send.store.url)".to_owned();
    }
    tls::remedy(detail, "send.store")
}

/// The whole chain: the outermost error often says less than its cause.
fn error_text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

/// `Server returned non-2xx status code: 403 Forbidden: <body>`, as object_store writes it.
fn status(text: &str) -> Option<u16> {
    let (_, after) = text.split_once("status code: ")?;
    after.get(..3)?.parse().ok()
}

/// The text of an element of S3's error document.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    let (inside, _) = after.split_once(&format!("</{name}>"))?;
    Some(inside)
}

fn shortened(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_is_said_in_a_line() {
        let of_client = "Generic S3 error: Error performing PUT http://127.0.0.1:9/b/k in 236ms, after 2 retries, max_retries: 2, retry_timeout: 30s  - \
                         HTTP error: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)";
        assert_eq!(
            brief(of_client),
            "cannot connect: tcp connect error: Connection refused (os error 111)"
        );
        assert_eq!(brief("status 403 AccessDenied"), "status 403 AccessDenied");
    }

    fn check(text: &str, expected: Verdict) {
        let error = Error::Generic {
            store: "S3",
            source: text.to_owned().into(),
        };
        assert_eq!(of(&error), expected, "{text}");
    }

    #[test]
    fn only_a_refusal_that_can_be_about_the_object_is_put_to_the_test() {
        let answer = |status: &str, code: &str| {
            format!(
                "Server returned non-2xx status code: {status}: <?xml?><Error><Code>{code}</Code><Message>m</Message></Error>"
            )
        };
        check(
            &answer("400 Bad Request", "EntityTooLarge"),
            Verdict::MayBeTheObject,
        );
        check(
            &answer("403 Forbidden", "AccessDenied"),
            Verdict::MayBeTheObject,
        );
        check(
            "Server returned non-2xx status code: 413 Payload Too Large: <html>",
            Verdict::MayBeTheObject,
        );
        check(
            &answer("403 Forbidden", "InvalidAccessKeyId"),
            Verdict::MayPass,
        );
        check(
            &answer("403 Forbidden", "RequestTimeTooSkewed"),
            Verdict::MayPass,
        );
        check(&answer("403 Forbidden", "QuotaExceeded"), Verdict::MayPass);
        check(&answer("404 Not Found", "NoSuchBucket"), Verdict::MayPass);
        check(
            &answer("503 Service Unavailable", "SlowDown"),
            Verdict::MayPass,
        );
        check("HTTP error: connection refused", Verdict::Down);
    }

    #[test]
    fn the_detail_is_one_short_line() {
        let body = format!(
            "<Error><Code>AccessDenied</Code><Message>{}</Message></Error>",
            "no\n".repeat(500)
        );
        let error = Error::Generic {
            store: "S3",
            source: format!("status code: 403 Forbidden: {body}").into(),
        };
        let detail = detail(&error);
        assert!(
            detail.starts_with("status 403 AccessDenied: no no"),
            "{detail}"
        );
        assert!(detail.chars().count() <= 401 && !detail.contains('\n'));
    }
}
