//! What a release that is there does not let change: Helm looks into an API server, of which this is the part that it asks.

use std::process::Command;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::routing::get;
use serde_json::{Value, json};

use super::helm::{CHART, MINIMAL, run};
use crate::parts::child::installed;

fn answer(
    status: StatusCode,
    body: &Value,
) -> (StatusCode, [(HeaderName, &'static str); 1], String) {
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
}

/// A cluster that holds this StatefulSet, and volume claims of these names and sizes.
async fn cluster(
    stateful_set: Option<Value>,
    claims: &'static [(&'static str, &'static str)],
) -> String {
    let resources = |group: &str, name: &str, kind: &str| {
        let resource =
            json!({"name": name, "kind": kind, "namespaced": true, "verbs": ["get", "list"]});
        answer(
            StatusCode::OK,
            &json!({"kind": "APIResourceList", "groupVersion": group, "resources": [resource]}),
        )
    };
    let core = resources("v1", "persistentvolumeclaims", "PersistentVolumeClaim");
    let apps = resources("apps/v1", "statefulsets", "StatefulSet");
    let items: Vec<_> = stateful_set.into_iter().collect();
    let list = answer(
        StatusCode::OK,
        &json!({"kind": "StatefulSetList", "apiVersion": "apps/v1", "items": items}),
    );
    let claim = move |Path(name): Path<String>| async move {
        let found = claims.iter().find(|(claim, _)| *claim == name);
        let not_found = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404});
        found.map_or(answer(StatusCode::NOT_FOUND, &not_found), |(name, size)| {
            let spec = json!({"resources": {"requests": {"storage": size}}});
            let object = json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec});
            answer(StatusCode::OK, &object)
        })
    };
    let router = Router::new()
        .route("/api/v1", get(|| async { core }))
        .route("/apis/apps/v1", get(|| async { apps }))
        .route(
            "/apis/apps/v1/namespaces/boxbridge/statefulsets",
            get(|| async { list }),
        )
        .route(
            "/api/v1/namespaces/boxbridge/persistentvolumeclaims/{name}",
            get(claim),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();

    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// As an install of the minimal values with 10Gi volumes has made it.
fn stateful_set() -> Value {
    let name = "app.kubernetes.io/name";
    let labels = json!({name: "boxbridge", "app.kubernetes.io/instance": "boxbridge", "app.kubernetes.io/component": "gateway"});
    let mut all = labels.clone();
    all["helm.sh/chart"] = "boxbridge-0.0.9".into();
    let volume = json!({"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "10Gi"}}}});
    json!({
        "kind": "StatefulSet", "apiVersion": "apps/v1", "metadata": {"name": "boxbridge", "labels": all},
        "spec": {"selector": {"matchLabels": labels}, "volumeClaimTemplates": [volume]},
    })
}

const CLUSTER: &str = include_str!("../../../chart/cluster.yaml");

/// What Helm says to an upgrade with these values: its objects, or the chart's problems.
fn upgrade(server: &str, values: &str) -> Result<String, String> {
    let mut helm = Command::new(installed("helm-3.22.0").join("helm"));
    helm.args([
        "template",
        "boxbridge",
        CHART,
        "--dry-run=server",
        "--kube-apiserver",
        server,
        "--namespace",
        "boxbridge",
    ]);

    let output = run(
        helm.args(["--values", MINIMAL, "--values", "-"])
            .env("KUBECONFIG", "/nonexistent"),
        values,
    );
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_a_stateful_set_refuses_is_refused_before_anything_changes() {
    let server = cluster(
        Some(stateful_set()),
        &[("data-boxbridge-0", "10Gi"), ("data-boxbridge-1", "10Gi")],
    )
    .await;
    let kept = "queue: {max_bytes: 5GiB}";
    assert!(upgrade(&server, kept).is_ok_and(|objects| objects.contains("kind: StatefulSet")));

    let smaller = "queue: {max_bytes: 2GiB}\npersistence: {size: 10Gi}";
    assert!(upgrade(&server, smaller).is_ok());
    for (values, problem) in [
        (
            "queue: {max_bytes: 20GiB}",
            "made with 10Gi, and a StatefulSet does not let that become 40Gi: go by \"Resizing\"",
        ),
        (
            "queue: {max_bytes: 5GiB}\nfullnameOverride: other",
            "this release runs as boxbridge: as other it would begin with empty volumes",
        ),
        (
            "queue: {max_bytes: 5GiB}\nnameOverride: box",
            "nameOverride cannot change after the install",
        ),
        (
            CLUSTER,
            "mode=cluster would leave behind what waits in data-boxbridge-*: go by \"From edge to cluster\"",
        ),
    ] {
        let said = upgrade(&server, values).expect_err(values);
        assert!(said.contains(problem), "{values}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_that_an_uninstall_left_must_be_large_enough() {
    let server = cluster(None, &[("data-boxbridge-1", "2Gi")]).await;
    let said = upgrade(&server, "queue: {max_bytes: 5GiB}").unwrap_err();
    assert!(
        said.contains("the volume data-boxbridge-1 is there already, with 2Gi: make it 10Gi first"),
        "{said}"
    );
    assert!(!said.contains("data-boxbridge-0"), "{said}");
    assert!(upgrade(&server, "queue: {max_bytes: 1GiB}").is_ok());
}

/// After `kubectl delete statefulset --cascade=orphan` and the growth of its volumes.
#[tokio::test(flavor = "multi_thread")]
async fn resizing_as_the_readme_says_is_let_through() {
    let server = cluster(
        None,
        &[("data-boxbridge-0", "40Gi"), ("data-boxbridge-1", "40Gi")],
    )
    .await;
    assert!(upgrade(&server, "queue: {max_bytes: 20GiB}").is_ok());
}

/// A release of mode cluster has no volumes, whatever lies there of others.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_mode_cluster_asks_for_no_volume() {
    let server = cluster(None, &[("data-boxbridge-0", "1Gi")]).await;
    let made = upgrade(&server, CLUSTER);
    assert!(made.is_ok_and(|objects| objects.contains("kind: Deployment")));
}
