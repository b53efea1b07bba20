//! The ways in which firmwares write events: what differs from one box to the next.

use crate::simulate::film::Spelling;

macro_rules! firmwares {
    ($($(#[$doc:meta])* $variant:ident,)+) => {
        /// A way in which a box's firmware writes events; a box keeps its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Firmware { $($(#[$doc])* $variant,)+ }

        impl Firmware {
            pub const ALL: &[Firmware] = &[$(Firmware::$variant,)+];
        }
    };
}

firmwares! {
    /// As the vendor's document prints it.
    Document,
    /// Scores out of 100.
    Percent,
    /// Numbers as texts, and bare numbers where texts are promised.
    Texts,
    /// Time in seconds with a fraction.
    Seconds,
    /// Pictures as data URLs.
    DataUrls,
    /// Base64 in lines of 76 characters.
    Lines,
    /// `\/` in base64.
    Escaped,
    /// Optional fields absent or null: group, name, the person type of an employee.
    Sparse,
    /// Filled quality objects, unknown and misspelt keys.
    Talkative,
    /// A byte order mark, and no useful Content-Type.
    Marked,
    /// History of generation 3: flat.
    Flat,
    /// History of generation 4: flat and renamed.
    Renamed,
}

impl Firmware {
    /// All but the flat shapes, which are the last two.
    pub const SE3: &[Firmware] = Firmware::ALL.split_at(Firmware::ALL.len() - 2).0;

    pub fn content_type(self) -> &'static str {
        match self {
            Firmware::Marked => "text/plain",
            _ => "application/json",
        }
    }

    /// How its base64 stands in JSON.
    pub fn spelling(self) -> Spelling {
        match self {
            Firmware::Lines => Spelling::Lines,
            Firmware::Escaped => Spelling::Escaped,
            _ => Spelling::Plain,
        }
    }
}
