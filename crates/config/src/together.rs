//! What is wrong, or should be known, of settings that are each right: rules that join two of them, and what this machine can hold.
//!
//! Promises: a setting that is wrong by itself raises nothing here. Deliberately looks no further than this machine's own disk.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::reader::{Reader, written, written_size};
use super::{Config, Field, ForwardedBy, Part, PictureWait, StoreUrl, Template, send};
use boxbridge_event::Size;

/// A real box hangs up then.
const BOX_PATIENCE: Duration = Duration::from_millis(500);

/// The rules that join two keys.
pub(super) fn check(config: &Config, read: &mut Reader) {
    if config.send.mqtt.is_none() && config.send.kafka.is_none() {
        let problem = "send.mqtt.url and send.kafka.brokers are both empty: events would go nowhere, set one of them";
        read.joint(&["send.mqtt.url", "send.kafka.brokers"], problem);
    }
    routes(config, read);
    let ingest = &config.ingest;
    if ingest.body_max_bytes > ingest.in_flight_max_bytes / 4 {
        let (body, in_flight) = (written_size(ingest.body_max_bytes as u64), written_size(ingest.in_flight_max_bytes as u64));
        read.joint(
            &["ingest.body_max_bytes", "ingest.in_flight_max_bytes"],
            format!(
                "ingest.body_max_bytes ({body}) is over a quarter of ingest.in_flight_max_bytes ({in_flight}), one source's share: no such body could arrive"
            ),
        );
    }
    if ingest.forwarded_by == ForwardedBy::ProxyProtocol && ingest.trusted_proxies.is_empty() {
        read.joint(
            &["ingest.forwarded_by", "ingest.trusted_proxies"],
            "ingest.forwarded_by = \"proxy-protocol\" with an empty ingest.trusted_proxies: nobody would be believed, name the proxies",
        );
    }
    if config.normalize.dedupe_window > config.queue.replay_window {
        let (window, kept) = (written(config.normalize.dedupe_window), written(config.queue.replay_window));
        read.joint(
            &["normalize.dedupe_window", "queue.replay_window"],
            format!(
                "normalize.dedupe_window ({window}) must not be over queue.replay_window ({kept}): it is rebuilt from what is kept"
            ),
        );
    }
    let listeners = listeners(config);
    for (place, (key, address)) in listeners.iter().enumerate() {
        for (other, taken) in listeners.iter().take(place).filter(|(_, taken)| overlap(*taken, *address)) {
            read.joint(&[*key, *other], format!("{key} ({address}) and {other} ({taken}) are one port: only one can have it"));
        }
    }
}

fn routes(config: &Config, read: &mut Reader) {
    for (person_type, route) in config.routes.iter() {
        let key = |name: &str| format!("route.{person_type}.{name}");
        if let PictureWait::For(wait) = route.picture_wait
            && wait >= route.live_for
        {
            let (wait, live_for) = (written(wait), written(route.live_for));
            let problem = format!(
                "route.{person_type}.picture_wait must be under its live_for ({live_for}), found {wait}: the event would wait until it is late"
            );
            read.joint(&[&key("picture_wait"), &key("live_for")], problem);
        }
        if route.mqtt_topic.is_some() && route.mqtt_topic == route.mqtt_late_topic {
            let problem = format!(
                "route.{person_type}.mqtt_late_topic is its mqtt_topic: what is too late to act on must not reach the live topic"
            );
            read.joint(&[&key("mqtt_topic"), &key("mqtt_late_topic")], problem);
        }
    }
}

/// Every port that this process opens, by the setting that names it.
fn listeners(config: &Config) -> Vec<(&'static str, SocketAddr)> {
    let mut listeners = vec![("ingest.listen", config.ingest.listen), ("admin.listen", config.admin.listen)];
    if let Some(mqtt) = config.send.mqtt.as_ref().filter(|mqtt| mqtt.broker.is_none()) {
        listeners.push(("send.mqtt.embedded.listen", mqtt.embedded.listen));
        listeners.extend(mqtt.embedded.websocket.map(|address| ("send.mqtt.embedded.websocket", address)));
    }
    listeners
}

/// Whether the kernel gives only one of them away. Port 0 is any that is free; `[::]` takes IPv4 as well.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let takes = |every: IpAddr, ip: IpAddr| every.is_unspecified() && (every.is_ipv6() || ip.is_ipv4());
    let (one_ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    let is_same = one_ip == other_ip || takes(one_ip, other_ip) || takes(other_ip, one_ip);
    one.port() != 0 && one.port() == other.port() && is_same
}

/// What is allowed but should be said, by `check` and at start.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = send::warnings(&config.send);
    if config.ingest.trusted_proxies.has_everyone() {
        warnings.push("ingest.trusted_proxies holds every address: anyone can say to be anyone".to_owned());
    }
    if !config.ingest.listen.ip().is_loopback() && config.ingest.allowed_networks.is_empty() {
        warnings.push(format!(
            "anyone who reaches {} can post events, as with the vendor's receiver: keep it on the boxes' network, or name that in ingest.allowed_networks",
            config.ingest.listen
        ));
    }
    if config.ingest.answer_deadline >= BOX_PATIENCE {
        let (deadline, patience) = (written(config.ingest.answer_deadline), written(BOX_PATIENCE));
        warnings.push(format!(
            "ingest.answer_deadline ({deadline}) is not under a box's patience ({patience}): boxes hang up before they are answered, and count the event as lost"
        ));
    }
    if config.routes.iter().any(|(_, route)| route.kafka_key.parts.is_empty()) && config.send.kafka.is_some() {
        warnings.push("an empty kafka_key spreads one device over partitions: its order is lost".to_owned());
    }
    if config.routes.iter().any(|(_, route)| uses(route.kafka_topic.as_ref(), Field::Site)) {
        warnings.push(
            "kafka_topic uses {site}: topics of sites that only a URL names are made when their first event comes".to_owned(),
        );
    }
    warnings.extend(too_large("queue.max_bytes", config.queue.max_bytes, &config.data_dir));
    if let StoreUrl::File(folder) = &config.send.store.url {
        warnings.extend(too_large("send.store.max_bytes", config.send.store.max_bytes, folder));
    }
    warnings
}

fn uses(template: Option<&Template>, field: Field) -> bool {
    template.is_some_and(|template| template.parts.contains(&Part::Field(field)))
}

/// What a setting promises to a folder whose disk cannot hold it.
fn too_large(key: &str, bytes: u64, folder: &Path) -> Option<String> {
    // It may not be made yet: then it will be on the disk of what is above it.
    let above = std::path::absolute(folder).ok()?;
    let disk = above.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    let whole = disk.f_blocks.saturating_mul(disk.f_frsize);
    (bytes > whole).then(|| {
        let (bytes, whole, folder) = (written_size(bytes), Size(whole), folder.display());
        format!(
            "{key} ({bytes}) is more than the whole disk of {folder} holds ({whole}): it will be full before this limit is reached"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_is_one_port_however_its_addresses_are_written() {
        for (one, other, expected) in [
            ("127.0.0.1:9528", "127.0.0.1:9528", true),
            ("0.0.0.0:9528", "127.0.0.1:9528", true),
            ("127.0.0.1:9528", "[::]:9528", true),
            ("0.0.0.0:9528", "[::]:9528", true),
            ("[::ffff:127.0.0.1]:9528", "127.0.0.1:9528", true),
            ("0.0.0.0:9528", "[::1]:9528", false),
            ("127.0.0.1:9528", "10.0.0.1:9528", false),
            ("0.0.0.0:9528", "0.0.0.0:9529", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            assert_eq!(overlap(one.parse().unwrap(), other.parse().unwrap()), expected, "{one} {other}");
            assert_eq!(overlap(other.parse().unwrap(), one.parse().unwrap()), expected, "{other} {one}");
        }
    }
}
