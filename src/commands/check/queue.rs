//! Whether a start with these settings takes what waits in the queue.
//!
//! Deliberately only reads, also beside a gateway that runs: it may be about to be restarted with them.

use std::collections::BTreeMap;

use crate::app::destinations;
use crate::app::embedded_broker::Elsewhere;
use crate::commands::queue::with_causes;
use crate::queue::OpenError;
use crate::queue::inspect;
use crate::system::disk::Disk;
use boxbridge_config::{Config, MQTT};

/// `None` where there is no queue yet.
pub fn taken(config: &Config) -> Option<Result<String, String>> {
    let queue = match inspect::status(&config.data_dir) {
        Ok(queue) => queue,
        Err(OpenError::Missing { .. }) => return None,
        Err(error) => return Some(Err(with_causes(&error))),
    };

    let waiting = queue.waiting();
    let names = destinations::names(config);
    let left_out = waiting
        .iter()
        .filter(|(name, count)| **count > 0 && names.iter().all(|it| &**it != **name));
    let mut refusals: Vec<String> = left_out
        .map(|(name, count)| {
            let (destination, waiting) = ((*name).to_owned(), *count);
            OpenError::Waiting {
                destination,
                waiting,
            }
            .to_string()
        })
        .collect();

    let of_mqtt = waiting.get(MQTT).copied().unwrap_or(0);
    match Elsewhere::of(&Disk::default(), &config.data_dir).refusal(config, of_mqtt) {
        Ok(refusal) => refusals.extend(refusal),
        Err(error) => refusals.push(format!("which broker events wait for: {error}")),
    }

    Some(match refusals.is_empty() {
        true => Ok(said(&waiting)),
        false => Err(refusals.join("; ")),
    })
}

fn said(waiting: &BTreeMap<&str, u64>) -> String {
    let counts: Vec<String> = waiting
        .iter()
        .map(|(name, count)| format!("{count} for {name}"))
        .collect();
    format!("a start takes what waits: {}", counts.join(", "))
}
