//! Judges a request before its body is read: the rules of RFC 9112 that hyper leaves to us.

use axum::http::request::Parts;
use hyper::Method;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, ORIGIN,
    TRANSFER_ENCODING,
};

use boxbridge_event::{Code, Refusal};

/// RFC 9110 §4.1 asks for at least 8,000.
const URI_MAX: usize = 8 * 1024;
/// By this header a browser says which site a request comes from (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks the request as HTTP: host, target, length, coding, origin. Any error ends the connection. A request without a host is fine,
/// and so is an absolute target: only one service is here, and requests of web pages are recognised by `Origin` and `Sec-Fetch-Site`.
pub fn check(parts: &Parts) -> Result<(), Refusal> {
    let refused = |code, message: &str| Err(Refusal::new(code, message));

    if parts.uri.to_string().len() > URI_MAX {
        return refused(
            Code::UriTooLong,
            &format!("at most {URI_MAX} bytes are allowed"),
        );
    }

    if parts.method == Method::CONNECT {
        return refused(Code::ConnectUnsupported, "this is no proxy");
    }

    if parts.headers.get_all(HOST).iter().count() > 1 {
        let message = "more than one Host header (RFC 9112 section 3.2)";
        return refused(Code::RequestInvalid, message);
    }

    if is_of_a_web_page(parts) {
        let message = "requests from web pages are not taken";
        return refused(Code::OriginForbidden, message);
    }

    transfer_encoding(parts)
}

fn is_of_a_web_page(parts: &Parts) -> bool {
    let mut sites = parts.headers.get_all(SEC_FETCH_SITE).iter();
    let is_cross_site = sites.any(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site"));
    is_cross_site || parts.headers.contains_key(ORIGIN)
}

fn transfer_encoding(parts: &Parts) -> Result<(), Refusal> {
    let mut codings = parts.headers.get_all(TRANSFER_ENCODING).iter();
    let (coding, more) = (codings.next(), codings.next());

    let Some(coding) = coding else {
        let has_end = parts.method != Method::POST || parts.headers.contains_key(CONTENT_LENGTH);
        let message = "neither Content-Length nor chunked: where the body ends is unknown";
        return has_end
            .then_some(())
            .ok_or_else(|| Refusal::new(Code::RequestInvalid, message));
    };

    let is_chunked = coding
        .as_bytes()
        .trim_ascii()
        .eq_ignore_ascii_case(b"chunked");
    if !is_chunked || more.is_some() {
        let message = "the only transfer coding known here is chunked";
        return Err(Refusal::new(Code::TransferEncodingUnknown, message));
    }
    Ok(())
}

/// Checks the declared media type. This waits until the body has come, so that a refused one can be kept: a box does not send it again.
pub fn check_media(parts: &Parts, body: &[u8]) -> Result<(), Refusal> {
    if let Some(coding) = parts.headers.get(CONTENT_ENCODING)
        && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        let coding = coding.to_str().unwrap_or("?");
        let message = format!("content coding {coding:?} is not taken, send it plain");
        return Err(Refusal::new(Code::ContentEncodingUnsupported, message));
    }

    let first = body.trim_ascii_start().first();
    if is_form(parts) && !matches!(first, Some(b'{' | b'[')) {
        let message = "form data is not taken: set the box to send json";
        return Err(Refusal::new(Code::MediaTypeUnsupported, message));
    }
    Ok(())
}

fn is_form(parts: &Parts) -> bool {
    let media_type = parts.headers.get(CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or("").to_lowercase();
    media_type.starts_with("multipart/")
        || media_type.starts_with("application/x-www-form-urlencoded")
}

/// The body's encoding as the media type declares it.
pub fn charset(parts: &Parts) -> Option<String> {
    let media_type = parts.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let parameters = media_type.split(';').skip(1);
    let mut pairs = parameters.filter_map(|parameter| parameter.split_once('='));
    let charset = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charset.map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

/// Whether its sender sends the body only once it is asked to go on. Who reads such a body asks.
pub fn waits_to_be_asked(parts: &Parts) -> bool {
    parts.headers.contains_key(EXPECT)
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
    queries(parts, name).next()
}

/// The same of one that stands there several times.
pub fn queries(parts: &Parts, name: &str) -> impl Iterator<Item = String> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    let pairs = pairs.map(|pairs| pairs.0).unwrap_or_default().into_iter();
    pairs.filter_map(move |(key, value)| (key == name).then_some(value))
}
