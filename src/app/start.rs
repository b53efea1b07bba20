//! How the gateway starts: [`Start::everything`] is the order, and each step stands below it.
//!
//! Promises: everything runs and accepts, or nothing does: after an error all that was started is stopped again. All steps that can fail
//! come before the first event is delivered or accepted; only the admin listener answers earlier, so that `/livez` does while the log is
//! read. Deliberately makes nothing itself: each part is made in the file that is named after it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;

use super::App;
use super::data_dir::{self, DataDir};
use super::destinations::{
    self, Common, Delivered, Deliveries, LaneThreads, Laters, Made, Maker, picture_store,
};
use super::embedded_broker::{self, EmbeddedBroker};
use super::listen::{self, BoxAddresses, BoxListeners, Encryptions, LinksListener, Shares};
use super::reload::{self, Reload};
use super::service_manager::Held;
use super::stop::Running;
use super::tasks::Tasks;
use super::upkeep::Upkeep;
use crate::admin::{Access, Admin, Audit, Health, Jobs, Operator, Phase, Watchers};
use crate::gateway::{Counter, Documents, Gateway, Holders, Resend, Resubmit, Workers};
use crate::ingest::Service;
use crate::links::Links;
use crate::links::album::Album;
use crate::metrics;
use crate::normalize;
use crate::queue::Queue;
use crate::route::{PictureLocations, Router};
use crate::system::disk::Disk;
use crate::system::private;
use boxbridge_config::{Config, Current};
use boxbridge_event::{Lane, Timestamp};

impl App {
    /// Everything running and accepting, or why it cannot be.
    pub async fn start(
        mut config: Config,
        metrics: PrometheusHandle,
        held: Held,
    ) -> anyhow::Result<App> {
        private::keep_files();
        let shares = Shares::take(&config);
        config.ingest.connections_max = shares.ingest;

        let access = Access::new(config.admin.tokens.as_deref());
        let start = Start {
            encryptions: Encryptions::of(&config)?,
            config: Arc::new(config),
            started: Timestamp::now(),
            shares,
            health: Health::new(metrics),
            access,
        };
        let mut running = Running::default();
        match start.everything(held, &mut running).await {
            Ok(started) => Ok(start.app(started, running)),
            Err(error) => {
                running.stop(None).await;
                Err(error)
            }
        }
    }
}

/// What every step is told.
struct Start {
    encryptions: Encryptions,
    config: Arc<Config>,
    started: Timestamp,
    shares: Shares,
    health: Arc<Health>,
    access: Arc<Access>,
}

struct Started {
    ingest_addresses: BoxAddresses,
    admin_address: SocketAddr,
    queue: Queue,
    reload: Arc<Reload>,
}

impl Start {
    /// Each thing that is started goes into `running` at once.
    async fn everything(&self, held: Held, running: &mut Running) -> anyhow::Result<Started> {
        let config = &self.config;
        let (admin, admin_address) = self.serve_admin(&running.admin)?;
        let boxes = BoxListeners::bind(&config.ingest, &self.encryptions.boxes, held).await?;
        let ingest_addresses = boxes.addresses()?;

        let queue = data_dir::open_queue(config).await?;
        running.queue = Some(queue.clone());
        let disk = Disk::default();
        embedded_broker::take_up(config, &disk, &queue)?;
        embedded_broker::note_crash(config, &disk, &queue);
        let data = DataDir::open(config, disk, queue.clone()).await?;
        running.data = Some(data.clone());
        metrics::limits(config);

        running.embedded = self.embedded_broker(&data.disk)?;
        let locations = picture_store::locations(config, &data.disk, &queue);
        let maker = self.maker(&data, running);
        let made = maker.all(config)?;
        let threads = LaneThreads::start().context("cannot start threads")?;
        let album = album(&made, &queue)?;
        let (links_listener, links) = self.links(&data)?;
        let links_address = links_listener.address;

        // From here on nothing fails.
        let pictures = (&locations, &links);
        let destinations = self.deliver(made, pictures, &data, (threads, &album), running);
        let holders = destinations::holders(config, &destinations, &data);
        self.show(&data, &destinations, holders.as_ref(), links_address);
        let lines = destinations.iter().map(|to| Arc::clone(&to.line));
        let resend = Resend::new(Arc::clone(&data.aside), lines.collect());
        let gateway = self.gateway(locations.clone(), &data, holders);
        let boxes = self.accept(boxes, &gateway, &data, running);
        let resubmit = Resubmit {
            gateway: Arc::clone(&gateway),
            service: Arc::clone(&boxes),
        };
        let documents = Documents {
            gateway: Arc::clone(&gateway),
            verdicts: queue.verdicts(Lane::Normal),
            ages: Arc::clone(&data.ages),
            links: Arc::clone(&links),
        };
        links_listener.open(&links, &album, self.shares.links, &running.admin);
        let parts = reload::Parts {
            data: data.clone(),
            health: Arc::clone(&self.health),
            access: Arc::clone(&self.access),
            encryptions: self.encryptions.clone(),
            gateway,
            boxes,
            locations,
            links,
            subscribers: running.embedded.as_ref().map(EmbeddedBroker::subscribers),
            links_address,
            maker,
            destinations,
            deliveries: running.deliveries.clone(),
        };
        let reload = Reload::new(Arc::clone(config), parts);
        self.watch_settings(&reload, &running.admin);
        let showing = (documents, album);
        admin.opened(self.operator(&data, showing, &reload, (resend, resubmit)));
        self.keep_up(data, &running.admin);
        self.health.enter(Phase::Serving);

        self.say_started(ingest_addresses, admin_address, links_address);
        Ok(Started {
            ingest_addresses,
            admin_address,
            queue,
            reload,
        })
    }

    fn embedded_broker(&self, disk: &Disk) -> anyhow::Result<Option<EmbeddedBroker>> {
        let encryption = &self.encryptions.embedded;
        embedded_broker::start(&self.config, self.shares.embedded, encryption, disk)
    }

    /// Who makes links to pictures, and the port that opens them.
    fn links(&self, data: &DataDir) -> anyhow::Result<(LinksListener, Arc<Links>)> {
        let listener = LinksListener::bind(&self.config)?;
        let secret = &data.links_secret;
        let maker = listen::links::maker(&self.config, secret, listener.address)?;
        Ok((listener, Links::new(maker)))
    }

    fn maker(&self, data: &DataDir, running: &Running) -> Maker {
        Maker {
            disk: data.disk.clone(),
            instance: data.instance.clone(),
            started: self.started,
            entrance: running.embedded.as_ref().map(EmbeddedBroker::entrance),
        }
    }

    /// A settings file that changes is read again.
    fn watch_settings(&self, reload: &Arc<Reload>, tasks: &Tasks) {
        let reload = Arc::clone(reload);
        tasks.keep_on("reload", move || Arc::clone(&reload).watch_files());
    }

    fn serve_admin(&self, tasks: &Tasks) -> anyhow::Result<(Arc<Admin>, SocketAddr)> {
        let listener = listen::for_admin(self.config.admin.listen)?;
        let listener = listener.encrypted(self.encryptions.admin.clone());
        let address = listener.local_addr()?;

        let admin = Admin::new(Arc::clone(&self.health), &self.access, self.shares.admin);
        listen::serve("admin.listen", listener, Arc::clone(&admin), tasks);
        Ok((admin, address))
    }

    /// What the operator's API may use.
    fn operator(
        &self,
        data: &DataDir,
        (documents, album): (Documents, Arc<Album>),
        reload: &Arc<Reload>,
        (resend, resubmit): (Resend, Resubmit),
    ) -> Operator {
        Operator {
            health: Arc::clone(&self.health),
            queue: data.queue.clone(),
            aside: Arc::clone(&data.aside),
            quarantine: Arc::clone(&data.quarantine),
            resend,
            resubmit,
            clock: Arc::clone(&data.clock),
            devices: Arc::clone(&data.devices),
            jobs: Jobs::default(),
            audit: Arc::new(Audit::open(&data.disk, &self.config.data_dir)),
            timetable: Arc::clone(&data.timetable),
            documents,
            album,
            watchers: Watchers::default(),
            reload: Arc::clone(reload),
        }
    }

    /// Starts the delivery loops. By their lines set-aside events are sent again.
    fn deliver(
        &self,
        made: Vec<Made<'_>>,
        (locations, links): (&PictureLocations, &Arc<Links>),
        data: &DataDir,
        (threads, album): (LaneThreads, &Arc<Album>),
        running: &mut Running,
    ) -> Vec<Delivered> {
        running.stores = made.iter().filter_map(Made::store).collect();
        let deliveries = Deliveries {
            config: &self.config,
            data,
            locations,
            links,
            tasks: &running.deliveries,
        };
        let common = Common {
            threads: running.threads.insert(threads),
            events: Arc::default(),
            album: Arc::clone(album),
            laters: Laters::of(&deliveries),
        };

        let destinations: Vec<_> = made
            .into_iter()
            .map(|destination| deliveries.start(destination, &common))
            .collect();
        if let Some(embedded) = &running.embedded {
            embedded.look_after(&data.queue, &running.deliveries);
        }

        destinations
    }

    /// Health shows from now on how they fare.
    fn show(
        &self,
        data: &DataDir,
        destinations: &[Delivered],
        holders: Option<&Arc<Holders>>,
        links_address: Option<SocketAddr>,
    ) {
        self.health.opened(
            data.queue.clone(),
            destinations.iter().flat_map(Delivered::contacts).collect(),
            destinations
                .iter()
                .filter_map(Delivered::consumed)
                .collect(),
            Arc::clone(&data.clock),
            Arc::clone(&data.devices),
            listen::links::notes(&self.config, links_address),
        );
        holders
            .into_iter()
            .for_each(|holders| self.health.answered_by(holders));
    }

    /// Boxes are answered from now on, and bodies in quarantine can be handed in again.
    fn accept(
        &self,
        boxes: BoxListeners,
        gateway: &Arc<Gateway>,
        data: &DataDir,
        running: &Running,
    ) -> Arc<Service<Gateway>> {
        let service = Service::new(
            Arc::clone(gateway),
            self.config.ingest.clone(),
            running.commits.clone(),
            running.leaving.clone(),
        );
        // An attack that runs while we start keeps none of them out.
        service.know(data.devices.senders());

        boxes.open(&service, &running.ingest);
        service
    }

    fn gateway(
        &self,
        locations: PictureLocations,
        data: &DataDir,
        holders: Option<Arc<Holders>>,
    ) -> Arc<Gateway> {
        let router = Router::new(
            &self.config.routes,
            locations,
            data.queue.epoch(),
            normalize::table,
            data.redact_key(&self.config),
        );
        let health = Arc::clone(&self.health);

        Arc::new(Gateway {
            config: Current::new(Arc::clone(&self.config)),
            queue: data.queue.clone(),
            quarantine: Arc::clone(&data.quarantine),
            router: Current::new(router),
            counter: Counter::new(Arc::clone(&data.received)),
            devices: Arc::clone(&data.devices),
            parsers: Workers::of_this_machine(),
            quarantine_workers: Workers::of_the_disk(),
            holders,
            is_serving: Arc::new(move || health.causes().is_empty()),
        })
    }

    fn keep_up(&self, data: DataDir, tasks: &Tasks) {
        let pauses = Arc::clone(&data.pauses);
        tasks.keep_on("pauses", move || Arc::clone(&pauses).keep());

        let upkeep = Arc::new(Upkeep {
            health: Arc::clone(&self.health),
            data,
        });
        let stop = tasks.stop.clone();
        tasks.keep("upkeep", move || Arc::clone(&upkeep).run(stop.clone()));
    }

    fn say_started(
        &self,
        ingest: BoxAddresses,
        admin_address: SocketAddr,
        links_address: Option<SocketAddr>,
    ) {
        let config = &self.config;
        let expiring = config.expiry_notes(self.started);
        for warning in config.warnings.iter().chain(&expiring) {
            tracing::warn!("{warning}");
        }

        tracing::info!(
            ingest.address = ingest.plain.map(tracing::field::display),
            ingest.tls_address = ingest.tls.map(tracing::field::display),
            admin.address = %admin_address,
            links = config.send.store().links_place(links_address),
            data_dir = %config.data_dir.display(),
            site = config.site,
            gateway = config.gateway,
            "accepting events"
        );
    }

    fn app(self, started: Started, running: Running) -> App {
        App {
            ingest_addresses: started.ingest_addresses,
            admin_address: started.admin_address,
            reload: started.reload,
            health: self.health,
            queue: started.queue,
            running,
        }
    }
}

/// The pictures of the queue, and of the store that references mean.
fn album(made: &[Made<'_>], queue: &Queue) -> anyhow::Result<Arc<Album>> {
    let is_referenced = |made: &&Made<'_>| &*made.settings.name == boxbridge_config::STORE;
    let store = made.iter().find(is_referenced).and_then(Made::store);
    let store = store.context("there is no store that references mean")?;
    Ok(Arc::new(Album::new(queue.clone(), store)))
}

#[cfg(test)]
mod tests;
