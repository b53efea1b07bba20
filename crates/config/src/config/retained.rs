//! What a broker retains: the statuses of gateway and devices, and what Home Assistant is told.
//!
//! Promises: none of it can stand on a topic of events, which brokers would keep for every new subscriber.

use boxbridge_event::PersonType;

use crate::reader::Reader;
use crate::route::{Format, Routes};
use crate::send::{DEVICE_STATUS_TOPIC, Destination, Kind};
use crate::values::template::{Field, Template};

pub(super) fn check(destination: &Destination, base: &Routes, read: &mut Reader) {
    check_status_topics(destination, base, read);
    check_discovery(destination, base, read);
}

/// The statuses of gateway and devices are retained: on a topic of events, brokers would keep it for every new subscriber.
fn check_status_topics(destination: &Destination, base: &Routes, read: &mut Reader) {
    let Kind::Mqtt(mqtt) = &destination.kind else {
        return;
    };
    let Some(topic) = mqtt.status_topic.as_ref() else {
        return;
    };
    let own = format!("send.{}.status_topic", destination.name);

    let what = format!("{own} ({topic})");
    check_retained(topic, (&own, &what), (destination, base), read);

    let fields = [Field::Site, Field::DeviceId];
    if let Ok(topic) = Template::parse(DEVICE_STATUS_TOPIC, &fields) {
        let what = format!("the topic of a device's status ({topic})");
        check_retained(&topic, (&own, &what), (destination, base), read);
    }
}

/// Home Assistant reads our own shape of live alerts, and asks the gateway's status whether they come.
fn check_discovery(destination: &Destination, base: &Routes, read: &mut Reader) {
    let Kind::Mqtt(mqtt) = &destination.kind else {
        return;
    };
    let topics = mqtt.discovery_topics();
    if topics.is_empty() {
        return;
    }
    let (name, route) = (
        &destination.name,
        destination.routes.of(PersonType::Blacklist),
    );
    let own = format!("send.{name}.discovery_prefix");

    for topic in topics {
        let what = format!("{own} ({topic})");
        check_retained(&topic, (&own, &what), (destination, base), read);
    }
    let wanted = [
        (
            format!("send.{name}.status_topic"),
            mqtt.status_topic.is_some(),
            "a topic, which says whether alerts can come",
        ),
        (
            "route.blacklist.mqtt_topic".to_owned(),
            route.mqtt_topic.is_some(),
            "a topic, on which they come",
        ),
        (
            "route.blacklist.format".to_owned(),
            route.format == Format::Boxbridge,
            "\"boxbridge\", which says until when one may act on them",
        ),
    ];
    for (key, is_there, needs) in wanted {
        if !is_there {
            let problem = format!("{own} tells Home Assistant of alerts: {key} must be {needs}");
            read.joint(&[&own, &key], problem);
        }
    }
}

fn check_retained(
    topic: &Template,
    (own, what): (&str, &str),
    (destination, base): (&Destination, &Routes),
    read: &mut Reader,
) {
    let Some((person_type, key)) = destination.routes.meeting(topic) else {
        return;
    };

    let name = &destination.name;
    let section = match destination.routes.of(person_type) == base.of(person_type) {
        true => format!("route.{person_type}"),
        false => format!("route.{name}.{person_type}"),
    };
    let key = format!("{section}.{key}");
    let problem =
        format!("{what} can be the same topic as {key}: it is retained, and events never are");
    read.joint(&[own, &key], problem);
}
