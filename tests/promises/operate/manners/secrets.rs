//! A secret is printed nowhere, whatever place it was written in.

use super::{boxbridge, said};
use crate::parts::gateway::Gateway;

const CANARY: &str = "canary-1f0e";

/// Wherever somebody may have written one: it is not in what commands print.
#[test]
fn no_secret_is_printed_wherever_it_was_written_by_mistake() {
    let s3 = ("SEND__STORE__URL", "s3://faces");
    let credentials = format!("user:{CANARY}");
    for settings in [
        &[
            s3,
            (
                "SEND__STORE__ENDPOINT",
                &format!("http://{credentials}@127.0.0.1:9"),
            ),
        ][..],
        &[
            s3,
            (
                "SEND__STORE__ENDPOINT",
                &format!("{credentials}@127.0.0.1:9"),
            ),
        ],
        &[
            s3,
            ("SEND__STORE__SECRET_ACCESS_KEY", &format!("{CANARY}\nmore")),
        ],
        &[("SEND__STORE__URL", &format!("s3://{credentials}@faces"))],
        &[(
            "SEND__STORE__PUBLIC_URL",
            &format!("http://{credentials}@127.0.0.1"),
        )],
        &[(
            "SEND__MQTT__URL",
            &format!("mqtt://{credentials}@127.0.0.1:9"),
        )],
        &[("SEND__MQTT__URL", &format!("{credentials}@127.0.0.1:9"))],
        &[("SEND__MQTT", CANARY)],
        &[("SEND__MQTT__PASSWRD", CANARY)],
        &[("SEND__MQTT__PASSWORD__FILE", CANARY)],
        &[("SEND_MQTT_PASSWORD", CANARY)],
        &[(
            "SEND__KAFKA__BROKERS",
            &format!("sasl_ssl://{credentials}@127.0.0.1:9"),
        )],
        &[(
            "SEND__KAFKA__BROKERS",
            &format!("{credentials}@127.0.0.1:9"),
        )],
    ] {
        for arguments in [&["check"][..], &["check", "--online"], &[]] {
            let mut command = boxbridge(arguments);
            command.envs(
                settings
                    .iter()
                    .map(|(name, value)| (format!("BOXBRIDGE_{name}"), value)),
            );
            let said = said(&command.output().unwrap());
            assert!(
                said.starts_with("config: ") && !said.contains(CANARY),
                "{settings:?} {arguments:?}: {said}"
            );
        }
    }
}

/// Where it belongs: it is not in the log, nor in anything that can be asked for.
#[test]
fn no_secret_of_good_settings_is_printed() {
    let gateway = Gateway::start(&[
        ("SEND__STORE__URL", "s3://faces"),
        ("SEND__STORE__ENDPOINT", "http://127.0.0.1:9"),
        ("SEND__STORE__ACCESS_KEY_ID", "somebody"),
        ("SEND__STORE__SECRET_ACCESS_KEY", CANARY),
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("SEND__MQTT__USERNAME", "somebody"),
        ("SEND__MQTT__PASSWORD", CANARY),
        ("SEND__KAFKA__BROKERS", "127.0.0.1:9"),
        ("SEND__KAFKA__SECURITY", "sasl_plaintext"),
        ("SEND__KAFKA__USERNAME", "somebody"),
        ("SEND__KAFKA__PASSWORD", CANARY),
        ("LOG__LEVEL", "trace"),
    ]);
    crate::parts::site::wait_until("all of them down", || {
        gateway.ready()["reasons"]
            .to_string()
            .matches("is down: ")
            .count()
            == 3
    });
    let (checked, _) = gateway.run(&["check", "--online"]);
    for said in [
        gateway.log(),
        gateway.ready().to_string(),
        format!("{:?}", gateway.metrics()),
        checked,
    ] {
        assert!(!said.contains(CANARY), "{said}");
    }
}
