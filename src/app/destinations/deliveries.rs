//! Delivery to the destinations: one loop per destination and lane.
//!
//! Promises: a fault in a loop costs its session, and the loop goes on. Deliberately knows a destination's kind only to choose what renders
//! its messages.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Client, LaneThreads, Made, picture_store};
use crate::app::data_dir::DataDir;
use crate::app::tasks::Tasks;
use crate::gateway::{
    Backlog, Delivery, DiskLog, Fetches, ParsedEvents, Records, Render, ToBus, ToStore, Unplaced,
    deliver,
};
use crate::normalize;
use crate::queue::Cursor;
use crate::route::{PictureLocations, Router};
use crate::send::Destination;
use crate::send::link::Link;
use crate::system::fault::{Starts, caught};
use boxbridge_config::Config;
use boxbridge_event::Lane;

/// What every loop is started with.
pub(in crate::app) struct Deliveries<'a> {
    pub config: &'a Config,
    pub data: &'a DataDir,
    pub locations: &'a PictureLocations,
    pub threads: &'a LaneThreads,
    pub events: Arc<ParsedEvents>,
    pub tasks: &'a Tasks,
}

impl Deliveries<'_> {
    /// Delivers to this destination from now on; the link shows how it fares.
    pub fn start(&self, Made { settings, client }: Made<'_>) -> Arc<Link> {
        let router = Arc::new(Router::new(
            &settings.routes,
            self.locations.clone(),
            self.data.queue.epoch(),
            normalize::table,
        ));

        match client {
            Client::Store(store) => {
                picture_store::keep_synced(&settings.name, &store, &self.data.queue, self.tasks);
                picture_store::keep_clean(&store, &self.data.clock, self.tasks);
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
        let kind = settings.kind.name().as_str();
        let link = Arc::new(Link::new(Arc::clone(&settings.name), kind));

        for lane in Lane::ALL.iter().copied() {
            let Some(cursor) = self.data.queue.cursor(&settings.name, lane) else {
                continue;
            };
            let destination = Arc::clone(&destination);
            let delivery = self.delivery(settings, lane, cursor, (destination, render(), &link));
            let delivering = keep_delivering(delivery, self.tasks.stop.clone());
            self.tasks
                .tracker
                .spawn_on(delivering, self.threads.of(lane));
        }
        link
    }

    fn delivery<D: Destination, R: Render<Message = D::Message>>(
        &self,
        settings: &boxbridge_config::Destination,
        lane: Lane,
        cursor: Cursor,
        (destination, render, link): (Arc<D>, R, &Arc<Link>),
    ) -> Delivery<D, R, DiskLog> {
        let send = &self.config.send;
        let source = DiskLog {
            cursor,
            ages: Arc::clone(&self.data.ages),
        };

        Delivery {
            lane,
            destination,
            backlog: Backlog::new(source, send, render.poison()),
            render,
            events: Arc::clone(&self.events),
            verdicts: settings.is_bus().then(|| self.data.queue.verdicts(lane)),
            aside: Arc::clone(&self.data.aside),
            unplaced: Unplaced::default(),
            link: Arc::clone(link),
            retry_max: send.retry_max,
            is_expiring: false,
            fetches: Fetches::default(),
        }
    }
}

/// Delivers until `stop`. A fault costs the session, as if the connection were lost: the next takes up at the lowest record not yet
/// answered, and until then the destination is down, for everybody to see.
pub async fn keep_delivering<D, R, S>(mut delivery: Delivery<D, R, S>, stop: CancellationToken)
where
    D: Destination,
    R: Render<Message = D::Message>,
    S: Records,
{
    let mut starts = Starts::of("delivery", stop.clone());
    loop {
        let ended = caught(deliver(&mut delivery, stop.clone())).await;
        if let Err(fault) = ended {
            delivery.link.down(delivery.lane, fault.to_string(), 1);
        }

        if !starts.again(ended).await {
            return;
        }
    }
}
