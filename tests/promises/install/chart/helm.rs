//! The chart as the real Helm renders it, and a way to look into what came out.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::parts::child::installed;

pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/boxbridge");

/// What a first installation gives: a bus, and the boxes' network.
pub const MINIMAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/minimal.yaml");

pub struct Rendered {
    pub text: String,
    objects: Vec<Value>,
}

/// The objects made from these values on top of the minimal ones; as release and in namespace `boxbridge`.
pub fn render(values: &str) -> Rendered {
    template(&["--values", MINIMAL], values)
        .unwrap_or_else(|problems| panic!("{values}: {problems}"))
}

/// The same from these values alone, or what Helm says on standard error. Links are off where the values say nothing of them.
pub fn try_render(values: &str) -> Result<Rendered, String> {
    match values.contains("links:") {
        true => template(&[], values),
        false => template(&["--set", "send.store.links.mode=off"], values),
    }
}

fn template(more: &[&str], values: &str) -> Result<Rendered, String> {
    let arguments = ["template", "boxbridge", CHART, "--namespace", "boxbridge"];
    let output = helm(&[&arguments, more, &["--values", "-"]].concat(), values);
    let text = String::from_utf8(output.stdout).unwrap();
    match output.status.success() {
        true => Ok(Rendered {
            objects: documents(&text),
            text,
        }),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

pub fn helm(arguments: &[&str], input: &str) -> Output {
    run(
        Command::new(installed("helm-3.22.0").join("helm")).args(arguments),
        input,
    )
}

pub fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading everything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Every set of values that must hold, by its file's name.
pub fn matrix() -> Vec<(String, String)> {
    let found = yaml_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chart"));
    let rows: Vec<_> = found
        .into_iter()
        .map(|path| {
            (
                path.display().to_string(),
                std::fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    assert!(rows.len() >= 8, "only {} rows", rows.len());
    rows
}

pub fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect()
}

pub fn documents(text: &str) -> Vec<Value> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect()
}

impl Rendered {
    pub fn all(&self, kind: &str) -> Vec<&Value> {
        self.objects
            .iter()
            .filter(|object| object["kind"] == kind)
            .collect()
    }

    /// The object of this kind and name; panics where there is none.
    pub fn object(&self, kind: &str, name: &str) -> &Value {
        let named = |object: &&&Value| object["metadata"]["name"] == name;
        self.all(kind)
            .iter()
            .find(named)
            .unwrap_or_else(|| panic!("no {kind} {name} in\n{}", self.text))
    }

    pub fn stateful_set(&self) -> &Value {
        &self.object("StatefulSet", "boxbridge")["spec"]
    }

    /// In mode cluster.
    pub fn deployment(&self) -> &Value {
        &self.object("Deployment", "boxbridge")["spec"]
    }

    pub fn pod(&self) -> &Value {
        let pods = match self.all("Deployment").is_empty() {
            true => self.stateful_set(),
            false => self.deployment(),
        };
        &pods["template"]["spec"]
    }

    pub fn container(&self) -> &Value {
        &self.pod()["containers"][0]
    }

    pub fn service(&self) -> &Value {
        &self.object("Service", "boxbridge")["spec"]
    }

    /// The boxbridge.toml that the pods see.
    pub fn settings(&self) -> &str {
        self.object("ConfigMap", "boxbridge")["data"]["boxbridge.toml"]
            .as_str()
            .unwrap()
    }
}

/// The environment of a container, as a pod named `boxbridge-0` sees it; what comes from a Secret is `from-<name>-<key>`.
pub fn environment(container: &Value) -> Vec<(String, String)> {
    let variable = |variable: &Value| {
        let from = &variable["valueFrom"];
        let secret = from.pointer("/secretKeyRef").map(|reference| {
            format!(
                "from-{}-{}",
                reference["name"].as_str().unwrap(),
                reference["key"].as_str().unwrap()
            )
        });
        let pod = from
            .pointer("/fieldRef/fieldPath")
            .filter(|path| **path == "metadata.name")
            .map(|_| "boxbridge-0".to_owned());
        let value = secret.or(pod).unwrap_or_else(|| {
            variable["value"]
                .as_str()
                .unwrap()
                .replace("$(POD_NAME)", "boxbridge-0")
        });
        (variable["name"].as_str().unwrap().to_owned(), value)
    };

    container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .map(variable)
        .collect()
}
