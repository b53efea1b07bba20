//! What the gateway knows stays with it: no file of its is for others, and nobody looks into its memory.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::parts::child::{Child, PATIENCE, free_port, listens};
use crate::parts::gateway::{Gateway, event};
use crate::parts::site::{base64, jpeg};

/// Nobody's; a superuser may look into everything.
const NOBODY: u32 = 65_534;

#[test]
fn what_identifies_people_is_for_the_gateways_own_user_only() {
    let broker = format!("127.0.0.1:{}", free_port());
    let mut gateway = Gateway::start(&[("SEND__MQTT__EMBEDDED__LISTEN", &broker)]);
    let mut body = event("1", json!(1), "10.0.0.1");
    body["ext_data"]["spot_pic"] = base64(&jpeg(1, 3_000));
    gateway.take("/RealTimeEvent", &body);
    assert_eq!(gateway.post_bytes("/RealTimeEvent", b"{").status, 400);
    gateway.wait_delivered();
    assert_eq!(gateway.stop(), Some(0));

    let mut left = vec![gateway.data_dir()];
    let mut walked = 0;
    while let Some(path) = left.pop() {
        let metadata = path.symlink_metadata().unwrap();
        let mode = metadata.permissions().mode() & 0o777;
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}", path.display());

        if metadata.is_dir() {
            let entries = std::fs::read_dir(&path).unwrap();
            left.extend(entries.map(|entry| entry.unwrap().path()));
        }
        walked += 1;
    }
    assert!(walked > 10, "only {walked}");
}

/// The gateway in `data`, with cores as large as they come. Not as the superuser: whose process it is says who owns its files in /proc.
fn for_cores(folder: &Path, data: &Path, admin: u16) -> Command {
    let mut command = Command::new("prlimit");
    command.arg("--core=unlimited:unlimited");
    // Others may not enter the folder where it was built.
    let program = folder.join("boxbridge");
    std::fs::copy(env!("CARGO_BIN_EXE_boxbridge"), &program).unwrap();
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        let user = format!("--reuid={NOBODY}");
        command.args(["setpriv", &user, "--clear-groups"]);
        for path in [folder, data] {
            chown(path, Some(NOBODY), None).unwrap();
        }
    }

    command.arg(&program).current_dir(data);
    let settings = [
        ("data_dir", data.display().to_string()),
        ("ingest.listen", "127.0.0.1:0".to_owned()),
        ("admin.listen", format!("127.0.0.1:{admin}")),
        ("send.mqtt.embedded.listen", "127.0.0.1:0".to_owned()),
        ("send.store.links.listen", "127.0.0.1:0".to_owned()),
    ];
    for (key, value) in settings {
        command.args(["--set", &format!("{key}={value}")]);
    }
    command
}

#[test]
fn a_running_gateway_leaves_no_core_and_lets_nobody_look_into_its_memory() {
    let (folder, log) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, admin) = (folder.path().join("data"), free_port());
    std::fs::create_dir(&data).unwrap();
    let command = for_cores(folder.path(), &data, admin);
    let mut gateway = Child::start(&command, &log.path().join("log"));
    gateway.wait_until("gateway", PATIENCE, || listens(admin));

    let of_process = format!("/proc/{}", gateway.id());
    let limits = std::fs::read_to_string(format!("{of_process}/limits")).unwrap();
    let mut lines = limits.lines();
    let core = lines.find(|line| line.starts_with("Max core file size"));
    let limits = core.unwrap().split_whitespace();
    assert_eq!(limits.filter(|word| *word == "0").count(), 2, "{core:?}");
    let owner = std::fs::metadata(format!("{of_process}/environ")).unwrap();
    assert_eq!(owner.uid(), 0, "its memory is the superuser's alone");

    gateway.signal("ABRT");
    assert_eq!(gateway.wait(), None, "a signal ended it");
    let left = std::fs::read_dir(&data).unwrap();
    let mut names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.any(|name| name.starts_with("core")));
}
