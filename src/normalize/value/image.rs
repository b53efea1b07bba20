//! Reads an image's type and size from a few of its bytes, and whether its end is there.
//!
//! Promises: no pixel is ever decoded, and no allocation depends on a declared size. Deliberately trusts no name and no declared media
//! type: bytes that do not start like one of five image types are `application/octet-stream`.

use memchr::memmem;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) struct Image {
    pub extension: &'static str,
    pub media_type: &'static str,
    /// Width and height in pixels, as declared.
    pub size: Option<(u32, u32)>,
    pub has_end: bool,
}

impl Image {
    pub const UNKNOWN: Image = Image {
        extension: "bin",
        media_type: "application/octet-stream",
        size: None,
        has_end: true,
    };
}

pub(in crate::normalize) fn inspect(bytes: &[u8]) -> Image {
    let Some((extension, media_type)) = kind(bytes) else {
        return Image::UNKNOWN;
    };

    let size = imagesize::blob_size(bytes).ok();
    let size = size.and_then(|size| {
        let width = u32::try_from(size.width).ok()?;
        Some((width, u32::try_from(size.height).ok()?))
    });

    Image {
        extension,
        media_type,
        size,
        has_end: match extension {
            "jpg" => jpeg_has_end(bytes),
            "png" => memmem::rfind(bytes, PNG_END).is_some(),
            _ => true,
        },
    }
}

/// The extension and the media type.
fn kind(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some(("jpg", "image/jpeg")),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(("png", "image/png")),
        [b'R', b'I', b'F', b'F', _, _, _, _, format @ ..] if format.starts_with(b"WEBP") => {
            Some(("webp", "image/webp"))
        }
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(("gif", "image/gif")),
        // The four bytes after the size are reserved and zero: without them every text that starts with BM would be an image.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some(("bmp", "image/bmp")),
        _ => None,
    }
}

/// The type and the checksum of an IEND chunk, which is always empty.
const PNG_END: &[u8] = b"IEND\xae\x42\x60\x82";
const START_OF_SCAN: u8 = 0xda;

/// Whether an end-of-image marker follows the first scan. One before it belongs to a thumbnail; bytes after it are allowed, since
/// cameras pad.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();

    loop {
        match rest {
            [0xff, 0xff, ..] => rest = rest.get(1..).unwrap_or_default(),
            [0xff, START_OF_SCAN, scan @ ..] => {
                return memmem::rfind(scan, &[0xff, 0xd9]).is_some();
            }
            [0xff, _, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                rest = rest.get(2 + length..).unwrap_or_default();
            }
            // A marker is missing. Other programs may judge that; here only the end counts.
            _ => return bytes.ends_with(&[0xff, 0xd9]),
        }
    }
}
