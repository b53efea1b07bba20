//! What the chart says of itself: versions, README, notes.

use std::process::Command;

use serde_json::Value;

use super::helm::{CHART, documents, helm, run};
use crate::parts::child::installed;
use crate::parts::site::files;

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{CHART}/{path}")).unwrap()
}

#[test]
fn chart_and_program_have_one_version() {
    let chart: Value = serde_saphyr::from_str(&read("Chart.yaml")).unwrap();
    assert_eq!(
        (&chart["version"], &chart["appVersion"]),
        (
            &env!("CARGO_PKG_VERSION").into(),
            &env!("CARGO_PKG_VERSION").into()
        )
    );
    assert_eq!(chart["description"], env!("CARGO_PKG_DESCRIPTION"));

    let image = super::helm::render("").container()["image"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        image.ends_with(concat!(":", env!("CARGO_PKG_VERSION"))),
        "{image}"
    );
}

#[test]
fn the_readme_is_made_from_the_comments_in_values() {
    let mut command = Command::new(installed("helm-docs-1.14.2").join("helm-docs"));
    command
        .current_dir(CHART)
        .args(["--sort-values-order", "file", "--log-level", "error"]);
    if std::env::var_os("UPDATE").is_none() {
        command.arg("--dry-run");
    }

    let output = run(&mut command, "");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    if std::env::var_os("UPDATE").is_none() {
        let made = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            made.trim_end(),
            read("README.md").trim_end(),
            "run with UPDATE=1"
        );
    }
}

#[test]
fn every_value_has_a_comment() {
    let readme = read("README.md");
    let bare: Vec<_> = readme
        .lines()
        .filter(|line| line.starts_with("| ") && line.ends_with("|  |"))
        .collect();
    assert!(bare.is_empty(), "{bare:#?}");
    assert!(readme.contains("| replicas | int | `2` |"));
}

#[test]
fn the_readme_says_how_to_make_a_volume_larger() {
    let readme = read("README.md");
    let (_, way) = readme.split_once("## Resizing").unwrap();
    let place = |step: &str| {
        way.find(step)
            .unwrap_or_else(|| panic!("{step} is missing"))
    };
    let steps = [
        "kubectl patch {} -n boxbridge",
        "kubectl delete statefulset boxbridge -n boxbridge --cascade=orphan",
        "helm upgrade boxbridge",
    ];
    assert!(steps.map(place).is_sorted(), "in this order");
}

/// What `helm install` prints, on top of the minimal values. Helm shows notes only with a cluster at hand, so a copy of the chart renders them into
/// an object.
fn notes(values: &str) -> String {
    const OBJECT: &str =
        "notes: |\n  {{- include (print .Template.BasePath \"/NOTES.txt\") . | nindent 2 }}\n";
    let copy = tempfile::tempdir().unwrap();
    for (name, bytes) in files(CHART.as_ref()) {
        let path = copy.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    std::fs::write(copy.path().join("templates/notes.yaml"), OBJECT).unwrap();

    let chart = copy.path().to_str().unwrap();
    let minimal = [
        "--values",
        super::helm::MINIMAL,
        "--values",
        "-",
        "--show-only",
        "templates/notes.yaml",
    ];
    let output = helm(
        &[
            &["template", "boxbridge", chart, "--namespace", "lobby"][..],
            &minimal,
        ]
        .concat(),
        values,
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    documents(&text)[0]["notes"].as_str().unwrap().to_owned()
}

#[test]
fn the_notes_say_how_to_point_a_box_at_it() {
    for (values, address) in [
        ("", "http://boxbridge.lobby:9528/RealTimeEvent"),
        (
            "service: {type: LoadBalancer, port: 80}",
            "ingress[0]['ip','hostname']}\"):80/RealTimeEvent",
        ),
        (
            "service: {type: NodePort}",
            "jsonpath='{.spec.ports[0].nodePort}')/RealTimeEvent",
        ),
        (
            "ingress: {enabled: true, hosts: [boxes.example.com]}\nnetworkPolicy: {enabled: false}\ningest: {trusted_proxies: [10.42.0.0/16]}",
            "http://boxes.example.com/RealTimeEvent",
        ),
    ] {
        let notes = notes(values);
        assert!(notes.contains(address), "{values}: {notes}");
        assert!(
            notes.contains("no act_before, or past it: do not open, do not ring"),
            "{notes}"
        );
        assert!(
            notes.contains("helm test boxbridge -n lobby") && notes.contains("/metrics"),
            "{notes}"
        );
    }
}

#[test]
fn the_notes_say_what_is_open_and_what_nobody_can_read() {
    let (closed, open) = ("send: {store: {url: \"s3://faces\"}}", "insecure: true");
    for (sentence, is_in_closed) in [
        ("Anyone who reaches that port", false),
        ("where no consumer can read them", false),
    ] {
        assert_eq!(notes(closed).contains(sentence), is_in_closed, "{sentence}");
        assert!(notes(open).contains(sentence), "{sentence}");
    }
}

#[test]
fn the_notes_of_mode_cluster_name_the_deployment() {
    let notes = notes(include_str!("../../../chart/cluster.yaml"));
    assert!(
        notes.contains("in mode cluster, replicas: 3 to 12."),
        "{notes}"
    );
    assert!(
        notes.contains("exec -n lobby deployment/boxbridge -- boxbridge queue status"),
        "{notes}"
    );
    assert!(
        notes.contains("delivers first what it holds, for 60s"),
        "{notes}"
    );
    assert!(!notes.contains("The volumes stay"), "{notes}");
}

#[test]
fn the_readme_says_how_to_come_from_edge_to_cluster_without_loss() {
    let readme = read("README.md");
    let (_, way) = readme.split_once("### From edge to cluster").unwrap();
    let place = |step: &str| {
        way.find(step)
            .unwrap_or_else(|| panic!("{step} is missing"))
    };
    let steps = [
        "send.mqtt.from=kafka",
        "helm install boxbridge-cluster",
        "boxbridge queue status",
        "helm uninstall boxbridge",
    ];
    assert!(steps.map(place).is_sorted(), "in this order");
}
