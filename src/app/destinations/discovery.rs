//! What Home Assistant is told of this gateway's alerts, and what it is to forget: the topics of before are noted in `data_dir/discovery`.
//!
//! Promises: what a broker keeps of an earlier prefix or site, or of a discovery that is off now, is cleared at the next connection, also after a
//! restart. Deliberately stops no start: if the note cannot be read or written, a warning says so.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::route::discovery::{Alerts, forgotten, messages};
use crate::system::disk::Disk;
use boxbridge_config::{Config, Destination, Mqtt};
use boxbridge_event::{Message, PersonType, Timestamp};

/// The topics told of, by destination, the newest last.
type Noted = BTreeMap<String, Vec<String>>;

/// So many are remembered of a destination: more than an operator tries prefixes.
const TOPICS_MAX: usize = 30;

/// What a connection to this broker begins with.
pub(super) fn first(
    config: &Config,
    destination: &Destination,
    mqtt: &Mqtt,
    disk: &Disk,
) -> Vec<Message> {
    let now = Timestamp::now();
    let store = config.send.store();
    let alerts = Alerts {
        site: &config.site,
        gateway: &config.gateway,
        route: destination.routes.of(PersonType::Blacklist),
        has_links: store.public_url.is_some() || store.links.is_some(),
    };
    let told = messages(mqtt, &alerts, now);

    let path = config.data_dir.join("discovery");
    match former(disk, &path, &destination.name, &told) {
        Ok(former) => {
            let cleared = former.into_iter().map(|topic| forgotten(topic, now));
            cleared.chain(told).collect()
        }
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "what Home Assistant was told before cannot be noted: it may keep what is no more");
            told
        }
    }
}

/// The topics that were told of before and are not now; those of now are noted beside them.
fn former(disk: &Disk, path: &Path, name: &str, told: &[Message]) -> io::Result<Vec<String>> {
    let mut noted = noted(disk, path)?;
    let before = noted.get(name).cloned().unwrap_or_default();
    let is_told = |topic: &String| told.iter().any(|message| message.topic == *topic);
    let former: Vec<_> = before
        .iter()
        .filter(|topic| !is_told(topic))
        .cloned()
        .collect();

    let forgotten = (former.len() + told.len()).saturating_sub(TOPICS_MAX);
    let topics = former.iter().cloned();
    let topics = topics.chain(told.iter().map(|message| message.topic.clone()));
    let topics: Vec<_> = topics.skip(forgotten).collect();
    if topics != before {
        noted.insert(name.to_owned(), topics);
        disk.replace(path, &serde_json::to_vec(&noted)?)?;
    }
    Ok(former)
}

/// Empty where it is damaged.
fn noted(disk: &Disk, path: &Path) -> io::Result<Noted> {
    let text = disk.read_if_there(path)?;
    let noted = text.and_then(|text| serde_json::from_slice(&text).ok());
    Ok(noted.unwrap_or_default())
}
