//! Settings, metrics and attributes as tables, each made of the one place where it is written.

use boxbridge::route::attributes::{Attribute, OF_DEVICE, OF_EVENT, OF_PICTURES};
use boxbridge::send::kafka::header_name;
use boxbridge_config::DEFAULTS;
use serde_json::Value;

/// Of `config/boxbridge.toml`, and of the schema whether a reload takes it.
pub fn settings() -> String {
    let schema = boxbridge_config::schema();
    let mut page = "# Settings\n\nEvery setting of `config/boxbridge.toml` with its default. A change of one marked *restart* needs a restart; all others are taken while the gateway runs. In the environment\n`send.kafka.brokers` is `BOXBRIDGE_SEND__KAFKA__BROKERS`.\n".to_owned();
    let head = "\n| setting | default | |\n| --- | --- | --- |\n";
    let (mut section, mut begins) = (String::new(), true);

    for line in DEFAULTS.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            let name = name.split(']').next().unwrap();
            page += &format!("\n## {name}\n");
            (section, begins) = (format!("{name}."), true);
        } else if let Some((key, rest)) = line.split_once(" = ") {
            if std::mem::take(&mut begins) {
                page += head;
            }
            let (value, comment) = rest.rsplit_once(" # ").unwrap_or((rest, ""));
            let key = format!("{section}{}", key.trim());
            let restart = match at(&schema, &key)["x-reload"].as_str() {
                Some("restart") => " *restart*",
                _ => "",
            };
            page += &format!(
                "| `{key}` | {} | {}{restart} |\n",
                code(value),
                cell(comment)
            );
        }
    }
    page
}

fn at<'s>(schema: &'s Value, key: &str) -> &'s Value {
    let mut parts = key.split('.');
    parts
        .try_fold(schema, |schema, part| schema["properties"].get(part))
        .unwrap_or(&Value::Null)
}

/// Of `src/metrics/names.rs`.
pub fn metrics() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/metrics/names.rs");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, names) = text.split_once("\nnames! {\n").unwrap();
    let mut page = "# Metrics\n\nWhat `/metrics` on the admin listener gives. [How to read the numbers](../operations.md#how-to-read-the-numbers) says which ones matter.\n\n| metric | kind | |\n| --- | --- | --- |\n".to_owned();

    let mut help = String::new();
    for line in names.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            help += comment;
        } else if let Some((declared, name)) = line.split_once(" = ") {
            let kind = declared.split(' ').next().unwrap();
            let name = name.trim_matches(|c| "\";".contains(c));
            page += &format!(
                "| `{name}` | {kind} | {} |\n",
                cell(&std::mem::take(&mut help))
            );
        }
    }
    page
}

/// Of `src/route/attributes/described.rs`.
pub fn attributes() -> String {
    let mut page = "# Attributes\n\nCloudEvents 1.0 in binary mode: what a program may route by without reading the payload. MQTT 5 has them as user properties, Kafka as headers, MQTT 3.1.1 not at all. Values are printable ASCII.\n".to_owned();
    page += "On MQTT the Content Type is `application/json` and the Payload Format Indicator 1.\n";
    for (title, attributes) in [
        ("Of an event", OF_EVENT),
        ("Of what is told of a device", OF_DEVICE),
        ("Of the second word on pictures", OF_PICTURES),
    ] {
        page += &format!("\n## {title}\n");
        if title == "Of what is told of a device" {
            page += "\nOn Kafka. The gateway's status and that of devices carry none on MQTT: the broker keeps the payload.\n";
        }
        page +=
            "\n| MQTT 5 property | Kafka header | made of | absent |\n| --- | --- | --- | --- |\n";
        attributes.iter().for_each(|it| page += &row(it));
    }
    page
}

fn row(attribute: &Attribute) -> String {
    let absent = if attribute.absent.is_empty() {
        "never"
    } else {
        attribute.absent
    };
    let header = header_name(attribute.name);
    format!(
        "| `{}` | `{header}` | {} | {absent} |\n",
        attribute.name,
        cell(attribute.from)
    )
}

fn code(value: &str) -> String {
    format!("`{}`", value.trim().replace('|', "\\|"))
}

fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|").replace('<', "&lt;")
}
