//! The broker's life: it starts its threads and listeners, looks after its sessions every second, and stops.
//!
//! Promises: it has a runtime of its own, so no client takes a thread from the boxes' port. A stop gives connected clients a moment to take the messages
//! that wait for them, tells them why it closes, and frees the ports.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::{Addresses, StartError};
use crate::system::fault;
use boxbridge_config::{BrokerUsers, Secret};
use boxbridge_connect::tls::Encryption;

mod access;
mod admission;
mod connection;
mod fair_share;
mod listener;
mod logged_count;
mod packet;
mod sessions;
mod topic_filter;
mod users;

use access::Access;
use admission::Admission;
use listener::Transport;
use sessions::Sessions;
use users::Users;

/// It does little work of its own: two threads keep one busy connection from holding up the others.
const THREADS: usize = 2;
const TICK: Duration = Duration::from_secs(1);
/// At a stop: for connected clients to take their messages.
const DRAIN: Duration = Duration::from_millis(500);
/// For DISCONNECT to be written to all.
const GOODBYES: Duration = Duration::from_millis(200);
const STOP_TIMEOUT: Duration = Duration::from_millis(500);
const USER: &str = "boxbridge-gateway";

/// All connections share this.
struct Shared {
    sessions: Sessions,
    admission: Arc<Admission>,
    access: Access,
    encryption: Encryption,
}

pub(super) struct Running {
    runtime: Option<Runtime>,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

/// Who may subscribe to a running broker.
#[derive(Clone)]
pub struct Subscribers(Arc<Shared>);

impl Subscribers {
    /// From now on these may; who is connected as somebody else is disconnected.
    pub fn adopt(&self, users: Option<BrokerUsers>) {
        let Shared {
            access, admission, ..
        } = &*self.0;
        access.users.replace(users);
        admission.close_clients(|user| !access.users.still_has(user));
    }
}

pub(super) fn start(
    config: &boxbridge_config::Embedded,
    connections_max: usize,
    encryption: Encryption,
) -> Result<(Running, Addresses), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("embedded-broker")
        .enable_all()
        .build()
        .map_err(|error| StartError::Broker(error.to_string()))?;
    let running = Running {
        runtime: Some(runtime),
        shared: Arc::new(Shared::new(
            connections_max,
            config.users.clone(),
            encryption,
        )),
        stop: CancellationToken::new(),
    };

    let listen = "send.mqtt.embedded.listen";
    let tcp = running.listen(config.listen, Transport::Tcp, listen)?;
    let listen = "send.mqtt.embedded.websocket";
    let websocket = config
        .websocket
        .map(|address| running.listen(address, Transport::WebSocket, listen));
    let addresses = Addresses {
        tcp,
        websocket: websocket.transpose()?,
    };
    running.tick();

    Ok((running, addresses))
}

impl Shared {
    fn new(connections_max: usize, users: Option<BrokerUsers>, encryption: Encryption) -> Shared {
        let half = || uuid::Uuid::new_v4().simple();
        let password = format!("{}{}", half(), half());
        Shared {
            sessions: Sessions::new(),
            admission: Arc::new(Admission::new(connections_max)),
            access: Access::new(USER.to_owned(), password, Users::new(users)),
            encryption,
        }
    }
}

/// A port that can be bound again at once: a broker that was just stopped leaves connections that are still closing.
fn bind(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Running {
    /// Listens there. The address as it is: the port may have been 0.
    fn listen(
        &self,
        address: SocketAddr,
        transport: Transport,
        key: &'static str,
    ) -> Result<SocketAddr, StartError> {
        let Some(runtime) = &self.runtime else {
            return Ok(address);
        };
        let _entered = runtime.enter();
        let (listener, address) = bind(address).map_err(|source| StartError::Listen {
            address,
            key,
            source,
        })?;

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
        let Some(runtime) = &self.runtime else {
            return;
        };
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        let ticking = move || tick(Arc::clone(&shared), stop.clone());
        runtime.spawn(fault::keep("embedded broker", self.stop.clone(), ticking));
    }

    pub fn login(&self) -> (String, Secret) {
        (
            self.shared.access.user.clone(),
            Secret::new(self.shared.access.password.clone()),
        )
    }

    pub fn subscribers(&self) -> Subscribers {
        Subscribers(Arc::clone(&self.shared))
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
            let left = runtime.block_on(drain(&shared));
            runtime.shutdown_timeout(STOP_TIMEOUT);
            left
        };
        std::thread::spawn(end).join().unwrap_or_default()
    }
}

async fn tick(shared: Arc<Shared>, stop: CancellationToken) {
    let next = || stop.run_until_cancelled(tokio::time::sleep(TICK));
    while next().await.is_some() {
        shared.sessions.tick();
    }
}

/// How many messages were not taken.
async fn drain(shared: &Shared) -> usize {
    let left = shared.sessions.drain(DRAIN).await;
    drop(tokio::time::timeout(GOODBYES, shared.admission.are_closed()).await);
    left
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
