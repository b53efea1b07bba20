//! `boxbridge schema config`: what it says of a setting is what the reader takes, and what the shipped file's comment says.

use std::collections::BTreeMap;
use std::time::Duration;

use boxbridge_config::{Config, DEFAULTS, Layers};
use serde_json::{Value, json};

/// Every setting by its dotted key.
fn settings() -> BTreeMap<String, Value> {
    let mut settings = BTreeMap::new();
    collect("", &boxbridge_config::schema(), &mut settings);
    settings
}

fn collect(path: &str, schema: &Value, settings: &mut BTreeMap<String, Value>) {
    let Some(properties) = schema["properties"].as_object() else {
        settings.insert(path.to_owned(), schema.clone());
        return;
    };
    for (name, schema) in properties {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        collect(&path, schema, settings);
    }
}

/// Everything is on, and nothing is missing that goes with another.
const ALL_ON: [(&str, &str); 5] = [
    ("ingest.trusted_proxies", "10.0.0.1"),
    ("send.kafka.brokers", "kafka:9092"),
    ("send.kafka.username", "boxbridge"),
    ("send.kafka.password", "secret"),
    ("send.store.url", "s3://faces"),
];

/// Whether a value is taken, as far as the setting itself goes; if not, what is said.
fn taken(key: &str, value: &str) -> Result<(), String> {
    let all = ALL_ON
        .into_iter()
        .filter(|(on, _)| *on != key)
        .chain([(key, value)]);
    let variable = |key: &str| format!("BOXBRIDGE_{}", key.to_uppercase().replace('.', "__"));
    let environment = all
        .map(|(key, value)| (variable(key), value.to_owned()))
        .collect();
    let found = Config::load(&Layers {
        environment,
        ..Layers::default()
    });

    let said = found.map_or_else(|problems| problems.to_string(), |_| String::new());
    let of_it = said
        .lines()
        .find(|line| line.starts_with(&format!("config: {key} = ")));
    of_it.map_or(Ok(()), |line| Err(line.to_owned()))
}

#[test]
fn every_setting_of_the_shipped_file_says_what_it_may_be_and_what_for() {
    let settings = settings();
    let mut section = String::new();
    let mut keys = 0;
    for line in DEFAULTS.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.split(']').next().unwrap());
        } else if let Some((key, rest)) = line.split_once(" = ") {
            let key = format!("{section}{}", key.trim());
            let setting = settings
                .get(&key)
                .unwrap_or_else(|| panic!("{key} is not in the schema"));
            assert!(
                setting["type"].is_string()
                    || setting["type"].is_array()
                    || setting["enum"].is_array(),
                "{key}: {setting}"
            );
            if let Some((_, comment)) = rest.rsplit_once(" # ") {
                assert_eq!(setting["description"], comment.trim(), "{key}");
            }
            keys += 1;
        }
    }
    assert!(keys > 80, "only {keys} keys");
    for (key, setting) in settings.iter().filter(|(key, _)| key.starts_with("route.")) {
        assert!(
            setting["description"]
                .as_str()
                .is_some_and(|text| text.len() > 3),
            "{key} has no description"
        );
    }
}

#[test]
fn every_setting_says_whether_a_reload_takes_it() {
    let settings = settings();
    for (key, setting) in &settings {
        let declared = setting["x-reload"].as_str();
        assert!(
            matches!(declared, Some("live" | "restart")),
            "{key}: where it is read there is neither `live` nor `by_restart`"
        );
    }

    let of = |key: &str| settings[key]["x-reload"].as_str().unwrap();
    for key in [
        "data_dir",
        "site",
        "gateway",
        "ingest.listen",
        "admin.listen",
        "queue.max_bytes",
        "send.store.url",
        "send.mqtt.embedded.listen",
        "send.store.links.listen",
        "send.mqtt.kind",
    ] {
        assert_eq!(of(key), "restart", "{key}");
    }
    for key in [
        "log.level",
        "ingest.body_max_bytes",
        "route.vip.lane",
        "send.mqtt.url",
        "send.mqtt.password_file",
        "send.kafka.ca_file",
    ] {
        assert_eq!(of(key), "live", "{key}");
    }
}

#[test]
fn a_comment_names_every_word_that_its_setting_takes() {
    for (key, setting) in settings() {
        let comment = setting["description"].as_str().unwrap_or_default();
        for word in setting["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            let named = comment
                .split(|c: char| !(c.is_alphanumeric() || "-_".contains(c)))
                .any(|found| found == word);
            assert!(
                named,
                "{key} takes {word:?}, and its comment says: {comment}"
            );
        }
        if setting["pattern"]
            .as_str()
            .is_some_and(|pattern| pattern.contains("forever"))
        {
            assert!(comment.contains("forever"), "{key}: {comment}");
        }
    }
}

#[test]
fn what_the_schema_allows_is_what_the_reader_takes() {
    let mut checked = 0;
    for (key, setting) in settings() {
        let (good, bad) = limits(&setting);
        for value in &good {
            assert_eq!(taken(&key, value), Ok(()), "{key} = {value}: {setting}");
        }
        for value in &bad {
            assert!(
                taken(&key, value).is_err(),
                "{key} = {value} is taken: {setting}"
            );
        }
        checked += usize::from(!good.is_empty());
    }
    assert!(checked > 60, "only {checked} settings");
}

/// Values that a schema allows, and some close by that it does not.
fn limits(setting: &Value) -> (Vec<String>, Vec<String>) {
    let text = |name: &str| setting[name].as_str();
    if let Some(words) = setting["enum"].as_array() {
        return (
            words
                .iter()
                .map(|word| {
                    word.as_str()
                        .map_or_else(|| word.to_string(), str::to_owned)
                })
                .collect(),
            words_no_one_takes(),
        );
    }
    if setting["type"] == json!("boolean") {
        return (
            vec!["true".to_owned(), "false".to_owned()],
            words_no_one_takes(),
        );
    }
    if let (Some(least), Some(most)) = (setting["minimum"].as_i64(), setting["maximum"].as_i64()) {
        let good = [least.to_string(), most.to_string()].into_iter();
        let of_size = [text("x-minimum"), text("x-maximum")]
            .into_iter()
            .flatten()
            .map(str::to_owned);
        return (
            good.chain(of_size).collect(),
            vec![
                (least - 1).to_string(),
                (most + 1).to_string(),
                "many".to_owned(),
            ],
        );
    }
    if let (Some(least), Some(most)) = (text("x-minimum"), text("x-maximum")) {
        let or = text("pattern").filter(|pattern| pattern.contains("|forever"));
        let good = [least, most]
            .into_iter()
            .chain(or.map(|_| "forever"))
            .map(str::to_owned)
            .collect();
        let (least, most) = (
            boxbridge_config::duration(least).unwrap(),
            boxbridge_config::duration(most).unwrap(),
        );
        let millisecond = Duration::from_millis(1);
        let beyond = [
            least.checked_sub(millisecond),
            most.checked_add(millisecond).filter(|_| or.is_none()),
        ];
        let bad = beyond
            .into_iter()
            .flatten()
            .map(|duration| format!("{}ms", duration.as_millis()));
        return (
            good,
            bad.chain(["5".to_owned(), "for ever".to_owned()]).collect(),
        );
    }
    (Vec::new(), Vec::new())
}

fn words_no_one_takes() -> Vec<String> {
    vec!["perhaps".to_owned(), String::new()]
}

#[test]
fn the_defaults_of_a_person_type_are_those_that_it_has() {
    let settings = settings();
    for (key, default) in [
        ("route.default.lane", "normal"),
        ("route.employee.lane", "normal"),
        ("route.vip.lane", "urgent"),
        ("route.vip.live_for", "60s"),
        ("route.blacklist.live_for", "5m"),
        ("send.store.url", "file:"),
        ("send.kafka.brokers", ""),
    ] {
        assert_eq!(settings[key]["default"], default, "{key}");
    }
}

#[test]
fn the_schema_tells_words_ranges_and_units() {
    let settings = settings();
    for (key, words) in [
        ("log.format", json!(["auto", "human", "json"])),
        ("queue.on_full", json!(["refuse", "expire_oldest"])),
        ("route.vip.lane", json!(["normal", "urgent"])),
        ("send.mqtt.version", json!(["5", "3", 5, 3])),
        ("send.kafka.create_topics", json!(["missing", "never"])),
        ("log.level", Value::Null),
        ("route.default.mqtt_topic", Value::Null),
    ] {
        assert_eq!(settings[key]["enum"], words, "{key}");
    }

    let pattern = |key: &str| {
        settings[key]["pattern"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(pattern("ingest.drain_delay"), "^(([0-9]+(ms|s|m|h|d))+)$");
    assert_eq!(
        pattern("route.default.picture_wait"),
        "^(([0-9]+(ms|s|m|h|d))+|forever)$"
    );
    assert!(
        pattern("queue.max_bytes").contains("GiB")
            && pattern("send.kafka.max_message_bytes").contains("MB")
    );
    assert_eq!(
        (pattern("site"), pattern("send.mqtt.url")),
        ("^[a-z0-9-]{1,32}$".to_owned(), String::new())
    );

    let deadline = &settings["ingest.answer_deadline"];
    assert_eq!(
        (&deadline["x-minimum"], &deadline["x-maximum"]),
        (&json!("10ms"), &json!("1m"))
    );
    let queue = &settings["queue.max_bytes"];
    assert_eq!(
        (&queue["minimum"], &queue["x-maximum"], &queue["x-unit"]),
        (&json!(256 << 20), &json!("64TiB"), &json!("bytes"))
    );
    assert_eq!(
        settings["ingest.body_min_rate"]["x-unit"],
        "bytes per second"
    );
    assert_eq!(
        (
            &settings["send.kafka.replication"]["minimum"],
            &settings["send.kafka.replication"]["maximum"]
        ),
        (&json!(-1), &json!(100))
    );
    assert_eq!(settings["send.mqtt.password"]["writeOnly"], true);
    assert_eq!(
        settings["route.default.kafka_topic"]["x-fields"],
        json!(["person_type", "site", "feed"])
    );
}
