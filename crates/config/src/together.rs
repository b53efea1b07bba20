//! Rules that join two sections, and warnings: settings that are each right, and wrong or surprising together or on this machine.
//!
//! Promises: a setting that is wrong by itself raises nothing here. Deliberately looks no further than this machine's own disk.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use boxbridge_event::Size;

use crate::reader::Reader;
use crate::reader::units::{written, written_size};
use crate::{Config, Destination, Kind, Routes, STORE, StoreUrl};

/// The rules that join two keys.
pub(crate) fn check(config: &Config, read: &mut Reader) {
    if !config.send.destinations.iter().any(Destination::is_bus) {
        let problem = "send.mqtt.url and send.kafka.brokers are both empty: events would go nowhere, set one of them";
        read.joint(&["send.mqtt.url", "send.kafka.brokers"], problem);
    }

    config.routes.check(read);
    destinations(config, read);
    config.ingest.check(read);

    if config.normalize.dedupe_window > config.queue.replay_window {
        let (window, kept) = (
            written(config.normalize.dedupe_window),
            written(config.queue.replay_window),
        );
        let problem = format!(
            "normalize.dedupe_window ({window}) must not be over queue.replay_window ({kept}): it is rebuilt from what is kept"
        );
        read.joint(&["normalize.dedupe_window", "queue.replay_window"], problem);
    }

    let listeners = listeners(config);
    for (place, (key, address)) in listeners.iter().enumerate() {
        for (other, taken) in listeners
            .iter()
            .take(place)
            .filter(|(_, taken)| overlap(*taken, *address))
        {
            read.joint(
                &[*key, *other],
                format!(
                    "{key} ({address}) and {other} ({taken}) are one port: only one can have it"
                ),
            );
        }
    }
}

/// The rules of each destination, and those that join two.
fn destinations(config: &Config, read: &mut Reader) {
    let Some(store) = config.send.named(STORE) else {
        return;
    };
    let all = &config.send.destinations;
    for (place, destination) in all.iter().enumerate() {
        let name = &destination.name;
        if destination.is_bus() {
            let routes = &destination.routes;
            routes.check_destination(read, name, &config.routes, &store.routes);
        }
        check_status_topic(destination, &config.routes, read);

        for other in all.iter().take(place) {
            if let Some(key) = shared(&destination.kind, &other.kind) {
                let (key, taken) = (
                    format!("send.{name}.{key}"),
                    format!("send.{}.{key}", other.name),
                );
                read.joint(
                    &[&key, &taken],
                    format!("{key} and {taken} are the same: each destination needs its own"),
                );
            }
        }
    }
}

/// The setting in which two destinations are one to the world: a store that would be its own copy, clients that throw each other out.
fn shared(one: &Kind, other: &Kind) -> Option<&'static str> {
    match (one, other) {
        (Kind::Store(one), Kind::Store(other)) => {
            one.url.is_same_place(&other.url).then_some("url")
        }
        (Kind::Mqtt(one), Kind::Mqtt(other)) => {
            let is_named = one.client_id.is_some() && one.client_id == other.client_id;
            (is_named && one.broker == other.broker).then_some("client_id")
        }
        _ => None,
    }
}

/// The gateway's status is retained: on a topic of events, brokers would keep it for every new subscriber.
fn check_status_topic(destination: &Destination, base: &Routes, read: &mut Reader) {
    let Kind::Mqtt(mqtt) = &destination.kind else {
        return;
    };
    let Some(topic) = mqtt.status_topic.as_ref() else {
        return;
    };

    if let Some((person_type, key)) = destination.routes.meeting(topic) {
        let name = &destination.name;
        let section = match destination.routes.of(person_type) == base.of(person_type) {
            true => format!("route.{person_type}"),
            false => format!("route.{name}.{person_type}"),
        };
        let (own, key) = (
            format!("send.{name}.status_topic"),
            format!("{section}.{key}"),
        );
        let problem = format!(
            "{own} ({topic}) can be the same topic as {key}: it is retained, and events never are"
        );
        read.joint(&[&own, &key], problem);
    }
}

/// Sentences about settings that are allowed and may surprise; `check` and the start say them.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = config.send.warnings(&config.routes);
    warnings.extend(config.ingest.warnings());

    warnings.extend(too_large(
        "queue.max_bytes",
        config.queue.max_bytes,
        &config.data_dir,
    ));
    for destination in &config.send.destinations {
        if let Kind::Store(store) = &destination.kind
            && let StoreUrl::File(folder) = &store.url
        {
            let key = format!("send.{}.max_bytes", destination.name);
            warnings.extend(too_large(&key, store.max_bytes, folder));
        }
    }
    warnings
}

/// Every port that this process opens, by the setting that names it.
fn listeners(config: &Config) -> Vec<(&'static str, SocketAddr)> {
    let mut listeners = vec![
        ("ingest.listen", config.ingest.listen),
        ("admin.listen", config.admin.listen),
    ];

    let embedded = config.send.mqtt().filter(|mqtt| mqtt.broker.is_none());
    if let Some(mqtt) = embedded {
        listeners.push(("send.mqtt.embedded.listen", mqtt.embedded.listen));
        listeners.extend(
            mqtt.embedded
                .websocket
                .map(|address| ("send.mqtt.embedded.websocket", address)),
        );
    }
    listeners
}

/// Whether the kernel gives only one of them away. Port 0 is any that is free; `[::]` takes IPv4 as well.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let takes =
        |every: IpAddr, ip: IpAddr| every.is_unspecified() && (every.is_ipv6() || ip.is_ipv4());
    let (one_ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    let is_same = one_ip == other_ip || takes(one_ip, other_ip) || takes(other_ip, one_ip);
    one.port() != 0 && one.port() == other.port() && is_same
}

/// What a setting promises to a folder whose disk cannot hold it.
fn too_large(key: &str, bytes: u64, folder: &Path) -> Option<String> {
    // A folder that is not made yet will be on the disk of the folder above it.
    let above = std::path::absolute(folder).ok()?;
    let disk = above
        .ancestors()
        .find_map(|folder| rustix::fs::statvfs(folder).ok())?;
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
            assert_eq!(
                overlap(one.parse().unwrap(), other.parse().unwrap()),
                expected,
                "{one} {other}"
            );
            assert_eq!(
                overlap(other.parse().unwrap(), one.parse().unwrap()),
                expected,
                "{other} {one}"
            );
        }
    }
}
