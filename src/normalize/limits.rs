//! The limits of one body. Each is checked before anything is allocated.

pub(super) mod cost;
pub(super) mod repair_memory;
pub(super) mod scan;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How deep JSON may be nested, the outer array of a batch included.
    pub depth_max: usize,
    /// Events in one body.
    pub events_max: usize,
    /// Pictures in one event.
    pub pictures_max: usize,
    /// Bytes of one event's text.
    pub event_max_bytes: usize,
}

impl Limits {
    /// The limits of the config.
    pub fn of(ingest: &boxbridge_config::Ingest) -> Limits {
        let boxbridge_config::Ingest {
            depth_max,
            events_max,
            pictures_max,
            body_max_bytes,
            ..
        } = *ingest;
        Limits {
            depth_max,
            events_max,
            pictures_max,
            event_max_bytes: body_max_bytes,
        }
    }
}

/// Whether a text nests no deeper, and has nothing in it that no body may have: a number that no double holds, half a character.
pub fn keeps_within(text: &str, depth_max: usize) -> bool {
    let limits = Limits {
        depth_max,
        events_max: usize::MAX,
        pictures_max: usize::MAX,
        event_max_bytes: usize::MAX,
    };
    scan::scan(text, &limits).is_ok()
}
