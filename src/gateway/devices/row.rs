//! A device as people see it: a row of `/api/devices` and of `boxbridge devices`, and what the file keeps.
//!
//! Promises: members are only ever added, and a reader takes a row that lacks some. Deliberately holds no picture and no person.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::hour::Hour;
use super::recency::DeviceKey;
use super::tracked::{Known, Tracked};
use crate::gateway::kept::is_harmless;
use boxbridge_config::Listed;
use boxbridge_event::{DeviceState, Dialect, ShareKey, Timestamp, WarningCode};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub site: String,
    /// Its id, as in events.
    pub device: String,
    pub status: DeviceState,
    /// When that began.
    pub since: Timestamp,
    pub last_seen: Option<Timestamp>,
    /// By the inventory, else by what its box reports.
    pub name: Option<String>,
    pub door: Option<String>,
    /// `null` for a device that the inventory does not name.
    pub expected: Option<bool>,
    /// As events name it; a box that reports is a `box`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(rename = "box")]
    pub box_id: Option<String>,
    /// The address that it, or its box, last sent from.
    pub peer: Option<String>,
    /// By the box's report.
    pub firmware: Option<String>,
    /// In which events are written.
    pub dialect: Option<Dialect>,
    /// Whether a status report told of it.
    pub reported: bool,
    /// Within about the last hour, as are the other counts.
    pub events_per_hour: u32,
    /// Bodies that were refused for their content; they count for the address that sent them.
    pub refusals_per_hour: u32,
    /// Events that brought no sound picture.
    pub missing_pictures_per_hour: u32,
    /// What was odd about its events.
    pub warnings: Vec<WarningCode>,
    /// Received − occurred, of its last real-time event.
    pub clock_skew_ms: Option<i64>,
}

/// Which rows, and how many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub status: Option<DeviceState>,
    pub site: Option<String>,
    /// A part of its id, name, door, box or peer.
    pub text: Option<String>,
}

/// A page of rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub devices: Vec<Row>,
    /// On all pages.
    pub total: usize,
    /// Where the next page begins; `null` on the last.
    pub next: Option<usize>,
}

impl Row {
    pub(super) fn of(key: &DeviceKey, device: &Tracked, ms: i64) -> Row {
        let (known, hour) = (&device.known, device.hour.sum(ms));
        let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
        let listed = device.listed.as_ref();

        Row {
            site: key.site.to_string(),
            device: key.id.to_string(),
            status: device.state,
            since: device.since,
            last_seen: known.last_seen,
            name: listed
                .and_then(|listed| listed.name.clone())
                .or_else(|| text(&known.name)),
            door: listed.and_then(|listed| listed.door.clone()),
            expected: listed.map(|listed| listed.expected),
            kind: text(&known.kind),
            box_id: text(&known.box_id),
            peer: text(&known.peer),
            firmware: text(&known.firmware),
            dialect: known.dialect,
            reported: known.is_reported,
            events_per_hour: hour.events,
            refusals_per_hour: hour.refusals,
            missing_pictures_per_hour: hour.without_picture,
            warnings: hour.warnings.codes(),
            clock_skew_ms: known.skew_ms,
        }
    }

    /// What is known again after a start. Counts begin anew.
    pub(super) fn into_tracked(self, heard_ms: Option<i64>) -> (DeviceKey, Tracked) {
        // By the inventory of that time: if it does not name the device any more, others are to be told.
        let listed = self.expected.map(|expected| Listed {
            ip: self.device.clone(),
            site: self.site.clone(),
            name: self.name.clone(),
            door: self.door.clone(),
            expected,
        });
        let known = Known {
            last_seen: self.last_seen,
            // The inventory's is not taken for what the box said.
            name: self.name.filter(|_| listed.is_none()).map(Into::into),
            kind: self.kind.map(Into::into),
            box_id: self.box_id.map(Into::into),
            peer: self.peer.map(Into::into),
            firmware: self.firmware.map(Into::into),
            dialect: self.dialect,
            skew_ms: self.clock_skew_ms,
            is_reported: self.reported,
        };
        let source = known.peer.as_deref().map(ShareKey::of_peer);

        let device = Tracked {
            source,
            moment: 0,
            came_ms: heard_ms.unwrap_or_default(),
            known_ms: 0,
            heard_ms,
            state: self.status,
            since: self.since,
            known,
            listed,
            hour: Hour::default(),
        };
        let (site, id) = (self.site.into(), self.device.into());
        (DeviceKey { site, id }, device)
    }

    /// Silent ones first, the longest silent before the others; then offline ones, then those that are well, by name.
    fn rank(&self) -> (u8, Timestamp, &str, &str) {
        let (class, since) = match self.status {
            DeviceState::Silent => (0, self.since),
            DeviceState::Offline => (1, Timestamp(0)),
            DeviceState::Online => (2, Timestamp(0)),
        };
        (class, since, &self.site, &self.device)
    }
}

impl Found {
    /// So many of the rows that are wanted, from this place on.
    pub fn among(rows: Vec<Row>, wanted: &Wanted, from: usize, limit: usize) -> Found {
        let rows = wanted.among(rows);
        let (total, end) = (rows.len(), from.saturating_add(limit));
        Found {
            devices: rows.into_iter().skip(from).take(limit).collect(),
            total,
            next: (end < total).then_some(end),
        }
    }
}

impl Wanted {
    /// Those of the rows, in the order in which people want them.
    pub fn among(&self, mut rows: Vec<Row>) -> Vec<Row> {
        rows.retain(|row| self.is_met_by(row));
        rows.sort_by(|one, other| one.rank().cmp(&other.rank()));
        rows
    }

    fn is_met_by(&self, row: &Row) -> bool {
        let texts = [
            Some(&row.device),
            row.name.as_ref(),
            row.door.as_ref(),
            row.box_id.as_ref(),
            row.peer.as_ref(),
        ];
        let has = |part: &String| {
            let part = part.to_lowercase();
            let mut texts = texts.into_iter().flatten();
            texts.any(|text| text.to_lowercase().contains(&part))
        };
        self.status.is_none_or(|status| row.status == status)
            && self.site.as_ref().is_none_or(|site| row.site == *site)
            && self.text.as_ref().is_none_or(has)
    }
}

/// A text of a box as a terminal may show it.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_odd = |letter: char| letter.is_control() || !is_harmless(letter);
    match text.contains(is_odd) {
        true => Cow::Owned(text.replace(is_odd, "?")),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_writes_over_a_terminals_line_or_turns_it_round() {
        assert_eq!(printable("小明 gate-3"), "小明 gate-3");
        assert_eq!(printable("\u{1b}[2Ja\nb\u{202e}c\u{2066}"), "?[2Ja?b?c?");
    }
}
