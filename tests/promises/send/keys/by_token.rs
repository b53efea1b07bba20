//! A token lets in all that we are to Kafka: who makes topics, who reads in a group, who compares clocks, who sets aside, and the judge outside.

use crate::parts::gateway::Gateway;
use crate::parts::kafka::{Broker, PASSWORD, USER};
use crate::parts::site::wait_until;
use crate::parts::token_lender;
use crate::send::group::doors::{Doors, EMPLOYEE, VIP, all_of, post, wait_for_kafka};

const EVENTS: u64 = 20;
/// VIPs alone are refused, and so set aside.
const NO_VIPS: &str = "topic readwrite boxbridge/default/events/employee/#\ntopic readwrite boxbridge/default/events/visitor/#\n";

fn settings<'a>(address: &'a str, oauth_url: &'a str) -> [(&'a str, &'a str); 7] {
    [
        ("SEND__KAFKA__BROKERS", address),
        ("SEND__KAFKA__SECURITY", "sasl_plaintext"),
        ("SEND__KAFKA__SASL_MECHANISM", "OAUTHBEARER"),
        ("SEND__KAFKA__USERNAME", USER),
        ("SEND__KAFKA__PASSWORD", PASSWORD),
        ("SEND__KAFKA__OAUTH_URL", oauth_url),
        ("SEND__KAFKA__OAUTH_SCOPE", "all topics"),
    ]
}

fn is_well(gateway: &Gateway) -> bool {
    let reasons = gateway.ready()["reasons"].to_string();
    !reasons.contains("kafka") && !reasons.contains("clock")
}

/// No topic is there before.
#[tokio::test(flavor = "multi_thread")]
async fn by_a_token_topics_are_made_and_a_broker_gets_its_events_out_of_them() {
    let broker = tokio::task::block_in_place(Broker::secured);
    let oauth_url = token_lender::start(USER, PASSWORD).await;
    let mut doors = tokio::task::block_in_place(|| Doors::allowing("lent", NO_VIPS));
    let address = broker.ways().address("TOKEN").to_string();
    let mut gateway =
        tokio::task::block_in_place(|| doors.start_alone(&settings(&address, &oauth_url)));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        wait_until("clocks are compared", || is_well(&gateway));
        post(&gateway, EMPLOYEE, 0..10, 5);
        post(&gateway, VIP, 10..11, 1);
    });
    all_of(&mut subscriber, 0..10).await;
    let is_ours = |it: &crate::parts::kafka::Received| {
        it.headers.get("boxbridge_destination").map(String::as_str) == Some("lent")
    };
    let what = "the refused one";
    let aside = broker.read_until("boxbridge.aside", what, move |all| all.iter().any(is_ours));
    aside.await;

    // Also who is no member of the groups any more.
    tokio::task::block_in_place(|| {
        doors.mosquitto.stop();
        post(&gateway, EMPLOYEE, 11..21, 5);
        wait_for_kafka(&gateway, 21);
        assert_eq!(gateway.stop(), Some(0));
        doors.mosquitto.run();
        let (found, _) = gateway.run(&["check", "--online", "--set", "send.lent.from=queue"]);
        let left = "at most 10 events on kafka have not reached lent";
        assert!(found.contains(left), "{found}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_token_a_run_over_kafka_is_judged() {
    let broker = tokio::task::block_in_place(Broker::secured);
    let oauth_url = token_lender::start(USER, PASSWORD).await;
    let address = broker.ways().address("TOKEN").to_string();
    let more = [
        ("SEND__MQTT__URL", ""),
        ("ROUTE__DEFAULT__KAFKA_TOPIC", "judged.{person_type}"),
    ];
    let settings = [&settings(&address, &oauth_url), &more[..]].concat();
    let gateway = tokio::task::block_in_place(|| Gateway::start(&settings));

    tokio::task::block_in_place(|| {
        let (url, events) = (gateway.url(), EVENTS.to_string());
        let simulate = [
            "simulate", "--url", &url, "--count", &events, "--ledger", "run",
        ];
        let (said, code) = gateway.run(&simulate);
        assert_eq!(code, Some(0), "{said}");
        gateway.wait_delivered();

        let judged = [
            "reconcile",
            "--kafka",
            "--ledger",
            "run",
            "--until-quiet",
            "2s",
        ];
        let (said, code) = gateway.run(&judged);
        assert_eq!(code, Some(0), "{said}");
    });
}
