//! The largest batch that producers may make.
//!
//! A broker weighs the whole batch against the topic's limit, so no batch may be larger than the smallest topic takes. Promises: batches never grow
//! again: where we may not read the limits, a refusal is all that we learn of them.

use parking_lot::Mutex;

use super::topics::Topic;

/// librdkafka's own default; a batch is never asked to be larger.
pub(super) const BATCH_BYTES: usize = 1_000_000;
/// The weight of a batch of one message beside its key, value and headers: frame, lengths, timestamps.
pub(super) const FRAME_BYTES: usize = 128;

pub(super) struct LargestBatch(Mutex<usize>);

impl LargestBatch {
    pub(super) fn new() -> LargestBatch {
        LargestBatch(Mutex::new(BATCH_BYTES))
    }

    pub(super) fn bytes(&self) -> usize {
        *self.0.lock()
    }

    /// As small as the smallest of these topics wants it.
    pub(super) fn fit<'a>(&self, topics: impl IntoIterator<Item = &'a Topic>) {
        let smallest = topics
            .into_iter()
            .filter_map(Topic::max_bytes)
            .min()
            .unwrap_or(BATCH_BYTES);

        let mut bytes = self.0.lock();
        *bytes = smallest.clamp(FRAME_BYTES, *bytes);
    }

    /// The brokers refused a batch as too large, and a message of `bytes` was in it. `true`: it can have been the batch; the next
    /// session makes smaller ones. `false`: the message was alone, and is too large itself.
    pub(super) fn shrink(&self, bytes: usize) -> bool {
        let mut largest = self.0.lock();
        let is_shared = bytes.saturating_mul(2) < *largest;
        if is_shared {
            *largest = (*largest / 4).max(FRAME_BYTES);
        }
        is_shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_batch_shrinks_until_the_message_is_alone_in_it() {
        let largest = LargestBatch::new();
        let mut sessions = 0;
        while largest.shrink(2_000) {
            sessions += 1;
        }
        assert_eq!((sessions, largest.bytes()), (4, 3906));

        let limit = Some(1_048_588);
        largest.fit([
            &Topic::There { max_bytes: limit },
            &Topic::There { max_bytes: None },
        ]);
        assert_eq!(largest.bytes(), 3906, "a refusal is not forgotten");
    }
}
