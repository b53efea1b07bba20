//! `redact` and `pseudonym`: what a route leaves out of the events that leave.
//!
//! Promises: two redactions are equal if they leave out the same, however it is written. Deliberately takes nothing out of an event: the stage
//! `route` does.

use std::collections::BTreeSet;

use boxbridge_event::PictureKind;
use boxbridge_event::document::Meaning;

use crate::reader::Reader;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redaction {
    parts: BTreeSet<EventPart>,
    /// The identity is a stand-in, and has no name.
    pseudonym: bool,
}

/// What can be left out of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum EventPart {
    Field(Meaning),
    /// Every field that we do not know.
    Extra,
}

/// What stands for the identity in an event that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityShown {
    AsItIs,
    StandIn,
    Nothing,
}

const fn picture(kind: PictureKind) -> EventPart {
    EventPart::Field(Meaning::Picture(kind))
}

const REGISTERED: EventPart = picture(PictureKind::Registered);
const SCENE: EventPart = picture(PictureKind::Scene);
const FACE: EventPart = picture(PictureKind::Face);
const INFRARED: EventPart = picture(PictureKind::Infrared);

/// The words of `redact`. Device and site are not among them: topics and keys name them.
const WORDS: [(&str, &[EventPart]); 11] = [
    ("identity.id", &[EventPart::Field(Meaning::IdentityId)]),
    ("identity.name", &[EventPart::Field(Meaning::IdentityName)]),
    ("match.score", &[EventPart::Field(Meaning::Score)]),
    ("match.group", &[EventPart::Field(Meaning::Group)]),
    ("pictures", &[REGISTERED, SCENE, FACE, INFRARED]),
    ("pictures.registered", &[REGISTERED]),
    ("pictures.scene", &[SCENE]),
    ("pictures.face", &[FACE]),
    ("pictures.infrared", &[INFRARED]),
    (
        "quality",
        &[
            EventPart::Field(Meaning::CameraQuality),
            EventPart::Field(Meaning::BoxQuality),
        ],
    ),
    ("extra", &[EventPart::Extra]),
];

impl Redaction {
    pub(super) fn read_parts(&mut self, read: &mut Reader, key: &str) {
        let parts = read.live().words(key, &WORDS);
        self.parts = parts.into_iter().flatten().copied().collect();
    }

    pub(super) fn read_pseudonym(&mut self, read: &mut Reader, key: &str) {
        self.pseudonym = read.live().switch(key);
    }

    /// Whether events leave as they are.
    pub fn is_none(&self) -> bool {
        self.parts.is_empty() && !self.pseudonym
    }

    /// Whether the value of such a field does not leave.
    pub fn hides(&self, meaning: Meaning) -> bool {
        let is_of_person = matches!(meaning, Meaning::IdentityId | Meaning::IdentityName);
        (self.pseudonym && is_of_person) || self.parts.contains(&EventPart::Field(meaning))
    }

    pub fn hides_extra(&self) -> bool {
        self.parts.contains(&EventPart::Extra)
    }

    /// What is left out has no stand-in.
    pub fn identity(&self) -> IdentityShown {
        match self.hides(Meaning::IdentityId) {
            false => IdentityShown::AsItIs,
            true if self.parts.contains(&EventPart::Field(Meaning::IdentityId)) => {
                IdentityShown::Nothing
            }
            true => IdentityShown::StandIn,
        }
    }
}
