//! `simulate` against a receiver in the test: what it says it sent is what arrives.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use boxbridge_event::{EventId, Feed};
use boxbridge_proof::simulate::{self, Entry, FirmwareMix, Options, Outcome};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::ingest::tls::{both, encrypted};
use crate::parts::certificates::Certificates;

/// Takes every event and remembers the markers in the order of arrival.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<String>>>);

async fn receiver(router: Router) -> simulate::Receiver {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}").parse().unwrap()
}

async fn take(State(taken): State<Taken>, body: axum::body::Bytes) -> String {
    let body = body
        .strip_prefix(b"\xef\xbb\xbf".as_slice())
        .unwrap_or(&body);
    let event: Value = serde_json::from_slice(body).unwrap();
    let marker = |event: &Value| {
        let marker = event["ext_data"]["simulate_id"]
            .as_str()
            .or(event["simulate_id"].as_str())
            .unwrap();
        taken.0.lock().push(marker.to_owned());
    };
    let id = |number: usize| EventId([u8::try_from(number).unwrap_or_default(); 16]);

    match &event {
        Value::Array(events) => {
            events.iter().for_each(marker);
            let events: Vec<_> = (0..events.len())
                .map(|number| json!({"status": 0, "event_id": id(number)}))
                .collect();
            json!({"status": 0, "message": "SUCCESS", "event_id": id(0), "events": events})
                .to_string()
        }
        event => {
            marker(event);
            json!({"status": 0, "message": "SUCCESS", "event_id": id(7)}).to_string()
        }
    }
}

fn taking(taken: &Taken) -> Router {
    Router::new()
        .fallback(take)
        .with_state(taken.clone())
        .layer(axum::extract::DefaultBodyLimit::max(64 << 20))
}

fn read(ledger: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(ledger).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn send(options: Options) -> Outcome {
    simulate::run_until(options, CancellationToken::new())
        .await
        .unwrap()
}

fn patient(url: simulate::Receiver) -> Options {
    Options {
        url,
        patience: Duration::from_secs(60),
        rate: 100_000.0,
        picture_bytes: 1_000,
        ..Options::default()
    }
}

#[tokio::test]
async fn every_event_that_is_sent_stands_in_the_ledger_with_its_answer() {
    let taken = Taken::default();
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("run.jsonl");
    let options = Options {
        count: Some(300),
        boxes: 7,
        devices: 2,
        history: 0.25,
        history_batch: 4,
        pictures: 4,
        firmware: FirmwareMix::Family,
        ledger: Some(ledger.clone()),
        ..patient(receiver(taking(&taken)).await)
    };
    let outcome = send(options).await;
    let entries = read(&ledger);
    assert_eq!(
        (outcome.requests, outcome.events, outcome.acknowledged),
        (300, 525, 525),
        "{outcome}"
    );

    let markers: BTreeSet<_> = entries
        .iter()
        .map(|entry| entry.marker.to_string())
        .collect();
    assert_eq!(markers, taken.0.lock().iter().cloned().collect());
    assert_eq!(markers.len(), 525);
    assert_eq!(
        entries.iter().map(|entry| entry.marker.number).max(),
        Some(524),
        "markers are dense"
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry.event_id.is_some() && entry.is_acknowledged())
    );
    assert_eq!(
        entries
            .iter()
            .filter(|entry| entry.feed == Feed::History)
            .count(),
        300
    );
}

#[tokio::test]
async fn a_devices_events_arrive_in_the_order_of_their_sequence() {
    let taken = Taken::default();
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("run.jsonl");
    let options = Options {
        count: Some(200),
        boxes: 3,
        ledger: Some(ledger.clone()),
        ..patient(receiver(taking(&taken)).await)
    };
    send(options).await;

    let entries = read(&ledger);
    let arrived = taken.0.lock().clone();
    for device in entries
        .iter()
        .map(|entry| &entry.device)
        .collect::<BTreeSet<_>>()
    {
        let mut events: Vec<_> = entries
            .iter()
            .filter(|entry| entry.device == *device)
            .collect();
        let position = |entry: &Entry| {
            arrived
                .iter()
                .position(|marker| *marker == entry.marker.to_string())
        };
        events.sort_by_key(|entry| position(entry));
        let sequences: Vec<_> = events.iter().map(|entry| entry.sequence).collect();
        assert_eq!(sequences, (0..events.len() as u32).collect::<Vec<_>>());
        assert!(
            events
                .windows(2)
                .all(|pair| pair[0].occurred_at < pair[1].occurred_at)
        );
    }
}

#[tokio::test]
async fn the_same_seed_sends_the_same_people_and_registered_pictures() {
    let url = receiver(taking(&Taken::default())).await;
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for run in ["first", "second"] {
        let ledger = folder.path().join(run);
        send(Options {
            count: Some(50),
            boxes: 5,
            seed: Some(7),
            ledger: Some(ledger.clone()),
            ..patient(url.clone())
        })
        .await;
        let mut entries = read(&ledger);
        entries.sort_by_key(|entry| entry.marker);
        let registered = boxbridge_event::PictureKind::Registered;
        let person = |entry: Entry| {
            (
                entry.person_type,
                entry.score.to_bits(),
                entry.pictures.get(&registered).cloned(),
            )
        };
        seen.push(entries.into_iter().map(person).collect::<Vec<_>>());
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn what_is_not_answered_or_refused_is_never_called_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("run.jsonl");
    let refusing = Router::new()
        .fallback(|| async { (StatusCode::SERVICE_UNAVAILABLE, r#"{"code": "queue_full"}"#) });
    let silent = Router::new().fallback(|| async { std::future::pending::<StatusCode>().await });
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let urls = [
        receiver(refusing).await,
        receiver(silent).await,
        format!("http://{nobody}").parse().unwrap(),
    ];
    // Only the silent one needs a patience that ends.
    let told = [
        (Some(503), "queue_full", 60_000),
        (None, "timeout", 100),
        (None, "connect_failed", 60_000),
    ];
    for (url, (status, reason, patience)) in urls.into_iter().zip(told) {
        let patience = Duration::from_millis(patience);
        let outcome = send(Options {
            count: Some(3),
            boxes: 3,
            ledger: Some(ledger.clone()),
            patience,
            ..patient(url)
        })
        .await;
        assert_eq!((outcome.events, outcome.acknowledged), (3, 0));
        for entry in read(&ledger) {
            assert_eq!(
                (entry.status, entry.reason.as_deref()),
                (status, Some(reason))
            );
            assert!(!entry.is_acknowledged());
        }
    }
}

#[tokio::test]
async fn a_run_that_is_stopped_tells_what_was_sent_until_then() {
    let stop = CancellationToken::new();
    let taken = Taken::default();
    let options = Options {
        rate: 10.0,
        count: Some(1_000_000),
        ..patient(receiver(taking(&taken)).await)
    };
    let run = tokio::spawn(simulate::run_until(options, stop.clone()));
    while taken.0.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    stop.cancel();

    let outcome = run.await.unwrap().unwrap();
    assert!((1..1000).contains(&outcome.events));
}

#[tokio::test]
async fn a_run_of_which_nothing_was_taken_over_fails_and_says_what_was_answered() {
    let refusing = Router::new()
        .fallback(|| async { (StatusCode::SERVICE_UNAVAILABLE, r#"{"code": "queue_full"}"#) });
    let url = format!("http://{}", receiver(refusing).await.authority);
    let run = tokio::task::spawn_blocking(move || {
        std::process::Command::new(env!("CARGO_BIN_EXE_boxbridge"))
            .args(["simulate", "--count", "3", "--patience", "60s"])
            .args(["--picture-bytes", "1KB", "--url", &url])
            .output()
            .unwrap()
    });

    let output = run.await.unwrap();
    let (said, noted) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert_eq!(output.status.code(), Some(1), "{said}{noted}");
    assert!(said.contains("\n    queue_full "), "{said}");
    assert!(noted.contains("nothing was acknowledged"), "{noted}");
}

/// By the command, which says why it was not heard.
#[test]
fn boxes_send_over_tls_to_whom_the_authority_vouches_for() {
    let (ours, others) = (Certificates::make(), Certificates::make());
    let (gateway, tls) = encrypted(both(&ours.server()), &[]);
    let run = |authority: &Path, connection: &[&str]| {
        let url = format!("https://{tls}/RealTimeEvent");
        let authority = authority.to_str().unwrap();
        let mut arguments = vec!["simulate", "--url", &url, "--ca-file", authority];
        arguments.extend([
            "--count",
            "20",
            "--boxes",
            "3",
            "--patience",
            "60s",
            "--json",
        ]);
        arguments.extend(connection);
        gateway.run(&arguments)
    };

    for connection in [&[][..], &["--keep-alive"]] {
        let (said, code) = run(&ours.authority(), connection);
        assert_eq!(code, Some(0), "{said}");
        let outcome: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(outcome["acknowledged"], 20, "{said}");
    }
    assert_eq!(gateway.ledger("store").accepted, 40);

    let (said, code) = run(&others.authority(), &[]);
    assert_ne!(code, Some(0), "{said}");
    assert!(
        said.contains("a certificate that --ca-file vouches for"),
        "{said}"
    );
    assert_eq!(gateway.ledger("store").accepted, 40);
}
