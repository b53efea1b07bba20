//! How many messages of 2 KB one session hands over and has acknowledged, to a broker that runs: `mosquitto -p 1883`, or `BROKER=mqtt://host:port`.
//!
//! Both protocol versions in one run, twice: what is compared is their ratio, and with it what a property or a window costs.

#![allow(clippy::print_stdout)]

use std::time::Instant;

use boxbridge::send::mqtt::{GatewayIdentity, Mqtt};
use boxbridge::send::{Answer, Destination, Session};
use boxbridge_config::{Config, Layers};
use boxbridge_event::{Lane, Message, Sequence, Timestamp};
use bytes::Bytes;

const MESSAGES: u64 = 100_000;
const BYTES: usize = 2048;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let broker = std::env::var("BROKER").unwrap_or_else(|_| "mqtt://127.0.0.1:1883".to_owned());
    for version in ["3", "5", "3", "5"] {
        let rate = rate(&broker, version).await?;
        println!(
            "version {version}: {rate:>6.0} messages/s, {:>4.0} MB/s",
            rate * BYTES as f64 / 1e6
        );
    }
    Ok(())
}

async fn rate(broker: &str, version: &str) -> anyhow::Result<f64> {
    let mqtt = destination(broker, version)?;
    let mut session = mqtt
        .connect(Lane::Normal)
        .await
        .map_err(|error| anyhow::anyhow!("{broker}: {error}"))?;
    let payload = Bytes::from(vec![b'x'; BYTES]);
    let window = session.window().records as u64;

    let start = Instant::now();
    let (mut submitted, mut done) = (0, 0);
    while done < MESSAGES {
        while submitted < MESSAGES && submitted - done < window {
            submitted += 1;
            session.submit(Sequence(submitted), message(payload.clone()));
        }

        match session.next().await {
            Ok(Answer::Acknowledged { .. }) => done += 1,
            other => anyhow::bail!("not acknowledged: {other:?}"),
        }
    }
    Ok(MESSAGES as f64 / start.elapsed().as_secs_f64())
}

fn destination(broker: &str, version: &str) -> anyhow::Result<Mqtt> {
    let flags = [("send.mqtt.url", broker), ("send.mqtt.version", version)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let send = Config::load(&Layers {
        flags: flags.to_vec(),
        ..Layers::default()
    })?
    .send;

    let mqtt = send
        .mqtt()
        .cloned()
        .ok_or_else(|| anyhow::anyhow!("{broker} is no broker"))?;
    let broker = mqtt
        .broker
        .clone()
        .ok_or_else(|| anyhow::anyhow!("a broker of one's own is wanted"))?;

    let identity = GatewayIdentity {
        destination: "mqtt".into(),
        site: "bench".to_owned(),
        gateway: "bench".to_owned(),
        instance: "00000000-0000-4000-8000-000000000000".to_owned(),
        started: Timestamp::now(),
    };
    Ok(Mqtt::new(mqtt, broker, &send, identity)?)
}

fn message(payload: Bytes) -> Message {
    Message {
        topic: "bench/events".to_owned(),
        key: String::new(),
        attributes: Vec::new(),
        payload,
        timestamp: Timestamp(0),
        expires_in: None,
    }
}
