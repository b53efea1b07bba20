//! Writes what a camera saw the way a box's firmware would: the shapes and the drift of the vendor's documents.
//!
//! Promises: whatever the firmware, the meaning is the same, so one expectation (person type, device, identity, time, score
//! from 0 to 1, pictures by hash) holds for all of them. Deliberately makes JSON only; form-data, which a box can also be
//! set to, is not documented well enough to imitate.

use boxbridge_event::{Feed, PersonType, PictureKind, Timestamp};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::film::{Film, Shot};
use super::ledger::Marker;

mod firmware; // how firmwares differ

pub use firmware::Firmware;

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

/// The body of a request: one object, or an array where several sightings are sent at once.
pub fn body(sightings: &[&Sighting], firmware: Firmware, film: &Film) -> Vec<Bytes> {
    let mut parts = Vec::new();
    if firmware == Firmware::Marked {
        parts.push(Bytes::from_static(b"\xef\xbb\xbf"));
    }

    match sightings {
        [only] => object(only, firmware, film, &mut parts),
        several => {
            parts.push(Bytes::from_static(b"["));
            for (position, sighting) in several.iter().enumerate() {
                if position > 0 {
                    parts.push(Bytes::from_static(b","));
                }
                object(sighting, firmware, film, &mut parts);
            }
            parts.push(Bytes::from_static(b"]"));
        }
    }
    parts
}

/// Writes one event, cuts the text at the places of pictures, and puts their base64 there. Nothing else that we write holds
/// an `@`.
fn object(sighting: &Sighting, firmware: Firmware, film: &Film, parts: &mut Vec<Bytes>) {
    let shot_of = |word: &str| {
        let mut pictures = sighting.pictures.iter();
        pictures
            .find(|(kind, _)| kind.as_str() == word)
            .map(|(_, shot)| shot)
    };

    let text = write(sighting, firmware).to_string();
    for (position, piece) in text.split('@').enumerate() {
        if position % 2 == 0 {
            parts.push(Bytes::copy_from_slice(piece.as_bytes()));
        } else if let Some(shot) = shot_of(piece) {
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

type Members = Map<String, Value>;

fn set(object: &mut Members, name: &str, value: impl Into<Value>) {
    object.insert(name.to_owned(), value.into());
}

/// RealTimeEvent, and HistoryEvent of generation 2.
fn nested(sighting: &Sighting, firmware: Firmware) -> Value {
    let picture = |kind| picture(sighting, kind, firmware);
    let mut event = Members::new();
    set(&mut event, "identity_id", sighting.identity.as_str());
    set(&mut event, "identity_name", sighting.name);
    set(&mut event, "group_name", "default_group");
    set(&mut event, "reg_pic", picture(PictureKind::Registered));
    set(&mut event, "timestamp", sighting.occurred_at.0);
    set(&mut event, "score", f64::from(sighting.score) / 10_000.0);

    let mut details = details(sighting, firmware);
    drift(&mut event, &mut details, sighting, firmware);
    set(&mut event, "ext_data", details);
    Value::Object(event)
}

/// `ext_data` of the nested shapes.
fn details(sighting: &Sighting, firmware: Firmware) -> Members {
    let picture = |kind| picture(sighting, kind, firmware);
    let mut details = Members::new();
    set(&mut details, "person_type", number(sighting.person_type));
    set(&mut details, "device_ip", sighting.device.as_str());
    set(&mut details, "device_type", "0");
    set(&mut details, "grab_fiqa_info", json!({}));
    set(&mut details, "box_fiqa_info", json!({}));
    set(&mut details, "spot_pic", picture(PictureKind::Scene));
    set(&mut details, "simulate_id", sighting.marker.to_string());

    for (kind, name) in [
        (PictureKind::Face, "recognize_face"),
        (PictureKind::Infrared, "ir_pic"),
    ] {
        if has(sighting, kind) {
            set(&mut details, name, picture(kind));
        }
    }

    if sighting.feed == Feed::History {
        let camera = format!("{}__{}", sighting.box_id, sighting.device);
        set(&mut details, "dev_sno", sighting.box_id.as_str());
        set(&mut details, "ep_id", camera);
        set(&mut details, "want_action", "0");
    }
    details
}

/// What this firmware writes differently from the document.
fn drift(event: &mut Members, details: &mut Members, sighting: &Sighting, firmware: Firmware) {
    match firmware {
        Firmware::Percent => set(event, "score", f64::from(sighting.score) / 100.0),
        Firmware::Seconds => set(event, "timestamp", seconds(sighting.occurred_at)),
        Firmware::Texts => write_as_texts(event, details, sighting),
        Firmware::Sparse => leave_out(event, details, sighting),
        Firmware::Talkative => say_more(event, details),
        _ => {}
    }
}

fn write_as_texts(event: &mut Members, details: &mut Members, sighting: &Sighting) {
    let score = f64::from(sighting.score) / 10_000.0;
    set(event, "score", score.to_string());
    set(event, "timestamp", sighting.occurred_at.0.to_string());

    let person_type = number(sighting.person_type);
    set(details, "person_type", person_type.to_string());
    set(details, "device_type", 0);
}

fn leave_out(event: &mut Members, details: &mut Members, sighting: &Sighting) {
    set(event, "identity_name", Value::Null);
    event.remove("group_name");
    set(event, "group_id", "7");
    if sighting.person_type == PersonType::Employee {
        details.remove("person_type");
    }
}

fn say_more(event: &mut Members, details: &mut Members) {
    let quality = json!({"fiqa_result": true, "success": ["clarity"], "fails": []});
    set(details, "grab_fiqa_info", camera_quality());
    set(details, "box_fiqa_info", quality);
    set(details, "reported_peroid", 30);

    let note = json!({"line": "V2R1", "nested": [1, null, "å"]});
    set(event, "firmware_note", note);
}

fn camera_quality() -> Value {
    json!({
        "confidence": 0.98,
        "face_id": 12,
        "yaw": -3.5,
        "age": 33,
        "sex": 1,
        "rect": {"top": 10, "bottom": 130, "left": 42, "right": 150},
    })
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
        "ep_info": {
            "ep_id": format!("{}__{}", sighting.box_id, sighting.device),
            "ep_type": "rtsp",
            "ep_ip": sighting.device,
            "ep_name": "door 1",
            "device_id": "1",
        },
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
        "media_device_info": {
            "media_device_id": "1",
            "media_device_type": "rtsp",
            "media_device_ip": sighting.device,
            "media_device_name": "door 1",
            "media_device_url": "rtsp://camera/1",
        },
        "mq_license_key": sighting.box_id,
        "api_version": "2.0",
        "simulate_id": sighting.marker,
    })
}

/// The place of a picture, which [`object`] fills; `""` where none is sent.
fn picture(sighting: &Sighting, kind: PictureKind, firmware: Firmware) -> Value {
    let prefix = match firmware {
        Firmware::DataUrls | Firmware::Renamed => "data:image/jpeg;base64,",
        _ => "",
    };

    match has(sighting, kind) {
        true => json!(format!("{prefix}@{kind}@")),
        false if firmware == Firmware::Sparse => Value::Null,
        false => json!(""),
    }
}

fn has(sighting: &Sighting, kind: PictureKind) -> bool {
    sighting.pictures.iter().any(|(sent, _)| *sent == kind)
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

#[cfg(test)]
mod tests {
    use base64_simd::STANDARD;

    use super::*;

    fn sighting(film: &Film, feed: Feed) -> Sighting {
        Sighting {
            marker: Marker {
                run: 0x5f0c_6e0c,
                number: 17,
            },
            feed,
            device: "192.168.1.7".to_owned(),
            box_id: "HQDZKM1000001".to_owned(),
            person_type: PersonType::Vip,
            identity: "500012".to_owned(),
            name: "小明",
            score: 6_231,
            occurred_at: Timestamp(1_566_016_554_020),
            pictures: vec![
                (PictureKind::Registered, film.shoot("r")),
                (PictureKind::Scene, film.shoot("s")),
            ],
        }
    }

    fn read(parts: &[Bytes]) -> Value {
        let bytes = parts.concat();
        serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes)).unwrap()
    }

    #[test]
    fn the_documents_firmware_writes_what_the_document_prints() {
        let film = Film::new(1, 1_000);
        let event = read(&body(
            &[&sighting(&film, Feed::Realtime)],
            Firmware::Document,
            &film,
        ));
        assert_eq!(event["timestamp"], json!(1_566_016_554_020_i64));
        assert_eq!(event["identity_name"], "小明");
        assert_eq!(event["ext_data"]["person_type"], 5);
        assert_eq!(event["ext_data"]["simulate_id"], "5f0c6e0c-17");
        let scene = STANDARD
            .decode_to_vec(event["ext_data"]["spot_pic"].as_str().unwrap())
            .unwrap();
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
                    let picture = STANDARD.encode_to_string(film.develop(&film.shoot(name)));
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
        assert_eq!(
            read(&body(
                &sightings.iter().collect::<Vec<_>>(),
                Firmware::Flat,
                &film
            ))
            .as_array()
            .map(Vec::len),
            Some(3)
        );
    }
}
