//! Documents as boxes send them, with every drift that was seen, generated.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// As the vendor's document prints it.
pub fn sample() -> Value {
    serde_json::from_str(include_str!("../../normalize/realtime-vendor-sample.json"))
        .expect("the sample is JSON")
}

/// A document of the nested shape: any known field may be missing, or hold any value at all; unknown ones join.
pub fn any_document() -> impl Strategy<Value = Value> {
    let top = prop::collection::btree_map(top_name(), any_value(), 0..8);
    let inner = prop::collection::btree_map(inner_name(), any_value(), 0..12);
    let inner = prop_oneof![8 => inner.prop_map(|inner| Some(object(inner))), 1 => any_value().prop_map(Some), 1 => Just(None)];
    (top, inner, any_picture(), any::<bool>()).prop_map(|(top, inner, picture, is_pictured)| {
        let mut document = top.into_iter().collect::<Map<_, _>>();
        // What makes it a document of this dialect, if nothing else does.
        document
            .entry("identity_id")
            .or_insert_with(|| json!("666666"));
        document
            .entry("timestamp")
            .or_insert_with(|| json!(1_566_016_554_020_u64));
        document.extend(inner.map(|inner| ("ext_data".to_owned(), inner)));
        if is_pictured {
            document.insert("reg_pic".to_owned(), Value::String(picture));
        }
        Value::Object(document)
    })
}

/// A document of one of the flat shapes of history: any known field may be missing, or hold any value at all; unknown ones join.
pub fn any_flat_document() -> impl Strategy<Value = Value> {
    const V5: (&str, [&str; 12], [&str; 4]) = (
        "timestamp",
        [
            "identity_id",
            "identity_name",
            "timestamp",
            "score",
            "person_type",
            "dev_sno",
            "reg_pic",
            "spot_pic",
            "recognize_face",
            "ir_pic",
            "want_action",
            "group_id",
        ],
        ["ep_ip", "ep_type", "ep_name", "ep_id"],
    );
    const V6: (&str, [&str; 12], [&str; 4]) = (
        "in_timestamp",
        [
            "identity_id",
            "identity_name",
            "in_timestamp",
            "score",
            "user_type",
            "mq_license_key",
            "reg_image",
            "spot_image",
            "recognize_face_image",
            "ir_image",
            "post_action",
            "group_id",
        ],
        [
            "media_device_ip",
            "media_device_type",
            "media_device_name",
            "media_device_url",
        ],
    );
    let of =
        |inner_name: &'static str,
         (time, top, inner): (&'static str, [&'static str; 12], [&'static str; 4])| {
            let name = |names: Vec<&'static str>| prop_oneof![6 => prop::sample::select(names).prop_map(str::to_owned), 1 => unknown_name()];
            let top = prop::collection::btree_map(name(top.to_vec()), any_value(), 0..9);
            let inner = prop::collection::btree_map(name(inner.to_vec()), any_value(), 0..5)
                .prop_map(object);
            (top, prop_oneof![8 => inner, 1 => any_value()]).prop_map(move |(top, inner)| {
                let mut document = top.into_iter().collect::<Map<_, _>>();
                document
                    .entry("identity_id")
                    .or_insert_with(|| json!("666666"));
                document
                    .entry(time)
                    .or_insert_with(|| json!(1_566_016_554_020_u64));
                document.insert(inner_name.to_owned(), inner);
                Value::Object(document)
            })
        };
    prop_oneof![of("ep_info", V5), of("media_device_info", V6)]
}

fn object(members: std::collections::BTreeMap<String, Value>) -> Value {
    Value::Object(members.into_iter().collect())
}

fn top_name() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 9] = [
        "identity_id",
        "identity_name",
        "group_name",
        "group_id",
        "timestamp",
        "score",
        "reg_pic",
        "device_id",
        "identity_info",
    ];
    prop_oneof![6 => prop::sample::select(&KNOWN[..]).prop_map(str::to_owned), 1 => unknown_name()]
}

fn inner_name() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 12] = [
        "device_ip",
        "device_type",
        "person_type",
        "spot_pic",
        "recognize_face",
        "ir_pic",
        "grab_fiqa_info",
        "box_fiqa_info",
        "dev_sno",
        "ep_id",
        "info",
        "identity_id",
    ];
    prop_oneof![8 => prop::sample::select(&KNOWN[..]).prop_map(str::to_owned), 1 => unknown_name()]
}

/// Never one that marks a flat document or an embedding.
fn unknown_name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("reported_peroid".to_owned()),
        Just(String::new()),
        "x[a-z\"\\\\é ]{0,6}"
    ]
}

pub fn any_value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        (-10_i64..10).prop_map(Value::from),
        (0.0..101.0_f64).prop_map(Value::from),
        prop::sample::select(
            &[
                "1566016554020",
                "1602612036.3828533",
                "1.50",
                "1E2",
                "-0.0",
                "123456789012345678901234567890"
            ][..]
        )
        .prop_map(|digits| serde_json::from_str(digits).expect("it is a number")),
    ];
    let text = prop_oneof![
        prop::sample::select(
            &[
                "",
                " ",
                "1",
                "3",
                "vip",
                "0",
                "192.168.1.243",
                "87.5",
                "stranger",
                "小明"
            ][..]
        )
        .prop_map(str::to_owned),
        any::<String>(),
        any_picture(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text.prop_map(Value::from)
    ];

    leaf.prop_recursive(3, 12, 4, |value| {
        prop_oneof![
            prop::collection::vec(value.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d_]{0,4}", value, 0..4).prop_map(object),
        ]
    })
}

/// Base64 in one of the spellings that boxes use.
fn any_picture() -> impl Strategy<Value = String> {
    (prop::collection::vec(any::<u8>(), 1..120), 0..5_u8).prop_map(|(bytes, spelling)| {
        let plain = base64_simd::STANDARD.encode_to_string(&bytes);
        match spelling {
            0 => format!("data:image/jpeg;base64,{plain}"),
            1 => plain
                .as_bytes()
                .chunks(76)
                .map(|line| String::from_utf8_lossy(line) + "\r\n")
                .collect(),
            2 => plain
                .trim_end_matches('=')
                .replace('+', "-")
                .replace('/', "_"),
            _ => plain,
        }
    })
}

/// The document with every text that is base64 in any spelling written in one, since spelling is all that may differ.
pub fn comparable(document: &Value) -> Value {
    let mut document = document.clone();
    const FLAT: [&str; 8] = [
        "reg_pic",
        "spot_pic",
        "recognize_face",
        "ir_pic",
        "reg_image",
        "spot_image",
        "recognize_face_image",
        "ir_image",
    ];
    let nested = ["spot_pic", "recognize_face", "ir_pic"].map(|name| (Some("ext_data"), name));

    for (inner, name) in FLAT.map(|name| (None, name)).into_iter().chain(nested) {
        let object = match inner {
            Some(inner) => document.get_mut(inner),
            None => Some(&mut document),
        };
        if let Some(Value::String(text)) = object.and_then(|object| object.get_mut(name)) {
            let payload = text.strip_prefix("data:image/jpeg;base64,").unwrap_or(text);
            let clean = payload
                .replace(|c: char| c.is_ascii_whitespace(), "")
                .replace('-', "+")
                .replace('_', "/");
            let clean = clean.trim_end_matches('=');
            use base64::Engine;
            let lenient = base64::engine::GeneralPurpose::new(
                &base64::alphabet::STANDARD,
                base64::engine::general_purpose::NO_PAD.with_decode_allow_trailing_bits(true),
            );
            if let Ok(bytes) = lenient.decode(clean)
                && !bytes.is_empty()
            {
                *text = base64_simd::STANDARD.encode_to_string(bytes);
            }
        }
    }
    document
}
