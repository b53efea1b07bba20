//! Takes changed settings while boxes are served: all of them, or none.
//!
//! Promises: new settings are checked as a whole and every destination is made anew before anything is changed; what only a start can
//! change keeps the whole back, its keys named. No connection of a box ends. Deliberately gives each part its settings by the
//! part's own `adopt`, and knows none of them: [`Parts::adopt`] is the list. One thing waits for nothing: a revoked token.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use super::data_dir::DataDir;
use super::destinations::{self, Delivered, Deliveries, Made, Maker, picture_store};
use super::listen::{Encryptions, MadeEncryptions, links};
use super::stop::{Drain, Drained, Folders, Rescue, SoFar};
use super::tasks::Tasks;
use super::{logging, service_manager};
use crate::admin::{Access, Health};
use crate::gateway::{Gateway, Preview};
use crate::ingest::Service;
use crate::links::{LinkMaker, Links};
use crate::metrics;
use crate::normalize;
use crate::queue;
use crate::route::{PictureLocations, Router};
use crate::send::embedded::Subscribers;
use crate::system::fault::{self, Fault};
use boxbridge_config::{Changes, Config, NamedFile, Problems, Tokens};
use boxbridge_event::{Lane, PersonType};

mod files;

use files::BY_ITSELF;

/// The settings that hold, and who goes by them.
pub struct Reload {
    parts: Parts,
    holding: Mutex<Holding>,
    /// One at a time.
    reloading: Mutex<()>,
}

struct Holding {
    config: Arc<Config>,
    generation: u64,
    refused: Option<NotTaken>,
    /// As they were when they were read last.
    files: Vec<NamedFile>,
}

/// Settings that were read again and hold now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// The settings of the start are 1.
    pub generation: u64,
    /// The keys whose values are others now; none where nothing has changed.
    pub changed: Vec<String>,
}

/// Why settings that were read again do not hold, in sentences. Those before do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken(pub Vec<String>);

/// Everything that goes by settings.
pub(super) struct Parts {
    pub data: DataDir,
    pub health: Arc<Health>,
    pub access: Arc<Access>,
    pub encryptions: Encryptions,
    pub gateway: Arc<Gateway>,
    pub boxes: Arc<Service<Gateway>>,
    pub locations: PictureLocations,
    pub links: Arc<Links>,
    /// Of the broker in this process.
    pub subscribers: Option<Subscribers>,
    /// Where our listener opens them.
    pub links_address: Option<SocketAddr>,
    pub maker: Maker,
    pub destinations: Vec<Delivered>,
    pub deliveries: Tasks,
}

impl Reload {
    pub(super) fn new(config: Arc<Config>, parts: Parts) -> Arc<Reload> {
        let holding = Holding {
            files: config.settings.files().to_vec(),
            config,
            generation: 1,
            refused: None,
        };
        Arc::new(Reload {
            parts,
            holding: Mutex::new(holding),
            reloading: Mutex::new(()),
        })
    }

    /// The settings that hold.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.holding.lock().config)
    }

    /// As what events leave by these settings, for each destination.
    pub fn previews(&self) -> Vec<Preview> {
        let config = self.config();
        let locations = self
            .parts
            .locations
            .linked_as(picture_store::configured(&config));
        let shown = (&locations, &self.parts.links);
        let data = &self.parts.data;
        let key = data.redact_key(&config);
        destinations::previews(&config, shown, data.queue.epoch(), &key)
    }

    /// What a stop may still do by these settings.
    pub(super) fn drain(&self) -> Option<Drain> {
        let config = self.config();
        let data = &self.parts.data;
        let rescue = destinations::answering_cluster(&config).map(|(cluster, kafka)| Rescue {
            folders: Folders {
                aside: Arc::clone(&data.aside),
                quarantine: Arc::clone(&data.quarantine),
            },
            verdicts: data.queue.verdicts(Lane::Normal),
            previews: self.previews(),
            cluster,
            topic: kafka.aside_topic(),
            so_far: SoFar::default(),
        });

        let limit = config.queue.drain_limit;
        let destinations = self.parts.destinations.iter();
        // Where the disk may go, what is left on it is said also where nobody waits for it.
        (!limit.is_zero() || rescue.is_some()).then_some(Drain {
            limit,
            consumed: destinations.filter_map(Delivered::consumed).collect(),
            rescue,
        })
    }

    /// Says what a stop that was hurried leaves behind, where one may take time to deliver it.
    pub(super) fn say_left(&self) {
        if self.drain().is_some() {
            Drained::default().say(&self.parts.data);
        }
    }

    /// Reads the settings again, and takes them if they are good. The log says `why`.
    pub async fn now(self: &Arc<Reload>, why: &'static str) -> Result<Taken, NotTaken> {
        let reload = Arc::clone(self);
        service_manager::reloading();
        let done = tokio::task::spawn_blocking(move || {
            let caught = fault::in_one_go(|| reload.read_and_note(why));
            caught.unwrap_or_else(|fault| Err(NotTaken(vec![fault.to_string()])))
        });
        let done = done.await;
        service_manager::ready();
        done.unwrap_or_else(|_| Err(NotTaken(vec![Fault.to_string()])))
    }

    fn read_and_note(&self, why: &str) -> Result<Taken, NotTaken> {
        let _alone = self.reloading.lock();
        let before = self.config();
        let seen: Vec<_> = self.files().iter().map(NamedFile::again).collect();

        let taken = self.read_and_adopt(&before);
        if taken.is_err() {
            self.parts.revoke_tokens(&before);
        }
        self.note(&taken, why, seen);
        for warning in &self.config().warnings {
            if !before.warnings.contains(warning) {
                tracing::warn!("{warning}");
            }
        }
        taken
    }

    fn read_and_adopt(&self, before: &Config) -> Result<Taken, NotTaken> {
        let problems = |problems: Problems| problems.0.into_iter().map(|problem| problem.0);
        let config = before.again();
        let mut config = config.map_err(|found| NotTaken(problems(found).collect()))?;
        let changes = before.changes_to(&config);
        if !changes.restart.is_empty() {
            return Err(NotTaken::by_restart(&changes));
        }

        // Shared out at the start.
        config.ingest.connections_max = before.ingest.connections_max;
        let config = Arc::new(config);
        let made = self.parts.remade(&config, &changes)?;
        let links = self.parts.links_maker(&config)?;
        let encryptions =
            MadeEncryptions::of(&config).map_err(|error| NotTaken::because(&error))?;
        // What was kept back may have taken tokens away that are there again.
        if !changes.is_empty() || self.is_refused() {
            self.parts.links.replace(links);
            self.parts.encryptions.adopt(&config, &encryptions);
            self.parts.adopt(&config, made);
        }

        let mut holding = self.holding.lock();
        holding.generation += u64::from(!changes.is_empty());
        holding.config = config;
        Ok(Taken {
            generation: holding.generation,
            changed: changes.written,
        })
    }

    /// Says what came of it: in the log, in the metrics, in `/readyz`. `seen` are the files as they were before.
    fn note(&self, taken: &Result<Taken, NotTaken>, why: &str, seen: Vec<NamedFile>) {
        let mut holding = self.holding.lock();
        let before = std::mem::replace(&mut holding.refused, taken.as_ref().err().cloned());
        metrics::config(holding.generation, holding.refused.is_some());

        match taken {
            Ok(taken) => {
                holding.files = holding.config.settings.files().to_vec();
                let notes = links::notes(&holding.config, self.parts.links_address);
                self.parts.health.settings_taken(notes);
                taken.say(why);
            }
            Err(not_taken) => {
                holding.files = seen;
                self.parts.health.settings_refused(not_taken.to_string());
                // Who asks is answered; what looks again by itself says it once.
                if why != BY_ITSELF || before.as_ref() != Some(not_taken) {
                    not_taken.say(why);
                }
            }
        }
    }

    fn files(&self) -> Vec<NamedFile> {
        self.holding.lock().files.clone()
    }
}

impl Parts {
    /// Every destination that a change touches, as the new settings want it.
    fn remade<'a>(
        &self,
        config: &'a Config,
        changes: &Changes,
    ) -> Result<Vec<(&Delivered, Made<'a>)>, NotTaken> {
        let touched = self.destinations.iter();
        let touched = touched.filter(|destination| {
            let source = config.send.named(&destination.name);
            let source = source.and_then(boxbridge_config::Destination::source);
            is_touched(&destination.name, changes)
                || source.is_some_and(|source| is_touched(source, changes))
        });
        let made = touched.filter_map(|destination| {
            let made = destination.remade(&self.maker, config).transpose()?;
            Some(made.map(|made| (destination, made)))
        });
        made.collect::<anyhow::Result<_>>()
            .map_err(|error| NotTaken::because(&error))
    }

    fn links_maker(&self, config: &Config) -> Result<LinkMaker, NotTaken> {
        let maker = links::maker(config, &self.data.links_secret, self.links_address);
        maker.map_err(|error| NotTaken::because(&error))
    }

    /// Whatever keeps the settings back: a token that was revoked lets nobody in.
    fn revoke_tokens(&self, before: &Config) {
        let ingest = &before.ingest;
        let (Some(file), Some(held)) = (&ingest.tokens_file, &ingest.tokens) else {
            return;
        };
        if let Ok(now) = Tokens::of_file(file) {
            self.boxes.adopt(boxbridge_config::Ingest {
                tokens: Some(held.still_in(&now)),
                ..ingest.clone()
            });
        }
    }

    /// Gives each part its own. Nothing here fails.
    fn adopt(&self, config: &Arc<Config>, made: Vec<(&Delivered, Made<'_>)>) {
        logging::adopt(&config.log);
        metrics::limits(config);
        self.access.replace(config.admin.tokens.as_deref());
        self.data.queue.adopt(&queue::Settings::from(&**config));
        self.data.aside.adopt(config.queue.aside_max_bytes);
        self.data.quarantine.adopt(&config.ingest.quarantine);
        self.data.devices.adopt(&config.ingest.devices);

        let users = config.send.mqtt().and_then(|it| it.embedded.users.clone());
        let subscribers = self.subscribers.iter();
        subscribers.for_each(|subscribers| subscribers.adopt(users.clone()));
        let configured = picture_store::configured(config);
        let locations = self.locations.linked_as(configured);
        let deliveries = Deliveries {
            config,
            data: &self.data,
            locations: &locations,
            links: &self.links,
            tasks: &self.deliveries,
        };
        for (destination, made) in made {
            destination.adopt(&deliveries, made);
        }

        let epoch = self.data.queue.epoch();
        let key = self.data.redact_key(config);
        let router = Router::new(&config.routes, locations, epoch, normalize::table, key);
        self.gateway.adopt(config, router);
        self.boxes.adopt(config.ingest.clone());
    }
}

/// Whether a destination is delivered to in another way: by its own settings, its routes, or what all destinations have in common.
fn is_touched(name: &str, changes: &Changes) -> bool {
    let own = [format!("send.{name}."), format!("route.{name}.")];
    let in_common = [
        "send.window_",
        "send.retry_max",
        "send.stall_timeout",
        "send.store.public_url",
        "send.store.links.announce",
        "route.redact_key_file",
    ];
    let of_types = PersonType::ALL.iter().flat_map(|person_type| {
        ["live_for", "picture_wait"].map(|key| format!("route.{person_type}.{key}"))
    });

    let keys = own.into_iter().chain(of_types);
    let mut keys = keys.chain(in_common.map(str::to_owned));
    keys.any(|key| changes.touch(&key))
}

impl Taken {
    fn say(&self, why: &str) {
        let generation = self.generation;
        if self.changed.is_empty() {
            return tracing::info!(generation, why, "settings read again: nothing has changed");
        }
        let changed = self.changed.join(", ");
        tracing::info!(
            generation,
            changed,
            why,
            "settings read again: they hold now"
        );
    }
}

impl NotTaken {
    fn because(error: &anyhow::Error) -> NotTaken {
        NotTaken(vec![format!("{error:#}")])
    }

    fn by_restart(changes: &Changes) -> NotTaken {
        let is_by_restart =
            |key: &String| changes.restart.iter().any(|(restart, _)| restart == key);
        let restart = changes.restart.iter();
        let mut problems: Vec<_> = restart
            .map(|(key, why)| format!("{key} is changed, which takes a restart: {why}"))
            .collect();

        let written = changes.written.iter();
        let with_it: Vec<_> = written
            .filter(|key| !is_by_restart(key))
            .map(String::as_str)
            .collect();
        if !with_it.is_empty() {
            problems.push(format!("kept back with it: {}", with_it.join(", ")));
        }
        NotTaken(problems)
    }

    fn say(&self, why: &str) {
        for problem in &self.0 {
            tracing::error!(
                why,
                problem,
                "the settings are not taken, those before hold"
            );
        }
    }
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}
