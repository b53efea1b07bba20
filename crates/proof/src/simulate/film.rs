//! Makes pictures that are cheap to send and impossible to confuse: JPEG headers and end marker around pseudo-random bytes.
//!
//! All pictures of a run share one long beginning, whose base64 and whose half-finished SHA-256 are kept; what makes a picture
//! unique stands in its last bytes. So a new picture of 75 KB costs a microsecond instead of a hash and an encoding over all of
//! it, and the simulator is not the bottleneck. Promises: every picture has exactly the size asked for, its dimensions can be
//! read, and the same name gives the same bytes. Deliberately draws nothing: a viewer shows noise; [`crate::faces`] draws.

use base64_simd::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::chance::Chance;
use crate::content_hash;

/// The smallest picture: headers, a name and the end marker.
pub const LEAST_BYTES: usize = 256;

/// A line of 76 base64 characters holds 57 bytes. Where the beginning is whole lines, its text and the end's can be encoded apart.
const LINE_BYTES: usize = 57;
const LINE_CHARACTERS: usize = 76;
/// Room for a name (at most 40 bytes) and the end marker.
const TAIL_BYTES: usize = 64;
const END: [u8; 2] = [0xff, 0xd9];

/// How base64 stands in a JSON string, by firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    Plain,
    /// `\/` for `/`.
    Escaped,
    /// A line break every 76 characters.
    Lines,
}

/// The common beginning of a run's pictures.
pub struct Film {
    bytes: usize,
    beginning: usize,
    hash: Sha256,
    plain: Bytes,
    escaped: Bytes,
    lines: Bytes,
}

/// One picture: its end and its hash. The beginning is the film's.
#[derive(Clone, Debug)]
pub struct Shot {
    /// 64 hex digits, of the decoded bytes.
    pub sha256: String,
    pub bytes: u64,
    end: Vec<u8>,
}

impl Film {
    /// Pictures of `bytes` bytes, at least `LEAST_BYTES`.
    pub fn new(seed: u64, bytes: usize) -> Film {
        let bytes = bytes.max(LEAST_BYTES);
        let beginning = (bytes - TAIL_BYTES) / LINE_BYTES * LINE_BYTES;

        let mut content = headers();
        let mut chance = Chance::new(seed, 0x0f11);
        while content.len() < beginning {
            // 0xff would begin a marker inside the image data.
            content.extend(chance.draw().to_le_bytes().map(|byte| byte.min(0xfe)));
        }
        content.truncate(beginning);

        let text = STANDARD.encode_to_string(&content);
        Film {
            bytes,
            beginning,
            hash: Sha256::new_with_prefix(&content),
            escaped: Bytes::from(spell(&text, Spelling::Escaped)),
            lines: Bytes::from(spell(&text, Spelling::Lines)),
            plain: Bytes::from(text),
        }
    }

    /// For pictures that share no beginning: each is whole in itself ([`Shot::of`]).
    pub fn blank() -> Film {
        let (plain, escaped, lines) = (Bytes::new(), Bytes::new(), Bytes::new());
        Film {
            bytes: LEAST_BYTES,
            beginning: 0,
            hash: Sha256::new(),
            plain,
            escaped,
            lines,
        }
    }

    /// The picture of this name, at most 40 bytes of ASCII.
    pub fn shoot(&self, name: &str) -> Shot {
        let room = self.bytes - self.beginning - END.len();
        let mut end: Vec<u8> = name
            .bytes()
            .chain(std::iter::repeat(b'.'))
            .take(room)
            .collect();
        end.extend(END);

        let digest = self.hash.clone().chain_update(&end).finalize();
        Shot {
            sha256: content_hash::written(&digest),
            bytes: self.bytes as u64,
            end,
        }
    }

    /// The base64 text of a picture, ready for a JSON string: the shared beginning and the picture's own end.
    pub fn base64(&self, shot: &Shot, spelling: Spelling) -> [Bytes; 2] {
        let beginning = match spelling {
            Spelling::Plain => &self.plain,
            Spelling::Escaped => &self.escaped,
            Spelling::Lines => &self.lines,
        };
        [
            beginning.clone(),
            Bytes::from(spell(&STANDARD.encode_to_string(&shot.end), spelling)),
        ]
    }

    /// The bytes themselves, to compare.
    pub fn develop(&self, shot: &Shot) -> Vec<u8> {
        let mut bytes = STANDARD.decode_to_vec(&self.plain).unwrap_or_default();
        bytes.extend(&shot.end);
        bytes
    }
}

impl Shot {
    /// A picture that was made elsewhere, for a blank film.
    pub fn of(picture: Vec<u8>) -> Shot {
        Shot {
            sha256: content_hash::of(&picture),
            bytes: picture.len() as u64,
            end: picture,
        }
    }
}

fn spell(text: &str, spelling: Spelling) -> String {
    match spelling {
        Spelling::Plain => text.to_owned(),
        Spelling::Escaped => text.replace('/', "\\/"),
        Spelling::Lines => {
            let lines = text
                .as_bytes()
                .chunks(LINE_CHARACTERS)
                .map(String::from_utf8_lossy);
            lines.fold(
                String::with_capacity(text.len() * 79 / 76 + 2),
                |all, line| all + &line + "\\n",
            )
        }
    }
}

/// Start, JFIF header, a frame of 640 × 480 in three colours, start of the scan.
fn headers() -> Vec<u8> {
    let mut headers = vec![0xff, 0xd8];
    headers.extend([
        0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0,
    ]);
    headers.extend([
        0xff, 0xc0, 0, 17, 8, 0x01, 0xe0, 0x02, 0x80, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1,
    ]);
    headers.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(film: &Film, shot: &Shot, spelling: Spelling) -> String {
        film.base64(shot, spelling)
            .iter()
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect()
    }

    #[test]
    fn a_picture_has_the_size_asked_for_and_the_hash_that_is_told() {
        for bytes in [LEAST_BYTES, 1_000, 75_000, 75_001, 75_055] {
            let film = Film::new(1, bytes);
            let shot = film.shoot("scene-1");
            let picture = STANDARD
                .decode_to_vec(text(&film, &shot, Spelling::Plain))
                .unwrap();
            assert_eq!(picture.len(), bytes);
            assert_eq!(picture, film.develop(&shot));
            assert_eq!(content_hash::of(&picture), shot.sha256);
        }
    }

    #[test]
    fn a_picture_begins_and_ends_as_a_jpeg_whose_size_can_be_read() {
        let film = Film::new(1, 5_000);
        let picture = film.develop(&film.shoot("scene-1"));
        let size = imagesize::blob_size(&picture).unwrap();
        assert_eq!((size.width, size.height), (640, 480));
        assert!(picture.ends_with(&END));
        let markers = picture[55..]
            .windows(2)
            .filter(|pair| pair[0] == 0xff)
            .count();
        assert_eq!(markers, 1, "only the end marker may follow the headers");
    }

    #[test]
    fn every_spelling_is_the_same_picture() {
        let film = Film::new(3, 9_000);
        let shot = film.shoot("face-7");
        let plain = text(&film, &shot, Spelling::Plain);
        for spelling in [Spelling::Escaped, Spelling::Lines] {
            let json = format!("\"{}\"", text(&film, &shot, spelling));
            let read: String = serde_json::from_str(&json).unwrap();
            assert_eq!(read.replace('\n', ""), plain);
        }
        assert!(
            text(&film, &shot, Spelling::Lines)
                .split("\\n")
                .all(|line| line.len() <= LINE_CHARACTERS)
        );
    }

    #[test]
    fn names_and_seeds_make_pictures_differ_and_repeat() {
        let film = Film::new(1, 1_000);
        assert_eq!(
            film.shoot("a").sha256,
            Film::new(1, 1_000).shoot("a").sha256
        );
        assert_ne!(film.shoot("a").sha256, film.shoot("b").sha256);
        assert_ne!(
            film.shoot("a").sha256,
            Film::new(2, 1_000).shoot("a").sha256
        );
    }
}
