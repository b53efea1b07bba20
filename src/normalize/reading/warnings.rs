//! The warnings of one event, bounded: what a box gets wrong in a million keys is said once per kind and place, and not a million
//! times.

use crate::event::{Warning, WarningCode};

#[derive(Debug, Default)]
pub(in crate::normalize) struct Warnings(Vec<Warning>);

/// More than one of each kind and known field; an event that reaches it has been made up.
const MAX: usize = 64;
/// A field's name comes from the body too.
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
