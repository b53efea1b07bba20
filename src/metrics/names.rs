//! The name of every metric; its doc comment is its help text.
//!
//! Promises: a name without help does not compile. Deliberately counts nothing.

use metrics::{describe_counter, describe_gauge, describe_histogram};

macro_rules! names {
    ($($(#[doc = $help:literal])+ $kind:ident $constant:ident = $name:literal;)+) => {
        $($(#[doc = $help])+ pub(super) const $constant: &str = $name;)+

        pub(super) fn describe() {
            $(names!(@$kind $name, concat!($($help),+).trim());)+
        }
    };
    (@counter $name:literal, $help:expr) => { describe_counter!($name, $help) };
    (@gauge $name:literal, $help:expr) => { describe_gauge!($name, $help) };
    (@histogram $name:literal, $help:expr) => { describe_histogram!($name, $help) };
}

names! {
    /// The running version; always 1.
    gauge BUILD = "boxbridge_build_info";
    /// When the process started, in seconds since 1970.
    gauge STARTED = "boxbridge_start_time_seconds";
    /// When the time of a listener's TLS certificate is over, in seconds since 1970.
    gauge CERTIFICATE_EXPIRY = "boxbridge_tls_certificate_expiry_seconds";
    /// Faults of the program itself (panics), each caught where it ends one thing: report it.
    counter FAULTS = "boxbridge_faults_total";
    /// Why boxes should not come here now: 1 for each cause that holds, all 0 = ready.
    gauge NOT_READY = "boxbridge_ingest_not_ready";
    /// Events by what became of them; received is their sum. Status reports are feed "status".
    counter EVENTS = "boxbridge_ingest_events_total";
    /// Accepted events by person type, since the process started.
    counter PERSON_TYPES = "boxbridge_ingest_accepted_total";
    /// Refused events by reason.
    counter REFUSALS = "boxbridge_ingest_refusals_total";
    /// From the last body byte to the answer.
    histogram ANSWER = "boxbridge_ingest_answer_seconds";
    /// Events that were committed after their box had been answered 503.
    counter ANSWERED_LATE = "boxbridge_ingest_answered_late_total";
    /// Events that boxes were answered for from the disk, since Kafka and the store did not have them in time; by reason.
    counter FROM_DISK = "boxbridge_ingest_answered_from_disk_total";
    /// Size of request bodies.
    histogram BODY = "boxbridge_ingest_body_bytes";
    /// Connections open at the boxes' port.
    gauge CONNECTIONS = "boxbridge_ingest_connections";
    /// As many may be open; beyond it boxes wait to be let in.
    gauge CONNECTIONS_MAX = "boxbridge_ingest_connections_max";
    /// Bytes of refused bodies in quarantine.
    gauge QUARANTINE = "boxbridge_ingest_quarantine_bytes";
    /// Room for them.
    gauge QUARANTINE_MAX = "boxbridge_ingest_quarantine_max_bytes";
    /// Refused bodies that found no room in quarantine.
    counter QUARANTINE_FULL = "boxbridge_ingest_quarantine_full_total";
    /// Devices by state: silent = sent within the last day, and then nothing for ingest.devices.silent_after.
    gauge DEVICES = "boxbridge_ingest_devices";
    /// Whether a device that the inventory names is silent.
    gauge DEVICE_SILENT = "boxbridge_ingest_device_silent";
    /// When a device that the inventory names was seen last, as Unix time; absent until it was.
    gauge DEVICE_LAST_SEEN = "boxbridge_ingest_device_last_seen_timestamp_seconds";
    /// Status reports that were not understood; they are answered 200 all the same.
    counter REPORTS_UNREAD = "boxbridge_normalize_status_reports_unread_total";
    /// Oddities that were taken all the same.
    counter WARNINGS = "boxbridge_normalize_warnings_total";
    /// Pictures by what they show and the state they came in.
    counter PICTURES = "boxbridge_normalize_pictures_total";
    /// One sync of the log to disk, shared by all that wait for it.
    histogram SYNC = "boxbridge_queue_sync_seconds";
    /// Records that a destination has not answered yet.
    gauge WAITING = "boxbridge_queue_waiting_records";
    /// Records that a replay has still to deliver; they are outside the counts of what was accepted.
    gauge REPLAYING = "boxbridge_queue_replaying_records";
    /// Which settings hold: 1 are those of the start, and each reload that changed something counts one more.
    gauge CONFIG_GENERATION = "boxbridge_config_generation";
    /// 1 if the settings were read again last time and not taken: those before hold, and a start may fail.
    gauge CONFIG_RELOAD_FAILED = "boxbridge_config_reload_failed";
    /// Age of the oldest record that waits; 0 where none does.
    gauge OLDEST = "boxbridge_queue_oldest_seconds";
    /// What the disk does not do at the moment and is asked again; /readyz names each, and who waits for it.
    gauge OUTAGES = "boxbridge_queue_outages";
    /// Disk of the queue: waiting for a destination, kept for the replay window, free.
    gauge BYTES = "boxbridge_queue_bytes";
    /// What it may take, by its settings.
    gauge BYTES_MAX = "boxbridge_queue_max_bytes";
    /// What the file system of the queue has left for events.
    gauge DISK_AVAILABLE = "boxbridge_queue_disk_available_bytes";
    /// Records that a destination refused and that are set aside.
    gauge ASIDE_RECORDS = "boxbridge_queue_aside_records";
    /// Bytes of the records that are set aside.
    gauge ASIDE_BYTES = "boxbridge_queue_aside_bytes";
    /// Room for them; full, and a destination that refuses stops.
    gauge ASIDE_MAX = "boxbridge_queue_aside_max_bytes";
    /// Until the queue is full at the growth of the last minutes; +Inf while it does not grow.
    gauge TIME_TO_FULL = "boxbridge_queue_time_to_full_seconds";
    /// Records that did not match their checksum and were stepped over.
    counter ROTTEN = "boxbridge_queue_rotten_records_total";
    /// Records that count for a destination since it joined.
    counter ACCEPTED = "boxbridge_send_accepted_total";
    /// Records by how they ended at a destination.
    counter RECORDS = "boxbridge_send_records_total";
    /// Expired records by the rule that ended them.
    counter EXPIRED = "boxbridge_send_expired_total";
    /// From received to acknowledged.
    histogram LAG = "boxbridge_send_lag_seconds";
    /// What a destination is: mqtt, kafka or store; always 1.
    gauge DESTINATION = "boxbridge_send_destination_info";
    /// Whether a destination has a working connection in every lane.
    gauge UP = "boxbridge_send_up";
    /// Messages that the broker took though nobody subscribes to their topic.
    counter NO_SUBSCRIBER = "boxbridge_send_no_subscriber_total";
    /// Urgent messages that the broker took though nobody subscribes to their topic: alerts that nobody heard.
    counter UNHEARD = "boxbridge_send_alerts_unheard_total";
    /// Bytes of pictures not sent again, since the store has them.
    counter SAVED = "boxbridge_send_pictures_saved_bytes_total";
    /// Records whose pictures wait for the store.
    gauge PICTURES_WAITING = "boxbridge_send_pictures_waiting";
    /// Messages that the broker in this process dropped before a subscriber took them.
    counter EMBEDDED_DROPPED = "boxbridge_send_embedded_dropped_total";
    /// Records on Kafka that were passed over on their way to a destination: foreign = no event of ours, repeated = the same event again.
    counter PASSED_OVER = "boxbridge_send_passed_over_total";
    /// Records of a partition that its consumer group has still to deliver, or to see that the other lane does; of this gateway's partitions.
    gauge GROUP_LAG = "boxbridge_send_group_lag_records";
    /// Person types of which events wait at a destination since it refused them.
    gauge PAUSED = "boxbridge_send_paused";
}

/// Seconds from the last body byte; a box hangs up at 0.5.
pub(super) const ANSWER_EDGES: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.4, 0.5, 1.0, 2.5,
];
pub(super) const SYNC_EDGES: &[f64] = &[
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
pub(super) const LAG_EDGES: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 3600.0, 86400.0,
];
pub(super) const BODY_EDGES: &[f64] = &[1e3, 1e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 4e6, 8e6, 64e6];
