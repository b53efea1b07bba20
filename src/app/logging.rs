//! Logs on standard error: for people on a terminal, as JSON elsewhere; one line per change of state.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::commands::colour::are_shown;
use boxbridge_config::{Log, LogFormat};

/// Libraries whose own lines are noise at our levels, or worse: tungstenite logs whole messages at trace. No setting overrides this.
const QUIET: &str = "rmqtt_codec=error,tungstenite=error,async_tungstenite=error,ws_stream_tungstenite=error,rumqttc=error,librdkafka=error,rdkafka=error,hyper=warn,reqwest=warn,object_store=warn";

/// Once per process; a second call changes nothing.
pub fn start(settings: &Log) {
    // "error" comes first for a level that names a single module: failures elsewhere are logged all the same.
    let filter = EnvFilter::try_new(format!("error,{},{QUIET}", settings.level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let is_human = match settings.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => io::stderr().is_terminal(),
    };

    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Unheard);
    // A program that embeds the gateway (a test) may have set one up already.
    let _ = match is_human {
        true => builder
            .with_target(false)
            .with_ansi(are_shown(&io::stderr()))
            .try_init(),
        false => builder
            .json()
            .flatten_event(true)
            .with_target(false)
            .try_init(),
    };
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
