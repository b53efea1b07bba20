//! rmqtt, set up for one machine and for events: loopback traffic, small queues, retained messages in memory.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener};
use rmqtt::retain::{DefaultRetainStorage, RetainStorage};
use rmqtt::server::MqttServer;
use rmqtt::types::{Retain, TopicFilter, TopicName};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::hooks::{self, Seen};
use super::{Doors, StartError};
use crate::config;
use crate::fault::{self, Fault, Starts};

/// Messages that wait for one subscriber; beyond it the oldest goes.
const QUEUE_MESSAGES: usize = 1000;
/// 16, sent to one subscriber and not yet acknowledged. More of it let large messages pass by the limit of the queue (1.65 GB with 128).
const IN_FLIGHT: NonZeroU16 = NonZeroU16::MIN.saturating_add(15);
/// A subscriber that takes nothing for this long is disconnected.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);
const PACKET_MAX: u32 = 16 << 20;
const CONNECTIONS: usize = 1024;
/// The broker does no work of its own: two threads keep one busy connection from holding up the others.
const THREADS: usize = 2;
const TASKS: usize = 64;
/// Stopping takes milliseconds; more is not waited for.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Running {
    runtime: Option<Runtime>,
    seen: Arc<Seen>,
}

pub(super) fn start(config: &config::Embedded) -> Result<(Running, Doors), StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError::Broker(error.to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("embedded-broker")
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    let seen = Arc::new(Seen::default());
    let (started, doors) = std::sync::mpsc::sync_channel(1);
    let (mut config, witness) = (config.clone(), seen.clone());
    runtime.spawn(async move {
        let (mut started, mut starts) = (Some(started), Starts::of("embedded broker", CancellationToken::new()));
        loop {
            // Whoever waits for the first start is there: it waits below.
            let served = serve(&config, witness.clone()).await.map(|(server, doors)| {
                // The next start has to be where this one is.
                config = config::Embedded { listen: doors.tcp, websocket: doors.websocket };
                started.take().map(|started| started.send(Ok(doors)));
                server
            });
            let ended = match (served, started.take()) {
                (Ok(server), _) => fault::caught(server.run()).await.map(|ended| ended.map_err(|error| error.to_string())),
                (Err(error), Some(started)) => return drop(started.send(Err(error))),
                (Err(error), None) => Ok(Err(error.to_string())),
            };
            if let Ok(Err(error)) = &ended {
                warn!("the MQTT broker in this process ended: {error}");
            }
            // It is never told to end but by the end of its runtime: whatever ends it is a fault of ours or of its own.
            if !starts.again(Err(Fault)).await {
                return;
            }
        }
    });
    let running = Running { runtime: Some(runtime), seen };
    let doors = doors.recv().map_err(|error| failed(&error))??;
    Ok((running, doors))
}

impl Running {
    pub fn dropped(&self) -> u64 {
        self.seen.dropped()
    }

    pub async fn subscribed(&self) {
        self.seen.subscribed().await;
    }

    /// A runtime must not be waited for inside another one, so a thread does it.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            drop(std::thread::spawn(move || runtime.shutdown_timeout(STOP_TIMEOUT)).join());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(config: &config::Embedded, seen: Arc<Seen>) -> Result<(MqttServer, Doors), StartError> {
    let context = ServerContext::new().node_id(1).busy_check_enable(false).task_exec_workers(TASKS).build().await;
    *context.extends.retain_mut().await = Box::new(Retained(DefaultRetainStorage::new()));
    hooks::register(&context, &seen).await;
    let (tcp, tcp_address) = listen(config.listen, "send.mqtt.embedded.listen", Listener::tcp)?;
    let server = MqttServer::new(context).listener_by_id(tcp, 1);
    let (server, websocket) = match config.websocket {
        Some(address) => {
            let (websocket, address) = listen(address, "send.mqtt.embedded.websocket", Listener::ws)?;
            (server.listener_by_id(websocket, 2), Some(address))
        }
        None => (server, None),
    };
    Ok((server.build(), Doors { tcp: tcp_address, websocket }))
}

/// A listener and its address, whose port may have been 0.
fn listen(
    address: SocketAddr,
    key: &'static str,
    kind: fn(Listener) -> rmqtt::Result<Listener>,
) -> Result<(Listener, SocketAddr), StartError> {
    let refused = |error: rmqtt::Error| match error.downcast::<std::io::Error>() {
        Ok(source) => StartError::Listen { address, key, source },
        Err(error) => StartError::Broker(error.to_string()),
    };
    let listener = Builder::new()
        .name(key)
        .laddr(address)
        // A broker that was just stopped leaves connections that are still closing.
        .reuseaddr(Some(true))
        .nodelay(true)
        .max_connections(CONNECTIONS)
        .max_packet_size(PACKET_MAX)
        .max_mqueue_len(QUEUE_MESSAGES)
        .max_inflight(IN_FLIGHT)
        .send_timeout(SEND_TIMEOUT)
        // A message is sent once per connection, and expires only if it says so itself.
        .message_retry_interval(Duration::ZERO)
        .message_expiry_interval(Duration::ZERO)
        .bind()
        .and_then(kind)
        .map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// rmqtt's own storage in memory, which is switched off there in favour of a plugin.
struct Retained(DefaultRetainStorage);

#[async_trait]
impl RetainStorage for Retained {
    fn enable(&self) -> bool {
        true
    }

    async fn set(&self, topic: &TopicName, retain: Retain, expiry: Option<Duration>) -> rmqtt::Result<()> {
        self.0.set_with_timeout(topic, retain, expiry.filter(|expiry| !expiry.is_zero())).await
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        self.0.get_message(filter).await
    }

    async fn count(&self) -> isize {
        self.0.count().await
    }

    async fn max(&self) -> isize {
        self.0.max().await
    }
}
