//! `[queue]`: the disk that events wait on.

use std::sync::Arc;
use std::time::Duration;

use crate::reader::Reader;
use crate::reader::form::Form;
use crate::reader::units::{HOUR, MIB, TIB, YEAR};

#[derive(Clone, Debug)]
pub struct Queue {
    pub max_bytes: u64,
    pub replay_window: Duration,
    pub on_full: OnFull,
    pub aside_max_bytes: u64,
    /// The Kafka destination that has an event before its box is answered; `None` = the disk alone has it.
    pub answer_from: Option<Arc<str>>,
    /// How long a stop still delivers what waits.
    pub drain_limit: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    Refuse,
    ExpireOldest,
}

impl Queue {
    pub(crate) fn read(read: &mut Reader) -> Queue {
        Queue {
            max_bytes: read.by_restart("the log on disk is laid out by it").size(
                "queue.max_bytes",
                256 * MIB,
                64 * TIB,
            ),
            replay_window: read
                .live()
                .duration("queue.replay_window", Duration::ZERO, YEAR),
            on_full: read.live().word(
                "queue.on_full",
                &[
                    ("refuse", OnFull::Refuse),
                    ("expire_oldest", OnFull::ExpireOldest),
                ],
            ),
            aside_max_bytes: read.live().size("queue.aside_max_bytes", MIB, TIB),
            answer_from: answer_from(read),
            drain_limit: read
                .live()
                .duration("queue.drain_limit", Duration::ZERO, HOUR),
        }
    }
}

/// Which names there are, the rules of the whole config know.
fn answer_from(read: &mut Reader) -> Option<Arc<str>> {
    let form = Form::Pattern("^[a-z][a-z0-9-]{0,31}$");
    let why = "events that are under way were taken by another promise";
    let name = read
        .by_restart(why)
        .parsed("queue.answer_from", form, DISK.to_owned(), |text| {
            Ok(text.to_owned())
        });
    (name != DISK).then(|| name.into())
}

/// The value of `queue.answer_from` that names no destination.
const DISK: &str = "disk";
