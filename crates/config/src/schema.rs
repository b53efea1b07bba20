//! Every setting as JSON Schema: what it may be from where it is read, its default and its comment from `config/boxbridge.toml`.
//!
//! Promises: nothing is guessed from words of a comment; a setting that is not read says nothing of its type, which a test finds. A destination of
//! an operator's own has the settings of its kind, and a route of it what a kind can take.

use std::collections::BTreeMap;

use boxbridge_event::PersonType;
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::layers::{DEFAULTS, Layers};
use crate::reader::Reader;
use crate::reader::effect::Effect;
use crate::reader::form::{Form, with};
use crate::values::kind::KindName;

/// What switches on each part that is off by default: its settings are only read then.
const EVERYTHING_ON: [(&str, &str); 2] = [
    ("send.store.url", "s3://faces"),
    ("send.kafka.brokers", "kafka:9092"),
];

pub fn schema() -> Value {
    let description = Description {
        declared: declared(),
        comments: comments(),
    };
    let mut defaults = Layers::default().merged(&mut Vec::new()).settings;
    let definitions = json!({
        "destination": description.destination(&defaults),
        "destinationRoute": description.destination_route(&defaults),
    });

    if let Some(routes) = defaults.get_mut("route").and_then(Value::as_object_mut) {
        KindName::ALL.iter().for_each(|name| {
            routes.remove(name.as_str());
        });
    }
    let mut root = description.section("", "boxbridge settings", &defaults);
    allow_others(&mut root, "send", "destination");
    allow_others(&mut root, "route", "destinationRoute");

    let version = "https://json-schema.org/draft/2020-12/schema".into();
    with(root, [("$schema", version), ("$defs", definitions)])
}

/// A section may have members of other names, which are as this definition says.
fn allow_others(root: &mut Value, section: &str, definition: &str) {
    let others = json!({"$ref": format!("#/$defs/{definition}")});
    if let Some(section) = root.pointer_mut(&format!("/properties/{section}")) {
        *section = with(section.take(), [("additionalProperties", others)]);
    }
}

/// What every key may be, and when a change of it takes effect, as it is declared where it is read.
fn declared() -> BTreeMap<String, (Form, Option<Effect>)> {
    let flags = EVERYTHING_ON
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec();
    let settings = Layers {
        flags,
        ..Layers::default()
    }
    .merged(&mut Vec::new())
    .settings;

    let mut read = Reader::new(&settings, &[], Vec::new());
    Config::read(&mut read);
    let Reader { forms, effects, .. } = read;
    let with_effect = |(key, form): (String, Form)| {
        let effect = effects.get(&key).copied();
        (key, (form, effect))
    };
    forms.into_iter().map(with_effect).collect()
}

/// The comments of the shipped file, by key.
fn comments() -> BTreeMap<String, &'static str> {
    let mut comments = BTreeMap::new();
    let mut section = String::new();

    for line in DEFAULTS.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            section = format!("{name}.");
        } else if let (Some((key, _)), Some((_, comment))) =
            (line.split_once(" = "), line.rsplit_once(" # "))
        {
            comments.insert(format!("{section}{}", key.trim()), comment.trim());
        }
    }
    comments
}

/// What is not written is inherited.
fn without_defaults(mut section: Value) -> Value {
    let properties = section.get_mut("properties").and_then(Value::as_object_mut);
    for (_, property) in properties.into_iter().flatten() {
        if let Some(property) = property.as_object_mut() {
            property.remove("default");
        }
    }
    section
}

struct Description {
    declared: BTreeMap<String, (Form, Option<Effect>)>,
    comments: BTreeMap<String, &'static str>,
}

impl Description {
    fn section(&self, path: &str, title: &str, defaults: &Value) -> Value {
        let members = defaults.as_object().into_iter().flatten();
        let properties = members.map(|(name, default)| {
            let path = match path.is_empty() {
                true => name.clone(),
                false => format!("{path}.{name}"),
            };
            let described = match default.is_object() {
                true => self.section(&path, name, default),
                false => self.setting(&path, default),
            };
            (name.clone(), described)
        });
        let properties: Map<String, Value> = properties.collect();

        json!({"type": "object", "title": title, "additionalProperties": false, "properties": properties})
    }

    /// `[send.<name>]` of a name that is not there by itself: it says its kind, and has the settings of `[send.<kind>]`.
    fn destination(&self, defaults: &Value) -> Value {
        let words = KindName::ALL.map(KindName::as_str);
        let of_kind = |kind: KindName| self.destination_of(kind, defaults);
        json!({"type": "object", "properties": {"kind": {"enum": words}}, "required": ["kind"], "allOf": KindName::ALL.map(of_kind)})
    }

    fn destination_of(&self, kind: KindName, defaults: &Value) -> Value {
        let kind = kind.as_str();
        let settings = defaults.pointer(&format!("/send/{kind}"));
        let mut settings = settings.cloned().unwrap_or_default();
        if let Some(settings) = settings.as_object_mut() {
            // One is all there can be in this process.
            settings.remove("embedded");
        }

        let described = self.section(&format!("send.{kind}"), kind, &settings);
        let is_it = json!({"properties": {"kind": {"const": kind}}, "required": ["kind"]});
        json!({"if": is_it, "then": described})
    }

    /// `[route.<name>]`: by person type, and `default` before them. Which keys it takes depends on the destination's kind.
    fn destination_route(&self, defaults: &Value) -> Value {
        let mut keys = Map::new();
        for kind in KindName::ALL {
            let route = format!("/route/{}/{}", kind.as_str(), PersonType::Employee);
            let route = defaults.pointer(&route).and_then(Value::as_object);
            keys.extend(route.cloned().into_iter().flatten());
        }

        let route = self.section("route.default", "of a destination", &Value::Object(keys));
        let types = PersonType::ALL.iter().map(|it| it.as_str());
        let names = ["default"].into_iter().chain(types);
        let properties = names.map(|name| (name.to_owned(), without_defaults(route.clone())));
        let properties: Map<String, Value> = properties.collect();
        json!({"type": "object", "additionalProperties": false, "properties": properties})
    }

    fn setting(&self, path: &str, default: &Value) -> Value {
        let comment = [
            ("description", self.comment(path).into()),
            ("default", default.clone()),
        ];
        let Some((form, effect)) = self.declared(path) else {
            return with(json!({}), comment);
        };

        let described = with(form.schema(), comment);
        match effect {
            Some(effect) => with(described, [("x-reload", effect.as_str().into())]),
            None => described,
        }
    }

    /// Routes are read by person type, `[route.default]` through them.
    fn declared(&self, path: &str) -> Option<&(Form, Option<Effect>)> {
        let of_default = path.strip_prefix("route.default.");
        let read_as = of_default.map(|name| format!("route.{}.{name}", PersonType::Employee));
        self.declared.get(read_as.as_deref().unwrap_or(path))
    }

    /// A person type's setting means what it means in `[route.default]`.
    fn comment(&self, path: &str) -> &'static str {
        let inherited = path
            .strip_prefix("route.")
            .and_then(|rest| rest.split_once('.'));
        let of_default =
            inherited.and_then(|(_, name)| self.comments.get(&format!("route.default.{name}")));
        self.comments
            .get(path)
            .or(of_default)
            .copied()
            .unwrap_or_default()
    }
}
