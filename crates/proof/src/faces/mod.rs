//! Draws the people who pass: a registered photo, a scene with door and time, a face; so that one looks at pictures instead of noise.
//!
//! Promises: the same person is drawn the same way every time, so that the registered photo has the same bytes on every pass, as a real
//! one has; nobody looks like anybody who lives. Deliberately slow beside [`crate::simulate::Film`], some milliseconds a picture: for people
//! who watch, not for load.

use crate::chance::Chance;
use boxbridge_event::{PersonType, Timestamp};

mod canvas;
mod letters;
mod person;

use canvas::{Canvas, Color};
use person::Look;

/// Width and height of each picture, in pixels.
const REGISTERED: (u16, u16) = (480, 640);
const SCENE: (u16, u16) = (640, 480);
const FACE: (u16, u16) = (240, 240);

/// Who is in front of the camera.
pub struct Sitter<'a> {
    pub identity: &'a str,
    pub person_type: PersonType,
}

/// Where and when.
pub struct Door<'a> {
    pub device: &'a str,
    pub time: Timestamp,
}

/// The enrolled photo.
pub fn registered(sitter: &Sitter) -> Vec<u8> {
    let look = Look::of(sitter);
    Canvas::draw(REGISTERED, |canvas| {
        let backdrop = Color::PALE.get(look.backdrop % Color::PALE.len());
        canvas.fill(backdrop.copied().unwrap_or(Color::WHITE));
        look.draw(canvas, (240.0, 270.0), 125.0);
    })
}

/// What the door's camera saw: the person at the door, its name and the time along the lower edge.
pub fn scene(sitter: &Sitter, door: &Door) -> Vec<u8> {
    let look = Look::of(sitter);
    Canvas::draw(SCENE, |canvas| {
        wall(canvas);
        // Where in the picture somebody stands differs from pass to pass.
        let step = Chance::new(door.time.0.unsigned_abs(), STREAM_STEP).below(160) as f32;
        look.draw(canvas, (240.0 + step, 190.0), 66.0);

        canvas.bar((0.0, 440.0), (640.0, 40.0), Color::BLACK);
        // Small enough for the longest address.
        letters::write(canvas, (12.0, 451.0), 2.5, &caption(door));
    })
}

/// The face cut out of the scene.
pub fn face(sitter: &Sitter) -> Vec<u8> {
    let look = Look::of(sitter);
    Canvas::draw(FACE, |canvas| {
        canvas.fill(Color::WALL);
        look.draw(canvas, (120.0, 118.0), 78.0);
    })
}

const STREAM_STEP: u64 = 0x57e9;

/// `GATE 192.168.1.3  2026-11-25 14:05:09`, UTC.
fn caption(door: &Door) -> String {
    let time = door.time.to_string();
    let (day, clock) = (
        time.get(..10).unwrap_or_default(),
        time.get(11..19).unwrap_or_default(),
    );
    format!("GATE {}  {day} {clock}", door.device)
}

/// A corridor with a door in it.
fn wall(canvas: &mut Canvas) {
    canvas.fill(Color::WALL);
    canvas.bar((0.0, 390.0), (640.0, 90.0), Color::FLOOR);

    canvas.bar((40.0, 60.0), (150.0, 332.0), Color::FRAME);
    canvas.bar((52.0, 72.0), (126.0, 320.0), Color::DOOR);
    canvas.oval((164.0, 240.0), (6.0, 6.0), Color::FRAME);

    canvas.bar((560.0, 150.0), (34.0, 54.0), Color::FRAME);
    canvas.oval((577.0, 168.0), (7.0, 7.0), Color::LAMP);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sitter(identity: &str) -> Sitter<'_> {
        Sitter {
            identity,
            person_type: PersonType::Vip,
        }
    }

    #[test]
    fn a_person_is_drawn_the_same_way_every_time_and_unlike_others() {
        assert_eq!(registered(&sitter("500001")), registered(&sitter("500001")));
        let all: std::collections::BTreeSet<_> = (0..50)
            .map(|number| registered(&sitter(&format!("5000{number}"))))
            .collect();
        assert_eq!(all.len(), 50);
    }

    #[test]
    fn every_picture_is_a_whole_jpeg_of_its_size() {
        let door = Door {
            device: "192.168.1.3",
            time: Timestamp(1_566_016_554_020),
        };
        let pictures = [
            (registered(&sitter("1")), REGISTERED),
            (scene(&sitter("1"), &door), SCENE),
            (face(&sitter("1")), FACE),
        ];
        for (picture, (width, height)) in pictures {
            let size = imagesize::blob_size(&picture).unwrap();
            assert_eq!(
                (size.width, size.height),
                (usize::from(width), usize::from(height))
            );
            assert!(picture.starts_with(&[0xff, 0xd8]) && picture.ends_with(&[0xff, 0xd9]));
        }
    }

    #[test]
    fn door_and_time_stand_in_the_scene() {
        let door = Door {
            device: "192.168.1.3",
            time: Timestamp(1_566_016_554_020),
        };
        assert_eq!(caption(&door), "GATE 192.168.1.3  2019-08-17 04:35:54");
        assert!(caption(&door).chars().all(letters::is_known));
    }
}
