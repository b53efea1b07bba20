//! The Debian package: its whole life in a throwaway view of this machine, and what its unit promises.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{file, succeeds, text};
use crate::parts::child::installed;

/// The package of the binary that is tested: stripped, and packed by xz -1 (gzip would be zopfli, a hundred times slower).
fn package(directory: &Path) -> PathBuf {
    let path = directory.join("old.deb");
    let mut cargo_deb = Command::new(installed("cargo-deb-3.8.0").join("bin/cargo-deb"));
    cargo_deb
        .args(["deb", "--no-build", "--strip", "--fast", "--output"])
        .arg(&path);
    succeeds(cargo_deb.current_dir(env!("CARGO_MANIFEST_DIR")));
    path
}

/// The same as a later version, whose settings differ.
fn next_package(directory: &Path, package: &Path) -> PathBuf {
    let (tree, path) = (directory.join("tree"), directory.join("new.deb"));
    succeeds(
        Command::new("dpkg-deb")
            .arg("--raw-extract")
            .arg(package)
            .arg(&tree),
    );

    let change = |name: &str, change: &dyn Fn(String) -> String| {
        let name = tree.join(name);
        std::fs::write(&name, change(std::fs::read_to_string(&name).unwrap())).unwrap();
    };
    change("DEBIAN/control", &|control| {
        control.replacen("-1\n", "-2\n", 1)
    });
    change("etc/boxbridge/boxbridge.toml", &|settings| {
        settings + "# A newer version says so.\n"
    });
    succeeds(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Znone", "--build"])
            .arg(&tree)
            .arg(&path),
    );
    path
}

#[test]
fn the_package_is_installed_runs_is_upgraded_removed_and_purged() {
    let directory = tempfile::tempdir().unwrap();
    let old = package(directory.path());
    let new = next_package(directory.path(), &old);
    let said = succeeds(
        Command::new(file("tests/debian/lifecycle"))
            .arg(old)
            .arg(new),
    );
    assert!(said.ends_with("nothing left\n"), "{said}");
}

#[test]
fn wrong_settings_do_not_loop_and_a_stop_is_waited_for() {
    let unit = text("config/debian/boxbridge.service");
    for line in [
        "Restart=always",
        "RestartPreventExitStatus=64",
        "TimeoutStopSec=30s",
        "StartLimitIntervalSec=0",
    ] {
        assert!(
            unit.lines().any(|found| found == line),
            "{line} is not in the unit"
        );
    }

    // The settings that are shipped are taken as they are.
    let shipped = file("config/debian/boxbridge.toml");
    let said = succeeds(
        Command::new(env!("CARGO_BIN_EXE_boxbridge"))
            .arg("check")
            .arg("--config")
            .arg(&shipped)
            .env_clear(),
    );
    assert!(said.contains("in /var/lib/boxbridge"), "{said}");

    // And so is every line that one may uncomment, but for the first sign.
    let all: String = std::fs::read_to_string(shipped)
        .unwrap()
        .lines()
        .map(|line| uncommented(line) + "\n")
        .collect();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("all.toml"), &all).unwrap();

    let all = directory.path().join("all.toml");
    let said = succeeds(
        Command::new(env!("CARGO_BIN_EXE_boxbridge"))
            .arg("check")
            .arg("--config")
            .arg(all)
            .env_clear(),
    );
    assert!(
        said.contains("mqtt.example.com") && said.contains("kafka-1:9092"),
        "{said}"
    );
}

fn uncommented(line: &str) -> String {
    let is_setting = line
        .strip_prefix('#')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
    if is_setting {
        line[1..].to_owned()
    } else {
        line.to_owned()
    }
}
