//! The broker's life: it starts its threads and listeners, looks after its sessions every second, and stops.
//!
//! Promises: it has a runtime of its own, so nothing that a client does takes a thread from the boxes' port. A stop lets connected clients take
//! what waits for them for a moment, tells them why it closes, and frees the ports.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::{Addresses, StartError};
use crate::fault;
use boxbridge_config::Secret;

mod access;
mod admission;
mod connection;
mod fair_share;
mod listener;
mod packet;
mod sessions;
mod topic_filter;

use access::Access;
use admission::Admission;
use listener::Transport;
use sessions::Sessions;

/// It does little work of its own: two threads keep one busy connection from holding up the others.
const THREADS: usize = 2;
const TICK: Duration = Duration::from_secs(1);
/// At a stop: for connected clients to take what waits for them.
const DRAIN: Duration = Duration::from_millis(500);
/// For DISCONNECT to be written to all.
const GOODBYES: Duration = Duration::from_millis(200);
const STOP_TIMEOUT: Duration = Duration::from_millis(500);
const USER: &str = "boxbridge-gateway";

/// What all connections share.
struct Shared {
    sessions: Sessions,
    admission: Arc<Admission>,
    access: Access,
}

pub(super) struct Running {
    runtime: Option<Runtime>,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

pub(super) fn start(
    config: &boxbridge_config::Embedded,
    connections_max: usize,
) -> Result<(Running, Addresses), StartError> {
    let failed = |error: std::io::Error| StartError::Broker(error.to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("embedded-broker")
        .enable_all()
        .build()
        .map_err(failed)?;

    let password = format!(
        "{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    );
    let shared = Arc::new(Shared {
        sessions: Sessions::new(),
        admission: Arc::new(Admission::new(connections_max)),
        access: Access::new(USER.to_owned(), password),
    });

    let running = Running {
        runtime: Some(runtime),
        shared,
        stop: CancellationToken::new(),
    };
    let tcp = running.listen(config.listen, Transport::Tcp, "send.mqtt.embedded.listen")?;
    let websocket = config.websocket.map(|address| {
        running.listen(
            address,
            Transport::WebSocket,
            "send.mqtt.embedded.websocket",
        )
    });
    let addresses = Addresses {
        tcp,
        websocket: websocket.transpose()?,
    };
    running.tick();

    Ok((running, addresses))
}

impl Running {
    /// Listens there. The address as it is: the port may have been 0.
    fn listen(
        &self,
        address: SocketAddr,
        transport: Transport,
        key: &'static str,
    ) -> Result<SocketAddr, StartError> {
        let refused = |source| StartError::Listen {
            address,
            key,
            source,
        };
        let Some(runtime) = &self.runtime else {
            return Ok(address);
        };
        let _entered = runtime.enter();

        // The port may be bound again at once: a broker that was just stopped leaves connections that are still closing.
        let listener = std::net::TcpListener::bind(address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let listener = TcpListener::from_std(listener).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;

        let (listener, shared, stop) = (
            Arc::new(listener),
            Arc::clone(&self.shared),
            self.stop.clone(),
        );
        runtime.spawn(fault::keep(key, self.stop.clone(), move || {
            let (listener, shared, stop) =
                (Arc::clone(&listener), Arc::clone(&shared), stop.clone());
            async move { listener::accept(&listener, transport, shared, stop).await }
        }));
        Ok(address)
    }

    fn tick(&self) {
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        let ticking = move || {
            let (shared, stop) = (Arc::clone(&shared), stop.clone());
            async move {
                while stop
                    .run_until_cancelled(tokio::time::sleep(TICK))
                    .await
                    .is_some()
                {
                    shared.sessions.tick();
                }
            }
        };
        if let Some(runtime) = &self.runtime {
            runtime.spawn(fault::keep("embedded broker", self.stop.clone(), ticking));
        }
    }

    pub fn login(&self) -> (String, Secret) {
        (
            self.shared.access.user.clone(),
            Secret::new(self.shared.access.password.clone()),
        )
    }

    pub fn dropped(&self) -> u64 {
        self.shared.sessions.dropped()
    }

    pub async fn subscribed(&self) {
        self.shared.sessions.subscribed().await;
    }

    /// Stops the broker. How many messages were not taken. A runtime must not be waited for inside another one, so a thread does it.
    pub fn stop(&mut self) -> usize {
        let Some(runtime) = self.runtime.take() else {
            return 0;
        };
        self.stop.cancel();

        let shared = Arc::clone(&self.shared);
        let end = move || {
            let left = runtime.block_on(async {
                let left = shared.sessions.drain(DRAIN).await;
                drop(tokio::time::timeout(GOODBYES, shared.admission.are_closed()).await);
                left
            });
            runtime.shutdown_timeout(STOP_TIMEOUT);
            left
        };
        std::thread::spawn(end).join().unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
