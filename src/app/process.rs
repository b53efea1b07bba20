//! The process around the gateway: its runtime, its signals, its exit code.
//!
//! Promises: SIGTERM and SIGINT end it with every accepted event on disk, and a second one waits for the disk alone; no other signal that
//! daemons are commonly sent ends it. Deliberately builds nothing: that is [`App::start`].

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::{App, Held, logging, service_manager};
use crate::{commands, fault, metrics};
use boxbridge_config::Config;

/// sysexits.h EX_IOERR: the disk failed a sync, and its contents must be read again before anything is promised.
const EXIT_POISONED: u8 = 74;
/// signal(7) on every architecture we run on.
const SIGXFSZ: i32 = 25;

/// The whole process: until SIGTERM or SIGINT, or until the disk fails. SIGHUP ends nothing.
pub fn run(config: Config) -> ExitCode {
    let held = Held::take();
    logging::start(&config.log);
    fault::log_panics();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")
        .and_then(|runtime| {
            let outcome = runtime.block_on(until_told(config, held));
            // What still blocks a thread (a look-up, a client's end) has nothing to lose, and the next process waits.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("cannot start: {error:#}");
            // Whatever log.level says.
            if !tracing::enabled!(tracing::Level::ERROR) {
                commands::complain(&format!("cannot start: {error:#}"));
            }
            service_manager::pause_before_next_start();
            ExitCode::FAILURE
        }
    }
}

async fn until_told(config: Config, held: Held) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    // By default it would end the process in the middle of its answers: rotated logs and closed terminals send it.
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    // A file-size limit shall be an error of the write (EFBIG: the disk counts as full), not the end of the process.
    let _file_size = signal(SignalKind::from_raw(SIGXFSZ)).context("cannot listen for SIGXFSZ")?;

    let metrics = metrics::install().context("cannot set up metrics")?;
    let app = App::start(config, metrics, held).await?;
    service_manager::ready();

    loop {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
            _ = interrupt.recv() => tracing::info!("interrupt: draining"),
            _ = hangup.recv() => {
                tracing::warn!("SIGHUP changes nothing: settings are read at the start; restart to read them again");
                continue;
            }
            () = app.queue.poisoned() => {
                tracing::error!("the log cannot be trusted any more: nothing is accepted; start again to verify what the disk holds");
                return Ok(ExitCode::from(EXIT_POISONED));
            }
        }
        break;
    }

    let queue = app.queue.clone();
    tokio::select! {
        () = app.stop() => {}
        _ = terminate.recv() => queue.shutdown().await,
        _ = interrupt.recv() => queue.shutdown().await,
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
