//! What counts as out of order: within a device, and within what a bus keeps in order.

use boxbridge_config::{Config, Layers};
use boxbridge_event::PersonType;
use boxbridge_proof::reconcile::{Recorded, Rules, Stream, judge};

use super::planted::{Run, arrival, check, rules};

#[test]
fn a_swap_within_a_device_is_reordered() {
    let report = check(|run| run.arrivals.swap(4, 6), &[("reordered", 1)], true);
    assert!(!report.passes_strictly());
}

#[test]
fn devices_lanes_and_late_topics_have_orders_of_their_own() {
    check(|run| run.arrivals.swap(4, 5), &[], true);
    // 9 is a VIP: urgent, and free to overtake 1, 3, 5 and 7 of its device.
    let overtake = |run: &mut Run| {
        let vip = run.arrivals.remove(9);
        run.arrivals.insert(0, vip);
    };
    check(overtake, &[], true);

    let late_after_all = |run: &mut Run| {
        let mut late = run.arrivals.remove(4);
        late.stream = Stream::Late;
        run.arrivals.push(late);
    };
    check(late_after_all, &[("late", 1)], true);
}

#[test]
fn what_came_to_mqtt_by_way_of_kafka_has_an_order_for_each_person_type() {
    let settings = [
        ("BOXBRIDGE_SEND__MQTT__URL", "mqtt://mosquitto"),
        ("BOXBRIDGE_SEND__MQTT__FROM", "kafka"),
        ("BOXBRIDGE_SEND__KAFKA__BROKERS", "kafka:9092"),
    ];
    let layers = Layers {
        environment: settings
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..Layers::default()
    };
    let by_way_of_kafka = Rules::of(&Config::load(&layers).unwrap());

    // 4 is a visitor among the employees 2, 6 and 8 of its device.
    let reordered = |rules: &Rules, first: usize, second: usize| {
        let mut run = Run::good();
        run.ledger[4].person_type = PersonType::Visitor;
        run.arrivals[4] = arrival(&run.ledger[4]);
        run.arrivals.swap(first, second);
        let arrivals = run.arrivals.into_iter().map(Recorded::Arrival);
        let report = judge(rules.clone(), run.ledger, arrivals, None).unwrap();
        report.buses["mqtt"].reordered.count
    };
    assert_eq!(reordered(&rules(), 4, 6), 1);
    assert_eq!(reordered(&by_way_of_kafka, 4, 6), 0);
    assert_eq!(reordered(&by_way_of_kafka, 6, 8), 1);
}
