//! What the sessions does where what it holds is in nobody's queue.

use super::*;

#[test]
fn what_is_on_its_way_to_others_costs_a_subscriber_without_a_backlog_nothing() {
    let sessions = Sessions::new();
    let half = vec![0; HELD_MAX / 2 + 1];
    // HeldBytes as by a writer in the middle of it.
    let _under_way: Vec<_> = (0..2)
        .map(|_| {
            Message::will(
                "boxbridge/default/events/vip/gate",
                &half,
                false,
                None,
                &sessions.held,
            )
            .unwrap()
        })
        .collect();
    let from = Sharer::of_peer("127.0.0.1");
    let connection = ConnectionHandle {
        number: 1,
        from,
        wake: Arc::default(),
        closing: Arc::default(),
        receive_maximum: 10,
    };
    sessions.connect("screen", connection, true, None);

    sessions.make_room(&mut sessions.lock());

    assert!(sessions.held.bytes() > HELD_MAX);
    assert!(sessions.lock().session("screen", 1).is_some());
    assert_eq!(sessions.dropped(), 0);
}
