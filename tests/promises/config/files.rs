//! Settings: what is wrong is said, all of it, with the key, what was found and what is allowed.
//!
//! Each file in `tests/config` opens with the exact lines it is answered with; adding a rule is adding a file.

use std::path::{Path, PathBuf};

use boxbridge_config::{Bucket, Config, DEFAULTS, Layers, StoreUrl};
use boxbridge_event::{Lane, PersonType};

fn load(file: Option<PathBuf>, environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Config::load(&Layers {
        file,
        environment,
        flags: Vec::new(),
    })
    .map_err(|problems| problems.to_string())
}

#[test]
fn every_bad_file_is_answered_with_every_problem_at_once() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let mut checked = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected: Vec<_> = text
            .lines()
            .map_while(|line| line.strip_prefix("# "))
            .collect();
        let expected = expected
            .join("\n")
            .replace("{file}", &path.display().to_string());
        let found =
            load(Some(path.clone()), &[]).expect_err(&format!("{} is accepted", path.display()));
        assert_eq!(found, expected, "{}", path.display());
        checked += 1;
    }
    assert!(checked >= 10, "only {checked} files");
}

#[test]
fn the_shipped_file_is_the_defaults_to_the_letter() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/boxbridge.toml");
    assert_eq!(std::fs::read_to_string(&shipped).unwrap(), DEFAULTS);
    let written = load(Some(shipped), &[]).unwrap();
    assert_eq!(
        format!("{written:?}"),
        format!("{:?}", load(None, &[]).unwrap())
    );
}

#[test]
fn every_setting_has_one_comment() {
    for line in DEFAULTS
        .lines()
        .filter(|line| line.contains(" = ") && !line.starts_with('#'))
    {
        let is_plain = [
            "username",
            "password_file",
            "key_file",
            "secret_access_key_file",
            "cert_file",
        ];
        let key = line.split(' ').next().unwrap();
        let of_route = ["lane", "live_for", "picture_wait"].contains(&key);
        assert!(
            line.contains(" # ") || is_plain.contains(&key) || of_route,
            "{line}"
        );
    }
}

#[test]
fn the_environment_overrides_the_file_and_numbers_stay_texts() {
    let config = load(
        None,
        &[
            ("BOXBRIDGE_SEND__KAFKA__BROKERS", "a:9092,b:9092"),
            ("BOXBRIDGE_SITE", "007"),
            ("BOXBRIDGE_QUEUE__MAX_BYTES", "512MiB"),
            ("BOXBRIDGE_ROUTE__DEFAULT__LIVE_FOR", "90s"),
            ("BOXBRIDGE_INGEST__HISTORY_PATHS", "/History, /HistoryEvent"),
        ],
    )
    .unwrap();
    assert_eq!(config.send.kafka().unwrap().brokers, "a:9092,b:9092");
    assert_eq!(config.site, "007");
    assert_eq!(config.queue.max_bytes, 512 << 20);
    assert_eq!(config.ingest.history_paths, ["/History", "/HistoryEvent"]);
    assert_eq!(
        config.routes.of(PersonType::Employee).live_for.as_secs(),
        90
    );
    assert_eq!(
        config.routes.of(PersonType::Blacklist).live_for.as_secs(),
        300
    );
    assert_eq!(config.routes.of(PersonType::Vip).lane, Lane::Urgent);
}

#[test]
fn a_wrong_variable_is_named_with_its_section() {
    let found = load(None, &[("BOXBRIDGE_SEND__KAFKA__BROKRS", "a:9092")]).unwrap_err();
    assert_eq!(
        found,
        "config: unknown key \"brokrs\" in [send.kafka] of the environment, did you mean \"brokers\""
    );
}

#[test]
fn a_variable_with_one_underscore_is_told_of_the_second() {
    for (name, key, place, meant) in [
        (
            "SEND_MQTT_URL",
            "send_mqtt_url",
            "at the top",
            "SEND__MQTT__URL",
        ),
        ("SEND__MQTT_URL", "mqtt_url", "in [send]", "SEND__MQTT__URL"),
        (
            "INGEST_BODY_MAX_BYTES",
            "ingest_body_max_bytes",
            "at the top",
            "INGEST__BODY_MAX_BYTES",
        ),
    ] {
        let found = load(
            None,
            &[(&format!("BOXBRIDGE_{name}"), "mqtt://user:canary@broker")],
        )
        .unwrap_err();
        let expected = format!(
            "config: unknown key {key:?} {place} of the environment, did you mean BOXBRIDGE_{meant} (two underscores between section and key)"
        );
        assert_eq!(found, expected);
    }
    let found = load(None, &[("BOXBRIDGE_BROKERS", "a:9092")]).unwrap_err();
    assert_eq!(
        found,
        "config: unknown key \"brokers\" at the top of the environment, did you mean BOXBRIDGE_SEND__KAFKA__BROKERS"
    );
}

const S3: (&str, &str) = ("BOXBRIDGE_SEND__STORE__URL", "s3://faces");

fn bucket(environment: &[(&str, &str)]) -> Result<Bucket, String> {
    load(None, &[environment, &[S3]].concat()).map(|config| match config.send.store().url.clone() {
        StoreUrl::S3(bucket) => bucket,
        StoreUrl::File(_) => panic!("no bucket"),
    })
}

#[test]
fn keys_of_the_environment_are_taken_without_what_was_copied_with_them() {
    let taken = bucket(&[
        ("AWS_ACCESS_KEY_ID", "bench\n"),
        ("AWS_SECRET_ACCESS_KEY", " secret\r\n"),
    ])
    .unwrap();
    let values: Vec<_> = taken
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose()))
        .collect();
    assert_eq!(
        values,
        [
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "secret")
        ]
    );
    assert!(!format!("{taken:?}").contains("secret\""), "{taken:?}");

    let wrong = "of the environment holds a blank, a line end or another character that no key has: was it copied with something around it?";
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"] {
        for value in ["can\nary", "can\u{1}ary", "canäry", "can ary"] {
            assert_eq!(
                bucket(&[(name, value)]).unwrap_err(),
                format!("config: {name} {wrong}"),
                "never the value"
            );
        }
    }
    let found = bucket(&[("AWS_SECRET_ACCESS_KEY", "can\nary")]).unwrap_err();
    assert!(
        found.contains("AWS_SECRET_ACCESS_KEY of the environment holds a line end")
            && !found.contains("ary"),
        "{found}"
    );
    let found = bucket(&[("AWS_ACCESS_KEY_ID", "bench")]).unwrap_err();
    assert_eq!(
        found,
        "config: AWS_ACCESS_KEY_ID is in the environment, and AWS_SECRET_ACCESS_KEY is not: both or neither"
    );
    // A folder needs none of it.
    assert!(load(None, &[("AWS_ACCESS_KEY_ID", "can\nary")]).is_ok());
}

#[test]
fn what_the_operator_should_know_is_said_as_a_warning() {
    let warned =
        |environment: &[(&str, &str)]| load(None, environment).unwrap().warnings.join("\n");
    let usual = warned(&[]);
    let found = warned(&[
        ("BOXBRIDGE_QUEUE__MAX_BYTES", "64TiB"),
        ("BOXBRIDGE_INGEST__ANSWER_DEADLINE", "2s"),
    ]);
    assert!(
        found.contains("queue.max_bytes (64TiB) is more than the whole disk of ./data holds ("),
        "{found}"
    );
    assert!(
        found.contains("ingest.answer_deadline (2s) is not under a box's patience (500ms)"),
        "{found}"
    );
    assert!(
        !usual.contains("max_bytes") && !usual.contains("patience"),
        "{usual}"
    );
    let found = warned(&[
        ("BOXBRIDGE_SEND__MQTT__URL", "mqtt://broker"),
        ("BOXBRIDGE_SEND__MQTT__VERSION", "3"),
    ]);
    assert!(
        found.contains("send.mqtt.version = 3: such a broker cannot say that it refused"),
        "{found}"
    );
    let found = warned(&[("BOXBRIDGE_SEND__STORE__MAX_BYTES", "1024TiB")]);
    assert!(
        found.contains(
            "send.store.max_bytes (1024TiB) is more than the whole disk of ./data/pictures holds ("
        ),
        "{found}"
    );
}

#[test]
fn a_filter_of_the_log_names_modules_and_never_silences_the_rest() {
    let level =
        |text: &str| load(None, &[("BOXBRIDGE_LOG__LEVEL", text)]).map(|config| config.log.level);
    for good in [
        "warn",
        "INFO",
        "info,boxbridge::send=debug",
        "boxbridge::queue=trace, rumqttc=off",
    ] {
        assert_eq!(level(good), Ok(good.replace(' ', "")));
    }
    for (bad, meant) in [
        ("warning", "warn"),
        ("erorr", "error"),
        ("information", "info"),
        ("inf", "info"),
        ("boxbridge=debg", "debug"),
    ] {
        assert!(
            level(bad)
                .unwrap_err()
                .ends_with(&format!("did you mean {meant}")),
            "{bad}: {:?}",
            level(bad)
        );
    }
    for bad in ["off", "3", "quiet", "boxbridge=loud", "=info", "info,", ""] {
        assert!(
            level(bad)
                .unwrap_err()
                .contains("must be error | warn | info | debug | trace"),
            "{bad}: {:?}",
            level(bad)
        );
    }
}

#[test]
fn a_secret_is_never_printed() {
    let variables = [
        ("BOXBRIDGE_SEND__MQTT__PASSWORD", "hunter2-canary"),
        ("BOXBRIDGE_SEND__MQTT__URL", "mqtt://broker"),
    ];
    let config = load(None, &variables).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
    assert_eq!(
        config.send.mqtt().unwrap().password.expose(),
        "hunter2-canary"
    );
}
