//! What people are told of an event that goes over Kafka: what this gateway's partitions know, and nothing that it does not know.

use serde_json::json;

use super::doors::{Doors, EMPLOYEE, PARTITIONS, VIP};
use crate::parts::gateway::{Gateway, event};
use crate::parts::site::wait_until;

/// Its id.
fn post(gateway: &Gateway, person_type: u8, number: usize) -> String {
    let event = event(&number.to_string(), json!(person_type), "gate");
    let answer = gateway.post("/RealTimeEvent", &event);
    answer.body["event_id"].as_str().unwrap().to_owned()
}

/// What `boxbridge trace` says of the broker.
fn traced(gateway: &Gateway, id: &str) -> String {
    let (said, code) = gateway.run(&["trace", id]);
    assert_eq!(code, Some(0), "{said}");
    let mut lines = said.lines().map(str::trim);
    let line = lines.find(|line| line.starts_with("traced "));
    line.unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_says_where_an_event_stands_on_kafka_and_what_became_of_it_there() {
    let vips = "topic readwrite boxbridge/default/events/vip/#\n";
    let mut doors = tokio::task::block_in_place(|| Doors::allowing("traced", vips));
    let mut gateway = tokio::task::block_in_place(|| doors.start_alone(&[]));

    tokio::task::block_in_place(|| {
        let (vip, employee) = (post(&gateway, VIP, 1), post(&gateway, EMPLOYEE, 2));
        let ledger = |gateway: &Gateway| gateway.ledger(&doors.out_of_kafka());
        wait_until("one is delivered, one refused", || {
            let ledger = ledger(&gateway);
            ledger.delivered == 1 && ledger.set_aside == 1
        });
        let delivered = traced(&gateway, &vip);
        assert!(delivered.contains("delivered 20"), "{delivered}");
        let parts = [
            "to boxbridge/default/events/vip/gate",
            "out of topic traced.vip, partition ",
        ];
        assert!(
            parts.iter().all(|part| delivered.contains(part)),
            "{delivered}"
        );
        let refused = traced(&gateway, &employee);
        let lies = "it lies in the topic boxbridge.aside with the reason; it came out of topic traced.employee";
        assert!(
            refused.contains("set aside 20") && refused.contains(lies),
            "{refused}"
        );

        doors.mosquitto.stop();
        let waiting = post(&gateway, VIP, 3);
        wait_until("it waits, and why", || {
            let said = traced(&gateway, &waiting);
            said.contains("waiting for boxbridge/default/events/vip/gate: traced@kafka is down")
                && said.contains("it stands in topic traced.vip, partition ")
        });

        // Another one takes what is held: this gateway knows no more.
        let other = doors.start(&[("GATEWAY", "other")]);
        doors.wait_for_partitions(&[&gateway, &other], 6 * PARTITIONS);
        assert_eq!(gateway.stop(), Some(0));
        let said = traced(&gateway, &vip);
        assert!(said.contains("goes over kafka: "), "{said}");
        gateway.restart();
        let said = traced(&gateway, &vip);
        assert!(said.contains("goes over kafka: "), "{said}");
    });
}

#[test]
fn who_looks_on_at_a_broker_that_gets_its_events_out_of_kafka_is_told_where_to_look() {
    let doors = Doors::new("tapped");
    let gateway = doors.start(&[]);
    let (said, code) = gateway.run(&["tap", "--destination", "tapped"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("look on at kafka, or subscribe to tapped"),
        "{said}"
    );
}
