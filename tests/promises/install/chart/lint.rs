//! What Helm's own lint and the Kubernetes API's schemas say of everything that the chart renders.

use std::process::Command;

use super::helm::{CHART, helm, matrix, render, run, try_render};
use crate::parts::child::installed;

/// The oldest Kubernetes that the chart is for, and the newest.
const RELEASES: [&str; 2] = ["1.27.0", "1.37.0"];

#[test]
fn helm_lint_finds_nothing() {
    for (name, values) in matrix() {
        let output = helm(&["lint", "--strict", CHART, "--values", "-"], &values);
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
    }
}

#[test]
fn every_object_is_one_that_kubernetes_knows_to_the_last_field() {
    let mut objects = 0;
    for (name, values) in matrix() {
        let rendered = try_render(&values).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        for release in RELEASES {
            objects += kubeconform(&rendered.text, release)
                .unwrap_or_else(|said| panic!("{name}, Kubernetes {release}: {said}"));
        }
    }
    assert!(objects > 100, "only {objects} objects");
}

#[test]
fn a_field_that_kubernetes_does_not_know_would_be_found() {
    let rendered = render(
        "serviceMonitor: {enabled: true}\nnetworkPolicy: {metricsFrom: [{namespaceSelector: {}}]}",
    );
    for (field, wrong) in [
        ("sessionAffinity:", "sesionAffinity:"),
        ("maxUnavailable: 1", "maxUnavailble: 1"),
        ("jobLabel:", "jobLable:"),
    ] {
        let found = kubeconform(&rendered.text.replace(field, wrong), RELEASES[0]);
        assert!(
            found.is_err_and(|said| said.contains(wrong.split(':').next().unwrap())),
            "{wrong} is accepted"
        );
    }
}

/// How many objects are valid, or what it says.
fn kubeconform(objects: &str, release: &str) -> Result<usize, String> {
    let schemas = installed("kubernetes-schemas-2");
    let mut command = Command::new(installed("kubeconform-0.8.0").join("kubeconform"));
    command.args([
        "-strict",
        "-output",
        "json",
        "-verbose",
        "-kubernetes-version",
        release,
    ]);

    for folder in ["{{.NormalizedKubernetesVersion}}", "crds"] {
        command.arg("-schema-location").arg(
            schemas
                .join(folder)
                .join("{{.ResourceKind}}{{.KindSuffix}}.json"),
        );
    }

    let output = run(&mut command, objects);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(said.matches("statusValid").count()),
        false => Err(said),
    }
}
