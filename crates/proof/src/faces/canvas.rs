//! A surface to draw on, and the JPEG that it becomes. The only place that knows the drawing library and the encoder.

use tiny_skia::{FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

/// Good enough that edges stay clean, small enough for a message: 15 to 30 KB a picture.
const QUALITY: u8 = 85;

pub type Point = (f32, f32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    pub const BLACK: Color = Color(24, 26, 30);
    pub const WHITE: Color = Color(255, 255, 255);
    pub const WALL: Color = Color(214, 219, 224);
    pub const FLOOR: Color = Color(150, 156, 162);
    pub const FRAME: Color = Color(92, 101, 110);
    pub const DOOR: Color = Color(176, 190, 202);
    pub const LAMP: Color = Color(46, 174, 96);
    /// Behind a registered photo.
    pub const PALE: [Color; 4] = [
        Color(232, 238, 244),
        Color(240, 234, 224),
        Color(226, 240, 232),
        Color(238, 230, 240),
    ];

    /// The same colour, darker.
    pub fn shade(self) -> Color {
        let darker = |channel: u8| (u16::from(channel) * 4 / 5) as u8;
        Color(darker(self.0), darker(self.1), darker(self.2))
    }
}

pub struct Canvas(Pixmap);

impl Canvas {
    /// What `draw` drew, as a JPEG.
    pub fn draw((width, height): (u16, u16), draw: impl FnOnce(&mut Canvas)) -> Vec<u8> {
        let Some(pixmap) = Pixmap::new(u32::from(width), u32::from(height)) else {
            return Vec::new();
        };
        let mut canvas = Canvas(pixmap);
        draw(&mut canvas);

        let mut jpeg = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut jpeg, QUALITY);
        match encoder.encode(
            canvas.0.data(),
            width,
            height,
            jpeg_encoder::ColorType::Rgba,
        ) {
            Ok(()) => jpeg,
            Err(_) => Vec::new(),
        }
    }

    pub fn fill(&mut self, color: Color) {
        self.0
            .fill(tiny_skia::Color::from_rgba8(color.0, color.1, color.2, 255));
    }

    pub fn bar(&mut self, (x, y): Point, (width, height): (f32, f32), color: Color) {
        if let Some(bar) = Rect::from_xywh(x, y, width, height) {
            self.0
                .fill_rect(bar, &paint(color), Transform::identity(), None);
        }
    }

    pub fn oval(&mut self, center: Point, radii: (f32, f32), color: Color) {
        if let Some(path) = oval(center, radii) {
            self.0.fill_path(
                &path,
                &paint(color),
                FillRule::Winding,
                Transform::identity(),
                None,
            );
        }
    }

    pub fn ring(&mut self, center: Point, radii: (f32, f32), width: f32, color: Color) {
        if let Some(path) = oval(center, radii) {
            self.stroke(&path, width, color);
        }
    }

    /// A line from the first to the last point, bent towards the one between.
    pub fn curve(&mut self, [from, bend, to]: [Point; 3], width: f32, color: Color) {
        let mut path = PathBuilder::new();
        path.move_to(from.0, from.1);
        path.quad_to(bend.0, bend.1, to.0, to.1);
        if let Some(path) = path.finish() {
            self.stroke(&path, width, color);
        }
    }

    fn stroke(&mut self, path: &Path, width: f32, color: Color) {
        let stroke = Stroke {
            width,
            line_cap: tiny_skia::LineCap::Round,
            ..Stroke::default()
        };
        self.0
            .stroke_path(path, &paint(color), &stroke, Transform::identity(), None);
    }
}

fn oval((x, y): Point, (across, down): (f32, f32)) -> Option<Path> {
    Rect::from_xywh(x - across, y - down, across * 2.0, down * 2.0).and_then(PathBuilder::from_oval)
}

fn paint(color: Color) -> Paint<'static> {
    let mut paint = Paint {
        anti_alias: true,
        ..Paint::default()
    };
    paint.set_color_rgba8(color.0, color.1, color.2, 255);
    paint
}
