//! A command that cannot do its work says why, to the one who asked.

use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::json;

use super::{boxbridge, gateway, said};
use crate::parts::child::free_port;
use crate::parts::gateway::event;

const NOBODY: u32 = 65_534;

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
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
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
