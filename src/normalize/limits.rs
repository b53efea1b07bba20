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
