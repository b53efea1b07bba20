//! `[queue]`: the disk that events wait on.

use std::time::Duration;

use crate::reader::Reader;
use crate::reader::units::{MIB, TIB, YEAR};

#[derive(Clone, Debug)]
pub struct Queue {
    pub max_bytes: u64,
    pub replay_window: Duration,
    pub on_full: OnFull,
    pub aside_max_bytes: u64,
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
        }
    }
}
