//! Takes the pictures out of a document, each with its reference and its warnings.
//!
//! Promises: a field that holds no picture stays a value like others.

use bytes::Bytes;

use super::{SentDocument, Slots};
use crate::normalize::Context;
use crate::normalize::reading::Stop;
use crate::normalize::reading::json_object::Member;
use crate::normalize::value::picture::{self, ReadPicture};
use boxbridge_event::document::{Field, Meaning};
use boxbridge_event::{Picture, PictureKind, PictureState, WarningCode};

impl SentDocument {
    pub(super) fn take_pictures(
        &mut self,
        values: &mut Slots<Member<'_>>,
        context: &Context<'_>,
    ) -> Result<Vec<Picture>, Stop> {
        let mut pictures = Vec::new();
        for (field, value) in self.dialect.table.fields.iter().zip(values) {
            let (Meaning::Picture(kind), Some(member)) = (field.meaning, &*value) else {
                continue;
            };

            if let Some(bytes) = self.take_picture(field, kind, member, context)? {
                pictures.push(Picture { kind, bytes });
                *value = None;
            }
        }
        Ok(pictures)
    }

    /// The picture's bytes; `None` if the field holds no picture.
    fn take_picture(
        &mut self,
        field: &Field,
        kind: PictureKind,
        member: &Member<'_>,
        context: &Context<'_>,
    ) -> Result<Option<Bytes>, Stop> {
        let Some(read) = read(kind, member, context)? else {
            if is_no_text(member) {
                self.warn(WarningCode::TypeUnexpected, field);
            }
            return Ok(None);
        };

        if read.is_repaired {
            self.warn(WarningCode::Base64Repaired, field);
        }
        if let Some(code) = warning_of(read.reference.state) {
            self.warn(code, field);
        }
        *self.pictures.slot(kind) = Some(read.reference);
        Ok(Some(read.bytes))
    }
}

fn read(
    kind: PictureKind,
    member: &Member<'_>,
    context: &Context<'_>,
) -> Result<Option<ReadPicture>, Stop> {
    let received_at = context.source.received_at;
    let pixels_max = context.settings.picture_max_pixels;
    match member {
        Member::Text(text) => Ok(picture::read(text.get(), kind, received_at, pixels_max)),
        Member::Apart(text) => {
            let read = picture::read_plain(text, kind, received_at, pixels_max);
            read.map(Some).ok_or(Stop::NotPlain)
        }
        Member::Object(_) => Ok(None),
    }
}

fn is_no_text(member: &Member<'_>) -> bool {
    let Member::Text(text) = member else {
        return false;
    };
    !text.get().starts_with('"') && text.get() != "null"
}

fn warning_of(state: PictureState) -> Option<WarningCode> {
    match state {
        PictureState::Truncated => Some(WarningCode::PictureTruncated),
        PictureState::Undecodable => Some(WarningCode::PictureUndecodable),
        PictureState::Oversize => Some(WarningCode::PictureOversize),
        _ => None,
    }
}
