//! The ways to install it, each held against its own tools: the image, the bench, the Debian package, the release.

mod compose;
mod debian;
mod service;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::parts::child::installed;

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What it printed; panics if it could not be started or failed.
fn succeeds(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error} (make test installs it)"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// The first word behind `before` in a file.
fn word_behind(path: &str, before: &str) -> String {
    let text = text(path);
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("{path} has no {before:?}"));
    rest.split(|c: char| c.is_whitespace() || c == '"')
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn the_dockerfile_and_the_workflows_have_no_lint() {
    succeeds(Command::new(installed("hadolint-2.15.1").join("hadolint")).arg(file("Dockerfile")));
    succeeds(
        Command::new(installed("actionlint-1.7.12").join("actionlint"))
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    );
}

#[test]
fn image_package_and_release_are_made_with_the_versions_that_are_tested() {
    let toolchain = word_behind("rust-toolchain.toml", "channel = \"");
    assert_eq!(
        word_behind("Dockerfile", "FROM rust:"),
        format!("{toolchain}-slim-bookworm")
    );
    let cargo_deb = word_behind("tests/install/parts", "cargo_deb=cargo-deb-");
    assert_eq!(
        word_behind("Dockerfile", "--no-default-features --version "),
        cargo_deb
    );
    assert_eq!(word_behind("Makefile", "CARGO_DEB := "), cargo_deb);
    let cargo_deny = word_behind("tests/install/parts", "cargo_deny=cargo-deny-");
    assert_eq!(word_behind("Makefile", "CARGO_DENY := "), cargo_deny);
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        text("config/debian/changelog").starts_with(&format!("boxbridge ({version}-1) ")),
        "the changelog is not of {version}"
    );
    for compose in ["docker-compose.yml", "docker-compose.cluster.yml"] {
        assert_eq!(word_behind(compose, "image: boxbridge:"), version);
        assert_eq!(word_behind(compose, "VERSION: "), version);
    }
}

/// What `make lint` says, too: here it cannot be left out.
#[test]
fn our_tree_holds_only_licences_and_sources_that_we_allow() {
    let deny = installed("cargo-deny-0.20.2").join("bin/cargo-deny");
    let arguments = ["--locked", "check", "bans", "licenses", "sources"];
    succeeds(
        Command::new(deny)
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    );
}

/// A workflow that can write releases runs only what was looked at.
#[test]
fn every_action_of_the_workflows_is_pinned_by_its_commit() {
    for workflow in ["test", "release"] {
        let text = text(&format!(".github/workflows/{workflow}.yml"));
        for line in text
            .lines()
            .filter_map(|line| line.split_once("uses: ").map(|(_, used)| used))
        {
            let commit = line.split(['@', ' ']).nth(1).unwrap_or_default();
            let is_pinned =
                commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(
                is_pinned || line.starts_with("./"),
                "{workflow}.yml: {line}"
            );
        }
        assert!(
            text.contains("\npermissions:\n  contents: read\n"),
            "{workflow}.yml may more than it says"
        );
    }
}

/// Of the files and of the image each.
#[test]
fn what_is_released_is_attested_with_where_it_was_built_and_with_what_is_in_it() {
    let release: Value = serde_saphyr::from_str(&text(".github/workflows/release.yml")).unwrap();
    let steps = release["jobs"]["publish"]["steps"].as_array().unwrap();
    let of_action = |action: &str| {
        let used = format!("actions/{action}@");
        let is_it = move |step: &&Value| {
            step["uses"]
                .as_str()
                .is_some_and(|it| it.starts_with(&used))
        };
        steps
            .iter()
            .filter(is_it)
            .map(|step| &step["with"])
            .collect::<Vec<_>>()
    };
    let (built, held) = (of_action("attest-build-provenance"), of_action("attest"));

    for attested in [&built, &held] {
        let subjects: Vec<_> = attested
            .iter()
            .map(|it| it["subject-path"].is_string())
            .collect();
        assert_eq!(subjects, [true, false], "{attested:#?}");
        let image = attested[1];
        assert_eq!(image["subject-digest"], "${{ steps.image.outputs.digest }}");
        assert_eq!(image["push-to-registry"], true);
    }
    let lists: Vec<_> = held
        .iter()
        .map(|it| it["sbom-path"].as_str().unwrap())
        .collect();
    assert_eq!(lists, ["dist/boxbridge.cdx.json"; 2]);
}

#[test]
fn the_image_holds_every_library_that_the_binary_needs() {
    let linked = succeeds(Command::new("ldd").arg(env!("CARGO_BIN_EXE_boxbridge")));
    // Of the base image: the C library and the compiler's.
    let packages = linked
        .lines()
        .filter_map(|line| line.split("=> ").nth(1)?.split(' ').next())
        .map(package_of);
    let runtime = text("Dockerfile")
        .split("FROM debian:")
        .nth(1)
        .unwrap()
        .to_owned();
    let missing: Vec<_> = packages
        .filter(|package| {
            !["libc6", "libgcc-s1"].contains(&&**package) && !runtime.contains(&**package)
        })
        .collect();
    assert!(missing.is_empty(), "the image lacks {missing:?}");
}

/// The Debian package that a library came with; merged /usr or not, and without the marks of architecture and of 64-bit time.
fn package_of(library: &str) -> String {
    let name = Path::new(library).file_name().unwrap();
    let found = succeeds(
        Command::new("dpkg")
            .arg("--search")
            .arg(Path::new("*/").join(name)),
    );
    found
        .split(':')
        .next()
        .unwrap()
        .trim_end_matches("t64")
        .to_owned()
}

/// Cargo takes the manifest, and all that is compiled in is there.
#[test]
fn the_image_is_built_from_all_it_needs_and_no_data() {
    let context = tempfile::tempdir().unwrap();
    let ignore = text(".dockerignore");
    for path in ignore.lines().filter_map(|line| line.strip_prefix('!')) {
        succeeds(
            Command::new("cp")
                .arg("-r")
                .arg(file(path))
                .arg(context.path().join(path)),
        );
    }
    assert!(!context.path().join("data").exists() && !context.path().join("target").exists());
    // Asked for a program that is not there, cargo reads the whole manifest and builds nothing.
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo
        .args(["run", "--offline", "--locked", "--bin", "nonesuch"])
        .current_dir(&context)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no bin target named `nonesuch`"), "{said}");

    let ours = ["src", "crates"].map(|folder| context.path().join(folder));
    let sources = succeeds(
        Command::new("grep")
            .args(["-rEo", "include_(str|bytes)!\\(\"[^\"]+"])
            .args(ours),
    );
    assert!(sources.lines().count() >= 2, "{sources}");
    for (source, included) in sources
        .lines()
        .map(|line| line.split_once(":include_").unwrap())
    {
        let included = Path::new(source)
            .parent()
            .unwrap()
            .join(included.split('"').nth(1).unwrap());
        assert!(
            included.is_file(),
            "{source} includes {}, which .dockerignore keeps away",
            included.display()
        );
    }
}
