//! How the gateway starts: [`Start::everything`] is the order, and each step stands below it.
//!
//! Promises: everything runs and accepts, or nothing does: after an error all that was started is stopped again. All steps that can fail
//! come before the first event is delivered or accepted; only the admin listener answers earlier, so that `/livez` does while the log is
//! read. Deliberately makes nothing itself: each part is made in the file that is named after it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;

use super::data_dir::{self, DataDir};
use super::destinations::{self, Deliveries, LaneThreads, Made, picture_store};
use super::listen::{self, Shares};
use super::service_manager::Held;
use super::stop::Running;
use super::tasks::Tasks;
use super::upkeep::Upkeep;
use super::{App, embedded_broker};
use crate::admin::{Access, Admin, Audit, Health, Jobs, Operator, Phase};
use crate::gateway::{Counter, Gateway, Workers};
use crate::ingest::{Listener, Service};
use crate::metrics;
use crate::normalize;
use crate::queue::Queue;
use crate::route::{PictureLocations, Router};
use crate::system::disk::Disk;
use boxbridge_config::Config;

impl App {
    /// Everything running and accepting, or why it cannot be.
    pub async fn start(
        mut config: Config,
        metrics: PrometheusHandle,
        held: Held,
    ) -> anyhow::Result<App> {
        keep_files_private();
        let shares = Shares::take(&config);
        config.ingest.connections_max = shares.ingest;

        let access = Access::new(config.admin.tokens.as_deref());
        let start = Start {
            config: Arc::new(config),
            shares,
            health: Health::new(metrics),
            access,
        };
        let mut running = Running::default();
        match start.everything(held, &mut running).await {
            Ok(started) => Ok(start.app(started, running)),
            Err(error) => {
                running.stop().await;
                Err(error)
            }
        }
    }
}

/// What every step is told.
struct Start {
    config: Arc<Config>,
    shares: Shares,
    health: Arc<Health>,
    access: Arc<Access>,
}

struct Started {
    ingest_address: SocketAddr,
    admin_address: SocketAddr,
    queue: Queue,
}

impl Start {
    /// Each thing that is started goes into `running` at once.
    async fn everything(&self, held: Held, running: &mut Running) -> anyhow::Result<Started> {
        let config = &self.config;
        let (admin, admin_address) = self.serve_admin(&running.admin)?;
        let boxes = listen::for_boxes(config.ingest.listen, held).await?;
        let ingest_address = boxes.local_addr()?;

        let queue = data_dir::open_queue(config).await?;
        running.queue = Some(queue.clone());
        let disk = Disk::default();
        embedded_broker::note_crash(config, &disk, &queue);
        let data = DataDir::open(config, disk, queue.clone()).await?;
        running.received = Some(Arc::clone(&data.received));
        metrics::limits(config);

        running.embedded = embedded_broker::start(config, self.shares.embedded, &data.disk)?;
        let locations = picture_store::locations(config, &data.disk, &queue);
        let made = destinations::make(config, &data, running.embedded.as_ref())?;
        let threads = LaneThreads::start().context("cannot start threads")?;

        // From here on nothing fails.
        self.deliver(made, &locations, &data, threads, running);
        self.accept(boxes, locations, &data, running);
        admin.opened(self.operator(&data));
        self.keep_up(data, &running.admin);
        self.health.enter(Phase::Serving);

        self.say_started(ingest_address, admin_address);
        Ok(Started {
            ingest_address,
            admin_address,
            queue,
        })
    }

    fn serve_admin(&self, tasks: &Tasks) -> anyhow::Result<(Arc<Admin>, SocketAddr)> {
        let listener = listen::for_admin(self.config.admin.listen)?;
        let address = listener.local_addr()?;

        let admin = Admin::new(Arc::clone(&self.health), &self.access, self.shares.admin);
        listen::serve("admin.listen", listener, Arc::clone(&admin), tasks);
        Ok((admin, address))
    }

    /// What the operator's API may use.
    fn operator(&self, data: &DataDir) -> Operator {
        Operator {
            health: Arc::clone(&self.health),
            queue: data.queue.clone(),
            aside: Arc::clone(&data.aside),
            quarantine: Arc::clone(&data.quarantine),
            clock: Arc::clone(&data.clock),
            jobs: Jobs::default(),
            audit: Arc::new(Audit::open(&data.disk, &self.config.data_dir)),
        }
    }

    /// Starts the delivery loops, and from then on health shows how they fare.
    fn deliver(
        &self,
        made: Vec<Made<'_>>,
        locations: &PictureLocations,
        data: &DataDir,
        threads: LaneThreads,
        running: &mut Running,
    ) {
        running.stores = made.iter().filter_map(Made::store).collect();
        let deliveries = Deliveries {
            config: &self.config,
            data,
            locations,
            threads: running.threads.insert(threads),
            events: Arc::default(),
            tasks: &running.deliveries,
        };
        let links = made
            .into_iter()
            .map(|destination| deliveries.start(destination))
            .collect();
        if let Some(embedded) = &running.embedded {
            embedded.look_after(&data.queue, &running.deliveries);
        }

        self.health.opened(
            data.queue.clone(),
            links,
            Arc::clone(&data.clock),
            self.config.warnings.clone(),
        );
    }

    /// Boxes are answered from now on.
    fn accept(
        &self,
        boxes: Listener,
        locations: PictureLocations,
        data: &DataDir,
        running: &Running,
    ) {
        let service = Service::new(
            Arc::new(self.gateway(locations, data)),
            self.config.ingest.clone(),
            running.commits.clone(),
            running.leaving.clone(),
        );
        listen::serve("ingest.listen", boxes, service, &running.ingest);
    }

    fn gateway(&self, locations: PictureLocations, data: &DataDir) -> Gateway {
        let router = Router::new(
            &self.config.routes,
            locations,
            data.queue.epoch(),
            normalize::table,
        );
        let health = Arc::clone(&self.health);

        Gateway {
            config: Arc::clone(&self.config),
            queue: data.queue.clone(),
            quarantine: Arc::clone(&data.quarantine),
            router: Arc::new(router),
            counter: Counter::new(Arc::clone(&data.received)),
            parsers: Workers::of_this_machine(),
            quarantine_workers: Workers::of_the_disk(),
            is_serving: Arc::new(move || health.causes().is_empty()),
        }
    }

    fn keep_up(&self, data: DataDir, tasks: &Tasks) {
        let upkeep = Arc::new(Upkeep {
            health: Arc::clone(&self.health),
            data,
        });
        let stop = tasks.stop.clone();
        tasks.keep("upkeep", move || Arc::clone(&upkeep).run(stop.clone()));
    }

    fn say_started(&self, ingest_address: SocketAddr, admin_address: SocketAddr) {
        let config = &self.config;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }

        tracing::info!(
            ingest.address = %ingest_address,
            admin.address = %admin_address,
            data_dir = %config.data_dir.display(),
            site = config.site,
            gateway = config.gateway,
            "accepting events"
        );
    }

    fn app(self, started: Started, running: Running) -> App {
        App {
            ingest_address: started.ingest_address,
            admin_address: started.admin_address,
            config: self.config,
            health: self.health,
            queue: started.queue,
            running,
        }
    }
}

/// Names and faces are not for every user of the machine, no matter what makes the file and what the service's umask is.
fn keep_files_private() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

#[cfg(test)]
mod tests;
