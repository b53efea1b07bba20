//! The StatefulSet: how many, how they start and end, what they may do, and where their queues lie.

use serde_json::{Value, json};

use super::helm::render;

fn volume(values: &str) -> String {
    let rendered = render(values);
    let claims = rendered.stateful_set()["volumeClaimTemplates"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(claims.len(), 1);
    claims[0]["spec"]["resources"]["requests"]["storage"]
        .to_string()
        .trim_matches('"')
        .to_owned()
}

#[test]
fn there_are_two_replicas_that_share_nothing() {
    let rendered = render("");
    let set = rendered.stateful_set();
    assert_eq!(set["replicas"], 2);
    assert_eq!(set["serviceName"], "boxbridge-headless");
    assert_eq!(set["podManagementPolicy"], "Parallel");
    assert_eq!(
        set["selector"]["matchLabels"],
        json!({
            "app.kubernetes.io/name": "boxbridge", "app.kubernetes.io/instance": "boxbridge", "app.kubernetes.io/component": "gateway",
        })
    );

    let spread: Vec<_> = rendered.pod()["topologySpreadConstraints"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    assert_eq!(spread.len(), 2);
    for (constraint, key) in spread
        .iter()
        .zip(["kubernetes.io/hostname", "topology.kubernetes.io/zone"])
    {
        assert_eq!(
            (&constraint["topologyKey"], &constraint["labelSelector"]),
            (&json!(key), &set["selector"])
        );
    }
}

#[test]
fn each_replica_has_a_volume_of_twice_its_queue() {
    for (values, size) in [
        ("", "20Gi"),
        ("queue: {max_bytes: 256MiB}", "512Mi"),
        ("queue: {max_bytes: 2560 MiB}", "5Gi"),
        ("queue: {max_bytes: 1GB}", "2000000000"),
        ("queue: {max_bytes: 3TiB}", "6144Gi"),
        ("queue: {max_bytes: 5368709120}", "10Gi"),
        ("persistence: {size: 30Gi}", "30Gi"),
        ("persistence: {size: 40000M}", "40000000000"),
    ] {
        assert_eq!(volume(values), size, "{values}");
    }
}

#[test]
fn volumes_outlive_the_release_and_the_replicas() {
    let rendered = render("");
    assert_eq!(
        rendered.stateful_set()["persistentVolumeClaimRetentionPolicy"],
        json!({"whenDeleted": "Retain", "whenScaled": "Retain"})
    );

    let claim = &rendered.stateful_set()["volumeClaimTemplates"][0]["spec"];
    assert_eq!(claim["accessModes"], json!(["ReadWriteOnce"]));
    assert_eq!(claim.get("storageClassName"), None, "the cluster's default");

    let class = |values: &str| {
        render(values).stateful_set()["volumeClaimTemplates"][0]["spec"]["storageClassName"].clone()
    };
    assert_eq!(class("persistence: {storageClass: fast}"), "fast");
    assert_eq!(class("persistence: {storageClass: \"-\"}"), "");
}

#[test]
fn there_is_more_time_to_end_than_draining_takes() {
    for (values, seconds) in [
        ("", 30),
        ("ingest: {drain_delay: 0s}", 15),
        ("ingest: {drain_delay: 1m30s}", 105),
        ("ingest: {drain_delay: 1500ms}", 17),
        ("terminationGracePeriodSeconds: 26", 26),
    ] {
        assert_eq!(
            render(values).pod()["terminationGracePeriodSeconds"],
            seconds,
            "{values}"
        );
    }
    assert!(render("").settings().contains("drain_delay = \"15s\""));
}

#[test]
fn probes_need_no_token_and_a_restart_comes_late() {
    let rendered = render("admin: {listen: \"0.0.0.0:9700\"}");
    let container = rendered.container();
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        assert_eq!(
            container[probe]["httpGet"],
            json!({"path": path, "port": "admin"}),
            "no header, no host: the pod's address"
        );
    }

    let liveness = &container["livenessProbe"];
    let patience = liveness["periodSeconds"].as_u64().unwrap()
        * liveness["failureThreshold"].as_u64().unwrap();
    assert!(
        patience >= 300,
        "a restart loses what boxes send meanwhile: {patience} s"
    );
    assert!(
        container["ports"]
            .as_array()
            .unwrap()
            .contains(&json!({"name": "admin", "containerPort": 9700}))
    );

    let said = render("readinessProbe: {periodSeconds: 2}");
    assert_eq!(said.container()["readinessProbe"]["periodSeconds"], 2);
}

#[test]
fn pods_may_do_nothing_but_their_work() {
    let rendered = render("");
    let pods = [
        rendered.pod(),
        &rendered.object("Pod", "boxbridge-test")["spec"],
    ];
    for pod in pods {
        let context = &pod["securityContext"];
        assert_eq!(
            (&context["runAsNonRoot"], &context["seccompProfile"]["type"]),
            (&json!(true), &json!("RuntimeDefault"))
        );
        let ids = ["runAsUser", "runAsGroup", "fsGroup"].map(|key| context[key].as_u64().unwrap());
        assert!(ids.iter().all(|id| *id >= 10_000), "{ids:?}");
        assert_eq!(
            pod["containers"][0]["securityContext"],
            json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
        );
        assert_eq!(
            (
                &pod["automountServiceAccountToken"],
                &pod["enableServiceLinks"]
            ),
            (&json!(false), &json!(false))
        );
    }
    assert_eq!(
        rendered.object("ServiceAccount", "boxbridge")["automountServiceAccountToken"],
        false
    );

    for kind in [
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "Secret",
    ] {
        assert!(rendered.all(kind).is_empty(), "{kind}");
    }
}

#[test]
fn memory_has_room_over_the_256_mib_that_the_program_promises() {
    let rendered = render("");
    let resources = &rendered.container()["resources"];
    assert_eq!(resources["limits"]["memory"], "384Mi");
    assert_eq!(resources["requests"]["memory"], "384Mi");
    assert_eq!(
        resources["limits"].get("cpu"),
        None,
        "a throttled gateway answers late"
    );
}

/// Another value for every setting that only a start takes, but for those that are the chart's own business.
const TAKEN_AT_START: [&str; 15] = [
    "site: lobby",
    "log: {format: json}",
    "ingest: {listen: '0.0.0.0:9538'}",
    "ingest: {tls_listen: '0.0.0.0:9543'}",
    "ingest: {connections_max: 7}",
    "admin: {listen: '0.0.0.0:9539'}",
    "queue: {max_bytes: 1GiB}",
    "queue: {answer_from: kafka}",
    "send: {mqtt: {from: kafka}}",
    "send: {store: {url: 's3://faces'}}",
    "send: {store: {links: {mode: presigned}}}",
    "send: {store: {links: {listen: '0.0.0.0:9531'}}}",
    "send: {mqtt: {embedded: {listen: '127.0.0.1:1884'}}}",
    "send: {mqtt: {embedded: {websocket: '127.0.0.1:8084'}}}",
    "send: {hq: {kind: kafka, brokers: 'hq:9092'}}",
];

#[test]
fn settings_that_only_a_start_takes_roll_the_pods_and_no_others_do() {
    let checksum = |values: &str| {
        let rendered = render(values);
        rendered.stateful_set()["template"]["metadata"]["annotations"]["checksum/config"]
            .as_str()
            .unwrap()
            .to_owned()
    };

    let plain = checksum("");
    for live in [
        "service: {type: NodePort}\nreplicas: 3",
        "send: {kafka: {linger: 10ms}}",
        "route: {vip: {live_for: 90s}}",
        "ingest: {body_max_bytes: 4MiB}",
    ] {
        assert_eq!(checksum(live), plain, "{live}");
    }
    for start in TAKEN_AT_START {
        assert_ne!(checksum(start), plain, "{start}");
    }

    // A broker that moves is followed, one that joins needs a start.
    let kafka = |brokers: &str| checksum(&format!("send: {{kafka: {{brokers: '{brokers}'}}}}"));
    assert_ne!(kafka("kafka:9092"), plain);
    assert_eq!(kafka("kafka:9092"), kafka("kafka:9093"));
}

#[test]
fn every_setting_that_only_a_start_takes_is_known_to_the_chart() {
    let mut found = Vec::new();
    let mut sections = vec![(String::new(), boxbridge_config::schema())];
    while let Some((path, section)) = sections.pop() {
        for (name, schema) in section["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            match schema["x-reload"] == "restart" {
                true => found.push(path),
                false => sections.push((path, schema.clone())),
            }
        }
    }

    let of_the_chart = [".data_dir", ".gateway"];
    let is_kind = |path: &str| path.ends_with(".kind");
    found.retain(|path| !of_the_chart.contains(&path.as_str()) && !is_kind(path));
    // The last of ours is the kind of a destination.
    assert_eq!(found.len(), TAKEN_AT_START.len() - 1, "{found:?}");
}

#[test]
fn pods_take_what_chart_users_expect_to_give() {
    let rendered = render(include_str!("../../../chart/extras.yaml"));
    let (pod, container) = (rendered.pod(), rendered.container());
    let has = |list: &Value, name: &str| {
        list.as_array()
            .unwrap()
            .iter()
            .any(|item| item["name"] == name)
    };
    assert!(
        has(&container["env"], "BOXBRIDGE_SEND__KAFKA__LINGER")
            && has(&container["env"], "AWS_SECRET_ACCESS_KEY")
    );
    assert!(has(&container["volumeMounts"], "mqtt-tls") && has(&pod["volumes"], "mqtt-tls"));
    assert_eq!(container["envFrom"][0]["configMapRef"]["name"], "proxy");
    assert!(
        container["image"]
            .as_str()
            .unwrap()
            .starts_with("registry.example.com/boxbridge@sha256:0123")
    );
    assert_eq!(container["resources"]["limits"]["memory"], "1Gi");
    assert_eq!(
        (&pod["serviceAccountName"], &pod["priorityClassName"]),
        (&json!("boxes"), &json!("high"))
    );
    assert_eq!(
        (
            &pod["imagePullSecrets"][0]["name"],
            &pod["nodeSelector"]["kubernetes.io/arch"]
        ),
        (&json!("regcred"), &json!("arm64"))
    );
    assert_eq!(
        (&pod["tolerations"][0]["key"], pod["affinity"].is_object()),
        (&json!("edge"), true)
    );

    let spread = &pod["topologySpreadConstraints"];
    assert_eq!(
        (spread.as_array().unwrap().len(), &spread[0]["topologyKey"]),
        (1, &json!("rack"))
    );
    assert_eq!(
        spread[0]["labelSelector"],
        rendered.stateful_set()["selector"]
    );

    let template = &rendered.stateful_set()["template"]["metadata"];
    assert_eq!(
        (&template["labels"]["zone"], &template["labels"]["team"]),
        (&json!("edge"), &json!("doors"))
    );
    assert_eq!(template["annotations"]["sidecar.istio.io/inject"], "false");

    let set = &rendered.object("StatefulSet", "boxbridge")["metadata"];
    assert_eq!(set["annotations"]["reloader.stakater.com/auto"], "true");
    assert_eq!(
        rendered.object("ServiceAccount", "boxes")["metadata"]["annotations"]["eks.amazonaws.com/role-arn"],
        "arn:aws:iam::1:role/boxes"
    );
}
