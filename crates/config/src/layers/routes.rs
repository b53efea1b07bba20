//! What a route inherits: `[route.default]` < `[route.<person_type>]` < `[route.<destination>.default]` < `[route.<destination>.<person_type>]`.
//!
//! Promises: after [`fill`] every route has every key that it can have. Deliberately moves values as they are written; `crate::route` reads them.

use boxbridge_event::PersonType;
use serde_json::{Map, Value};

use super::destinations;
use crate::values::kind::KindName;

/// The keys of a route to such a destination. The others (lane, life, wait) are the event's own.
pub(crate) const fn keys(kind: KindName) -> &'static [&'static str] {
    match kind {
        KindName::Mqtt => &[
            "mqtt_topic",
            "mqtt_late_topic",
            "mqtt_expiry",
            "format",
            "pictures",
            "redact",
            "pseudonym",
        ],
        KindName::Kafka => &[
            "kafka_topic",
            "kafka_key",
            "format",
            "pictures",
            "redact",
            "pseudonym",
        ],
        KindName::Store => &["pictures"],
    }
}

/// Completes every route, of person types and of destinations.
pub(crate) fn fill(settings: &mut Value) {
    let destinations = destinations::of(settings);
    let Some(Value::Object(routes)) = settings.get_mut("route") else {
        return;
    };
    let Some(Value::Object(default)) = routes.get("default").cloned() else {
        return;
    };

    for person_type in PersonType::ALL {
        let mut route = default.clone();
        route.extend(taken(routes, person_type.as_str()));
        routes.insert(person_type.as_str().to_owned(), Value::Object(route));
    }

    for (name, kind) in destinations {
        let mut own = taken(routes, &name);
        let of_all = taken(&mut own, "default");
        for person_type in PersonType::ALL {
            let inherited = routes.get(person_type.as_str());
            let of_kind = |key: &&str| Some(((*key).to_owned(), inherited?.get(*key)?.clone()));
            let mut route: Map<_, _> = keys(kind).iter().filter_map(of_kind).collect();
            route.extend(of_all.clone());
            route.extend(taken(&mut own, person_type.as_str()));
            own.insert(person_type.as_str().to_owned(), Value::Object(route));
        }
        own.insert("default".to_owned(), Value::Object(of_all));
        routes.insert(name, Value::Object(own));
    }
}

fn taken(sections: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match sections.remove(name) {
        Some(Value::Object(section)) => section,
        _ => Map::new(),
    }
}

/// Every key that these defaults allow.
pub(crate) fn known(defaults: &Value) -> Value {
    let mut known = defaults.clone();
    fill(&mut known);
    for (name, _) in destinations::of(defaults) {
        let of_all = known.pointer(&format!("/route/{name}/{}", PersonType::Unknown));
        if let Some(of_all) = of_all.cloned()
            && let Some(default) = known.pointer_mut(&format!("/route/{name}/default"))
        {
            *default = of_all;
        }
    }
    known
}

/// The keys that this one inherits from, the most general first.
pub(crate) fn above(key: &str) -> Vec<String> {
    let words: Vec<&str> = key.split('.').collect();
    match words.as_slice() {
        ["route", _, name] => vec![format!("route.default.{name}")],
        ["route", destination, person_type, name] => vec![
            format!("route.default.{name}"),
            format!("route.{person_type}.{name}"),
            format!("route.{destination}.default.{name}"),
        ],
        _ => Vec::new(),
    }
}
