//! What somebody looks like, drawn by lot from the identity, and how that is drawn.

use super::canvas::{Canvas, Color, Point};
use super::{Sitter, letters};
use crate::chance::Chance;
use boxbridge_event::PersonType;

const SKIN: [Color; 6] = [
    Color(255, 219, 190),
    Color(241, 194, 150),
    Color(224, 172, 125),
    Color(198, 134, 90),
    Color(141, 85, 54),
    Color(98, 60, 40),
];
const HAIR: [Color; 7] = [
    Color(32, 28, 28),
    Color(70, 45, 30),
    Color(120, 76, 42),
    Color(176, 124, 60),
    Color(214, 180, 110),
    Color(150, 150, 156),
    Color(160, 60, 36),
];
const SHIRT: [Color; 6] = [
    Color(60, 90, 140),
    Color(84, 116, 96),
    Color(130, 92, 120),
    Color(110, 110, 118),
    Color(168, 120, 80),
    Color(66, 72, 84),
];

/// Short is the most usual.
const CUTS: [Cut; 6] = [
    Cut::Short,
    Cut::Bun,
    Cut::Long,
    Cut::Curls,
    Cut::Short,
    Cut::Bald,
];
const CURLS: [Point; 7] = [
    (-0.85, -0.25),
    (-0.6, -0.75),
    (0.0, -0.98),
    (0.6, -0.75),
    (0.85, -0.25),
    (-0.92, 0.2),
    (0.92, 0.2),
];

/// The stream of looks: other decisions from the same identity do not shift it.
const STREAM_LOOK: u64 = 0xface;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Bald,
    Short,
    Bun,
    Long,
    Curls,
}

#[derive(Clone, Copy, Debug)]
pub struct Look {
    skin: Color,
    hair: Color,
    shirt: Color,
    cut: Cut,
    wears_glasses: bool,
    wears_beard: bool,
    /// Tenths that make a face wider or narrower, its eyes further apart, its mouth broader.
    width: f32,
    eyes: f32,
    mouth: f32,
    pub backdrop: usize,
    badge: Color,
    letter: &'static str,
}

impl Look {
    pub fn of(sitter: &Sitter) -> Look {
        let mut chance = Chance::new(seed(sitter.identity), STREAM_LOOK);
        let (badge, letter) = badge(sitter.person_type);
        let tenth = |chance: &mut Chance| chance.below(1_000) as f32 / 10_000.0;

        // Each draw depends on those before it: another order is another face.
        Look {
            skin: chance.pick(&SKIN).copied().unwrap_or(Color::WHITE),
            hair: chance.pick(&HAIR).copied().unwrap_or(Color::BLACK),
            shirt: chance.pick(&SHIRT).copied().unwrap_or(Color::BLACK),
            cut: chance.pick(&CUTS).copied().unwrap_or(Cut::Short),
            wears_glasses: chance.below(3) == 0,
            wears_beard: chance.below(4) == 0,
            width: 0.78 + tenth(&mut chance),
            eyes: 0.28 + tenth(&mut chance),
            mouth: 0.26 + tenth(&mut chance),
            backdrop: chance.below(64) as usize,
            badge,
            letter,
        }
    }

    /// The head's centre and half its height, in pixels.
    pub fn draw(&self, canvas: &mut Canvas, center: Point, size: f32) {
        let mut pen = Pen {
            canvas,
            center,
            size,
        };
        self.hair_behind(&mut pen);
        self.body(&mut pen);
        self.head(&mut pen);
        self.features(&mut pen);
    }

    fn hair_behind(&self, pen: &mut Pen) {
        match self.cut {
            Cut::Long => {
                pen.oval((0.0, 0.25), (1.1, 1.35), self.hair);
                pen.bar((-1.1, 0.25), (2.2, 1.35), self.hair);
            }
            Cut::Bun => pen.oval((0.0, -1.2), (0.38, 0.34), self.hair),
            Cut::Curls => {
                for center in CURLS {
                    pen.oval(center, (0.42, 0.42), self.hair);
                }
            }
            Cut::Short | Cut::Bald => {}
        }
    }

    fn body(&self, pen: &mut Pen) {
        pen.oval((0.0, 2.75), (1.75, 1.5), self.shirt);
        pen.bar((-1.75, 2.75), (3.5, 3.0), self.shirt);
        pen.bar((-0.34, 0.8), (0.68, 0.7), self.skin.shade());
        pen.oval((0.0, 1.5), (0.42, 0.26), self.skin.shade());
        pen.bar((0.45, 1.95), (0.62, 0.72), self.badge);
        pen.bar((0.45, 1.95), (0.62, 0.14), self.badge.shade());
        pen.letter((0.76, 2.4), self.letter);
    }

    fn head(&self, pen: &mut Pen) {
        for side in [-1.0, 1.0] {
            pen.oval((side * self.width, 0.1), (0.14, 0.2), self.skin.shade());
        }
        if self.cut != Cut::Bald {
            pen.oval((0.0, -0.28), (self.width + 0.08, 0.8), self.hair);
        }
        pen.oval((0.0, 0.1), (self.width, 0.95), self.skin);

        if self.wears_beard {
            pen.oval((0.0, 0.72), (self.width * 0.72, 0.4), self.hair);
            pen.oval((0.0, 0.42), (self.width * 0.78, 0.3), self.skin);
        }
        if matches!(self.cut, Cut::Short | Cut::Long | Cut::Curls) {
            // A fringe over the forehead.
            pen.oval((-0.18, -0.66), (self.width * 0.72, 0.24), self.hair);
        }
    }

    fn features(&self, pen: &mut Pen) {
        for side in [-1.0, 1.0] {
            let x = side * self.eyes;
            pen.oval((x, 0.02), (0.15, 0.095), Color::WHITE);
            pen.oval((x, 0.02), (0.075, 0.085), Color(60, 44, 36));

            let brow = [(x - 0.17, -0.19), (x, -0.27), (x + 0.17, -0.19)];
            pen.curve(brow, 0.055, self.hair.shade());
            if self.wears_glasses {
                pen.ring((x, 0.02), (0.25, 0.21), 0.045, Color::BLACK);
            }
        }
        if self.wears_glasses {
            let bridge = [
                (-self.eyes + 0.25, 0.0),
                (0.0, -0.05),
                (self.eyes - 0.25, 0.0),
            ];
            pen.curve(bridge, 0.045, Color::BLACK);
        }

        let nose = [(0.02, 0.1), (0.12, 0.34), (-0.04, 0.36)];
        pen.curve(nose, 0.045, self.skin.shade());
        let mouth = [(-self.mouth, 0.6), (0.0, 0.72), (self.mouth, 0.6)];
        pen.curve(mouth, 0.06, Color(168, 72, 68));
    }
}

/// FNV-1a: the same on every machine and in every version.
fn seed(identity: &str) -> u64 {
    identity.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// By person type: the colour of the badge, and the letter on it.
fn badge(person_type: PersonType) -> (Color, &'static str) {
    match person_type {
        PersonType::Employee => (Color(40, 110, 200), "E"),
        PersonType::Visitor => (Color(40, 150, 90), "G"),
        PersonType::Blacklist => (Color(200, 40, 40), "B"),
        PersonType::Stranger => (Color(120, 124, 130), "S"),
        PersonType::Vip => (Color(204, 152, 24), "V"),
        PersonType::Unknown => (Color(120, 124, 130), "-"),
    }
}

/// Draws in heads instead of pixels: the head is two high, its centre is 0.
struct Pen<'a> {
    canvas: &'a mut Canvas,
    center: Point,
    size: f32,
}

impl Pen<'_> {
    fn at(&self, (x, y): Point) -> Point {
        (self.center.0 + x * self.size, self.center.1 + y * self.size)
    }

    fn oval(&mut self, center: Point, (across, down): (f32, f32), color: Color) {
        let center = self.at(center);
        self.canvas
            .oval(center, (across * self.size, down * self.size), color);
    }

    fn ring(&mut self, center: Point, (across, down): (f32, f32), width: f32, color: Color) {
        let center = self.at(center);
        self.canvas.ring(
            center,
            (across * self.size, down * self.size),
            width * self.size,
            color,
        );
    }

    fn bar(&mut self, corner: Point, (width, height): (f32, f32), color: Color) {
        let corner = self.at(corner);
        self.canvas
            .bar(corner, (width * self.size, height * self.size), color);
    }

    fn curve(&mut self, points: [Point; 3], width: f32, color: Color) {
        let points = points.map(|point| self.at(point));
        self.canvas.curve(points, width * self.size, color);
    }

    /// A letter half a head high, around its centre.
    fn letter(&mut self, center: Point, letter: &str) {
        let dot = self.size * 0.06;
        let (x, y) = self.at(center);
        letters::write(self.canvas, (x - 2.5 * dot, y - 3.5 * dot), dot, letter);
    }
}
