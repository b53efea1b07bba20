//! One device: what is known of it, and how its state changes.
//!
//! Promises: only what is heard makes it come back, and only time that we listened makes it silent: no jump of a clock does, nor a
//! gateway that was down. Deliberately has no clock: the moments are given, by a clock that never goes back.

use std::sync::Arc;
use std::time::Duration;

use super::hour::Hour;
use boxbridge_config::Listed;
use boxbridge_event::{DeviceState, Dialect, ShareKey, Timestamp};

/// One that was not heard of for so long is not silent but gone.
pub const DAY_MS: i64 = 86_400_000;

#[derive(Clone, Debug)]
pub struct Tracked {
    /// In whose share it is; `None` for one that only the inventory names.
    pub source: Option<ShareKey>,
    /// When anything of it last came: its place among all that came, and the time.
    pub moment: u64,
    pub came_ms: i64,
    /// Since when it is known here.
    pub known_ms: i64,
    /// When it was last heard of; `None` if it never was.
    pub heard_ms: Option<i64>,
    pub state: DeviceState,
    pub since: Timestamp,
    pub known: Known,
    pub listed: Option<Listed>,
    pub hour: Hour,
}

/// What traffic tells of a device.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub last_seen: Option<Timestamp>,
    pub name: Option<Arc<str>>,
    pub kind: Option<Arc<str>>,
    /// The licence code of its box.
    pub box_id: Option<Arc<str>>,
    /// The address that it, or its box, last sent from.
    pub peer: Option<Arc<str>>,
    pub firmware: Option<Arc<str>>,
    pub dialect: Option<Dialect>,
    /// Received − occurred, of the last real-time event.
    pub skew_ms: Option<i64>,
    /// A status report told of it.
    pub is_reported: bool,
}

/// The moment at which states are judged.
#[derive(Clone, Copy, Debug)]
pub struct AsOf {
    pub ms: i64,
    /// Since when we listen without a pause.
    pub listening_ms: i64,
    pub clock: Timestamp,
    pub silent_after: Option<Duration>,
}

impl AsOf {
    fn silent_after_ms(&self) -> Option<i64> {
        let after = self.silent_after?;
        Some(i64::try_from(after.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Tracked {
    pub fn new(now: &AsOf) -> Tracked {
        Tracked {
            source: None,
            moment: 0,
            came_ms: now.ms,
            known_ms: now.ms,
            heard_ms: None,
            state: DeviceState::Offline,
            since: now.clock,
            known: Known::default(),
            listed: None,
            hour: Hour::default(),
        }
    }

    /// It was there at this moment of the wall clock. What is told late does not make it be there now.
    pub fn heard(&mut self, now: &AsOf, at: Timestamp) {
        let ago = now.clock.since(at).max(0);
        let heard = now.ms - ago;
        if self.heard_ms.is_some_and(|known| known > heard) {
            return;
        }

        self.heard_ms = Some(heard);
        self.known.last_seen = Some(at.min(now.clock));
        if ago < now.silent_after_ms().unwrap_or(DAY_MS) {
            self.becomes(DeviceState::Online, now.clock);
        }
    }

    /// Its box says that it is not there. One that is silent stays so: it is silent for a reason that is known now.
    pub fn is_said_to_be_offline(&mut self, now: &AsOf) {
        if self.state != DeviceState::Silent {
            self.becomes(DeviceState::Offline, now.clock);
        }
    }

    /// What the time since it was heard of makes of it.
    pub fn look(&mut self, now: &AsOf) {
        let age = self.heard_ms.map(|heard| now.ms - heard);
        let is_recent = age.is_some_and(|age| age < DAY_MS);
        let is_expected = self.listed.as_ref().map(|listed| listed.expected);

        let may_be_silent = match is_expected {
            Some(is_expected) => is_expected,
            None => is_recent,
        };
        if self.is_overdue(now) && may_be_silent {
            self.becomes(DeviceState::Silent, now.clock);
        } else if !is_recent || (self.state == DeviceState::Silent && !may_be_silent) {
            self.becomes_offline_unless_expected(now, is_expected);
        }
    }

    /// Nothing came for too long, and we listened all that time. One that was never heard of is waited for since we know of it.
    fn is_overdue(&self, now: &AsOf) -> bool {
        let heard = self.heard_ms.unwrap_or(self.known_ms).max(now.listening_ms);
        now.silent_after_ms()
            .is_some_and(|silent_after| now.ms - heard >= silent_after)
    }

    /// A restart tells nothing of an expected device: it stays silent until it is heard of.
    fn becomes_offline_unless_expected(&mut self, now: &AsOf, is_expected: Option<bool>) {
        let stays_silent = self.state == DeviceState::Silent
            && is_expected == Some(true)
            && now.silent_after.is_some();
        if !stays_silent {
            self.becomes(DeviceState::Offline, now.clock);
        }
    }

    fn becomes(&mut self, state: DeviceState, clock: Timestamp) {
        if self.state != state {
            self.state = state;
            self.since = clock;
        }
    }

    /// Whether others are told of it.
    pub fn is_told(&self) -> bool {
        self.known.is_reported || self.listed.is_some()
    }
}

/// Takes a text over if it differs: of a known device it does not, and nothing is allocated.
pub fn learn(known: &mut Option<Arc<str>>, text: Option<&str>) {
    if let Some(text) = text
        && known.as_deref() != Some(text)
    {
        *known = Some(text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn at(minutes: i64) -> AsOf {
        AsOf {
            ms: minutes * MINUTE,
            listening_ms: 0,
            clock: Timestamp(minutes * MINUTE),
            silent_after: Some(Duration::from_secs(600)),
        }
    }

    fn heard(minutes: i64) -> Tracked {
        let mut device = Tracked::new(&at(minutes));
        device.heard(&at(minutes), at(minutes).clock);
        device
    }

    fn state_after(device: &mut Tracked, now: AsOf) -> DeviceState {
        device.look(&now);
        device.state
    }

    fn listed(expected: bool) -> Option<Listed> {
        Some(Listed {
            ip: "10.0.0.1".to_owned(),
            site: "lobby".to_owned(),
            name: None,
            door: None,
            expected,
        })
    }

    #[test]
    fn a_device_that_an_inventory_names_is_missed_no_sooner_than_any_other() {
        let mut device = Tracked::new(&at(100));
        device.listed = listed(true);
        assert_eq!(state_after(&mut device, at(109)), DeviceState::Offline);
        assert_eq!(state_after(&mut device, at(110)), DeviceState::Silent);
    }

    #[test]
    fn a_device_that_stops_is_silent_for_a_day_and_comes_back_when_it_is_heard() {
        let mut device = heard(5);
        assert_eq!(state_after(&mut device, at(14)), DeviceState::Online);
        assert_eq!(state_after(&mut device, at(15)), DeviceState::Silent);
        assert_eq!(device.since, Timestamp(15 * MINUTE));
        assert_eq!(
            state_after(&mut device, at(24 * 60 + 4)),
            DeviceState::Silent
        );
        assert_eq!(
            state_after(&mut device, at(24 * 60 + 5)),
            DeviceState::Offline
        );
        device.heard(&at(3_000), at(3_000).clock);
        assert_eq!(device.state, DeviceState::Online);
    }

    #[test]
    fn history_of_yesterday_makes_nobody_be_there_now() {
        let mut device = Tracked::new(&at(3_000));
        device.heard(&at(3_000), at(2_000).clock);
        assert_eq!(device.state, DeviceState::Offline);
        assert_eq!(device.known.last_seen, Some(at(2_000).clock));
        assert_eq!(state_after(&mut device, at(3_001)), DeviceState::Silent);

        device.heard(&at(3_002), at(1_000).clock);
        assert_eq!(device.known.last_seen, Some(at(2_000).clock));
        device.heard(&at(3_003), at(3_002).clock);
        assert_eq!(device.state, DeviceState::Online);
    }

    #[test]
    fn nobody_is_silent_while_we_did_not_listen() {
        let mut device = heard(-120);
        assert_eq!(state_after(&mut device, at(9)), DeviceState::Online);
        assert_eq!(state_after(&mut device, at(10)), DeviceState::Silent);

        // A start changes no state by itself.
        let mut device = heard(-120);
        device.state = DeviceState::Silent;
        assert_eq!(state_after(&mut device, at(0)), DeviceState::Silent);
    }

    #[test]
    fn a_device_that_its_box_says_to_be_offline_is_silent_in_the_end() {
        let mut device = heard(0);
        device.is_said_to_be_offline(&at(1));
        assert_eq!(state_after(&mut device, at(2)), DeviceState::Offline);
        assert_eq!(state_after(&mut device, at(10)), DeviceState::Silent);
        device.is_said_to_be_offline(&at(11));
        assert_eq!(device.state, DeviceState::Silent);
    }

    #[test]
    fn the_inventory_says_who_may_be_silent_and_who_stays_so() {
        let mut expected = Tracked::new(&at(0));
        expected.listed = listed(true);
        assert_eq!(state_after(&mut expected, at(9)), DeviceState::Offline);
        assert_eq!(
            state_after(&mut expected, at(10)),
            DeviceState::Silent,
            "never heard of"
        );
        assert_eq!(state_after(&mut expected, at(9_000)), DeviceState::Silent);

        let mut new = Tracked::new(&at(500));
        new.listed = listed(true);
        assert_eq!(state_after(&mut new, at(501)), DeviceState::Offline);
        assert_eq!(
            state_after(&mut new, at(510)),
            DeviceState::Silent,
            "not before it had time to be heard of"
        );

        let mut spare = heard(0);
        spare.listed = listed(false);
        assert_eq!(state_after(&mut spare, at(30)), DeviceState::Online);
        assert_eq!(state_after(&mut spare, at(24 * 60)), DeviceState::Offline);
    }

    #[test]
    fn where_nobody_is_to_be_silent_nobody_is() {
        let mut device = heard(0);
        let off = |minutes| AsOf {
            silent_after: None,
            ..at(minutes)
        };
        assert_eq!(state_after(&mut device, off(60)), DeviceState::Online);
        assert_eq!(state_after(&mut device, off(24 * 60)), DeviceState::Offline);
    }
}
