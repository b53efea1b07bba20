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

    /// Whether this leaves out all that another does.
    pub fn covers(&self, other: &Redaction) -> bool {
        let name = Meaning::IdentityName;
        let is_left_out = |part: &EventPart| match part {
            // A stand-in has no name.
            EventPart::Field(meaning) if *meaning == name => self.hides(name),
            part => self.parts.contains(part),
        };
        let has_no_identity = self.hides(Meaning::IdentityId) && self.hides(name);
        other.parts.iter().all(is_left_out) && (!other.pseudonym || has_no_identity)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction(words: &[&str], pseudonym: bool) -> Redaction {
        let parts = WORDS.iter().filter(|(word, _)| words.contains(word));
        Redaction {
            parts: parts.flat_map(|(_, parts)| *parts).copied().collect(),
            pseudonym,
        }
    }

    #[test]
    fn a_redaction_covers_another_only_if_nothing_of_the_person_is_left_that_the_other_leaves_out()
    {
        let nothing = redaction(&[], false);
        let (stand_in, name) = (redaction(&[], true), redaction(&["identity.name"], false));
        let id = redaction(&["identity.id"], false);
        let both = redaction(&["identity.id", "identity.name"], false);
        let scene = redaction(&["pictures.scene"], false);
        let pictures = redaction(&["pictures"], false);

        for (one, other) in [
            (&nothing, &nothing),
            (&name, &nothing),
            (&stand_in, &name),
            (&both, &stand_in),
            (&pictures, &scene),
        ] {
            assert!(one.covers(other), "{one:?} {other:?}");
        }
        for (one, other) in [
            (&nothing, &name),
            // A stand-in tells more than nothing.
            (&stand_in, &id),
            (&id, &stand_in),
            (&scene, &pictures),
            (&pictures, &redaction(&["extra"], false)),
        ] {
            assert!(!one.covers(other), "{one:?} {other:?}");
        }
    }
}
