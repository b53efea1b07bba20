//! Writes what a camera saw the way a box's firmware would: the shapes and the drift of the vendor's documents.
//!
//! Promises: whatever the firmware, the meaning is the same, so one expectation (person type, device, identity, time, score
//! from 0 to 1, pictures by hash) holds for all of them. Deliberately makes JSON only; form-data, which a box can also be
//! set to, is not documented well enough to imitate.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::ledger::Marker;
use super::picture::{Film, Shot, Spelling};
use boxbridge_event::{Feed, PersonType, PictureKind, Timestamp};

/// One match, as the camera saw it.
pub struct Sighting {
    pub marker: Marker,
    pub feed: Feed,
    /// The capture device's address.
    pub device: String,
    /// The box's licence code.
    pub box_id: String,
    pub person_type: PersonType,
    pub identity: String,
    pub name: &'static str,
    /// In ten-thousandths.
    pub score: u32,
    pub occurred_at: Timestamp,
    pub pictures: Vec<(PictureKind, Shot)>,
}

macro_rules! firmwares {
    ($($(#[$doc:meta])* $variant:ident,)+) => {
        /// A way in which a box's firmware writes events; a box keeps its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Firmware { $($(#[$doc])* $variant,)+ }

        impl Firmware {
            pub const ALL: &[Firmware] = &[$(Firmware::$variant,)+];
        }
    };
}

firmwares! {
    /// As the vendor's document prints it.
    Document,
    /// Scores out of 100.
    Percent,
    /// Numbers as texts, and bare numbers where texts are promised.
    Texts,
    /// Time in seconds with a fraction.
    Seconds,
    /// Pictures as data URLs.
    DataUrls,
    /// Base64 in lines of 76 characters.
    Lines,
    /// `\/` in base64.
    Escaped,
    /// Optional fields absent or null: group, name, the person type of an employee.
    Sparse,
    /// Filled quality objects, unknown and misspelt keys.
    Talkative,
    /// A byte order mark, and no useful Content-Type.
    Marked,
    /// History of generation 3: flat.
    Flat,
    /// History of generation 4: flat and renamed.
    Renamed,
}

impl Firmware {
    /// All but the flat shapes, which are the last two.
    pub const SE3: &[Firmware] = Firmware::ALL.split_at(Firmware::ALL.len() - 2).0;

    pub fn content_type(self) -> &'static str {
        match self {
            Firmware::Marked => "text/plain",
            _ => "application/json",
        }
    }

    fn spelling(self) -> Spelling {
        match self {
            Firmware::Lines => Spelling::Lines,
            Firmware::Escaped => Spelling::Escaped,
            _ => Spelling::Plain,
        }
    }
}

/// The body of a request: one object, or an array where several sightings are sent at once.
pub fn body(sightings: &[&Sighting], firmware: Firmware, film: &Film) -> Vec<Bytes> {
    let mut parts = Vec::new();
    if firmware == Firmware::Marked {
        parts.push(Bytes::from_static(b"\xef\xbb\xbf"));
    }
    let is_array = sightings.len() != 1;
    for (position, sighting) in sightings.iter().enumerate() {
        if is_array {
            parts.push(Bytes::from_static(if position == 0 { b"[" } else { b"," }));
        }
        insert_pictures(&write(sighting, firmware).to_string(), sighting, firmware, film, &mut parts);
    }
    if is_array {
        parts.push(Bytes::from_static(if sightings.is_empty() { b"[]" } else { b"]" }));
    }
    parts
}

/// Cuts the text at the places of pictures and puts their base64 there. Nothing else that we write holds an `@`.
fn insert_pictures(text: &str, sighting: &Sighting, firmware: Firmware, film: &Film, parts: &mut Vec<Bytes>) {
    for (position, piece) in text.split('@').enumerate() {
        if position % 2 == 0 {
            parts.push(Bytes::copy_from_slice(piece.as_bytes()));
        } else if let Some((_, shot)) = sighting.pictures.iter().find(|(kind, _)| kind.as_str() == piece) {
            parts.extend(film.base64(shot, firmware.spelling()));
        }
    }
}

fn write(sighting: &Sighting, firmware: Firmware) -> Value {
    match (sighting.feed, firmware) {
        (Feed::History, Firmware::Flat) => flat(sighting),
        (Feed::History, Firmware::Renamed) => renamed(sighting),
        _ => nested(sighting, firmware),
    }
}

/// RealTimeEvent, and HistoryEvent of generation 2.
fn nested(sighting: &Sighting, firmware: Firmware) -> Value {
    let mut details = json!({
        "person_type": number(sighting.person_type),
        "device_ip": sighting.device,
        "device_type": "0",
        "grab_fiqa_info": {},
        "box_fiqa_info": {},
        "spot_pic": picture(sighting, PictureKind::Scene, firmware),
        "simulate_id": sighting.marker,
    });
    let mut event = json!({
        "identity_id": sighting.identity,
        "identity_name": sighting.name,
        "group_name": "default_group",
        "reg_pic": picture(sighting, PictureKind::Registered, firmware),
        "timestamp": sighting.occurred_at.0,
        "score": f64::from(sighting.score) / 10_000.0,
    });
    for (kind, key) in [(PictureKind::Face, "recognize_face"), (PictureKind::Infrared, "ir_pic")] {
        if sighting.pictures.iter().any(|(sent, _)| *sent == kind) {
            details[key] = picture(sighting, kind, firmware);
        }
    }
    if sighting.feed == Feed::History {
        details["dev_sno"] = json!(sighting.box_id);
        details["ep_id"] = json!(format!("{}__{}", sighting.box_id, sighting.device));
        details["want_action"] = json!("0");
    }
    drift(&mut event, &mut details, sighting, firmware);
    event["ext_data"] = details;
    event
}

/// What this firmware writes differently from the document.
fn drift(event: &mut Value, details: &mut Value, sighting: &Sighting, firmware: Firmware) {
    match firmware {
        Firmware::Percent => event["score"] = json!(f64::from(sighting.score) / 100.0),
        Firmware::Texts => {
            event["score"] = json!((f64::from(sighting.score) / 10_000.0).to_string());
            event["timestamp"] = json!(sighting.occurred_at.0.to_string());
            details["person_type"] = json!(number(sighting.person_type).to_string());
            details["device_type"] = json!(0);
        }
        Firmware::Seconds => event["timestamp"] = seconds(sighting.occurred_at),
        Firmware::Sparse => {
            event["identity_name"] = Value::Null;
            remove(event, "group_name");
            event["group_id"] = json!("7");
            if sighting.person_type == PersonType::Employee {
                remove(details, "person_type");
            }
        }
        Firmware::Talkative => {
            details["grab_fiqa_info"] = json!({"confidence": 0.98, "face_id": 12, "yaw": -3.5, "age": 33, "sex": 1,
                "rect": {"top": 10, "bottom": 130, "left": 42, "right": 150}});
            details["box_fiqa_info"] = json!({"fiqa_result": true, "success": ["clarity"], "fails": []});
            details["reported_peroid"] = json!(30);
            event["firmware_note"] = json!({"line": "V2R1", "nested": [1, null, "å"]});
        }
        _ => {}
    }
}

/// HistoryEvent of generation 3.
fn flat(sighting: &Sighting) -> Value {
    let firmware = Firmware::Flat;
    json!({
        "identity_id": sighting.identity,
        "identity_name": sighting.name,
        "identity_info": {},
        "timestamp": sighting.occurred_at.0,
        "score": f64::from(sighting.score) / 10_000.0,
        "want_action": "0",
        "reg_pic": picture(sighting, PictureKind::Registered, firmware),
        "spot_pic": picture(sighting, PictureKind::Scene, firmware),
        "recognize_face": picture(sighting, PictureKind::Face, firmware),
        "ir_pic": picture(sighting, PictureKind::Infrared, firmware),
        "person_type": number(sighting.person_type),
        "out_timestamp": sighting.occurred_at.0 + 1_000,
        "ep_info": {"ep_id": format!("{}__{}", sighting.box_id, sighting.device), "ep_type": "rtsp", "ep_ip": sighting.device,
            "ep_name": "door 1", "device_id": "1"},
        "dev_sno": sighting.box_id,
        "api_version": "1.0",
        "simulate_id": sighting.marker,
    })
}

/// HistoryEvent of generation 4.
fn renamed(sighting: &Sighting) -> Value {
    let firmware = Firmware::Renamed;
    json!({
        "identity_id": sighting.identity,
        "identity_name": sighting.name,
        "identity_info": {},
        "in_timestamp": sighting.occurred_at.0,
        "out_timestamp": sighting.occurred_at.0 + 1_000,
        "score": f64::from(sighting.score) / 10_000.0,
        "post_action": "0",
        "reg_image": picture(sighting, PictureKind::Registered, firmware),
        "spot_image": picture(sighting, PictureKind::Scene, firmware),
        "recognize_face_image": picture(sighting, PictureKind::Face, firmware),
        "ir_image": picture(sighting, PictureKind::Infrared, firmware),
        "user_type": sighting.person_type,
        "media_device_info": {"media_device_id": "1", "media_device_type": "rtsp", "media_device_ip": sighting.device,
            "media_device_name": "door 1", "media_device_url": "rtsp://camera/1"},
        "mq_license_key": sighting.box_id,
        "api_version": "2.0",
        "simulate_id": sighting.marker,
    })
}

/// The place of a picture, which [`insert_pictures`] fills; `""` where none is sent.
fn picture(sighting: &Sighting, kind: PictureKind, firmware: Firmware) -> Value {
    let is_sent = sighting.pictures.iter().any(|(sent, _)| *sent == kind);
    let prefix = if matches!(firmware, Firmware::DataUrls | Firmware::Renamed) { "data:image/jpeg;base64," } else { "" };
    match is_sent {
        true => json!(format!("{prefix}@{kind}@")),
        false if firmware == Firmware::Sparse => Value::Null,
        false => json!(""),
    }
}

/// The vendor's number of a person type; 0, which it has not, for unknown.
fn number(person_type: PersonType) -> u8 {
    match person_type {
        PersonType::Employee => 1,
        PersonType::Visitor => 2,
        PersonType::Blacklist => 3,
        PersonType::Stranger => 4,
        PersonType::Vip => 5,
        PersonType::Unknown => 0,
    }
}

/// Seconds with exactly three decimals.
fn seconds(time: Timestamp) -> Value {
    let text = format!("{}.{:03}", time.0.div_euclid(1000), time.0.rem_euclid(1000));
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn remove(object: &mut Value, key: &str) {
    object.as_object_mut().map(|object: &mut Map<_, _>| object.remove(key));
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn sighting(film: &Film, feed: Feed) -> Sighting {
        Sighting {
            marker: Marker { run: 0x5f0c_6e0c, number: 17 },
            feed,
            device: "192.168.1.7".to_owned(),
            box_id: "HQDZKM1000001".to_owned(),
            person_type: PersonType::Vip,
            identity: "500012".to_owned(),
            name: "小明",
            score: 6_231,
            occurred_at: Timestamp(1_566_016_554_020),
            pictures: vec![(PictureKind::Registered, film.shoot("r")), (PictureKind::Scene, film.shoot("s"))],
        }
    }

    fn read(parts: &[Bytes]) -> Value {
        let bytes = parts.concat();
        serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes)).unwrap()
    }

    #[test]
    fn the_documents_firmware_writes_what_the_document_prints() {
        let film = Film::new(1, 1_000);
        let event = read(&body(&[&sighting(&film, Feed::Realtime)], Firmware::Document, &film));
        assert_eq!(event["timestamp"], json!(1_566_016_554_020_i64));
        assert_eq!(event["identity_name"], "小明");
        assert_eq!(event["ext_data"]["person_type"], 5);
        assert_eq!(event["ext_data"]["simulate_id"], "5f0c6e0c-17");
        let scene = BASE64_STANDARD.decode(event["ext_data"]["spot_pic"].as_str().unwrap()).unwrap();
        assert_eq!(scene, film.develop(&film.shoot("s")));
    }

    #[test]
    fn every_firmware_sends_the_same_pictures_and_the_marker() {
        let film = Film::new(1, 1_000);
        for feed in [Feed::Realtime, Feed::History] {
            for firmware in Firmware::ALL {
                let text = read(&body(&[&sighting(&film, feed)], *firmware, &film)).to_string();
                assert!(text.contains("5f0c6e0c-17"), "{firmware:?} {text}");
                let plain = text.replace("\\n", "").replace("\\/", "/");
                for name in ["r", "s"] {
                    let picture = BASE64_STANDARD.encode(film.develop(&film.shoot(name)));
                    assert!(plain.contains(&picture), "{firmware:?}");
                }
            }
        }
    }

    #[test]
    fn the_firmwares_of_the_se3_write_nested_events_only() {
        let film = Film::new(1, 1_000);
        for firmware in Firmware::SE3 {
            let event = read(&body(&[&sighting(&film, Feed::History)], *firmware, &film));
            assert!(event["ext_data"].is_object(), "{firmware:?}");
        }
        assert_eq!(Firmware::ALL.len() - Firmware::SE3.len(), 2);
    }

    #[test]
    fn several_sightings_make_an_array_of_as_many() {
        let film = Film::new(1, 1_000);
        let sightings: Vec<_> = (0..3).map(|_| sighting(&film, Feed::History)).collect();
        assert_eq!(read(&body(&sightings.iter().collect::<Vec<_>>(), Firmware::Flat, &film)).as_array().map(Vec::len), Some(3));
    }
}
