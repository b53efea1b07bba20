//! Logs on standard error: for people on a terminal, as JSON elsewhere; one line per change of state.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

use crate::commands::colour::are_shown;
use boxbridge_config::{Log, LogFormat};

/// Libraries whose own lines are noise at our levels, or worse: tungstenite logs whole messages at trace. No setting overrides this.
const QUIET: &str = "rmqtt_codec=error,tungstenite=error,async_tungstenite=error,ws_stream_tungstenite=error,rumqttc=error,librdkafka=error,rdkafka=error,hyper=warn,reqwest=warn,object_store=warn";

/// Changes the level of the log that this process has; not set where the log is another program's.
static LEVEL: OnceLock<Box<dyn Fn(EnvFilter) + Send + Sync>> = OnceLock::new();

/// Once per process; a second call changes nothing.
pub fn start(settings: &Log) {
    let is_human = match settings.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };

    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(settings))
        .with_writer(|| Unheard)
        .with_target(false);
    // A program that embeds the gateway (a test) may have set one up already.
    match is_human {
        true => {
            let builder = builder.with_ansi(are_shown(&io::stderr()));
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init().map(|()| LEVEL.set(changing(handle)));
        }
        false => {
            let builder = builder.json().flatten_event(true);
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init().map(|()| LEVEL.set(changing(handle)));
        }
    }
}

/// Logs from now on as the level says.
pub fn adopt(settings: &Log) {
    if let Some(change) = LEVEL.get() {
        change(filter(settings));
    }
}

fn filter(settings: &Log) -> EnvFilter {
    // "error" comes first for a level that names a single module: failures elsewhere are logged all the same.
    EnvFilter::try_new(format!("error,{},{QUIET}", settings.level))
        .unwrap_or_else(|_| EnvFilter::new("info"))
}

fn changing<S: 'static>(handle: Handle<EnvFilter, S>) -> Box<dyn Fn(EnvFilter) + Send + Sync> {
    // It fails only where the log is gone.
    Box::new(move |filter| drop(handle.reload(filter)))
}

/// Standard error, whether or not somebody reads it: a log that goes nowhere is no reason to stop, and none to panic.
struct Unheard;

impl Write for Unheard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
