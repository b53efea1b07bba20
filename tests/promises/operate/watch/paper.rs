//! What can be told without a gateway: the rules against made-up days, the dashboard's shape, the operator's page.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use boxbridge_event::Code;

use super::files::{alerts, dashboard, file, rules, rules_file, yaml};
use crate::parts::prometheus::promtool;

const PAGE: &str = "docs/operations.md";
const QUESTIONS: [&str; 4] = [
    "**What it means.**",
    "**What to look at.**",
    "**What to do.**",
    "**What is at risk.**",
];

/// Heading → the text below it, of the alerts' sections.
fn sections() -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(file(PAGE)).unwrap();
    let parts = page
        .split("\n### ")
        .skip(1)
        .map(|part| part.split("\n## ").next().unwrap());
    parts
        .filter_map(|part| part.split_once('\n'))
        .map(|(heading, text)| (heading.trim().to_owned(), text.to_owned()))
        .collect()
}

#[test]
fn every_alert_fires_when_it_should_and_is_silent_when_it_should_be() {
    let tests = file("tests/alerts.test.yaml");
    for arguments in [
        ["check", "rules", rules_file().to_str().unwrap()].as_slice(),
        &["test", "rules", tests.to_str().unwrap()],
    ] {
        let (said, is_content) = promtool(arguments, "");
        assert!(is_content, "{said}");
    }
    // No rule is without a day on which it fires, and a moment on which it does not.
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for test in yaml(&tests)["tests"].as_array().unwrap() {
        for moment in test["alert_rule_test"].as_array().into_iter().flatten() {
            let alert = moment["alertname"].as_str().unwrap();
            let expected = moment["exp_alerts"].as_array().unwrap();
            fires.extend(expected.iter().map(|one| {
                (
                    alert.to_owned(),
                    one["exp_labels"]["severity"].as_str().unwrap().to_owned(),
                )
            }));
            if expected.is_empty() {
                silent.insert(alert.to_owned());
            }
        }
    }
    assert_eq!(
        fires,
        rules()
            .into_iter()
            .map(|rule| (rule.alert, rule.severity))
            .collect()
    );
    assert_eq!(silent, alerts());
}

#[test]
fn every_refusal_is_somebodys_alert_or_a_box_comes_again() {
    let expressions: String = rules().into_iter().map(|rule| rule.expression).collect();
    // Accepted all the same, and a feed that is sent again.
    let nobodys = [Code::AnswerLate, Code::HistoryBusy, Code::NotConfirmed];
    for code in Code::ALL {
        let times = expressions
            .split(['"', '|'])
            .filter(|word| *word == code.as_str())
            .count();
        // A full queue also has an alert as a cause.
        let expected =
            usize::from(!nobodys.contains(code)) + 2 * usize::from(*code == Code::QueueFull);
        assert_eq!(times, expected, "{}", code.as_str());
    }
}

#[test]
fn every_alert_leads_to_its_section_and_every_section_has_its_alert() {
    let sections = sections();
    assert_eq!(sections.keys().cloned().collect::<BTreeSet<_>>(), alerts());
    for rule in rules() {
        let anchor = format!(
            "https://github.com/boxbridge/boxbridge/blob/main/{PAGE}#{}",
            rule.alert.to_lowercase()
        );
        assert_eq!(rule.annotations["runbook_url"], anchor, "{}", rule.alert);
        assert!(
            ["critical", "warning"].contains(&rule.severity.as_str()),
            "{}",
            rule.alert
        );
        let description = rule.annotations["description"].as_str().unwrap();
        // Absence has neither.
        let has_its_value = ["$value", "$labels.instance"]
            .iter()
            .any(|part| description.contains(part));
        assert!(
            has_its_value || rule.alert == "BoxbridgeNoGateway",
            "{}",
            rule.alert
        );
        assert!(
            !rule.annotations["summary"].as_str().unwrap().is_empty(),
            "{}",
            rule.alert
        );
    }
    for (heading, text) in sections {
        let places: Vec<_> = QUESTIONS
            .iter()
            .map(|question| text.find(question))
            .collect();
        assert!(
            places.iter().all(Option::is_some) && places.is_sorted(),
            "{heading}: {places:?}"
        );
    }
}

#[test]
fn the_page_names_only_commands_and_settings_that_exist() {
    let page = std::fs::read_to_string(file(PAGE)).unwrap();
    let settings = std::fs::read_to_string(file("config/boxbridge.toml")).unwrap();
    let code: Vec<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .chain(page.lines().filter(|line| line.starts_with("    ")))
        .collect();
    let mut commands = BTreeSet::new();
    for text in &code {
        if let Some(command) = text.trim().strip_prefix("boxbridge ") {
            let words = command.split(' ').take_while(|word| {
                !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase())
            });
            commands.insert(words.take(2).map(str::to_owned).collect::<Vec<_>>());
        }
        if let Some((section, key)) = text.rsplit_once('.').filter(|_| {
            text.chars()
                .all(|c| c.is_ascii_lowercase() || "._".contains(c))
        }) && ["ingest", "queue", "send", "route", "normalize", "admin"]
            .contains(&section.split('.').next().unwrap())
        {
            let table = settings
                .lines()
                .skip_while(|line| !line.starts_with(&format!("[{section}]")))
                .skip(1);
            let mut keys = table.take_while(|line| !line.starts_with('['));
            assert!(
                keys.any(|line| line.starts_with(&format!("{key} = "))),
                "no setting {text}"
            );
        }
    }
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_boxbridge"))
            .args(&command)
            .arg("--help")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let usage = said
            .lines()
            .find(|line| line.starts_with("Usage: "))
            .unwrap_or_default();
        assert!(
            output.status.success() && usage.contains(&command.join(" ")),
            "boxbridge {}: {said}",
            command.join(" ")
        );
    }
}

#[test]
fn the_dashboard_fits_one_screen_and_every_panel_says_what_it_shows() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables
        .iter()
        .map(|variable| {
            (
                variable["name"].as_str().unwrap(),
                variable["multi"] == true,
            )
        })
        .collect();
    assert_eq!(names, [("datasource", false), ("gateway", true)]);
    let mut cells = BTreeSet::new();
    let mut named = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(
            panel["type"] == "stat" || panel["type"] == "timeseries",
            "{title}"
        );
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{title} lies over another");
        }
        let description = panel["description"].as_str().unwrap();
        named.extend(
            description
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| word.starts_with("Boxbridge"))
                .map(str::to_owned),
        );
        assert!(
            !panel["fieldConfig"]["defaults"]["unit"]
                .as_str()
                .unwrap()
                .is_empty(),
            "{title}"
        );
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let of_gateway = expression.matches("instance=~\"$gateway\"").count();
            assert_eq!(
                of_gateway,
                expression.matches("boxbridge_").count(),
                "{title}: {expression}"
            );
        }
    }
    // 24 columns, and 38 pixels a row: 1080 less the browser's and Grafana's own.
    let all: BTreeSet<_> = (0..24).flat_map(|x| (0..21).map(move |y| (x, y))).collect();
    assert_eq!(cells, all);
    assert!(named.is_subset(&alerts()), "{named:?}");
}
