//! The closed sets: each is an enum with one spelling per value.
//!
//! Promises: [`PersonType::as_str`] is the topic level, the metric label and the JSON word, and so it is for the others.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A closed set of words: one spelling each, used in JSON, topics, metric labels and on disk (as the position in `ALL`).
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            pub const ALL: &[$name] = &[$($name::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }

            /// The value whose word this is.
            pub fn from_word(word: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }

            /// Its number on disk: the position in `ALL`, so a new word is only ever added at the end.
            pub const fn number(self) -> u8 {
                self as u8
            }

            pub fn from_number(number: u8) -> Option<$name> {
                Self::ALL.get(usize::from(number)).copied()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// Who was matched: the axis of routing. The box's 1 to 5; any other value it sends is `Unknown`.
    PersonType {
        Employee = "employee",
        Visitor = "visitor",
        Blacklist = "blacklist",
        Stranger = "stranger",
        Vip = "vip",
        Unknown = "unknown",
    }
}

words! {
    /// In which dialect a box wrote: by its table the document is made again.
    Dialect {
        /// RealTimeEvent of the SE3, HistoryEvent of generations 1 and 2, and what the platform passes on.
        Nested = "nested",
        /// HistoryEvent of the SE5, V5R4 to R7.
        FlatV5 = "flat_v5",
        /// HistoryEvent of V6.
        FlatV6 = "flat_v6",
    }
}

impl Dialect {
    pub(crate) fn is_nested(&self) -> bool {
        *self == Dialect::Nested
    }
}

/// Of a record that does not say so: it was the only one.
impl Default for Dialect {
    fn default() -> Dialect {
        Dialect::Nested
    }
}

words! {
    /// How an event came: at once, from the box's own history, or from the vendor's platform.
    Feed {
        Realtime = "realtime",
        History = "history",
        Platform = "platform",
    }
}

words! {
    /// Urgent overtakes any backlog. Only live events are ever urgent.
    Lane {
        Urgent = "urgent",
        Normal = "normal",
    }
}

words! {
    /// What a picture shows; also the name of its slot in an event.
    PictureKind {
        Registered = "registered",
        Scene = "scene",
        Face = "face",
        Infrared = "infrared",
    }
}

words! {
    /// What became of a picture. `Ok` to `Oversize` are found when it is taken out, the others when it is sent.
    PictureState {
        Ok = "ok",
        /// Valid base64, an image without its end; the bytes are kept.
        Truncated = "truncated",
        /// Not base64: the text as sent is kept as the object.
        Undecodable = "undecodable",
        /// Declares more pixels than the limit; kept, never decoded.
        Oversize = "oversize",
        /// The route wants no pictures.
        Dropped = "dropped",
        /// The file store was full.
        NotStored = "not_stored",
        /// The store refused it for good.
        Missing = "missing",
    }
}

words! {
    /// How a device fares: the status in its message, the metric label and the word in the table of devices.
    DeviceState {
        Online = "online",
        /// Its box says so, or nothing was heard of it for a day.
        Offline = "offline",
        /// It sent within the last day, and then nothing for as long as the settings say.
        Silent = "silent",
    }
}

words! {
    /// Whose clock `occurred_at` is from.
    ClockSource {
        Box = "box",
        Gateway = "gateway",
    }
}

words! {
    WarningCode {
        PersonTypeDefaulted = "person_type_defaulted",
        PersonTypeUnknown = "person_type_unknown",
        ScoreScaled = "score_scaled",
        ScoreInvalid = "score_invalid",
        TimestampInvalid = "timestamp_invalid",
        TimestampUnit = "timestamp_unit",
        DeviceMissing = "device_missing",
        DeviceShortened = "device_shortened",
        SiteInvalid = "site_invalid",
        KeyRepeated = "key_repeated",
        TypeUnexpected = "type_unexpected",
        ControlCharacter = "control_character",
        EmbeddingRemoved = "embedding_removed",
        PictureTruncated = "picture_truncated",
        PictureUndecodable = "picture_undecodable",
        PictureOversize = "picture_oversize",
        /// The box's clock is more than five minutes off.
        ClockSkewed = "clock_skewed",
        /// `NaN`, `Infinity` or a number that no double holds: `null`, its spelling in `source`.
        NumberInvalid = "number_invalid",
        /// Not UTF-8, or half of a surrogate pair: its bytes are in `source["$bytes"]`.
        EncodingInvalid = "encoding_invalid",
        /// A form decoder had made blanks of its `+`.
        Base64Repaired = "base64_repaired",
        /// A comma behind the last member was taken out.
        JsonRepaired = "json_repaired",
    }
}
