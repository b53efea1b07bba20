//! The merged settings, section by section, into a [`Config`]; the rules that join two keys stand in `together`.

use std::time::Duration;

use super::layers::{Layers, Problems};
use super::reader::{Reader, TOPIC_FIELDS, duration};
use super::{
    Admin, Config, Format, ForwardedBy, Ingest, Log, LogFormat, Normalize, OnFull, PicturePolicy, PictureWait, Quarantine, Queue,
    Route, Routes, ScoreScale, Template,
};
use super::{send, together};
use boxbridge_event::{Lane, PersonType};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const YEAR: Duration = Duration::from_secs(366 * 86_400);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

pub(super) fn config(layers: &Layers) -> Result<Config, Problems> {
    let mut problems = Vec::new();
    let mut settings = layers.merge(&mut problems);
    fill_routes(&mut settings);
    let read = &mut Reader::new(&settings, &layers.environment, problems);
    let mut config = Config {
        data_dir: read.path("data_dir").unwrap_or_else(|| "./data".into()),
        site: read.parsed("site", String::new(), |text| match is_site(text) {
            true => Ok(text.to_owned()),
            false => Err("must be 1 to 32 of a-z 0-9 -".to_owned()),
        }),
        gateway: read.optional("gateway").unwrap_or_else(host_name),
        log: log(read),
        ingest: ingest(read),
        admin: Admin { listen: read.address("admin.listen") },
        normalize: normalize(read),
        queue: queue(read),
        routes: Routes(PersonType::ALL.iter().map(|person_type| route(read, *person_type)).collect()),
        send: send::read(read),
        warnings: Vec::new(),
    };
    together::check(&config, read);
    config.warnings = together::warnings(&config);
    let problems = std::mem::take(&mut read.problems);
    if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
}

/// `[a-z0-9-]{1,32}`; also what `?site=` of a URL must be.
pub fn is_site(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "gateway".to_owned() } else { name }
}

/// Every `[route.<person_type>]` starts from `[route.default]`.
fn fill_routes(settings: &mut serde_json::Value) {
    let default = settings["route"]["default"].clone();
    for person_type in PersonType::ALL {
        let written = settings["route"][person_type.as_str()].take();
        let mut route = default.clone();
        for (key, value) in written.as_object().into_iter().flatten() {
            route[key] = value.clone();
        }
        settings["route"][person_type.as_str()] = route;
    }
}

fn log(read: &mut Reader) -> Log {
    Log {
        format: read.word("log.format", &[("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)]),
        level: read.parsed("log.level", "info".to_owned(), level),
    }
}

/// The five words, and filters that name a module: what is neither would be read as a module of that name, and all else be silent.
fn level(text: &str) -> Result<String, String> {
    const WORDS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
    let is_word = |word: &str| WORDS.contains(&word.to_ascii_lowercase().as_str());
    let parts: Vec<_> = text.split(',').map(str::trim).collect();
    for part in &parts {
        let is_good = match part.rsplit_once('=') {
            Some((module, word)) => !module.is_empty() && (is_word(word) || word.eq_ignore_ascii_case("off")),
            None => is_word(part),
        };
        if !is_good {
            let word = part.rsplit('=').next().unwrap_or_default().to_ascii_lowercase();
            let near = WORDS.into_iter().find(|known| word.len() > 2 && (word.starts_with(known) || known.starts_with(&word)));
            let near = near.or_else(|| WORDS.into_iter().find(|known| strsim::osa_distance(known, &word) == 1));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}"));
            return Err(format!(
                "must be {}, or a filter that names modules, such as info,boxbridge::send=debug{hint}",
                WORDS.join(" | ")
            ));
        }
    }
    let filter = parts.join(",");
    match filter.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(filter),
        Err(error) => Err(format!("is no filter: {error}")),
    }
}

fn ingest(read: &mut Reader) -> Ingest {
    Ingest {
        listen: read.address("ingest.listen"),
        realtime_paths: paths(read, "ingest.realtime_paths"),
        history_paths: paths(read, "ingest.history_paths"),
        status_paths: paths(read, "ingest.status_paths"),
        allowed_networks: read.networks("ingest.allowed_networks"),
        trusted_proxies: read.networks("ingest.trusted_proxies"),
        forwarded_by: read.word(
            "ingest.forwarded_by",
            &[
                ("x-forwarded-for", ForwardedBy::XForwardedFor),
                ("forwarded", ForwardedBy::Forwarded),
                ("proxy-protocol", ForwardedBy::ProxyProtocol),
            ],
        ),
        drain_delay: read.duration("ingest.drain_delay", Duration::ZERO, HOUR),
        answer_deadline: read.duration("ingest.answer_deadline", 10 * MS, 60 * SECOND),
        body_max_bytes: read.bytes("ingest.body_max_bytes", KIB, 64 * MIB),
        history_body_max_bytes: read.bytes("ingest.history_body_max_bytes", KIB, 512 * MIB),
        events_max: read.count("ingest.events_max", 1, 10_000),
        pictures_max: read.count("ingest.pictures_max", 1, 1_000),
        depth_max: read.count("ingest.depth_max", 4, 120),
        header_timeout: read.duration("ingest.header_timeout", 10 * MS, HOUR),
        body_timeout: read.duration("ingest.body_timeout", 10 * MS, HOUR),
        body_min_rate: read.size("ingest.body_min_rate", 1, GIB),
        idle_timeout: read.duration("ingest.idle_timeout", 10 * MS, HOUR),
        connections_max: read.count("ingest.connections_max", 1, 1_000_000),
        in_flight_max_bytes: read.bytes("ingest.in_flight_max_bytes", MIB, 16 * GIB),
        in_flight_wait: read.duration("ingest.in_flight_wait", Duration::ZERO, 60 * SECOND),
        quarantine: Quarantine {
            max_bytes: read.size("ingest.quarantine.max_bytes", 0, TIB),
            keep: read.duration("ingest.quarantine.keep", SECOND, 10 * YEAR),
        },
    }
}

fn paths(read: &mut Reader, key: &str) -> Vec<String> {
    let paths = read.list(key);
    if paths.iter().any(|path| !path.starts_with('/')) {
        read.problem(key, "a path starts with /");
    }
    paths.iter().map(|path| path.trim_end_matches('/').to_owned()).collect()
}

fn normalize(read: &mut Reader) -> Normalize {
    Normalize {
        dedupe_window: read.duration("normalize.dedupe_window", Duration::ZERO, 24 * HOUR),
        dedupe_max_events: read.count("normalize.dedupe_max_events", 1, 10_000_000),
        score_scale: read
            .word("normalize.score_scale", &[("auto", ScoreScale::Auto), ("1", ScoreScale::One), ("100", ScoreScale::Hundred)]),
        picture_max_pixels: read.size("normalize.picture_max_pixels", 1, u64::MAX),
    }
}

fn queue(read: &mut Reader) -> Queue {
    Queue {
        max_bytes: read.size("queue.max_bytes", 256 * MIB, 64 * TIB),
        replay_window: read.duration("queue.replay_window", Duration::ZERO, YEAR),
        on_full: read.word("queue.on_full", &[("refuse", OnFull::Refuse), ("expire_oldest", OnFull::ExpireOldest)]),
        aside_max_bytes: read.size("queue.aside_max_bytes", MIB, TIB),
    }
}

fn route(read: &mut Reader, person_type: PersonType) -> Route {
    let key = |name: &str| format!("route.{person_type}.{name}");
    let mqtt = |text: &str| Template::mqtt_topic(text, TOPIC_FIELDS);
    let forever = read.text(&key("picture_wait")) == "forever";
    Route {
        mqtt_topic: read.template(&key("mqtt_topic"), mqtt),
        mqtt_late_topic: read.template(&key("mqtt_late_topic"), mqtt),
        mqtt_expiry: Some(read.duration(&key("mqtt_expiry"), Duration::ZERO, YEAR)).filter(|expiry| !expiry.is_zero()),
        kafka_topic: read.template(&key("kafka_topic"), Template::kafka_topic),
        kafka_key: read
            .template(&key("kafka_key"), |text| Template::parse(text, TOPIC_FIELDS))
            .unwrap_or_else(|| Template { parts: Vec::new() }),
        lane: read.word(&key("lane"), &[("normal", Lane::Normal), ("urgent", Lane::Urgent)]),
        live_for: read.duration(&key("live_for"), SECOND, 24 * HOUR),
        format: read.word(&key("format"), &[("boxbridge", Format::Boxbridge), ("box", Format::Box)]),
        pictures: read.word(
            &key("pictures"),
            &[("store", PicturePolicy::Store), ("inline", PicturePolicy::Inline), ("drop", PicturePolicy::Drop)],
        ),
        picture_wait: match forever {
            true => PictureWait::Forever,
            false => read.parsed(&key("picture_wait"), PictureWait::Forever, |text| {
                duration(text).map(PictureWait::For).ok_or_else(|| "must be a duration such as 2s, or forever".to_owned())
            }),
        },
    }
}
