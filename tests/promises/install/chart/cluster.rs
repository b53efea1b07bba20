//! `mode: cluster`: a Deployment whose pods may go with their disks, as many as the load wants. `mode: edge` has nothing of it.

use serde_json::{Value, json};

use super::helm::{Rendered, render};

const CLUSTER: &str = include_str!("../../../chart/cluster.yaml");
const FIXED: &str = include_str!("../../../chart/cluster-fixed.yaml");

fn data(rendered: &Rendered) -> &Value {
    let volumes = rendered.pod()["volumes"].as_array().unwrap();
    let mut named = volumes.iter().filter(|volume| volume["name"] == "data");
    named.next().unwrap_or(&Value::Null)
}

#[test]
fn a_pod_may_go_with_its_disk() {
    let rendered = render(CLUSTER);
    assert!(rendered.all("StatefulSet").is_empty());
    assert_eq!(data(&rendered)["emptyDir"], json!({"sizeLimit": "20Gi"}));
    assert_eq!(
        data(&render(FIXED))["emptyDir"],
        json!({"sizeLimit": "3Gi"})
    );
}

#[test]
fn a_new_pod_takes_boxes_before_an_old_one_stops() {
    let rendered = render(CLUSTER);
    let deployment = rendered.deployment();
    assert_eq!(
        deployment["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    );
    assert_eq!(deployment["minReadySeconds"], 10);
}

/// What the settings that the pods see say under a section.
fn setting<'a>(rendered: &'a Rendered, section: &str, key: &str) -> Option<&'a str> {
    let lines = rendered.settings().lines().map(str::trim);
    let behind = lines.skip_while(|line| *line != format!("[{section}]"));
    let own = behind.skip(1).take_while(|line| !line.starts_with('['));
    let mut values = own.filter_map(|line| line.split_once(" = "));
    let (_, value) = values.find(|(found, _)| *found == key)?;
    Some(value.trim_matches('"'))
}

#[test]
fn boxes_are_answered_from_kafka_and_mqtt_is_fed_from_it() {
    let cluster = render(CLUSTER);
    assert_eq!(setting(&cluster, "queue", "answer_from"), Some("kafka"));
    assert_eq!(setting(&cluster, "send.mqtt", "from"), Some("kafka"));

    let fixed = render(FIXED);
    assert_eq!(setting(&fixed, "queue", "answer_from"), Some("central"));
    assert_eq!(setting(&fixed, "send.mqtt", "from"), Some("central"));
    assert_eq!(setting(&fixed, "send.screens", "from"), Some("queue"));
}

#[test]
fn there_are_as_many_pods_as_the_load_wants() {
    let rendered = render(CLUSTER);
    assert_eq!(rendered.deployment().get("replicas"), None, "the load says");

    let scaler = &rendered.object("HorizontalPodAutoscaler", "boxbridge")["spec"];
    assert_eq!(
        (
            &scaler["scaleTargetRef"]["kind"],
            &scaler["scaleTargetRef"]["name"]
        ),
        (&json!("Deployment"), &json!("boxbridge"))
    );
    assert_eq!(
        (&scaler["minReplicas"], &scaler["maxReplicas"]),
        (&json!(3), &json!(12))
    );
    let metrics = scaler["metrics"].as_array().unwrap();
    let cpu = json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}});
    assert_eq!((metrics.len(), &metrics[0]["resource"]), (2, &cpu));
    assert_eq!(
        metrics[1]["pods"]["metric"]["name"],
        "boxbridge_ingest_events_per_second"
    );

    let fixed = render(FIXED);
    assert_eq!(fixed.deployment()["replicas"], 4);
    assert!(fixed.all("HorizontalPodAutoscaler").is_empty());
}

#[test]
fn there_is_more_time_to_end_than_draining_and_delivering_take() {
    let seconds = |values: &str| render(values).pod()["terminationGracePeriodSeconds"].clone();
    // drain_delay, drain_limit, the program's own ten, and five more.
    assert_eq!(seconds(CLUSTER), 15 + 60 + 10 + 5);
    assert_eq!(seconds(FIXED), 15 + 120 + 10 + 5);
    assert_eq!(seconds("queue: {drain_limit: 5m}"), 15 + 300 + 10 + 5);
}

#[test]
fn a_box_that_is_silent_for_a_moment_may_go_to_a_new_pod() {
    let patience = |values: &str| {
        let rendered = render(values);
        let service = rendered.service();
        assert_eq!(service["sessionAffinity"], "ClientIP");
        service["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"].clone()
    };
    assert_eq!(patience(CLUSTER), 10);
    assert_eq!(patience(""), 86_400);
}

#[test]
fn budget_and_services_find_the_pods_and_they_are_spread() {
    let rendered = render(CLUSTER);
    let selector = &rendered.deployment()["selector"];
    let budget = &rendered.object("PodDisruptionBudget", "boxbridge")["spec"];
    assert_eq!(
        (&budget["maxUnavailable"], &budget["selector"]),
        (&json!(1), selector)
    );
    assert_eq!(&rendered.service()["selector"], &selector["matchLabels"]);
    let labels = &rendered.deployment()["template"]["metadata"]["labels"];
    for (label, value) in selector["matchLabels"].as_object().unwrap() {
        assert_eq!(&labels[label], value);
    }

    let spread = rendered.pod()["topologySpreadConstraints"]
        .as_array()
        .unwrap();
    assert_eq!(spread.len(), 2);
    assert!(spread.iter().all(|one| &one["labelSelector"] == selector));
}

#[test]
fn another_source_of_events_rolls_the_pods() {
    let checksum = |values: &str| {
        let rendered = render(values);
        let pods = &rendered.deployment()["template"]["metadata"];
        pods["annotations"]["checksum/config"].clone()
    };
    let plain = checksum(FIXED);
    assert_eq!(
        checksum(&FIXED.replace("drain_limit: 2m", "drain_limit: 3m")),
        plain
    );
    assert_ne!(
        checksum(&FIXED.replace("from: queue", "from: central")),
        plain
    );
}

#[test]
fn mode_edge_is_the_default_and_has_nothing_of_this() {
    let rendered = render("");
    for kind in ["Deployment", "HorizontalPodAutoscaler"] {
        assert!(rendered.all(kind).is_empty(), "{kind}");
    }
    assert_eq!(data(&rendered), &Value::Null, "a volume of its own");
    assert_eq!(setting(&rendered, "queue", "answer_from"), None);
    assert_eq!(setting(&rendered, "send.mqtt", "from"), None);
}
