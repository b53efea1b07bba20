//! What a subscriber cannot know is no verdict: the bus is out of reach, or gives it nothing.

use std::time::Duration;

use boxbridge_proof::reconcile::{self, Listening, Strictness};
use tokio_util::sync::CancellationToken;

use super::subscribers::{EVENTS, Sent, layers, options, publish, record_mqtt};
use crate::parts::mosquitto::{Mosquitto, Settings};

#[tokio::test]
async fn an_outage_of_the_broker_is_no_quiet() {
    let mut mosquitto = Mosquitto::start();
    let sent = Sent::new().await;
    let (ledger, url) = (sent.ledger(), format!("mqtt://{}", mosquitto.address()));
    let words: [&str; 6] = ["--ledger", &ledger, "--mqtt", &url, "--until-quiet", "2s"];
    let layers = layers(&[("send.retry_max", "4s")]);

    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let tell = move |_: &Listening| ready.send(()).unwrap();
    let stop = CancellationToken::new();
    let verdict = tokio::spawn(reconcile::run_until(options(&words), layers, stop, tell));
    is_ready.await.unwrap();

    let outgoing = sent.gateway.outgoing();
    let (before, after) = outgoing.split_at(50);
    publish(&mosquitto, before).await;
    mosquitto.stop();
    // The outage is longer than the quiet that makes a verdict.
    tokio::time::sleep(Duration::from_secs(4)).await;
    mosquitto.run();
    publish(&mosquitto, after).await;

    let report = verdict.await.unwrap().unwrap();
    assert!(report.passes(), "{report}");
}

#[tokio::test]
async fn a_recording_that_ends_in_an_outage_is_no_verdict() {
    let mut mosquitto = Mosquitto::start();
    let sent = Sent::new().await;
    let arrivals = sent.path("arrivals.jsonl");
    let mut recorder = record_mqtt(&mosquitto, &arrivals).await;
    publish(&mosquitto, &sent.gateway.outgoing()[..50]).await;
    mosquitto.stop();
    recorder.wait_until(|progress| progress.away == 1).await;
    recorder.finish().await.unwrap();

    let report = sent.judge(&arrivals).await;
    assert_eq!(report.buses["mqtt"].lost.count, EVENTS - 50, "{report}");
    assert!(report.is_undecided(Strictness::Usual), "{report}");
}

#[tokio::test]
async fn a_user_who_may_not_read_is_asked_for_and_nothing_counts_as_failed() {
    let settings = Settings {
        acl: "topic write boxbridge/#\n",
        ..Settings::default()
    };
    let mosquitto = Mosquitto::with(&settings);
    let sent = Sent::new().await;
    let arrivals = sent.path("arrivals.jsonl");
    let recorder = record_mqtt(&mosquitto, &arrivals).await;
    publish(&mosquitto, &sent.gateway.outgoing()).await;
    recorder.finish().await.unwrap();

    let report = sent.judge(&arrivals).await;
    assert!(report.is_undecided(Strictness::Usual), "{report}");
    assert!(
        report.to_string().contains("May this user read there?"),
        "{report}"
    );
}
