//! How boxes, Prometheus and Grafana reach the gateways, and who does not.

use serde_json::{Value, json};

use super::helm::{CHART, Rendered, documents, render};

fn allowed(rendered: &Rendered, port: &str) -> Option<Value> {
    let policy = rendered.object("NetworkPolicy", "boxbridge");
    let rules = policy["spec"]["ingress"].as_array().unwrap().clone();
    rules
        .into_iter()
        .find(|rule| rule["ports"] == json!([{"port": port}]))
        .map(|rule| rule["from"].clone())
}

#[test]
fn a_box_stays_on_its_replica_by_its_own_address() {
    for (kind, policy) in [
        ("ClusterIP", None),
        ("NodePort", Some("Local")),
        ("LoadBalancer", Some("Local")),
    ] {
        let rendered = render(&format!("service: {{type: {kind}}}"));
        let service = rendered.service();
        assert_eq!(
            (&service["type"], &service["sessionAffinity"]),
            (&json!(kind), &json!("ClientIP"))
        );
        assert_eq!(
            service.get("externalTrafficPolicy").and_then(Value::as_str),
            policy,
            "{kind}"
        );
        assert_eq!(
            service["ports"],
            json!([{"name": "http", "port": 9528, "targetPort": "ingest"}])
        );
    }
}

#[test]
fn a_load_balancer_lets_only_the_boxes_networks_in() {
    let rendered = render(include_str!("../../../chart/load-balancer.yaml"));
    let service = rendered.service();
    assert_eq!(
        service["loadBalancerSourceRanges"],
        json!(["192.168.1.0/24"])
    );
    assert_eq!(
        (&service["loadBalancerIP"], &service["loadBalancerClass"]),
        (&json!("192.168.1.10"), &json!("metallb"))
    );
    assert_eq!(
        service["ports"],
        json!([{"name": "http", "port": 80, "targetPort": "ingest", "nodePort": 30528}])
    );
    assert_eq!(
        render("").service().get("loadBalancerSourceRanges"),
        None,
        "only a load balancer has such"
    );
}

#[test]
fn each_pod_has_a_name_even_while_it_is_not_ready() {
    let rendered = render("");
    let service = &rendered.object("Service", "boxbridge-headless")["spec"];
    assert_eq!(
        (&service["clusterIP"], &service["publishNotReadyAddresses"]),
        (&json!("None"), &json!(true))
    );
    assert_eq!(
        service["ports"][1],
        json!({"name": "admin", "port": 9529, "targetPort": "admin"})
    );
}

#[test]
fn a_drain_takes_one_replica_at_a_time() {
    let rendered = render("");
    let budget = &rendered.object("PodDisruptionBudget", "boxbridge")["spec"];
    assert_eq!(
        (&budget["maxUnavailable"], &budget["selector"]),
        (&json!(1), &rendered.stateful_set()["selector"])
    );
}

#[test]
fn only_the_boxes_networks_reach_their_port() {
    let rendered = render("allowedCidrs: [192.168.1.0/24, \"fd00::/8\"]");
    let from = allowed(&rendered, "ingest").unwrap();
    assert_eq!(from[0], json!({"ipBlock": {"cidr": "192.168.1.0/24"}}));
    assert_eq!(from[1], json!({"ipBlock": {"cidr": "fd00::/8"}}));

    let test = rendered.object("Pod", "boxbridge-test")["metadata"]["labels"]
        .as_object()
        .unwrap();
    let peer = from[2]["podSelector"]["matchLabels"].as_object().unwrap();
    assert!(
        peer.iter().all(|(label, value)| test[label] == *value),
        "helm test is shut out: {peer:?}"
    );
    assert_eq!(from.as_array().unwrap().len(), 3);

    let policy = &rendered.object("NetworkPolicy", "boxbridge")["spec"];
    assert_eq!(
        (&policy["policyTypes"], &policy["podSelector"]),
        (&json!(["Ingress"]), &rendered.stateful_set()["selector"])
    );

    let anyone = render("allowedCidrs: []\ninsecure: true");
    assert_eq!(
        allowed(&anyone, "ingest"),
        Some(Value::Null),
        "no from = anyone"
    );
}

#[test]
fn links_have_a_port_of_their_own_where_the_pods_open_them() {
    let rendered = render(include_str!("../../../chart/settings.yaml"));
    let port = json!({"name": "links", "port": 9800, "targetPort": "links"});
    assert_eq!(rendered.service()["ports"][1], port);
    let ports = &rendered.container()["ports"];
    assert_eq!(ports[2], json!({"name": "links", "containerPort": 9800}));
    assert_eq!(
        allowed(&rendered, "links"),
        Some(Value::Null),
        "anyone with a link"
    );
    assert!(
        rendered
            .settings()
            .contains("secret_file = \"/etc/services\"")
    );

    let signed = render("send: {store: {url: \"s3://faces\", links: {mode: auto}}}");
    assert_eq!(signed.service()["ports"].as_array().unwrap().len(), 1);
    assert_eq!(allowed(&signed, "links"), None, "the bucket opens them");
}

#[test]
fn only_prometheus_reaches_the_admin_port() {
    assert_eq!(
        allowed(&render(""), "admin"),
        None,
        "nobody but the node's own probes"
    );

    let peer = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]);
    assert_eq!(
        allowed(
            &render(include_str!("../../../chart/monitoring.yaml")),
            "admin"
        ),
        Some(peer)
    );

    let ports = render("").service()["ports"].to_string();
    assert!(
        !ports.contains("admin"),
        "the boxes' Service has no way to it: {ports}"
    );
}

#[test]
fn monitoring_and_an_ingress_are_off_unless_wanted() {
    let rendered = render("");
    for kind in ["ServiceMonitor", "PrometheusRule", "Ingress"] {
        assert!(rendered.all(kind).is_empty(), "{kind}");
    }
    assert_eq!(rendered.all("ConfigMap").len(), 1);
}

#[test]
fn prometheus_finds_every_pod_once() {
    let rendered = render(include_str!("../../../chart/monitoring.yaml"));
    let monitor = rendered.object("ServiceMonitor", "boxbridge");
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");

    let spec = &monitor["spec"];
    assert_eq!(
        spec["endpoints"],
        json!([{"port": "admin", "path": "/metrics", "interval": "15s"}])
    );

    let wanted = spec["selector"]["matchLabels"].as_object().unwrap();
    let matches = |service: &&&Value| {
        wanted
            .iter()
            .all(|(label, value)| service["metadata"]["labels"][label] == *value)
    };
    let services: Vec<_> = rendered
        .all("Service")
        .iter()
        .filter(matches)
        .map(|service| service["metadata"]["name"].clone())
        .collect();
    assert_eq!(services, ["boxbridge-headless"]);
    assert_eq!(
        spec["namespaceSelector"]["matchNames"],
        json!(["boxbridge"])
    );
}

#[test]
fn rules_and_dashboard_arrive_as_they_were_written() {
    let rendered = render(include_str!("../../../chart/monitoring.yaml"));
    let file = |name: &str| std::fs::read_to_string(format!("{CHART}/files/{name}")).unwrap();
    let rules = rendered.object("PrometheusRule", "boxbridge");
    assert_eq!(rules["spec"], documents(&file("alerts.yaml"))[0]);
    assert!(
        rules["spec"].to_string().contains("{{ $labels."),
        "Prometheus' templates are not Helm's"
    );
    assert_eq!(rules["metadata"]["labels"]["release"], "prometheus");

    let dashboard = rendered.object("ConfigMap", "boxbridge-dashboard");
    assert_eq!(dashboard["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(
        dashboard["metadata"]["annotations"]["grafana_folder"],
        "sites"
    );

    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(
        json(dashboard["data"]["boxbridge.json"].as_str().unwrap()),
        json(&file("dashboard.json"))
    );
}

#[test]
fn an_ingress_takes_a_whole_history_body_and_only_from_boxes() {
    let rendered = render(include_str!("../../../chart/ingress.yaml"));
    let ingress = rendered.object("Ingress", "boxbridge");
    let annotation = |name: &str| {
        ingress["metadata"]["annotations"][format!("nginx.ingress.kubernetes.io/{name}")].clone()
    };
    assert_eq!(annotation("proxy-body-size"), "96m", "100 MB, rounded up");
    assert_eq!(
        annotation("whitelist-source-range"),
        "192.168.1.0/24,192.168.2.0/24"
    );
    assert_eq!(
        annotation("upstream-hash-by"),
        "$remote_addr",
        "it goes past the Service and its affinity"
    );
    assert_eq!(
        ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"],
        "ours"
    );

    let rules = ingress["spec"]["rules"].as_array().unwrap();
    assert_eq!(
        (rules.len(), &rules[0]["host"]),
        (1, &json!("boxes.example.com"))
    );
    assert_eq!(
        rules[0]["http"]["paths"][0]["backend"]["service"],
        json!({"name": "boxbridge", "port": {"name": "http"}})
    );
    assert_eq!(
        (
            &ingress["spec"]["ingressClassName"],
            &ingress["spec"]["tls"][0]["secretName"]
        ),
        (&json!("nginx"), &json!("boxes-tls"))
    );

    let controller = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}});
    assert!(
        allowed(&rendered, "ingest")
            .unwrap()
            .as_array()
            .unwrap()
            .contains(&controller)
    );

    let own = render(
        "ingress: {enabled: true, annotations: {nginx.ingress.kubernetes.io/proxy-body-size: 1g}}\nnetworkPolicy: {enabled: false}\ningest: {trusted_proxies: [10.42.0.0/16]}",
    );
    assert_eq!(
        own.object("Ingress", "boxbridge")["spec"]["rules"][0].get("host"),
        None,
        "any"
    );
    assert_eq!(
        own.object("Ingress", "boxbridge")["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"],
        "1g"
    );
}

#[test]
fn tls_of_boxes_and_operators_reaches_service_policy_probes_and_prometheus() {
    let rendered = render(
        "allowedCidrs: [192.168.1.0/24]\nserviceMonitor: {enabled: true}
networkPolicy: {metricsFrom: [{podSelector: {}}]}
ingest: {tls_listen: '[::]:9543', tls_cert_file: /tls/tls.crt, tls_key_file: /tls/tls.key}
admin: {tls_cert_file: /tls/tls.crt, tls_key_file: /tls/tls.key}",
    );
    let https = json!({"name": "https", "port": 9543, "targetPort": "ingest-tls"});
    assert_eq!(rendered.service()["ports"][1], https);
    let policy = rendered.object("NetworkPolicy", "boxbridge");
    let ports = &policy["spec"]["ingress"][0]["ports"];
    assert_eq!(*ports, json!([{"port": "ingest"}, {"port": "ingest-tls"}]));

    let pod = &rendered.stateful_set()["template"]["spec"]["containers"][0];
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(pod[probe]["httpGet"]["scheme"], "HTTPS", "{probe}");
    }
    let monitor = rendered.object("ServiceMonitor", "boxbridge");
    assert_eq!(monitor["spec"]["endpoints"][0]["scheme"], "https");
}
