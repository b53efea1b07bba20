//! The console's files as they are served, and the library that is part of them.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use super::{MODULES, gateway};
use crate::parts::child::installed;
use crate::parts::gateway::{Answer, Gateway, exchange};

fn ask(gateway: &Gateway, method: &str, path: &str, head: &str) -> Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\n{head}\r\n",
        gateway.admin
    );
    exchange(
        TcpStream::connect(gateway.admin).unwrap(),
        request.as_bytes(),
    )
    .unwrap()
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let lines = answer.head.lines();
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    values
        .next()
        .unwrap_or_else(|| panic!("no {name} in {}", answer.head))
}

#[test]
fn a_page_of_the_console_may_run_and_load_nothing_but_its_own() {
    let gateway = gateway(&[]);
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/console.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let answer = ask(&gateway, "GET", path, "");
        assert_eq!(
            (answer.status, header(&answer, "content-type")),
            (200, media_type)
        );
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        let policy = header(&answer, "content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

#[test]
fn a_file_that_a_browser_has_is_not_sent_again_and_one_that_is_not_there_is_not_found() {
    let gateway = gateway(&[]);
    let first = ask(&gateway, "GET", "/app.js", "");
    assert_eq!(header(&first, "cache-control"), "no-cache");
    let tag = header(&first, "etag");
    let again = ask(
        &gateway,
        "GET",
        "/app.js",
        &format!("If-None-Match: {tag}\r\n"),
    );
    assert_eq!((again.status, header(&again, "etag")), (304, tag));
    let other = ask(&gateway, "GET", "/app.js", "If-None-Match: \"0\"\r\n");
    assert_eq!(other.status, 200);

    for (method, path, status) in [
        ("GET", "/nothing", 404),
        ("GET", "/../../Cargo.toml", 404),
        ("GET", "/%2e%2e/console.rs", 404),
        ("GET", "//etc/passwd", 404),
        ("GET", "/pages", 404),
        ("POST", "/", 405),
    ] {
        assert_eq!(
            ask(&gateway, method, path, "").status,
            status,
            "{method} {path}"
        );
    }
}

#[test]
fn the_library_in_the_console_is_what_its_pinned_versions_make() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("node")
        .arg(root.join("tests/install/console/vendor.mjs"))
        .arg(installed(MODULES).join("node_modules"))
        .output()
        .expect("node, Debian's package nodejs");
    let committed = std::fs::read(root.join("src/admin/console/vendor/preact.js")).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && output.stdout == committed,
        "{said}"
    );
}
