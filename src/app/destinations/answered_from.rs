//! Who has to have an event before its box is answered, out of the destinations that are delivered to.

use std::sync::Arc;

use super::{Delivered, kafka};
use crate::app::data_dir::DataDir;
use crate::gateway::{Holder, Holders};
use crate::send::kafka::Kafka;
use boxbridge_config::{Config, Kind, STORE};

/// `None` where the disk alone has to.
pub(in crate::app) fn holders(
    config: &Config,
    destinations: &[Delivered],
    data: &DataDir,
) -> Option<Arc<Holders>> {
    let holder = |name: &str| {
        let delivered = destinations.iter().find(|it| *it.name == *name)?;
        Some(Holder {
            answers: data.timetable.of(&delivered.name),
            contact: Arc::clone(&delivered.contact),
        })
    };

    let kafka = holder(config.queue.answer_from.as_ref()?)?;
    let holders = Holders::new(data.queue.clone(), kafka, holder(STORE)?);
    Some(Arc::new(holders))
}

/// The cluster among them, by its destination's name; `None` where the disk alone has to.
pub(in crate::app) fn answering_cluster(config: &Config) -> Option<(Arc<str>, Kafka)> {
    let settings = config.send.named(config.queue.answer_from.as_ref()?)?;
    let Kind::Kafka(of_kafka) = &settings.kind else {
        return None;
    };
    let cluster = kafka(config, settings, of_kafka);
    Some((Arc::clone(&settings.name), cluster))
}
