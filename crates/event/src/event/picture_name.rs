//! The name of a picture, made from its content: `registered/ab/ab12….jpg`, `scene/2026/11/22/ab12….jpg`.
//!
//! Promises: what is read here is a name that we could have given, so it may stand in a path or a header. Deliberately keeps no prefix of a
//! store: the same picture has one name in every store.

use sha2::{Digest, Sha256};

use crate::{PictureKind, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PictureName {
    text: String,
    kind: PictureKind,
    sha256: [u8; 32],
    media_type: &'static str,
}

/// How names end, by content. What is no image of these has [`OTHER`].
const IMAGES: [(&str, &str); 5] = [
    ("jpg", "image/jpeg"),
    ("png", "image/png"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("bmp", "image/bmp"),
];
const OTHER: (&str, &str) = ("bin", "application/octet-stream");

impl PictureName {
    /// The enrolled photo is the same each time, so its name has no date and it is stored once; the others have a day.
    pub fn write(
        kind: PictureKind,
        sha256: &str,
        extension: &str,
        received_at: Timestamp,
    ) -> String {
        match kind {
            PictureKind::Registered => {
                let begin = sha256.get(..2).unwrap_or_default();
                format!("registered/{begin}/{sha256}.{extension}")
            }
            _ => {
                let (year, month, day) = received_at.date();
                format!("{kind}/{year:04}/{month:02}/{day:02}/{sha256}.{extension}")
            }
        }
    }

    /// The name in which a key or a path ends; `None` if it is none of ours. What stands before it is left out.
    pub fn at_end_of(path: &str) -> Option<PictureName> {
        let (folders, file) = path.rsplit_once('/')?;
        let (digits, extension) = file.split_once('.')?;
        let images = IMAGES.iter().chain([&OTHER]);
        let (_, media_type) = images.into_iter().find(|(known, _)| *known == extension)?;

        let (kind, begin) = kind_of(folders, digits)?;
        Some(PictureName {
            text: path.get(begin..)?.to_owned(),
            kind,
            sha256: bytes(digits)?,
            media_type,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn kind(&self) -> PictureKind {
        self.kind
    }

    /// 64 hex digits.
    pub fn sha256(&self) -> &str {
        let (_, file) = self.text.rsplit_once('/').unwrap_or_default();
        file.split('.').next().unwrap_or_default()
    }

    /// `<sha256>.<extension>`.
    pub fn file(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    pub fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// Whether a viewer can show it.
    pub fn is_image(&self) -> bool {
        self.media_type != OTHER.1
    }

    /// The first 32 bits of the hash: many pictures may have them.
    pub fn first_bits(&self) -> u32 {
        let (first, _) = self.sha256.split_first_chunk().unwrap_or((&[0; 4], &[]));
        u32::from_be_bytes(*first)
    }

    /// Whether these are the bytes that it names.
    pub fn names(&self, bytes: &[u8]) -> bool {
        Sha256::digest(bytes).as_slice() == self.sha256
    }
}

/// The kind that these folders are of, and where in the path they begin.
fn kind_of(folders: &str, digits: &str) -> Option<(PictureKind, usize)> {
    let mut from_the_end = folders.rsplit('/');
    let last = from_the_end.next()?;
    if digits.get(..2) == Some(last) && from_the_end.next() == Some("registered") {
        let begin = folders.len() - "registered/ab".len();
        return Some((PictureKind::Registered, begin));
    }

    let mut from_the_end = folders.rsplit('/');
    let [day, month, year, kind] = std::array::from_fn(|_| from_the_end.next().unwrap_or(""));
    let is_day = is_number(day, 2) && is_number(month, 2) && is_number(year, 4);
    let kind = PictureKind::from_word(kind).filter(|_| is_day)?;

    let begin = folders.len() - kind.as_str().len() - "/yyyy/mm/dd".len();
    (kind != PictureKind::Registered).then_some((kind, begin))
}

fn is_number(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Of 64 hex digits as we write them.
fn bytes(digits: &str) -> Option<[u8; 32]> {
    let is_ours = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    if digits.len() != 64 || !digits.bytes().all(is_ours) {
        return None;
    }

    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "ab12000000000000000000000000000000000000000000000000000000000034";

    #[test]
    fn every_name_that_is_given_is_read_back_whatever_stands_before_it() {
        for kind in PictureKind::ALL.iter().copied() {
            for (extension, media_type) in IMAGES.iter().chain([&OTHER]) {
                let name = PictureName::write(kind, SHA, extension, Timestamp(1_795_000_000_000));
                for prefix in [
                    "",
                    "/",
                    "faces/",
                    "a/scene/2026/11/22/registered/ab/",
                    "scene/y/",
                ] {
                    let read = PictureName::at_end_of(&format!("{prefix}{name}")).unwrap();
                    assert_eq!((read.as_str(), read.kind()), (&*name, kind));
                    assert_eq!((read.sha256(), read.media_type()), (SHA, *media_type));
                    assert_eq!(read.file(), format!("{SHA}.{extension}"));
                }
            }
        }
    }

    #[test]
    fn what_we_could_not_have_named_is_no_name() {
        let upper = SHA.to_uppercase();
        for other in [
            String::new(),
            "registered".to_owned(),
            format!("{SHA}.jpg"),
            format!("registered/ac/{SHA}.jpg"),
            format!("registered/ab/{SHA}.html"),
            format!("registered/ab/{SHA}"),
            format!("registered/ab/{SHA}.jpg.jpg"),
            format!("registered/ab/{upper}.jpg"),
            format!("registered/ab/{}.jpg", &SHA[1..]),
            format!("registered/ab/../{SHA}.jpg"),
            format!("registered/2026/11/22/{SHA}.jpg"),
            format!("scene/ab/{SHA}.jpg"),
            format!("scene/2026/11/{SHA}.jpg"),
            format!("scene/26/11/22/{SHA}.jpg"),
            format!("scene/2026/1a/22/{SHA}.jpg"),
            format!("secrets/2026/11/22/{SHA}.jpg"),
            format!("scene//11/22/{SHA}.jpg"),
            format!("scene/2026/11/22/{SHA}.jpg/"),
        ] {
            assert_eq!(PictureName::at_end_of(&other), None, "{other}");
        }
    }
}
