//! Builds everything, starts it, and stops it in reverse; the only file that starts what lives as long as the process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Health, Phase};
use crate::fault::Fault;
use crate::gateway::ReceivedCounts;
use crate::gateway::kept::{Aside, Quarantine};
use crate::gateway::{Ages, Gateway, Turns};
use crate::ingest::{self, Listener, Port, Service};
use crate::metrics;
use crate::normalize;
use crate::queue::{self, Queue};
use crate::route::Router;
use crate::send::embedded::Embedded;
use crate::system::clock::Clock;
use boxbridge_config::Config;

use descriptors::Shares;
use destinations::Start;

pub mod build;
mod descriptors;
mod destinations;
pub mod listen;
mod logging;
mod process;
mod service_manager;
mod stage;
mod store_moves;
pub mod untaken;

use listen::cannot_listen;
use stage::Stage;
use untaken::Untaken;

pub use logging::start as start_logging;
pub use process::run;
pub use service_manager::Held;
pub use stage::keep_delivering;

/// From the end of `drain_delay` to the exit; the queue's last sync fits in the rest of the ten seconds that are promised.
const DRAIN: Duration = Duration::from_secs(7);
/// For an answer to be written whose event is on disk, and for a last look at health and metrics.
const LAST_WORDS: Duration = Duration::from_millis(50);
const UPKEEP: Duration = Duration::from_secs(5);
const REVIEW: Duration = Duration::from_secs(60);

/// A running gateway.
pub struct App {
    pub ingest_address: SocketAddr,
    pub admin_address: SocketAddr,
    config: Arc<Config>,
    health: Arc<Health>,
    queue: Queue,
    received: Arc<ReceivedCounts>,
    /// From SIGTERM on: every answer is its connection's last.
    leaving: CancellationToken,
    /// What each stage stops by, and what has to end then.
    ingest: Stage,
    commits: TaskTracker,
    deliveries: Stage,
    admin: Stage,
    embedded: Option<Arc<Embedded>>,
    untaken: Untaken,
}

impl App {
    /// Everything running and accepting, or why it cannot be.
    #[expect(
        clippy::too_many_lines,
        reason = "the one place where everything meets, in the order in which it starts"
    )]
    pub async fn start(
        mut config: Config,
        metrics: PrometheusHandle,
        held: Held,
    ) -> anyhow::Result<App> {
        // Names and faces are not for every user of the machine, whatever makes the file and whatever the service's umask is.
        rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
        let shares = Shares::take(&config);
        config.ingest.connections_max = shares.ingest;
        let config = Arc::new(config);
        let health = Health::new(metrics);
        let admin = Stage::default();
        let admin_address = start_admin(&config, shares, &health, &admin)?;
        let address = config.ingest.listen;
        let listener = held
            .listener(address)
            .await
            .map_err(|error| cannot_listen("ingest.listen", address, error))?;
        let ingest_address = listener.local_addr()?;

        let names = build::destination_names(&config);
        let settings = queue::Settings::from(config.as_ref());
        let disk = settings.disk.clone();
        let open = move || {
            Queue::open(
                settings,
                &names.iter().map(|name| &**name).collect::<Vec<_>>(),
            )
        };
        let queue = tokio::task::spawn_blocking(open)
            .await
            .map_err(|_| Fault)?
            .context("cannot open the queue")?;
        let instance = build::instance(&disk, &config.data_dir)?;
        let clock = Arc::new(Clock::open(&disk, &config.data_dir));
        clock.look();
        let ages = Arc::new(Ages::new(Arc::clone(&clock), queue.newest()));
        let untaken = Untaken::of(&disk, &config.data_dir);
        let aside = Arc::new(Aside::open(
            &disk,
            &config.data_dir,
            queue.epoch(),
            config.queue.aside_max_bytes,
        )?);
        let quarantine = Arc::new(Quarantine::open(
            &disk,
            &config.data_dir,
            &config.ingest.quarantine,
        )?);
        metrics::limits(&config);

        let embedded = build::embedded(&config, shares.embedded)?.map(Arc::new);
        let places = store_moves::places(&config, &disk, &queue);
        let deliveries = Stage::default();
        let ready = destinations::ready(&config, &disk, &instance, embedded.as_deref())?;
        let start = Start {
            config: &config,
            queue: &queue,
            aside: &aside,
            clock: &clock,
            ages: &ages,
            places: &places,
            stage: &deliveries,
        };
        let links = ready
            .into_iter()
            .map(|ready| start.deliveries(ready))
            .collect();
        if let Some(embedded) = &embedded {
            let (embedded, queue, stop) =
                (Arc::clone(embedded), queue.clone(), deliveries.stop.clone());
            let untaken = untaken.clone();
            deliveries.keep("embedded", move || {
                build::look_after(
                    Arc::clone(&embedded),
                    queue.clone(),
                    untaken.clone(),
                    stop.clone(),
                )
            });
        }
        health.opened(
            queue.clone(),
            links,
            Arc::clone(&clock),
            config.warnings.clone(),
        );

        let received = tokio::task::spawn_blocking({
            let (disk, data_dir, queue) = (disk.clone(), config.data_dir.clone(), queue.clone());
            move || ReceivedCounts::open(disk, &data_dir, queue)
        });
        let received = received
            .await
            .map_err(|_| Fault)?
            .context("cannot read the counts in queue/received.json")?;
        let received = Arc::new(received);
        let commits = TaskTracker::new();
        let gateway = Gateway {
            config: Arc::clone(&config),
            queue: queue.clone(),
            quarantine: Arc::clone(&quarantine),
            router: Arc::new(Router::new(
                &config.routes,
                places,
                queue.epoch(),
                normalize::table,
            )),
            received: Arc::clone(&received),
            turns: Turns::of_this_machine(),
            keeping: Turns::of_the_disk(),
            is_serving: Arc::new({
                let health = Arc::clone(&health);
                move || health.causes().is_empty()
            }),
        };
        let ingest = Stage::default();
        let leaving = CancellationToken::new();
        let service = Service::new(
            Arc::new(gateway),
            config.ingest.clone(),
            commits.clone(),
            leaving.clone(),
        );
        serve("ingest.listen", listener, service, &ingest);
        let upkeep = Arc::new(Upkeep {
            health: Arc::clone(&health),
            quarantine,
            aside,
            received: Arc::clone(&received),
            clock,
            ages,
            queue: queue.clone(),
        });
        let ended = admin.stop.clone();
        admin.keep("upkeep", move || Arc::clone(&upkeep).run(ended.clone()));
        health.enter(Phase::Serving);
        say_started(&config, ingest_address, admin_address);
        Ok(App {
            ingest_address,
            admin_address,
            config,
            health,
            queue,
            received,
            leaving,
            ingest,
            commits,
            deliveries,
            admin,
            embedded,
            untaken,
        })
    }

    /// Whether every destination works; the gateway accepts either way.
    pub fn is_connected(&self) -> bool {
        self.health.is_connected()
    }

    /// Not ready, `drain_delay` more of accepting, then every stage in the order of travel. Brokers are not waited for.
    pub async fn stop(self) {
        self.health.enter(Phase::Draining);
        self.leaving.cancel();
        tokio::time::sleep(self.config.ingest.drain_delay).await;
        let deadline = Instant::now() + DRAIN;
        self.ingest.end(Instant::now() + ingest::STOP_MAX).await;
        self.commits.close();
        let _ = tokio::time::timeout_at(deadline, self.commits.wait()).await;
        self.ingest.end(Instant::now() + LAST_WORDS).await;
        self.deliveries.end(deadline).await;
        save(&self.received).await;
        self.queue.shutdown().await;
        build::farewell(self.embedded, self.untaken).await;
        self.admin.end(Instant::now() + LAST_WORDS).await;
    }
}

/// The port stays open through a fault: new connections wait in the kernel.
fn serve<P: Port>(key: &'static str, listener: Listener, port: Arc<P>, stage: &Stage) {
    let (listener, connections, stop) =
        (Arc::new(listener), stage.tasks.clone(), stage.stop.clone());
    stage.keep(key, move || {
        let (listener, port, connections, stop) = (
            Arc::clone(&listener),
            Arc::clone(&port),
            connections.clone(),
            stop.clone(),
        );
        async move { ingest::serve(&listener, port, connections, stop).await }
    });
}

fn start_admin(
    config: &Config,
    shares: Shares,
    health: &Arc<Health>,
    stage: &Stage,
) -> anyhow::Result<SocketAddr> {
    let listen = config.admin.listen;
    let listener =
        Listener::bind(listen).map_err(|error| cannot_listen("admin.listen", listen, error))?;
    let address = listener.local_addr()?;
    serve(
        "admin.listen",
        listener,
        admin::Admin::new(Arc::clone(health), shares.admin),
        stage,
    );
    Ok(address)
}

/// Counts that are a few seconds old are better than a start that waits for them: a failure is said, and tried again.
async fn save(received: &Arc<ReceivedCounts>) {
    let received = Arc::clone(received);
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || received.save()).await {
        tracing::warn!(%error, "the counts of received events could not be saved");
    }
}

/// What nobody waits for.
struct Upkeep {
    health: Arc<Health>,
    quarantine: Arc<Quarantine>,
    aside: Arc<Aside>,
    received: Arc<ReceivedCounts>,
    clock: Arc<Clock>,
    ages: Arc<Ages>,
    queue: Queue,
}

impl Upkeep {
    /// Until `stop`; says when the disk is full, and when it is not any more.
    async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut reviewed = Instant::now();
        let mut causes = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(UPKEEP) => self.health.metrics.run_upkeep(),
            }
            self.ages.mark(self.queue.newest());
            save(&self.received).await;
            let now = self.health.causes();
            if now != causes {
                match now.is_empty() {
                    true => tracing::info!("ready again"),
                    false => {
                        tracing::warn!(causes = now.join(", "), "not ready: boxes may be refused")
                    }
                }
                causes = now;
            }
            let is_due = reviewed.elapsed() > REVIEW;
            if is_due {
                reviewed = Instant::now();
            }
            self.look(is_due).await;
        }
    }

    /// At the clock, and where it is due at every file that is kept.
    async fn look(&self, is_due: bool) {
        let (quarantine, aside, clock) = (
            Arc::clone(&self.quarantine),
            Arc::clone(&self.aside),
            Arc::clone(&self.clock),
        );
        let look = move || {
            clock.look();
            if is_due {
                quarantine.review(&clock);
                aside.review();
            }
        };
        let _ = tokio::task::spawn_blocking(look).await;
    }
}

fn say_started(config: &Config, ingest_address: SocketAddr, admin_address: SocketAddr) {
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
