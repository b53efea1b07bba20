//! A neighbour that only holds what it has: connections without requests, answers without a reader, lines without an end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{NEIGHBOUR, connect, gateway, judge, request};
use crate::parts::gateway::event;

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_of_one_address_cost_the_others_nothing() {
    for count in [1_030, 2_000] {
        judge(&format!("{count} idle connections"), |to, _| {
            vec![async move {
                let mut open = Vec::new();
                for _ in 0..count {
                    open.extend(connect(NEIGHBOUR, to).await.ok());
                }
                std::future::pending::<()>().await;
            }]
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_cost_the_others_nothing() {
    let mut event = event("1", json!(1), "10.0.0.1");
    event["x"] = "text ".repeat(1_400_000).into();
    let request = Arc::new(request("/RealTimeEvent", &event.to_string()));
    judge("40 answers that nobody reads", |to, _| {
        let request = Arc::clone(&request);
        vec![async move {
            let mut open = Vec::new();
            // One after the other, each as soon as the one before has its answer: so none is refused.
            while open.len() < 40 {
                let Ok(mut stream) = connect(NEIGHBOUR, to).await else {
                    continue;
                };
                let _ = stream.write_all(&request).await;
                let _ = stream.readable().await;
                open.push(stream);
            }
            std::future::pending::<()>().await;
        }]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_answers_are_not_read_ends() {
    let gateway = gateway();
    let mut stream = connect(NEIGHBOUR, gateway.ingest).await.unwrap();
    let requests = "GET /RealTimeEvent HTTP/1.1\r\nHost: box\r\n\r\n".repeat(1_000);
    // Until both kernels are full of what nobody reads, and the gateway has waited long enough.
    let ended = async { while stream.write_all(requests.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(60), ended)
        .await
        .expect("the connection ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_line_of_nothing_but_blanks_ends_however_fast_they_come() {
    let gateway = gateway();
    for beginning in ["", "POST ", "POST /RealTimeEvent HTTP/1.1", "\r\n"] {
        for blank in [" ", "\t", "\r\n"] {
            let mut stream = connect(NEIGHBOUR, gateway.ingest).await.unwrap();
            stream.write_all(beginning.as_bytes()).await.unwrap();
            let blanks = blank.repeat(16 * 1024);
            let ended = async { while stream.write_all(blanks.as_bytes()).await.is_ok() {} };
            tokio::time::timeout(Duration::from_secs(60), ended)
                .await
                .unwrap_or_else(|_| panic!("{beginning:?} {blank:?}"));
        }
    }
}
