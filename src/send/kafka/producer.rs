//! A producer of librdkafka, and the thread that takes its reports.
//!
//! Promises: reports are taken as they come; its end sends nothing more. Deliberately not rdkafka's `ThreadedProducer`: that asks for 100 ms
//! at a time, and each time spins through the last, broken millisecond. That is 1 % of a core for each producer, also while nothing is sent.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer as _, PurgeConfig};

use super::report::Listener;

/// The end of a producer waits so long for its thread.
const ASK_FOR: Duration = Duration::from_secs(1);

pub(super) struct Producer {
    base: Arc<BaseProducer<Listener>>,
    is_over: Arc<AtomicBool>,
    /// Taken at the end.
    thread: Option<JoinHandle<()>>,
}

impl Producer {
    pub(super) fn start(settings: &ClientConfig, listener: Listener) -> Result<Producer, String> {
        let cannot = |error: KafkaError| format!("the producer cannot be made: {error}");
        let base: BaseProducer<_> = settings.create_with_context(listener).map_err(cannot)?;
        let (base, is_over) = (Arc::new(base), Arc::new(AtomicBool::new(false)));

        let (of_thread, is_to_end) = (Arc::clone(&base), Arc::clone(&is_over));
        let take_reports = move || {
            while !is_to_end.load(Ordering::Relaxed) {
                of_thread.poll(ASK_FOR);
            }
        };
        let thread = thread::Builder::new()
            .name("kafka-reports".to_owned())
            .spawn(take_reports)
            .map_err(|error| format!("the producer has no thread: {error}"))?;
        Ok(Producer {
            base,
            is_over,
            thread: Some(thread),
        })
    }

    /// Ends it: not on a thread of the runtime, since its end waits for its threads.
    pub(super) fn end(producer: Option<Producer>) {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(producer))),
            Err(_) => drop(producer),
        }
    }
}

impl Deref for Producer {
    type Target = BaseProducer<Listener>;

    fn deref(&self) -> &BaseProducer<Listener> {
        &self.base
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.base.purge(PurgeConfig::default().queue().inflight());
        // A panic in there was logged by its thread.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
