//! A neighbour whose bodies cost more than they weigh.

use serde_json::json;

use super::{judge, request, senders};
use crate::parts::gateway::event;

/// An event with `count` small objects in a field that nobody knows.
fn many_values(count: usize) -> Vec<u8> {
    let mut event = event("1", json!(1), "10.0.0.1");
    event["x"] = "here".into();
    request(
        "/RealTimeEvent",
        &event.to_string().replace(
            "\"here\"",
            &format!("[{}]", vec![r#"{"":0}"#; count].join(",")),
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cost_a_hundred_times_their_text_cost_the_others_nothing() {
    for (connections, addresses, values) in [
        (4, 1, 49_000),
        (16, 1, 30_000),
        (64, 16, 30_000),
        (128, 1, 49_000),
    ] {
        let name = format!("{connections} connections of {addresses} × {values} values");
        judge(&name, senders(connections, addresses, many_values(values))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_much_text_cost_the_others_nothing() {
    let mut event = event("1", json!(1), "10.0.0.1");
    event["x"] = "text ".repeat(1_580_000).into();
    for addresses in [1, 16] {
        let name = format!("64 × 7.9 MB of text from {addresses}");
        judge(
            &name,
            senders(64, addresses, request("/RealTimeEvent", &event.to_string())),
        )
        .await;
    }
}
