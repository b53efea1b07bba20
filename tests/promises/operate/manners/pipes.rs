//! Where the output goes is no matter of the work: a pipe that ends, a full disk, a terminal that hangs up.

use std::process::{Command, Stdio};

use serde_json::json;

use super::{boxbridge, gateway, gone, said};
use crate::parts::child::free_port;
use crate::parts::gateway::{Gateway, event};
use crate::parts::site::wait_until;

#[test]
fn a_command_whose_output_is_not_read_to_the_end_ends_quietly() {
    let gateway = gateway();
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
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
        "send.store.links.listen=127.0.0.1:0".to_owned(),
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
fn a_hangup_ends_nothing_and_the_settings_are_read_again() {
    let mut gateway = gateway();
    gateway.signal("HUP");
    wait_until("the log answers", || {
        gateway.log().contains("nothing has changed")
    });

    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
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
