//! Bodies as boxes send them: made once, and given other digits for every event, so that no event is a duplicate.
//!
//! Promises: a body has exactly the size that was asked for; its scene picture differs in every event, its enrolled photo is one of
//! [`PEOPLE`]. Deliberately no real JPEGs: their markers and a scan that does not compress are all that a gateway looks at.

use std::io::{self, IoSlice};

use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Enrolled photos that differ: a store that has one need not take it again.
const PEOPLE: u64 = 100;

/// More than any two of these in a row stand in no picture by chance.
const NUMBER: &str = "NNNNNNNNNN";
const TIME: &str = "TTTTTTTTTTTTT";
const PERSON: &str = "PPPPPPPPPP";
/// The device's address ends in two of them, each behind a 1: a hundred times a hundred devices.
const DEVICE_HIGH: &str = "1XX";
const DEVICE_LOW: &str = "1YY";

#[derive(Clone, Copy)]
enum Digits {
    Number,
    Time,
    Person,
    DeviceHigh,
    DeviceLow,
}

/// Where digits stand, and which.
struct Patch {
    begin: usize,
    end: usize,
    digits: Digits,
}

pub struct Body {
    text: Vec<u8>,
    patches: Vec<Patch>,
    devices: u64,
}

/// What differs from one event to the next.
pub struct Event {
    pub number: u64,
    pub time_ms: u128,
}

impl Body {
    /// A real-time event of so many bytes, from one of so many devices (at most 10,000). It has no pictures where they have no room.
    pub fn new(bytes: usize, devices: u64, person_type: u8) -> Body {
        let empty = document("", "", person_type).len();
        let pictures = bytes.saturating_sub(empty);
        // A scene is larger than a photo that was cropped when it was enrolled.
        let scene = pictures * 3 / 5 / 4 * 4;
        let registered = picture((pictures - scene) / 4 * 4, 1, PERSON);
        let mut text = document(&registered, &picture(scene, 2, NUMBER), person_type);
        text.extend(std::iter::repeat_n(b' ', bytes.saturating_sub(text.len())));

        Body::of(text, devices)
    }

    fn of(text: Vec<u8>, devices: u64) -> Body {
        let places = [
            (NUMBER, Digits::Number),
            (TIME, Digits::Time),
            (PERSON, Digits::Person),
            (DEVICE_HIGH, Digits::DeviceHigh),
            (DEVICE_LOW, Digits::DeviceLow),
        ];
        let mut patches: Vec<Patch> = places
            .into_iter()
            .flat_map(|(mark, digits)| {
                let begins = memchr::memmem::find_iter(&text, mark).collect::<Vec<_>>();
                begins.into_iter().map(move |begin| Patch {
                    begin,
                    end: begin + mark.len(),
                    digits,
                })
            })
            .collect();
        patches.sort_by_key(|patch| patch.begin);

        Body {
            text,
            patches,
            devices,
        }
    }

    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// The body of one event, in one piece.
    pub fn bytes(&self, event: &Event) -> Vec<u8> {
        let digits = self.digits(event);
        self.pieces(&digits).concat()
    }

    /// Writes a request with this event, from the one text that all events share.
    pub async fn write(
        &self,
        head: &[u8],
        event: &Event,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let digits = self.digits(event);
        let pieces = self.pieces(&digits);
        let mut slices: Vec<IoSlice<'_>> = std::iter::once(head)
            .chain(pieces)
            .map(IoSlice::new)
            .collect();

        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            match stream.write_vectored(rest).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => IoSlice::advance_slices(&mut rest, written),
            }
        }
        stream.flush().await
    }

    fn digits(&self, event: &Event) -> Vec<String> {
        let device = event.number % self.devices;
        let text = |patch: &Patch| match patch.digits {
            Digits::Number => format!("{:010}", event.number),
            Digits::Time => format!("{:013}", event.time_ms),
            Digits::Person => format!("{:010}", event.number % PEOPLE),
            Digits::DeviceHigh => format!("1{:02}", device / 100),
            Digits::DeviceLow => format!("1{:02}", device % 100),
        };
        self.patches.iter().map(text).collect()
    }

    fn pieces<'a>(&'a self, digits: &'a [String]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::with_capacity(2 * digits.len() + 1);
        let mut at = 0;
        for (patch, digits) in self.patches.iter().zip(digits) {
            pieces.push(&self.text[at..patch.begin]);
            pieces.push(digits.as_bytes());
            at = patch.end;
        }
        pieces.push(&self.text[at..]);
        pieces
    }
}

/// The vendor's document, as the SE3 sends it.
fn document(registered: &str, scene: &str, person_type: u8) -> Vec<u8> {
    format!(
        "{{\"reg_pic\":\"{registered}\",\"ext_data\":{{\"person_type\":{person_type},\"grab_fiqa_info\":{{}},\
         \"device_ip\":\"10.20.{DEVICE_HIGH}.{DEVICE_LOW}\",\"box_fiqa_info\":{{}},\"device_type\":\"0\",\
         \"spot_pic\":\"{scene}\"}},\"identity_id\":\"{NUMBER}\",\"score\":0.6231614351272583,\"timestamp\":{TIME},\
         \"group_name\":\"default_group\",\"identity_name\":\"小明\"}}"
    )
    .into_bytes()
}

/// The base64 of a picture, so many characters long, with digits to be replaced in the middle of its scan.
fn picture(characters: usize, seed: u64, mark: &str) -> String {
    let mut text = base64_simd::STANDARD.encode_to_string(jpeg(characters / 4 * 3, seed));
    let middle = text.len() * 2 / 3;
    if let Some(end) = middle
        .checked_add(mark.len())
        .filter(|end| *end < text.len())
    {
        text.replace_range(middle..end, mark);
    }
    text
}

/// Bytes with the markers of a JPEG and a scan that does not compress.
fn jpeg(length: usize, seed: u64) -> Vec<u8> {
    let start: [&[u8]; 3] = [
        b"\xff\xd8",
        b"\xff\xc0\x00\x11\x08\x02\x80\x01\xe0\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00",
        b"\xff\xda\x00\x0c\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00",
    ];
    let mut bytes = start.concat();

    let mut state = seed;
    while bytes.len() + 2 < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        bytes.push((state >> 33) as u8 & 0x7f);
    }

    bytes.extend([0xff, 0xd9]);
    bytes.resize(length, 0);
    bytes
}
