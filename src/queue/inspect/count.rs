//! Counts again what each cursor has before it, record by record.
//!
//! Promises: trusts no count but those of the next header where a segment is gone.

use std::io;
use std::path::Path;

use super::read::SavedCursor;
use super::{Counted, CursorSummary};
use crate::queue::follow::Saved;
use crate::queue::format::Counts;
use crate::queue::log::{OpenError, Segment};
use boxbridge_event::{Lane, PersonType};

pub(super) fn counted(
    directory: &Path,
    cursors: Vec<SavedCursor>,
    segments: &[Segment],
) -> Result<Vec<CursorSummary>, OpenError> {
    let summary = |cursor: SavedCursor| {
        let saved = cursor.saved.as_ref();
        let counted = saved.map(|saved| count(cursor.lane, saved, segments));
        Ok(CursorSummary {
            counted: counted.transpose()?,
            destination: cursor.destination,
            lane: cursor.lane,
        })
    };

    let summaries: io::Result<_> = cursors.into_iter().map(summary).collect();
    summaries.map_err(OpenError::io("reading", directory))
}

fn count(lane: Lane, saved: &Saved, segments: &[Segment]) -> io::Result<Counted> {
    let mut waiting = 0;
    let mut before: Option<Counts> = None;
    for segment in segments {
        if let Some(before) = before.replace(segment.through()) {
            waiting += in_gap(lane, saved, &before, &segment.header.before);
        }
        segment.visit(segment.base(), |sequence, entry| {
            let is_ours = entry.lane == lane && sequence > saved.position(entry.person_type);
            waiting += u64::from(is_ours);
            true
        })?;
    }

    let ever = segments
        .last()
        .map_or(saved.log, |segment| segment.through());
    Ok(Counted {
        accepted: ever.lane(lane).saturating_sub(saved.joined.records),
        tally: saved.tally.clone(),
        waiting,
    })
}

/// Records that stood between two segments, as far as the cursor has them before it.
fn in_gap(lane: Lane, saved: &Saved, before: &Counts, after: &Counts) -> u64 {
    if before.last() >= after.last() {
        return 0;
    }
    let types = PersonType::ALL.iter().copied();
    let is_before = |person_type: &PersonType| saved.position(*person_type) <= before.last();
    types
        .filter(is_before)
        .map(|person_type| {
            let records = after.of(lane, person_type);
            records.saturating_sub(before.of(lane, person_type))
        })
        .sum()
}
