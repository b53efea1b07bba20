//! The lines that the demo opens with: where to look, and what to try.
//!
//! Promises: each line can be copied into a shell as it stands. Deliberately prints nothing: the screen does.

use std::net::SocketAddr;
use std::path::Path;

use boxbridge_config::reached;

pub struct Introduction<'a> {
    pub data_dir: &'a Path,
    pub ingest: SocketAddr,
    pub admin: SocketAddr,
    pub mqtt: SocketAddr,
    pub kafka: &'a str,
    /// A Kafka topic to begin with.
    pub topic: &'a str,
}

impl Introduction<'_> {
    /// What there is to see, and the command or place for it.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let (ingest, admin) = (reached(self.ingest), reached(self.admin));
        // The name it was started by: after a fresh clone it is not in the PATH.
        let program = std::env::args()
            .next()
            .unwrap_or_else(|| "boxbridge".to_owned());
        let pictures = self.data_dir.join("pictures/scene");

        vec![
            (
                "console",
                format!("http://{admin}/    # the faces, as they come"),
            ),
            ("MQTT", self.mosquitto_sub()),
            ("Kafka", self.kcat()),
            ("pictures", format!("{}/", pictures.display())),
            (
                "status",
                format!("{program} status --watch --url http://{admin}"),
            ),
            ("metrics", format!("curl -s http://{admin}/metrics")),
            (
                "be a box",
                format!("POST http://{ingest}/RealTimeEvent, as the README shows"),
            ),
            (
                "outage",
                format!(
                    "{program} demo{} --stop-broker 20s    # in a second terminal",
                    self.data_dir_flag()
                ),
            ),
        ]
    }

    fn mosquitto_sub(&self) -> String {
        let broker = reached(self.mqtt);
        let (host, port) = (broker.ip(), broker.port());
        format!("mosquitto_sub -h {host} -p {port} -v -t 'boxbridge/#'")
    }

    fn kcat(&self) -> String {
        let (brokers, topic) = (self.kafka, self.topic);
        format!("kcat -b {brokers} -C -o beginning -t {topic}    # librdkafka's mock")
    }

    /// Empty for the default folder; else quoted for a shell.
    fn data_dir_flag(&self) -> String {
        if self.data_dir == Path::new("data/demo") {
            return String::new();
        }
        let folder = self.data_dir.display().to_string();
        format!(" --data-dir '{}'", folder.replace('\'', "'\\''"))
    }
}
