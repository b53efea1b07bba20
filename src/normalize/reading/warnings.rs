//! The warnings of one event: each kind once per field, and no more than [`MAX`], whatever a box sends.

use boxbridge_event::{Warning, WarningCode};

#[derive(Debug, Default)]
pub(in crate::normalize) struct Warnings(Vec<Warning>);

/// More than the known fields can cause; an event that reaches it was made up.
const MAX: usize = 64;
/// Longer names are cut: they come from the body.
const FIELD_MAX: usize = 128;

impl Warnings {
    pub fn add(&mut self, code: WarningCode, field: impl Into<String>) {
        let mut field = field.into();
        field.truncate(field.floor_char_boundary(FIELD_MAX));
        let warning = Warning { code, field };
        if self.0.len() < MAX && !self.0.contains(&warning) {
            self.0.push(warning);
        }
    }

    pub fn into_vec(self) -> Vec<Warning> {
        self.0
    }
}
