//! Our settings → librdkafka's. `token` shows a client the token that brokers are to be shown.
//!
//! Promises: a producer gives up no message by itself and keeps the order (idempotent, `acks=all`, no time limit); a topic is never made by being
//! named; a dead address is given up while there is time for the next.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

mod token;

pub(super) use token::as_asked;

use super::batch::BATCH_BYTES;
use super::{Shared, WINDOWS};
use boxbridge_event::Lane;

/// For one address, until TLS and password are through: librdkafka tries a name's addresses one after the other, and each look-up begins with
/// the first. Of three, two may be silent; a line with half a second of delay still gets through.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(4);

impl Shared {
    /// For every client of ours: where the brokers are, and who we are.
    pub(super) fn client(&self) -> ClientConfig {
        let config = &self.config;
        let mut client = ClientConfig::new();
        client
            // Else it does not say why a broker hangs up.
            .set_log_level(RDKafkaLogLevel::Info)
            .set("bootstrap.servers", &config.brokers)
            .set("client.id", "boxbridge")
            // A topic is made by us, with the partitions of the config, or not at all.
            .set("allow.auto.create.topics", "false")
            // Back within a second once the brokers are; the default doubles up to 10 s.
            .set("reconnect.backoff.max.ms", "1000")
            .set(
                "socket.connection.setup.timeout.ms",
                milliseconds(ADDRESS_TIMEOUT),
            )
            .set("socket.keepalive.enable", "true")
            .set("security.protocol", security_protocol(config));

        if let Some(sasl) = &config.sasl {
            client.set("sasl.mechanism", &sasl.mechanism);
            // Else they are for who lends the token, and no broker's business.
            if sasl.token.is_none() {
                client
                    .set("sasl.username", &sasl.username)
                    .set("sasl.password", sasl.password.expose());
            }
        }
        if config.encrypted {
            set_files(&mut client, &config.tls);
        }
        client
    }

    /// For a producer, on top of that.
    pub(super) fn producer(&self, lane: Lane, batch_bytes: usize) -> ClientConfig {
        let linger = match lane {
            Lane::Urgent => Duration::ZERO,
            Lane::Normal => self.config.linger,
        };
        // Our own limit is checked before producing; this one must only not be smaller, whatever the framing.
        let message_bytes = (self.config.max_message_bytes + 64 * 1024).max(BATCH_BYTES);
        // Each topic that answers nothing may leave a window of small messages behind.
        let messages = self.limits.window_records * WINDOWS;
        // librdkafka counts more than the payload, and keeps messages until it has reported them.
        let buffer_kib = (self.limits.window_bytes + self.config.max_message_bytes) / 512 + 1024;

        let mut client = self.client();
        client
            .set("client.id", format!("boxbridge-{lane}"))
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // For ever: were A given up here and B of the same key delivered, the order would be broken.
            .set("message.timeout.ms", "0")
            // A large batch on a thin line takes longer than the default, a minute. Brokers that say nothing at all we notice ourselves.
            .set("socket.timeout.ms", "300000")
            // For so long a topic may be unknown before its messages fail; by default longer than a session may be silent.
            .set("topic.metadata.propagation.max.ms", "5000")
            // As Java's producers do it; librdkafka's own default puts the same key elsewhere, which breaks joins.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", milliseconds(linger))
            .set("compression.type", &self.config.compression)
            .set("batch.size", batch_bytes.to_string())
            .set("message.max.bytes", message_bytes.to_string())
            .set("queue.buffering.max.messages", messages.to_string())
            .set("queue.buffering.max.kbytes", buffer_kib.to_string());
        client
    }
}

fn set_files(client: &mut ClientConfig, tls: &boxbridge_config::Tls) {
    let files = [
        ("ssl.ca.location", &tls.ca_file),
        ("ssl.certificate.location", &tls.cert_file),
        ("ssl.key.location", &tls.key_file),
    ];
    for (key, file) in files {
        if let Some(file) = file {
            client.set(key, file.to_string_lossy());
        }
    }
}

fn security_protocol(config: &boxbridge_config::Kafka) -> &'static str {
    match (config.encrypted, config.sasl.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    }
}

pub(super) fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::super::tests::shared;
    use super::*;

    const WIDEST: Limits = Limits {
        window_records: 60_000,
        window_bytes: 1 << 30,
        stall_timeout: Duration::from_secs(15),
    };

    #[test]
    fn librdkafka_takes_the_widest_settings() {
        let shared = shared("127.0.0.1:1".to_owned(), WIDEST);
        for lane in Lane::ALL {
            let producer = shared.producer(*lane, BATCH_BYTES);
            producer.create_native_config().unwrap();
        }

        let urgent = shared.producer(Lane::Urgent, BATCH_BYTES);
        assert_eq!(urgent.get("linger.ms"), Some("0"));
    }
}
