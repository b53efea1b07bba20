//! Every metric of the process; doc comment = help text.

use std::time::Duration;

/// How long one sync of the log took.
pub fn queue_synced(_took: Duration) {}

/// Records that failed their checksum and were stepped over.
pub fn queue_rotten(_records: u64) {}

/// Bytes of pictures not sent again, since the store has them.
pub fn pictures_saved(_bytes: u64) {}
