//! Decides what is sent when: which box, which device, who was seen, with which pictures.
//!
//! Promises: everything but the times and the run's id follows from the seed; markers are dense from 0; the times of a device
//! strictly increase, so that no two of its events can be taken for one. Deliberately sends nothing.

use std::time::Duration;

use super::film::{Film, Shot};
use super::ledger::Marker;
use super::vendor::{Firmware, Sighting};
use super::{FirmwareMix, Options};
use crate::chance::Chance;
use crate::faces::{self, Door, Sitter};
use boxbridge_event::{Feed, PersonType, PictureKind, Timestamp};

/// A run's plan, shared by all boxes.
pub struct Traffic {
    pub film: Film,
    pub run: u32,
    pub requests: u64,
    seed: u64,
    options: Options,
}

/// What one box keeps between its requests.
pub struct BoxState {
    number: u64,
    id: String,
    pub firmware: Firmware,
    devices: Vec<Device>,
}

struct Device {
    address: String,
    events: u32,
    last: Timestamp,
}

/// One sighting with its place in its device's order.
pub struct Planned {
    pub sighting: Sighting,
    pub sequence: u32,
}

/// Invented; scripts, quotes and accents as they come.
const NAMES: [&str; 13] = [
    "小明",
    "王芳",
    "李伟",
    "Ana Gómez",
    "O'Brien \"Bob\"",
    "Дмитрий",
    "陈静",
    "Jürgen Groß",
    "Aïcha Bâ",
    "山田 太郎",
    "Noor Hussain",
    "张敏",
    "Žofia Nowák",
];

/// Streams of chance, so that one decision does not shift the others.
const STREAM_BOXES: u64 = 1 << 62;
const STREAM_EVENTS: u64 = 1 << 61;

impl Traffic {
    pub fn new(options: &Options, seed: u64, run: u32) -> Traffic {
        let requests = options.count.unwrap_or_else(|| {
            let requests = options.duration.as_secs_f64() * options.rate;
            // Truncation is meant: a request that would begin after the end is not sent.
            requests.ceil().max(1.0) as u64
        });

        let film = match options.faces {
            true => Film::blank(),
            false => Film::new(seed, options.picture_bytes),
        };
        Traffic {
            film,
            run,
            requests,
            seed,
            options: options.clone(),
        }
    }

    /// From the start to the intended moment of a request.
    pub fn intended(&self, request: u64) -> Duration {
        let burst = u64::from(self.options.burst.max(1));
        Duration::from_secs_f64((request / burst * burst) as f64 / self.options.rate)
    }

    pub fn new_box(&self, number: u64) -> BoxState {
        let among = match self.options.firmware {
            FirmwareMix::Document => &[Firmware::Document],
            FirmwareMix::Mixed => Firmware::SE3,
            FirmwareMix::Family => Firmware::ALL,
        };
        let mut chance = Chance::new(self.seed, STREAM_BOXES + number);
        let firmware = chance.pick(among).copied().unwrap_or(Firmware::Document);

        let per_box = u64::from(self.options.devices);
        let device = |device| Device {
            address: address(number * per_box + device),
            events: 0,
            last: Timestamp(0),
        };

        BoxState {
            number,
            id: format!("HQDZKM{number:07}"),
            firmware,
            devices: (0..per_box).map(device).collect(),
        }
    }

    /// The sightings of one request: several only where history is sent in arrays.
    pub fn plan(&self, request: u64, sender: &mut BoxState, now: Timestamp) -> Vec<Planned> {
        let history_before = self.history_before(request);
        let batch = u64::from(self.options.history_batch.max(1));
        let (feed, events) = match self.history_before(request + 1) > history_before {
            true => (Feed::History, batch),
            false => (Feed::Realtime, 1),
        };

        let first = request + history_before * (batch - 1);
        let turn = (request / u64::from(self.options.boxes)) as usize;
        let device = turn % sender.devices.len().max(1);
        let numbers = first..first + events;
        numbers
            .filter_map(|number| self.plan_event(number, feed, device, sender, now))
            .collect()
    }

    fn history_before(&self, request: u64) -> u64 {
        (request as f64 * self.options.history) as u64
    }

    fn plan_event(
        &self,
        number: u64,
        feed: Feed,
        device: usize,
        sender: &mut BoxState,
        now: Timestamp,
    ) -> Option<Planned> {
        let mut chance = Chance::new(self.seed, STREAM_EVENTS + number);
        let person_type = self.options.mix.draw(&mut chance);
        let person = chance.below(u64::from(self.options.people.max(1)));
        let score = 6_000 + chance.below(4_000) as u32;

        let device = sender.devices.get_mut(device)?;
        let (occurred_at, sequence) = device.next(now);
        let identity = match person_type {
            PersonType::Stranger => of_stranger(occurred_at, number),
            known => format!("{}{person:05}", known.number() + 1),
        };

        let number = u32::try_from(number).ok()?;
        let mut sighting = Sighting {
            marker: Marker {
                run: self.run,
                number,
            },
            feed,
            device: device.address.clone(),
            box_id: sender.id.clone(),
            person_type,
            pictures: Vec::new(),
            name: name(person_type, &identity),
            identity,
            score,
            occurred_at,
        };

        sighting.pictures = self.shoot(&sighting);
        Some(Planned { sighting, sequence })
    }

    /// As many pictures as asked for. Strangers have no registered one, and only history has infrared.
    fn shoot(&self, sighting: &Sighting) -> Vec<(PictureKind, Shot)> {
        let kinds = PictureKind::ALL.iter().copied().filter(|kind| match kind {
            PictureKind::Registered => sighting.person_type != PersonType::Stranger,
            PictureKind::Infrared => sighting.feed == Feed::History,
            PictureKind::Scene | PictureKind::Face => true,
        });
        let kinds = kinds.take(usize::from(self.options.pictures));
        kinds
            .map(|kind| (kind, self.picture(kind, sighting)))
            .collect()
    }

    fn picture(&self, kind: PictureKind, sighting: &Sighting) -> Shot {
        if self.options.faces {
            return Shot::of(drawn(kind, sighting));
        }

        self.film.shoot(&match kind {
            PictureKind::Registered => format!("registered {}", sighting.identity),
            _ => format!("{kind} {:08x} {}", self.run, sighting.marker.number),
        })
    }
}

/// As boxes number strangers: the second and a fraction of it.
fn of_stranger(occurred_at: Timestamp, number: u64) -> String {
    format!("{}.{:07}", occurred_at.0 / 1000, number % 10_000_000)
}

fn drawn(kind: PictureKind, sighting: &Sighting) -> Vec<u8> {
    let Sighting {
        identity,
        person_type,
        device,
        occurred_at,
        ..
    } = sighting;
    let sitter = Sitter {
        identity,
        person_type: *person_type,
    };
    let door = Door {
        device,
        time: *occurred_at,
    };

    match kind {
        PictureKind::Registered => faces::registered(&sitter),
        PictureKind::Scene => faces::scene(&sitter, &door),
        PictureKind::Face | PictureKind::Infrared => faces::face(&sitter),
    }
}

/// The name of this identity, the same in every run.
pub fn name(person_type: PersonType, identity: &str) -> &'static str {
    let number = identity.parse().unwrap_or(0_usize);
    match person_type {
        PersonType::Stranger => "stranger",
        _ => NAMES.get(number % NAMES.len()).copied().unwrap_or_default(),
    }
}

impl BoxState {
    /// The first request of this box. Boxes take turns, so its next one is as many later as there are boxes.
    pub fn first_request(&self) -> u64 {
        self.number
    }
}

impl Device {
    /// Time and sequence of its next event.
    fn next(&mut self, now: Timestamp) -> (Timestamp, u32) {
        self.last = now.max(Timestamp(self.last.0 + 1));
        self.events += 1;
        (self.last, self.events - 1)
    }
}

/// 192.168.1.1 and up; every device of a run has its own.
fn address(device: u64) -> String {
    format!(
        "192.{}.{}.{}",
        168 + device / (254 * 254) % 80,
        1 + device / 254 % 254,
        1 + device % 254
    )
}
