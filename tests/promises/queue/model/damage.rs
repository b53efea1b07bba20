//! What else is found after a kill: a torn end, a flipped bit.

use std::path::Path;

use boxbridge_event::PictureKind;

use crate::queue::support::{files, picture};

/// Writes behind the last thing in the newest segment what a cut off write could have left there.
pub fn tear(dir: &Path, seed: u64) {
    let Some(path) = files(dir, "segment-").pop() else {
        return;
    };
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| (last + 1).next_multiple_of(4096));
    let elsewhere = bytes[8192.min(bytes.len())..]
        .iter()
        .copied()
        .take(8192)
        .collect::<Vec<_>>();
    let noise = picture(PictureKind::Face, seed, 4096).bytes;
    let torn = if seed.is_multiple_of(2) {
        [elsewhere, noise.to_vec()].concat()
    } else {
        [noise.to_vec(), elsewhere].concat()
    };
    bytes
        .iter_mut()
        .skip(end)
        .zip(torn)
        .for_each(|(byte, torn)| *byte = torn);
    std::fs::write(&path, bytes).unwrap();
}

pub fn rot(dir: &Path, file: usize, place: usize) {
    let all = files(dir, "");
    let path = &all[file % all.len()];
    let mut bytes = std::fs::read(path).unwrap();
    let used: Vec<usize> = (0..bytes.len())
        .filter(|place| bytes[*place] != 0)
        .collect();
    if let Some(place) = used.get(place % used.len().max(1)) {
        bytes[*place] ^= 1 << (place % 8);
        std::fs::write(path, bytes).unwrap();
    }
}
