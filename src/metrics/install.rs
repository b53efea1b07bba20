//! Sets up the exporter: once per process.
//!
//! Promises: every combination of labels that can occur exists from the start, so that rates begin at zero. Deliberately leaves out the counts
//! that outlive the process: a zero before them would count everything again.

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::names::*;
use super::{FromDisk, Outcome, STATUS, TAKEN, events};
use boxbridge_event::{Code, Feed, PersonType, PictureKind, Timestamp, WarningCode};

/// The recorder of this process, with every name described and every label value at zero. Once per process.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let edges = [
        (ANSWER, ANSWER_EDGES),
        (SYNC, SYNC_EDGES),
        (LAG, LAG_EDGES),
        (BODY, BODY_EDGES),
    ];
    let builder = edges
        .iter()
        .try_fold(PrometheusBuilder::new(), |builder, (name, edges)| {
            builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), edges)
        })?;
    let handle = builder.install_recorder()?;
    describe();
    create();
    Ok(handle)
}

pub(super) fn create() {
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!(STARTED).set(Timestamp::now().0 as f64 / 1_000.0);
    gauge!(CONNECTIONS).set(0.0);
    super::config(1, false);
    let _ = (histogram!(BODY), histogram!(SYNC));

    create_outcomes();
    create_codes();
    create_person_types();
    create_pictures();

    let without_labels = [
        FAULTS,
        ANSWERED_LATE,
        QUARANTINE_FULL,
        ROTTEN,
        SAVED,
        EMBEDDED_DROPPED,
        REPORTS_UNREAD,
    ];
    for name in without_labels {
        counter!(name).absolute(0);
    }
}

fn create_outcomes() {
    for outcome in Outcome::ALL {
        let _ = histogram!(ANSWER, "outcome" => outcome.as_str());
        events(STATUS, outcome, 0);
    }

    for outcome in [Outcome::Refused, Outcome::Aborted] {
        for feed in Feed::ALL {
            events(feed.as_str(), outcome, 0);
        }
    }
}

fn create_codes() {
    for code in Code::ALL {
        counter!(REFUSALS, "code" => code.as_str()).absolute(0);
    }
    for reason in FromDisk::ALL {
        counter!(FROM_DISK, "reason" => reason.as_str()).absolute(0);
    }
    for code in WarningCode::ALL {
        counter!(WARNINGS, "code" => code.as_str()).absolute(0);
    }
}

fn create_person_types() {
    for name in [PERSON_TYPES, NO_SUBSCRIBER, UNHEARD] {
        for word in PersonType::ALL {
            counter!(name, "person_type" => word.as_str()).absolute(0);
        }
    }
}

fn create_pictures() {
    for kind in PictureKind::ALL {
        for state in TAKEN {
            counter!(PICTURES, "kind" => kind.as_str(), "state" => state.as_str()).absolute(0);
        }
    }
}
