//! The broker's life: its threads, its doors, its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::{Doors, StartError};
use crate::config::{self, Secret};
use crate::fault;

mod connection;
mod door;
mod early;
mod exchange;
mod filter;
mod guests;
mod house;
mod message;
mod pace;
mod pen;
mod reply;
mod session;
mod shares;
mod wire;

use door::Kind;
use house::House;

/// It does little work of its own: two threads keep one busy connection from holding up the others.
const THREADS: usize = 2;
const TICK: Duration = Duration::from_secs(1);
/// At the end: for those who are there to take what waits for them.
const FAREWELL: Duration = Duration::from_millis(500);
/// For the goodbyes to be written.
const GOODBYES: Duration = Duration::from_millis(200);
const STOP_TIMEOUT: Duration = Duration::from_millis(500);
const USER: &str = "boxbridge-gateway";

pub(super) struct Running {
    runtime: Option<Runtime>,
    house: Arc<House>,
    stop: CancellationToken,
}

pub(super) fn start(config: &config::Embedded, places: usize) -> Result<(Running, Doors), StartError> {
    let failed = |error: std::io::Error| StartError::Broker(error.to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("embedded-broker")
        .enable_all()
        .build()
        .map_err(failed)?;
    let password = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let house = Arc::new(House::new(places, USER.to_owned(), password));
    let running = Running { runtime: Some(runtime), house, stop: CancellationToken::new() };
    let tcp = running.listen(config.listen, Kind::Tcp, "send.mqtt.embedded.listen")?;
    let websocket = config.websocket.map(|address| running.listen(address, Kind::WebSocket, "send.mqtt.embedded.websocket"));
    let doors = Doors { tcp, websocket: websocket.transpose()? };
    running.tick();
    Ok((running, doors))
}

impl Running {
    /// Its address: the port may have been 0.
    fn listen(&self, address: SocketAddr, kind: Kind, key: &'static str) -> Result<SocketAddr, StartError> {
        let refused = |source| StartError::Listen { address, key, source };
        let Some(runtime) = &self.runtime else { return Ok(address) };
        let _entered = runtime.enter();
        // The port may be bound again at once: a broker that was just stopped leaves connections that are still closing.
        let listener = std::net::TcpListener::bind(address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let listener = TcpListener::from_std(listener).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (listener, house, stop) = (Arc::new(listener), Arc::clone(&self.house), self.stop.clone());
        runtime.spawn(fault::keep(key, self.stop.clone(), move || {
            let (listener, house, stop) = (Arc::clone(&listener), Arc::clone(&house), stop.clone());
            async move { door::open(&listener, kind, house, stop).await }
        }));
        Ok(address)
    }

    fn tick(&self) {
        let (house, stop) = (Arc::clone(&self.house), self.stop.clone());
        let ticking = move || {
            let (house, stop) = (Arc::clone(&house), stop.clone());
            async move {
                while stop.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
                    house.exchange.tick();
                }
            }
        };
        if let Some(runtime) = &self.runtime {
            runtime.spawn(fault::keep("embedded broker", self.stop.clone(), ticking));
        }
    }

    pub fn login(&self) -> (String, Secret) {
        (self.house.user.clone(), Secret::new(self.house.password.clone()))
    }

    pub fn dropped(&self) -> u64 {
        self.house.exchange.dropped()
    }

    pub async fn subscribed(&self) {
        self.house.exchange.subscribed().await;
    }

    /// How many messages nobody took. A runtime must not be waited for inside another one, so a thread does it.
    pub fn stop(&mut self) -> usize {
        let Some(runtime) = self.runtime.take() else { return 0 };
        self.stop.cancel();
        let house = Arc::clone(&self.house);
        let end = move || {
            let left = runtime.block_on(async {
                let left = house.exchange.farewell(FAREWELL).await;
                drop(tokio::time::timeout(GOODBYES, house.guests.are_gone()).await);
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
