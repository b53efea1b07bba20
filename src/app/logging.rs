//! Logs on standard error: for people on a terminal, as JSON elsewhere; one line per change of state.
//!
//! Promises: a panic is logged and counted once, with its place in the source. Its message is logged only if it is a constant of the
//! program: a formatted one may hold personal data. Deliberately catches none: `system::fault` does.

use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

use crate::commands::colour::are_shown;
use crate::metrics;
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

/// From now on a panic is logged.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        metrics::fault();
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(
            place,
            words = own_words(panic),
            thread = thread.name().unwrap_or_default(),
            "a fault of ours: please report it"
        );
    }));
}

/// The message of a panic if it is a constant; a message with a value in it is made at run time.
fn own_words(panic: &PanicHookInfo<'_>) -> &'static str {
    panic
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("not said: they may hold what somebody sent")
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

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::system::fault::in_one_go;

    #[test]
    fn the_words_of_a_panic_are_said_only_where_they_are_the_programs() {
        static SEEN: Mutex<Vec<&str>> = Mutex::new(Vec::new());
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(|panic| {
            // Other tests panic beside this one.
            if std::thread::current().name() == Some("canary") {
                SEEN.lock().push(own_words(panic));
            }
        }));

        let name = String::from("小明");
        let thread = std::thread::Builder::new().name("canary".to_owned());
        let panics = move || {
            let _ = in_one_go(|| panic!("no name for {name}"));
            let _ = in_one_go(|| panic!("no name"));
        };

        thread.spawn(panics).unwrap().join().unwrap();
        std::panic::set_hook(before);

        let seen = SEEN.lock().clone();
        assert!(
            !seen[0].contains("小明") && seen[0].starts_with("not said"),
            "{seen:?}"
        );
        assert_eq!(seen[1], "no name");
    }
}
