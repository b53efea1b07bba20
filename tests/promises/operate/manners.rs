//! How commands behave where they are not watched: in a pipe that ends, without a terminal, as another user, with nobody there.

use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::parts::child::free_port;
use crate::parts::gateway::{Gateway, event};
use crate::parts::s3;
use crate::parts::site::wait_until;

const NOBODY: u32 = 65_534;

fn boxbridge(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
    command.args(arguments).env_clear();
    command
}

/// A pipe that nobody reads any more, as `| head` leaves it.
fn gone() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn gateway() -> Gateway {
    Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("QUEUE__MAX_BYTES", "256MiB"),
    ])
}

#[test]
fn a_command_whose_output_is_not_read_to_the_end_ends_quietly() {
    let gateway = gateway();
    assert_eq!(
        gateway
            .post("/RealTimeEvent", &event("1", json!(1), "gate"))
            .status,
        200
    );
    let (data, admin) = (
        format!("data_dir={}", gateway.data_dir().display()),
        format!("http://{}", gateway.admin),
    );
    let nobody = format!("http://127.0.0.1:{}", free_port());
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["check"], 0),
        (&["schema", "event"], 0),
        (&["schema", "config"], 0),
        (&["status", "--url", &admin], 0),
        (&["status", "--url", &admin, "--json"], 0),
        (&["queue", "status", "--set", &data], 0),
        (&["queue", "inspect", "--set", &data], 0),
        (&["queue", "verify", "--set", &data], 0),
        (&["simulate", "--count", "1", "--url", &nobody], 69),
        (&["simulate", "--count", "1", "--url", &gateway.url()], 0),
        (&["check", "--set", "sitte=lobby"], 64),
        (&["no-such-command"], 64),
        (&["queue", "status", "--set", "data_dir=/no/such/place"], 1),
    ] {
        let output = boxbridge(arguments).stdout(gone()).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(
            !said(&output).contains("panicked"),
            "{arguments:?}: {}",
            said(&output)
        );
        let output = boxbridge(arguments)
            .stdout(gone())
            .stderr(gone())
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?} without standard error"
        );
    }
}

#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let full = || {
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let output = boxbridge(&["schema", "event"])
        .stdout(full())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(
        said(&output).contains("the result cannot be written"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_gateway_whose_log_nobody_reads_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (ingest, admin) = (free_port(), free_port());
    let set = [
        format!("data_dir={}", folder.path().display()),
        format!("ingest.listen=127.0.0.1:{ingest}"),
        format!("admin.listen=127.0.0.1:{admin}"),
        "send.mqtt.url=mqtt://127.0.0.1:9".to_owned(),
        "log.level=trace".to_owned(),
    ];
    let arguments: Vec<_> = set.iter().flat_map(|set| ["--set", set]).collect();
    let mut running = boxbridge(&arguments)
        .stdout(gone())
        .stderr(gone())
        .spawn()
        .unwrap();
    let address = format!("http://127.0.0.1:{admin}");
    crate::parts::site::wait_until("ready", || {
        assert_eq!(running.try_wait().unwrap(), None, "it ended");
        boxbridge(&["status", "--url", &address])
            .output()
            .unwrap()
            .status
            .code()
            == Some(0)
    });
    // It has had much to say by now.
    let sent = boxbridge(&[
        "simulate",
        "--count",
        "5",
        "--url",
        &format!("http://127.0.0.1:{ingest}/RealTimeEvent"),
    ])
    .output()
    .unwrap();
    assert!(said(&sent).contains("acknowledged  5"), "{}", said(&sent));
    terminate(running.id());
    assert_eq!(running.wait().unwrap().code(), Some(0));
}

fn terminate(pid: u32) {
    assert!(
        Command::new("sh")
            .args(["-c", "kill -s TERM \"$0\"", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// Log rotation and a closed terminal send it.
#[test]
fn a_hangup_ends_nothing_and_is_answered_in_the_log() {
    let mut gateway = gateway();
    gateway.signal("HUP");
    wait_until("the log answers", || {
        gateway.log().contains("SIGHUP changes nothing")
    });

    assert_eq!(
        gateway
            .post("/RealTimeEvent", &event("1", json!(1), "gate"))
            .status,
        200
    );
    assert_eq!(gateway.stop(), Some(0));
}

#[test]
fn colours_are_for_terminals() {
    let gateway = Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("LOG__FORMAT", "human"),
    ]);
    assert!(
        gateway.log().contains("accepting events") && !gateway.log().contains('\u{1b}'),
        "{:?}",
        gateway.log()
    );

    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("admin.listen={}", taken.local_addr().unwrap());
    let on_a_terminal = |no_color: &str| {
        let command = format!(
            "'{}' --set 'data_dir={}' --set '{taken}' --set ingest.listen=127.0.0.1:1 --set log.format=human",
            env!("CARGO_BIN_EXE_boxbridge"),
            folder.path().display()
        );
        let mut script = Command::new("script");
        script
            .args(["-qec", &command, "/dev/null"])
            .env("TERM", "xterm")
            .env("NO_COLOR", no_color)
            .stdin(Stdio::null());
        said(&script.output().unwrap())
    };
    let (with, without) = (on_a_terminal(""), on_a_terminal("1"));
    assert!(
        with.contains("cannot start") && with.contains("\u{1b}["),
        "{with:?}"
    );
    assert!(
        without.contains("cannot start") && !without.contains('\u{1b}'),
        "{without:?}"
    );
}

/// Wherever somebody may have written one: it is not in what commands print, in the log, nor in `/readyz`.
#[test]
fn no_secret_is_printed_wherever_it_was_written() {
    const CANARY: &str = "canary-1f0e";
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
    // Those that are right: everything that can be asked for.
    let gateway = Gateway::start(&[
        s3,
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

#[tokio::test]
async fn every_address_of_ipv6_is_every_address_of_ipv4_as_well() {
    let listener = boxbridge::ingest::Listener::bind("[::]:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(
        tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
    );
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    assert_eq!(
        tokio::net::TcpStream::connect(("::1", port)).await.is_ok(),
        has_ipv6
    );
    assert_eq!(
        boxbridge_config::reached(listener.local_addr().unwrap()).to_string(),
        format!("127.0.0.1:{port}")
    );
}

#[test]
fn that_it_cannot_start_is_said_whatever_the_level() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for level in [
        "error",
        "boxbridge::send=debug",
        "boxbridge=off",
        "info,boxbridge=off",
    ] {
        let set = [
            format!("data_dir={}", folder.path().display()),
            format!("admin.listen={}", taken.local_addr().unwrap()),
            format!("log.level={level}"),
        ];
        let output = boxbridge(
            &set.iter()
                .flat_map(|set| ["--set", set])
                .collect::<Vec<_>>(),
        )
        .output()
        .unwrap();
        let said = said(&output);
        assert!(
            output.status.code() == Some(1) && said.matches("cannot start").count() == 1,
            "{level}: {said}"
        );
        assert!(
            said.contains("is another boxbridge, or the vendor's receiver, still running?"),
            "{level}: {said}"
        );
    }
}

#[test]
fn boxes_that_nobody_answers_have_not_measured_anything() {
    let nobody = format!("http://127.0.0.1:{}/RealTimeEvent", free_port());
    let output = boxbridge(&[
        "simulate", "--count", "3", "--rate", "100", "--url", &nobody,
    ])
    .output()
    .unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(
        text.contains("nobody answered at http://127.0.0.1:") && !text.contains("over 500 ms   0"),
        "{text}"
    );
    let output = boxbridge(&[
        "simulate", "--count", "3", "--rate", "100", "--url", &nobody, "--json",
    ])
    .output()
    .unwrap();
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&outcome["unanswered"], &outcome["over_500_ms"]),
        (&json!(3), &json!(1.0)),
        "{outcome}"
    );
}

#[test]
fn another_user_hears_that_he_may_not_and_not_that_nothing_is_there() {
    use std::os::unix::fs::PermissionsExt;

    let gateway = gateway();
    assert_eq!(
        gateway
            .post("/RealTimeEvent", &event("1", json!(1), "gate"))
            .status,
        200
    );
    let folder = gateway.data_dir();
    for above in folder.ancestors().take(2) {
        std::fs::set_permissions(above, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    // Where the build lies, others may not come.
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("boxbridge");
    std::fs::copy(env!("CARGO_BIN_EXE_boxbridge"), &program).unwrap();
    let is_root = std::fs::metadata("/proc/self").unwrap();
    let is_root = std::os::unix::fs::MetadataExt::uid(&is_root) == 0;
    if !is_root {
        for name in ["queue", "pictures"] {
            std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o000))
                .unwrap();
        }
    }
    let ledger = place.path().join("ledger");
    std::fs::write(&ledger, "").unwrap();
    let (data, ledger) = (
        format!("data_dir={}", folder.display()),
        ledger.display().to_string(),
    );
    for arguments in [
        &["queue", "status"][..],
        &["queue", "inspect"],
        &["queue", "verify"],
        &["reconcile", "--store", "--ledger", &ledger],
        &["check", "--online"],
    ] {
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .args(["--set", &data, "--set", "send.mqtt.url=mqtt://127.0.0.1:9"])
            .env_clear();
        if is_root {
            command.uid(NOBODY);
        }
        let output = command.output().unwrap();
        let said = said(&output);
        assert!(
            !output.status.success() && said.contains("Permission denied"),
            "{arguments:?}: {said}"
        );
        assert!(!said.contains("no queue in"), "{arguments:?}: {said}");
    }
    if !is_root {
        for name in ["queue", "pictures"] {
            std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o700))
                .unwrap();
        }
    }
}

#[test]
fn where_a_store_is_say_the_settings_and_who_we_are_the_environment() {
    let server = s3::Server::start();
    let folder = tempfile::tempdir().unwrap();
    let set = [
        format!("data_dir={}", folder.path().display()),
        format!("send.store.url=s3://{}", s3::BUCKET),
        format!("send.store.endpoint={}", server.endpoint()),
        "send.mqtt.url=mqtt://127.0.0.1:9".to_owned(),
    ];
    let check = |environment: &[(&str, &str)]| {
        let arguments = set
            .iter()
            .flat_map(|set| ["--set", set])
            .collect::<Vec<_>>();
        let mut command = boxbridge(&[&["check", "--online"], &arguments[..]].concat());
        said(&command.envs(environment.iter().copied()).output().unwrap())
    };
    let keys = [
        ("AWS_ACCESS_KEY_ID", "tester\n"),
        ("AWS_SECRET_ACCESS_KEY", "a secret of the tests\n"),
    ];
    let elsewhere = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3"]
        .map(|name| (name, "http://127.0.0.1:9"));
    let other = [
        ("AWS_REGION", "eu-west-9"),
        ("AWS_BUCKET", "others"),
        ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true"),
    ];
    let found = check(&[&keys[..], &elsewhere, &other].concat());
    assert!(found.contains("store     ok"), "{found}");
    let found = check(&[keys[0], ("AWS_SECRET_ACCESS_KEY", "wrong")]);
    assert!(
        found.contains("store     PROBLEM")
            && found.contains("send.store.access_key_id, its secret"),
        "{found}"
    );
}
