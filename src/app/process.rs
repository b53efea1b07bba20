//! The process around the gateway: its runtime, its signals, its exit code.
//!
//! Promises: SIGTERM and SIGINT end it with every accepted event on disk, and a second one waits for the disk alone; no other signal that
//! daemons are commonly sent ends it. Deliberately builds nothing: that is [`App::start`].

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{App, Held, Reload, logging, service_manager};
use crate::system::private;
use crate::{commands, metrics};
use boxbridge_config::Config;

/// sysexits.h EX_IOERR: the disk failed a sync, and its contents must be read again before anything is promised.
const EXIT_POISONED: u8 = 74;
/// signal(7) on every architecture we run on.
const SIGXFSZ: i32 = 25;

/// The whole process: until SIGTERM or SIGINT, or until the disk fails. SIGHUP reads the settings again.
pub fn run(config: Config) -> ExitCode {
    let held = Held::take();
    logging::start(&config.log);
    logging::log_panics();
    private::keep_memory();

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads");
    let ended = runtime.and_then(|runtime| {
        let ended = runtime.block_on(until_told(config, held));
        // A thread that still blocks (a look-up, a client's end) has nothing to lose, and the next process waits.
        runtime.shutdown_background();
        ended
    });
    ended.unwrap_or_else(|error| cannot_start(&error))
}

fn cannot_start(error: &anyhow::Error) -> ExitCode {
    let text = format!("cannot start: {error:#}");
    tracing::error!("{text}");
    // Somebody must hear it also where log.level lets no error through.
    if !tracing::enabled!(tracing::Level::ERROR) {
        commands::complain(&text);
    }

    service_manager::pause_before_next_start();
    ExitCode::FAILURE
}

async fn until_told(config: Config, held: Held) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::taken_over()?;
    let metrics = metrics::install().context("cannot set up metrics")?;
    let app = App::start(config, metrics, held).await?;
    service_manager::ready();

    tokio::select! {
        name = signals.stop(&app.reload) => tracing::info!("{name}: draining"),
        () = app.queue.poisoned() => {
            tracing::error!("the log cannot be trusted any more: nothing is accepted; start again to verify what the disk holds");
            return Ok(ExitCode::from(EXIT_POISONED));
        }
    }

    let (queue, reload) = (app.queue.clone(), Arc::clone(&app.reload));
    tokio::select! {
        () = app.stop() => {}
        _ = signals.stop(&reload) => {
            queue.shutdown().await;
            reload.say_left();
        }
    }

    if queue.status().is_poisoned {
        tracing::error!(
            "the disk failed a sync while stopping: start again to verify what it holds"
        );
        return Ok(ExitCode::from(EXIT_POISONED));
    }
    tracing::info!("stopped, everything accepted is on disk");
    Ok(ExitCode::SUCCESS)
}

/// The signals that would end the process by default.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Operators and the service manager send it to have settings read again; rotated logs and closed terminals send it as well.
    hangup: Signal,
    /// Taken over, so that a file-size limit is an error of the write (EFBIG: the disk counts as full).
    _file_size: Signal,
}

impl Signals {
    fn taken_over() -> anyhow::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            hangup: signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?,
            _file_size: signal(SignalKind::from_raw(SIGXFSZ))
                .context("cannot listen for SIGXFSZ")?,
        })
    }

    /// Returns with the name of the next signal that ends the process. A hangup reads the settings again.
    async fn stop(&mut self, reload: &Arc<Reload>) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "interrupt",
                _ = self.hangup.recv() => drop(reload.now("SIGHUP").await),
            }
        }
    }
}
