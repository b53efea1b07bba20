//! The console at `/`: the files of `src/admin/console/`, which are part of the program.
//!
//! Promises: a page of the console runs no script and asks for nothing but from here, whatever stands in an event. Deliberately served to
//! everybody who reaches the port: the files hold no data, and what they show they ask of `/api`.

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "src/admin/console/"]
struct Files;

/// No inline script, no inline style, no text taken for markup, no other address, in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const GUARDS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-cache"), // asked for again each time, and answered 304: an upgrade shows at once
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// A file, or that there is none.
pub async fn serve(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }

    let path = match request.uri().path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    match Files::get(path) {
        Some(file) => answer(&request, path, file),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(request: &Request, path: &str, file: EmbeddedFile) -> Response {
    let tag = tag(&file);
    let known = request.headers().get(IF_NONE_MATCH);
    let is_known = known.is_some_and(|known| {
        let known = known.to_str().unwrap_or_default();
        known.split(',').any(|known| known.trim() == tag)
    });

    if is_known {
        return (StatusCode::NOT_MODIFIED, GUARDS, [(ETAG, tag)]).into_response();
    }
    let about = [(CONTENT_TYPE, media_type(path).to_owned()), (ETAG, tag)];
    (GUARDS, about, file.data.into_owned()).into_response()
}

/// Of its content: half of a SHA-256 tells any two files apart.
fn tag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let digits = hash.iter().take(16).map(|byte| format!("{byte:02x}"));
    format!("\"{}\"", digits.collect::<String>())
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_type_that_browsers_take() {
        let paths: Vec<_> = Files::iter().collect();
        assert!(paths.iter().any(|path| path == "index.html"), "{paths:?}");
        for path in paths {
            assert_ne!(media_type(&path), "application/octet-stream", "{path}");
        }
    }
}
