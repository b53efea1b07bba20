//! What the exchange does where what it holds is in nobody's queue.

use super::*;

#[test]
fn what_is_on_its_way_to_others_costs_a_subscriber_without_a_backlog_nothing() {
    let exchange = Exchange::new();
    let half = vec![0; HELD_MAX / 2 + 1];
    // Held as by a writer in the middle of it.
    let _under_way: Vec<_> =
        (0..2).map(|_| Message::will("boxbridge/default/events/vip/gate", &half, false, None, &exchange.held).unwrap()).collect();
    let from = std::net::Ipv4Addr::LOCALHOST.into();
    let line = Line { number: 1, from, wake: Arc::default(), ending: Arc::default(), receive_maximum: 10 };
    exchange.connect("screen", line, true, None);

    exchange.make_room(&mut exchange.lock());

    assert!(exchange.held.bytes() > HELD_MAX);
    assert!(exchange.lock().session("screen", 1).is_some());
    assert_eq!(exchange.dropped(), 0);
}
