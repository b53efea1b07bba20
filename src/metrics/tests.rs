//! What a scrape says: of what is kept across restarts, and of what waits.

use metrics_exporter_prometheus::PrometheusBuilder;

use super::install::create;
use super::*;
use boxbridge_event::Timestamp;

#[test]
fn what_waits_is_as_old_as_the_clock_without_its_jumps_says() {
    let directory = tempfile::tempdir().unwrap();
    let settings = crate::queue::Settings::new(directory.path(), 16 << 20);
    let queue = crate::queue::Queue::open(settings, &["mqtt"]).unwrap();
    let mut status = queue.status();
    status
        .outages
        .push("mqtt, normal: reading record 1".to_owned());
    status
        .subscriptions
        .iter_mut()
        .for_each(|subscription| subscription.oldest_waiting = Some(Timestamp(1)));
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || observe(&status, |_| Duration::from_secs(7)));
    let text = recorder.handle().render();
    assert!(
        text.contains("boxbridge_queue_oldest_seconds{destination=\"mqtt\",lane=\"urgent\"} 7"),
        "{text}"
    );
    assert!(text.contains("boxbridge_queue_outages 1"), "{text}");
}

#[test]
fn what_is_kept_across_restarts_does_not_begin_at_zero() {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, create);
    let text = recorder.handle().render();
    assert!(
        text.contains("boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"refused\"} 0"),
        "{text}"
    );
    // Else everything would look received again, to whoever scrapes while the queue is being opened.
    for kept in ["accepted", "duplicate", "quarantined"] {
        assert!(
            !text.contains(&format!("feed=\"realtime\",outcome=\"{kept}\"")),
            "{text}"
        );
    }
}
