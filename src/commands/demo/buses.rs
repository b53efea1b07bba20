//! The demo's buses: the embedded MQTT broker behind a line that can be cut, and librdkafka's mock of a Kafka cluster.
//!
//! Cutting the line is an outage as the gateway sees one, while subscribers stay connected and can watch it. Deliberately not for
//! anything but the demo: the mock keeps what it gets in memory.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;

use anyhow::Context;
use rdkafka::mocking::MockCluster;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A Kafka cluster of one broker in this process; it ends when this is dropped.
pub struct MockKafka {
    pub brokers: String,
    /// The mock lives on a thread of its own, which waits for the end of this.
    _end: mpsc::SyncSender<()>,
}

impl MockKafka {
    /// With these topics, each of one partition: it cannot make them when it is asked over the network.
    pub fn start(topics: Vec<String>) -> anyhow::Result<MockKafka> {
        let (started, start) = mpsc::sync_channel(1);
        let (end, ended) = mpsc::sync_channel::<()>(1);
        let serve = move || match mock(&topics) {
            Ok(cluster) => {
                let _ = started.send(Ok(cluster.bootstrap_servers()));
                // Nothing is ever sent: this returns when the other end is gone.
                let _ = ended.recv();
            }
            Err(error) => drop(started.send(Err(error))),
        };
        std::thread::Builder::new().name("mock-kafka".to_owned()).spawn(serve)?;
        let brokers = start.recv()?.context("librdkafka's mock cluster does not start")?;
        Ok(MockKafka { brokers, _end: end })
    }
}

type Mock = MockCluster<'static, rdkafka::producer::DefaultProducerContext>;

fn mock(topics: &[String]) -> Result<Mock, rdkafka::error::KafkaError> {
    let cluster = MockCluster::new(1)?;
    topics.iter().try_for_each(|topic| cluster.create_topic(topic, 1, 1))?;
    Ok(cluster)
}

/// A relay on a port of its own to `broker`.
pub struct Line {
    pub address: SocketAddr,
    broker: SocketAddr,
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Line {
    pub async fn open(broker: SocketAddr) -> std::io::Result<Line> {
        let mut line = Line {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            broker,
            stop: CancellationToken::new(),
            connections: TaskTracker::new(),
        };
        line.mend().await?;
        Ok(line)
    }

    /// Ends every connection and takes no other.
    pub async fn cut(&mut self) {
        self.stop.cancel();
        self.connections.close();
        self.connections.wait().await;
    }

    /// As it was before, on the same port.
    pub async fn mend(&mut self) -> std::io::Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        self.address = listener.local_addr()?;
        (self.stop, self.connections) = (CancellationToken::new(), TaskTracker::new());
        let (stop, connections, broker) = (self.stop.clone(), self.connections.clone(), self.broker);
        self.connections.spawn(async move {
            while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
                let Ok((here, _)) = accepted else { continue };
                let stop = stop.clone();
                connections.spawn(async move { stop.run_until_cancelled(relay(here, broker)).await });
            }
        });
        Ok(())
    }
}

async fn relay(mut here: TcpStream, broker: SocketAddr) {
    let Ok(mut there) = TcpStream::connect(broker).await else { return };
    let _ = (here.set_nodelay(true), there.set_nodelay(true));
    // However it ends, both sides are closed, and both notice.
    let _ = copy_bidirectional(&mut here, &mut there).await;
}
