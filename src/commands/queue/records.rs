//! `boxbridge queue inspect`: the records, one a line.
//!
//! Promises: nothing personal: sequence, id, times and sizes. Deliberately holds no more than the records that were asked for, and as many again.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::commands::{Reader, say};
use crate::queue::OpenError;
use crate::queue::inspect::{self, RecordSummary};
use boxbridge_event::Size;

/// Shows the records that are wanted, or the last of them.
pub fn show(
    data_dir: &Path,
    wanted: impl Fn(&RecordSummary) -> bool,
    last: Option<usize>,
    json: bool,
) -> Result<ExitCode, OpenError> {
    let mut shown = Shown {
        last,
        json,
        kept: Vec::new(),
    };
    inspect::records(data_dir, |record| {
        !wanted(&record) || shown.take(record) == Reader::There
    })?;
    Ok(shown.finish())
}

/// Prints records as they come, or keeps the newest.
struct Shown {
    last: Option<usize>,
    json: bool,
    kept: Vec<RecordSummary>,
}

impl Shown {
    fn take(&mut self, record: RecordSummary) -> Reader {
        let Some(last) = self.last else {
            return self.print(&record);
        };

        self.kept.push(record);
        if self.kept.len() >= last.saturating_mul(2).max(1024) {
            self.kept.drain(..self.kept.len() - last);
        }
        Reader::There
    }

    fn finish(self) -> ExitCode {
        let newest = self.kept.len().saturating_sub(self.last.unwrap_or(0));
        let _ = self
            .kept
            .iter()
            .skip(newest)
            .all(|record| self.print(record) == Reader::There);
        ExitCode::SUCCESS
    }

    fn print(&self, record: &RecordSummary) -> Reader {
        if self.json {
            say(&as_json(record).to_string())
        } else {
            say(&as_line(record))
        }
    }
}

fn as_json(record: &RecordSummary) -> serde_json::Value {
    json!({
        "sequence": record.sequence.0,
        "id": record.id,
        "revision": record.revision,
        "received_at": record.received_at,
        "feed": record.feed,
        "lane": record.lane,
        "person_type": record.person_type,
        "event_bytes": record.event_bytes,
        "pictures_bytes": record.pictures_bytes,
        "lost": record.is_lost,
    })
}

fn as_line(record: &RecordSummary) -> String {
    let RecordSummary {
        sequence,
        id,
        revision,
        feed,
        lane,
        person_type,
        ..
    } = record;
    let received_at = record.received_at.for_people();
    let (event, pictures) = (Size(record.event_bytes), Size(record.pictures_bytes));
    let lost = if record.is_lost { "  LOST" } else { "" };

    format!(
        "{sequence:>12}  {received_at}  {id} {revision}  {feed:<9} {lane:<7} {person_type:<10} {event:>9} + pictures {pictures:>9}{lost}"
    )
}
