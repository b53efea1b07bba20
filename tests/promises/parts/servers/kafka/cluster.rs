//! Three nodes that are one Kafka: a topic has three copies, and two of them acknowledge.

use super::Broker;
use super::node::{Node, settings};

pub struct Cluster {
    pub nodes: Vec<Broker>,
}

const NODES: usize = 3;

impl Cluster {
    pub fn start() -> Cluster {
        let all: Vec<Node> = (1..=NODES).map(Node::new).collect();
        // Storage is made by a process of its own: three at once.
        let nodes = std::thread::scope(|scope| {
            let launched: Vec<_> = all
                .iter()
                .map(|node| scope.spawn(|| launch(*node, &all)))
                .collect();
            launched
                .into_iter()
                .map(|node| node.join().unwrap())
                .collect()
        });

        let mut cluster = Cluster { nodes };
        cluster.wait();
        cluster
    }

    /// Of all nodes.
    pub fn address(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(Broker::address).collect();
        addresses.join(",")
    }

    /// All accept connections and answer nothing, until [`Cluster::resume`].
    pub fn pause(&mut self) {
        self.nodes.iter_mut().for_each(Broker::pause);
    }

    pub fn resume(&self) {
        self.nodes.iter().for_each(Broker::resume);
    }

    /// Until each knows of all.
    pub fn wait(&mut self) {
        for node in &mut self.nodes {
            node.wait_for(NODES);
        }
    }
}

fn launch(node: Node, all: &[Node]) -> Broker {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path(), node, all);
    Broker::launch(directory, &settings, node.port, None)
}
