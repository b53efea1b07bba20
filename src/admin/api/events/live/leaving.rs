//! What leaves for one destination: events wait here until it has them.
//!
//! Promises: shows what was delivered, as it was at that moment by the routes of now; bounded in number and bytes. Deliberately shows nothing of
//! what was set aside or given up: nobody got that.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::json;

use crate::admin::api::{Operator, preview};
use crate::gateway::{Column, Ending, Preview};
use crate::queue::{Record, RecordState};

/// A destination that keeps up has a window of them under way.
const WAITING_MAX: usize = 1_000;
const WAITING_BYTES_MAX: usize = 16 << 20;

pub(super) struct Leaving {
    destination: Arc<str>,
    /// It does not have them yet, in the order in which they came.
    waiting: VecDeque<Record>,
    bytes: usize,
}

impl Leaving {
    pub fn of(destination: String) -> Leaving {
        Leaving {
            destination: destination.into(),
            waiting: VecDeque::new(),
            bytes: 0,
        }
    }

    /// An event came; why no more can wait, where that is so.
    pub fn came(&mut self, record: &Record) -> Result<(), String> {
        self.waiting.push_back(record.clone());
        self.bytes += record.event.len();
        if self.waiting.len() <= WAITING_MAX && self.bytes <= WAITING_BYTES_MAX {
            return Ok(());
        }

        let (destination, waiting) = (&self.destination, self.waiting.len());
        Err(format!(
            "{destination} has not taken {waiting} events that came meanwhile: `boxbridge status` says why"
        ))
    }

    /// Those that it has by now, as they are told.
    pub fn left(&mut self, operator: &Operator) -> Vec<String> {
        let mut left = Vec::new();
        let Ok(preview) = preview(operator, &self.destination) else {
            return left;
        };
        let answers = operator.timetable.of(&self.destination);

        self.waiting.retain(|record| {
            let state = operator.queue.standing_with(&self.destination, record);
            if matches!(state, Some(RecordState::Answered { .. })) {
                left.extend(told(operator, &preview, &answers, record));
            }
            state == Some(RecordState::Waiting)
        });
        self.bytes = self.waiting.iter().map(|record| record.event.len()).sum();
        left
    }
}

/// The event beside its message; `None` where it was not delivered, or had none.
fn told(
    operator: &Operator,
    preview: &Preview,
    answers: &Column,
    record: &Record,
) -> Option<String> {
    let answered = answers.of(record.sequence)?;
    if answered.ending != Ending::Delivered {
        return None;
    }

    let documents = &operator.documents;
    let message = documents.message_at(record, preview, answered.at, false)?;
    let event = documents.of(record)?;
    Some(json!({"message": message, "event": event}).to_string())
}
