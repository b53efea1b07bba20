//! `boxbridge check`: finds errors in the settings, and whether a start with them takes what waits in the queue; with `--online`, also whether
//! brokers, store and disk fit them.
//!
//! Promises: nothing lasting changes (a probe object is deleted again, no topic is made, no record written). Everything that can be tried
//! is tried and reported, even if something before it failed. Exit code 64 for wrong settings, 1 for any other problem.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{refuse, say};
use boxbridge_config::{
    Config, Destination, KAFKA, Kind, ListenerTls, MQTT, Mqtt, Problems, STORE, StoreUrl,
};
use boxbridge_connect::tls::server_tls;
use boxbridge_event::{Size, Timestamp};

mod disk;
mod online;
mod print;
mod queue;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  boxbridge check --config /etc/boxbridge.toml\n  boxbridge check --print      every setting, and the line, variable or flag that it comes from\n  boxbridge check --online     connects to brokers and store, looks up topics, times the disk"
)]
pub struct Options {
    /// Also connect: brokers, topics, sizes, store, disk
    #[arg(long)]
    online: bool,

    /// Also show every setting that holds, and where it is written; secrets are hidden
    #[arg(long)]
    print: bool,
}

/// One thing that was tried.
struct Finding {
    what: Arc<str>,
    found: Result<String, String>,
}

pub fn run(options: &Options, config: Result<Config, Problems>) -> ExitCode {
    let config = match config {
        Ok(config) => config,
        Err(problems) => return refuse(&problems),
    };

    let expiring = config.expiry_notes(Timestamp::now());
    for warning in config.warnings.iter().chain(&expiring) {
        say(&format!("warning   {warning}"));
    }
    say(&format!("settings  ok: {}", summary(&config)));
    let store = config.send.store();
    let links = store.links.as_ref().and_then(|links| links.served_at());
    if let Some(place) = store.links_place(links) {
        say(&format!("pictures  ok: {place}"));
    }
    if options.print {
        print::settings(&config.settings);
    }

    let of_queue = queue::taken(&config).map(|found| Finding {
        what: "queue".into(),
        found,
    });
    let of_certificates: Vec<_> = config.encrypted().map(certificate).collect();
    let is_taken = report(of_queue.as_slice()) & report(&of_certificates);
    let fits = !options.online || fits_online(&config);
    match is_taken && fits {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Whether a listener can show its certificate.
fn certificate((section, tls): (&'static str, &ListenerTls)) -> Finding {
    let until = tls.expires.for_people();
    let shown = server_tls(tls).map(|_| format!("{section}.tls_cert_file, until {until}"));
    Finding {
        what: "TLS".into(),
        found: shown.map_err(|error| format!("{section}.tls_cert_file: {error}")),
    }
}

fn fits_online(config: &Config) -> bool {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    else {
        return false;
    };

    let is_good = report(&runtime.block_on(online::findings(config)));
    runtime.shutdown_timeout(Duration::from_secs(1));
    is_good
}

/// Whether all are good.
fn report(findings: &[Finding]) -> bool {
    for Finding { what, found } in findings {
        match found {
            Ok(text) => say(&format!("{what:<9} ok: {text}")),
            Err(text) => say(&format!("{what:<9} PROBLEM: {text}")),
        };
    }
    findings.iter().all(|finding| finding.found.is_ok())
}

fn summary(config: &Config) -> String {
    let off = || "off".to_owned();
    let of_name = |name| config.send.named(name).map_or_else(off, place);
    let (mqtt, kafka) = (of_name(MQTT), of_name(KAFKA));

    let others = config.send.destinations.iter();
    let others = others.filter(|other| ![MQTT, KAFKA, STORE].contains(&&*other.name));
    let others: String = others
        .map(|other| {
            let kind = other.kind.name().as_str();
            format!(", {} ({kind}) {}", other.name, place(other))
        })
        .collect();
    format!(
        "boxes on {}, MQTT {mqtt}, Kafka {kafka}{others}, queue of {} in {}",
        ports(config),
        Size(config.queue.max_bytes),
        config.data_dir.display()
    )
}

/// Where boxes are taken.
fn ports(config: &Config) -> String {
    let ports = config.ingest.ports().map(|port| match port.is_encrypted() {
        false => port.address.to_string(),
        true => format!("{} (TLS)", port.address),
    });
    ports.collect::<Vec<_>>().join(" and ")
}

/// Where it is.
fn place(destination: &Destination) -> String {
    match &destination.kind {
        Kind::Mqtt(Mqtt { broker: None, .. }) => "in this process".to_owned(),
        Kind::Mqtt(Mqtt {
            broker: Some(broker),
            ..
        }) => format!("{}:{}", broker.host, broker.port),
        Kind::Kafka(kafka) => kafka.brokers.clone(),
        Kind::Store(store) => match &store.url {
            StoreUrl::File(folder) => folder.display().to_string(),
            StoreUrl::S3(bucket) => format!("s3://{}/{}", bucket.name, bucket.prefix),
        },
    }
}
