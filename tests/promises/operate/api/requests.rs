//! Requests that make no sense get a clear answer.

use serde_json::json;

use super::{gateway, local};

#[test]
fn a_path_or_a_method_that_is_none_says_where_the_list_is() {
    let gateway = gateway(&[]);
    for (method, path, status, code) in [
        ("GET", "/api/nothing", 404, "not_found"),
        ("POST", "/api/status", 405, "method_not_allowed"),
        ("PUT", "/api/jobs/1", 405, "method_not_allowed"),
    ] {
        let answer = local(&gateway, method, path, &json!(null));
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (status, &json!(code)),
            "{method} {path}"
        );
        let message = answer.body["message"].as_str().unwrap();
        assert!(
            message.contains(path) && message.contains("/api/openapi.json"),
            "{message}"
        );
    }
}

#[test]
fn answers_are_for_who_asked_and_for_now() {
    let gateway = gateway(&[]);
    let answer = local(&gateway, "GET", "/api/jobs", &json!(null));
    assert_eq!((answer.status, &answer.body), (200, &json!({"jobs": []})));
    let head = answer.head.to_lowercase();
    assert!(
        head.contains("cache-control: no-store") && head.contains("application/json"),
        "{head}"
    );
}
