//! The destinations of the settings: made, and delivered to, one loop per destination and lane.
//!
//! Promises: nothing is delivered before every one of them could be made. Deliberately the only file that knows which kinds there are and
//! what goes with each; whatever comes after it sees a name.

use std::sync::Arc;

use anyhow::Context;

use super::build;
use super::stage::{Stage, keep_delivering};
use crate::gateway::kept::Aside;
use crate::gateway::{Ages, Backlog, Delivery, DiskLog, Fetches, Render, ToBus, ToStore, Unplaced};
use crate::normalize;
use crate::queue::Queue;
use crate::route::{PictureLocations, Router};
use crate::send::Destination;
use crate::send::embedded::Embedded;
use crate::send::kafka::Kafka;
use crate::send::link::Link;
use crate::send::mqtt::Mqtt;
use crate::send::store::Store;
use crate::system::clock::Clock;
use crate::system::disk::Disk;
use boxbridge_config::{Config, Kind};
use boxbridge_event::Lane;

/// A destination that can be connected to.
pub(super) struct Ready<'a> {
    settings: &'a boxbridge_config::Destination,
    client: Client,
}

enum Client {
    Store(Arc<Store>),
    Mqtt(Arc<Mqtt>),
    Kafka(Arc<Kafka>),
}

/// All of them, or why one cannot be.
pub(super) fn ready<'a>(
    config: &'a Config,
    disk: &Disk,
    instance: &str,
    embedded: Option<&Embedded>,
) -> anyhow::Result<Vec<Ready<'a>>> {
    let mut all = Vec::new();
    for settings in &config.send.destinations {
        let client = match &settings.kind {
            Kind::Store(store) => Some(Client::Store(Arc::new(Store::on(
                disk.clone(),
                store.clone(),
            )))),
            Kind::Kafka(kafka) => Some(Client::Kafka(Arc::new(build::kafka(
                config,
                kafka,
                &settings.routes,
            )))),
            Kind::Mqtt(mqtt) => {
                let made = build::mqtt(config, &settings.name, mqtt, instance, embedded);
                let made = made.with_context(|| format!("send.{}", settings.name))?;
                made.map(|mqtt| Client::Mqtt(Arc::new(mqtt)))
            }
        };
        all.extend(client.map(|client| Ready { settings, client }));
    }
    Ok(all)
}

/// What every delivery loop is started with.
pub(super) struct Start<'a> {
    pub config: &'a Config,
    pub queue: &'a Queue,
    pub aside: &'a Arc<Aside>,
    pub clock: &'a Arc<Clock>,
    pub ages: &'a Arc<Ages>,
    pub places: &'a PictureLocations,
    pub stage: &'a Stage,
}

impl Start<'_> {
    /// Delivers to it from now on.
    pub fn deliveries(&self, Ready { settings, client }: Ready<'_>) -> Arc<Link> {
        let router = Arc::new(Router::new(
            &settings.routes,
            self.places.clone(),
            self.queue.epoch(),
            normalize::table,
        ));

        match client {
            Client::Store(store) => {
                build::keep_store_clean(Arc::clone(&store), Arc::clone(self.clock), self.stage);
                self.loops(settings, store, || ToStore(Arc::clone(&router)))
            }
            Client::Mqtt(mqtt) => self.loops(settings, mqtt, || ToBus::mqtt(Arc::clone(&router))),
            Client::Kafka(kafka) => {
                self.loops(settings, kafka, || ToBus::kafka(Arc::clone(&router)))
            }
        }
    }

    fn loops<D, R>(
        &self,
        settings: &boxbridge_config::Destination,
        destination: Arc<D>,
        render: impl Fn() -> R,
    ) -> Arc<Link>
    where
        D: Destination,
        R: Render<Message = D::Message>,
    {
        let link = Arc::new(Link::new(
            Arc::clone(&settings.name),
            settings.kind.name().as_str(),
        ));
        for lane in Lane::ALL.iter().copied() {
            let Some(cursor) = self.queue.cursor(&settings.name, lane) else {
                continue;
            };
            let source = DiskLog {
                cursor,
                ages: Arc::clone(self.ages),
            };
            let render = render();
            let delivery = Delivery {
                lane,
                destination: Arc::clone(&destination),
                backlog: Backlog::new(source, &self.config.send, render.poison()),
                render,
                verdicts: settings.is_bus().then(|| self.queue.verdicts(lane)),
                aside: Arc::clone(self.aside),
                unplaced: Unplaced::default(),
                link: Arc::clone(&link),
                retry_max: self.config.send.retry_max,
                is_expiring: false,
                fetches: Fetches::default(),
            };
            self.stage
                .tasks
                .spawn(keep_delivering(delivery, self.stage.stop.clone()));
        }
        link
    }
}
