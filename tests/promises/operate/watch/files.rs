//! The files that others load: rules and dashboard, read the way they are shipped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// `alert` and `severity` name a rule; both severities of one alert share a section.
pub struct Rule {
    pub alert: String,
    pub severity: String,
    pub expression: String,
    pub annotations: Value,
}

/// A vector selector of an expression.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    pub text: String,
    /// Words that a label is one of: `label="a"` or `label=~"a|b"`.
    pub wanted: Vec<(String, Vec<String>)>,
}

pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn rules_file() -> PathBuf {
    file("charts/boxbridge/files/alerts.yaml")
}

pub fn yaml(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_multiple::<Value>(&text)
        .unwrap()
        .remove(0)
}

pub fn rules() -> Vec<Rule> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let groups = yaml(&rules_file())["groups"].as_array().unwrap().clone();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone());
    rules
        .map(|rule| Rule {
            alert: text(&rule["alert"]),
            severity: text(&rule["labels"]["severity"]),
            expression: text(&rule["expr"]),
            annotations: rule["annotations"].clone(),
        })
        .collect()
}

pub fn alerts() -> BTreeSet<String> {
    rules().into_iter().map(|rule| rule.alert).collect()
}

pub fn dashboard() -> Value {
    serde_json::from_str(
        &std::fs::read_to_string(file("charts/boxbridge/files/dashboard.json")).unwrap(),
    )
    .unwrap()
}

/// Every query of the dashboard, as Grafana would send it for all gateways.
pub fn dashboard_queries() -> Vec<String> {
    let dashboard = dashboard();
    let targets = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    let annotations = dashboard["annotations"]["list"].as_array().unwrap().iter();
    let expressions = targets
        .chain(annotations)
        .filter_map(|query| query["expr"].as_str());
    expressions
        .map(|text| {
            text.replace("$gateway", ".*")
                .replace("$__rate_interval", "10s")
        })
        .collect()
}

/// The vector selectors of an expression that name a metric of ours, or `up`.
pub fn selectors(expression: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '"') {
        rest = &rest[start..];
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = &quoted[quoted.find('"').unwrap() + 1..];
            continue;
        }
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        if word == "up" || word.starts_with("boxbridge_") {
            let matchers = after
                .strip_prefix('{')
                .map_or("", |inside| &inside[..inside.find('}').unwrap()]);
            let matchers = matchers.split("\",").filter(|matcher| !matcher.is_empty());
            let text = if after.starts_with('{') {
                &after[..=after.find('}').unwrap()]
            } else {
                ""
            };
            rest = &after[text.len()..];
            found.push(Selector {
                text: format!("{word}{text}"),
                wanted: matchers.filter_map(wanted).collect(),
            });
        }
    }
    found
}

fn wanted(matcher: &str) -> Option<(String, Vec<String>)> {
    let (label, value) = matcher
        .split_once("=\"")
        .or_else(|| matcher.split_once("=~\""))?;
    let value = value.trim_end_matches('"');
    let is_plain = !label.ends_with('!') && !value.contains(['.', '*']);
    is_plain.then(|| {
        (
            label.to_owned(),
            value.split('|').map(str::to_owned).collect(),
        )
    })
}

#[test]
fn selectors_are_found_in_an_expression() {
    let found = selectors(
        "sum without (up_to) (rate(boxbridge_a{x=~\"p|q\",y!=\"z\",i=~\".*\"}[5m])) / on (job) boxbridge_b > 0 or up == 0",
    );
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let expected = [
        (
            "boxbridge_a{x=~\"p|q\",y!=\"z\",i=~\".*\"}",
            vec![("x".to_owned(), words(&["p", "q"]))],
        ),
        ("boxbridge_b", vec![]),
        ("up", vec![]),
    ];
    assert_eq!(
        found,
        expected.map(|(text, wanted)| Selector {
            text: text.to_owned(),
            wanted
        })
    );
}
