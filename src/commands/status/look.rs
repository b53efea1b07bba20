//! One look at a running gateway: its `/api/status`, over the admin listener.
//!
//! Promises: it ends within [`PATIENCE`], whatever the other side does.

use serde_json::Value;
use tokio::time::Instant;

use crate::admin::Complaint;
use crate::admin::snapshot::Snapshot;
use crate::commands::operator::{Client, NoAnswer, PATIENCE};

/// A snapshot of the gateway, and when it was taken.
#[derive(Clone, Debug)]
pub struct Look {
    pub at: Instant,
    pub snapshot: Snapshot,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error(
        "it tells its status only on its own machine, at http://127.0.0.1 or http://localhost, which its admin.listen must include"
    )]
    Refused,
    /// Its own words.
    #[error("{0}")]
    NotLetIn(String),
    #[error("it is older than this program and has no /api/status")]
    Older,
}

impl Look {
    pub async fn at(gateway: &Client) -> Result<Look, Unreachable> {
        let deadline = Instant::now() + PATIENCE;
        let (status, body) = gateway.look("/api/status", deadline).await?;

        match status {
            200 => Look::read(&body),
            403 => Err(Unreachable::Refused),
            401 | 429 => Err(not_let_in(&body)),
            404 => {
                let (_, ready) = gateway.look("/readyz", deadline).await?;
                Err(without_status(&ready))
            }
            _ => Err(NoAnswer::Somebody.into()),
        }
    }

    fn read(body: &[u8]) -> Result<Look, Unreachable> {
        let snapshot = serde_json::from_slice(body).map_err(|_| NoAnswer::Somebody)?;
        Ok(Look {
            at: Instant::now(),
            snapshot,
        })
    }
}

fn not_let_in(body: &[u8]) -> Unreachable {
    let complaint: Option<Complaint> = serde_json::from_slice(body).ok();
    complaint.map_or(NoAnswer::Somebody.into(), |complaint| {
        Unreachable::NotLetIn(complaint.message)
    })
}

/// Who answers `/readyz` so, but has no `/api/status`.
fn without_status(readyz: &[u8]) -> Unreachable {
    let report: Value = serde_json::from_slice(readyz).unwrap_or_default();
    if report.get("ready").is_some_and(Value::is_boolean) {
        Unreachable::Older
    } else {
        NoAnswer::Somebody.into()
    }
}
