//! Who has to have an event before its box is answered, out of the destinations that are delivered to.

use std::sync::Arc;

use super::Delivered;
use crate::app::data_dir::DataDir;
use crate::gateway::{Holder, Holders};
use boxbridge_config::{Config, STORE};

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
