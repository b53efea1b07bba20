//! The demo's buses: a line to the embedded MQTT broker that can be cut, and librdkafka's mock of a Kafka cluster.
//!
//! Cutting the line is an outage for the gateway, while subscribers stay connected and can watch it. Deliberately for the demo alone: the
//! mock keeps all messages in memory.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;

use anyhow::Context;
use rdkafka::mocking::MockCluster;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A Kafka cluster of one broker in this process. Dropping this ends it.
pub struct MockKafka {
    pub brokers: String,
    /// The mock lives on a thread of its own, which ends when this is dropped.
    _end: mpsc::SyncSender<()>,
}

impl MockKafka {
    /// Starts a cluster with these topics, each of one partition: the mock cannot create topics over the network.
    pub fn start(topics: Vec<String>) -> anyhow::Result<MockKafka> {
        let (started, start) = mpsc::sync_channel(1);
        let (end, ended) = mpsc::sync_channel::<()>(1);
        let serve = move || match mock(&topics) {
            Ok(cluster) => {
                let _ = started.send(Ok(cluster.bootstrap_servers()));
                // Nothing is ever sent: this returns when the sender is dropped.
                let _ = ended.recv();
            }
            Err(error) => drop(started.send(Err(error))),
        };

        std::thread::Builder::new()
            .name("mock-kafka".to_owned())
            .spawn(serve)?;
        let brokers = start
            .recv()?
            .context("librdkafka's mock cluster does not start")?;
        Ok(MockKafka { brokers, _end: end })
    }
}

type Mock = MockCluster<'static, rdkafka::producer::DefaultProducerContext>;

fn mock(topics: &[String]) -> Result<Mock, rdkafka::error::KafkaError> {
    let cluster = MockCluster::new(1)?;
    topics
        .iter()
        .try_for_each(|topic| cluster.create_topic(topic, 1, 1))?;
    Ok(cluster)
}

/// A relay to the broker, on a port of its own.
pub struct CuttableLine {
    pub address: SocketAddr,
    broker: SocketAddr,
    stop: CancellationToken,
    connections: TaskTracker,
}

impl CuttableLine {
    pub async fn open(broker: SocketAddr) -> std::io::Result<CuttableLine> {
        let mut line = CuttableLine {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            broker,
            stop: CancellationToken::new(),
            connections: TaskTracker::new(),
        };
        line.restore().await?;
        Ok(line)
    }

    /// Ends every connection and accepts no other.
    pub async fn cut(&mut self) {
        self.stop.cancel();
        self.connections.close();
        self.connections.wait().await;
    }

    /// Accepts connections again, on the same port.
    pub async fn restore(&mut self) -> std::io::Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        self.address = listener.local_addr()?;
        (self.stop, self.connections) = (CancellationToken::new(), TaskTracker::new());

        let (stop, connections, broker) =
            (self.stop.clone(), self.connections.clone(), self.broker);
        self.connections.spawn(async move {
            while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
                let Ok((here, _)) = accepted else { continue };
                let stop = stop.clone();
                connections
                    .spawn(async move { stop.run_until_cancelled(relay(here, broker)).await });
            }
        });
        Ok(())
    }
}

async fn relay(mut here: TcpStream, broker: SocketAddr) {
    let Ok(mut there) = TcpStream::connect(broker).await else {
        return;
    };
    let _ = (here.set_nodelay(true), there.set_nodelay(true));
    // However it ends, both sides are closed and notice it.
    let _ = copy_bidirectional(&mut here, &mut there).await;
}
