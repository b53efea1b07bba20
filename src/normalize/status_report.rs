//! A box's report of itself and of its capture devices: what it says, in whatever generation's words.
//!
//! Promises: pure; no body makes it panic, and its memory is bounded: a report is read without a tree, up to [`REPORT_MAX`] and
//! [`DEVICES_MAX`]. Which of the two kinds a body is decides its content, never its path. `None` is for a body that is no report.
//! Deliberately judges nothing: who is online when is the table's business.

use std::borrow::Cow;

use encoding_rs::{Encoding, GB18030};

use super::Limits;
use super::limits::scan::scan;
use super::reading::json_object::{JsonObject, Member, elements};

/// What one body says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusReport {
    /// The box's licence code, or else its serial number.
    pub box_id: Option<String>,
    /// The box itself; `None` in a report of capture devices alone.
    pub of_box: Option<BoxReport>,
    pub devices: Vec<DeviceReport>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoxReport {
    /// In the order in which it names them.
    pub addresses: Vec<String>,
    pub name: Option<String>,
    pub firmware: Option<String>,
    /// As it says; a box that says nothing of that is there, or it would not report.
    pub is_online: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceReport {
    /// As events of it have it: its address, where one is known.
    pub id: String,
    pub name: Option<String>,
    pub kind: Option<String>,
    /// `None` where the report does not say.
    pub is_online: Option<bool>,
}

/// A report of sixteen devices has some 8 KiB.
const REPORT_MAX: usize = 256 << 10;
/// Of one report; a box has sixteen at most.
const DEVICES_MAX: usize = 256;
/// Of any text in it, as of a device's id in an event.
const TEXT_MAX: usize = 256;
const ADDRESSES_MAX: usize = 8;

/// The object that holds what the box's software says of itself.
const INNER: &str = "gateway_ext_data";
/// Behind the box's licence code in an `ep_id`, before the device's address.
const EP_ID_SEPARATOR: &str = "__";

// Each in the words of every generation.
const OF_BOX: [&str; 4] = ["gateway_ip", "gateway_name", "gateway_status", "gateway_sn"];
const BOX_IDS: [&str; 3] = ["dev_sno", "mq_license_key", "gateway_sn"];
const LISTS: [&str; 2] = ["sub_devices", "media_devices"];
const IPS: [&str; 2] = ["ep_ip", "media_device_ip"];
const IDS: [&str; 3] = ["ep_id", "media_device_id", "device_id"];
const NAMES: [&str; 2] = ["ep_name", "media_device_name"];
const KINDS: [&str; 2] = ["ep_type", "media_device_type"];
const STATES: [&str; 2] = ["ep_status", "media_device_status"];
const URLS: [&str; 2] = ["media_device_url", "ep_url"];
const FIRMWARE: [&str; 2] = ["sw_version", "sdk_version"];

/// Reads a body that came on a path for reports.
pub fn status_report(body: &[u8], charset: Option<&str>, limits: &Limits) -> Option<StatusReport> {
    if body.len() > REPORT_MAX {
        return None;
    }
    let text = decoded(body, charset);
    let text = text.trim();
    scan(text, limits).ok()?;

    let object = JsonObject::parse(text, INNER).ok()?;
    let of_box = OF_BOX.iter().any(|name| object.has(name));
    let is_report = of_box || LISTS.iter().any(|name| object.has(name));
    is_report.then(|| StatusReport {
        box_id: object.text(&BOX_IDS),
        of_box: of_box.then(|| box_report(&object)),
        devices: devices(&object),
    })
}

/// The text, also of a box that writes Chinese without saying how.
fn decoded<'b>(body: &'b [u8], charset: Option<&str>) -> Cow<'b, str> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let declared = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
            declared
                .unwrap_or(GB18030)
                .decode_without_bom_handling(body)
                .0
        }
    }
}

fn box_report(object: &JsonObject<'_>) -> BoxReport {
    let addresses = object.text(&["gateway_ip"]).unwrap_or_default();
    let addresses = addresses.split_whitespace().take(ADDRESSES_MAX);
    let inner = object
        .members
        .iter()
        .find_map(|(name, member)| match member {
            Member::Object(inner) if name == INNER => Some(inner),
            _ => None,
        });

    BoxReport {
        addresses: addresses.map(str::to_owned).collect(),
        name: object.text(&["gateway_name"]),
        firmware: inner.and_then(|inner| inner.text(&FIRMWARE)),
        is_online: object
            .text(&["gateway_status"])
            .and_then(|word| is_online(&word))
            .unwrap_or(true),
    }
}

fn devices(object: &JsonObject<'_>) -> Vec<DeviceReport> {
    let mut found = Vec::new();
    for (name, member) in &object.members {
        if LISTS.contains(&name.as_ref())
            && let Member::Text(list) = member
        {
            list_into(list.get(), &mut found);
        }
    }
    found
}

/// Reads a list of devices, which some firmware writes as a JSON text.
fn list_into(json: &str, found: &mut Vec<DeviceReport>) {
    if json.starts_with('"') {
        let inside: String = serde_json::from_str(json).unwrap_or_default();
        if inside.trim_start().starts_with('[') {
            list_into(inside.trim(), found);
        }
        return;
    }

    for element in elements(json).unwrap_or_default() {
        if found.len() >= DEVICES_MAX {
            return;
        }
        let object = JsonObject::parse(element.get(), INNER).ok();
        found.extend(object.as_ref().and_then(device));
    }
}

/// One device; `None` where nothing says which.
fn device(object: &JsonObject<'_>) -> Option<DeviceReport> {
    let by_id = || {
        let id = object.text(&IDS)?;
        let address = id.split_once(EP_ID_SEPARATOR).map(|(_, address)| address);
        address
            .filter(|address| !address.is_empty())
            .map(str::to_owned)
    };
    let id = object
        .text(&IPS)
        .or_else(by_id)
        .or_else(|| host(&object.text(&URLS)?))
        .or_else(|| object.text(&IDS))?;

    Some(DeviceReport {
        id,
        name: object.text(&NAMES),
        kind: object.text(&KINDS),
        is_online: object.text(&STATES).and_then(|word| is_online(&word)),
    })
}

fn is_online(word: &str) -> Option<bool> {
    match word.trim().to_ascii_lowercase().as_str() {
        "online" => Some(true),
        "offline" => Some(false),
        _ => None,
    }
}

/// The host of a URL. What stands before its `@` is a camera's password.
fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit('@').next()?;

    let host = match place.strip_prefix('[') {
        Some(ipv6) => ipv6.split(']').next()?,
        None => place.split(':').next()?,
    };
    Some(host.to_owned()).filter(|host| !host.is_empty())
}

impl JsonObject<'_> {
    /// The first of these members that is a text, or a number's digits, and not empty.
    fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| {
            let mut members = self.members.iter().rev();
            let (_, member) = members.find(|(known, _)| known == name)?;
            match member {
                Member::Text(json) => text_of(json.get()),
                // A picture is no text.
                Member::Object(_) | Member::Apart(_) => None,
            }
        })
    }
}

fn text_of(json: &str) -> Option<String> {
    let text = match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).unwrap_or_default(),
        b'-' | b'0'..=b'9' => json.to_owned(),
        _ => String::new(),
    };
    let text = text.trim();
    (!text.is_empty() && text.len() <= TEXT_MAX).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        depth_max: 64,
        events_max: 100,
        pictures_max: 16,
        event_max_bytes: 8 << 20,
    };

    fn read(body: &str) -> Option<StatusReport> {
        status_report(body.as_bytes(), None, &LIMITS)
    }

    fn device_report(id: &str, name: &str, kind: &str, is_online: Option<bool>) -> DeviceReport {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        DeviceReport {
            id: id.to_owned(),
            name: some(name),
            kind: some(kind),
            is_online,
        }
    }

    #[test]
    fn a_box_tells_of_itself_and_of_its_devices() {
        let report = read(
            r#"{"gateway_ip":"192.168.1.19 10.0.0.7","gateway_name":"小盒子","gateway_status":"online","gateway_sn":"SN-9","dev_sno":"L-1",
                "gateway_ext_data":{"sw_version":"V5R6","gateway_mac":"00:11","cpu_info":{"use":"7"},"status":"0"},
                "sub_devices":[{"ep_id":"L-1__192.168.1.243","ep_name":"东门","ep_ip":"192.168.1.243","ep_status":"online","ep_type":"rtsp"},
                               {"ep_id":"L-1__192.168.1.244","ep_status":"Offline"}]}"#,
        );
        let report = report.expect("a report");
        assert_eq!(report.box_id.as_deref(), Some("L-1"));
        assert_eq!(
            report.of_box,
            Some(BoxReport {
                addresses: vec!["192.168.1.19".to_owned(), "10.0.0.7".to_owned()],
                name: Some("小盒子".to_owned()),
                firmware: Some("V5R6".to_owned()),
                is_online: true,
            })
        );
        assert_eq!(
            report.devices,
            [
                device_report("192.168.1.243", "东门", "rtsp", Some(true)),
                device_report("192.168.1.244", "", "", Some(false)),
            ]
        );
    }

    #[test]
    fn capture_devices_are_told_in_the_words_of_any_generation() {
        for (key, list) in [
            ("mq_license_key", "media_devices"),
            ("dev_sno", "sub_devices"),
        ] {
            let report = read(&format!(
                r#"{{"{key}":"L-2","{list}":[
                    {{"media_device_id":"m-1","media_device_name":"door","media_device_ip":"10.0.0.1","media_device_status":"offline","media_device_type":"rtsp"}},
                    {{"media_device_id":"m-2","media_device_url":"rtsp://admin:secret@10.0.0.2:554/live","media_device_status":"online"}},
                    {{"media_device_id":"m-3"}}, {{}}, 7, null]}}"#
            ));
            let report = report.expect("a report");
            assert_eq!(
                (report.box_id.as_deref(), &report.of_box),
                (Some("L-2"), &None)
            );
            assert_eq!(
                report.devices,
                [
                    device_report("10.0.0.1", "door", "rtsp", Some(false)),
                    device_report("10.0.0.2", "", "", Some(true)),
                    device_report("m-3", "", "", None),
                ]
            );
        }
    }

    #[test]
    fn what_a_box_writes_oddly_is_read_all_the_same() {
        let odd = read(
            "\u{feff} {\"gateway_ip\":null,\"gateway_sn\":42,\"gateway_ext_data\":\"-1\",\"sub_devices\":\"[{\\\"ep_ip\\\":\\\"10.0.0.1\\\",\\\"ep_status\\\":1}]\"} ",
        );
        let odd = odd.expect("a report");
        assert_eq!(odd.box_id.as_deref(), Some("42"));
        assert_eq!(odd.devices, [device_report("10.0.0.1", "", "", None)]);

        // GB18030: the second byte of a letter may be a backslash.
        let body = b"{\"gateway_ip\":\"10.0.0.9\",\"gateway_name\":\"\xd5\x5c\xb6\xab\"}";
        let chinese = status_report(body, None, &LIMITS).expect("a report");
        let name = chinese.of_box.and_then(|of_box| of_box.name);
        assert!(name.is_some_and(|name| name.ends_with('东')));
    }

    #[test]
    fn what_is_no_report_is_none_and_no_list_is_too_long() {
        let long = format!(
            "{{\"sub_devices\":[{}7]}}",
            "{\"ep_ip\":\"a\"},".repeat(300)
        );
        assert_eq!(read(&long).expect("a report").devices.len(), DEVICES_MAX);

        let deep = format!("{{\"sub_devices\":{}", "[".repeat(100));
        let huge = format!("{{\"gateway_ip\":\"{}\"}}", "1".repeat(REPORT_MAX));
        for body in [
            "",
            "{",
            "[]",
            "7",
            "{}",
            "{\"identity_id\":\"1\"}",
            &deep,
            &huge,
        ] {
            assert_eq!(read(body), None, "{:.40}", body);
        }
    }
}
