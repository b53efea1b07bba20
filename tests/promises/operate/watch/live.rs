//! Rules, dashboard and page against the metrics of a running gateway, scraped by a real Prometheus.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::files::{dashboard_queries, file, rules, rules_file, selectors};
use crate::parts::certificates::{Certificates, Wanted};
use crate::parts::gateway::{Gateway, event, get};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::prometheus::{Prometheus, promtool};
use crate::parts::site::{base64, jpeg, wait_until};
use crate::parts::subscriber::Subscriber;

/// What its settings name. It is there for as long as the gateway: a file that is gone is a setting that cannot be taken.
type Files = (tempfile::NamedTempFile, Certificates);

/// With an inventory and TLS, so that there is every metric that there can be.
fn start(mosquitto: &Mosquitto) -> (Gateway, Files) {
    let inventory = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&inventory, "ip,name\n192.168.1.243,East\n").unwrap();
    let certificates = Certificates::make();
    // No alert foretells its end yet.
    let (certificate, key) = certificates.sign(&Wanted {
        name: "of_the_port",
        subject: "/CN=gateway",
        usage: "server",
        holds: Some(Duration::from_secs(90 * 24 * 3600)),
    });

    let gateway = Gateway::start(&[
        ("INGEST__TLS_LISTEN", "127.0.0.1:0"),
        ("INGEST__TLS_CERT_FILE", certificate.to_str().unwrap()),
        ("INGEST__TLS_KEY_FILE", key.to_str().unwrap()),
        (
            "INGEST__DEVICES__FILE",
            &inventory.path().display().to_string(),
        ),
        (
            "SEND__MQTT__URL",
            &format!("mqtt://{}", mosquitto.address()),
        ),
        ("QUEUE__MAX_BYTES", "256MiB"),
    ]);
    (gateway, (inventory, certificates))
}

fn with_picture(identity: &str, person_type: Value, device: &str) -> Value {
    let mut body = event(identity, person_type, device);
    body["ext_data"]["spot_pic"] = base64(&jpeg(identity.len() as u64, 20_000));
    body
}

/// One event of every type, one of them twice, and history.
fn an_hour_in_a_moment(gateway: &Gateway) {
    for (number, person_type) in [1, 2, 3, 4, 5, 9].into_iter().enumerate() {
        let body = with_picture(&"i".repeat(number + 1), json!(person_type), "gate");
        gateway.take("/RealTimeEvent", &body);
    }
    gateway.take("/RealTimeEvent", &with_picture("i", json!(1), "gate"));
    gateway.take("/HistoryEvent", &event("of yesterday", json!(1), "door"));
    gateway.wait_delivered();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_finds_its_series_at_a_live_gateway_and_nothing_fires_there() {
    let mosquitto = Mosquitto::start();
    let (gateway, _files) = start(&mosquitto);
    let _guard = Subscriber::start(mosquitto.address(), "boxbridge/#").await;
    let prometheus = Prometheus::start(gateway.admin, &rules_file());
    an_hour_in_a_moment(&gateway);
    // The inventory names it.
    gateway.take("/RealTimeEvent", &event("east", json!(1), "192.168.1.243"));
    wait_until("five scrapes", || {
        let scrapes = prometheus
            .query("count_over_time(boxbridge_build_info[1m])")
            .unwrap();
        scrapes
            .first()
            .is_some_and(|one| one["value"][1].as_str().unwrap().parse::<u32>().unwrap() >= 5)
    });
    // Before the first scrape there was none: that the rules know better by now is one evaluation away.
    let is_known =
        |rule: &Value| rule["name"] == "BoxbridgeNoGateway" && rule["state"] == "inactive";
    wait_until("the rules know the gateway", || {
        prometheus.rules().iter().any(is_known)
    });
    // A first segment is a trend, to a rule that has seen nothing else: that one has ten minutes to look on.
    let is_silent = |rule: &Value| {
        rule["state"] == "inactive"
            || (rule["name"] == "BoxbridgeQueueFilling" && rule["state"] == "pending")
    };
    let loaded = prometheus.rules();
    assert_eq!(loaded.len(), rules().len());
    let wrong: Vec<_> = loaded
        .iter()
        .filter(|rule| rule["health"] != "ok" || !is_silent(rule))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");

    every_query_finds_its_series(&prometheus);
    every_name_on_the_page_is_there(&prometheus);
}

fn every_query_finds_its_series(prometheus: &Prometheus) {
    let mut asked = BTreeSet::new();
    for expression in rules()
        .into_iter()
        .map(|rule| rule.expression)
        .chain(dashboard_queries())
    {
        prometheus
            .query(&expression)
            .unwrap_or_else(|error| panic!("{expression}: {error}"));
        asked.extend(selectors(&expression));
    }
    assert!(asked.len() > 50, "{asked:?}");
    for selector in asked {
        // A matcher for what is elsewhere finds this job by its absence: the metric is what must be there.
        let text = selector.text.replace("{job=~\".*boxbridge.*\"}", "");
        let series = prometheus.query(&text).unwrap();
        assert!(!series.is_empty(), "{text} selects nothing");
        for (label, words) in selector.wanted.iter().filter(|_| text == selector.text) {
            for word in words {
                assert!(
                    series
                        .iter()
                        .any(|one| one["metric"][label] == word.as_str()),
                    "{text}: no {label} {word}"
                );
            }
        }
    }
}

fn every_name_on_the_page_is_there(prometheus: &Prometheus) {
    let names = prometheus
        .query("count by (__name__) ({__name__=~\"boxbridge_.*\"})")
        .unwrap();
    let names: BTreeSet<_> = names
        .iter()
        .map(|one| one["metric"]["__name__"].as_str().unwrap().to_owned())
        .collect();
    let page = std::fs::read_to_string(file("docs/operations.md")).unwrap();
    for word in page
        .split(|c: char| !(c.is_ascii_lowercase() || c == '_'))
        .filter(|word| word.starts_with("boxbridge_"))
    {
        let histogram = format!("{word}_bucket");
        assert!(
            names.contains(word) || names.contains(&histogram) || word.ends_with('_'),
            "the page names {word}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_pass_the_linter_count_by_person_type_and_come_down_again() {
    let mosquitto = Mosquitto::start();
    let (gateway, _files) = start(&mosquitto);
    an_hour_in_a_moment(&gateway);
    let (said, is_content) = promtool(&["check", "metrics"], &get(gateway.admin, "/metrics"));
    assert!(is_content && said.is_empty(), "{said}");
    let metrics = gateway.metrics();
    for (person_type, count) in [
        ("employee", 2.0),
        ("visitor", 1.0),
        ("blacklist", 1.0),
        ("stranger", 1.0),
        ("vip", 1.0),
        ("unknown", 1.0),
    ] {
        assert_eq!(
            metrics[&format!("boxbridge_ingest_accepted_total{{person_type=\"{person_type}\"}}")],
            count,
            "{person_type}"
        );
    }
    assert_eq!(metrics["boxbridge_queue_max_bytes"], f64::from(256 << 20));
    wait_until("no connection is counted", || {
        gateway.metrics()["boxbridge_ingest_connections"] == 0.0
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_nobody_hears_is_counted_and_yesterdays_is_not() {
    let mosquitto = Mosquitto::start();
    let (gateway, _files) = start(&mosquitto);
    gateway.take("/RealTimeEvent", &event("1", json!(3), "gate"));
    gateway.take("/HistoryEvent", &event("2", json!(3), "door"));
    gateway.wait_delivered();
    let of = |name: &str| {
        gateway.metrics()[&format!("boxbridge_send_{name}_total{{person_type=\"blacklist\"}}")]
    };
    assert_eq!((of("alerts_unheard"), of("no_subscriber")), (1.0, 2.0));
}

#[test]
fn every_scrape_adds_up_however_many_look_at_once() {
    let mosquitto = Mosquitto::start();
    let (gateway, _files) = start(&mosquitto);
    let until = Instant::now() + Duration::from_secs(2);
    std::thread::scope(|scope| {
        for device in ["gate", "door"] {
            let gateway = &gateway;
            scope.spawn(move || {
                for number in 0.. {
                    gateway.take(
                        "/RealTimeEvent",
                        &event(&format!("{number}"), json!(number % 5 + 1), device),
                    );
                    if Instant::now() > until {
                        return;
                    }
                }
            });
        }
        for _ in 0..4 {
            scope.spawn(|| {
                while Instant::now() < until {
                    let metrics = gateway.metrics();
                    for labels in ["mqtt", "store"]
                        .map(|name| format!("destination=\"{name}\",lane=\"normal\""))
                    {
                        let ended = ["delivered", "set_aside", "expired"].map(|outcome| {
                            metrics[&format!(
                                "boxbridge_send_records_total{{{labels},outcome=\"{outcome}\"}}"
                            )]
                        });
                        let waiting =
                            metrics[&format!("boxbridge_queue_waiting_records{{{labels}}}")];
                        let accepted =
                            metrics[&format!("boxbridge_send_accepted_total{{{labels}}}")];
                        assert_eq!(ended.iter().sum::<f64>() + waiting, accepted, "{labels}");
                    }
                }
            });
        }
    });
}

#[test]
fn metrics_say_why_a_gateway_is_not_ready() {
    let mut gateway = Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("INGEST__DRAIN_DELAY", "2s"),
    ]);
    let holds = |gateway: &Gateway| -> Vec<String> {
        let causes = gateway
            .metrics()
            .into_iter()
            .filter(|(name, _)| name.starts_with("boxbridge_ingest_not_ready"));
        causes
            .filter(|(_, is_so)| *is_so == 1.0)
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(holds(&gateway), [""; 0]);
    gateway.signal("TERM");
    wait_until("draining", || {
        holds(&gateway) == ["boxbridge_ingest_not_ready{cause=\"draining\"}"]
    });
    assert_eq!(gateway.wait(), Some(0), "{}", gateway.log());
}
