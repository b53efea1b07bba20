//! Delivery to the destinations: one loop per destination and lane.
//!
//! Promises: a destination's lanes share nothing but its client and what is shown of it. Deliberately knows a destination's kind only to choose what renders its messages.

use std::sync::Arc;

use tokio::sync::watch;

use super::announcements::{self, Announced, Introduced};
use super::out_of_kafka::FromKafka;
use super::second_word::{Laters, SecondWord};
use super::told::{Tell, keep_delivering, tell};
use super::{Client, LaneThreads, Made, Maker, discovery, kafka, picture_store};
use crate::app::data_dir::DataDir;
use crate::app::tasks::Tasks;
use crate::gateway::{
    AsidePlace, Backlog, Consumed, Delivery, DiskLog, Fetches, Handover, Line, Noted, ParsedEvents,
    Records, Render, ToBus, ToStore, Unplaced, Until, WithResent,
};
use crate::links::Links;
use crate::links::album::Album;
use crate::normalize;
use crate::route::{PictureLocations, Router, pictures_told};
use crate::send::Destination;
use crate::send::contact::Contact;
use crate::send::kafka::Kafka;
use crate::send::mqtt::Mqtt;
use crate::send::store::Store;
use boxbridge_config::{Config, Kind};
use boxbridge_event::Lane;

/// What every loop is started with.
pub(in crate::app) struct Deliveries<'a> {
    pub config: &'a Config,
    pub data: &'a DataDir,
    pub locations: &'a PictureLocations,
    pub links: &'a Arc<Links>,
    pub tasks: &'a Tasks,
}

/// What the loops of all destinations share.
pub(in crate::app) struct Common<'a> {
    pub threads: &'a LaneThreads,
    pub events: Arc<ParsedEvents>,
    pub album: Arc<Album>,
    pub laters: Laters,
}

/// A destination that is delivered to.
pub(in crate::app) struct Delivered {
    pub name: Arc<str>,
    pub contact: Arc<Contact>,
    /// By which set-aside records are sent again.
    pub line: Arc<Line>,
    loops: Loops,
}

/// The loops of a destination, by its kind: what they hear of other settings.
enum Loops {
    Store(Arc<Store>, Tell<Store, ToStore>),
    Mqtt(
        Tell<Mqtt, ToBus>,
        Announced<Introduced>,
        SecondWord<Mqtt>,
        Option<FromKafka>,
    ),
    /// The first of them, whose look-ups all share.
    Kafka(
        Arc<Kafka>,
        Tell<Kafka, ToBus>,
        Announced<Kafka>,
        SecondWord<Kafka>,
    ),
}

impl Deliveries<'_> {
    /// Delivers to this destination from now on; the contact shows how it fares.
    pub fn start(&self, Made { settings, client }: Made<'_>, common: &Common<'_>) -> Delivered {
        let router = self.router(settings);
        let kind = settings.kind.name().as_str();
        let contact = Arc::new(Contact::new(Arc::clone(&settings.name), kind));

        let line = self.line(settings, &client);

        let loops = match client {
            Client::Store(store) => self.to_store(settings, store, (&line, &contact), common),
            Client::Mqtt(mqtt) => {
                let from_kafka = self.out_of_kafka(settings, &mqtt, common);
                self.look_back(settings);
                let handover = from_kafka
                    .as_ref()
                    .map(|it| Arc::clone(&it.consumed.handover));
                let introduced = self.introduced(settings, &mqtt);
                let announced = announcements::to_mqtt(&introduced, &self.data.board, self.tasks);
                let told_by = pictures_told::to_mqtt;
                let beside = mqtt.beside("pictures");
                let second_word =
                    SecondWord::start(beside, settings, (self, &common.laters), told_by);
                let told = self.loops(
                    settings,
                    mqtt,
                    &line,
                    &ToBus::mqtt(
                        router,
                        Arc::clone(self.links),
                        Arc::clone(&second_word.later),
                    ),
                    (&contact, handover),
                    common,
                );
                Loops::Mqtt(told, announced, second_word, from_kafka)
            }
            Client::Kafka(kafka) => {
                let announced = announcements::to_kafka(&kafka, &self.data.board, self.tasks);
                let told_by = pictures_told::to_kafka;
                let beside = kafka.beside();
                let second_word =
                    SecondWord::start(beside, settings, (self, &common.laters), told_by);
                let first = Arc::clone(&kafka);
                let told = self.loops(
                    settings,
                    kafka,
                    &line,
                    &ToBus::kafka(
                        router,
                        Arc::clone(self.links),
                        Arc::clone(&second_word.later),
                    ),
                    (&contact, None),
                    common,
                );
                Loops::Kafka(first, told, announced, second_word)
            }
        };
        let name = Arc::clone(&settings.name);
        Delivered {
            name,
            contact,
            line,
            loops,
        }
    }

    fn to_store(
        &self,
        settings: &boxbridge_config::Destination,
        store: Arc<Store>,
        (line, contact): (&Arc<Line>, &Arc<Contact>),
        common: &Common<'_>,
    ) -> Loops {
        picture_store::keep_synced(&settings.name, &store, &self.data.queue, self.tasks);
        picture_store::keep_clean(&store, &self.data.clock, self.tasks);

        let (destination, render) = (Arc::clone(&store), ToStore(self.router(settings)));
        let told = self.loops(
            settings,
            destination,
            line,
            &render,
            (contact, None),
            common,
        );
        Loops::Store(store, told)
    }

    /// The broker with what it is told first.
    fn introduced(
        &self,
        settings: &boxbridge_config::Destination,
        mqtt: &Arc<Mqtt>,
    ) -> Arc<Introduced> {
        let first = match &settings.kind {
            Kind::Mqtt(of_mqtt) => {
                discovery::first(self.config, settings, of_mqtt, &self.data.disk)
            }
            _ => Vec::new(),
        };
        let mqtt = Arc::clone(mqtt);
        Arc::new(Introduced { mqtt, first })
    }

    fn line(&self, settings: &boxbridge_config::Destination, client: &Client) -> Arc<Line> {
        let written = match client {
            Client::Store(store) => store.written().cloned(),
            Client::Mqtt(_) | Client::Kafka(_) => None,
        };
        let (name, aside) = (Arc::clone(&settings.name), Arc::clone(&self.data.aside));
        let answers = self.data.timetable.of(&settings.name);
        let line = Line::new(name, aside, self.data.queue.clone(), answers, written);
        Arc::new(line)
    }

    pub(super) fn router(&self, settings: &boxbridge_config::Destination) -> Arc<Router> {
        let (locations, epoch) = (self.locations.clone(), self.data.queue.epoch());
        let key = self.data.redact_key(self.config);
        let router = Router::new(&settings.routes, locations, epoch, normalize::table, key);
        Arc::new(router)
    }

    fn loops<D, R>(
        &self,
        settings: &boxbridge_config::Destination,
        destination: Arc<D>,
        line: &Arc<Line>,
        render: &R,
        (contact, handover): (&Arc<Contact>, Option<Arc<Handover>>),
        common: &Common<'_>,
    ) -> Tell<D, R>
    where
        D: Destination,
        R: Render<Message = D::Message> + Clone,
    {
        let (tell, told) = watch::channel(None);

        for lane in Lane::ALL.iter().copied() {
            let Some(cursor) = self.data.queue.cursor(&settings.name, lane) else {
                continue;
            };
            let log = DiskLog {
                cursor,
                ages: Arc::clone(&self.data.ages),
                answers: self.data.timetable.of(&settings.name),
            };
            let line = (lane == Lane::Normal).then(|| Arc::clone(line));
            let source = WithResent::new(Until::new(log, handover.clone()), line);
            let parts = (Arc::clone(&destination), render.clone(), contact);
            let delivery = Delivery {
                verdicts: settings.is_bus().then(|| self.data.queue.verdicts(lane)),
                album: settings.is_bus().then(|| Arc::clone(&common.album)),
                ..self.delivery(lane, source, parts, common)
            };
            let stop = self.tasks.stop.clone();
            let delivering = keep_delivering(delivery, told.clone(), stop);
            self.tasks
                .tracker
                .spawn_on(delivering, common.threads.of(lane));
        }
        tell
    }

    /// Of records that wait for no store, and whose pictures are nowhere else.
    pub(super) fn delivery<D: Destination, R: Render<Message = D::Message>, S: Records>(
        &self,
        lane: Lane,
        source: S,
        (destination, render, contact): (Arc<D>, R, &Arc<Contact>),
        common: &Common<'_>,
    ) -> Delivery<D, R, S> {
        let send = &self.config.send;
        Delivery {
            lane,
            destination,
            backlog: Backlog::new(source, send, render.poison()),
            render,
            events: Arc::clone(&common.events),
            verdicts: None,
            aside: AsidePlace::Folder(Arc::clone(&self.data.aside)),
            unplaced: Unplaced::default(),
            contact: Arc::clone(contact),
            noted: Noted::of(&self.data.pauses),
            retry_max: send.retry_max,
            is_expiring: false,
            album: None,
            fetches: Fetches::default(),
        }
    }
}

impl Delivered {
    /// The destination as other settings want it, or why it cannot be made. A store stays the one that it is.
    pub fn remade<'a>(
        &self,
        maker: &Maker,
        config: &'a Config,
    ) -> anyhow::Result<Option<Made<'a>>> {
        let Some(settings) = config.send.named(&self.name) else {
            return Ok(None);
        };

        let client = match (&self.loops, &settings.kind) {
            (Loops::Store(store, _), _) => Client::Store(Arc::clone(store)),
            (Loops::Kafka(first, ..), Kind::Kafka(of_kafka)) => {
                let kafka = kafka(config, settings, of_kafka);
                Client::Kafka(Arc::new(kafka.in_place_of(first)))
            }
            _ => return maker.one(config, settings),
        };

        Ok(Some(Made { settings, client }))
    }

    /// It, and what it gets out of Kafka, for who looks.
    pub fn contacts(&self) -> impl Iterator<Item = Arc<Contact>> {
        let from_kafka = self.beside().map(|it| Arc::clone(&it.contact));
        [Arc::clone(&self.contact)].into_iter().chain(from_kafka)
    }

    pub fn consumed(&self) -> Option<Arc<Consumed>> {
        self.beside().map(|it| Arc::clone(&it.consumed))
    }

    fn beside(&self) -> Option<&FromKafka> {
        match &self.loops {
            Loops::Mqtt(_, _, _, from_kafka) => from_kafka.as_ref(),
            Loops::Store(..) | Loops::Kafka(..) => None,
        }
    }

    /// Delivers by other settings from now on: the sessions end in order, and new ones take up at the lowest record without an answer.
    pub fn adopt(&self, deliveries: &Deliveries<'_>, Made { settings, client }: Made<'_>) {
        let (send, router) = (&deliveries.config.send, deliveries.router(settings));
        let links = Arc::clone(deliveries.links);

        match (&self.loops, client) {
            (Loops::Store(_, told), Client::Store(store)) => {
                if let Kind::Store(settings) = &settings.kind {
                    store.adopt(settings.clone());
                }
                tell(told, send, store, ToStore(router));
            }
            (Loops::Mqtt(told, announced, second_word, from_kafka), Client::Mqtt(mqtt)) => {
                if let Some(from_kafka) = from_kafka {
                    from_kafka.adopt(deliveries, settings, &mqtt);
                }
                second_word.adopt(mqtt.beside("pictures"), settings, deliveries);
                let later = Arc::clone(&second_word.later);
                announced.send_replace(deliveries.introduced(settings, &mqtt));
                tell(told, send, mqtt, ToBus::mqtt(router, links, later));
            }
            (Loops::Kafka(_, told, announced, second_word), Client::Kafka(kafka)) => {
                second_word.adopt(kafka.beside(), settings, deliveries);
                let later = Arc::clone(&second_word.later);
                announced.send_replace(Arc::clone(&kafka));
                tell(told, send, kafka, ToBus::kafka(router, links, later));
            }
            // A reload changes no kind.
            _ => {}
        }
    }
}
