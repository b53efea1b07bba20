//! The second word on pictures that were stored after their event had left, for each bus: a task beside its delivery loops.
//!
//! Promises: it ends with the deliveries, a fault ends none of them, and other settings of the bus hold from the next word on. A broker that gets its
//! events out of Kafka is told of what this gateway sent to Kafka: nobody else has the record and the store's verdict on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::announcements::each_in_turn;
use super::deliveries::Deliveries;
use crate::links::later::{Later, Telling, ToMessage, UNSAID_MAX};
use crate::route::Router;
use crate::send::Destination;
use boxbridge_event::{Lane, Message};

/// What each bus is still to be told, by its destination's name.
pub(in crate::app) struct Laters(BTreeMap<Arc<str>, Arc<Later>>);

impl Laters {
    /// To be made before anything is delivered, so that nothing is missed.
    pub fn of(deliveries: &Deliveries<'_>) -> Laters {
        let mut buses: Vec<_> = deliveries.config.send.destinations.iter().collect();
        // Who reads another bus first: that one is to know them.
        buses.sort_by_key(|bus| bus.source().is_none());

        let mut laters: BTreeMap<Arc<str>, Arc<Later>> = BTreeMap::new();
        for bus in &buses {
            let readers = buses.iter().filter(|it| it.source() == Some(&*bus.name));
            let readers = readers.filter_map(|it| laters.get(&it.name).cloned());
            let later = Later::new(router(bus, deliveries), readers.collect());
            laters.insert(Arc::clone(&bus.name), later);
        }
        Laters(laters)
    }

    fn named(&self, name: &str) -> Arc<Later> {
        let later = self.0.get(name).map(Arc::clone);
        later.unwrap_or_else(|| Later::new(None, Vec::new()))
    }
}

/// One bus, and what is still to be told it.
pub(super) struct SecondWord<D> {
    pub later: Arc<Later>,
    bus: watch::Sender<Arc<D>>,
}

impl<D: Destination<Message = Message>> SecondWord<D> {
    /// Tells from now on, and first of what the process before this one had not told.
    pub fn start(
        bus: D,
        settings: &boxbridge_config::Destination,
        (deliveries, laters): (&Deliveries<'_>, &Laters),
        to_message: ToMessage,
    ) -> SecondWord<D> {
        let later = laters.named(&settings.name);
        let telling = Arc::new(Telling {
            later: Arc::clone(&later),
            queue: deliveries.data.queue.clone(),
            verdicts: deliveries.data.queue.verdicts(Lane::Normal),
            links: Arc::clone(deliveries.links),
            to_message,
        });

        let tasks = deliveries.tasks;
        let left = deliveries
            .data
            .queue
            .ahead_of_store(&settings.name, UNSAID_MAX);
        let taking_up = Arc::clone(&telling);
        tasks
            .tracker
            .spawn(async move { taking_up.take_up(left).await });

        let (bus, buses) = watch::channel(Arc::new(bus));
        let stop = tasks.stop.clone();
        tasks.keep("pictures", move || {
            let (telling, buses, stop) = (Arc::clone(&telling), buses.clone(), stop.clone());
            async move {
                let telling = each_in_turn(buses, |bus| {
                    let telling = Arc::clone(&telling);
                    async move { telling.tell(&*bus).await }
                });
                stop.run_until_cancelled(telling).await.unwrap_or_default()
            }
        });
        SecondWord { later, bus }
    }

    /// Tells another bus in its place, by other settings.
    pub fn adopt(
        &self,
        bus: D,
        settings: &boxbridge_config::Destination,
        deliveries: &Deliveries<'_>,
    ) {
        self.later.adopt(router(settings, deliveries));
        self.bus.send_replace(Arc::new(bus));
    }
}

/// `None` where the settings want nothing to be told.
fn router(settings: &boxbridge_config::Destination, deliveries: &Deliveries<'_>) -> Option<Router> {
    let links = deliveries.config.send.store().links.as_ref();
    let is_wanted = links.is_some_and(|links| links.announce);
    is_wanted.then(|| Router::clone(&deliveries.router(settings)))
}
