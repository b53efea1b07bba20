//! A broker that refuses one person type's topic, or whatever is sent to it: the others of the device flow, and it is named.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::site::wait_until;
use crate::parts::stub_broker::{Publication, Reaction, StubBroker};

const BLACKLIST: u64 = 3;
const VIP: u64 = 5;

/// A gateway whose boxes are patient: what is promised here is not how fast they are answered, and the machine may be busy.
fn gateway(broker: &StubBroker, settings: &[(&str, &str)]) -> Gateway {
    let url = broker.url();
    let mut all = vec![("SEND__MQTT__URL", url.as_str())];
    all.extend_from_slice(settings);
    Gateway::start(&all)
}

fn post(gateway: &Gateway, identity: &str, person_type: u64) {
    let event = event(identity, json!(person_type), "gate");
    gateway.take("/RealTimeEvent", &event);
}

/// The identities of the events that were taken on a type's topics, in order.
fn identities(broker: &StubBroker, level: &str) -> Vec<String> {
    let taken = broker.taken();
    let of_level = taken.iter().filter(|taken| taken.topic.contains(level));
    of_level.map(identity).collect()
}

fn identity(publication: &Publication) -> String {
    let (_, rest) = publication
        .text
        .split_once(r#""identity":{"id":""#)
        .unwrap();
    rest.split('"').next().unwrap().to_owned()
}

fn reason(gateway: &Gateway, with: &str) -> Option<String> {
    let ready = gateway.ready();
    let reasons = ready["reasons"].as_array()?;
    let mut texts = reasons.iter().filter_map(Value::as_str);
    texts.find(|text| text.contains(with)).map(str::to_owned)
}

/// Answers this code to what is sent to the blacklist's topics for as long as it is told to.
fn refusing(code: u8) -> (StubBroker, Arc<AtomicBool>) {
    let refuses = Arc::new(AtomicBool::new(true));
    let does = Arc::clone(&refuses);
    let broker = StubBroker::start(move |publication| {
        let is_refused = publication.topic.contains("/blacklist/") && does.load(Ordering::Relaxed);
        if is_refused {
            Reaction::Refuse(code)
        } else {
            Reaction::Take
        }
    });
    (broker, refuses)
}

#[test]
fn a_topic_that_is_refused_for_now_is_named_and_silences_no_other_of_the_same_device() {
    // Unspecified error, implementation specific error, quota exceeded.
    for code in [0x80, 0x83, 0x97] {
        let (broker, refuses) = refusing(code);
        let gateway = gateway(&broker, &[]);
        for number in 0..20 {
            post(&gateway, &format!("listed-{number}"), BLACKLIST);
            post(&gateway, &format!("vip-{number}"), VIP);
        }
        wait_until("it is named", || {
            reason(&gateway, "blacklist is refused for now on one device: ").is_some()
        });
        let said = reason(&gateway, "blacklist is refused for now").unwrap();
        assert!(
            said.starts_with("mqtt urgent: ")
                && said.contains("(live topic boxbridge/default/events/blacklist/gate), since 20")
                && said.ends_with(" or more events wait"),
            "{said}"
        );
        wait_until("the VIPs arrive", || {
            identities(&broker, "/vip/").len() == 20
        });
        assert_eq!(identities(&broker, "/blacklist/").len(), 0);
        let (text, _) = gateway.run(&["status", "--json"]);
        let status: Value = serde_json::from_str(&text).unwrap();
        let lanes = status["lanes"].as_array().unwrap().iter();
        let mut paused = lanes.flat_map(|lane| lane["paused_types"].as_array().unwrap());
        let one = paused.next().expect("status names it");
        let named = ["person_type", "topic", "devices"].map(|key| one[key].clone());
        assert_eq!(named, [json!("blacklist"), json!("live"), json!(1)]);

        refuses.store(false, Ordering::Relaxed);
        gateway.wait_delivered();
        let listed: Vec<_> = (0..20).map(|number| format!("listed-{number}")).collect();
        assert_eq!(identities(&broker, "/blacklist/"), listed, "in order");
        wait_until("it is named no more", || {
            reason(&gateway, "blacklist").is_none()
        });
    }
}

fn set_aside(gateway: &Gateway) -> f64 {
    gateway.metrics()["boxbridge_send_records_total{destination=\"mqtt\",lane=\"urgent\",outcome=\"set_aside\"}"]
}

#[test]
fn a_topic_that_refuses_the_content_of_everything_is_paused_as_a_matter_of_settings() {
    /// Payload format invalid.
    const PAYLOAD: u8 = 0x99;
    let (broker, refuses) = refusing(PAYLOAD);
    let gateway = gateway(&broker, &[]);
    for number in 0..60 {
        post(&gateway, &format!("listed-{number}"), BLACKLIST);
        post(&gateway, &format!("vip-{number}"), VIP);
    }
    wait_until("the VIPs arrive", || {
        identities(&broker, "/vip/").len() == 60
    });
    wait_until("it is named", || {
        reason(
            &gateway,
            "mqtt urgent: blacklist is paused: payload_refused: ",
        )
        .is_some()
    });
    let aside = set_aside(&gateway);
    assert!((10.0..25.0).contains(&aside), "{aside} set aside");

    refuses.store(false, Ordering::Relaxed);
    gateway.wait_delivered();
    let (listed, aside) = (identities(&broker, "/blacklist/"), set_aside(&gateway));
    assert_eq!(listed.len() as f64 + aside, 60.0);
    let in_order: Vec<_> = (60 - listed.len()..60)
        .map(|number| format!("listed-{number}"))
        .collect();
    assert_eq!(listed, in_order);
}

#[test]
fn some_events_that_are_too_large_pause_nothing() {
    let broker = StubBroker::start(|_| Reaction::Take);
    let gateway = gateway(&broker, &[("SEND__MQTT__MAX_PACKET_BYTES", "20KiB")]);
    for number in 0..60 {
        let identity = format!("listed-{number}");
        let mut event = event(&identity, json!(BLACKLIST), "gate");
        if number % 2 == 0 {
            event["remark"] = "x".repeat(40_000).into();
        }
        gateway.take("/RealTimeEvent", &event);
    }
    gateway.wait_delivered();
    assert_eq!(set_aside(&gateway), 30.0);
    assert_eq!(identities(&broker, "/blacklist/").len(), 30);
    assert_eq!(gateway.log().matches("refused again and again").count(), 0);
}
