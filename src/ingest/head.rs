//! Judges a request before its body is read: the rules of RFC 9112 that hyper leaves to us, and who may send.

use axum::http::request::Parts;
use hyper::Method;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, ORIGIN, TRANSFER_ENCODING,
};

use boxbridge_event::{Code, Refusal};

/// RFC 9110 §4.1 asks for at least 8,000.
const URI_MAX: usize = 8 * 1024;
/// By this header a browser says which site a request comes from (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks the request as HTTP: host, target, length, coding, origin. Any error ends the connection. A request without a host is fine,
/// and so is an absolute target: only one service is here, and requests of web pages are recognised by `Origin` and `Sec-Fetch-Site`.
pub fn check(parts: &Parts) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(Refusal::new(Code::RequestInvalid, message));

    if parts.uri.to_string().len() > URI_MAX {
        return Err(Refusal::new(
            Code::UriTooLong,
            format!("at most {URI_MAX} bytes are allowed"),
        ));
    }

    if parts.method == Method::CONNECT {
        return Err(Refusal::new(Code::ConnectUnsupported, "this is no proxy"));
    }

    if parts.headers.get_all(HOST).iter().count() > 1 {
        return invalid("more than one Host header (RFC 9112 section 3.2)");
    }

    let is_cross_site = parts
        .headers
        .get_all(SEC_FETCH_SITE)
        .iter()
        .any(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site"));
    if parts.headers.contains_key(ORIGIN) || is_cross_site {
        return Err(Refusal::new(
            Code::OriginForbidden,
            "requests from web pages are not taken",
        ));
    }

    transfer_encoding(parts)
}

fn transfer_encoding(parts: &Parts) -> Result<(), Refusal> {
    let codings: Vec<_> = parts
        .headers
        .get_all(TRANSFER_ENCODING)
        .iter()
        .map(|value| value.as_bytes())
        .collect();
    let chunked_only = matches!(codings.as_slice(), [coding] if coding.trim_ascii().eq_ignore_ascii_case(b"chunked"));

    if !codings.is_empty() && !chunked_only {
        return Err(Refusal::new(
            Code::TransferEncodingUnknown,
            "the only transfer coding known here is chunked",
        ));
    }
    if parts.method == Method::POST
        && codings.is_empty()
        && !parts.headers.contains_key(CONTENT_LENGTH)
    {
        return Err(Refusal::new(
            Code::RequestInvalid,
            "neither Content-Length nor chunked: where the body ends is unknown",
        ));
    }
    Ok(())
}

/// Checks the declared media type. This waits until the body has come, so that a refused one can be kept: a box does not send it again.
pub fn check_media(parts: &Parts, body: &[u8]) -> Result<(), Refusal> {
    if let Some(coding) = parts.headers.get(CONTENT_ENCODING)
        && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        let coding = coding.to_str().unwrap_or("?");
        return Err(Refusal::new(
            Code::ContentEncodingUnsupported,
            format!("content coding {coding:?} is not taken, send it plain"),
        ));
    }

    let media_type = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
        .to_lowercase();
    let is_form = media_type.starts_with("multipart/")
        || media_type.starts_with("application/x-www-form-urlencoded");
    let first = body.trim_ascii_start().first();
    if is_form && !matches!(first, Some(b'{' | b'[')) {
        return Err(Refusal::new(
            Code::MediaTypeUnsupported,
            "form data is not taken: set the box to send json",
        ));
    }
    Ok(())
}

/// The body's encoding as the media type declares it.
pub fn charset(parts: &Parts) -> Option<String> {
    let media_type = parts.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let pairs = media_type
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='));
    let charset = pairs
        .into_iter()
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charset.map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

/// Whether only `Content-Length` says where the body ends.
pub fn is_declared_alone(parts: &Parts) -> bool {
    parts.headers.contains_key(CONTENT_LENGTH) && !parts.headers.contains_key(TRANSFER_ENCODING)
}

pub fn declared_length(parts: &Parts) -> Option<u64> {
    parts
        .headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// A parameter of the query, decoded; `None` where it is absent or the query cannot be read.
pub fn query(parts: &Parts, name: &str) -> Option<String> {
    let pairs: axum::extract::Query<Vec<(String, String)>> =
        axum::extract::Query::try_from_uri(&parts.uri).ok()?;
    pairs
        .0
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}
